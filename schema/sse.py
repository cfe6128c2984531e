"""Server-Sent Events from /graphql, one operation a connection ("distinct connections" of the GraphQL over SSE
protocol, https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cms.errors import CMSError
from schema.documents import Refused
from schema.execution import Prepared
from schema.streams import End, Stream, Streams, refused

MEDIA_TYPE = "text/event-stream"
# Something is sent so often, for proxies that close what is silent.
PING_SECONDS = 12.0
_HEADERS = {
    "Cache-Control": "private, no-store, no-transform",
    "Vary": "Authorization, Cookie, Accept",
    "X-Accel-Buffering": "no",
}
_COMPLETE = b"event: complete\ndata:\n\n"
# Of ends that are no mistake of anybody's nothing is said: clients connect again by themselves.
_TOLD = {End.TOO_SLOW: "TOO_SLOW", End.NOT_ALLOWED: "UNAUTHENTICATED"}


def is_wanted(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def once(answer: bytes) -> Response:
    """The result of an operation that has one."""
    return Response(_next(answer) + _COMPLETE, headers=_HEADERS, media_type=MEDIA_TYPE)


async def stream(ask: Prepared, text: str, streams: Streams) -> Response:
    """The results of a subscription, until it ends or the client hangs up. Raises Refused or CMSError."""
    opened = streams.open(ask, text)
    listening = await opened.__aenter__()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b":\n\n"
            async for chunk in _chunks(listening):
                yield chunk
        finally:
            await opened.__aexit__(None, None, None)

    return StreamingResponse(body(), headers=_HEADERS, media_type=MEDIA_TYPE)


def errors_of(error: Refused | CMSError, ask: Prepared) -> bytes:
    return orjson.dumps({"errors": refused(error, ask.actor)})


async def _chunks(listening: Stream) -> AsyncIterator[bytes]:
    results = aiter(listening)
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(results, None))
            await asyncio.wait({coming}, timeout=PING_SECONDS)
            if not coming.done():
                yield b":\n\n"
                continue
            result, coming = coming.result(), None
            if result is None:
                break
            yield _next(result)
    finally:
        if coming is not None:
            coming.cancel()
    if listening.end is End.GOING_AWAY:
        return  # without complete: the client connects again
    if listening.end in _TOLD:
        error = {"message": listening.end.message, "extensions": {"code": _TOLD[listening.end]}}
        yield _next(orjson.dumps({"errors": [error]}))
    yield _COMPLETE


def _next(result: bytes) -> bytes:
    return b"event: next\ndata: " + result + b"\n\n"
