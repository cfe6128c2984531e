"""What every resolver has at hand: who is asking, in which perspective, and the rows read so far in this operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import strawberry
from graphql import DocumentNode

from cms import paths
from cms.models import Article, Content, Event, Head, Live, Site
from cms.permissions import PUBLIC, Actor, Perspective
from schema.loaders import Loaders

T = TypeVar("T")


@dataclass(eq=False)
class Context:
    """One operation. Rows that a visible row leads to are read through known(), all others through visible()."""

    actor: Actor = PUBLIC
    perspective: Perspective = Perspective.PUBLISHED
    document: DocumentNode | None = None  # valid, and parsed already
    events: AsyncIterable[Event] | None = None  # of a subscription: everything that happens from its beginning on
    response_headers: dict[str, str] = field(default_factory=dict)
    _loaders: Loaders | None = None
    _once: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    @property
    def loaders(self) -> Loaders:
        if self._loaders is None:
            self._loaders = Loaders(self.actor, self.perspective)
        return self._loaders

    @property
    def stories(self) -> type[Head] | type[Live]:
        return Head if self.perspective is Perspective.DRAFT else Live

    async def story(self, article_id: UUID) -> Head | Live | None:
        """A story's content in this operation's perspective, where the actor may read it."""
        return await self.loaders.visible(self.stories, article_id)

    async def listed(self, article_ids: list[UUID]) -> list[Any]:
        """Those of these stories that the actor may read, in this order; no list shows what is in the trash."""
        rows = await self.loaders.visible_many(self.stories, article_ids)
        if self.stories is Live:
            return rows
        stories = await self.loaders.known_many(Article, [row.article_id for row in rows])
        trashed = {story.id for story in stories if story.trashed_at is not None}
        return [row for row in rows if row.article_id not in trashed]

    async def site(self) -> Site:
        return await self._only_once("site", paths.site)

    async def tree(self) -> paths.Tree:
        return await self._only_once("tree", paths.tree)

    async def path(self, content: Content) -> str:
        return (await self._only_once("ground", paths.ground)).path(content)

    async def _only_once(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        if name not in self._once:
            self._once[name] = asyncio.ensure_future(_awaited(read()))
        return await self._once[name]  # type: ignore[no-any-return]

    def remember(self, head: Head) -> None:
        """What was written with it need not be read again."""
        if head.story is not None:
            self.loaders.remember([head.story])
        if head.ground is not None:
            self._once["ground"] = asyncio.get_running_loop().create_future()
            self._once["ground"].set_result(head.ground)

    def forget(self) -> None:
        """What was read before a write is not what stands after it."""
        self._loaders = None
        self._once.clear()


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


Info: TypeAlias = strawberry.Info[Context, None]
