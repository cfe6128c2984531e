"""The API of media: files of the library, and their uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from cms import media, models
from cms.keyset import Paging
from cms.media import Fit, Format
from cms.models import MediaKind
from schema.connection import Rows
from schema.context import Info
from schema.node import Node
from schema.scalars import After, BigInt, First, described

if TYPE_CHECKING:
    from schema.articles import ArticleConnection

strawberry.enum(MediaKind, description="What a file is, read from its bytes.")
strawberry.enum(
    Fit,
    name="ImageFit",
    description="What happens to a picture whose shape is not that of width and height: it is cropped around its focal "
    "point (COVER), or becomes as large as fits (CONTAIN).",
)
strawberry.enum(
    Format,
    name="ImageFormat",
    description="How a picture is encoded. AUTO is AVIF, WebP or JPEG, by the Accept header of who asks for it.",
)

_Width = Annotated[int | None, described("In pixels, 1 to 8192. A picture is never larger than it came.")]
_Height = Annotated[int | None, described("In pixels, 1 to 8192.")]
_Fit = Annotated[Fit, described("What happens where width and height ask for another shape.")]
_Format = Annotated[Format, described("How it is encoded.")]
_Quality = Annotated[int | None, described("1 to 100, in steps of 5; by default what suits the format.")]
_Widths = Annotated[list[int], described("In pixels, at most 20; those beyond the picture's own become that.")]
_AspectRatio = Annotated[float | None, described("Width by height, 0.05 to 20; by default the picture's own.")]
_Stories = Annotated["ArticleConnection", strawberry.lazy("schema.articles")]
WIDTHS = [320, 640, 960, 1280, 1920]


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

    @strawberry.field(
        description=(
            "Where the file is; null where it cannot be served to this viewer (rights ended). A picture without width "
            "and height is 2560 pixels wide and high at most."
        )
    )
    def url(
        root: strawberry.Parent[models.Media],
        width: _Width = None,
        height: _Height = None,
        fit: _Fit = Fit.COVER,
        format: _Format = Format.AUTO,
        quality: _Quality = None,
    ) -> str | None:
        return media.url(root, width=width, height=height, fit=fit, format=format, quality=quality)

    @strawberry.field(description="The srcset of an <img>: each width that the picture has, once. Null for no picture.")
    def src_set(
        root: strawberry.Parent[models.Media],
        widths: _Widths = WIDTHS,
        format: _Format = Format.AUTO,
        aspect_ratio: _AspectRatio = None,
    ) -> str | None:
        return media.src_set(root, widths=widths, format=format, aspect_ratio=aspect_ratio)

    @strawberry.field(
        description=(
            "Stories that use it: their newest revisions in the perspective DRAFT, else those that are live. Staff "
            "only, else null."
        )
    )
    async def used_in(
        root: strawberry.Parent[models.Media], info: Info, first: First = None, after: After = None
    ) -> _Stories | None:
        if not info.context.actor.is_staff:
            return None
        found = media.users(info.context.actor, root.id, info.context.stories)

        async def load(ids: list[UUID]) -> list[Any]:
            return list(await info.context.loaders.visible_each(info.context.stories, ids))

        return Rows(found, Paging.of(first, after), load)  # type: ignore[return-value]

    @strawberry.field(description="The file as it came, with all that its camera wrote. Staff only, else null.")
    def original_url(root: strawberry.Parent[models.Media], info: Info) -> str | None:
        return media.original(root) if info.context.actor.is_staff else None

    @strawberry.field(description="Who made it. Staff only, else null.")
    def creator(root: strawberry.Parent[models.Media], info: Info) -> str | None:
        return root.creator if info.context.actor.is_staff else None

    @strawberry.field(description="Words to find it by. Staff only, else null.")
    def keywords(root: strawberry.Parent[models.Media], info: Info) -> list[str] | None:
        return root.keywords if info.context.actor.is_staff else None

    @strawberry.field(description="What its agency tells the desk. Staff only, else null.")
    def instructions(root: strawberry.Parent[models.Media], info: Info) -> str | None:
        return root.instructions if info.context.actor.is_staff else None

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

    @property
    def focal(self) -> tuple[float, float] | None:
        point = self.said.get("focal_point")
        return (point["x"], point["y"]) if point else None


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
        if root.focal is not None:
            return FocalPoint(x=root.focal[0], y=root.focal[1])
        return FocalPoint(x=root.media.focal_x, y=root.media.focal_y) if root.media.focal_x is not None else None  # type: ignore[arg-type]

    @strawberry.field(description="As Media.url, cropped around this use's focal point.")
    def url(
        root: strawberry.Parent[Use],
        width: _Width = None,
        height: _Height = None,
        fit: _Fit = Fit.COVER,
        format: _Format = Format.AUTO,
        quality: _Quality = None,
    ) -> str | None:
        return media.url(
            root.media, width=width, height=height, fit=fit, format=format, quality=quality, focal=root.focal
        )

    @strawberry.field(description="As Media.srcSet, cropped around this use's focal point.")
    def src_set(
        root: strawberry.Parent[Use],
        widths: _Widths = WIDTHS,
        format: _Format = Format.AUTO,
        aspect_ratio: _AspectRatio = None,
    ) -> str | None:
        return media.src_set(root.media, widths=widths, format=format, aspect_ratio=aspect_ratio, focal=root.focal)


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
