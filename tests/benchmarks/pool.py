"""`make bench`: how many connections to the database a process should have: the pages of the main benchmark, cold, by pools
of different sizes.

python -m tests.benchmarks.pool [--stories N] [--seconds S] [--rounds N] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tests.benchmarks.columns import in_turn
from tests.benchmarks.load import best
from tests.benchmarks.report import CELL, cell, conditions, markdown
from tests.benchmarks.running import newsroom, serving
from tests.benchmarks.shapes import shapes

SIZES = (1, 2, 4, 8, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    wish = parser.parse_args()
    with newsroom(wish.stories, wish.keep) as url, ExitStack() as stack:
        print(asyncio.run(conditions(url, f"{wish.stories:,} stories")), flush=True)
        ports = {size: stack.enter_context(_served(url, size)) for size in SIZES}
        pages = shapes(wish.stories)
        found = [
            in_turn({size: (port, url, page.posts()) for size, port in ports.items()}, wish.rounds, wish.seconds)
            for page in pages
        ]
    rows = [[str(size), *(cell(best(page[size])) for page in found)] for size in SIZES]
    print("\n".join(["", *markdown([f"connections; {CELL}", *(page.name for page in pages)], rows)]))


def _served(url: str, size: int) -> AbstractContextManager[int]:
    given = {"CMS_ANSWER_BYTES": "0", "CMS_DATABASE_POOL_SIZE": str(size)}
    return serving("cms.app:create_app", url, "--factory", **given)


if __name__ == "__main__":
    main()
