"""What changed for readers since a cursor, in order: the log of public events read as changes of things.

A cursor stands between two places of the log, or within the things that one event is about, or, on the way through a
full export, within all things there are; an export goes on with the events since it began. Things are shown as they are
now: of several events on one page a thing is there once, where the last of them stands, and REMOVED if it is no more.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from tortoise import connections
from tortoise.models import Model

from cms import clock, paths
from cms.errors import Invalid
from cms.models import Author, Event, Live, Media, Section, Site, Slug, SlugKind, StoryList, Tag
from cms.permissions import PUBLIC, Perspective, query, visible

MOST = 500
# Events that one page looks through: where the same story changes a thousand times, a page may be short.
LOOKED_THROUGH = 1_000

Thing: TypeAlias = tuple[str, UUID | None]


class ChangeKind(StrEnum):
    """What became of a thing."""

    PUBLISHED = "PUBLISHED"
    UPDATED = "UPDATED"
    CORRECTED = "CORRECTED"
    REMOVED = "REMOVED"
    REDIRECTED = "REDIRECTED"


@dataclass(frozen=True, slots=True)
class Change:
    """row is None where kind is REMOVED, id where type is Site."""

    kind: ChangeKind
    at: datetime
    type: str
    id: UUID | None
    path: str | None
    previous_path: str | None
    row: Model | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """targets: what the old paths among the changes lead to, by id."""

    changes: list[Change]
    targets: dict[UUID, Model]
    next_cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind everything up to place, and behind the things before step and after of the next; in an export, of all."""

    place: int
    step: int = 0
    after: str = ""
    exports: bool = False

    def __str__(self) -> str:
        values = [self.place, self.step, self.after, self.exports]
        return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()

    @classmethod
    def of(cls, text: str) -> Cursor:
        try:
            raw = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            place, step, after, exports = raw
            if [type(each) for each in raw] != [int, int, str, bool] or not 0 <= place < 2**63 or not 0 <= step < 2**31:
                raise ValueError(text)
            if after:
                UUID(after)
            return cls(place, step, after, exports)
        except (binascii.Error, ValueError, TypeError):
            raise _unknown() from None


@dataclass(slots=True)
class _Seen:
    """What events say of a thing on the way to a page."""

    at: datetime
    kind: ChangeKind
    previous_path: str | None


@dataclass(slots=True)
class _Page:
    first: int
    cursor: Cursor
    seen: dict[Thing, _Seen] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return len(self.seen) >= self.first

    def add(self, thing: Thing, seen: _Seen) -> None:
        before = self.seen.pop(thing, None)
        if before is not None:
            kind = seen.kind if before.kind is ChangeKind.UPDATED else before.kind
            seen = _Seen(seen.at, kind, before.previous_path or seen.previous_path)
        self.seen[thing] = seen


async def since(cursor: str | None, first: int) -> ChangeSet:
    """The next changes behind a cursor, at most first; from no cursor everything that readers see. Raises Invalid."""
    if not 1 <= first <= MOST:
        raise Invalid.field("first", "range", f"first must be from 1 to {MOST}.")
    last = await _last_place()
    start = Cursor.of(cursor) if cursor is not None else Cursor(last, exports=True)
    if start.place > last:
        raise _unknown()
    page = _Page(first, start)
    if start.exports:
        await _export(page)
    if not page.cursor.exports and not page.is_full:
        await _follow(page)
    behind = page.cursor.exports or page.cursor.step > 0 or page.cursor.place < await _last_place()
    found, targets = await _now(page)
    return ChangeSet(found, targets, str(page.cursor), behind)


async def of_event(event: Event) -> list[Change]:
    """What a public event is about directly, as it is now."""
    page = _Page(MOST, Cursor(0))
    for thing, seen in _direct(event):
        page.add(thing, seen)
    return (await _now(page))[0]


# ---------------------------------------------------------------- all things

_MODELS: dict[str, type[Model]] = {
    "Section": Section,
    "Tag": Tag,
    "Author": Author,
    "Media": Media,
    "StoryList": StoryList,
    "Article": Live,
    "RedirectRule": Slug,
}
_KINDS = {"section": "Section", "tag": "Tag", "author": "Author", "media": "Media", "list": "StoryList"}


async def _export(page: _Page) -> None:
    event = await Event.filter(place=page.cursor.place).first()
    seen = _Seen(event.at if event else clock.now(), ChangeKind.PUBLISHED, None)
    if page.cursor.step == 0:
        page.add(("Site", None), replace(seen))
        page.cursor = replace(page.cursor, step=1)
    steps = [_Step(type, "true", ()) for type in _MODELS]
    await _take(page, steps, seen, end=Cursor(page.cursor.place))


# ---------------------------------------------------------------- events


async def _follow(page: _Page) -> None:
    looked_through = 0
    while not page.is_full and looked_through < LOOKED_THROUGH:
        batch = await Event.filter(place__gt=page.cursor.place).order_by("place").limit(100)
        if not batch:
            return
        for event in batch:
            await _take_event(page, event)
            looked_through += 1
            if page.is_full:
                return


async def _take_event(page: _Page, event: Event) -> None:
    assert event.place is not None
    if page.cursor.step == 0:
        direct = _direct(event)
        done = int(page.cursor.after.replace("-", "") or "0", 16)  # how many of them a page before had
        for thing, seen in direct[done:]:
            if page.is_full:
                page.cursor = replace(page.cursor, after=str(UUID(int=done)))
                return
            page.add(thing, seen)
            done += 1
        page.cursor = Cursor(page.cursor.place, step=1)
    seen = _Seen(event.at, ChangeKind.UPDATED, None)
    before = await _Before.of(event)
    await _take(page, _steps(event), seen, end=Cursor(event.place), before=before)


def _direct(event: Event) -> list[tuple[Thing, _Seen]]:
    """What an event names."""
    effect = event.effect or {}
    kind = ChangeKind.CORRECTED if event.type == "article.corrected" or effect.get("corrected") else ChangeKind.UPDATED
    appeared = set(effect.get("appeared", ()))
    things: dict[Thing, _Seen] = {}

    def add(type: str, id: str | UUID | None, path: str | None = None) -> None:
        comes = f"{type}:{id}" in appeared
        found = _Seen(event.at, ChangeKind.PUBLISHED if comes else kind if path else ChangeKind.UPDATED, path)
        things.setdefault((type, UUID(str(id)) if id is not None else None), found)

    noun = event.type.partition(".")[0]
    if event.article_id is not None:
        add("Article", event.article_id, effect.get("path"))
    elif noun in _KINDS:
        add(_KINDS[noun], event.subject_id, effect.get("path"))
    if noun == "site" or effect.get("site"):
        add("Site", None)
    for each in (*effect.get("appeared", ()), *effect.get("vanished", ())):
        add(*each.split(":"))
    if any(each.startswith("Article:") for each in (*appeared, *effect.get("vanished", ()))):
        for id in effect.get("lists", ()):
            add("StoryList", id)
    for id in effect.get("pointing", ()):
        add("Article", id)
    if noun == "media":
        for id in effect.get("authors", ()):
            add("Author", id)
    return list(things.items())


@dataclass(frozen=True, slots=True)
class _Step:
    """Things of a type under a condition, by id."""

    type: str
    condition: str
    params: tuple[Any, ...]

    async def after(self, id: str, most: int) -> list[UUID]:
        model = _MODELS[self.type]
        table, key = model._meta.db_table, model._meta.pk.source_field or model._meta.pk_attr
        shown = visible(PUBLIC, model, Perspective.PUBLISHED)
        sql = (
            f"select {key} from {table} where {key} > $1 and ({self.condition}) and ({shown}) "
            f"order by {key} limit {most}"
        )
        return [row[0] for row in await _fetch(sql, UUID(id) if id else UUID(int=0), *self.params)]


def _steps(event: Event) -> list[_Step]:
    """What an event is about without naming it: what stands under a thing that has another name or place now."""
    effect, noun, id = event.effect or {}, event.type.partition(".")[0], event.subject_id
    moved, renamed = effect.get("moved"), effect.get("renamed")
    steps: list[_Step] = []
    if heir := effect.get("heir"):
        steps.append(_Step("RedirectRule", "target_id = $2", (heir,)))
    if noun == "article" and moved:
        steps.append(_Step("RedirectRule", "target_id = $2", (event.article_id,)))
    if event.type in ("tag.merged", "tag.unmerged"):
        steps.append(_Step("RedirectRule", "target_id = $2", (id,)))
    if noun in ("tag", "author") and (moved or renamed):
        steps += [
            _Step("RedirectRule", "target_id = $2", (id,)),
            _Step("Article", f"{noun}_ids @> array[$2::uuid]", (id,)),
        ]
    if noun == "section" and moved:
        steps += [_Step("Section", f"id in {_UNDER}", (id,)), _Step("RedirectRule", f"target_id in {_UNDER}", (id,))]
    if noun == "section" and renamed:
        steps += [
            _Step("Article", "section_id = $2", (id,)),
            _Step("RedirectRule", "target_id in (select article_id from live where section_id = $2)", (id,)),
        ]
    if noun == "site" and renamed:
        steps += [_Step("Article", "true", ()), _Step("RedirectRule", "kind = 'ARTICLE'", ())]
    return steps


_UNDER = (
    "(with recursive under as (select id from section where id = $2 union "
    "select section.id from section join under on section.parent_id = under.id) select id from under)"
)


@dataclass(frozen=True, slots=True)
class _Before:
    """Where things stood, before a section was called something else or was moved, or before the site had another
    locale of its own."""

    section: Section | None
    path: str
    tree: paths.Tree
    site: Site

    @classmethod
    async def of(cls, event: Event) -> _Before | None:
        effect = event.effect or {}
        if event.type == "site.updated" and "locale" in effect:
            site = await paths.site()
            site.locale = effect["locale"]
            return cls(None, "", await paths.tree(), site)
        path = effect.get("path")
        section = await Section.get_or_none(id=event.subject_id) if event.type == "section.updated" else None
        return cls(section, path, await paths.tree(), await paths.site()) if section is not None and path else None

    async def paths(self, type: str, ids: Sequence[UUID]) -> dict[UUID, str]:
        if type == "Section" and self.section is not None:
            now = self.tree.path(self.tree.by_id[self.section.id])
            found = [self.tree.by_id[id] for id in ids if id in self.tree.by_id]
            return {each.id: self.path + self.tree.path(each).removeprefix(now) for each in found}
        if type != "Article":
            return {}
        old = self.tree
        if self.section is not None:
            slug = self.path.rpartition("/")[2]
            old = paths.Tree.of([Section(id=self.section.id, name="", slug=slug, position=0)])
        rows = await Live.filter(article_id__in=list(ids))
        return {row.article_id: paths.article_path(row, old, self.site) for row in rows}


async def _take(page: _Page, steps: list[_Step], seen: _Seen, *, end: Cursor, before: _Before | None = None) -> None:
    """Fill the page with what the steps find, from where its cursor stands; behind the last one is end."""
    while page.cursor.step <= len(steps):
        if page.is_full:
            return
        step = steps[page.cursor.step - 1]
        room = page.first - len(page.seen)
        ids = await step.after(page.cursor.after, room)
        old = await before.paths(step.type, ids) if before is not None else {}
        for id in ids:
            page.add((step.type, id), replace(seen, previous_path=old.get(id)))
        if len(ids) == room:
            page.cursor = replace(page.cursor, after=str(ids[-1]))
        else:
            page.cursor = replace(page.cursor, step=page.cursor.step + 1, after="")
    page.cursor = end


# ---------------------------------------------------------------- as they are now


async def _now(page: _Page) -> tuple[list[Change], dict[UUID, Model]]:
    rows = {thing: row async for thing, row in _rows(page.seen)}
    where = await _Paths.of([row for row in rows.values() if isinstance(row, Slug)])
    for thing, row in list(rows.items()):
        if isinstance(row, Slug) and where.path(row) is None:  # what it leads to went meanwhile
            del rows[thing]
    return [_change(thing, seen, rows.get(thing), where) for thing, seen in page.seen.items()], where.targets


def _change(thing: Thing, seen: _Seen, row: Model | None, where: _Paths) -> Change:
    type, id = thing
    path, previous = where.path(row), seen.previous_path
    kind = seen.kind
    if isinstance(row, Slug):
        kind, previous = ChangeKind.REDIRECTED, where.old(row)
    elif row is None:
        kind = ChangeKind.REMOVED
    elif previous is not None and previous != path:
        kind = ChangeKind.REDIRECTED
    else:
        previous = None
    return Change(kind, seen.at, type, id, path, previous, row)


async def _rows(seen: dict[Thing, _Seen]) -> AsyncIterator[tuple[Thing, Model]]:
    for type, model in _MODELS.items():
        if wanted := [id for other, id in seen if other == type]:
            rows = await query(PUBLIC, model, Perspective.PUBLISHED).filter(**{f"{model._meta.pk_attr}__in": wanted})
            for row in rows:
                yield (type, row.pk), row
    if ("Site", None) in seen:
        yield ("Site", None), await paths.site()


@dataclass(frozen=True, slots=True)
class _Paths:
    tree: paths.Tree
    site: Site
    targets: dict[UUID, Model]

    @classmethod
    async def of(cls, rules: list[Slug]) -> _Paths:
        found: dict[UUID, Model] = {}
        for kind, model in ((SlugKind.ARTICLE, Live), (SlugKind.TAG, Tag), (SlugKind.AUTHOR, Author)):
            if wanted := [rule.target_id for rule in rules if rule.kind is kind]:
                found |= {row.pk: row for row in await model.filter(**{f"{model._meta.pk_attr}__in": wanted})}
        return cls(await paths.tree(), await paths.site(), found)

    def path(self, row: Model | None) -> str | None:
        if isinstance(row, Live):
            return paths.article_path(row, self.tree, self.site)
        if isinstance(row, Section):
            return self.tree.path(row)
        if isinstance(row, Tag):
            return paths.tag_path(row.slug)
        if isinstance(row, Author):
            return paths.author_path(row.slug)
        if isinstance(row, Slug):
            if row.kind is SlugKind.SECTION:
                return self.path(self.tree.by_id.get(row.target_id))
            return self.path(self.targets.get(row.target_id))
        return None

    def old(self, rule: Slug) -> str:
        return (self.path(rule) or "").rpartition("/")[0] + "/" + rule.slug


async def _last_place() -> int:
    return int((await _fetch("select coalesce(max(place), 0) from event"))[0][0])


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])


def _unknown() -> Invalid:
    return Invalid.field("since", "cursor", "since is not a cursor of changes here; start again without it.")
