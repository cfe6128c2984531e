"""The log of what happened. Everything that others are told of is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from tortoise import connections

from cms import clock, database, ids
from cms.models import Article
from cms.permissions import Actor

# Any constant does, as long as it is this one everywhere and for ever.
_PUBLIC_LOCK = 0x636F7079
LOCK_PUBLIC = (
    f"pg_advisory_xact_lock({_PUBLIC_LOCK})::text || set_config('plan_cache_mode', 'force_generic_plan', true) "
    "|| set_config('max_parallel_workers_per_gather', '0', true)"
)


async def lock_public() -> None:
    """Take the lock that makes number order commit order; held until the transaction ends.

    Taking it before writing what is public also keeps two publications from waiting for each other. It holds up all
    that others publish: so what is done under it is planned once, and not by helpers whom to call takes longer.
    """
    await database.lock(f"select {LOCK_PUBLIC}")


def locked_public() -> None:
    """The same was done by a statement that selected LOCK_PUBLIC."""
    database.locked(f"select {LOCK_PUBLIC}")


async def record(
    actor: Actor,
    type: str,
    *,
    article_id: UUID | None = None,
    subject_id: UUID | None = None,
    public: bool = False,
    effect: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    story: Article | None = None,
    **detail: Any,
) -> None:
    """Write down one thing that happened, in the transaction that made it happen, after it was written. public: readers
    can notice it, and effect says how (cms.effects). at: when, where the database's clock has said that already. story:
    that of article_id, which is written with it.

    Events of a story carry the version that it has by then, so that who is told of several knows which is the latest.
    """
    if public:
        await lock_public()
    said, told = orjson.dumps(detail).decode(), orjson.dumps(effect or {}).decode() if public else None
    params = [ids.new(), type, at or clock.now(), actor.user_id, article_id, subject_id, public, said, told]
    held = "select version from article where id = $5"
    if story is not None:
        update, values = database.saving(story, 5, len(params) + 1)
        held, params = f"{update} returning version", [*params, *values]
    await connections.get("default").execute_query(f"with story as ({held}) {_RECORD}", params)


# The place is looked for under the lock, which must be held before the statement begins.
_RECORD = """
insert into event (id, type, at, actor_id, article_id, subject_id, public, detail, effect, place)
values ($1, $2, $3, $4, $5, $6, $7,
    $8::jsonb || coalesce((select jsonb_build_object('version', version) from story), '{}'), $9,
    case when $7 then (select coalesce(max(place), 0) + 1 from event) end)
"""
