"""The API of media: files of the library, and their uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from cms import media, models
from cms.models import MediaKind
from schema.context import Info
from schema.node import Node
from schema.scalars import BigInt

strawberry.enum(MediaKind, description="What a file is, read from its bytes.")


@strawberry.type(description="A point of a picture as displayed: 0..1 from the left and from the top.")
class FocalPoint:
    x: float = strawberry.field(description="From the left, 0 to 1.")
    y: float = strawberry.field(description="From the top, 0 to 1.")


@strawberry.type(description="A file of the library.")
class Media(Node):
    kind: MediaKind = strawberry.field(description="What the file is.")
    mime_type: str = strawberry.field(description="The type, read from the bytes.")
    byte_size: BigInt = strawberry.field(description="The size of the original, in bytes.")
    width: int | None = strawberry.field(description="Pixels, as displayed: orientation already applied.")
    height: int | None = strawberry.field(description="Pixels, as displayed.")
    alt_text: str | None = strawberry.field(description="What the picture shows, for those who cannot see it.")
    caption: str | None = strawberry.field(description="The text to print under it.")
    credit: str | None = strawberry.field(description="Whom to name beside it.")
    copyright_holder: str | None = strawberry.field(description="Who owns the rights.")
    placeholder: str | None = strawberry.field(description="A tiny data: URI to show while the image loads.")
    dominant_color: str | None = strawberry.field(description="Its main colour, #rrggbb.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Media)

    @strawberry.field(description="What must stay in view when it is cropped.")
    def focal_point(root: strawberry.Parent[models.Media]) -> FocalPoint | None:
        return FocalPoint(x=root.focal_x, y=root.focal_y) if root.focal_x is not None else None  # type: ignore[arg-type]

    @strawberry.field(description="Where the file is; null where it cannot be served to this viewer (rights ended).")
    def url(root: strawberry.Parent[models.Media]) -> str | None:
        return media.url(root)

    @strawberry.field(description="The name it came with. Staff only, else null.")
    def filename(root: strawberry.Parent[models.Media], info: Info) -> str | None:
        return root.filename if info.context.actor.is_staff else None

    @strawberry.field(description="What the licence allows. Staff only, else null.")
    def usage_terms(root: strawberry.Parent[models.Media], info: Info) -> str | None:
        return root.usage_terms if info.context.actor.is_staff else None

    @strawberry.field(description="When the rights end. Staff only, else null.")
    def expires_at(root: strawberry.Parent[models.Media], info: Info) -> datetime | None:
        return root.expires_at if info.context.actor.is_staff else None

    @strawberry.field(description="When it came into the library. Staff only, else null.")
    def created_at(root: strawberry.Parent[models.Media], info: Info) -> datetime | None:
        return root.created_at if info.context.actor.is_staff else None


@dataclass(frozen=True, slots=True)
class Use:
    """A media with what one use says of it."""

    media: models.Media
    said: Mapping[str, Any]

    def own_or(self, name: str) -> str | None:
        said: str | None = self.said.get(name) or getattr(self.media, name)
        return said


async def use(info: Info, media_id: UUID | None, said: Mapping[str, Any] | None) -> Use | None:
    """One use, where the viewer may see the file."""
    if media_id is None:
        return None
    row = await info.context.loaders.visible(models.Media, media_id)
    return Use(row, said or {}) if row else None


@strawberry.type(description="One use of a media: what is said of it here wins over what the library says.")
class MediaUse:
    @strawberry.field(description="The file.")
    def media(root: strawberry.Parent[Use]) -> Media:
        return root.media  # type: ignore[return-value]

    @strawberry.field(description="What the picture shows; null for a decorative one.")
    def alt_text(root: strawberry.Parent[Use]) -> str | None:
        return None if root.said.get("is_decorative") else root.own_or("alt_text")

    @strawberry.field(description="It says nothing that the text does not: print an empty alt.")
    def is_decorative(root: strawberry.Parent[Use]) -> bool:
        return bool(root.said.get("is_decorative"))

    @strawberry.field(description="The text to print under it.")
    def caption(root: strawberry.Parent[Use]) -> str | None:
        return root.own_or("caption")

    @strawberry.field(description="Whom to name beside it.")
    def credit(root: strawberry.Parent[Use]) -> str | None:
        return root.own_or("credit")

    @strawberry.field(description="What must stay in view when it is cropped.")
    def focal_point(root: strawberry.Parent[Use]) -> FocalPoint | None:
        point = root.said.get("focal_point")
        if point is not None:
            return FocalPoint(x=point["x"], y=point["y"])
        return FocalPoint(x=root.media.focal_x, y=root.media.focal_y) if root.media.focal_x is not None else None  # type: ignore[arg-type]

    @strawberry.field(description="Where the file is; null where it cannot be served to this viewer.")
    def url(root: strawberry.Parent[Use]) -> str | None:
        return media.url(root.media)


@strawberry.input(description="A point of a picture as displayed.")
class FocalPointInput:
    x: float = strawberry.field(description="From the left, 0 to 1.")
    y: float = strawberry.field(description="From the top, 0 to 1.")


@strawberry.input(description="One use of a media. What is absent is taken from the library.")
class MediaUseInput:
    media_id: strawberry.ID = strawberry.field(description="The file.")
    alt_text: str | None = strawberry.field(default=strawberry.UNSET, description="What the picture shows.")
    is_decorative: bool | None = strawberry.field(default=strawberry.UNSET, description="It needs no alternative text.")
    caption: str | None = strawberry.field(default=strawberry.UNSET, description="The text to print under it.")
    credit: str | None = strawberry.field(default=strawberry.UNSET, description="Whom to name beside it.")
    focal_point: FocalPointInput | None = strawberry.field(
        default=strawberry.UNSET, description="What must stay in view when it is cropped."
    )
