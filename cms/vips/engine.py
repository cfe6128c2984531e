"""What is done with pictures: what one is (`examine`), and one of another size made of it (`render`).

Only six loaders can be reached. A picture is turned upright once, by its orientation (EXIF 2.32, tag 0x0112), becomes
sRGB of 8 bits, and keeps nothing that its camera wrote; credit and copyright are written as XMP.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from typing import Any

import pyvips

from cms.vips import metadata
from cms.vips.colour import dominant

LOADERS = ("Jpeg", "Png", "Webp", "Nsgif", "Heif", "Tiff")
_ANIMATED = ("webpload", "gifload")
_SIDEWAYS = (5, 6, 7, 8)
_PLACEHOLDER_EDGE = 24
_MAX_EDGE = 32_767


class Refused(Exception):
    """The picture cannot be taken; code and sentence are for the one who sent it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """What a picture may be: pixels counts those of all frames together."""

    pixels: int
    frames: int


@dataclass(frozen=True)
class Wish:
    """A rendition: exact size; focal is what stays in view, 0..1, where the shape has to change."""

    width: int
    height: int
    format: str
    quality: int
    focal: tuple[float, float] = (0.5, 0.5)
    credit: str | None = None
    copyright: str | None = None


@dataclass(frozen=True)
class Examined:
    """width and height are pixels as displayed."""

    width: int
    height: int
    frames: int
    placeholder: str
    dominant_color: str
    said: dict[str, Any] = field(default_factory=dict)


def allow_only_known_loaders() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)


def examine(path: str, limits: Limits) -> dict[str, Any]:
    """Everything that is to be known when a picture comes in, as Examined. Raises Refused; the header is judged before
    a pixel is decoded, and then every pixel is, so that half a file does not pass."""
    header = _open(path)
    frames = _frames(header)
    _check(header, frames, limits)
    width, height = _displayed(header)
    edge = _PLACEHOLDER_EDGE
    small = _thumbnail(header, path, edge, edge, size="down", fail_on="truncated")
    try:
        small = small.copy_memory()
    except pyvips.Error as error:
        raise _unreadable(error) from None
    return asdict(
        Examined(
            width=width,
            height=height,
            frames=frames,
            placeholder=_data_uri(small),
            dominant_color=dominant(_opaque(small).write_to_memory()),
            said=metadata.read(_blob(header, "iptc-data"), _blob(header, "xmp-data")),
        )
    )


def render(path: str, target: str, wish: Wish, limits: Limits) -> None:
    """Write the rendition to target. Never larger than the picture is; animated in WebP where the picture is."""
    header = _open(path)
    frames = _frames(header)
    _check(header, frames, limits)
    width, height = _displayed(header)
    share = min(1.0, width / wish.width, height / wish.height)
    box = max(1, round(wish.width * share)), max(1, round(wish.height * share))
    scale = max(box[0] / width, box[1] / height)
    whole = max(box[0], round(width * scale)), max(box[1], round(height * scale))
    animated = frames > 1 and wish.format == "webp"
    image = _thumbnail(header, path, *whole, size="force", options=_options(header, scale, animated))
    image = _crop(image, whole, box, wish.focal, frames if animated else 1)
    _save(image, target, wish)


def _open(path: str) -> pyvips.Image:
    try:
        return pyvips.Image.new_from_file(path, access="sequential")
    except pyvips.Error as error:
        raise _unreadable(error) from None


def _frames(header: pyvips.Image) -> int:
    """Pages of a TIFF and pictures of a HEIF are no animation: the first one counts."""
    if header.get("vips-loader") not in _ANIMATED or header.get_typeof("n-pages") == 0:
        return 1
    return int(header.get("n-pages"))


def _check(header: pyvips.Image, frames: int, limits: Limits) -> None:
    if max(header.width, header.height) > _MAX_EDGE:
        raise Refused("too_many_pixels", f"A picture may be {_MAX_EDGE} pixels wide and high at most.")
    if frames > limits.frames:
        raise Refused("too_many_frames", f"An animation may have {limits.frames} frames at most; this has {frames}.")
    if header.width * header.height * frames > limits.pixels:
        megapixels = f"{header.width * header.height * frames / 1e6:.0f}"
        raise Refused(
            "too_many_pixels",
            f"A picture may have {limits.pixels / 1e6:.0f} megapixels at most; this has {megapixels}.",
        )


def _displayed(header: pyvips.Image) -> tuple[int, int]:
    sideways = header.get_typeof("orientation") != 0 and header.get("orientation") in _SIDEWAYS
    return (header.height, header.width) if sideways else (header.width, header.height)


def _options(header: pyvips.Image, scale: float, animated: bool) -> str:
    """What the loader does: all frames, or a JPEG smaller by 2, 4 or 8, which is most of the way for next to nothing.
    Left alone, libvips stops a factor of two before that."""
    if animated:
        return "[n=-1]"
    shrink = next((factor for factor in (8, 4, 2) if factor * scale <= 1), 1)
    return f"[shrink={shrink}]" if shrink > 1 and header.get("vips-loader") == "jpegload" else ""


def _thumbnail(
    header: pyvips.Image, path: str, width: int, height: int, *, size: str, options: str = "", fail_on: str = "none"
) -> pyvips.Image:
    """Upright, in sRGB of 8 bits. What says nothing of its colours is taken for sRGB already, and costs no conversion;
    CMYK that says nothing is taken for what printers mean most of the time."""
    wish: dict[str, Any] = {"height": height, "size": size}
    if header.get_typeof("icc-profile-data") != 0 or header.interpretation not in ("srgb", "b-w"):
        wish["output_profile"] = "srgb"
    try:
        if options.startswith("[shrink"):
            image = pyvips.Image.new_from_file(path + options, access="sequential").thumbnail_image(width, **wish)
        else:
            image = pyvips.Image.thumbnail(path + options, width, fail_on=fail_on, **wish)
        return image.colourspace("srgb") if image.interpretation not in ("srgb", "b-w") else image
    except pyvips.Error as error:
        raise _unreadable(error) from None


def _crop(
    image: pyvips.Image, whole: tuple[int, int], box: tuple[int, int], focal: tuple[float, float], frames: int
) -> pyvips.Image:
    """Cut the box out of each frame so that the point is as near its middle as can be."""
    if whole == box:
        return image
    left, top = (
        min(max(round(focal[axis] * whole[axis] - box[axis] / 2), 0), whole[axis] - box[axis]) for axis in (0, 1)
    )
    if frames == 1:
        return image.crop(left, top, *box)
    height = image.get("page-height")
    pages = [image.crop(left, top + number * height, *box) for number in range(image.height // height)]
    joined = pyvips.Image.arrayjoin(pages, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", box[1])
    return joined


def _save(image: pyvips.Image, target: str, wish: Wish) -> None:
    image = image.copy()
    for name in ("exif-data", "iptc-data", "xmp-data", "icc-profile-data"):
        image.remove(name)
    if (packet := metadata.xmp(wish.credit, wish.copyright)) is not None:
        image.set_type(pyvips.GValue.blob_type, "xmp-data", packet)
    _SAVERS[wish.format](image, target, wish.quality)


def _jpeg(image: pyvips.Image, target: str, quality: int) -> None:
    _opaque(image).jpegsave(target, Q=quality, optimize_coding=True, interlace=True, keep="xmp")


def _webp(image: pyvips.Image, target: str, quality: int) -> None:
    image.webpsave(target, Q=quality, effort=4, keep="xmp")


def _avif(image: pyvips.Image, target: str, quality: int) -> None:
    image.heifsave(target, Q=quality, compression="av1", effort=2, bitdepth=8, keep="xmp")


def _png(image: pyvips.Image, target: str, quality: int) -> None:
    image.pngsave(target, compression=7, keep="xmp")


_SAVERS: dict[str, Any] = {"jpeg": _jpeg, "webp": _webp, "avif": _avif, "png": _png}


def _opaque(image: pyvips.Image) -> pyvips.Image:
    """On white, in three bands."""
    if image.hasalpha():
        image = image.flatten(background=[255] * (image.bands - 1))
    return image.colourspace("srgb") if image.bands < 3 else image


def _data_uri(small: pyvips.Image) -> str:
    data = small.webpsave_buffer(Q=30, effort=6, keep="none")
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def _blob(header: pyvips.Image, name: str) -> bytes:
    return bytes(header.get(name)) if header.get_typeof(name) != 0 else b""


def _unreadable(error: pyvips.Error) -> Refused:
    if "out of memory" in str(error).lower():
        return Refused("too_large", "The picture needs more memory than there is for one: send it smaller.")
    return Refused("unreadable", "The picture is damaged or of a variety that cannot be read.")
