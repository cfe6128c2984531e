"""What many stories point at: the site, its sections, tags, authors and files. They are few and change seldom, so rows
are kept in memory, as they are, until something happens to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from tortoise.models import Model

from cms import paths
from cms.models import Author, Media, Site, Tag
from cms.paths import MAX_SLUG
from cms.permissions import PUBLIC, Perspective, query
from schema.plan.reading import Reading, Source
from schema.plan.selection import Getter, is_pure, to_json

# Rows of one kind: files are many, and it is the new ones that are shown.
_MOST = 20_000
# What one place of a document has printed.
_PRINTED = 4_096


class Entities:
    """Rows that are kept. What is fetched while something is dropped may be older than that, and is not kept."""

    def __init__(self) -> None:
        self.kept: dict[Source, dict[Any, Any]] = {}
        self.turn = object()  # another one whenever something was dropped
        self._slugs: dict[UUID, str] = {}

    def keep(self, source: Source, found: Mapping[Any, Any], turn: object) -> None:
        if turn is self.turn:
            rows = self.kept.setdefault(source, {})
            if len(rows) + len(found) > _MOST:
                rows.clear()
            rows.update(found)
            if isinstance(source, _BySlug):
                self._slugs.update((row.id, slug) for slug, row in found.items())

    def keeps(self, source: Source, row: Any) -> bool:
        """Whether this very row is kept."""
        return self.kept.get(source, {}).get(row.id) is row

    def forget(self, id: UUID) -> None:
        """Something happened to the tag, author or file with this id, or to whether readers are shown it."""
        self.turn = object()
        slug = self._slugs.pop(id, None)
        for source, rows in self.kept.items():
            if isinstance(source, _ByKey):
                rows.pop(id, None)
            elif slug is not None and isinstance(source, _BySlug):
                rows.pop(slug, None)

    def clear(self) -> None:
        self.turn = object()
        self.kept.clear()
        self._slugs.clear()


class _Kept(Source):
    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        turn = reading.entities.turn
        found = await self.read(keys)
        reading.entities.keep(self, found, turn)
        return found

    async def read(self, keys: list[Any]) -> Mapping[Any, Any]:
        raise NotImplementedError


class _ByKey(_Kept):
    """For those that something readers may see points at."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    async def read(self, keys: list[Any]) -> Mapping[Any, Any]:
        return {row.pk: row for row in await self._model.filter(id__in=keys)}


class _BySlug(_Kept):
    def __init__(self, model: type[Tag] | type[Author]) -> None:
        self._model = model

    async def read(self, keys: list[Any]) -> Mapping[Any, Any]:
        wanted = [key for key in keys if len(key) <= MAX_SLUG]
        rows = await query(PUBLIC, self._model, Perspective.PUBLISHED).filter(slug__in=wanted)
        return {row.slug: row for row in rows}


class _TheSite(_Kept):
    async def read(self, keys: list[Any]) -> Mapping[Any, Any]:
        return {None: await Site.get()}


class _TheTree(_Kept):
    async def read(self, keys: list[Any]) -> Mapping[Any, Any]:
        return {None: await paths.tree()}


class Printer:
    """Entities of one source as JSON, for one place of a document: made once, and again when something happened to any.
    of makes of a row what is to be built."""

    def __init__(self, source: Source, build: Getter, of: Callable[[Any], Any] = lambda row: row) -> None:
        self._source, self._build, self._of = source, build, of
        self._turn: object = None
        self._printed: dict[UUID, orjson.Fragment] = {}

    def many(self, ids: Sequence[UUID], reading: Reading) -> list[Any]:
        """Those of the entities that are there."""
        try:
            printed = self.printed(reading)
            return [printed[id] for id in ids]
        except KeyError:
            rows = [reading.entity(self._source, id) for id in ids]
            return [self.one(row, reading) for row in rows if row is not None]

    def lists(self, lists: Sequence[Sequence[UUID]], reading: Reading) -> list[list[Any]]:
        """The same for several lists."""
        printed = self.printed(reading)
        try:
            return [[printed[id] for id in ids] for ids in lists]
        except KeyError:
            return [self.many(ids, reading) for ids in lists]

    def one(self, row: Any, reading: Reading) -> Any:
        if not is_pure(self._build):
            return self._build(self._of(row), reading)
        printed = self.printed(reading)
        found = printed.get(row.id)
        if found is None:
            found = orjson.Fragment(to_json(self._build(self._of(row), reading)))
            # A row that is not kept may be older than what happened last.
            if reading.entities.keeps(self._source, row):
                printed[row.id] = found
        return found

    def printed(self, reading: Reading) -> dict[UUID, orjson.Fragment]:
        """By id."""
        turn = reading.entities.turn
        if self._turn is not turn or len(self._printed) > _PRINTED:
            self._turn, self._printed = turn, {}
        return self._printed


TAGS, AUTHORS, MEDIA = _ByKey(Tag), _ByKey(Author), _ByKey(Media)
TAG_SLUGS, AUTHOR_SLUGS = _BySlug(Tag), _BySlug(Author)
SITE, TREE = _TheSite(), _TheTree()
