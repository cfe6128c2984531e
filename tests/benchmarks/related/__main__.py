"""`make bench`: how good related stories are, on a corpus whose topics are known (see corpus.py).

python -m tests.benchmarks.related [--topics N] [--stories N] [--asked N]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from cms import database, embedded
from cms.settings import Settings
from tests.benchmarks.related.corpus import corpus
from tests.benchmarks.related.quality import RANKINGS, fill, precision


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topics", type=int, default=60)
    parser.add_argument("--stories", type=int, default=12, help="of each topic")
    parser.add_argument("--asked", type=int, default=60)
    wish = parser.parse_args()
    print(f"related stories: {wish.topics} topics of {wish.stories} stories; precision at 3 and at 5 of {wish.asked}")
    print("| | tags as they are, at 3 | at 5 | half without tags, at 3 | at 5 |\n|---|---|---|---|---|")
    found: dict[str, list[float]] = {name: [] for name in RANKINGS}
    took = 0.0
    for untagged in (0.0, 0.5):
        directory = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
        directory.chmod(0o711)
        with embedded.running(directory / "data", durable=False) as url:
            async with database.open(Settings(database_url=url)):
                await database.migrate()
                topics = await fill(corpus(wish.topics, wish.stories, untagged=untagged))
                asked = list(topics)[: wish.asked]
                for name, ranking in RANKINGS.items():
                    began = time.perf_counter()
                    measured = await precision(ranking, topics, asked)
                    took = time.perf_counter() - began if name == "Copydesk" else took
                    found[name] += [measured.at_3, measured.at_5]
    for name, values in found.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    print(f"{took / len(asked) * 1000:.0f} ms a story")


if __name__ == "__main__":
    asyncio.run(main())
