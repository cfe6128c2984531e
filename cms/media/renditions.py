"""Pictures in other sizes: made when first asked for, once, and kept for ever."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zlib import crc32

from cms.media import pictures, storage
from cms.media.addresses import DEFAULT_QUALITY, Rendition, version_of
from cms.media.storage import Stored
from cms.media.uploads import key_of
from cms.models import Media
from cms.settings import settings

# The most that is kept of one file. Who asks for ever other sizes only makes older ones go.
KEPT = 1000
_SHARDS = 64
_FORMATS = {"avif": "avif", "webp": "webp", "jpg": "jpeg", "png": "png"}

_flights: dict[str, asyncio.Task[Stored]] = {}


def accepted(accept: str, media: Media) -> str:
    """The extension that AUTO stands for, by what the one who asks says to read (RFC 9110, 12.5.1)."""
    wanted = ("webp", "avif") if media.frames > 1 else ("avif", "webp")
    ranges = [each.partition(";") for each in accept.lower().split(",")]
    named = {name.strip() for name, _, weight in ranges if weight.replace(" ", "") not in ("q=0", "q=0.0")}
    return next((extension for extension in wanted if f"image/{extension}" in named), "jpg")


async def stored(media: Media, rendition: Rendition) -> Stored:
    """The rendition's bytes, made where they are not there yet: once, however many ask at the same time."""
    key = f"renditions/{bytes(media.sha256).hex()}/{version_of(media)}-{rendition}"
    if found := await storage.find(key):
        return found
    flight = _flights.get(key)
    if flight is None or flight.get_loop() is not asyncio.get_running_loop():
        flight = _flights[key] = asyncio.create_task(_make(key, media, rendition))
        flight.add_done_callback(lambda _: _flights.pop(key, None))
    return await asyncio.shield(flight)  # one who hangs up does not take it from the others


async def _make(key: str, media: Media, rendition: Rendition) -> Stored:
    async with _alone(key):
        if found := await storage.find(key):  # another process was faster
            return found
        async with storage.local(key_of(media)) as source:
            with storage.scratch() as target:
                await pictures.render(source, target, _wish(media, rendition))
                await storage.put(key, target)
        await _make_room(media)
        made = await storage.find(key)
    if made is None:
        raise FileNotFoundError(key)
    return made


def _wish(media: Media, rendition: Rendition) -> pictures.Wish:
    return pictures.Wish(
        width=rendition.width,
        height=rendition.height,
        format=_FORMATS[rendition.extension],
        quality=rendition.quality or DEFAULT_QUALITY[rendition.extension],
        focal=rendition.focal or (0.5, 0.5),
        credit=media.credit,
        copyright=media.copyright_holder,
    )


@asynccontextmanager
async def _alone(key: str) -> AsyncIterator[None]:
    """No other process of this machine makes this one meanwhile. Those of other machines may, and make the same."""
    directory = settings().data_dir / "scratch"
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / f"rendition-{crc32(key.encode()) % _SHARDS}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.05)
        yield
    finally:
        os.close(lock)


async def _make_room(media: Media) -> None:
    kept = [each async for each in storage.each(f"renditions/{bytes(media.sha256).hex()}/")]
    if len(kept) > KEPT:
        oldest = sorted(kept, key=lambda each: each.modified_at)[: KEPT // 2]
        await storage.delete(*(each.key for each in oldest))
