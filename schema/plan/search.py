"""Search in plans: a page of what was found is a page of stories like any other, with a score and a passage each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from cms import clock, search
from cms.keyset import Listing, Page
from cms.permissions import PUBLIC, Perspective
from schema.plan.pages import Pages
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, field
from schema.plan.stories import ID, Stories

# The index follows a change of a name by a job, of which no event tells.
SECONDS = 30
# From the end of a row, whose last columns are those of the order: how many there are.
_MATCHES, _SCORE = -3, -2


class Hits(Pages):
    """The page of a search, by None."""

    type_name, edge_name = "SearchConnection", "SearchEdge"
    has_cards = False

    def __init__(self, c: Compiler, asked: Asked) -> None:
        self.passages, self.meant, self.matches = _Passages(self), _Meant(self), _Matches(self)
        super().__init__(c, asked, "")

    def build(self, root: Any, reading: Reading) -> Any:
        reading.anything = True
        reading.end(clock.now() + timedelta(seconds=SECONDS))
        reading.get(self, None)  # whatever is asked of the page: its arguments must be right
        return self._build(None, reading)

    async def found(self, reading: Reading) -> search.Found:
        known = reading.memory.get(self.matches)
        if known is None:
            text, filter = self._arguments(reading)["query"], self.wish(reading).filter
            known = await search.find(PUBLIC, Perspective.PUBLISHED, text, filter=filter)
            reading.memory[self.matches] = known
        return known

    def is_direct(self, reading: Reading) -> bool:
        return False

    async def whole(self, term_id: UUID | None, reading: Reading) -> Listing:
        return await (await self.found(reading)).newest()

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Page]:
        listing, paging = (await self.found(reading)).ranked, self.wish(reading).paging
        listing.check(paging)
        sql, params = listing.statement(paging, listing.select)
        stories = self.stories or Stories.bare()
        rows = await reading.fetch_by_values(
            f"select {stories.sql('live')}, p.matches, p.score, p.id from ({sql}) p (own, matches, score, id) "
            "join live on live.article_id = p.id order by p.score desc, p.id desc",
            *params,
        )
        return {None: listing.page_of(rows, paging)}


class _Matches(Source):
    """How many there are, where no row of the page says so."""

    def __init__(self, hits: Hits) -> None:
        self._hits = hits

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, int]:
        return {None: await (await self._hits.whole(None, reading)).count()}


class _Meant(Source):
    """What was perhaps meant."""

    def __init__(self, hits: Hits) -> None:
        self._hits = hits

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, str | None]:
        return {None: await (await self._hits.found(reading)).did_you_mean()}


class _Passages(Source):
    """The passages of stories, by their ids."""

    is_marked = True

    def __init__(self, hits: Hits) -> None:
        self._hits = hits

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, str | None]:
        found = await self._hits.found(reading)
        rows = await reading.fetch(
            f"select {MARK}, article_id, locale, headline, dek, text from live where article_id = any($1)", keys
        )
        passages = await search.highlights(found.query, found.stems, [search.Shown(*row[2:]) for row in rows])
        return {row[1]: passage for row, passage in zip(rows, passages, strict=True)}


@field("Query", "search")
def _search(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return Hits(c, asked).build


@field("SearchConnection", "totalCount")
def _total_count(c: Compiler, asked: Asked, scope: Hits) -> Getter:
    def get(root: Any, reading: Reading) -> int | None:
        page = reading.get(scope, None)
        if page is not None and page.rows:
            return int(page.rows[0][_MATCHES])
        count: int | None = reading.get(scope.matches, None) if page is not None else None
        return count

    return get


@field("SearchConnection", "didYouMean")
def _did_you_mean(c: Compiler, asked: Asked, scope: Hits) -> Getter:
    return lambda root, reading: reading.get(scope.meant, None)


@field("SearchEdge", "score")
def _score(c: Compiler, asked: Asked, scope: Hits) -> Getter:
    return lambda edge, reading: edge[1][_SCORE]


@field("SearchEdge", "highlight")
def _highlight(c: Compiler, asked: Asked, scope: Hits) -> Getter:
    return lambda edge, reading: reading.get(scope.passages, edge[1][ID])
