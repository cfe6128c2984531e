"""HTTP: what is taken as a request, what every answer says to browsers, and who may read it from where."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from graphql import get_named_type, get_nullable_type, is_leaf_type, is_list_type, is_required_argument
from pydantic import ValidationError
from starlette.types import Message
from structlog.testing import capture_logs
from tortoise.connection import get_connection

from cms import database
from cms.app import create_app
from cms.models import Event, Role, TokenScope
from cms.settings import Settings, settings
from schema import schema
from schema.context import Context
from schema.errors import TIMEOUT
from tests.clients import ask, client, codes
from tests.conftest import Served
from tests.factories import make_article, make_token, make_user

SITE = "{ site { name } }"
WRITE = 'mutation { createTag(input: {name: "Sudan"}) { ... on Tag { id } } }'


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def change(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


MALFORMED: dict[str, Any] = {
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "not JSON": b"query { site { name } }",
    "nothing": b"",
    "a string": b'"x"',
    "a number": b"12",
    "null": b"null",
    "true": b"true",
    "nested lists": b"[" * 60_000,
    "nested closed": b"[" * 30_000 + b"]" * 30_000,
    "nested objects": b'{"a":' * 10_000,
    "a batch": b'[{"query": "{ site { name } }"}]',
    "a batch of numbers": b"[1, 2]",
    "an empty batch": b"[]",
    "no query": b"{}",
    "query null": b'{"query": null}',
    "query empty": b'{"query": " "}',
    "query number": b'{"query": 1}',
    "query list": b'{"query": ["{ site { name } }"]}',
    "query object": b'{"query": {"a": 1}}',
    "variables list": b'{"query": "{ site { name } }", "variables": [1]}',
    "variables text": b'{"query": "{ site { name } }", "variables": "{}"}',
    "extensions list": b'{"query": "{ site { name } }", "extensions": [1]}',
    "name number": b'{"query": "{ site { name } }", "operationName": 1}',
    "name unknown": b'{"query": "{ site { name } }", "operationName": "X"}',
    "several, none named": b'{"query": "query A { site { name } } query B { site { url } }"}',
    "no operation": b'{"query": "fragment F on Site { name }"}',
    "lone surrogate": b'{"query": "{ site { name } }", "variables": {"a": "\\ud800"}}',
    "NUL in a variable": b'{"query": "{ site { name } }", "variables": {"a": "\\u0000"}}',
    "NUL in a key": b'{"query": "{ site { name } }", "variables": {"\\u0000": 1}}',
    "NUL in the document": b'{"query": "{ node(id: \\"\\\\u0000\\") { id } }"}',
    "NaN": b'{"query": "{ site { name } }", "variables": {"a": NaN}}',
    "two objects": b'{"query": "{ site { name } }"}{"query": "{ site { name } }"}',
    "too large": b'{"query": "' + b"x" * 70_000 + b'"}',
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_H10_a_malformed_body_gets_400_as_json_and_one_line_in_the_log(what: str) -> None:
    async with client() as api:
        with capture_logs() as lines:
            response = await api.post("/graphql", content=MALFORMED[what], headers={"content-type": "application/json"})
    assert response.status_code == (413 if what == "too large" else 400) or what == "no operation"
    assert response.headers["content-type"] == "application/json"
    assert codes(response.json())
    assert [line["event"] for line in lines] == (["request.refused"] if response.status_code != 200 else [])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"query": SITE, "variables": "{"},
        {"query": SITE, "variables": "[]"},
        {"query": SITE, "variables": "[" * 5_000},
        {"query": SITE, "extensions": "x"},
    ],
)
async def test_H10_so_do_malformed_parameters(params: dict[str, str]) -> None:
    async with client() as api:
        response = await api.get("/graphql", params=params)
    assert response.status_code == 400
    assert codes(response.json()) == ["BAD_REQUEST"]


async def test_a_text_may_speak_of_the_character_that_is_not_taken(db: None) -> None:
    answer = await ask("query($id: ID!) { node(id: $id) { id } }", id="about \\u0000")
    assert answer == {"data": {"node": None}}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "foo/application/json",
        "application/graphql",
        "application/json; charset=utf-16",
        "",
    ],
)
async def test_H1_only_json_is_taken(content_type: str, db: None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    async with client(await _staff()) as api:
        response = await api.post(
            "/graphql", content=b'{"query": "' + WRITE.replace('"', '\\"').encode() + b'"}', headers=headers
        )
    assert response.status_code == 415
    assert not await Event.filter(type__startswith="tag.").exists()


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_is_taken_however_it_is_spelt(content_type: str, db: None) -> None:
    async with client() as api:
        response = await api.post(
            "/graphql", content=b'{"query": "{ site { name } }"}', headers={"content-type": content_type}
        )
    assert response.json() == {"data": {"site": {"name": "Newsroom"}}}


async def test_H1_H2_nothing_is_written_by_GET(db: None) -> None:
    async with client(await _staff()) as api:
        for query in (WRITE, f"query Q {{ site {{ name }} }} {WRITE.replace('mutation', 'mutation M')}"):
            response = await api.get(
                "/graphql", params={"query": query, "operationName": "M"} if "M" in query else {"query": query}
            )
            assert response.status_code in (400, 405)
            assert codes(response.json()) == ["BAD_REQUEST"]
        for method in ("PUT", "DELETE", "PATCH"):
            assert (await api.request(method, "/graphql", json={"query": WRITE})).status_code == 405
    assert not await Event.filter(type__startswith="tag.").exists()


async def test_H2_no_field_of_Query_writes(db: None) -> None:
    """Every root field runs on a connection that cannot write."""
    await make_article()
    root = schema._schema.query_type
    assert root is not None
    answered = 0
    for name, field in root.fields.items():
        given = [f"{arg}: {_value(about.type)}" for arg, about in field.args.items() if is_required_argument(about)]
        arguments = f"({', '.join(given)})" if given else ""
        below = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
        with database.reading():
            answer = await schema.execute(f"{{ {name}{arguments} {below} }}", context_value=Context())
        assert "read-only" not in str(answer.errors), name
        answered += not answer.errors
    assert answered >= 10


def _value(type_: Any) -> str:
    return "[]" if is_list_type(get_nullable_type(type_)) else '"a"'


async def test_H2_readers_are_on_connections_that_cannot_write(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    async def look(*args: Any, **kwargs: Any) -> None:
        rows = await get_connection("default").execute_query_dict(
            "select current_setting('transaction_read_only') as read_only, current_setting('statement_timeout') as time"
        )
        seen.append((rows[0]["read_only"], rows[0]["time"]))

    monkeypatch.setattr("schema.routes.routes.route", look)
    query = '{ route(path: "/a") { __typename } }'
    await ask(query)
    await ask(query, token=await make_token(TokenScope.READ))
    await ask(query, token=await _staff())
    assert seen[:2] == [("on", "5s")] * 2
    assert seen[2][0] == "off"


async def test_H3_no_other_site_reads_us_unless_it_is_named(setting: Any) -> None:
    for path in ("/graphql", "/media/x", "/session", "/nowhere"):
        async with client(origin="https://evil.example") as api:
            response = await api.post(path, json={"query": SITE})
            assert "access-control-allow-origin" not in response.headers
            assert "Origin" in response.headers["vary"]
    setting(CMS_CORS_ORIGINS="https://news.example, https://other.example")
    for origin, named in (("https://news.example", True), ("https://news.example.evil", False), ("null", False)):
        async with client(origin=origin) as api:
            asked = await api.options("/graphql", headers={"access-control-request-method": "POST"})
            response = await api.post("/graphql", json={"query": ""})
        for each in (asked, response):
            assert each.headers.get("access-control-allow-origin") == (origin if named else None)
            assert "access-control-allow-credentials" not in each.headers
            assert "Origin" in each.headers["vary"]
        assert asked.status_code == 204


async def test_H3_everybody_may_read_without_cookies(setting: Any) -> None:
    setting(CMS_CORS_ORIGINS="*")
    async with client(origin="https://anywhere.example") as api:
        response = await api.post("/graphql", json={"query": ""})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


def test_H3_everybody_with_cookies_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="any site act"):
        Settings(cors_origins=("*",), cors_credentials=True)
    with pytest.raises(ValidationError):
        Settings(cors_origins=("https://news.example/path",))


async def test_H4_every_answer_says_what_browsers_may_do_with_it(setting: Any) -> None:
    setting(CMS_PUBLIC_URL="https://news.example")
    async with client() as api:
        answers = [
            await api.post("/graphql", json={"query": ""}),
            await api.get("/graphql", headers={"accept": "text/html"}),
            await api.get("/nowhere"),
            await api.get("/media/nothing.png"),
            await api.request("PATCH", "/graphql"),
        ]
    for response in answers:
        headers = response.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["cache-control"] == "private, no-store"
        assert not headers["content-type"].startswith("text/html")


async def test_without_https_nothing_is_said_of_it() -> None:
    async with client() as api:
        assert "strict-transport-security" not in (await api.get("/nowhere")).headers


async def test_answers_to_whoever_shows_a_credential_are_kept_by_nobody(db: None) -> None:
    for token, told in ((None, "public, no-cache"), (await _staff(), "private, no-store")):
        async with client(token) as api:
            response = await api.post("/graphql", json={"query": SITE})
        assert response.headers["cache-control"] == told
        assert {"Authorization", "Cookie"} <= set(response.headers["vary"].split(", "))


async def test_H5_the_host_of_a_request_is_never_used(db: None) -> None:
    query = "{ site { url } }"
    answers = []
    for host in ("news.example", "evil.example", "a/?x="):
        headers = {"host": host, "x-forwarded-host": host, "forwarded": f"host={host}"}
        async with client() as api:
            answers.append((await api.post("/graphql", json={"query": query}, headers=headers)).content)
    assert answers[0] == answers[1] == answers[2]
    assert b"example" not in answers[0]


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        [("content-length", "2"), ("content-length", "3")],
        [("content-length", "2"), ("transfer-encoding", "chunked")],
        [("content-type", "application/json"), ("content-type", "text/plain")],
        [("host", "a"), ("host", "b")],
    ],
)
async def test_H6_a_head_that_means_two_things_is_refused(headers: list[tuple[str, str]]) -> None:
    with capture_logs() as lines:
        sent = await _send(headers=headers, body=[b"{}"])
    assert sent[0]["status"] == 400
    assert [line["event"] for line in lines] == ["request.refused"]


async def test_H8_a_body_is_cut_off_while_it_streams() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b" " * 16_384

    sent = await _send(headers=[("content-type", "application/json")], body=endless())
    assert sent[0]["status"] == 413
    assert taken <= 6


async def test_H8_a_length_that_is_too_large_is_refused_unread() -> None:
    sent = await _send(headers=[("content-type", "application/json"), ("content-length", str(10**12))], body=_never())
    assert sent[0]["status"] == 413
    sent = await _send(headers=[("content-type", "application/json"), ("content-length", "9" * 5_000)], body=_never())
    assert sent[0]["status"] == 413


async def test_H7_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schema.endpoint.BODY_SECONDS", 0.05)
    sent = await _send(headers=[("content-type", "application/json")], body=_never())
    assert sent[0]["status"] == 408


async def test_H8_media_take_many_ranges_fast() -> None:
    ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(10_000))
    async with client(range=ranges) as api:
        start = time.monotonic()
        response = await api.get("/media/" + "0" * 64 + ".png")
    assert response.status_code == 404
    assert time.monotonic() - start < 1


async def test_R17_clients_that_hang_up_cancel_their_queries(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*args: Any, **kwargs: Any) -> None:
        await get_connection("default").execute_query("select pg_sleep(30)")

    monkeypatch.setattr("schema.routes.routes.route", slow)
    body = b'{"query": "{ route(path: \\"/a\\") { __typename } }"}'

    async def hang_up() -> None:
        left = asyncio.Event()
        asking = asyncio.create_task(
            _send(headers=[("content-type", "application/json")], body=[body], disconnect=left)
        )
        await asyncio.sleep(0.05)
        left.set()
        await asyncio.wait_for(asking, 5)

    for _ in range(5):
        await asyncio.gather(*(hang_up() for _ in range(20)))
    assert await _sleeping() == 0
    monkeypatch.undo()
    answers = await asyncio.gather(*(ask(SITE) for _ in range(50)))
    assert all("errors" not in answer for answer in answers)


async def test_a_write_goes_on_when_its_client_hangs_up(db: None) -> None:
    left = asyncio.Event()
    left.set()
    token = await _staff()
    body = b'{"query": "' + WRITE.replace('"', '\\"').encode() + b'"}'
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {token}")]
    await _send(headers=headers, body=[body], disconnect=left)
    assert (await ask('{ tag(slug: "sudan") { name } }', token=token))["data"] is not None
    assert await Event.filter(type="tag.created").count() == 1


async def test_G14_a_statement_of_a_reader_is_broken_off(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*args: Any, **kwargs: Any) -> None:
        async with database.transaction() as connection:
            await connection.execute_query("set local statement_timeout = '50ms'")
            await connection.execute_query("select pg_sleep(30)")

    monkeypatch.setattr("schema.routes.routes.route", slow)
    answer = await ask('{ route(path: "/a") { __typename } }')
    assert codes(answer) == [TIMEOUT]
    assert answer["data"] == {"route": None}


async def test_a_whole_query_has_its_time_too(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("schema.routes.routes.route", slow)
    monkeypatch.setattr("schema.execution.PUBLIC_SECONDS", 0.05)
    answer = await ask('{ route(path: "/a") { __typename } }')
    assert codes(answer) == [TIMEOUT]


@pytest.mark.parametrize(
    "path", ["/%0d%0aSet-Cookie:%20a=b", "/\x1b[31m".replace("\x1b", "%1b"), "//evil.example", "/%2e%2e/graphql"]
)
async def test_H6_what_a_path_says_reaches_neither_headers_nor_the_log_raw(path: str) -> None:
    async with client() as api:
        response = await api.get(path)
    assert response.status_code == 404
    assert not {"set-cookie", "location"} & set(response.headers)


async def _staff() -> str:
    return await make_token(user=await make_user(Role.EDITOR))


async def _sleeping() -> int:
    rows = await get_connection("default").execute_query_dict(
        "select count(*) as n from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
    )
    return int(rows[0]["n"])


async def _never() -> AsyncIterator[bytes]:
    await asyncio.sleep(30)
    yield b""


async def _send(
    *, headers: list[tuple[str, str]], body: Any, disconnect: asyncio.Event | None = None, path: str = "/graphql"
) -> list[Message]:
    """What the application sends, for requests that no client library would make."""
    sent: list[Message] = []
    chunks = body if hasattr(body, "__anext__") else None
    waiting = list(body) if chunks is None else []

    async def receive() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        if chunks is not None:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}
        await (disconnect or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1), "headers": [(n.encode(), v.encode()) for n, v in headers], "state": {},
    }  # fmt: skip
    await create_app()(scope, receive, send)
    return sent


def test_H6_the_server_refuses_what_could_be_smuggled(serve: Any, database_url: str, db: None) -> None:
    served: Served = serve(CMS_DATABASE_URL=database_url)
    body = b'{"query": "{ site { name } }"}'
    for extra in (
        f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked",
        f"Content-Length: {len(body)}\r\nContent-Length: 3",
        "Transfer-Encoding: chunked, identity",
        f"Content-Length : {len(body)}",
        "Content-Length: -1",
        "Content-Length: +30",
        "Broken\rHeader: x",
    ):
        head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}\r\n\r\n"
        assert b" 400 " in _raw(served.url, head.encode() + body).split(b"\r\n")[0], extra
    assert httpx.post(served.url + "/graphql", json={"query": SITE}).status_code == 200


def _raw(url: str, data: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(65_536)


async def test_H4_json_that_anybody_may_have_bears_what_tells_browsers_that_it_is_json() -> None:
    async with client() as api:
        headers = (await api.post("/graphql", json={"query": SITE})).headers
    assert (headers["x-content-type-options"], headers["content-type"]) == ("nosniff", "application/json")
    assert not {"content-security-policy", "referrer-policy", "cross-origin-resource-policy"} & headers.keys()
