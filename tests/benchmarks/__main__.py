"""`make bench`: how fast this machine reads, against what it could read at most, and against others, in the same run.

python -m tests.benchmarks [--stories N] [--seconds S] [--rounds N] [--keep DIRECTORY]

(a) constant bytes   what uvicorn sends of answers that are there already; and with the head that ours bear, to
                     requests that say the same as those to Copydesk
(b) SQL by hand      one hand-written statement over join tables that PostgreSQL prints as JSON, sent as it is; and on
                     connections that have answered front pages before
Strawberry, PostGraphile   the same site as one would write it with these, on the same tables (relational.py)
cold                 Copydesk that keeps no answers: every request is read from the database; and without its tags,
                     authors, files and sections in memory either
warm                 Copydesk as it is: POST, GET, and GET with the answer's ETag

Before anything is measured, all have to answer the same. The servers of a page stand ready, and are measured one after
another, round by round. A cell has the best round of each, because whatever else the machine does makes it slower only; how many
times as many requests one answers as another is the median of the rounds, because a machine that others share changes
its speed by the minute. The server has a core to itself, PostgreSQL and the load share the other, and they change places
from round to round. All of uvicorn is set as `cms serve` sets it. The load is wrk's (https://github.com/wg/wrk); without
it, a slower one of our own, which cannot tell the fastest apart.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.benchmarks.columns import COLUMNS, check, in_turn, served, wishes
from tests.benchmarks.load import Measured, best, times
from tests.benchmarks.report import CELL, at_least, at_most, cell, conditions, markdown
from tests.benchmarks.running import newsroom, unevenness
from tests.benchmarks.shapes import Shape, shapes

# Whom beside whom, and how many times as many requests at least: of the front page, an article, a tag archive.
DEMANDS = (
    ("post", "headed post", (0.8, 0.8, 0.8)),
    ("get", "headed get", (0.8, 0.8, 0.8)),
    ("304", "get", (1.0, 1.0, 1.0)),
    ("cold", "by hand", (3.0, 1.5, 5.0)),
    ("cold", "by hand after front pages", (3.0, 1.5, 5.0)),
    ("cold", "postgraphile", (4.0, 3.0, 5.0)),
    ("nothing kept", "postgraphile", (1.0, 1.0, 1.0)),
)
MOST_SPREAD = 3.0
Row = dict[str, list[Measured]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--keep", type=Path, help="where the filled database is left, or found")
    wish = parser.parse_args()
    with newsroom(wish.stories, wish.keep) as url:
        asked = shapes(wish.stories)
        print(asyncio.run(conditions(url, f"{wish.stories:,} stories")))
        print(f"16 connections, {wish.rounds} rounds of {wish.seconds:g} s each\n", flush=True)
        found = [_row(shape, asked[0], url, wish) for shape in asked]
        uneven = unevenness(3 * wish.seconds)
    print("\n".join([*_table(asked, found), "", *_demands(asked, found)]))
    print(f"\nEqual pieces of work on the servers' core, p99 : p50: {uneven:.1f}")


def _row(shape: Shape, front: Shape, url: str, wish: argparse.Namespace) -> Row:
    with ExitStack() as stack:
        ports = served(stack, url, shape, front)
        check(shape, ports)
        asked = {name: (ports[name], url, wanted) for name, wanted in wishes(shape, ports).items()}
        return in_turn(asked, wish.rounds, wish.seconds)


def _table(asked: list[Shape], found: list[Row]) -> list[str]:
    rows = [
        [title, *(cell(best(row[name]) if name in row else None) for row in found)] for name, title in COLUMNS.items()
    ]
    return markdown([CELL, *(shape.name for shape in asked)], rows)


def _demands(asked: list[Shape], found: list[Row]) -> list[str]:
    """What is to be reached, and whether it is."""
    rows = [
        [f"{COLUMNS[ours]} : {COLUMNS[other]}", *map(_ratio, found, [ours] * 3, [other] * 3, wanted)]
        for ours, other, wanted in DEMANDS
    ]
    rows += [
        [f"{COLUMNS[name]}, p99 : p50, median; best round", *(_spread(row[name], most) for row in found)]
        for name, most in (("cold", MOST_SPREAD), ("bare", None))
    ]
    return markdown(["times as many (wanted)", *(shape.name for shape in asked)], rows)


def _spread(rounds: list[Measured], most: float | None) -> str:
    """Whatever else the machine does makes the slowest slower only."""
    found = [each.p99 / each.p50 for each in rounds]
    usual = f"{median(found):.1f}" if most is None else at_most(median(found), most)
    return f"{usual}; {min(found):.1f}"


def _ratio(row: Row, ours: str, other: str, least: float) -> str:
    return at_least(times(row[ours], row[other]), least) if other in row else "-"


if __name__ == "__main__":
    main()
