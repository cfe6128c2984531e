"""Subscriptions over WebSockets and Server-Sent Events, against a server of this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import orjson
import pytest
import websockets

from cms import accounts, articles, changes, workflow
from cms.http import server as http_server
from cms.live import Feed
from cms.models import ArticleStatus, Event, Role, Token, User
from cms.permissions import PUBLIC, SYSTEM
from cms.workflow import Transition
from schema import streams
from schema import websockets as sockets
from tests.factories import make_actor, make_article, make_section, make_tag, make_token, make_user, publish
from tests.streaming import (
    CARRIERS,
    Carrier,
    Read,
    Server,
    connected,
    events,
    is_listening,
    listening,
    nobody_is_listening,
    reading_nothing,
    until,
)

CHANGED = "subscription { articleChanged { kind previousPath path article { headline body { text } } } }"
EDITORIAL = "subscription { editorialEvents { type article { headline } } }"
PASSWORD = "correct horse battery"


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


async def test_G12_event_streams_count_as_the_connections_that_they_are(
    server: Server, configured: Callable[..., None]
) -> None:
    configured(CMS_SOCKETS_PER_ADDRESS="2")
    async with connected(server), events(server, CHANGED) as first:
        assert first.status_code == 200
        await is_listening(server)
        async with events(server, CHANGED) as second:
            assert (second.status_code, second.headers["retry-after"]) == (429, "1")
            assert orjson.loads(await second.aread())["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        with pytest.raises(websockets.InvalidStatus):
            async with connected(server):
                pass
        async with events(server, "{ site { name } }") as once:  # an answer that ends at once is no stream
            assert once.status_code == 200
    await nobody_is_listening(server)
    for _ in range(3):  # whoever hangs up makes room
        async with events(server, CHANGED) as next_:
            assert next_.status_code == 200
        await nobody_is_listening(server)


# What cannot be asked at all, and the code of the refusal.
_DEEP: dict[str, Any] = {}
for _ in range(16):
    _DEEP = {"a": _DEEP}
NO_QUESTIONS: list[tuple[Any, str]] = [
    ([{"query": CHANGED}], "BAD_REQUEST"),
    ({}, "BAD_REQUEST"),
    ({"query": " "}, "BAD_REQUEST"),
    ({"query": ["subscription"]}, "BAD_REQUEST"),
    ({"query": CHANGED, "variables": []}, "BAD_REQUEST"),
    ({"query": CHANGED, "extensions": "x"}, "BAD_REQUEST"),
    ({"query": CHANGED, "operationName": 5}, "BAD_REQUEST"),
    ({"query": CHANGED, "operationName": "Other"}, "BAD_REQUEST"),
    ({"query": CHANGED, "variables": {"a": "\0"}}, "BAD_REQUEST"),
    ({"query": 'subscription { articleChanged(tags: ["\\u0000"]) { path } }'}, "BAD_REQUEST"),
    ({"query": 'subscription { articleChanged(tags: ["\\u{0}"]) { path } }'}, "BAD_REQUEST"),
    ({"query": CHANGED, "variables": _DEEP}, "TOO_LARGE"),
    ({"query": "subscription {"}, "BAD_REQUEST"),
    ({"query": "subscription { articleChanged { nothing } }"}, "BAD_REQUEST"),
    ({"query": "subscription { articleChanged { path } }" + " " * 32_000}, "TOO_LARGE"),
    ({"query": EDITORIAL}, "UNAUTHENTICATED"),
]


async def test_what_cannot_be_asked_is_refused_in_the_same_words_whatever_carries_it(server: Server) -> None:
    """A text that only speaks of U+0000 is none of these."""
    async with connected(server) as socket, httpx.AsyncClient(base_url=server.url) as client:
        for number, (payload, code) in enumerate(NO_QUESTIONS):
            answers = [
                (await client.post("/graphql", json=payload, headers={"Accept": accept})).json()["errors"]
                for accept in ("text/event-stream", "application/json, text/event-stream")
            ]
            await socket.say(type="subscribe", id=str(number), payload=payload)
            told = await socket.hear()
            assert (told["type"], told["id"]) == ("error", str(number)), payload
            assert answers == [told["payload"]] * 2, payload
            assert told["payload"][0]["extensions"]["code"] == code, payload
        speaks = 'subscription { articleChanged(tags: ["\\\\u0000"]) { path } }'
        await socket.subscribe(speaks)
        async with events(server, speaks) as answer:
            await is_listening(server, 2)
            assert answer.status_code == 200


async def test_G12_who_says_nothing_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.05)
    async with connected(server, init=False) as socket:
        assert (await socket.closed())[0] == 4408


async def _with_a_role(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers = await _bearer(user)
    return headers, lambda: accounts.update_user(SYSTEM, user.id, {"role": Role.CONTRIBUTOR})


async def _of_somebody_active(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers = await _bearer(user)
    return headers, lambda: accounts.update_user(SYSTEM, user.id, {"is_active": False})


async def _of_a_token(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers, row = await _bearer(user), await Token.get(user_id=user.id)
    return headers, lambda: accounts.revoke_token(SYSTEM, row.id)


async def _of_a_session(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers, opened = await _cookie(user)
    return headers, lambda: accounts.sign_out(opened.secret)


async def _of_all_sessions(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers, _ = await _cookie(user)
    return headers, lambda: accounts.end_sessions(SYSTEM, user.id)


async def _of_a_password(user: User) -> tuple[dict[str, str], Callable[[], Awaitable[object]]]:
    headers, opened = await _cookie(user)

    async def change() -> None:
        actor = await accounts.authenticate_session(opened.secret)
        await accounts.change_password(actor, old=PASSWORD, new="staple, staple, staple")

    return headers, change


async def _bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {await make_token(user=user)}"}


async def _cookie(user: User) -> tuple[dict[str, str], accounts.Opened]:
    opened = await accounts.sign_in(str(user.email), PASSWORD, accounts.Visit("192.0.2.1", "a browser", None))
    return {"Cookie": f"copydesk={opened.secret}"}, opened


@pytest.mark.parametrize(
    "rights", [_with_a_role, _of_somebody_active, _of_a_token, _of_a_session, _of_all_sessions, _of_a_password]
)
async def test_L18_T1_streams_end_with_the_rights_they_began_with(server: Server, rights: Any) -> None:
    user = await accounts.create_user(
        SYSTEM, email="anna@news.example", name="Anna", role=Role.EDITOR, password=PASSWORD
    )
    headers, end = await rights(user)
    page = {"Origin": server.url, "X-Requested-With": "copydesk", "Sec-Fetch-Site": "same-origin"}
    async with (
        connected(server, additional_headers=headers) as socket,
        events(server, EDITORIAL, **headers, **page) as answer,
    ):
        await socket.subscribe(EDITORIAL)
        await is_listening(server, 2)
        await end()
        ended = streams.End.NOT_ALLOWED.message
        while True:
            try:
                assert (await socket.hear())["type"] == "next"
            except websockets.ConnectionClosed:
                break
        assert await socket.closed() == (4403, ended)
        last = (await answer.aread()).decode().removesuffix("event: complete\ndata:\n\n").rpartition("data: ")[2]
        assert orjson.loads(last) == {"errors": [{"message": ended, "extensions": {"code": "UNAUTHENTICATED"}}]}


async def test_L18_what_happens_after_a_right_has_ended_is_not_told_before_that_is_looked_up_either(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 3600)
    user = await make_user()
    token = await make_token(user=user)
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(server, EDITORIAL, token, over=carrier)) for carrier in CARRIERS
        ]
        idle = await stack.enter_async_context(connected(server, token))
        await is_listening(server, 2)
        await make_article(headline="Told")
        await until(lambda: all(each.results for each in listeners))
        await accounts.update_user(SYSTEM, user.id, {"role": Role.CONTRIBUTOR})
        await idle.subscribe(EDITORIAL)  # on a connection of before
        await is_listening(server, 3)
        await make_article(headline="SECRET", owner_id=user.id)
        await until(lambda: all(each.end is not None for each in listeners))
        assert (await idle.closed())[0] == 4403
        assert [each.end for each in listeners] == [4403, "complete"]
        for each in listeners:
            assert [told["data"]["editorialEvents"]["article"] for told in each.results if "data" in told] == [
                {"headline": "Told"}
            ]


async def test_whose_rights_cannot_be_looked_up_is_told_nothing_and_connects_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await make_token(user=await make_user())
    async with AsyncExitStack() as stack:
        known, public = [
            [await stack.enter_async_context(listening(server, CHANGED, who, over=carrier)) for carrier in CARRIERS]
            for who in (token, None)
        ]
        await is_listening(server, 4)

        async def fail(actors: object) -> None:
            raise OSError("The database is away.")

        monkeypatch.setattr(accounts, "still_valid", fail)
        await until(lambda: all(each.end is not None for each in known))
        await make_article(headline="For all", status=ArticleStatus.PUBLISHED)
        await until(lambda: all(each.results for each in public))
        assert [each.end for each in (*known, *public)] == [1013, "hung up", None, None]
        assert [each.results for each in known] == [[], []]


async def test_G12_what_waits_for_one_reader_is_bounded_in_number_and_in_bytes() -> None:
    many, long = streams.Stream(PUBLIC), streams.Stream(PUBLIC)
    for _ in range(streams.WAITING):
        many.put(b"x")
    long.put(b"x" * 2 * streams.WAITING_BYTES)  # a single one is what somebody asked for
    assert (many.end, long.end) == (None, None)
    many.put(b"x")
    long.put(b"x")
    assert (many.end, long.end) == (streams.End.TOO_SLOW, streams.End.TOO_SLOW)
    assert [[each async for each in stream] for stream in (many, long)] == [[], []]
    read = streams.Stream(PUBLIC)
    results = aiter(read)
    for _ in range(3):  # what was read waits no more
        read.put(b"x" * streams.WAITING_BYTES)
        await anext(results)
    assert read.end is None


async def test_G12_what_waits_for_one_question_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "EVENTS_WAITING", 3)
    feed = Feed()
    source = streams._Source(feed, asyncio.Semaphore(1))
    happened = [Event(number=number) for number in range(5)]
    feed._tell(happened[:3])
    feed._tell(happened[3:])
    assert source._waiting.qsize() == 1
    with pytest.raises(streams.Overrun):
        await anext(aiter(source))


# Some 1.5 MB each time that a story of this text is told of.
LONG = "x" * 50_000
WIDE = f"subscription {{ articleChanged {{ article {{ {' '.join(f'a{n}: body {{ text }}' for n in range(30))} }} }} }}"


@contextlib.asynccontextmanager
async def one_who_is_too_slow(server: Server, over: Carrier) -> AsyncIterator[tuple[streams.Stream, Read]]:
    """Its stream, which has ended or was cut off, and how to read it; beside one who hears everything meanwhile, and
    is the only one left at the end."""
    story = await make_article(headline="Long", body={"html": f"<p>{LONG}</p>"})
    async with listening(server, CHANGED, over=over) as other:
        await is_listening(server)
        (quick,) = server.streams._open
        async with reading_nothing(server, WIDE, over) as read:
            await is_listening(server, 2)
            (slow,) = server.streams._open - {quick}
            happened: list[str] = []
            while slow.end is None and slow in server.streams._open:
                assert len(happened) < 60
                for transition, kind in ((Transition.PUBLISH, "PUBLISHED"), (Transition.UNPUBLISH, "REMOVED")):
                    await workflow.transition(SYSTEM, story.article_id, transition)
                    happened.append(kind)
                    await until(lambda: len(other.results) == len(happened))
                    assert slow._bytes + server.unsent < streams.WAITING_BYTES + 2 * 30 * len(LONG)
            yield slow, read
            await make_article(headline="After", status=ArticleStatus.PUBLISHED)
            await until(lambda: len(other.results) == len(happened) + 1)
            assert [each["data"]["articleChanged"]["kind"] for each in other.results] == [*happened, "PUBLISHED"]
            await until(lambda: server.streams._open == {quick})


@pytest.mark.parametrize("over", CARRIERS)
async def test_G12_who_takes_nothing_is_dropped_and_told_why_when_it_reads_again(server: Server, over: Carrier) -> None:
    async with one_who_is_too_slow(server, over) as (slow, read):
        assert (slow.end, slow._waiting.qsize()) == (streams.End.TOO_SLOW, 1)
        ended = await read()
    if over == "a WebSocket":
        assert ended == f"1013 {streams.End.TOO_SLOW.message}"
    else:
        last, complete = ended.rpartition("event: next\ndata: ")[2].split("\n\n")[:2]
        assert orjson.loads(last.partition("\r\n")[0])["errors"] == [
            {"message": streams.End.TOO_SLOW.message, "extensions": {"code": "TOO_SLOW"}}
        ]
        assert "event: complete" in complete


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux knows such a limit")
@pytest.mark.parametrize("over", CARRIERS)
async def test_G12_who_never_reads_again_is_cut_off(
    server: Server, over: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "STALLED_SECONDS", 1)
    async with one_who_is_too_slow(server, over):
        pass


WHOLE = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", WHOLE[:9], WHOLE + WHOLE[:9], WHOLE + WHOLE[:-2]])
async def test_H7_a_head_that_does_not_come_to_its_end_is_not_waited_for(
    server: Server, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    if begun.startswith(WHOLE):  # not together: the second request comes when the first was answered
        writer.write(WHOLE)
        await reader.readuntil(b"\r\n\r\n")
        begun = begun.removeprefix(WHOLE)
    writer.write(begun)
    async with asyncio.timeout(3):  # uvicorn's own limit, of what is idle, is five seconds
        await reader.read()
    writer.close()


async def test_a_connection_of_whole_requests_and_a_websocket_are_not_taken_for_slow_heads(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    async with connected(server) as socket, httpx.AsyncClient(base_url=server.url) as client:
        response = await client.get("/health")
        kept = response.extensions["network_stream"].get_extra_info("client_addr")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.connection.wait_closed(), 0.5)
        again = await client.get("/health")
        assert again.extensions["network_stream"].get_extra_info("client_addr") == kept
        await socket.subscribe(CHANGED)
        await is_listening(server)


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


async def test_a_thousand_subscribers_of_one_process_are_told_each(
    server: Server, configured: Callable[..., None]
) -> None:
    configured(CMS_SOCKETS_PER_ADDRESS="1000")
    async with AsyncExitStack() as stack:
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


async def test_G12_many_questions_are_worked_on_a_few_at_a_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    working = 0
    of_event = changes.of_event

    async def counted(event: Event) -> list[changes.Change]:
        nonlocal working
        working += 1
        at_work.append(working)
        try:
            await asyncio.sleep(0)
            return await of_event(event)
        finally:
            working -= 1

    monkeypatch.setattr(changes, "of_event", counted)
    questions = [f"subscription {{ a{number}: articleChanged {{ path }} }}" for number in range(50)]
    async with connected(server) as socket, connected(server) as hasty:
        for number, question in enumerate(questions):
            await socket.subscribe(question, id=str(number))
        await is_listening(server, 50)
        for number in range(10):  # who goes in the middle of it leaves no turn taken
            await hasty.subscribe(questions[number].replace("path", "kind"), id=str(number))
        await is_listening(server, 60)
        await make_article(headline="First", status=ArticleStatus.PUBLISHED)
        await until(lambda: bool(at_work))
        await hasty.connection.close()
        await make_article(headline="Second", status=ArticleStatus.PUBLISHED)
        told = [await socket.hear() for _ in range(100)]
    for number in range(50):
        own = [each["payload"]["data"][f"a{number}"]["path"] for each in told if each["id"] == str(number)]
        assert own == ["/first", "/second"]
    assert max(at_work) == streams.AT_WORK
    assert server.streams._turns._value == streams.AT_WORK
    await nobody_is_listening(server)


async def _until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(20):
        async for line in lines:
            yield line
            if line.startswith("data: "):
                return
