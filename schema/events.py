"""The API of events: a story's history, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cms import models
from cms.errors import Forbidden, Unauthenticated
from cms.keyset import Key, Listing, Paging, Where
from cms.permissions import PUBLIC, visible
from schema.accounts import User
from schema.connection import Connection, Rows
from schema.context import Info
from schema.node import Node
from schema.scalars import After, First, described, key

if TYPE_CHECKING:
    from schema.articles import Article


@strawberry.type(description="Something that happened. Staff see events of stories they may see; ADMIN sees all.")
class Event(Node):
    type: str = strawberry.field(description="What happened, e.g. article.published.")
    at: datetime = strawberry.field(description="When.")
    detail: JSON = strawberry.field(description="What else is known of it.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Event)

    @strawberry.field(description="Who did it; null for the system.")
    async def actor(root: strawberry.Parent[models.Event], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.actor_id)  # type: ignore[return-value]

    @strawberry.field(description="The story that it happened to, where the viewer may read it.")
    async def article(
        root: strawberry.Parent[models.Event], info: Info
    ) -> Annotated[Article, strawberry.lazy("schema.articles")] | None:
        return await info.context.story(root.article_id) if root.article_id else None  # type: ignore[return-value]


def listing(info: Info, *, article_id: UUID | None = None, type: str | None = None) -> Listing:
    """Events that the viewer may see, newest first."""
    where = Where([visible(info.context.actor, models.Event, info.context.perspective)])
    if article_id is not None:
        where.add(f"event.article_id = {where.param(article_id)}")
    if type is not None:
        where.add(f"event.type = {where.param(type)}")
    return Listing("event.number", "event", where, (Key("NUMBER", "event.number", int, descending=True),))


def connection(info: Info, paging: Paging, listing: Listing) -> Rows:
    async def load(numbers: list[int]) -> list[models.Event | None]:
        found = {row.number: row for row in await models.Event.filter(number__in=numbers)}
        return [found.get(number) for number in numbers]

    return Rows(listing, paging, load)


@strawberry.type
class EventsQuery:
    @strawberry.field(description="The audit log, newest first. Staff.")
    def events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        type: Annotated[str | None, described("Only events of this type.")] = None,
        article_id: Annotated[strawberry.ID | None, described("Only events of this story.")] = None,
    ) -> Connection[Event] | None:
        actor = info.context.actor
        if not actor.is_staff:
            raise (Unauthenticated if actor == PUBLIC else Forbidden)("The log is for staff.")
        wanted = key("Article", article_id) if article_id is not None else None
        return connection(info, Paging.of(first, after), listing(info, article_id=wanted, type=type))  # type: ignore[return-value]
