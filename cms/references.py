"""What content points at: whether it is there, and what stands in the way of deleting or replacing it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from tortoise import connections

from cms.errors import InUse, Issue

_TABLES = {"section": "section", "tag": "tag", "author": "author", "media": "media"}

# What counts as in use: heads, live stories, and what a schedule will publish. History only keeps names.
_PINNED = "select scheduled_revision_id from article where scheduled_revision_id is not null"
CURRENT = f"select revision_id from head union select revision_id from live union {_PINNED}"
_USES = {
    "section": "section_id = $1",
    "tag": "tag_ids @> array[$1::uuid]",
    "author": "author_ids @> array[$1::uuid]",
    "media": "(lead_media_id = $1 or body_media_ids @> array[$1::uuid])",
}


async def missing(kind: str, wanted: Sequence[UUID]) -> set[UUID]:
    """Those that are not there. Those that are cannot be deleted until the transaction ends."""
    if not wanted:
        return set()
    rows = await _fetch(f"select id from {_TABLES[kind]} where id = any($1) for key share", [list(wanted)])
    return set(wanted) - {row[0] for row in rows}


def check(field: str | tuple[str, ...], given: Sequence[str], known: Sequence[bool], noun: str) -> list[Issue]:
    """An issue for each given id that is not known."""
    path = (field,) if isinstance(field, str) else field
    return [
        Issue((*path, str(i)), "not_found", f"There is no {noun} with the id {id}.")
        for i, (id, there) in enumerate(zip(given, known, strict=True))
        if not there
    ]


async def users(kind: str, id: UUID) -> int:
    """How many stories use it now."""
    use = _USES[kind]
    rows = await _fetch(
        f"select count(*) from (select article_id from head where {use} union select article_id from live where {use} "
        f"union select article_id from revision where id in ({_PINNED}) and {use}) x",
        [id],
    )
    return int(rows[0][0])


async def refuse_use(kind: str, id: UUID, name: str) -> None:
    """Raise InUse where a story uses it."""
    if count := await users(kind, id):
        stories = "1 story uses" if count == 1 else f"{count} stories use"
        raise InUse(
            f"{stories} the {kind} “{name}”: give reassignToId, or change them first.",
            Issue(("id",), "in_use", f"{stories} it."),
        )


async def replace(kind: str, old: UUID, new: UUID) -> tuple[list[UUID], list[UUID]]:
    """Let head, live and pinned content point at new instead of old, each thing once; returns the live stories that
    changed, and all that did, live or as heads."""
    use = _USES[kind]
    live, heads = [
        [row[0] for row in await _fetch(f"select article_id from {table} where {use}", [old])]
        for table in ("live", "head")
    ]
    # Before the heads and live stories themselves, which say where their current revisions are.
    current = f"select revision_id from head where {use} union select revision_id from live where {use} union {_PINNED}"
    for table, condition in (("revision", f"id in ({current}) and {use}"), ("head", use), ("live", use)):
        await _fetch(f"update {table} set {_replacement(kind)} where {condition}", [old, new])
    return live, sorted({*live, *heads})


def _replacement(kind: str) -> str:
    if kind == "section":
        return "section_id = $2"
    # An author stands with a role at the same place; of two entries the first stays.
    kept = (
        "select coalesce(array_agg({value} order by n), '{{}}') from ("
        "select distinct on (case when a = $1 then $2 else a end) case when a = $1 then $2 else a end as a, r, n "
        "from unnest(author_ids, author_roles) with ordinality as x (a, r, n) "
        "order by case when a = $1 then $2 else a end, n) y"
    )
    return f"author_ids = ({kept.format(value='a')}), author_roles = ({kept.format(value='r')})"


async def _fetch(sql: str, params: list[object]) -> list[tuple[UUID, ...]]:
    return [tuple(row) for row in (await connections.get("default").execute_query(sql, params))[1]]
