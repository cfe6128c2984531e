"""`make bench`: readers as they are. 50 documents, each with fields of its own, ask for 10,000 stories, both by Zipf's
law (the n-th is asked for 1/n as often as the first), of a process that starts with nothing and keeps 200 MB of answers, and of one as it comes (64 MB).

python -m tests.benchmarks.zipf [--stories N] [--seconds S] [--keep DIRECTORY]

Beside what uvicorn sends to the same requests of one such answer that is there already: the best round of each, and the
median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import httpx
import orjson

from tests.benchmarks.columns import constant, measure
from tests.benchmarks.load import Measured, Wish, best, load, times
from tests.benchmarks.report import CELL, at_least, at_most, cell, conditions, markdown
from tests.benchmarks.running import newsroom, resident, serving
from tests.benchmarks.shapes import ARTICLE

DOCUMENTS, SLUGS = 50, 10_000
DRAWN = 100_000  # requests, asked for in turn
ROUNDS = 5
_OWN = ("slug", "kicker", "updatedAt", "section { name }", "path", "leadMedia { altText }")
KEPT = {"200 MB of answers": {"CMS_ANSWER_BYTES": str(200 * 1024**2)}, "as it comes": {}}
LEAST_OF_CONSTANT, MOST_PAUSE_MS, MOST_MB = 0.3, 10.0, 250.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--keep", type=Path)
    wish = parser.parse_args()
    with newsroom(wish.stories, wish.keep) as url:
        print(asyncio.run(conditions(url, f"{wish.stories:,} stories")), flush=True)
        rows = list(_rows(url, wish.seconds))
    head = ["", CELL, "of constant bytes", "kept", "MB of memory", "longest collection while filling, ms"]
    print("\n".join(["", *markdown(head, rows)]))


def _rows(url: str, seconds: float) -> Iterator[list[str]]:
    filling = drawn(random.Random(2))
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(serving("tests.benchmarks.watched:create_app", url, "--factory", **variables))
            for name, variables in KEPT.items()
        }
        limit = constant(stack, url, next(iter(ports.values())), filling[0])
        for name, port in ports.items():
            pause = _fill(port, filling, seconds)
            found, bytes_ = [], []
            for number in range(ROUNDS):
                asked = drawn(random.Random(3 + number))  # wrk begins anew each time
                found.append(measure(port, url, asked, seconds))
                bytes_.append(measure(limit, url, [replace(each, path="/headed") for each in asked], seconds))
            share = _watched(port)
            kept, megabytes = share["kept"] / share["asked"], resident(port) / 1e6
            yield _row(name, best(found), times(found, bytes_), kept, megabytes, pause)


def _row(name: str, found: Measured, share: float, kept: float, megabytes: float, pause: float) -> list[str]:
    is_large = name in list(KEPT)[:1]
    return [
        name,
        cell(found),
        at_least(share, LEAST_OF_CONSTANT) if is_large else f"{share:.2f}",
        f"{kept:.0%}",
        f"{megabytes:.0f}" if is_large else at_most(megabytes, MOST_MB),
        at_most(pause, MOST_PAUSE_MS),
    ]


def _fill(port: int, filling: list[Wish], seconds: float) -> float:
    """The longest pause of the garbage collector meanwhile, in milliseconds."""
    _watched(port)
    load(port, filling, seconds=2 * seconds)
    return _watched(port)["pause"]


def _watched(port: int) -> dict[str, float]:
    found: dict[str, float] = httpx.get(f"http://127.0.0.1:{port}/watched").json()
    return found


def drawn(chance: random.Random) -> list[Wish]:
    numbers = [_ranks(chance, DOCUMENTS), _ranks(chance, SLUGS)]
    documents = [_document(n) for n in range(DOCUMENTS)]
    return [
        Wish("/graphql", orjson.dumps({"query": documents[n], "variables": {"slug": f"story-{slug + 1}"}}).decode())
        for n, slug in zip(*numbers, strict=True)
    ]


def _document(number: int) -> str:
    """The article page as one of fifty clients has it: each with fields of its own."""
    own = " ".join(field for bit, field in enumerate(_OWN) if number >> bit & 1)
    return ARTICLE.replace("query(", f"query Page{number}(").replace("headline dek", f"headline {own} dek", 1)


def _ranks(chance: random.Random, of: int) -> list[int]:
    return chance.choices(range(of), cum_weights=list(accumulate(1 / (n + 1) for n in range(of))), k=DRAWN)


if __name__ == "__main__":
    main()
