"""`make bench`: how long searches take at 100,000 stories, over HTTP, one after another and two at a time.

python -m tests.benchmarks.search [--stories N] [--seconds S]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from pathlib import Path

import asyncpg

from cms import database, embedded, search
from cms.settings import Settings
from tests.benchmarks.__main__ import serving
from tests.benchmarks.load import measure, post
from tests.benchmarks.newsroom import fill

QUERY = """query($q: String!) { search(query: $q, first: 10) { totalCount
  edges { score highlight node { headline path } } } }"""
# Every story gets words of a language, the n-th as often as such words are (Zipf): 250 in its text, 8 in its headline.
_WORDS = """
create function bench_words(n integer, seed integer) returns text language sql volatile as $$
    select string_agg('word' || floor(exp(random() * ln(20000)))::integer::text, ' ')
    from generate_series(1, n) where seed is not null
$$;
update live set headline = bench_words(8, x.n), dek = bench_words(15, x.n), text = bench_words(250, x.n)
from (select article_id, row_number() over ()::integer as n from live) x where x.article_id = live.article_id;
update head set text = '';
"""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    wish = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    directory.chmod(0o711)
    with embedded.running(directory / "data", durable=False) as url:
        async with database.open(Settings(database_url=url)):
            await database.migrate()
            await fill(url, wish.stories)
            connection = await asyncpg.connect(url)
            await connection.execute(_WORDS)
            began = time.perf_counter()
            await search.reindex()
            took = time.perf_counter() - began
            print(f"search in {wish.stories:,} stories; {os.cpu_count()} cores; indexed in {took:.0f} s")
            await connection.execute("vacuum analyze live_search")
            await connection.execute("vacuum analyze live")
            await connection.close()
        await _ask(url, wish.seconds)


def queries(chance: random.Random, low: int, high: int, words: int) -> list[str]:
    return [" ".join(f"word{chance.randint(low, high)}" for _ in range(words)) for _ in range(500)]


def _never_asked(texts: list[str], number: int) -> str:
    """Spaces that say nothing, so that no answer is kept from the last time."""
    return " " * (number // len(texts)) + texts[number % len(texts)]


async def _ask(url: str, seconds: float) -> None:
    chance = random.Random(5)
    kinds = {
        "two common words": queries(chance, 2, 60, 2),
        "two usual words": queries(chance, 100, 1_000, 2),
        "one common word": queries(chance, 2, 60, 1),
        "as one types": [query[:-1] for query in queries(chance, 100, 1_000, 2)],
        "a phrase": [f'"{query}"' for query in queries(chance, 2, 20, 2)],
    }
    print(f"{'ms, p50 / p95 / p99':<24}{'one at a time':>26}{'two at a time':>26}")
    with serving("cms.app:create_app", url, "--factory") as port:
        for name, texts in kinds.items():
            cells = []
            for connections in (1, 2):
                measured = await measure(
                    port,
                    lambda n, texts=texts: post(QUERY, {"q": _never_asked(texts, n)}),  # type: ignore[misc]
                    seconds=seconds,
                    connections=connections,
                )
                cells.append(f"{measured.p50:.0f} / {measured.p95:.0f} / {measured.p99:.0f}")
            print(f"{name:<24}{cells[0]:>26}{cells[1]:>26}")


if __name__ == "__main__":
    asyncio.run(main())
