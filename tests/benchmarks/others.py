"""`make bench`: other pages of a site, read cold, beside PostGraphile where that has a way of saying the same: sections
with their newest three each, and an author's page. A list with its facets is Copydesk's alone (tests.benchmarks.search
has searches).

python -m tests.benchmarks.others [--stories N] [--seconds S] [--rounds N] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks import postgraphile
from tests.benchmarks.columns import ask, in_turn
from tests.benchmarks.load import best, times
from tests.benchmarks.report import CELL, at_least, cell, conditions, markdown
from tests.benchmarks.running import newsroom, serving
from tests.benchmarks.shapes import NEWEST, Shape, plain

SECTIONS = "{ sections { children { name articles(first: 3) { nodes { headline slug publishedAt } } } } }"
AUTHOR = """query($slug: String!) { author(slug: $slug) { name articles(first: 20) { totalCount
  nodes { headline slug dek publishedAt } } } }"""
FACETS = """query($slug: String!) { tag(slug: $slug) { articles(first: 20) { nodes { headline slug }
  facets { sections { section { name } count } tags { tag { name } count } } } } }"""
_PEER_SECTIONS = """{ allSections(condition: { parentId: null }, orderBy: POSITION_ASC) { nodes {
  sectionsByParentId(orderBy: POSITION_ASC) { nodes { name
  articlesBySectionId(first: 3, orderBy: [PUBLISHED_AT_DESC, ROW_ID_DESC], condition: { status: "PUBLISHED" }) {
    nodes { headline slug publishedAt } } } } } } }"""
_PEER_AUTHOR = (
    f"query($slug: String!) {{ authorBySlug(slug: $slug) {{ name articles({NEWEST}) "
    "{ totalCount nodes { headline slug dek publishedAt } } } }"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep", type=Path)
    wish = parser.parse_args()
    with newsroom(wish.stories, wish.keep) as url:
        print(asyncio.run(conditions(url, f"{wish.stories:,} stories")), flush=True)
        rows = list(_rows(url, wish.rounds, wish.seconds))
    print("\n".join(["", *markdown([CELL, "Copydesk, cold", "PostGraphile", "times as many (wanted)"], rows)]))


def pages() -> list[Shape]:
    chance = random.Random(4)
    authors = [f"author-{chance.randint(1, 300)}" for _ in range(1_000)]
    tags = [f"tag-{chance.randint(21, 200)}" for _ in range(1_000)]
    return [
        Shape("sections with their newest three", SECTIONS, [], "", _PEER_SECTIONS, _sections),
        Shape("author page", AUTHOR, authors, "", _PEER_AUTHOR, lambda data: {"author": data["authorBySlug"]}),
        Shape("tag archive with facets", FACETS, tags, "", "", dict),
    ]


def _rows(url: str, rounds: int, seconds: float) -> Iterator[list[str]]:
    with ExitStack() as stack:
        ours = stack.enter_context(serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES="0"))
        peer = stack.enter_context(postgraphile.serving(url))
        for page in pages():
            asked = {ours: (ours, url, page.posts())}
            if page.peer:
                _check(page, ours, peer)
                asked[peer] = (peer, url, page.peer_posts())
            found = in_turn(asked, rounds, seconds)
            cells = [cell(best(found[port]) if port in found else None) for port in (ours, peer)]
            yield [page.name, *cells, at_least(times(found[ours], found[peer]), 1) if page.peer else "-"]


def _check(page: Shape, ours: int, peer: int) -> None:
    wanted = plain(ask(ours, page.posts()[0]).json()["data"])
    answer = ask(peer, page.peer_posts()[0]).json()
    if "errors" in answer or plain(page.as_ours(answer["data"])) != wanted:
        raise SystemExit(f"{page.name}: PostGraphile answers {answer}\n\nwhere Copydesk has {wanted}")


def _sections(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "sections": [
            {
                "children": [
                    {"name": child["name"], "articles": child["articlesBySectionId"]}
                    for child in root["sectionsByParentId"]["nodes"]
                ]
            }
            for root in data["allSections"]["nodes"]
        ]
    }


if __name__ == "__main__":
    main()
