"""The fast way in, before everything else: a reader's query that has a plan is answered here, from kept bytes or by the
plan. Whatever is not that, or not just so, goes on to the application as if nobody had looked at it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from sys import intern
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cms.errors import CMSError
from cms.permissions import PUBLIC
from cms.settings import Settings
from schema import caching, delivery, trusted
from schema.answers import NEVER, Answer, Answers, Head, as_answer, ends_at, seconds_left
from schema.documents import Operation, Refused
from schema.endpoint import MAX_PUBLIC_BODY
from schema.errors import BadRequest
from schema.execution import documents, planned, prepared
from schema.plan import Unplanned, keys_of, printed, tags_of, trimmed
from schema.question import check_values

Key = tuple[int, bytes, bytes, int]

# The headers that matter. Whoever sends one that says True is somebody, or wants something, that only the application
# knows.
_HEADERS = {
    **dict.fromkeys((b"authorization", b"cookie"), True),
    **dict.fromkeys((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"), True),
    **dict.fromkeys((b"host", b"content-type", b"content-length"), False),
    **dict.fromkeys((b"accept", b"if-none-match", b"accept-encoding", b"origin"), False),
}
_JSON_TYPES = frozenset((b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"))
_PARAMETERS = frozenset(("query", "documentId", "variables", "operationName", "extensions"))
_GRAPHQL = b"application/graphql-response+json"
_AS_JSON, _AS_GRAPHQL = (b"content-type", b"application/json"), (b"content-type", _GRAPHQL)
# Questions that are known by their bytes, so that a hit reads no JSON: of how many bytes each at most; what the newest
# of them may take at least, or which part of what answers may; and what each costs besides.
_SHORT, _LEAST_OF_NEWEST, _PART_OF_ANSWERS, _OVERHEAD = 4_096, 4 * 1024**2, 16, 1_000
_MOST_COSTS = 1_000
# A body that takes longer is waited for by the application.
_BODY_SECONDS = 1

log = structlog.get_logger()


@dataclass(slots=True)
class Asked:
    """What is asked of which operation. seconds: how long caches before us may keep the answer; turn: of the trusted
    documents that it was found among; ask: once that has been checked."""

    operation: Operation
    text: str
    name: str | None
    variables: dict[str, Any]
    packed: bytes
    seconds: int
    turn: int
    cost: int | None = None

    def key(self, encoding: bytes) -> Key:
        """Of its answer in this encoding, whose head says how long caches before us may keep it."""
        return self.operation.number, self.packed, encoding, self.seconds


class _Questions:
    """What was asked lately, by its bytes: the newest, up to so many bytes, and those before them that were asked
    again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._newest: dict[bytes, Asked] = {}
        self._older: dict[bytes, Asked] = {}
        self._bytes = 0

    def get(self, question: bytes) -> Asked | None:
        found = self._newest.get(question)
        if found is None and (found := self._older.get(question)) is not None:
            self.put(question, found)
        return found

    def put(self, question: bytes, asked: Asked) -> None:
        self._bytes += len(question) + _OVERHEAD
        if self._bytes > self._most:
            self._older, self._newest, self._bytes = self._newest, {}, 0
        self._newest[question] = asked


class Front:
    """ASGI middleware before the whole application. headers: those that every answer bears; cors: and those for pages
    of an origin."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        headers: Iterable[tuple[str, str]],
        cors: Callable[[bytes], Iterable[tuple[bytes, bytes]]],
    ) -> None:
        self._app, self._cors = app, cors
        self._seconds = settings.shared_cache_seconds
        self._trusted_only = settings.trusted_documents_only
        told = [*headers, ("Vary", f"{caching.VARY}, Origin")]
        self._head: Head = tuple((name.lower().encode(), value.encode()) for name, value in told)
        self._flights: dict[Key, tuple[int, asyncio.Future[Answer]]] = {}
        self._costs: dict[int, int] = {}  # of what is the same for all variables, by the numbers of operations
        most = max(_LEAST_OF_NEWEST, settings.answer_bytes // _PART_OF_ANSWERS)
        self._questions = {"GET": _Questions(most), "POST": _Questions(most)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What is kept is sent without a coroutine of ours between: each would cost as much as finding it.
        if scope["type"] == "http" and scope["path"] == "/graphql" and (answers := delivery.answers()) is not None:
            given = _given(scope["headers"])
            if given is not None:
                messages = [await receive()]
                if messages[0].get("more_body"):
                    await _rest(messages, receive)
                found = None
                try:
                    asked = self._asked(scope, given, messages)
                    if asked is not None:
                        encoding = caching.encoding(given[b"accept-encoding"]) if b"accept-encoding" in given else b""
                        found = answers.get(asked.key(encoding)) or await self._missed(asked, encoding, answers)
                        if asked.seconds and found.ends_at != NEVER:
                            found = self._headed(found, seconds_left(asked.seconds, found.ends_at))
                except (Unplanned, Refused, BadRequest, CMSError, ValueError):
                    pass  # the application can answer it, or say what is wrong
                except Exception:
                    log.exception("front.failed")
                if found is not None:
                    start, body = self._response(found, given)
                    await send(start)
                    await send(body)
                    return
                receive = _again(messages, receive)
        await self._app(scope, receive, send)

    # ------------------------------------------------------------ what is asked

    def _asked(self, scope: Scope, given: dict[bytes, bytes], messages: list[Message]) -> Asked | None:
        """None where this is not for us."""
        last = messages[-1]
        if last["type"] != "http.request" or last.get("more_body"):
            return None
        body = last.get("body", b"") if len(messages) == 1 else b"".join(each.get("body", b"") for each in messages)
        method = scope["method"]
        if method == "POST":
            if given.get(b"content-type") not in _JSON_TYPES or len(body) > MAX_PUBLIC_BODY:
                return None
            question = body
        elif method == "GET" and not body:
            question = scope["query_string"]
        else:
            return None
        known = self._questions[method]
        asked = known.get(question)
        if asked is None or asked.turn != trusted.turn():
            asked = _of(orjson.loads(question) if method == "POST" else _params(question), self._seconds)
            if asked is not None and len(question) <= _SHORT:
                known.put(question, asked)
        return asked if not self._trusted_only or asked is None or _is_trusted(asked.text) else None

    # ------------------------------------------------------------ the answer

    def _missed(self, asked: Asked, encoding: bytes, answers: Answers) -> Awaitable[Answer]:
        if not answers.keeps:
            return self._read(asked, answers)
        return self._encoded(asked, encoding, answers) if encoding else self._plain(asked, answers)

    async def _encoded(self, asked: Asked, encoding: bytes, answers: Answers) -> Answer:
        """In this encoding, where it is long enough for one."""
        found = answers.get(asked.key(b"")) or await self._plain(asked, answers)
        if len(found.body) <= caching.COMPRESSED:
            return found
        body, etag = caching.encoded(found.body, encoding), caching.etag_of_encoded(found.etag, encoding)
        found = self._headed(found._replace(body=body, etag=etag, encoding=encoding), asked.seconds)
        answers.put(asked.key(encoding), found)
        return found

    async def _plain(self, asked: Asked, answers: Answers) -> Answer:
        """Read; those who ask for the same while it is read wait for it, if nothing has changed since."""
        key = asked.key(b"")
        turn, flight = self._flights.get(key, (-1, None))
        if flight is not None and turn == answers.turn:
            try:
                return await asyncio.shield(flight)
            except asyncio.CancelledError:
                if not flight.cancelled():
                    raise
        flight = asyncio.get_running_loop().create_future()
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
        cost = await self._checked(asked) if asked.cost is None else asked.cost
        data, reading = await planned(asked.operation, asked.variables)
        body = printed({"data": data})
        if not answers.keeps:
            return self._headed(Answer(turn, NEVER, body, b"", cost, b""), asked.seconds)
        body = trimmed(body)
        tags = caching.keys(tags_of(reading)) if asked.seconds else b""
        found = Answer(turn, ends_at(reading), body, caching.etag(body), cost, keys_of(reading), tags)
        return self._headed(found, asked.seconds)

    async def _checked(self, asked: Asked) -> int:
        """What it costs, when all is well; raises as `prepared`."""
        check_values(asked.text, asked.variables, PUBLIC)
        number = asked.operation.number
        cost = self._costs.get(number)
        if cost is None:
            cost = (await prepared(PUBLIC, asked.text, asked.name, asked.variables)).cost
            if asked.operation.is_fixed:
                if len(self._costs) >= _MOST_COSTS:
                    self._costs.clear()
                self._costs[number] = cost
        asked.cost = cost
        return cost

    def _headed(self, answer: Answer, seconds: int) -> Answer:
        """With its head. seconds: in caches before us."""
        told = (*self._head, (b"cache-control", caching.control(seconds)))
        if answer.etag:
            told += ((b"etag", answer.etag),)
        if seconds:
            told += (*caching.key_headers(answer.tags),)
        more: Head = ((b"content-length", b"%d" % len(answer.body)), (b"x-query-cost", b"%d" % answer.cost))
        if answer.encoding:
            more += ((b"content-encoding", answer.encoding),)
        return as_answer((*answer[:-2], (*told, *more, _AS_JSON), told))

    def _response(self, answer: Answer, given: dict[bytes, bytes]) -> tuple[Message, Message]:
        body = answer.body
        if b"if-none-match" in given and answer.etag and answer.etag in given[b"if-none-match"]:
            status, head, body = 304, answer.unchanged, b""
        elif b"accept" in given and _GRAPHQL in given[b"accept"]:
            status, head = 200, (*answer.head[:-1], _AS_GRAPHQL)
        else:
            status, head = 200, answer.head
        if b"origin" in given:
            head = (*self._cors(given[b"origin"]), *head)
        start = {"type": "http.response.start", "status": status, "headers": head}
        return start, {"type": "http.response.body", "body": body}


def _given(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """The headers that matter to us; None where there is one for the application alone, or two of one."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        goes_on = _HEADERS.get(name)
        if goes_on is not None:
            if goes_on or name in found:
                return None
            found[name] = value
    return None if b"accept" in found and b"text/event-stream" in found[b"accept"] else found


def _params(query: bytes) -> dict[str, Any]:
    params: dict[str, Any] = dict(parse_qsl(query.decode("ascii"), strict_parsing=True, errors="strict"))
    for name in ("variables", "extensions"):
        if name in params:
            params[name] = orjson.loads(params[name])
    return params


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
    packed = trimmed(orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)) if variables else b""
    return Asked(operation, intern(text), name or None, variables, packed, seconds, trusted.turn())


def _only_persists(extensions: Any) -> bool:
    return type(extensions) is dict and extensions.keys() == {"persistedQuery"}


async def _rest(messages: list[Message], receive: Receive) -> None:
    """Add the messages of a body that has begun, up to the last, or to one that shows that it is too large or too slow
    for us."""
    size = len(messages[0].get("body", b""))
    with suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while messages[-1].get("more_body") and size <= MAX_PUBLIC_BODY:
                messages.append(await receive())
                size += len(messages[-1].get("body", b""))


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What was received, once more."""
    waiting = messages[::-1]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
