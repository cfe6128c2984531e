"""A server of this process and clients of its streams, over WebSockets and as Server-Sent Events.

`server`  the application behind uvicorn, on the database of the test; whose rights have ended is found at once
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
import websockets

from cms.app import create_app
from cms.http.server import PatientProtocol
from schema import streams


class Server:
    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app, port=0, lifespan="on", log_config=None, http=PatientProtocol, ws_per_message_deflate=False
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server._serve())

    async def started(self) -> Server:
        async with asyncio.timeout(30):
            while not self._server.started:
                await asyncio.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        state = self._server.lifespan.state
        self.feed, self.streams = state["feed"], state["streams"]
        return self

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._task


@pytest.fixture
async def server(
    db: None, database_url: str, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    configured(CMS_DATABASE_URL=database_url)
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    started = await Server(create_app()).started()
    yield started
    await started.stop()


class Socket:
    """A client that speaks graphql-transport-ws."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return orjson.loads(await self.connection.recv())  # type: ignore[no-any-return]

    async def subscribe(self, query: str, id: str = "1", **variables: Any) -> None:
        await self.say(type="subscribe", id=id, payload={"query": query, "variables": variables})

    async def closed(self) -> tuple[int, str]:
        async with asyncio.timeout(20):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@contextlib.asynccontextmanager
async def connected(
    server: Server, token: str | None = None, *, init: bool = True, protocol: str = "graphql-transport-ws", **more: Any
) -> AsyncIterator[Socket]:
    url = server.url.replace("http", "ws") + "/graphql"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol(protocol)], **more) as connection:
        socket = Socket(connection)
        if init:
            payload = {"payload": {"Authorization": f"Bearer {token}"}} if token else {}
            await socket.say(type="connection_init", **payload)
            assert await socket.hear() == {"type": "connection_ack"}
        yield socket


async def is_listening(server: Server, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while len(server.streams._open) < count:
            await asyncio.sleep(0.005)


async def nobody_is_listening(server: Server) -> None:
    async with asyncio.timeout(20):
        while server.streams._open:
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def events(server: Server, query: str, **headers: str) -> AsyncIterator[httpx.Response]:
    """The answer to a request for events, of which as little as possible was read."""
    headers = {"Accept": "text/event-stream", **headers}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=20) as client,
        client.stream("POST", "/graphql", json={"query": query}, headers=headers) as response,
    ):
        yield response
