"""Files of the library in plans. What a live story, an author with one, or the site points at may be seen while there
are rights to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from graphql import SelectionSetNode

from cms import ids, media
from cms.media.addresses import has_ended
from cms.models import Media
from schema.media import WIDTHS, Use
from schema.plan.entities import MEDIA, Printer
from schema.plan.reading import Reading
from schema.plan.selection import Asked, Compiler, Getter, attributes, field, is_pure, plain, pure, said


class Uses:
    """The uses of files at one place of a document. One that says nothing of its own is printed once."""

    def __init__(self, c: Compiler, sets: list[SelectionSetNode]) -> None:
        self._plain = Printer(MEDIA, c, "MediaUse", sets, of=lambda row: Use(row, {}))

    def get(self, row: Media | None, said: Mapping[str, Any], reading: Reading) -> Any:
        """None for a file that may not be seen."""
        if row is None or has_ended(row):
            return None
        reading.show(row)
        changes = said or row.expires_at is not None
        return self._plain.build(Use(row, said), reading) if changes else self._plain.one(row, reading)

    def of(self, id: UUID | None, said: Mapping[str, Any] | str | None, reading: Reading) -> Any:
        """The same of the file with this id, None without one. said: as a row has it, or as PostgreSQL prints it."""
        return self.of_all([(id, said)], reading)[0]

    def of_all(self, uses: Sequence[tuple[UUID | None, Any]], reading: Reading) -> list[Any]:
        """The same of several (id, said)."""
        printed = self._plain.printed(reading)
        found = [None if said or id is None else printed.get(id) for id, said in uses]
        reading.shown["media"].update(
            [id for (id, _), each in zip(uses, found, strict=True) if each is not None and id]
        )
        if None in found:
            return [self._of(*use, reading) if each is None else each for use, each in zip(uses, found, strict=True)]
        return found

    def _of(self, id: UUID | None, said: Mapping[str, Any] | str | None, reading: Reading) -> Any:
        if id is None:
            return None
        own = orjson.loads(said) if isinstance(said, str) else said
        return self.get(reading.entity(MEDIA, id), own or {}, reading)


_FOR_STAFF = (
    *("usedIn", "originalUrl", "creator", "keywords", "instructions", "filename"),
    *("usageTerms", "expiresAt", "createdAt"),
)


plain(
    "Media",
    id=lambda row, reading: ids.encode("Media", row.id),
    kind=lambda row, reading: row.kind.name,
    **dict.fromkeys(_FOR_STAFF, said("None")),
)
attributes(
    "Media",
    *("mimeType", "byteSize", "width", "height", "altText", "caption", "credit", "copyrightHolder"),
    *("placeholder", "dominantColor"),
)


def _address(c: Compiler, asked: Asked, of: Callable[..., str | None]) -> Getter:
    """The getter of an address, which is always the same where no variable asks for it."""
    arguments = c.arguments(asked)

    def get(row: Any, reading: Reading) -> str | None:
        return of(row, **arguments(reading))

    return pure(get) if is_pure(arguments) else get


@field("Media", "url")
def _url(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return _address(c, asked, media.url)


@field("Media", "srcSet")
def _src_set(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return _address(c, asked, lambda row, widths=WIDTHS, **more: media.src_set(row, widths=widths, **more))


@field("MediaUse", "url")
def _use_url(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return _address(c, asked, lambda use, **wish: media.url(use.media, focal=use.focal, **wish))


@field("MediaUse", "srcSet")
def _use_src_set(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return _address(
        c, asked, lambda use, widths=WIDTHS, **more: media.src_set(use.media, widths=widths, focal=use.focal, **more)
    )


plain(
    "MediaUse",
    altText=lambda use, reading: None if use.said.get("is_decorative") else use.own_or("alt_text"),
    isDecorative=lambda use, reading: bool(use.said.get("is_decorative")),
    caption=lambda use, reading: use.own_or("caption"),
    credit=lambda use, reading: use.own_or("credit"),
)


@field("MediaUse", "media")
def _media(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Media", asked.sets)

    def get(use: Use, reading: Reading) -> Any:
        return inner(use.media, reading)

    return pure(get) if is_pure(inner) else get


@field("Media", "focalPoint")
def _focal_point(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("FocalPoint", asked.sets)
    return pure(lambda row, reading: None if row.focal_x is None else inner((row.focal_x, row.focal_y), reading))


@field("MediaUse", "focalPoint")
def _use_focal_point(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("FocalPoint", asked.sets)

    def get(use: Use, reading: Reading) -> Any:
        point = use.focal or ((use.media.focal_x, use.media.focal_y) if use.media.focal_x is not None else None)
        return None if point is None else inner(point, reading)

    return pure(get)


plain("FocalPoint", x=lambda point, reading: float(point[0]), y=lambda point, reading: float(point[1]))
