"""What many stories point at: the site, its sections, tags, authors and files. They are few and change seldom, so rows
are kept in memory, as they are, until something happens to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tortoise.models import Model

from cms import paths
from cms.models import Author, Media, Site, Tag
from cms.paths import MAX_SLUG
from cms.permissions import PUBLIC, Perspective, query
from schema.plan.reading import Reading, Source

# Rows of one kind: files are many, and it is the new ones that are shown.
_MOST = 20_000


class Entities:
    """Rows that are kept. What is fetched while something is dropped may be older than that, and is not kept."""

    def __init__(self) -> None:
        self.kept: dict[Source, dict[Any, Any]] = {}
        self.turn = 0
        self._slugs: dict[UUID, str] = {}

    def keep(self, source: Source, found: Mapping[Any, Any], turn: int) -> None:
        if turn == self.turn:
            rows = self.kept.setdefault(source, {})
            if len(rows) + len(found) > _MOST:
                rows.clear()
            rows.update(found)
            if isinstance(source, _BySlug):
                self._slugs.update((row.id, slug) for slug, row in found.items())

    def forget(self, id: UUID) -> None:
        """Something happened to the tag, author or file with this id, or to whether readers are shown it."""
        self.turn += 1
        slug = self._slugs.pop(id, None)
        for source, rows in self.kept.items():
            if isinstance(source, _ByKey):
                rows.pop(id, None)
            elif slug is not None and isinstance(source, _BySlug):
                rows.pop(slug, None)

    def clear(self) -> None:
        self.turn += 1
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


TAGS, AUTHORS, MEDIA = _ByKey(Tag), _ByKey(Author), _ByKey(Media)
TAG_SLUGS, AUTHOR_SLUGS = _BySlug(Tag), _BySlug(Author)
SITE, TREE = _TheSite(), _TheTree()
