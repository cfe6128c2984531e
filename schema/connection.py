"""Relay connections over keyset listings. Nothing is read before a field asks for it, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import strawberry

from cms.keyset import Listing, Page, Paging

T = TypeVar("T")


@dataclass(eq=False)
class Rows:
    """What a connection is made of: a listing, the page wanted, and how the keys of a page become rows.

    load answers None for a row that is not to be seen (any more): it is left out.
    """

    listing: Listing
    paging: Paging
    load: Callable[[list[Any]], Awaitable[list[Any]]]
    _page: asyncio.Future[Page] | None = field(default=None, init=False)
    _nodes: asyncio.Future[list[tuple[str, Any]]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # Here and not where rows are read, so that the connection fails as a whole, with one error.
        self.listing.check(self.paging)

    async def count(self) -> int:
        return await self.listing.count()

    async def counted(self) -> Listing:
        """What facets count."""
        return self.listing

    async def page(self) -> Page:
        if self._page is None:
            self._page = asyncio.ensure_future(self.listing.page(self.paging))
        return await self._page

    async def nodes(self) -> list[tuple[str, Any]]:
        """(cursor, row) of each that can be seen."""
        if self._nodes is None:
            self._nodes = asyncio.ensure_future(self._read())
        return await self._nodes

    async def _read(self) -> list[tuple[str, Any]]:
        page = await self.page()
        rows = await self.load([row[0] for row in page.rows])
        return [(cursor, row) for cursor, row in zip(page.cursors, rows, strict=True) if row is not None]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    @strawberry.field(description="Whether more follows this page.")
    async def has_next_page(root: strawberry.Parent[Rows]) -> bool:
        return await (await root.page()).has_next()

    @strawberry.field(description="Whether something stands before this page.")
    async def has_previous_page(root: strawberry.Parent[Rows]) -> bool:
        return await (await root.page()).has_previous()

    @strawberry.field(description="The first row's cursor; null on an empty page.")
    async def start_cursor(root: strawberry.Parent[Rows]) -> str | None:
        cursors = (await root.page()).cursors
        return cursors[0] if cursors else None

    @strawberry.field(description="The last row's cursor; null on an empty page.")
    async def end_cursor(root: strawberry.Parent[Rows]) -> str | None:
        cursors = (await root.page()).cursors
        return cursors[-1] if cursors else None


@strawberry.type(description="A row of a page, with its cursor.")
class Edge(Generic[T]):
    @strawberry.field(description="Give it as after or before to go on from here.")
    def cursor(root: strawberry.Parent[tuple[str, Any]]) -> str:
        return root[0]

    @strawberry.field(description="The row.")
    def node(root: strawberry.Parent[tuple[str, Any]]) -> T:
        return root[1]  # type: ignore[no-any-return]


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    @strawberry.field(description="The rows with their cursors.")
    async def edges(root: strawberry.Parent[Rows]) -> list[Edge[T]]:
        return await root.nodes()  # type: ignore[return-value]

    @strawberry.field(description="The rows.")
    async def nodes(root: strawberry.Parent[Rows]) -> list[T]:
        return [row for _, row in await root.nodes()]

    @strawberry.field(description="Where the page stands.")
    def page_info(root: strawberry.Parent[Rows]) -> PageInfo:
        return root  # type: ignore[return-value]

    @strawberry.field(description="How many rows the whole list has for this viewer; counted only when asked.")
    async def total_count(root: strawberry.Parent[Rows]) -> int | None:
        return await root.count()
