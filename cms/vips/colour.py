"""The main colour of a picture: the mean of the most frequent of 512 boxes of the RGB cube."""

from __future__ import annotations

from collections import defaultdict


def dominant(pixels: bytes) -> str:
    """#rrggbb. pixels are those of a small picture, three bytes each."""
    boxes: dict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
    for start in range(0, len(pixels), 3):
        pixel = tuple(pixels[start : start + 3])
        boxes[tuple(value >> 5 for value in pixel)].append(pixel)
    fullest = max(boxes.values(), key=len)
    return "#" + "".join(f"{round(sum(values) / len(fullest)):02x}" for values in zip(*fullest, strict=True))
