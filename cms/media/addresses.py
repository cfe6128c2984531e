"""At which addresses files are served, and which pictures may be asked for: those that an address was signed for.

    /media/MEDIA/VERSION/WIDTHxHEIGHT[-X-Y]-qQUALITY.EXT/SIGNATURE/NAME    a rendition; EXT may be auto
    /media/MEDIA/VERSION/file.EXT/SIGNATURE/NAME                           a sound, a film or a document
    /media/MEDIA/VERSION/original.EXT/SIGNATURE/NAME                       a picture as it came, for staff

The same wish has the same address for as long as the bytes, the credit and the copyright line stay what they are.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from urllib.parse import quote
from uuid import UUID

from cms import clock, ids
from cms.errors import Invalid
from cms.media import types
from cms.models import Media, MediaKind
from cms.settings import settings

# What a picture is shown in at most without a width or a height asked for, and at most at all; how many widths of one
# picture one srcSet has.
LARGEST, MAX_EDGE, MAX_WIDTHS = 2560, 8192, 20
_QUALITY_STEP = 5


class Fit(StrEnum):
    """What happens to a picture whose shape is not that of width and height."""

    COVER = "COVER"
    CONTAIN = "CONTAIN"


class Format(StrEnum):
    """How a picture is encoded. AUTO: as well as the one who asks for it can read it."""

    AUTO = "AUTO"
    AVIF = "AVIF"
    WEBP = "WEBP"
    JPEG = "JPEG"
    PNG = "PNG"


EXTENSIONS = {Format.AUTO: "auto", Format.AVIF: "avif", Format.WEBP: "webp", Format.JPEG: "jpg", Format.PNG: "png"}
# By the eye: where none has artefacts that the others would not have. AUTO becomes AVIF most of the time.
_QUALITIES = {Format.AUTO: 0, Format.AVIF: 55, Format.WEBP: 80, Format.JPEG: 80, Format.PNG: 100}
DEFAULT_QUALITY = {EXTENSIONS[name]: quality for name, quality in _QUALITIES.items()}


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture to be made. quality 0 is the format's own; focal is set where the shape changes."""

    width: int
    height: int
    extension: str
    quality: int = 0
    focal: tuple[float, float] | None = None

    def __str__(self) -> str:
        point = "".join(f"-{round(share * 100)}" for share in self.focal) if self.focal else ""
        return f"{self.width}x{self.height}{point}-q{self.quality}.{self.extension}"

    def as_(self, extension: str) -> Rendition:
        return replace(self, extension=extension)

    @classmethod
    def of(cls, spec: str) -> Rendition | None:
        found = _SPEC.fullmatch(spec)
        if found is None:
            return None
        width, height, x, y, quality, extension = found.groups()
        focal = (int(x) / 100, int(y) / 100) if x else None
        return cls(int(width), int(height), extension, int(quality), focal)


_SPEC = re.compile(r"(\d{1,5})x(\d{1,5})(?:-(\d{1,3})-(\d{1,3}))?-q(\d{1,3})\.(auto|avif|webp|jpg|png)")

Focal = tuple[float, float]


def url(
    media: Media,
    *,
    width: int | None = None,
    height: int | None = None,
    fit: Fit = Fit.COVER,
    format: Format = Format.AUTO,
    quality: int | None = None,
    focal: Focal | None = None,
) -> str | None:
    """Where the file is; None once its rights have ended. A picture is never larger than it came. focal: what this use
    wants in view, instead of what the library says. Raises Invalid for a size or quality that does not exist."""
    _check(width, "width", MAX_EDGE)
    _check(height, "height", MAX_EDGE)
    _check(quality, "quality", 100)
    if has_ended(media):
        return None
    if media.kind is not MediaKind.IMAGE:
        return address(media, f"file.{types.BY_MIME[media.mime_type].extension}")
    size = _size(media, width, height, fit)
    return address(media, str(_rendition(media, size, format, quality, focal))) if size else None


def src_set(
    media: Media,
    *,
    widths: Sequence[int],
    format: Format = Format.AUTO,
    aspect_ratio: float | None = None,
    focal: Focal | None = None,
) -> str | None:
    """The value of an <img>'s srcset: each width that the picture has, once. aspect_ratio: width by height; without it
    the picture's own."""
    if not 1 <= len(widths) <= MAX_WIDTHS:
        raise Invalid.field("widths", "range", f"Give 1 to {MAX_WIDTHS} widths.")
    for width in widths:
        _check(width, "widths", MAX_EDGE)
    if aspect_ratio is not None and not 0.05 <= aspect_ratio <= 20:
        raise Invalid.field("aspectRatio", "range", "aspectRatio must be from 0.05 to 20.")
    if has_ended(media) or media.kind is not MediaKind.IMAGE:
        return None
    sizes = {}
    for width in sorted(set(widths)):
        height = max(1, round(width / aspect_ratio)) if aspect_ratio else None
        if size := _size(media, width, height, Fit.COVER):
            sizes[size[0]] = size
    found = (
        f"{address(media, str(_rendition(media, size, format, None, focal)))} {width}w" for width, size in sizes.items()
    )
    return ", ".join(found) or None


def original(media: Media) -> str:
    """Where the file is to be downloaded as it came, with all that its camera wrote: not for readers."""
    return address(media, f"original.{types.BY_MIME[media.mime_type].extension}")


def address(media: Media, what: str) -> str:
    version = version_of(media)
    signature = sign(media.address_key, "media", str(media.id), version, what)
    stem = re.sub(r"[^\w.-]+", "-", media.filename.rpartition(".")[0] or media.filename).strip("-.")[:60] or "file"
    name = f"{stem}.{what.rpartition('.')[2]}".replace(".auto", "")
    return f"{settings().base_url}/media/{ids.encode('Media', media.id)}/{version}/{what}/{signature}/{quote(name)}"


def version_of(media: Media) -> str:
    """Another one for other bytes, and for another line of credit, which is written into what is served."""
    said = "\0".join((media.credit or "", media.copyright_holder or ""))
    return blake2b(bytes(media.sha256) + said.encode(), digest_size=6).hexdigest()


def sign(key: UUID, *parts: str) -> str:
    """A MAC (RFC 7693) over the parts; the first says what it is for."""
    digest = blake2b("\0".join(parts).encode(), key=key.bytes, digest_size=15).digest()
    return base64.urlsafe_b64encode(digest).decode()


def is_signed(signature: str, key: UUID, *parts: str) -> bool:
    return signature.isascii() and hmac.compare_digest(signature, sign(key, *parts))


def has_ended(media: Media) -> bool:
    return media.expires_at is not None and media.expires_at <= clock.now()


def _check(value: int | None, name: str, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise Invalid.field(name, "range", f"{name} must be from 1 to {most}.")


def _size(media: Media, width: int | None, height: int | None, fit: Fit) -> tuple[int, int] | None:
    """What comes out in pixels. None for a picture whose size nobody knows."""
    if media.width is None or media.height is None:
        return None
    whole = media.width, media.height
    if width is None and height is None:
        width = height = LARGEST
        fit = Fit.CONTAIN
    if width is None or height is None or fit is Fit.CONTAIN:
        share = min(1.0, *(want / have for want, have in zip((width, height), whole, strict=True) if want is not None))
        return max(1, round(whole[0] * share)), max(1, round(whole[1] * share))
    share = min(1.0, whole[0] / width, whole[1] / height)
    return max(1, round(width * share)), max(1, round(height * share))


def _rendition(
    media: Media, size: tuple[int, int], format: Format, quality: int | None, focal: Focal | None
) -> Rendition:
    assert media.width is not None and media.height is not None
    same_shape = abs(size[0] * media.height - size[1] * media.width) <= max(media.width, media.height)
    if focal is None:
        focal = (media.focal_x, media.focal_y) if media.focal_x is not None else (0.5, 0.5)  # type: ignore[assignment]
    stepped = max(_QUALITY_STEP, round(quality / _QUALITY_STEP) * _QUALITY_STEP) if quality else 0
    return Rendition(*size, EXTENSIONS[format], stepped, None if same_shape else focal)
