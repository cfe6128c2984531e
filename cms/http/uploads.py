"""PUT /media/uploads/UPLOAD/SIGNATURE: the bytes of a file that was announced, where we keep files ourselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cms import ids, media
from cms.errors import CMSError, Invalid, NotFound

# How long a sender may pause.
IDLE_SECONDS = 30


async def upload(request: Request) -> Response:
    """204 when all bytes are kept. Whether they may come is known before the first one is read."""
    try:
        id = ids.decode_as("Upload", request.path_params["id"])
        if id is None:
            raise NotFound("There is no such upload.")
        announced = await media.sendable(id, request.path_params["signature"])
        length = request.headers.get("content-length")
        if length is not None and length != str(announced.byte_size):
            raise Invalid(f"{announced.byte_size} bytes were announced, not {length[:20]}.")
        await media.receive(announced, _chunks(request))
    except CMSError as error:
        return _refusal(404 if isinstance(error, NotFound) else 400, error.code, error.message)
    except ClientDisconnect:
        return _refusal(400, "BAD_REQUEST", "The request ended too early.")
    except TimeoutError:
        return _refusal(408, "TIMEOUT", f"Nothing came for {IDLE_SECONDS} seconds.")
    return Response(status_code=204)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = aiter(request.stream())
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            chunk = await anext(stream, None)
        if chunk is None:
            return
        if chunk:
            yield chunk


def _refusal(status: int, code: str, message: str) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return Response(orjson.dumps(body), status, media_type="application/json")
