"""The API of a colleague's own queue and of the newsroom's calendar. Both answer in DRAFT."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from cms import models, queue
from cms.errors import Forbidden, Unauthenticated
from cms.keyset import Listing, Paging
from cms.permissions import PUBLIC, Actor
from cms.queue import CalendarKind
from schema.articles import Article, ArticleConnection
from schema.connection import Rows
from schema.context import Info
from schema.scalars import After, First, described

strawberry.enum(
    CalendarKind, description="Whether readers get or lose a story, its embargo ends, or colleagues expect it."
)


def _rows(info: Info, listing: Listing, first: int | None, after: str | None) -> Any:
    async def load(keys: list[UUID]) -> list[Any]:
        return list(await info.context.loaders.visible_each(models.Head, keys))

    return Rows(listing, Paging.of(first, after), load)


@strawberry.type(description="What waits for the viewer.")
class Queue:
    @strawberry.field(description="Stories that the viewer is assigned to and that are not published yet, by due time.")
    def assigned(
        root: strawberry.Parent[Actor], info: Info, first: First = None, after: After = None
    ) -> ArticleConnection | None:
        return _rows(info, queue.assigned(root), first, after)  # type: ignore[no-any-return]

    @strawberry.field(
        description="Stories in review that the viewer may approve and nobody else is assigned to, oldest first."
    )
    def to_review(
        root: strawberry.Parent[Actor], info: Info, first: First = None, after: After = None
    ) -> ArticleConnection | None:
        return _rows(info, queue.to_review(root), first, after)  # type: ignore[no-any-return]

    @strawberry.field(description="Stories with an open thread in which the viewer is mentioned.")
    def mentions(
        root: strawberry.Parent[Actor], info: Info, first: First = None, after: After = None
    ) -> ArticleConnection | None:
        return _rows(info, queue.mentions(root), first, after)  # type: ignore[no-any-return]

    @strawberry.field(
        description="The viewer's translations (for EDITOR nobody's too) whose original was corrected since."
    )
    def outdated_translations(
        root: strawberry.Parent[Actor], info: Info, first: First = None, after: After = None
    ) -> ArticleConnection | None:
        return _rows(info, queue.outdated(root), first, after)  # type: ignore[no-any-return]


@strawberry.type(description="A moment of the calendar.")
class CalendarEntry:
    at: datetime = strawberry.field(description="When.")
    kind: CalendarKind = strawberry.field(description="What.")

    @strawberry.field(description="The story, as its newest revision; null where it has gone meanwhile.")
    async def article(root: strawberry.Parent[queue.Moment], info: Info) -> Article | None:
        return await info.context.loaders.visible(models.Head, root.article_id)  # type: ignore[return-value]


@strawberry.type
class QueueQuery:
    @strawberry.field(description="What waits for the viewer, in DRAFT. Staff.")
    def my_queue(self, info: Info) -> Queue | None:
        return _staff(info)  # type: ignore[return-value]

    @strawberry.field(
        description=(
            "What is scheduled, ends, may be published or is due between two times, in order, in DRAFT; at most 2,000 "
            "moments in 400 days. Staff."
        )
    )
    async def calendar(
        self,
        info: Info,
        start: Annotated[datetime, described("The first moment.", name="from")],
        end: Annotated[datetime, described("Moments before this one.", name="to")],
    ) -> list[CalendarEntry] | None:
        return await queue.calendar(_staff(info), start, end)  # type: ignore[return-value]


def _staff(info: Info) -> Actor:
    actor = info.context.actor
    if not actor.is_staff:
        raise (Unauthenticated if actor == PUBLIC else Forbidden)("This is for staff.")
    return actor
