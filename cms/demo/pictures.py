"""Draws the demo's pictures: a sky, discs in it and hills or waves before it, as PNG (RFC 2083)."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_CREST = 0.055  # how high a crest stands, of the picture's height


@dataclass(frozen=True)
class Picture:
    """Colours are #rrggbb. A disc is (x, y, radius, colour), as parts of the width, the height and the height; land is
    one colour for each row of hills, from the farthest to the nearest."""

    sky: tuple[str, str]
    discs: Sequence[tuple[float, float, float, str]] = ()
    land: Sequence[str] = ()
    width: int = 960
    height: int = 540


def png(picture: Picture) -> bytes:
    rows = b"".join(b"\x00" + _row(picture, y) for y in range(picture.height))
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, _RGB, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _row(picture: Picture, y: int) -> bytes:
    row = bytearray(_between(*picture.sky, y / picture.height) * picture.width)
    for x, middle, radius, colour in picture.discs:
        half = (radius * picture.height) ** 2 - (y - middle * picture.height) ** 2
        if half > 0:
            _paint(row, x * picture.width - math.sqrt(half), x * picture.width + math.sqrt(half), _rgb(colour))
    for layer, colour in enumerate(picture.land):
        _paint_land(row, picture, y, layer, _rgb(colour))
    return bytes(row)


def _paint_land(row: bytearray, picture: Picture, y: int, layer: int, colour: bytes) -> None:
    middle = 0.58 + 0.14 * layer
    if y / picture.height > middle + 2 * _CREST:
        _paint(row, 0, picture.width, colour)
    elif y / picture.height > middle - 2 * _CREST:
        for x, crest in enumerate(_crests(picture.width, layer)):
            if y / picture.height > middle + crest:
                row[3 * x : 3 * x + 3] = colour


@cache
def _crests(width: int, layer: int) -> list[float]:
    """Two waves of lengths that never meet again within a picture."""
    long, short = 4 + 2 * layer, 11 + 3 * layer
    places = (x / width for x in range(width))
    return [_CREST * (math.sin(long * x + 2.4 * layer) + 0.5 * math.sin(short * x + layer)) for x in places]


def _paint(row: bytearray, left: float, right: float, colour: bytes) -> None:
    start, end = max(0, round(left)), min(len(row) // 3, round(right))
    row[3 * start : 3 * end] = colour * max(0, end - start)


def _between(first: str, second: str, share: float) -> bytes:
    return bytes(round(a + (b - a) * share) for a, b in zip(_rgb(first), _rgb(second), strict=True))


def _rgb(colour: str) -> bytes:
    return bytes.fromhex(colour[1:])
