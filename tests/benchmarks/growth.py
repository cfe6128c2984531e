"""`make bench`: what more stories cost. The three pages read cold with few stories and with many, in turn; and how long
`publishArticle` takes among many, over HTTP, for one editor: the next story when nothing of the last one is owed any more.

python -m tests.benchmarks.growth [--few N] [--many N] [--keep-few DIRECTORY] [--keep-many DIRECTORY]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg

from cms import accounts, clock, database, ids, workflow
from cms.models import Live, Role, TokenScope, User
from cms.permissions import SYSTEM
from cms.settings import Settings
from cms.workflow import Transition
from tests.benchmarks.columns import in_turn
from tests.benchmarks.load import best, times
from tests.benchmarks.newsroom import ARTICLE, AUTHOR, MEDIA, SECTION, TAG, id_of
from tests.benchmarks.report import CELL, at_most, cell, conditions, markdown
from tests.benchmarks.running import newsroom, serving
from tests.benchmarks.shapes import shapes

MOST_GROWTH, MOST_PUBLISHING_MS = 1.3, 15.0
PUBLISHED, WARMING = 120, 30
_STORY = "... on Article { id publishedAt path } ... on Problem { code message }"
CREATE = f"mutation($input: CreateArticleInput!) {{ story: createArticle(input: $input) {{ {_STORY} }} }}"
PUBLISH = f"mutation($input: PublishArticleInput!) {{ story: publishArticle(input: $input) {{ {_STORY} }} }}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--keep-few", type=Path)
    parser.add_argument("--keep-many", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=9)
    wish = parser.parse_args()
    with newsroom(wish.few, wish.keep_few) as few, newsroom(wish.many, wish.keep_many) as many:
        print(asyncio.run(conditions(many, f"{wish.few:,} and {wish.many:,} stories")), flush=True)
        rows = list(_read({few: wish.few, many: wish.many}, wish.rounds, wish.seconds))
        head = [CELL, f"{wish.few:,} stories", f"{wish.many:,} stories", "times as long (wanted)"]
        print("\n".join(["", *markdown(head, rows), ""]), flush=True)
        took = quantiles(publishing(many), n=100)
        print(
            f"publishArticle among {wish.many:,} stories: p50 {at_most(took[49], MOST_PUBLISHING_MS)} ms, p99 {took[98]:.1f} ms"
        )


def _read(stories: dict[str, int], rounds: int, seconds: float) -> Iterator[list[str]]:
    """stories: how many, by the url of the database."""
    with ExitStack() as stack:
        ports = {
            url: stack.enter_context(serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES="0"))
            for url in stories
        }
        for number in range(3):
            asked = {url: shapes(n)[number] for url, n in stories.items()}
            few, many = in_turn(
                {url: (ports[url], url, shape.posts()) for url, shape in asked.items()}, rounds, seconds
            ).values()
            longer = at_most(times(few, many), MOST_GROWTH)
            yield [next(iter(asked.values())).name, cell(best(few)), cell(best(many)), longer]


def publishing(url: str) -> list[float]:
    """How long each took, in milliseconds. What was published is not public when it ends: the next run finds the same."""
    token = asyncio.run(_token(url))
    made: list[str] = []
    try:
        with (
            serving("cms.app:create_app", url, "--factory") as port,
            closing(HTTPConnection("127.0.0.1", port)) as http,
        ):
            client = partial(_told, http, token)
            made += (client(CREATE, _draft(n))["id"] for n in range(WARMING + PUBLISHED))
            return list(_published(client, url, made))[WARMING:]
    finally:
        asyncio.run(_unpublish(url, made))


def _published(client: Callable[..., dict[str, Any]], url: str, stories: list[str]) -> Iterator[float]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        for story in stories:
            began = time.perf_counter()
            published = client(PUBLISH, {"id": story})
            yield (time.perf_counter() - began) * 1000
            if published["publishedAt"] is None:
                raise RuntimeError(published)
            runner.run(_until_nothing_is_owed(connection))
        runner.run(connection.close())


async def _until_nothing_is_owed(connection: asyncpg.Connection) -> None:
    while await connection.fetchval("select exists (select from pgqueuer where status <> 'failed')"):
        await asyncio.sleep(0.05)


def _draft(n: int) -> dict[str, Any]:
    """What every other story has too."""
    return {
        "headline": f"Measured {n} at {time.time_ns()}",
        "dek": "In a line",
        "body": {"html": f"<p>{'The harbour council met again on Tuesday. ' * 8}</p>" * 25},
        "sectionId": id_of(SECTION, 1 + n % 40),
        "byline": [{"authorId": id_of(AUTHOR, 1 + n % 300)}],
        "tagIds": [id_of(TAG, 1 + n % 20), id_of(TAG, 21 + n % 180), id_of(TAG, 201 + n % 1800)],
        "leadMedia": {"mediaId": id_of(MEDIA, 1 + n % 5000)},
        "relatedPostIds": [id_of(ARTICLE, n + 1), id_of(ARTICLE, n + 2), id_of(ARTICLE, n + 3)],
    }


def _told(http: HTTPConnection, token: str, document: str, given: dict[str, Any]) -> dict[str, Any]:
    """With the client of the standard library: what a client takes by itself is not what is measured."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    http.request("POST", "/graphql", json.dumps({"query": document, "variables": {"input": given}}).encode(), headers)
    answer = http.getresponse().read()
    found: dict[str, Any] = (json.loads(answer).get("data") or {}).get("story") or {}
    if "id" not in found:
        raise RuntimeError(answer)
    return found


async def _token(url: str) -> str:
    async with database.open(Settings(database_url=url)):
        user = await User.create(name="Editor", role=Role.EDITOR, created_at=clock.now())
        return await accounts.create_token(SYSTEM, name="bench", scope=TokenScope.WRITE, user=user)


async def _unpublish(url: str, stories: list[str]) -> None:
    async with database.open(Settings(database_url=url)):
        for id in filter(None, (ids.decode_as("Article", story) for story in stories)):
            if await Live.exists(article_id=id):
                await workflow.transition(SYSTEM, id, Transition.UNPUBLISH)


if __name__ == "__main__":
    main()
