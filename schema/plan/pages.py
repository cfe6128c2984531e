"""Pages of stories in plans: one statement for a page and the related stories on it, and one for the same page of many
sections, tags or authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from cms import listings
from cms.keyset import Listing, Page, Paging
from cms.permissions import PUBLIC, Perspective
from schema.listings import order_of, plain
from schema.plan.entities import AUTHORS, TAGS, TREE
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, field, is_pure, of_all, together
from schema.plan.stories import ID, Stories

MAX_FACETS = 100
# Where nothing of the stories is asked for, but how many there are, or whether there are more.
_BARE = Stories.bare()


@dataclass(frozen=True, slots=True)
class Wish:
    """The arguments of a page."""

    paging: Paging
    filter: Mapping[str, Any] | None
    order: list[listings.Order]

    @property
    def is_plain(self) -> bool:
        """The first page of a whole list, in its usual order."""
        return not (self.filter is not None or self.order or self.paging.after or self.paging.before)

    async def listing(self, term_id: UUID | None) -> Listing:
        return await listings.articles(
            PUBLIC, Perspective.PUBLISHED, term_id=term_id, filter=self.filter, order=self.order
        )


class _Shows(Enum):
    """What a page is made of: rows; cards (schema.plan.entities), most of which have to be made from rows still; or
    cards of which most are at hand."""

    ROWS = "rows"
    CARDS = "cards"
    KNOWN_CARDS = "known cards"


class Pages(Source):
    """One page of a list of stories, by the section, tag or author whose list it is; None for that of all stories."""

    is_marked = True
    type_name, edge_name = "ArticleConnection", "ArticleEdge"
    has_cards = True

    def __init__(self, c: Compiler, asked: Asked, kind: str) -> None:
        self._arguments, self._kind = c.arguments(asked), kind
        self._constant: Wish | None = None
        self.stories: Stories | None = None
        self.counts, self.next, self.previous = _Counts(self), _Beyond(self, True), _Beyond(self, False)
        self.facets = _Facets(self)
        self.counts_too = self.cursors_too = self.are_carded = False
        # Of whole lists in their usual order, by whether it is that of all, and the rows that are asked for.
        self._statements: dict[tuple[bool, int, bool, _Shows], tuple[Listing, str]] = {}
        self._build = c.object(self.type_name, asked.sets, self)

    def select(self, stories: Stories) -> Stories:
        if self.stories is not None:
            raise Unplanned("several selections of one page")
        self.stories = stories
        return stories

    def build(self, term_id: UUID | None, reading: Reading) -> Any:
        reading.lists.add((self._kind, term_id))
        wish = self.wish(reading)
        reading.names = reading.names or wish.filter is not None
        if not wish.is_plain:
            reading.get(self, term_id)  # whatever is asked of the page: its arguments must be right
        return self._build(term_id, reading)

    def wish(self, reading: Reading) -> Wish:
        found = self._constant or reading.memory.get(self)
        if found is None:
            given = self._arguments(reading)
            filter = given.get("filter")
            found = reading.memory[self] = Wish(
                Paging.of(given.get("first"), given.get("after"), given.get("last"), given.get("before")),
                plain(filter) if filter is not None else None,
                order_of(given.get("order_by")),
            )
            if is_pure(self._arguments):
                self._constant = found
        return found

    async def whole(self, term_id: UUID | None, reading: Reading) -> Listing:
        """What is counted."""
        return await self.wish(reading).listing(term_id)

    def is_direct(self, reading: Reading) -> bool:
        return self.wish(reading).is_plain

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Page]:
        wish = self.wish(reading)
        if wish.is_plain and len(keys) > 1 and None not in keys:
            found = await self._of_many(await wish.listing(keys[0]), keys, reading)
        else:
            found = {key: await self._page(key, reading) for key in keys}
        if self.stories is not None and self.shows(reading) is _Shows.CARDS:
            reading.put(self.stories, {row[ID]: row for page in found.values() for row in page.rows}, ())
        return found

    def shows(self, reading: Reading) -> _Shows:
        """What the pages of this reading are made of."""
        if not self.are_carded or self.stories is None:
            return _Shows.ROWS
        found: _Shows | None = reading.memory.get(self.stories)
        if found is None:
            cards = reading.entities.cards_of(self.stories.place)
            found = _Shows.ROWS if cards is None else _Shows.KNOWN_CARDS if cards.is_known else _Shows.CARDS
            reading.memory[self.stories] = found
        return found

    async def _page(self, term_id: UUID | None, reading: Reading) -> Page:
        """With the kept count of the list, where that was asked for."""
        wish, shows = self.wish(reading), self.shows(reading)
        stories = self._of(shows)
        listing, sql, params = await self._statement(term_id, wish, shows)
        rows = await stories.rows(reading, sql, *params, by_values=wish.filter is not None)
        if rows and self._counts(term_id, wish):
            reading.put(COUNTS, {term_id: rows[0][len(stories.columns)] or 0}, [term_id])
        return listing.page_of(rows, wish.paging)

    def _of(self, shows: _Shows) -> Stories:
        """Whose columns are selected: of cards that are known, none but the ids."""
        return _BARE if self.stories is None or shows is _Shows.KNOWN_CARDS else self.stories

    async def _statement(self, term_id: UUID | None, wish: Wish, shows: _Shows) -> tuple[Listing, str, list[Any]]:
        same = (term_id is None, wish.paging.size, wish.paging.backward, shows)
        if wish.is_plain and (known := self._statements.get(same)) is not None:
            return *known, [] if term_id is None else [term_id]
        listing = await wish.listing(term_id)
        listing.check(wish.paging)
        stories, counts = self._of(shows), self._counts(term_id, wish)
        select = stories.sql("live") + (f", {_KEPT_COUNT}" if counts else "")
        sql, params = listing.statement(wish.paging, select, cursors=self.cursors_too)
        sql = stories.statement(sql, counts + (len(listing.keys) if self.cursors_too else 0))
        if wish.is_plain:
            self._statements[same] = listing, sql
        return listing, sql, params

    def _counts(self, term_id: UUID | None, wish: Wish) -> bool:
        """Whether the kept count comes along."""
        return self.counts_too and term_id is not None and wish.filter is None

    async def _of_many(self, listing: Listing, keys: list[Any], reading: Reading) -> dict[Any, Page]:
        stories, paging = self._of(self.shows(reading)), self.wish(reading).paging
        sql, _ = listing.statement(paging, f"{stories.sql('live')}, u.id", cursors=self.cursors_too)
        rows = await reading.fetch(
            f"select x.* from unnest($1::uuid[]) u(id) cross join lateral ({sql.replace('$1', 'u.id')}) x", keys
        )
        found: dict[UUID, list[Any]] = {key: [] for key in keys}
        for row in rows:
            found[row[len(stories.columns)]].append(row)
        return {key: listing.page_of(each, paging) for key, each in found.items()}


class _KeptCounts(Source):
    """How many stories stand under a section, tag or author."""

    is_marked = True

    def is_direct(self, reading: Reading) -> bool:
        return True

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, int]:
        rows = await reading.fetch(f"select {MARK}, term_id, n from term_count where term_id = any($1)", keys)
        return dict.fromkeys(keys, 0) | {row[1]: row[2] for row in rows}


COUNTS = _KeptCounts()
# In the statement of a page, whose first parameter is the section, tag or author.
_KEPT_COUNT = "(select n from term_count where term_id = $1)"


class _Counts(Source):
    """How many stories any other list has."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, int]:
        return {key: await (await self._pages.whole(key, reading)).count() for key in keys}


class _Beyond(Source):
    """Whether something follows the page, or stands before it, where the page itself does not say."""

    def __init__(self, pages: Pages, follows: bool) -> None:
        self._pages, self._follows = pages, follows

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, bool]:
        pages = {key: reading.get(self._pages, key) for key in keys}
        return {key: await (page.has_next() if self._follows else page.has_previous()) for key, page in pages.items()}


class _Facets(Source):
    """What the whole list holds, counted, by (list, kind, how many)."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        return {
            (term, kind, first): await listings.facet(await self._pages.whole(term, reading), kind, first)
            for term, kind, first in keys
        }


def connection(c: Compiler, asked: Asked, kind: str = "") -> Getter:
    """The getter of an ArticleConnection, of the key of whose list it is: a section, tag or author."""
    return Pages(c, asked, kind).build


@field("SearchConnection", "nodes")
@field("ArticleConnection", "nodes")
def _nodes(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    stories = scope.select(Stories(c, asked.sets))
    scope.are_carded = scope.has_cards and c.is_constant(asked.sets)

    def get(term_id: Any, reading: Reading) -> list[Any]:
        page = reading.get(scope, term_id)
        if page is None:
            return []
        if scope.shows(reading) is not _Shows.ROWS:
            return stories.cards(page.rows, reading)
        return reading.once(stories, term_id, stories.build_all, page.rows)  # type: ignore[no-any-return]

    return get


@field("SearchConnection", "edges")
@field("ArticleConnection", "edges")
def _edges(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    inner = c.object(scope.edge_name, asked.sets, scope)

    def get(term_id: Any, reading: Reading) -> list[Any]:
        page = reading.get(scope, term_id)
        return of_all(inner)([(page, row) for row in page.rows], reading) if page is not None else []

    return get


@field("SearchEdge", "cursor")
@field("ArticleEdge", "cursor")
def _cursor(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    scope.cursors_too = True
    return lambda edge, reading: edge[0].listing.cursor(edge[1])


@field("SearchEdge", "node")
@field("ArticleEdge", "node")
def _node(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    stories = scope.select(Stories(c, asked.sets))
    return together(lambda edges, reading: stories.build_all([row for _, row in edges], reading))


@field("ArticleConnection", "totalCount")
def _total_count(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    scope.counts_too = True

    def get(term_id: Any, reading: Reading) -> int | None:
        is_kept = term_id is not None and scope.wish(reading).filter is None
        if is_kept and scope.stories is not None and reading.get(scope, term_id) is None:
            return None  # comes along with the page
        count: int | None = reading.get(COUNTS if is_kept else scope.counts, term_id)
        return count

    return get


@field("SearchConnection", "pageInfo")
@field("ArticleConnection", "pageInfo")
def _page_info(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    return c.object("PageInfo", asked.sets, scope)


@field("PageInfo", "hasNextPage", "hasPreviousPage")
def _beyond(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    follows = asked.name == "hasNextPage"
    source = scope.next if follows else scope.previous

    def get(term_id: Any, reading: Reading) -> bool | None:
        page = reading.get(scope, term_id)
        if page is None:
            return None
        if page.more and page.paging.backward is not follows:
            return True
        cursor = page.paging.before if follows else page.paging.after
        return False if cursor is None else reading.get(source, term_id)

    return get


@field("PageInfo", "startCursor", "endCursor")
def _border(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    scope.cursors_too, place = True, 0 if asked.name == "startCursor" else -1

    def get(term_id: Any, reading: Reading) -> str | None:
        page = reading.get(scope, term_id)
        return page.listing.cursor(page.rows[place]) if page is not None and page.rows else None

    return get


@field("SearchConnection", "facets")
@field("ArticleConnection", "facets")
def _facets(c: Compiler, asked: Asked, scope: Pages) -> Getter:
    return c.object("ArticleFacets", asked.sets, scope)


def _facet(name: str, type_name: str, entity: str, find: Any) -> None:
    """One kind of facet: find gives the section, tag or author with a key."""

    @field("ArticleFacets", name)
    def make(c: Compiler, asked: Asked, scope: Pages) -> Getter:
        arguments, inner = c.arguments(asked), c.object(type_name, asked.sets)

        def get(term_id: Any, reading: Reading) -> list[Any]:
            first = arguments(reading).get("first", MAX_FACETS if name == "sections" else 10)
            if not 0 <= first <= MAX_FACETS:
                raise Unplanned("first")
            counts = reading.get(scope.facets, (term_id, name, first)) or ()
            if name != "sections":
                reading.shown[entity].update(key for key, _ in counts)
            found = [(find(reading, key), count) for key, count in counts]
            return [inner(each, reading) for each in found if each[0] is not None]

        return get

    @field(type_name, entity)
    def make_entity(c: Compiler, asked: Asked, scope: Any) -> Getter:
        inner = c.object(type_name.removesuffix("Facet"), asked.sets)
        return lambda facet, reading: inner(facet[0], reading)

    field(type_name, "count")(lambda c, asked, scope: lambda facet, reading: facet[1])


def _section_of(reading: Reading, key: UUID) -> Any:
    tree = reading.entity(TREE, None)
    return None if tree is None else tree.by_id.get(key)


_facet("sections", "SectionFacet", "section", _section_of)
_facet("tags", "TagFacet", "tag", lambda reading, key: reading.entity(TAGS, key))
_facet("authors", "AuthorFacet", "author", lambda reading, key: reading.entity(AUTHORS, key))
