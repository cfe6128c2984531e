"""Subscriptions over WebSockets and Server-Sent Events, against a server of this process."""

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

from cms import accounts, articles, workflow
from cms.app import create_app
from cms.http.server import PatientProtocol
from cms.models import ArticleStatus, Role, Token, User
from cms.permissions import SYSTEM
from cms.workflow import Transition
from schema import access, schema, streams
from schema import websockets as sockets
from tests.factories import make_actor, make_article, make_section, make_tag, make_token, make_user, publish
from tests.test_access import MUTATIONS, QUERIES, VIEWERS, _viewer

CHANGED = "subscription { articleChanged { kind previousPath path article { headline body { text } } } }"
EDITORIAL = "subscription { editorialEvents { type article { headline } } }"
# "." an answer, "u" UNAUTHENTICATED, "f" FORBIDDEN, as in tests/test_access.py.
SUBSCRIPTIONS = {"articleChanged": ".......", "editorialEvents": "uff...."}
_DOCUMENTS = {"articleChanged": CHANGED, "editorialEvents": EDITORIAL}


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


async def test_readers_are_told_of_what_is_live_and_of_nothing_else(server: Server) -> None:
    async with connected(server) as socket:
        await socket.subscribe(CHANGED)
        await is_listening(server)
        story = (await make_article(headline="Seen", body={"html": "<p>Text.</p>"})).article_id
        await publish(story)
        assert await socket.hear() == {
            "type": "next",
            "id": "1",
            "payload": {
                "data": {
                    "articleChanged": {
                        "kind": "PUBLISHED",
                        "previousPath": None,
                        "path": "/seen",
                        "article": {"headline": "Seen", "body": {"text": "Text."}},
                    }
                }
            },
        }


async def test_L18_a_draft_is_never_told_to_readers(server: Server) -> None:
    story = (await make_article(headline="Seen", status=ArticleStatus.PUBLISHED)).article_id
    async with connected(server) as reader, connected(server, await make_token(user=await make_user())) as editor:
        await reader.subscribe(CHANGED)
        await editor.subscribe(EDITORIAL)
        await is_listening(server, 2)
        await articles.update(SYSTEM, story, {"headline": "SECRET"})
        await workflow.transition(SYSTEM, story, Transition.UNPUBLISH)
        told = await reader.hear()
        assert told["payload"]["data"]["articleChanged"] == {
            "kind": "REMOVED",
            "previousPath": "/seen",
            "path": None,
            "article": None,
        }
        saved, gone = await editor.hear(), await editor.hear()
        assert saved["payload"]["data"]["editorialEvents"] == {
            "type": "article.saved",
            "article": {"headline": "SECRET"},
        }
        assert gone["payload"]["data"]["editorialEvents"]["type"] == "article.unpublished"


async def test_a_contributor_hears_of_own_stories_alone(server: Server) -> None:
    actor = await make_actor(Role.CONTRIBUTOR)
    token = await make_token(user=await User.get(id=actor.user_id))
    async with connected(server, token) as socket:
        await socket.subscribe(EDITORIAL)
        await is_listening(server)
        await make_article(headline="Another's")
        await make_article(headline="Own", owner_id=actor.user_id)
        told = await socket.hear()
        assert told["payload"]["data"]["editorialEvents"] == {"type": "article.created", "article": {"headline": "Own"}}


async def test_stories_are_told_by_section_and_tag_also_when_they_leave(server: Server) -> None:
    world = await make_section("World")
    asia, tag = await make_section("Asia", world), await make_tag("Peace")
    document = "subscription($s: [String!], $t: [String!]) { articleChanged(sections: $s, tags: $t) { path kind } }"
    async with connected(server) as socket:
        await socket.subscribe(document, s=["world"], t=["PEACE", "unknown"])
        await is_listening(server)
        await make_article(headline="Neither", status=ArticleStatus.PUBLISHED)
        await make_article(headline="Half", section_id=asia, status=ArticleStatus.PUBLISHED)
        both = await make_article(headline="Both", section_id=asia, tag_ids=[tag], status=ArticleStatus.PUBLISHED)
        assert (await socket.hear())["payload"]["data"]["articleChanged"] == {"path": "/asia/both", "kind": "PUBLISHED"}
        await articles.update(SYSTEM, both.article_id, {"section_id": None})
        await publish(both.article_id)
        assert (await socket.hear())["payload"]["data"]["articleChanged"] == {"path": "/both", "kind": "REDIRECTED"}


async def test_A7_who_may_subscribe_is_who_may_over_websockets(server: Server) -> None:
    assert SUBSCRIPTIONS.keys() == access.SUBSCRIPTIONS.keys() == schema._schema.subscription_type.fields.keys()  # type: ignore[union-attr]
    for field, expected in SUBSCRIPTIONS.items():
        got = ""
        for name in VIEWERS:
            token = (await _viewer(name))[1]
            async with connected(server, token) as socket:
                await socket.subscribe(_DOCUMENTS[field])
                hearing = asyncio.create_task(socket.hear())
                listening = asyncio.create_task(is_listening(server))
                await asyncio.wait({hearing, listening}, return_when=asyncio.FIRST_COMPLETED)
                code = hearing.result()["payload"][0]["extensions"]["code"] if hearing.done() else "."
                hearing.cancel()
                listening.cancel()
            async with asyncio.timeout(20):
                while server.streams._open:
                    await asyncio.sleep(0.005)
            got += code[0].lower()
        assert got == expected, field


async def test_A7_queries_and_mutations_are_refused_over_websockets(server: Server) -> None:
    token = await make_token(user=await make_user(Role.ADMIN))
    async with connected(server, token) as socket:
        for document in ("{ site { name } }", 'mutation { updateSite(input: {name: "X"}) { __typename } }'):
            await socket.subscribe(document)
            answer = await socket.hear()
            assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "BAD_REQUEST")
    assert len(QUERIES) > 20 and len(MUTATIONS) > 40  # what HTTP's own table tries


async def test_A7_the_protocol_is_the_one_and_nothing_before_it_begins(server: Server) -> None:
    async with connected(server, init=False, protocol="graphql-ws") as socket:
        assert (await socket.closed())[0] == 4406
    for first, code in (
        ({"type": "subscribe", "id": "1", "payload": {"query": CHANGED}}, 4401),
        ({"type": "connection_init", "payload": {"Authorization": "Bearer cms_no"}}, 4403),
        ({"type": "connection_init", "payload": 5}, 4400),
    ):
        async with connected(server, init=False) as socket:
            await socket.say(**first)
            assert (await socket.closed())[0] == code
    for raw in ("5", "[]", "{", '{"type":"subscribe","id":[1]}', '{"type":"x","id":"1"}', "x" * 70_000):
        async with connected(server) as socket:
            await socket.connection.send(raw)
            assert (await socket.closed())[0] == 4400, raw
    async with connected(server) as socket:
        await socket.say(type="connection_init")
        assert (await socket.closed())[0] == 4429
    async with connected(server) as socket:
        await socket.subscribe(CHANGED)
        await socket.subscribe(CHANGED)
        assert (await socket.closed())[0] == 4409


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_A7_another_sites_page_is_refused_before_the_handshake(server: Server, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connected(server, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_G12_one_address_opens_so_many_and_one_connection_carries_so_many(
    server: Server, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(CMS_SOCKETS_PER_ADDRESS="2")
    monkeypatch.setattr(sockets, "MOST_SUBSCRIPTIONS", 2)
    async with connected(server) as first, connected(server):
        with pytest.raises(websockets.InvalidStatus):
            async with connected(server):
                pass
        for number in range(3):
            await first.subscribe(CHANGED, id=str(number))
        answer = await first.hear()
        assert (answer["type"], answer["id"]) == ("error", "2")
    monkeypatch.setattr(sockets, "MESSAGES", 5)
    async with connected(server) as socket:
        for _ in range(6):
            await socket.say(type="ping")
        assert (await socket.closed())[0] == 4429


async def test_G12_who_says_nothing_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.05)
    async with connected(server, init=False) as socket:
        assert (await socket.closed())[0] == 4408


async def test_L18_streams_end_with_the_rights_they_began_with(server: Server) -> None:
    for ended in ("role", "disabled", "revoked"):
        user = await make_user(Role.EDITOR)
        token = await make_token(user=user)
        async with connected(server, token) as socket:
            await socket.subscribe(EDITORIAL)
            await is_listening(server)
            if ended == "role":
                await User.filter(id=user.id).update(role=Role.CONTRIBUTOR)
            elif ended == "disabled":
                await User.filter(id=user.id).update(is_active=False)
            else:
                row = await Token.get(user_id=user.id)
                await accounts.revoke_token(SYSTEM, row.id)
            while True:
                try:
                    await socket.hear()
                except websockets.ConnectionClosed:
                    break
            assert await socket.closed() == (4403, streams.End.NOT_ALLOWED.message)


async def test_the_slow_are_dropped_and_told_why(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WAITING", 3)
    stream = streams.Stream()
    for number in range(4):
        stream.put(b"%d" % number)
    assert stream.end is streams.End.TOO_SLOW
    assert [each async for each in stream] == []
    async with connected(server) as socket:
        await socket.subscribe(CHANGED)
        await is_listening(server)
        for opened in server.streams._open:
            opened.finish(streams.End.TOO_SLOW)
        assert await socket.closed() == (1013, streams.End.TOO_SLOW.message)


async def test_a_server_that_stops_says_connect_again(server: Server) -> None:
    async with connected(server) as socket, httpx.AsyncClient() as client:
        await socket.subscribe(CHANGED)
        headers = {"Accept": "text/event-stream"}
        async with client.stream("POST", server.url + "/graphql", json={"query": CHANGED}, headers=headers) as events:
            await is_listening(server, 2)
            server.streams.close()
            assert await socket.closed() == (1012, streams.End.GOING_AWAY.message)
            assert b"complete" not in await events.aread()


async def test_server_sent_events_carry_the_same(server: Server) -> None:
    headers = {"Accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=server.url) as client:
        for method, how in (("POST", {"json": {"query": CHANGED}}), ("GET", {"params": {"query": CHANGED}})):
            async with client.stream(method, "/graphql", headers=headers, **how) as response:  # type: ignore[arg-type]
                assert response.status_code == 200
                assert response.headers["content-type"].startswith("text/event-stream")
                await is_listening(server)
                await make_article(headline=method, status=ArticleStatus.PUBLISHED)
                lines = response.aiter_lines()
                found = [line async for line in _until_data(lines)]
                assert found[-2] == "event: next"
                data = orjson.loads(found[-1].removeprefix("data: "))
                assert data["data"]["articleChanged"]["article"]["headline"] == method
        once = await client.post("/graphql", json={"query": "{ site { name } }"}, headers=headers)
        assert once.text == 'event: next\ndata: {"data":{"site":{"name":"Newsroom"}}}\n\nevent: complete\ndata:\n\n'
        plain = await client.post("/graphql", json={"query": CHANGED})
        assert plain.status_code == 406


async def test_A7_who_may_subscribe_is_who_may_over_server_sent_events(server: Server) -> None:
    got = ""
    async with httpx.AsyncClient(base_url=server.url) as client:
        for name in VIEWERS:
            token = (await _viewer(name))[1]
            headers = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {token}"} if token else {})
            request = client.build_request("POST", "/graphql", json={"query": EDITORIAL}, headers=headers)
            response = await client.send(request, stream=True)
            if response.headers["content-type"].startswith("text/event-stream"):
                got += "."
            else:
                got += orjson.loads(await response.aread())["errors"][0]["extensions"]["code"][0].lower()
            await response.aclose()
    assert got == SUBSCRIPTIONS["editorialEvents"]


async def test_a_thousand_subscribers_of_one_process_are_told_each(
    server: Server, configured: Callable[..., None]
) -> None:
    configured(CMS_SOCKETS_PER_ADDRESS="1000")
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server)) for _ in range(100)]
        for client in clients:
            for number in range(10):
                await client.subscribe(CHANGED, id=str(number))
        await is_listening(server, 1000)
        assert len(server.streams._channels) == 1
        await make_article(headline="For all", status=ArticleStatus.PUBLISHED)
        for client in clients:
            told = [await client.hear() for _ in range(10)]
            assert {each["id"] for each in told} == {str(number) for number in range(10)}
            assert {each["payload"]["data"]["articleChanged"]["path"] for each in told} == {"/for-all"}


async def _until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(20):
        async for line in lines:
            yield line
            if line.startswith("data: "):
                return
