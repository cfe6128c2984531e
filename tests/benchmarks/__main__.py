"""`make bench`: how fast this machine reads, against what it could read at most, in the same run.

python -m tests.benchmarks [--stories N] [--seconds S]
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from cms import database, embedded, search
from cms.settings import Settings
from tests.benchmarks.load import Measured, measure, post
from tests.benchmarks.newsroom import fill

FRONT = """{ articles(first: 20) { nodes { headline slug dek publishedAt leadMedia { altText } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } } }"""
ARTICLE = """query($slug: String!) { article(slug: $slug) { headline dek publishedAt body { html } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } }"""
TAG = """query($slug: String!) { tag(slug: $slug) { name articles(first: 20) { totalCount
  nodes { headline slug dek publishedAt } } } }"""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    wish = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    directory.chmod(0o711)
    with embedded.running(directory / "data", durable=False) as url:
        async with database.open(Settings(database_url=url)):
            await database.migrate()
            await fill(url, wish.stories)
            await search.reindex()
        await _read(url, wish.stories, wish.seconds)


async def _read(url: str, stories: int, seconds: float) -> None:
    chance = random.Random(1)
    slugs = [f"story-{chance.randint(4, stories)}" for _ in range(2_000)]
    tags = [f"tag-{chance.randint(1, 200)}" for _ in range(2_000)]
    shapes: dict[str, tuple[Callable[[int], bytes], Callable[[int], bytes]]] = {
        "front page": (lambda n: get("/front"), lambda n: post(FRONT)),
        "article": (
            lambda n: get(f"/article?{slugs[n % 2_000]}"),
            lambda n: post(ARTICLE, {"slug": slugs[n % 2_000]}),
        ),
        "tag page": (lambda n: get(f"/tag?{tags[n % 2_000]}"), lambda n: post(TAG, {"slug": tags[n % 2_000]})),
    }
    print(
        f"{stories:,} stories; {platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"uvicorn {version('uvicorn')}, strawberry {version('strawberry-graphql')}; 16 connections, {seconds} s each"
    )
    print(f"{'requests a second (p50/p99 ms)':<32}{'constant bytes':>24}{'SQL by hand':>24}{'Copydesk':>24}")
    for name, (by_hand, ours) in shapes.items():
        with serving("tests.benchmarks.limits:by_hand", url) as port:
            hand = await measure(port, by_hand, seconds=seconds)
        with serving("cms.app:create_app", url, "--factory") as port:
            own = await measure(port, ours, seconds=seconds)
        with serving("tests.benchmarks.limits:constant", url) as port:
            most = await measure(port, lambda n, size=own.bytes: get(f"/{size}"), seconds=seconds)  # type: ignore[misc]
        print(f"{name:<32}{_cell(most):>24}{_cell(hand):>24}{_cell(own):>24}")


def _cell(measured: Measured) -> str:
    return f"{measured.per_second:,.0f} ({measured.p50:.1f}/{measured.p99:.1f})"


@contextmanager
def serving(app: str, url: str, *arguments: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen([*command, *arguments], env={**os.environ, "CMS_DATABASE_URL": url})
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
    asyncio.run(main())
