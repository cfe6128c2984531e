"""Server-Sent Events from /graphql, one operation a connection ("distinct connections" of the GraphQL over SSE
protocol, https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from schema.execution import Prepared
from schema.peers import staying
from schema.streams import End, Stream

MEDIA_TYPE = "text/event-stream"
# Something is sent so often, for proxies that close what is silent.
PING_SECONDS = 12.0
_HEADERS = {
    "Cache-Control": "private, no-store, no-transform",
    "Vary": "Authorization, Cookie, Accept",
    "X-Accel-Buffering": "no",
}
_PING = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"
# Of ends that are no mistake of anybody's nothing is said: clients connect again by themselves.
_TOLD = {End.TOO_SLOW: "TOO_SLOW", End.NOT_ALLOWED: "UNAUTHENTICATED"}


def is_wanted(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def once(answer: bytes) -> Response:
    """The result of an operation that has one."""
    return Response(_next(answer) + _COMPLETE, headers=_HEADERS, media_type=MEDIA_TYPE)


async def stream(request: Request, ask: Prepared, text: str) -> Response:
    """The results of a subscription, until it ends or the client hangs up. Raises Refused, or RateLimited."""
    async with AsyncExitStack() as opening:
        opening.enter_context(staying(request))
        listening = await opening.enter_async_context(request.state.streams.open(ask, text))
        return _Events(listening, opening.pop_all())


class _Events(StreamingResponse):
    """Holds what was opened for it until it was sent, or cannot be."""

    def __init__(self, listening: Stream, opened: AsyncExitStack) -> None:
        super().__init__(_chunks(listening), headers=_HEADERS, media_type=MEDIA_TYPE)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened:
            await super().__call__(scope, receive, send)


async def _chunks(listening: Stream) -> AsyncIterator[bytes]:
    yield _PING
    results = aiter(listening)
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(results, None))
            await asyncio.wait({coming}, timeout=PING_SECONDS)
            if not coming.done():
                yield _PING
                continue
            result, coming = coming.result(), None
            if result is None:
                break
            yield _next(result)
    finally:
        if coming is not None:
            coming.cancel()
    if listening.end in (End.GOING_AWAY, End.FAILED):
        return  # without complete: the client connects again
    if listening.end in _TOLD:
        error = {"message": listening.end.message, "extensions": {"code": _TOLD[listening.end]}}
        yield _next(orjson.dumps({"errors": [error]}))
    yield _COMPLETE


def _next(result: bytes) -> bytes:
    return b"event: next\ndata: " + result + b"\n\n"
