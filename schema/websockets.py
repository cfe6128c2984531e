"""Subscriptions over WebSockets, by the protocol graphql-transport-ws and no other
(https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).

A connection answers for its whole life to who showed a credential at its beginning: in a header, a cookie or the
payload of connection_init. Queries and mutations are for HTTP.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from cms.errors import CMSError, RateLimited, Unauthenticated
from cms.permissions import Actor
from cms.settings import settings
from schema.documents import Refused
from schema.errors import BAD_REQUEST, BadRequest, masked
from schema.execution import prepared
from schema.peers import peer, staying
from schema.question import question
from schema.streams import End, Streams, refused
from schema.viewer import bearer, is_own_origin, session_cookie, viewer

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
# What one connection may do.
MOST_SUBSCRIPTIONS = 50
MOST_CHARACTERS = 64 * 1024
MESSAGES, MESSAGES_SECONDS = 200, 10.0
# How long a close may take whose peer reads slowly. One that does not read at all is cut before (cms.http.server).
CLOSE_SECONDS = 60.0

log = structlog.get_logger()


class _Close(Exception):
    """Close the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def websocket(socket: WebSocket) -> None:
    """GET /graphql as a WebSocket. Another site's page is refused before the handshake (403)."""
    if not _is_welcome(socket):
        await _turn_away(socket, "origin")
        return
    try:
        with staying(socket):
            await _Connection(socket).serve()
    except RateLimited:
        await _turn_away(socket, "connections")


async def _turn_away(socket: WebSocket, why: str) -> None:
    log.warning("socket.refused", peer=peer(socket), reason=why)
    await socket.close(1008)


def _is_welcome(socket: HTTPConnection) -> bool:
    origin = socket.headers.get("origin")
    if origin is None or is_own_origin(socket, origin):
        return True
    allowed = settings().cors_origins
    with_cookie = session_cookie(socket) is not None and not settings().cors_credentials
    return (origin in allowed or "*" in allowed) and not with_cookie


class _Connection:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._streams: Streams = socket.state.streams
        self._actor: Actor | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Future[_Close] = asyncio.get_running_loop().create_future()
        self._sending = asyncio.Lock()
        self._times: list[float] = []

    async def serve(self) -> None:
        if PROTOCOL not in self._socket.scope["subprotocols"]:
            await self._socket.accept()
            await self._socket.close(4406, "Subprotocol not acceptable")
            return
        await self._socket.accept(PROTOCOL)
        talking = asyncio.create_task(self._talk())
        try:
            waiting: set[asyncio.Future[Any]] = {talking, self._closing}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._closing.done():
                raise self._closing.result()
            talking.result()
        except _Close as close:
            await self._stop(talking)
            await self._close(close)
        except WebSocketDisconnect:
            pass
        finally:
            await self._stop(talking)

    async def _stop(self, talking: asyncio.Task[None]) -> None:
        tasks = [talking, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self, close: _Close) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(close.code, close.reason)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            log.warning("socket.cut", code=close.code)

    async def _talk(self) -> None:
        try:
            async with asyncio.timeout(INIT_SECONDS):
                await self._begin(await self._receive())
        except TimeoutError:
            raise _Close(4408, "Connection initialisation timeout") from None
        while True:
            await self._hear(await self._receive())

    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        now = monotonic()
        self._times = [time for time in self._times if now - time < MESSAGES_SECONDS] + [now]
        if len(self._times) > MESSAGES:
            raise _Close(4429, "Too many messages")
        text = message.get("text")
        if text is None or len(text) > MOST_CHARACTERS:
            raise _Close(4400, "A message is a text of at most 64 KiB")
        try:
            found = orjson.loads(text)
        except ValueError:
            raise _Close(4400, "A message is JSON") from None
        if not isinstance(found, dict) or not isinstance(found.get("type"), str):
            raise _Close(4400, "A message is an object with a type")
        return found

    async def _begin(self, message: dict[str, Any]) -> None:
        if message["type"] in ("ping", "pong"):
            await self._pong(message)
            return await self._begin(await self._receive())
        if message["type"] != "connection_init":
            raise _Close(4401, "Unauthorized")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise _Close(4400, "The payload of connection_init is an object")
        try:
            self._actor = await self._who(payload or {})
        except (Unauthenticated, BadRequest):
            raise _Close(4403, "Forbidden") from None
        await self._send({"type": "connection_ack"})
        return None

    async def _who(self, payload: dict[str, Any]) -> Actor:
        given = payload.get("Authorization", payload.get("authorization"))
        if given is None:
            return await viewer(self._socket)
        if not isinstance(given, str) or "authorization" in self._socket.headers or session_cookie(self._socket):
            raise BadRequest(400, "Send one credential.")
        return await bearer(given)

    async def _hear(self, message: dict[str, Any]) -> None:
        kind, id = message["type"], message.get("id")
        if kind in ("ping", "pong"):
            return await self._pong(message)
        if kind == "connection_init":
            raise _Close(4429, "Too many initialisation requests")
        if kind not in ("subscribe", "complete") or not isinstance(id, str) or not 0 < len(id) <= 100:
            raise _Close(4400, "A message is one of graphql-transport-ws, with an id")
        if kind == "complete":
            if task := self._running.pop(id, None):
                task.cancel()
            return None
        if id in self._running:
            raise _Close(4409, f"Subscriber for {id} already exists")
        if len(self._running) >= MOST_SUBSCRIPTIONS:
            return await self._refuse(id, f"One connection carries {MOST_SUBSCRIPTIONS} subscriptions at most.")
        task = self._running[id] = asyncio.create_task(self._subscribe(id, message.get("payload")))
        task.add_done_callback(lambda done: self._forget(id, done))
        return None

    def _forget(self, id: str, task: asyncio.Task[None]) -> None:
        if self._running.get(id) is task:
            del self._running[id]

    async def _subscribe(self, id: str, payload: Any) -> None:
        actor = self._actor
        assert actor is not None
        try:
            asked = await question(payload, actor)
            ask = await prepared(actor, asked.text, asked.name, asked.variables)
            if ask.operation.kind is not OperationType.SUBSCRIPTION:
                raise BadRequest(400, "Only subscriptions are answered here: send the others by HTTP.")
            async with self._streams.open(ask, asked.text) as stream:
                async for result in stream:
                    await self._write(b'{"type":"next","id":%b,"payload":%b}' % (orjson.dumps(id), result))
                    if stream.end in (End.TOO_SLOW, End.NOT_ALLOWED):
                        break
            await self._ended(id, stream.end)
        except BadRequest as error:
            await self._refuse(id, error.message, error.code)
        except (Refused, CMSError) as error:
            await self._send({"type": "error", "id": id, "payload": refused(error, actor)})
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client is gone
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for the client
            message, extensions = masked(error)
            await self._send({"type": "error", "id": id, "payload": [{"message": message, "extensions": extensions}]})

    async def _ended(self, id: str, end: End | None) -> None:
        if end is not None and end is not End.COMPLETE:
            if not self._closing.done():
                self._closing.set_result(_Close(end.code, end.message))
        else:
            await self._send({"type": "complete", "id": id})

    async def _pong(self, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            await self._send({"type": "pong"})

    async def _refuse(self, id: str, message: str, code: str = BAD_REQUEST) -> None:
        error = {"message": message, "extensions": {"code": code}}
        await self._send({"type": "error", "id": id, "payload": [error]})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._write(orjson.dumps(message))

    async def _write(self, message: bytes) -> None:
        async with self._sending:
            await self._socket.send_text(message.decode())
