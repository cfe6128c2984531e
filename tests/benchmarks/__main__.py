"""`make bench`: how fast this machine reads, against what it could read at most, in the same run.

python -m tests.benchmarks [--stories N] [--seconds S]

constant bytes  what uvicorn sends from bytes that are there already
SQL by hand     one hand-written statement that PostgreSQL prints as JSON, sent as it is
cold            Copydesk that keeps no answers: every request is read from the database
warm            Copydesk as it is: POST, GET, and GET with the answer's ETag

The server has the first core to itself, PostgreSQL and the load share the second. The load is wrk's
(https://github.com/wg/wrk); without it, a slower one of our own, which cannot tell the fastest apart.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
from tortoise import connections

from cms import database, embedded, listings
from cms.settings import Settings
from tests.benchmarks.load import Measured, Wish, load
from tests.benchmarks.newsroom import fill

FRONT = """{ articles(first: 20) { nodes { headline slug dek publishedAt leadMedia { altText } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } } }"""
ARTICLE = """query($slug: String!) { article(slug: $slug) { headline dek publishedAt body { html } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } }"""
TAG = """query($slug: String!) { tag(slug: $slug) { name articles(first: 20) { totalCount
  nodes { headline slug dek publishedAt } } } }"""
HOT, KEPT_BYTES = 200, 200 * 1024**2


@dataclass(frozen=True)
class Shape:
    """A query, with the values of its slug, and the path under which the same is answered by hand."""

    name: str
    document: str
    slugs: list[str]
    path: str

    def by_hand(self) -> list[Wish]:
        return [Wish(f"{self.path}?{slug}") for slug in self.slugs] or [Wish(self.path)]

    def posts(self) -> list[Wish]:
        given = [{"slug": slug} for slug in self.slugs] or [{}]
        return [Wish("/graphql", orjson.dumps({"query": self.document, "variables": each}).decode()) for each in given]

    def gets(self) -> list[Wish]:
        path = f"/graphql?query={quote(self.document)}"
        return [Wish(f"{path}&variables={quote(orjson.dumps({'slug': s}))}") for s in self.slugs] or [Wish(path)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    wish = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)))
    directory = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    directory.chmod(0o711)
    with embedded.running(directory / "data", durable=False) as url:
        asyncio.run(_fill(url, wish.stories))
        _read(url, wish.stories, wish.seconds)


async def _fill(url: str, stories: int) -> None:
    async with database.open(Settings(database_url=url)):
        await database.migrate()
        await fill(url, stories)
        async with database.transaction():
            await listings.rebuild()
        await connections.get("default").execute_query("analyze")


def _read(url: str, stories: int, seconds: float) -> None:
    chance = random.Random(1)
    shapes = [
        Shape("front page", FRONT, [], "/front"),
        Shape("article", ARTICLE, [f"story-{chance.randint(4, stories)}" for _ in range(2_000)], "/article"),
        Shape("tag page", TAG, [f"tag-{chance.randint(1, 200)}" for _ in range(2_000)], "/tag"),
    ]
    print(
        f"{stories:,} stories; {platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"uvicorn {version('uvicorn')}, strawberry {version('strawberry-graphql')}; 16 connections, {seconds} s each"
    )
    columns = ("constant bytes", "SQL by hand", "cold", "warm POST", "warm GET", "304")
    print(f"{'requests a second (p50/p99 ms)':<32}" + "".join(f"{column:>24}" for column in columns))
    for shape in shapes:
        print(f"{shape.name:<32}" + "".join(f"{_cell(each):>24}" for each in _row(shape, url, seconds)), flush=True)


def _row(shape: Shape, url: str, seconds: float) -> Iterator[Measured]:
    hot = Shape(shape.name, shape.document, shape.slugs[:HOT], shape.path)
    with serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES="0") as port:
        cold = load(port, shape.posts(), seconds=seconds)
    with serving("tests.benchmarks.limits:constant", url) as port:
        yield load(port, [Wish(f"/{cold.bytes}")], seconds=seconds)
    with serving("tests.benchmarks.limits:by_hand", url) as port:
        yield load(port, shape.by_hand(), seconds=seconds)
    yield cold
    with serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES=str(KEPT_BYTES)) as port:
        yield load(port, hot.posts(), seconds=seconds)
        yield load(port, hot.gets(), seconds=seconds)
        one = hot.gets()[0]
        etag = httpx.get(f"http://127.0.0.1:{port}{one.path}", headers={"accept-encoding": "identity"}).headers["etag"]
        yield load(port, [Wish(one.path, etag=etag)], seconds=seconds)


def _cell(measured: Measured) -> str:
    return f"{measured.per_second:,.0f} ({measured.p50:.1f}/{measured.p99:.1f})"


@contextmanager
def serving(app: str, url: str, *arguments: str, **variables: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen(
        [*command, *arguments],
        env={**os.environ, "CMS_DATABASE_URL": url, **variables},
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
