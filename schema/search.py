"""The API of search."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from cms import search
from cms.keyset import Listing, Paging
from schema import listings
from schema.articles import Article, ArticleFacets
from schema.connection import Connection, Rows
from schema.context import Info
from schema.perspective import PerspectiveArg
from schema.scalars import After, First, described


@dataclass(eq=False, kw_only=True)
class Hits(Rows):
    """Rows of what was found: each with how many match, and its score."""

    found: search.Found

    async def count(self) -> int:
        page = await self.page()
        return page.rows[0][1] if page.rows else await (await self.found.newest()).count()

    async def counted(self) -> Listing:
        return await self.found.newest()

    async def hits(self) -> list[_Hit]:
        scores = {row[0]: row[-2] for row in (await self.page()).rows}
        nodes = await self.nodes()
        passages = _Passages(self.found, [row for _, row in nodes])
        return [_Hit(cursor, row, scores[row.article_id], i, passages) for i, (cursor, row) in enumerate(nodes)]


@dataclass(eq=False)
class _Passages:
    """The highlights of a page, made together when the first is asked for."""

    found: search.Found
    rows: list[Any]
    _made: asyncio.Future[list[str | None]] | None = None

    async def of(self, index: int) -> str | None:
        if self._made is None:
            shown = [search.Shown(row.locale, row.headline, row.dek, row.text) for row in self.rows]
            self._made = asyncio.ensure_future(search.highlights(self.found.query, self.found.stems, shown))
        return (await self._made)[index]


@dataclass(eq=False, slots=True)
class _Hit:
    cursor: str
    node: Any
    score: float
    index: int
    passages: _Passages


@strawberry.type(description="A story that was found.")
class SearchEdge:
    cursor: str = strawberry.field(description="Give it as after to go on from here.")
    node: Article = strawberry.field(description="The story.")
    score: float = strawberry.field(description="How well it fits and how fresh it is, 0 to 1; the best come first.")

    @strawberry.field(
        description=(
            "The passage that shows it best: safe HTML with <mark>. Null where the words stand in its tags or byline "
            "alone."
        )
    )
    async def highlight(root: strawberry.Parent[_Hit]) -> str | None:
        return await root.passages.of(root.index)


@strawberry.type(
    description=(
        "A page of what was found: the newest 1,000 stories that match, the best first. totalCount and facets are of "
        "these, too: 1,000 stands for as many or more."
    )
)
class SearchConnection(Connection[Article]):
    @strawberry.field(description="The stories with their cursors, scores and passages.")
    async def edges(root: strawberry.Parent[Hits]) -> list[SearchEdge]:
        return await root.hits()  # type: ignore[return-value]

    @strawberry.field(description="The newest 1,000 that match, counted; null where it cannot be.")
    def facets(root: strawberry.Parent[Hits]) -> ArticleFacets | None:
        return root  # type: ignore[return-value]

    @strawberry.field(
        description=(
            "The query with words put right that no live story has, where that finds anything. Made of words of live "
            "stories alone."
        )
    )
    async def did_you_mean(root: strawberry.Parent[Hits]) -> str | None:
        return await root.found.did_you_mean()


@strawberry.type
class SearchQuery:
    @strawberry.field(
        description=(
            "Stories with all these words, in their headline, dek, text, tags or byline; case and accents do not "
            'count, and forms of a word are found together. The last word may be unfinished. "…" finds a phrase, -word '
            "leaves out, word* finds what begins so; all else is looked for as it stands. Without a word: none."
        )
    )
    async def search(
        self,
        info: Info,
        query: Annotated[str, described("What to look for; at most 1,000 characters.")],
        first: First = None,
        after: After = None,
        filter: listings.FilterArg = None,
        perspective: PerspectiveArg = None,
    ) -> SearchConnection | None:
        context = info.context
        plain = listings.plain(filter) if filter is not None else None
        found = await search.find(context.actor, context.perspective, query, filter=plain)

        async def load(keys: list[Any]) -> list[Any]:
            return list(await context.loaders.visible_each(context.stories, keys))

        return Hits(found.ranked, Paging.of(first, after), load, found=found)  # type: ignore[return-value]
