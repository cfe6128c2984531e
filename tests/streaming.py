"""A server of this process and clients of its streams, over WebSockets and as Server-Sent Events.

`server`  the application behind uvicorn, on the database of the test; whose rights have ended is found at once
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
import uvicorn
import websockets

from cms.app import create_app
from cms.http.server import PatientProtocol
from schema import streams

_TLS = ssl.create_default_context()  # not one for each of many clients


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

    @property
    def unsent(self) -> int:
        """Bytes that wait in this process until a client takes them."""
        return sum(each.transport.get_write_buffer_size() for each in self._server.server_state.connections)

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


class Addressed(Protocol):
    """A server, of this process or another."""

    url: str


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
    server: Addressed,
    token: str | None = None,
    *,
    init: bool = True,
    protocol: str = "graphql-transport-ws",
    **more: Any,
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
async def events(server: Addressed, query: str, **headers: str) -> AsyncIterator[httpx.Response]:
    """The answer to a request for events, of which as little as possible was read."""
    headers = {"Accept": "text/event-stream", **headers}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=60, verify=_TLS) as client,
        client.stream("POST", "/graphql", json={"query": query}, headers=headers) as response,
    ):
        yield response


Carrier = Literal["a WebSocket", "events"]
CARRIERS: tuple[Carrier, ...] = ("a WebSocket", "events")
Read: TypeAlias = Callable[[], Awaitable[str]]


class Listener:
    """Who subscribes and reads: results in their order, and at last how it ended.

    That is the code of a WebSocket's close, or for events "complete", or "hung up" where that was not said.
    """

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.end: int | str | None = None

    async def listen(self, carrier: Carrier, server: Addressed, query: str, token: str | None) -> None:
        await (self._to_socket if carrier == "a WebSocket" else self._to_events)(server, query, token)

    async def _to_socket(self, server: Addressed, query: str, token: str | None) -> None:
        async with connected(server, token) as socket:
            await socket.subscribe(query)
            with contextlib.suppress(websockets.ConnectionClosed):
                async for message in socket.connection:
                    told = orjson.loads(message)
                    assert (told["type"], told["id"]) == ("next", "1"), told
                    self.results.append(told["payload"])
            self.end = socket.connection.close_code

    async def _to_events(self, server: Addressed, query: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with events(server, query, **headers) as response:
            assert response.status_code == 200, await response.aread()
            event, end = "", "hung up"
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                    end = "complete" if event == "complete" else end
                elif name == "data" and event == "next":
                    self.results.append(orjson.loads(value))
            self.end = end


@contextlib.asynccontextmanager
async def listening(
    server: Addressed, query: str, token: str | None = None, *, over: Carrier = "a WebSocket"
) -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(listener.listen(over, server, query, token))
    try:
        yield listener
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading_nothing(server: Addressed, query: str, over: Carrier) -> AsyncIterator[Read]:
    """Who subscribes, and takes nothing until what is yielded is called, which says how it ended."""
    line = socket.create_connection(("127.0.0.1", urlsplit(server.url).port))
    line.setblocking(False)
    if over == "a WebSocket":
        async with connected(
            server, sock=line, max_queue=1, max_size=None, ping_interval=None, close_timeout=1
        ) as client:
            await client.subscribe(query)

            async def read() -> str:
                with contextlib.suppress(websockets.ConnectionClosed):
                    while True:
                        await client.connection.recv()
                return f"{client.connection.close_code} {client.connection.close_reason}"

            yield read
        return
    reader, writer = await asyncio.open_connection(sock=line, limit=1)
    body = orjson.dumps({"query": query})
    head = f"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Accept: text/event-stream\r\nConnection: close\r\n\r\n" + body)

    async def read_events() -> str:
        last = b""
        while chunk := await reader.read(65_536):
            last = (last + chunk)[-1000:]
        return last.decode()

    try:
        yield read_events
    finally:
        writer.close()


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Fails where that takes longer."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
