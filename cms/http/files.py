"""GET /media/SHA256.EXT: the files of the library. An address names bytes, so what it answers never changes."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from cms import media

_NAME = re.compile(r"([0-9a-f]{64})\.([a-z0-9]{2,5})")
_TYPES = {extension: mime_type for mime_type, extension in media.EXTENSIONS.items()}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


async def file(request: Request) -> Response:
    name = _NAME.fullmatch(request.path_params["name"])
    mime_type = _TYPES.get(name[2]) if name else None
    path = media.path(bytes.fromhex(name[1]), mime_type) if name and mime_type else None
    if path is None or not path.is_file():
        return PlainTextResponse("There is no such file.", 404)
    return FileResponse(path, media_type=mime_type, headers=_HEADERS)
