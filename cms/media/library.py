"""What editors do with the library: describe files, find them, see where they are used, delete them, keep to rights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import clock, database, effects, events
from cms.effects import Things
from cms.errors import Forbidden, InUse, Invalid, Issue, NotFound
from cms.keyset import Key, Listing, Where
from cms.media import shown, uploads
from cms.models import Author, Head, Live, Media, MediaKind, Upload
from cms.permissions import PUBLIC, SYSTEM, Action, Actor, Perspective, require, visible
from cms.slugs import clean_line
from cms.taxonomy import text

_TEXTS = {
    "alt_text": "altText",
    "caption": "caption",
    "credit": "credit",
    "creator": "creator",
    "copyright_holder": "copyrightHolder",
    "usage_terms": "usageTerms",
}
_SEARCHED = (
    "without_accents(concat_ws(' ', media.filename, media.alt_text, media.caption, media.credit, media.creator, "
    "array_to_string(media.keywords, ' ')))"
)
_LISTED = 10
MAX_KEYWORDS = 100
# What of a file readers are not told.
_STAFFS = {"creator", "ended_at", "expires_at", "keywords", "usage_terms"}


async def update(actor: Actor, id: UUID, changes: Mapping[str, Any]) -> Media:
    """changes: what of alt_text, caption, credit, creator, copyright_holder, usage_terms, keywords, expires_at and
    focal_point {x, y} is to be otherwise; None clears."""
    columns: dict[str, Any] = {name: text(changes[name], _TEXTS[name]) for name in _TEXTS if name in changes}
    if "keywords" in changes:
        columns["keywords"] = _keywords(changes["keywords"] or [])
    if "expires_at" in changes:
        columns |= {"expires_at": changes["expires_at"], "ended_at": None}
    if "focal_point" in changes:
        columns["focal_x"], columns["focal_y"] = _point(changes["focal_point"])
    async with database.transaction():
        await events.lock_public()
        media = await changeable(actor, id)
        if columns:
            async with effects.watching(Things(media=frozenset([id]))) as effect:
                await media.update_from_dict(columns).save(update_fields=columns)
            public = effect.toggles or (f"Media:{id}" in effect.before and not _STAFFS.issuperset(columns))
            told = effect.json(**await _shown_by(id))
            await events.record(
                actor, "media.updated", subject_id=id, public=public, effect=told, fields=sorted(columns)
            )
    shown.forget(id)
    return media


async def replace(actor: Actor, id: UUID, upload_id: UUID) -> Media:
    """Let a file have the bytes of an upload: all that is said of it, and every use of it, stays."""
    upload = await uploads.own(actor, upload_id)
    async with database.transaction():
        before = await changeable(actor, id)
    file = await uploads.examined(upload)
    if file.type.kind is not before.kind:
        raise Invalid.field("uploadId", "kind", f"A file of the kind {before.kind} can only become another such.")

    async def write(locked: Upload) -> Media:
        if locked.media_id is not None:
            raise NotFound("That upload is a file of its own already.")
        await events.lock_public()
        media = await changeable(actor, id)
        columns = {**file.columns(), "filename": upload.filename}
        async with effects.watching(Things(media=frozenset([id]))) as effect:
            await media.update_from_dict(columns).save(update_fields=columns)
        told = effect.json(**await _shown_by(id))
        await events.record(actor, "media.replaced", subject_id=id, public=bool(effect.after), effect=told)
        return media

    media = await uploads.keep(upload, file, write)
    shown.forget(id)
    if bytes(before.sha256) != file.sha256:
        await uploads.forget_bytes(uploads.key_of(before))
    return media


async def delete(actor: Actor, id: UUID) -> None:
    """Raises InUse, with the stories that use it, where any does."""
    async with database.transaction():
        await events.lock_public()
        media = await changeable(actor, id)
        await _refuse_use(actor, media)
        await media.delete()
        await events.record(actor, "media.deleted", subject_id=id, filename=media.filename)
    shown.forget(id)
    await uploads.forget_bytes(uploads.key_of(media))


async def changeable(actor: Actor, id: UUID) -> Media:
    """The row, locked, for one who may change it. Raises NotFound or Forbidden."""
    require(actor, Action.EDIT_MEDIA)
    media = await Media.filter(id=id).select_for_update().first()
    if media is None:
        raise NotFound("There is no media with that id.")
    if actor.owns_only and media.created_by_id != actor.user_id:
        raise Forbidden("You may change the files that you brought in yourself.")
    return media


async def end_due() -> int:
    """Announce rights that have ended: readers see these files no more. How many there were."""
    async with database.transaction():
        due = await _column(
            "select id from media where expires_at <= $1 and ended_at is null order by id limit 100 "
            "for update skip locked",
            clock.now(),
        )
        if due:
            await events.lock_public()
            await Media.filter(id__in=due).update(ended_at=clock.now())
            for id in due:
                # Readers lost it when its time came; that it is in use says that they had it.
                users = await _shown_by(id)
                told = {"vanished": [f"Media:{id}"], **users} if any(users.values()) else {}
                await events.record(SYSTEM, "media.ended", subject_id=id, public=bool(told), effect=told)
    return len(due)


def listing(actor: Actor, query: str | None, kind: MediaKind | None) -> Listing:
    """Files, newest first, that have every word of the query somewhere: in their name, texts or keywords."""
    require(actor, Action.READ_EDITORIAL)
    where = Where()
    for word in (query or "").split()[:10]:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        where.add(f"{_SEARCHED} like without_accents({where.param(f'%{escaped}%')})")
    if kind is not None:
        where.add(f"media.kind = {where.param(kind.value)}")
    keys = (Key("CREATED", "media.created_at", datetime, descending=True), Key("ID", "media.id", UUID, descending=True))
    return Listing("media.id", "media", where, keys)


def users(actor: Actor, id: UUID, stories: type[Head] | type[Live]) -> Listing:
    """Stories of this table that use a file: as lead, in the body, or as the picture of their cards."""
    require(actor, Action.READ_EDITORIAL)
    table = stories._meta.db_table
    perspective = Perspective.DRAFT if stories is Head else Perspective.PUBLISHED
    where = Where([visible(actor, stories, perspective)])
    where.add(_uses(table, where.param(id)))
    keys = (
        Key("UPDATED", f"{table}.updated_at", datetime, descending=True),
        Key("ID", f"{table}.article_id", UUID, descending=True),
    )
    return Listing(f"{table}.article_id", table, where, keys)


async def _shown_by(id: UUID) -> dict[str, Any]:
    """What of an effect names those that show a file to readers, whether there are rights to it or not."""
    stories = await _column(f"select article_id from live where {_uses('live', '$1')} order by 1", id)
    shown = visible(PUBLIC, Author, Perspective.PUBLISHED)
    authors = await _column(f"select id from author where portrait_media_id = $1 and {shown} order by 1", id)
    site = await _column("select true from site where logo_media_id = $1", id)
    return {"pointing": [str(each) for each in stories], "authors": [str(each) for each in authors], "site": bool(site)}


def _uses(table: str, param: str) -> str:
    return (
        f"({table}.lead_media_id = {param} or {table}.body_media_ids @> array[{param}::uuid] "
        f"or {table}.seo ->> 'image_id' = {param}::uuid::text)"
    )


async def _refuse_use(actor: Actor, media: Media) -> None:
    pinned = "select scheduled_revision_id from article where scheduled_revision_id is not null"
    ids = await _column(
        f"select article_id from head where {_uses('head', '$1')} union "
        f"select article_id from live where {_uses('live', '$1')} union "
        f"select article_id from revision where id in ({pinned}) and {_uses('revision', '$1')}",
        media.id,
    )
    others = await _column(
        "select 'the author ' || name from author where portrait_media_id = $1 "
        "union all select 'the site, as its logo' from site where logo_media_id = $1",
        media.id,
    )
    if not ids and not others:
        return
    seen = visible(actor, Head, Perspective.DRAFT)
    headlines = await _column(
        f"select '“' || headline || '”' from head where article_id = any($1) and ({seen}) "
        f"order by updated_at desc limit {_LISTED}",
        ids,
    )
    users = [*headlines, *others]
    if more := len(ids) - len(headlines):
        users.append(f"{more} more {'story' if more == 1 else 'stories'}")
    raise InUse(
        f"The file is used by {', '.join(users)}: take it out there first.",
        *(Issue(("id",), "in_use", f"It is used by {user}.") for user in users),
    )


def _keywords(given: list[str]) -> list[str]:
    cleaned = [clean_line(each).strip() for each in given]
    if len(cleaned) > MAX_KEYWORDS or any(len(each) > 200 for each in cleaned):
        raise Invalid.field("keywords", "too_long", f"At most {MAX_KEYWORDS} keywords of 200 characters are taken.")
    return list(dict.fromkeys(each for each in cleaned if each))


def _point(given: Mapping[str, float] | None) -> tuple[float | None, float | None]:
    if given is None:
        return None, None
    if not (0 <= given["x"] <= 1 and 0 <= given["y"] <= 1):
        raise Invalid.field("focalPoint", "range", "x and y of a focal point are from 0 to 1.")
    return given["x"], given["y"]


async def _column(sql: str, *params: Any) -> list[Any]:
    return [row[0] for row in (await connections.get("default").execute_query(sql, list(params)))[1]]
