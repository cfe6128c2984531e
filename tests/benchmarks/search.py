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
from tests.benchmarks.load import measure, post
from tests.benchmarks.newsroom import fill
from tests.benchmarks.running import serving

QUERY = """query($q: String!) { search(query: $q, first: 10) { totalCount
  edges { score highlight node { headline path } } } }"""
PAGE = """query($q: String!) { search(query: $q, first: 10) { totalCount didYouMean pageInfo { hasNextPage endCursor }
  facets { sections { section { name } count } tags { tag { name } count } }
  edges { score highlight node { headline path dek publishedAt } } } }"""
# The n-th of the words is as common as such words are in a language (Zipf): 250 stand in a text, 8 in a headline.
VOCABULARY = 20_000
_LETTERS = "bcdfghjklmnprstv"
_WORDS = f"""
create function bench_words(n integer, seed integer) returns text language sql volatile as $$
    select string_agg(translate(lpad(to_hex(floor(exp(random() * ln({VOCABULARY})))::integer), 4, '0'),
        '0123456789abcdef', '{_LETTERS}'), ' ') from generate_series(1, n) where seed is not null
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
        await prepare(url, wish.stories)
        await ask(url, wish.seconds)


async def prepare(url: str, stories: int) -> None:
    """Fill an empty database, and index it as `cms reindex` does."""
    async with database.open(Settings(database_url=url)):
        await database.migrate()
        await fill(url, stories, paragraphs=1)
        connection = await asyncpg.connect(url)
        await connection.execute(_WORDS)
        began = time.perf_counter()
        await search.reindex()
        took = time.perf_counter() - began
        print(
            f"search in {stories:,} stories; {os.cpu_count()} cores; lists and indexes of as many live ones and drafts "
            f"made anew in {took:.0f} s ({took / stories * 1000:.1f} ms a story)",
            flush=True,
        )
        await connection.execute("vacuum analyze")
        await connection.close()


def word(n: int) -> str:
    """The n-th commonest."""
    return f"{n:04x}".translate(str.maketrans("0123456789abcdef", _LETTERS))


def queries(chance: random.Random, low: int, high: int, words: int) -> list[str]:
    return [" ".join(word(chance.randint(low, high)) for _ in range(words)) for _ in range(500)]


def _never_asked(texts: list[str], number: int) -> str:
    """Spaces that say nothing, so that no answer is kept from the last time."""
    return " " * (number // len(texts)) + texts[number % len(texts)]


async def ask(url: str, seconds: float) -> None:
    chance = random.Random(5)
    usual = queries(chance, 100, 1_000, 2)
    kinds = {
        "two common words": (QUERY, queries(chance, 2, 60, 2)),
        "two usual words": (QUERY, usual),
        "the same, a whole page": (PAGE, usual),
        "one common word": (QUERY, queries(chance, 2, 60, 1)),
        "as one types": (QUERY, [query[:-1] for query in usual]),
        "a phrase": (QUERY, [f'"{query}"' for query in queries(chance, 2, 20, 2)]),
        "two rare words": (QUERY, queries(chance, 2_000, 20_000, 2)),
    }
    print(f"{'ms, p50 / p95 / p99':<24}{'one at a time':>26}{'two at a time':>26}")
    with serving("cms.app:create_app", url, "--factory") as port:
        for name, (document, texts) in kinds.items():
            cells = []
            for connections in (1, 2):
                measured = await measure(
                    port,
                    lambda n, document=document, texts=texts: post(document, {"q": _never_asked(texts, n)}),  # type: ignore[misc]
                    seconds=seconds,
                    connections=connections,
                )
                cells.append(f"{measured.p50:.0f} / {measured.p95:.0f} / {measured.p99:.0f}")
            print(f"{name:<24}{cells[0]:>26}{cells[1]:>26}")


if __name__ == "__main__":
    asyncio.run(main())
