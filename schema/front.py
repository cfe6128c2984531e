"""The fast way in, before everything else: a reader's query that has a plan is answered here, from kept bytes or by the
plan. Whatever is not that, or not just so, goes on to the application as if nobody had looked at it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cms.errors import CMSError
from cms.permissions import PUBLIC
from cms.settings import Settings
from schema import caching, delivery, trusted
from schema.answers import NEVER, Answer, Answers, ends_at, keys_of, seconds_left, tags_of
from schema.documents import Operation, Refused
from schema.endpoint import MAX_PUBLIC_BODY
from schema.errors import BadRequest
from schema.execution import documents, planned, prepared
from schema.plan import Unplanned, to_json
from schema.question import check_values

Key = tuple[int, bytes, bytes, bool]
Headers = list[tuple[bytes, bytes]]

# Whoever sends one of these is somebody, or wants something, that only the application knows.
_GO_ON = frozenset((b"authorization", b"cookie", b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))
_ONCE = frozenset(
    (b"host", b"content-type", b"content-length", b"accept", b"if-none-match", b"accept-encoding", b"origin")
)
_JSON_TYPES = frozenset((b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"))
_PARAMETERS = frozenset(("query", "documentId", "variables", "operationName", "extensions"))
_GRAPHQL = b"application/graphql-response+json"
_MOST_URLS = 10_000
# A body that takes longer is waited for by the application.
_BODY_SECONDS = 1

log = structlog.get_logger()


class Asked(NamedTuple):
    """What is asked of which operation. seconds: how long caches before us may keep the answer; turn: of the trusted
    documents that it was found among."""

    operation: Operation
    text: str
    name: str | None
    variables: dict[str, Any]
    packed: bytes
    seconds: int
    turn: int

    def key(self, encoding: bytes) -> Key:
        """Of its answer in this encoding. Only what is shared bears keys for caches before us."""
        return self.operation.number, self.packed, encoding, self.seconds > 0


class Front:
    """ASGI middleware before the whole application. headers: those that every answer bears; cors: and those for pages
    of an origin."""

    def __init__(
        self, app: ASGIApp, settings: Settings, headers: Iterable[tuple[str, str]], cors: Callable[[bytes], Headers]
    ) -> None:
        self._app, self._cors = app, cors
        self._seconds = settings.shared_cache_seconds
        self._trusted_only = settings.trusted_documents_only
        told = [*headers, ("Vary", f"{caching.VARY}, Origin")]
        self._headers: Headers = [(name.lower().encode(), value.encode()) for name, value in told]
        self._flights: dict[Key, tuple[int, asyncio.Future[Answer]]] = {}
        self._urls: dict[bytes, Asked] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/graphql" and (answers := delivery.answers()) is not None:
            given = _given(scope["headers"])
            if given is not None and b"text/event-stream" not in given.get(b"accept", b""):
                messages = await _body(receive)
                found = await self._answer(scope, given, messages, answers)
                if found is not None:
                    await self._send(*found, given, send)
                    return
                receive = _again(messages, receive)
        await self._app(scope, receive, send)

    async def _answer(
        self, scope: Scope, given: dict[bytes, bytes], messages: list[Message], answers: Answers
    ) -> tuple[Answer, int] | None:
        """With how many seconds caches before us may keep it. None where this is not for us."""
        if messages[-1]["type"] != "http.request" or messages[-1].get("more_body"):
            return None
        try:
            asked = self._asked(scope, given, b"".join(each.get("body", b"") for each in messages))
            if asked is None or (self._trusted_only and not _is_trusted(asked.text)):
                return None
            found = await self._encoded(asked, caching.encoding(given.get(b"accept-encoding", b"")), answers)
            return found, asked.seconds
        except (Unplanned, Refused, BadRequest, CMSError, ValueError):
            return None  # the application can answer it, or say what is wrong
        except Exception:
            log.exception("front.failed")
            return None

    # ------------------------------------------------------------ what is asked

    def _asked(self, scope: Scope, given: dict[bytes, bytes], body: bytes) -> Asked | None:
        if scope["method"] == "POST":
            if given.get(b"content-type") not in _JSON_TYPES or len(body) > MAX_PUBLIC_BODY:
                return None
            return _of(orjson.loads(body), self._seconds)
        if scope["method"] != "GET" or body:
            return None
        query = scope["query_string"]
        asked = self._urls.get(query)
        if asked is None or asked.turn != trusted.turn() or documents.known(asked.text) is None:
            params: dict[str, Any] = dict(parse_qsl(query.decode("ascii"), strict_parsing=True, errors="strict"))
            for name in ("variables", "extensions"):
                if name in params:
                    params[name] = orjson.loads(params[name])
            asked = _of(params, self._seconds)
            if asked is not None:
                if len(self._urls) >= _MOST_URLS:
                    self._urls.clear()
                self._urls[query] = asked
        return asked

    # ------------------------------------------------------------ the answer

    async def _encoded(self, asked: Asked, encoding: bytes, answers: Answers) -> Answer:
        """The answer in this encoding, where it is long enough for one."""
        if not encoding or not answers.keeps:
            return await self._plain(asked, answers)
        key = asked.key(encoding)
        found = answers.get(key)
        if found is None:
            found = await self._plain(asked, answers)
            if len(found.body) > caching.COMPRESSED:
                body, etag = caching.encoded(found.body, encoding), caching.etag_of_encoded(found.etag, encoding)
                found = found._replace(body=body, etag=etag, encoding=encoding)
                answers.put(key, found)
        return found

    async def _plain(self, asked: Asked, answers: Answers) -> Answer:
        """Kept, or read; those who ask for the same while it is read wait for it, if nothing has changed since."""
        key = asked.key(b"")
        if not answers.keeps:
            return await self._read(asked, answers)
        found = answers.get(key)
        if found is not None:
            return found
        turn, flight = self._flights.get(key, (-1, None))
        if flight is not None and turn == answers.turn:
            try:
                return await asyncio.shield(flight)
            except asyncio.CancelledError:
                if not flight.cancelled():
                    raise
        return await self._fly(key, asked, answers)

    async def _fly(self, key: Key, asked: Asked, answers: Answers) -> Answer:
        flight: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._flights[key] = (answers.turn, flight)
        try:
            found = await self._read(asked, answers)
            answers.put(key, found)
            flight.set_result(found)
            return found
        finally:
            if not flight.done():
                flight.cancel()
            if self._flights.get(key, (0, None))[1] is flight:
                del self._flights[key]

    async def _read(self, asked: Asked, answers: Answers) -> Answer:
        turn = answers.turn
        check_values(asked.text, asked.variables, PUBLIC)
        ask = await prepared(PUBLIC, asked.text, asked.name, asked.variables)
        data, reading = await planned(ask)
        body = to_json({"data": data})
        if not answers.keeps:
            return Answer(turn, 0, body, b"", ask.cost, b"")
        tags = caching.keys(tags_of(reading)) if asked.seconds else b""
        return Answer(turn, ends_at(reading), body, caching.etag(body), ask.cost, keys_of(reading), tags)

    async def _send(self, answer: Answer, seconds: int, given: dict[bytes, bytes], send: Send) -> None:
        headers = self._headers.copy()
        if b"origin" in given:
            headers += self._cors(given[b"origin"])
        if answer.ends_at != NEVER:
            seconds = seconds_left(seconds, answer.ends_at)
        headers.append((b"cache-control", caching.control(seconds)))
        if answer.etag:
            headers.append((b"etag", answer.etag))
        if seconds:
            headers += caching.key_headers(answer.tags)
        wanted = given.get(b"if-none-match")
        if wanted is not None and answer.etag and answer.etag in wanted:
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        media_type = _GRAPHQL if _GRAPHQL in given.get(b"accept", b"") else b"application/json"
        headers.append((b"content-type", media_type))
        headers.append((b"content-length", b"%d" % len(answer.body)))
        headers.append((b"x-query-cost", b"%d" % answer.cost))
        if answer.encoding:
            headers.append((b"content-encoding", answer.encoding))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _given(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """The headers that matter to us; None where there is one for the application alone, or two of one."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _GO_ON:
            return None
        if name in _ONCE:
            if name in found:
                return None
            found[name] = value
    return found


def _is_trusted(text: str) -> bool:
    store = trusted.at_hand()
    return store is not None and store.has(text)


def _of(params: Any, seconds: int) -> Asked | None:
    if type(params) is not dict or not params.keys() <= _PARAMETERS:
        return None
    text, variables, name = params.get("query"), params.get("variables") or {}, params.get("operationName")
    if text is None or "extensions" in params or "documentId" in params:
        if "extensions" in params and not _only_persists(params["extensions"]):
            return None
        id, store = trusted.id_of(params), trusted.at_hand()
        if id is not None:
            found = store.get(id) if store is not None else None
            if found is None:
                return None
            text, seconds = found.text, seconds if found.seconds is None else found.seconds
    if type(text) is not str or type(variables) is not dict or not (name is None or type(name) is str):
        return None
    document = documents.known(text)
    if document is None:
        return None
    operation = document.operation(name or None)
    if operation.plans.is_hopeless:
        return None
    packed = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS) if variables else b""
    return Asked(operation, text, name or None, variables, packed, seconds, trusted.turn())


def _only_persists(extensions: Any) -> bool:
    return type(extensions) is dict and extensions.keys() == {"persistedQuery"}


async def _body(receive: Receive) -> list[Message]:
    """The messages of a body, up to the last, or to one that shows that it is too large or too slow for us."""
    messages = [await receive()]
    if messages[0].get("more_body"):
        size = len(messages[0].get("body", b""))
        with suppress(TimeoutError):
            async with asyncio.timeout(_BODY_SECONDS):
                while messages[-1].get("more_body") and size <= MAX_PUBLIC_BODY:
                    messages.append(await receive())
                    size += len(messages[-1].get("body", b""))
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What was received, once more."""
    waiting = messages[::-1]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
