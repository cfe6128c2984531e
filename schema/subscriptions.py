"""The API of what happens as it happens: subscriptions. What carries them is in schema.websockets and schema.sse."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any
from uuid import UUID

import strawberry

from cms import changes, models, slugs
from cms.errors import Forbidden, Unauthenticated
from cms.permissions import PUBLIC, Perspective, query
from schema.changes import Change
from schema.context import Info
from schema.events import Event
from schema.scalars import described, key

MOST_SLUGS = 100


@strawberry.type
class Subscription:
    @strawberry.subscription(description="For readers: stories that were published, changed or removed.")
    def article_changed(
        self,
        info: Info,
        sections: Annotated[
            list[str] | None, described("Only stories in one of these sections, or under it, by slug.")
        ] = None,
        tags: Annotated[list[str] | None, described("Only stories with one of these tags, by slug or alias.")] = None,
    ) -> AsyncGenerator[Change | None, None]:
        return _changed(info, sections, tags)  # type: ignore[return-value]

    @strawberry.subscription(description="Staff: everything that happens to stories, or to this one. ADMIN sees all.")
    def editorial_events(
        self,
        info: Info,
        article_id: Annotated[strawberry.ID | None, described("Only events of this story.")] = None,
    ) -> AsyncGenerator[Event | None, None]:
        actor = info.context.actor
        if not actor.is_staff:
            raise (Unauthenticated if actor == PUBLIC else Forbidden)("Editorial events are for staff.")
        return _happened(info, None if article_id is None else key("Article", article_id))  # type: ignore[return-value]


async def _changed(
    info: Info, sections: list[str] | None, tags: list[str] | None
) -> AsyncGenerator[changes.Change, None]:
    """What is told is what readers see at that moment, whatever the event was about."""
    context = info.context
    context.perspective = Perspective.PUBLISHED
    assert context.events is not None
    async for event in context.events:
        if event.place is None or event.article_id is None or not await _is_under(event, sections, tags):
            continue
        for change in await changes.of_event(event):
            if (change.type, change.id) == ("Article", event.article_id):
                context.forget()
                yield change


async def _happened(info: Info, article_id: UUID | None) -> AsyncGenerator[models.Event, None]:
    context = info.context
    context.perspective = Perspective.DRAFT
    assert context.events is not None
    async for event in context.events:
        if article_id is not None and event.article_id != article_id:
            continue
        seen = query(context.actor, models.Event, Perspective.DRAFT).filter(number=event.number)
        if row := await seen.first():
            context.forget()
            yield row


async def _is_under(event: models.Event, sections: list[str] | None, tags: list[str] | None) -> bool:
    """Whether the story is or was filed under one of these: what leaves a section is told to those who follow it."""
    effect: dict[str, Any] = event.effect or {}
    if sections is not None:
        rows = await models.Section.filter(slug__in=sections[:MOST_SLUGS]).values_list("id", flat=True)
        if not {str(id) for id in rows} & set(effect.get("sections", ())):
            return False
    if tags is not None:
        wanted = tags[:MOST_SLUGS]
        found = {str(id) for id in await models.Tag.filter(slug__in=wanted).values_list("id", flat=True)}
        keys = [slugs.identity(each) for each in wanted]
        found |= {str(id) for id in await models.TagName.filter(key__in=keys).values_list("tag_id", flat=True)}
        if not found & set(effect.get("tags", ())):
            return False
    return True
