"""What search engines are told of a story in plans; schema.org's JSON is the resolvers'."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from cms import body
from schema.plan.entities import SITE
from schema.plan.pictures import Uses
from schema.plan.reading import Reading
from schema.plan.selection import Asked, Compiler, Getter, field
from schema.plan.stories import Stories, path
from schema.seo import DESCRIPTION_LENGTH


@field("Article", "seo")
def _seo(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return c.object("Seo", asked.sets, scope)


def _said(scope: Stories) -> Any:
    """The function that gives what was said by hand."""
    place = scope.column("seo")
    return lambda row: {} if row[place] == "{}" else orjson.loads(row[place])


@field("Seo", "title")
def _title(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    said, headline = _said(scope), scope.column("headline")
    return lambda row, reading: said(row).get("title") or row[headline]


@field("Seo", "description")
def _description(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    said, dek, text = _said(scope), scope.column("dek"), scope.column("text")

    def get(row: Any, reading: Reading) -> str | None:
        own: str | None = said(row).get("description") or row[dek]
        return own or body.excerpt(row[text], DESCRIPTION_LENGTH) or None

    return get


@field("Seo", "canonicalUrl")
def _canonical_url(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    said, own = _said(scope), path(scope)

    def get(row: Any, reading: Reading) -> str | None:
        given: str | None = said(row).get("canonical_url")
        found = own(row, reading)
        return given or (None if found is None else reading.entity(SITE, None).url + found)

    return get


@field("Seo", "noindex")
def _noindex(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    said = _said(scope)
    return lambda row, reading: bool(said(row).get("noindex"))


@field("Seo", "image")
def _image(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    own, uses = _said(scope), Uses(c, asked.sets)
    lead, lead_use = scope.column("lead_media_id"), scope.column("lead_use")

    def get(row: Any, reading: Reading) -> Any:
        given = own(row)
        if id := given.get("image_id"):
            return uses.of(UUID(id), given.get("image"), reading)
        return uses.of(row[lead], row[lead_use], reading)

    return get
