"""A history checker: ten clients write into a few stories through two servers that are killed at random (R6).

Every acknowledged word is there once at the end, every refused one is not, and one whose answer got lost is there once
or not at all; versions only grow, and the log tells of every save and publication.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import pytest

from cms import articles, ids
from cms.models import Article, ArticleStatus, Event, Head, Live, Revision, TokenScope
from cms.permissions import SYSTEM
from schema.loaders import Loaders
from tests import crashing
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article, make_token, make_user
from tests.ports import free_port

CLIENTS, STORIES = 10, 3

READ = """query($id: ID!) { article(id: $id, perspective: DRAFT) { body { html } editorial { version } } }"""
RESULT = "__typename ... on Problem { code currentVersion } ... on Article { editorial { version } }"
SAVE = f"mutation($input: UpdateArticleInput!) {{ done: updateArticle(input: $input) {{ {RESULT} }} }}"
PUBLISH = f"mutation($input: PublishArticleInput!) {{ done: publishArticle(input: $input) {{ {RESULT} }} }}"


@dataclass(frozen=True)
class Operation:
    """One write as its client saw it; version is None where the answer got lost."""

    kind: str
    story: str
    word: str
    asked_at: float
    answered_at: float
    expected: int
    version: int | None


@dataclass
class History:
    """What all clients know together."""

    acknowledged: list[Operation] = field(default_factory=list)
    unanswered: list[Operation] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)


class Lost(Exception):
    """There was no answer."""


@dataclass
class Client:
    number: int
    token: str
    servers: list[str]
    history: History
    chance: random.Random
    words: int = 0

    async def run(self, stories: list[str], goes_on: Callable[[], bool]) -> None:
        async with httpx.AsyncClient(timeout=20, headers={"Authorization": f"Bearer {self.token}"}) as http:
            while goes_on():
                try:
                    await self._write(http, self.chance.choice(stories))
                except Lost:
                    await asyncio.sleep(0.05)  # as any client does before it tries again

    async def _write(self, http: httpx.AsyncClient, story: str) -> None:
        read = (await self._ask(http, READ, id=story))["article"]
        version, html = read["editorial"]["version"], read["body"]["html"]
        if self.chance.random() < 0.15:
            await self._send(http, PUBLISH, story, "", version, {})
            return
        self.words += 1
        word = f"w{self.number}x{self.words}"
        body = {"html": f"{html}<p>{word}</p>"}
        await self._send(http, SAVE, story, word, version, {"body": body, "autosave": self.chance.random() < 0.3})

    async def _send(
        self, http: httpx.AsyncClient, document: str, story: str, word: str, expected: int, more: dict[str, Any]
    ) -> None:
        asked = time.monotonic()
        kind = "save" if document is SAVE else "publish"
        try:
            done = (await self._ask(http, document, input={"id": story, "expectedVersion": expected, **more}))["done"]
        except Lost:
            self.history.unanswered.append(Operation(kind, story, word, asked, time.monotonic(), expected, None))
            raise
        if done["__typename"] == "Article":
            version = done["editorial"]["version"]
            known = Operation(kind, story, word, asked, time.monotonic(), expected, version)
            self.history.acknowledged.append(known)
        else:
            self.history.codes[done["code"]] += 1
            self.history.refused.append(word)
            assert done["code"] != "CONFLICT" or done["currentVersion"] > expected

    async def _ask(self, http: httpx.AsyncClient, document: str, **variables: Any) -> Any:
        url = self.chance.choice(self.servers)
        try:
            response = await http.post(f"{url}/graphql", json={"query": document, "variables": variables})
        except httpx.TransportError as error:
            raise Lost from error
        assert response.status_code == 200, response.text
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]


@dataclass
class Servers:
    """Two servers, one of which is killed now and then, and another started in its place."""

    url: str
    ports: list[int]
    urls: list[str] = field(default_factory=list)
    kills: int = 0
    _started: list[crashing.Started] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Servers]:
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self._started = [crashing.serve(self.url, port) for port in self.ports]
        try:
            for url in self.urls:
                await self._answers(url)
            yield self
        finally:
            for server in self._started:
                await asyncio.to_thread(server.kill)

    async def suffer(self, chance: random.Random) -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            place = self.kills % len(self.ports)
            assert await asyncio.to_thread(self._started[place].kill) == -signal.SIGKILL
            self._started[place] = crashing.serve(self.url, self.ports[place])
            self.kills += 1
            await self._answers(self.urls[place])

    async def _answers(self, url: str) -> None:
        deadline = time.monotonic() + 60
        async with httpx.AsyncClient() as http:
            while True:
                with suppress(httpx.TransportError):
                    if (await http.get(f"{url}/health")).status_code == 200:
                        return
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


async def play(servers: Servers, *, writes: int, kills: int, seed: int) -> tuple[History, list[str]]:
    """Until so many writes were acknowledged and so many servers killed."""
    chance, history = random.Random(seed), History()
    stories = [
        ids.encode("Article", (await make_article(body={"html": "<p>Start.</p>"}, headline=f"S{n}")).article_id)
        for n in range(STORIES)
    ]
    tokens = [await make_token(TokenScope.WRITE, await make_user()) for _ in range(CLIENTS)]
    deadline = time.monotonic() + 600

    def goes_on() -> bool:
        assert time.monotonic() < deadline
        return len(history.acknowledged) < writes or servers.kills < kills

    async with servers.running():
        suffering = asyncio.create_task(servers.suffer(chance))
        clients = [Client(n, token, servers.urls, history, random.Random(n + seed)) for n, token in enumerate(tokens)]
        await asyncio.gather(*(client.run(stories, goes_on) for client in clients))
        assert not suffering.done(), suffering.exception()
        suffering.cancel()
    await crashing.gone(servers.url)
    return history, stories


async def check(history: History, stories: list[str]) -> None:
    assert history.codes.keys() <= {"CONFLICT", "TRANSITION_REFUSED"}, history.codes
    for story in stories:
        await check_story(history, story)


async def check_story(history: History, story: str) -> None:
    key = ids.decode_as("Article", story)
    assert key is not None
    article, head = await Article.get(id=key), await Head.get(article_id=key)
    mine = [operation for operation in history.acknowledged if operation.story == story]
    lost = [operation for operation in history.unanswered if operation.story == story]
    there = Counter(re.findall(r"w\d+x\d+", head.html))
    # Words: of what was acknowledged none is lost, of what was refused none is there, and none is there twice.
    assert max(there.values(), default=1) == 1
    assert {o.word for o in mine if o.kind == "save"} <= there.keys()
    assert not there.keys() & set(history.refused)
    assert there.keys() <= {o.word for o in (*mine, *lost)}
    check_order(mine, head.html)
    # Versions: each step of the story is one write, and whatever was unanswered happened or did not.
    saves, published = there.total(), await Event.filter(article_id=key, type="article.published").count()
    acknowledged = Counter(o.kind for o in mine)
    unanswered = Counter(o.kind for o in lost)
    # An autosave whose answer got lost may have been overwritten by its own hand's next one, which is no conflict.
    assert 0 <= article.version - (1 + saves + published) <= unanswered["save"]
    assert acknowledged["save"] <= saves <= acknowledged["save"] + unanswered["save"]
    assert acknowledged["publish"] <= published <= acknowledged["publish"] + unanswered["publish"]
    await check_log(key, article, head, published)


def check_order(acknowledged: list[Operation], html: str) -> None:
    """Versions are each somebody's alone, follow one another in time, and in the order of the words."""
    by_version = sorted(acknowledged, key=lambda o: o.version or 0)
    versions = [o.version or 0 for o in by_version]
    assert len(set(versions)) == len(versions)
    assert all(version > o.expected for version, o in zip(versions, by_version, strict=True))
    for earlier, later in pairwise(by_version):
        assert later.answered_at > earlier.asked_at
    places = [html.index(f"{o.word}</p>") for o in by_version if o.kind == "save"]
    assert places == sorted(places)


async def check_log(key: Any, article: Article, head: Head, published: int) -> None:
    revisions = await Revision.filter(article_id=key).order_by("number")
    assert [revision.number for revision in revisions] == list(range(1, len(revisions) + 1))
    assert revisions[-1].id == head.revision_id
    # A folded autosave is no revision and no event of its own.
    told = await Event.filter(article_id=key, type="article.saved").order_by("id")
    assert [event.detail["revision"] for event in told] == [revision.number for revision in revisions[1:]]
    live = await Live.get_or_none(article_id=key)
    assert (live is not None) == (published > 0)
    if live is not None:
        shown = await Revision.get(id=live.revision_id)
        assert (live.html, shown.sealed_at is not None) == (shown.html, True)
        assert (live.revision_id == head.revision_id) == (article.status is ArticleStatus.PUBLISHED)
    assert await execute("select 1 from revision where article_id = $1 and html like '%w%x%' and number = 1", key) == []


BOTH = "headline editorial { version }"
STORY = f"... on Article {{ {BOTH} }}"


async def test_R6_a_story_is_answered_with_the_version_of_the_content_that_is_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody saves after the content was read and before the version is."""
    editor, story = await make_actor(), await make_article(headline="First")
    id, visible = ids.encode("Article", story.article_id), Loaders.visible
    theirs = 0

    async def overtaken(loaders: Loaders, model: Any, key: Any) -> Any:
        nonlocal theirs
        if model is Article:
            theirs += 1
            await articles.update(SYSTEM, key, {"headline": f"Theirs {theirs}"})
        return await visible(loaders, model, key)

    monkeypatch.setattr(Loaders, "visible", overtaken)
    read = await api(f"query($id: ID!) {{ article(id: $id, perspective: DRAFT) {{ {BOTH} }} }}", actor=editor, id=id)
    assert read["article"] == {"headline": "First", "editorial": {"version": 1}}
    mine = {"id": id, "headline": "Mine", "expectedVersion": 1}
    assert (await api.write("updateArticle", mine, STORY, actor=editor))["code"] == "CONFLICT"
    saved = await api.write("updateArticle", mine | {"expectedVersion": 2}, STORY, actor=editor)
    assert (saved["headline"], saved["editorial"]) == ("Mine", {"version": 3})
    assert (await Head.get(article_id=story.article_id)).headline == "Theirs 2"
    stale = mine | {"expectedVersion": 3}
    assert (await api.write("updateArticle", stale, STORY, actor=editor))["code"] == "CONFLICT"


@pytest.fixture
def servers(database_url: str) -> Servers:
    return Servers(database_url, [free_port(), free_port()])


async def test_R6_ten_clients_and_two_servers_that_are_killed_lose_no_acknowledged_word(
    db: None, servers: Servers
) -> None:
    await check(*await play(servers, writes=60, kills=3, seed=1))


@pytest.mark.extended
async def test_R6_hundreds_of_writes_and_a_dozen_kills_lose_no_acknowledged_word(db: None, servers: Servers) -> None:
    await check(*await play(servers, writes=400, kills=12, seed=20))
