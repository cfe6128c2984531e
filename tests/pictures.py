"""Pictures that tests draw: small, and such that one sees which way up they are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pyvips

# Quarters of every picture, from the top left, clockwise.
RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 180, 20), (20, 20, 220), (250, 250, 250)

Colour = tuple[int, ...]


def quarters(width: int = 120, height: int = 80) -> pyvips.Image:
    """Red at the top left, green at the top right, blue below it, white at the bottom left; sRGB."""
    half = width // 2, height // 2

    def plain(colour: Colour, w: int, h: int) -> pyvips.Image:
        return pyvips.Image.black(w, h).new_from_image(list(colour)).cast("uchar")

    top = plain(RED, half[0], half[1]).join(plain(GREEN, width - half[0], half[1]), "horizontal")
    under = plain(WHITE, half[0], height - half[1]).join(plain(BLUE, width - half[0], height - half[1]), "horizontal")
    return top.join(under, "vertical").copy(interpretation="srgb")


def encoded(image: pyvips.Image, suffix: str = ".jpg", **options: Any) -> bytes:
    return bytes(image.write_to_buffer(suffix, **options))


def turned(orientation: int, width: int = 120, height: int = 80) -> bytes:
    """A JPEG of quarters() as a camera held otherwise stores it: its EXIF says how to turn it back."""
    back: dict[int, Callable[[pyvips.Image], pyvips.Image]] = {
        1: lambda image: image,
        2: lambda image: image.fliphor(),
        3: lambda image: image.rot180(),
        4: lambda image: image.flipver(),
        5: lambda image: image.rot90().fliphor(),
        6: lambda image: image.rot270(),
        7: lambda image: image.rot90().flipver(),
        8: lambda image: image.rot90(),
    }
    image = back[orientation](quarters(width, height)).copy_memory().copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return encoded(image)


def animated(frames: int = 3, suffix: str = ".gif") -> bytes:
    pages = [quarters(60, 40).rot180() if number % 2 else quarters(60, 40) for number in range(frames)]
    image = pyvips.Image.arrayjoin(pages, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", 40)
    image.set_type(pyvips.GValue.array_int_type, "delay", [100] * frames)
    return encoded(image, suffix)


def with_metadata(*, xmp: bytes = b"", iptc: bytes = b"", gps: bool = False) -> bytes:
    image = quarters().copy()
    if xmp:
        image.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    if iptc:
        image.set_type(pyvips.GValue.blob_type, "iptc-data", iptc)
    if gps:
        image.set_type(
            pyvips.GValue.gstr_type, "exif-ifd0-Model", "SecretCam (SecretCam, ASCII, 10 components, 10 bytes)"
        )
        image.set_type(pyvips.GValue.gstr_type, "exif-ifd3-GPSLatitude", "59/1 26/1 0/1")
    return encoded(image)


def iim(*datasets: tuple[int, bytes]) -> bytes:
    """IPTC-IIM's second record, in UTF-8, among the resources of Photoshop."""
    data = b"\x1c\x01\x5a\x00\x03\x1b%G"
    data += b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text for number, text in datasets)
    return b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(data)) + data


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be as large as that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def seen(data: bytes, x: float, y: float) -> Colour:
    """Which of the four colours is there, x and y as parts of the picture's width and height."""
    image = pyvips.Image.new_from_buffer(data, "")
    height = image.get("page-height") if image.get_typeof("page-height") else image.height
    point = [round(value) for value in image.getpoint(int(x * image.width), int(y * height))][:3]
    return min(
        (RED, GREEN, BLUE, WHITE), key=lambda colour: sum(abs(a - b) for a, b in zip(colour, point, strict=True))
    )


def size(data: bytes) -> tuple[int, int]:
    image = pyvips.Image.new_from_buffer(data, "")
    return image.width, image.get("page-height") if image.get_typeof("page-height") else image.height


def large(megapixels: int = 24) -> bytes:
    """A JPEG with detail everywhere, of 3:2."""
    height = int((megapixels * 1e6 / 1.5) ** 0.5)
    width = int(height * 1.5)
    noise = pyvips.Image.gaussnoise(width // 4 + 1, height // 4 + 1, sigma=40, mean=128).resize(4)
    noise, waves = noise.crop(0, 0, width, height), pyvips.Image.sines(width, height, hfreq=7, vfreq=5) * 60
    image = (noise + waves).bandjoin([noise + waves * 0.5, noise - waves]).cast("uchar").copy(interpretation="srgb")
    return encoded(image, ".jpg", Q=90)


def read(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "")
