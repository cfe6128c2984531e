"""Three servers that keep answers, beside each other: what they say is in order."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from cms import ids
from cms.models import ArticleStatus, Role
from tests.conftest import Served
from tests.factories import make_article, make_token, make_user

pytestmark = pytest.mark.usefixtures("db")

STORIES = 3
# Where a story's headline, which counts its publications, can be read; each document has its own answers.
DOCUMENTS = (
    "query($slug: String) {{ article(slug: $slug) {{ headline }} }}",
    '{{ articles(filter: {{id: {{in: ["{id}"]}}}}) {{ nodes {{ headline }} }} }}',
    '{{ tag(slug: "all") {{ articles(filter: {{id: {{in: ["{id}"]}}}}) {{ nodes {{ headline }} }} }} }}',
    '{{ front: storyList(slug: "none") {{ slug }} article(id: "{id}") {{ headline }} }}',
)


class Newsroom:
    """Servers, and what has been published through them and read from them."""

    def __init__(self, servers: list[Served], stories: list[tuple[str, str]], token: str, seed: int) -> None:
        self.servers = [httpx.Client(base_url=served.url, timeout=30) for served in servers]
        self.stories, self.token, self.chance = stories, token, random.Random(seed)
        self.published = [0] * len(stories)
        # The newest that each server has said of each story: nothing older may follow.
        self.said = [[0] * len(stories) for _ in servers]

    def publish(self) -> None:
        server, story = self.chance.randrange(len(self.servers)), self.chance.randrange(len(self.stories))
        id, number = self.stories[story][0], self.published[story] + 1
        document = """mutation($id: ID!, $headline: String!) {
          updateArticle(input: {id: $id, headline: $headline}) { __typename }
          publishArticle(input: {id: $id}) { __typename }
        }"""
        answer = self._ask(server, document, {"id": id, "headline": f"Number {number}"}, self.token)
        assert answer["publishArticle"]["__typename"] == "Article", answer
        self.published[story] = number
        self.said[server][story] = number  # it was acknowledged here

    def read(self, server: int | None = None) -> bool:
        """Whether the server said the newest. Fails where it says something older than before."""
        server = self.chance.randrange(len(self.servers)) if server is None else server
        story = self.chance.randrange(len(self.stories))
        id, slug = self.stories[story]
        document = self.chance.choice(DOCUMENTS).format(id=id)
        data = self._ask(server, document, {"slug": slug} if "$slug" in document else {})
        number = int(str(data).rpartition("Number ")[2].partition("'")[0])
        assert number >= self.said[server][story], f"server {server} said {number} after {self.said[server][story]}"
        self.said[server][story] = number
        return number == self.published[story]

    def settle(self) -> None:
        """Within a second every server says the newest, in every document."""
        until = time.monotonic() + 1
        while time.monotonic() < until:
            self.read()
        for server in range(len(self.servers)):
            assert all(self.read(server) for _ in range(30))

    def _ask(
        self, server: int, document: str, variables: dict[str, str], token: str | None = None
    ) -> dict[str, dict[str, str]]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        response = self.servers[server].post(
            "/graphql", json={"query": document, "variables": variables}, headers=headers
        )
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]  # type: ignore[no-any-return]


@pytest.fixture
async def newsroom(db: None, database_url: str, serve: Callable[..., Served]) -> AsyncIterator[Newsroom]:
    stories = []
    for number in range(STORIES):
        story = await make_article(
            headline="Number 0", slug=f"story-{number}", tag_names=["all"], status=ArticleStatus.PUBLISHED
        )
        stories.append((ids.encode("Article", story.article_id), f"story-{number}"))
    token = await make_token(user=await make_user(Role.EDITOR))
    made = Newsroom([serve(CMS_DATABASE_URL=database_url) for _ in range(3)], stories, token, seed=1)
    yield made
    for each in made.servers:
        each.close()


def steps(newsroom: Newsroom, count: int) -> None:
    for _ in range(count):
        newsroom.publish() if newsroom.chance.random() < 0.1 else newsroom.read()


async def test_nothing_older_follows_something_newer_and_the_newest_is_everywhere_within_a_second(
    newsroom: Newsroom, server_url: str, database_url: str
) -> None:
    steps(newsroom, 300)
    newsroom.settle()

    # Notifications are lost: the log is looked at all the same.
    admin = await asyncpg.connect(urlsplit(server_url)._replace(path=urlsplit(database_url).path).geturl())
    await admin.execute("alter table event disable trigger event_told")
    steps(newsroom, 300)
    newsroom.settle()
    await admin.execute("alter table event enable trigger event_told")

    # The connections that listen break, over and over.
    for _ in range(5):
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() "
            "and (query ilike 'listen%' or query like '%from event where (place%')"
        )
        steps(newsroom, 60)
    newsroom.settle()
    await admin.close()
