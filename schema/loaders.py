"""Batched reads. There are two shapes: one row by key, and many rows by the key they point at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader
from tortoise.models import Model
from tortoise.queryset import QuerySet

from cms import clock, listings, related
from cms.likeness import Like
from cms.models import Content, Media
from cms.paths import MAX_SLUG
from cms.permissions import Actor, Perspective, query

M = TypeVar("M", bound=Model)


class Loaders:
    """The loaders of one operation, each made when it is first asked for."""

    def __init__(self, actor: Actor, perspective: Perspective) -> None:
        self._actor, self._perspective = actor, perspective
        self._made: dict[tuple[Any, ...], DataLoader[UUID, Any]] = {}
        self._likes: DataLoader[Content, list[Like]] | None = None
        self._shown: set[UUID] = set()

    def also_show(self, media_ids: set[UUID]) -> None:
        """These files may be read in this operation, whoever asks, while there are rights to them."""
        self._shown |= media_ids

    async def visible(self, model: type[M], key: UUID) -> M | None:
        """The row with this primary key, where the actor may read it."""
        return (await self.visible_each(model, [key]))[0]

    async def with_slug(self, model: type[M], slug: str) -> M | None:
        """The row with this slug, where the actor may read it. None for one that is longer than a slug can be."""
        if len(slug) > MAX_SLUG:
            return None
        return await query(self._actor, model, self._perspective).filter(slug=slug).first()

    async def visible_many(self, model: type[M], keys: list[UUID]) -> list[M]:
        """Those with these primary keys that the actor may read, in this order."""
        return [row for row in await self.visible_each(model, keys) if row is not None]

    async def visible_each(self, model: type[M], keys: list[UUID]) -> list[M | None]:
        """The same, with None in the place of what is not to be seen."""
        loader = self._one("visible", model, lambda: query(self._actor, model, self._perspective))
        rows: list[M | None] = await loader.load_many(keys)
        if model is Media and not self._shown.isdisjoint(keys):
            known = await self.known_each(model, keys)
            rows = [row or self._if_shown(other) for row, other in zip(rows, known, strict=True)]
        return rows

    async def known(self, model: type[M], key: UUID | None) -> M | None:
        """The row with this primary key, which a row that the actor may read points at."""
        return None if key is None else await self._one("known", model, model.all).load(key)

    def remember(self, rows: Iterable[Model]) -> None:
        """These are what known() answers, whatever becomes of them meanwhile."""
        for row in rows:
            self._one("known", type(row), type(row).all).prime(row.pk, row)

    async def known_each(self, model: type[M], keys: list[UUID]) -> list[M | None]:
        """The same for several, with None in the place of what is not there."""
        return await self._one("known", model, model.all).load_many(keys)

    async def known_many(self, model: type[M], keys: list[UUID]) -> list[M]:
        return [row for row in await self.known_each(model, keys) if row is not None]

    async def children(self, model: type[M], column: str, key: UUID, *order: str) -> list[M]:
        """The rows whose column holds this key, in this order; for rows that a visible row owns."""

        async def load(keys: list[UUID]) -> list[list[M]]:
            rows = await model.filter(**{f"{column}__in": keys}).order_by(*order)
            found: dict[UUID, list[M]] = {each: [] for each in keys}
            for row in rows:
                found[getattr(row, column)].append(row)
            return [found[each] for each in keys]

        return await self._loader(("children", model, column, order), load).load(key)  # type: ignore[no-any-return]

    async def stories_in(self, term_id: UUID) -> int:
        """How many stories the actor may list under a tag, an author or a section."""

        async def load(keys: list[UUID]) -> list[int]:
            counts = await listings.count_under(self._actor, self._perspective, keys)
            return [counts.get(key, 0) for key in keys]

        return await self._loader(("stories_in",), load).load(term_id)  # type: ignore[no-any-return]

    async def like(self, content: Content) -> list[Like]:
        """Live stories that the machine finds like this content's, the best first; some may not be live any more."""

        async def load(keys: list[Content]) -> list[list[Like]]:
            return await related.automatic(keys)

        if self._likes is None:
            self._likes = DataLoader(load_fn=load, cache_key_fn=id)
        return await self._likes.load(content)

    def _if_shown(self, row: Any) -> Any:
        ended = row is None or (row.expires_at is not None and row.expires_at <= clock.now())
        return row if not ended and row.id in self._shown else None

    def _one(self, name: str, model: type[M], rows: Callable[[], QuerySet[M]]) -> DataLoader[UUID, Any]:
        async def load(keys: list[UUID]) -> list[M | None]:
            found = {row.pk: row for row in await rows().filter(**{f"{model._meta.pk_attr}__in": keys})}
            return [found.get(key) for key in keys]

        return self._loader((name, model), load)

    def _loader(self, name: tuple[Any, ...], load: Any) -> DataLoader[UUID, Any]:
        if name not in self._made:
            self._made[name] = DataLoader(load_fn=load)
        return self._made[name]
