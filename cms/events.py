"""The log of what happened. Everything that others are told of is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import clock
from cms.models import Article, Event
from cms.permissions import Actor

# Any constant does, as long as it is this one everywhere and for ever.
_PUBLIC_LOCK = 0x636F7079


async def lock_public() -> None:
    """Take the lock that makes number order commit order; held until the transaction ends.

    Taking it before writing what is public also keeps two publications from waiting for each other.
    """
    await connections.get("default").execute_query("select pg_advisory_xact_lock($1)", [_PUBLIC_LOCK])


async def record(
    actor: Actor,
    type: str,
    *,
    article_id: UUID | None = None,
    subject_id: UUID | None = None,
    public: bool = False,
    effect: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    **detail: Any,
) -> Event:
    """Write down one thing that happened, in the transaction that made it happen, after it was written. public: readers
    can notice it, and effect says how (cms.effects). at: when, where the database's clock has said that already.

    Events of a story carry the version that it has by then, so that who is told of several knows which is the latest.
    """
    if article_id is not None:
        detail["version"] = await Article.filter(id=article_id).get().values_list("version", flat=True)
    return await Event.create(
        type=type,
        at=at or clock.now(),
        actor_id=actor.user_id,
        article_id=article_id,
        subject_id=subject_id,
        public=public,
        detail=detail,
        place=await _next_place() if public else None,
        effect=dict(effect or {}) if public else None,
    )


async def _next_place() -> int:
    await lock_public()
    rows = await connections.get("default").execute_query("select coalesce(max(place), 0) + 1 from event")
    return int(rows[1][0][0])
