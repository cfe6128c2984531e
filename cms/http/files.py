"""GET /media/…: the files of the library, at addresses that we signed (cms.media.addresses says how they look).

Nothing that was uploaded ever runs: the type is the one that the bytes have, browsers may not guess another one, what
they show is sandboxed, and what is no picture, sound or film is only to be saved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from cms import clock, ids
from cms.errors import Invalid, RateLimited
from cms.media import addresses, names, renditions, shown, storage, types
from cms.media.addresses import Rendition
from cms.media.storage import Stored
from cms.media.uploads import key_of
from cms.models import Media, MediaKind

_YEAR = 365 * 24 * 3600
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Accept-Ranges": "bytes",
}
_SMALL = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an address stands for: bytes, their type, and how they may be used and kept."""

    stored: Stored
    extension: str
    disposition: str
    cache: str
    varies: bool = False


async def file(request: Request) -> Response:
    try:
        found = await _found(request)
    except RateLimited as error:
        return PlainTextResponse(error.message, 503, headers={"Retry-After": str(error.retry_after)})
    except (Invalid, FileNotFoundError) as error:
        log.error("media.unservable", path=request.scope["path"], reason=str(error))
        found = None
    if found is None:
        return PlainTextResponse("There is no such file.", 404)
    headers = _headers(found)
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    mime_type = types.TYPES[found.extension].mime_type
    if found.stored.path is None:
        return _streamed(request, found.stored, mime_type, headers)
    if found.stored.size <= _SMALL and "range" not in request.headers:
        return Response(found.stored.path.read_bytes(), headers=headers, media_type=mime_type)
    return FileResponse(found.stored.path, headers=headers, media_type=mime_type)


async def _found(request: Request) -> _Answer | None:
    """Behind the address; None for one that we did not sign, and for a file that is gone or whose rights have ended."""
    given = request.path_params
    id = ids.decode_as("Media", given["id"])
    media = await shown.get(id) if id else None
    if media is None or not addresses.is_signed(
        given["signature"], media.address_key, "media", str(media.id), given["version"], given["what"]
    ):
        return None
    what, _, _ = given["what"].partition(".")
    if what == "original":
        return await _whole(media, "attachment", "private, no-store")
    if addresses.has_ended(media):
        return None
    cache = _cache(media, given["version"])
    if what == "file":
        inline = media.kind in (MediaKind.AUDIO, MediaKind.VIDEO)
        return await _whole(media, "inline" if inline else "attachment", cache)
    return await _picture(request, media, given["what"], cache)


async def _whole(media: Media, use: str, cache: str) -> _Answer | None:
    extension = types.BY_MIME[media.mime_type].extension
    stored = await storage.find(key_of(media))
    if stored is None:
        return None
    return _Answer(stored, extension, names.disposition(use, media.filename, extension), cache)


async def _picture(request: Request, media: Media, spec: str, cache: str) -> _Answer | None:
    rendition = Rendition.of(spec)
    if rendition is None or media.kind is not MediaKind.IMAGE:
        return None
    varies = rendition.extension == "auto"
    if varies:
        rendition = rendition.as_(renditions.accepted(request.headers.get("accept", ""), media))
    stored = await renditions.stored(media, rendition)
    extension = rendition.extension
    return _Answer(stored, extension, names.disposition("inline", media.filename, extension), cache, varies)


def _cache(media: Media, version: str) -> str:
    """For ever, since other bytes have another address; but not beyond the rights, and an old address not for long."""
    if version != addresses.version_of(media):
        return "public, max-age=60"
    if media.expires_at is None:
        return f"public, max-age={_YEAR}, immutable"
    left = int((media.expires_at - clock.now()).total_seconds())
    return f"public, max-age={max(0, min(left, _YEAR))}, must-revalidate"


def _headers(found: _Answer) -> dict[str, str]:
    stored = found.stored
    headers = {
        **_ALWAYS,
        "Cache-Control": found.cache,
        "Content-Disposition": found.disposition,
        "ETag": f'"{stored.key.rpartition("/")[2]}"',
    }
    return headers | {"Vary": "Accept"} if found.varies else headers


def _streamed(request: Request, stored: Stored, mime_type: str, headers: dict[str, str]) -> Response:
    """From another server, one range at most (RFC 9110, 14); several are answered with the whole."""
    start, end, status = 0, stored.size, 200
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted and (wanted[1] or wanted[2]) and request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        if wanted[1]:
            start, end = int(wanted[1]), min(stored.size, int(wanted[2]) + 1) if wanted[2] else stored.size
        else:
            start = max(0, stored.size - int(wanted[2]))
        if start >= end:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{stored.size}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
        status = 206
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(storage.read(stored.key, start, end), status, headers, mime_type)
