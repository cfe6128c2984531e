"""POST and GET /graphql, by the GraphQL-over-HTTP specification (https://graphql.github.io/graphql-over-http/draft/)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
import structlog
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cms.errors import CMSError, RateLimited, Unauthenticated
from cms.permissions import PUBLIC, Actor
from schema import caching, sse
from schema.answers import ends_at, seconds_left
from schema.context import Context
from schema.documents import Refused
from schema.errors import TIMEOUT, TOO_LARGE, UNAVAILABLE, BadRequest, formatted
from schema.execution import HungUp, Prepared, is_reader, may_introspect, planned, prepared, run, while_waiting
from schema.plan import Reading, Unplanned, tags_of, to_json
from schema.question import question
from schema.viewer import session_cookie, viewer

# What a request may weigh, in bytes: a reader's query; what somebody who is known writes, a whole story in it.
MAX_PUBLIC_BODY = 64 * 1024
MAX_BODY = 8 * 1024 * 1024
# How long the body may take to arrive.
BODY_SECONDS = 30

_JSON = "application/json"
_GRAPHQL = "application/graphql-response+json"
_VARY = caching.VARY.encode()
_PRIVATE = [(b"cache-control", b"private, no-store"), (b"vary", _VARY), (b"x-robots-tag", b"noindex")]
# Longer answers are compressed in a thread.
_LONG = 64 * 1024

log = structlog.get_logger()


async def graphql(request: Request) -> Response:
    try:
        actor = await viewer(request)
        params = await _params(request, MAX_PUBLIC_BODY if actor == PUBLIC else MAX_BODY)
        return await _answer(request, actor, params)
    except BadRequest as error:
        return _refusal(error.status, error.message, error.code)
    except Unauthenticated as error:
        response = _refusal(401, error.message, error.code)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    except RateLimited as error:
        response = _refusal(429, error.message, error.code)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    except TimeoutError:
        return _refusal(503, "That took too long. Ask for less.", TIMEOUT)
    except HungUp:
        return Response(status_code=400)  # nobody reads it


async def _params(request: Request, limit: int) -> Any:
    if request.method == "GET":
        params: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in params:
                params[name] = _loads(params[name].encode(), f"The parameter {name}")
    else:
        content_type, _, parameters = request.headers.get("content-type", "").partition(";")
        if content_type.strip().lower() != _JSON or parameters.strip().lower() not in ("", "charset=utf-8"):
            raise BadRequest(415, "Send the request as application/json, in UTF-8.")
        params = _loads(await _body(request, limit), "The body")
    return params


async def _body(request: Request, limit: int) -> bytes:
    too_large = BadRequest(413, f"The body is too large: at most {limit} bytes are taken.", TOO_LARGE)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest(400, "The request ended too early.") from None
    except TimeoutError:
        raise BadRequest(408, f"The body did not arrive within {BODY_SECONDS} seconds.") from None
    return b"".join(chunks)


def _loads(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        raise BadRequest(400, f"{what} is not JSON.") from None


async def _answer(request: Request, actor: Actor, params: Any) -> Response:
    try:
        asked = await question(params, actor)
        ask = await prepared(actor, asked.text, asked.name, asked.variables)
    except Refused as refused:
        return await _result(request, actor, {}, refused.errors)
    except CMSError as error:
        return await _result(request, actor, {}, [GraphQLError(error.message, original_error=error)])
    _check_method(request, ask)
    if ask.operation.kind is OperationType.SUBSCRIPTION:
        try:
            return await sse.stream(request, ask, asked.text)
        except Refused as refused:
            return await _result(request, actor, {}, refused.errors)
    work = _result_of(ask, asked.text)
    reads = ask.operation.kind is OperationType.QUERY
    data, errors, reading = await (while_waiting(request.receive, work) if reads else work)
    shared = None
    if reads and actor == PUBLIC and not errors and not ask.operation.is_personal:
        shared = _Shared.of(reading, asked.shared_seconds)
    response = await _result(request, actor, {"data": data}, errors, shared)
    response.headers["X-Query-Cost"] = str(ask.cost)
    return response


async def _result_of(ask: Prepared, text: str) -> tuple[Any, list[GraphQLError], Reading | None]:
    with suppress(Unplanned):
        if is_reader(ask.actor):
            data, reading = await planned(ask.operation, ask.variables)
            return data, [], reading
    result = await run(ask, Context(actor=ask.actor), text)
    return result.data, result.errors or [], None


def _check_method(request: Request, ask: Prepared) -> None:
    if ask.operation.kind is OperationType.MUTATION and request.method != "POST":
        raise BadRequest(405, "Send queries by GET or POST, mutations by POST.")
    if ask.operation.kind is OperationType.SUBSCRIPTION and not sse.is_wanted(request):
        raise BadRequest(406, "Send subscriptions over a WebSocket, or with “Accept: text/event-stream”.")


class _Shared(NamedTuple):
    """An answer that anybody may be given. keys: as caches before us know what it shows."""

    seconds: int
    keys: bytes

    @classmethod
    def of(cls, reading: Reading | None, seconds: int) -> _Shared:
        if reading is None:  # what the resolvers read is not known
            return cls(seconds, caching.ANY)
        return cls(seconds_left(seconds, ends_at(reading)), caching.keys(tags_of(reading)))

    def headers(self, etag: bytes) -> list[tuple[bytes, bytes]]:
        keys = caching.key_headers(self.keys) if self.seconds else []
        told = [(b"etag", etag), (b"cache-control", caching.control(self.seconds)), (b"vary", _VARY)]
        return [*told, (b"x-robots-tag", b"noindex"), *keys]


async def _result(
    request: Request, actor: Actor, data: dict[str, Any], given: list[GraphQLError], shared: _Shared | None = None
) -> Response:
    errors = sorted((formatted(error, suggestions=may_introspect(actor)) for error in given), key=_place)
    answer = data
    if errors:
        ran = data.get("data") is not None or any("path" in error for error in errors)
        answer = {"errors": errors, **(data if ran else {})}
    media_type = _media_type(request)
    status = 400 if media_type == _GRAPHQL and "data" not in answer else 200
    if any(error["extensions"]["code"] == UNAVAILABLE for error in errors):
        status = 503
    body = to_json(answer)
    if sse.is_wanted(request) and "data" in answer:
        return sse.once(body)
    return await _sent(request, body, status, media_type, shared)


async def _sent(request: Request, body: bytes, status: int, media_type: str, shared: _Shared | None) -> Response:
    etag = caching.etag(body) if shared is not None else b""
    encoding = _encoding(request, body)
    if encoding:
        etag = etag and caching.etag_of_encoded(etag, encoding)
    told = _PRIVATE if shared is None else shared.headers(etag)
    wanted = request.headers.get("if-none-match", "").encode("latin-1")
    if request.method == "GET" and etag and etag in wanted:
        return _response(b"", 304, told)
    headers = [*told, (b"content-type", media_type.encode())]
    if encoding:
        work = caching.encoded
        body = await asyncio.to_thread(work, body, encoding) if len(body) > _LONG else work(body, encoding)
        headers.append((b"content-encoding", encoding))
    return _response(body, status, [*headers, (b"content-length", b"%d" % len(body))])


def _encoding(request: Request, body: bytes) -> bytes:
    """Not for what a cookie opened: the length would tell of its secrets whoever can make a browser ask, and listen."""
    if len(body) <= caching.COMPRESSED or session_cookie(request) is not None:
        return b""
    return caching.encoding(request.headers.get("accept-encoding", "").encode("latin-1"))


def _response(body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> Response:
    response = Response(body, status)
    response.raw_headers = headers.copy()
    return response


def _media_type(request: Request) -> str:
    accepted = request.headers.get("accept", "")
    return _GRAPHQL if _GRAPHQL in accepted else _JSON


def _refusal(status: int, message: str, code: str) -> Response:
    log.warning("request.refused", status=status, code=code, reason=message)
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    text = orjson.dumps(body)
    told = [*_PRIVATE, (b"content-type", _JSON.encode()), (b"content-length", b"%d" % len(text))]
    return _response(text, status, told)


def _place(error: dict[str, Any]) -> list[str]:
    """Errors stand in the order of their places: that of their happening would tell how long things took."""
    return [f"{part:09}" if isinstance(part, int) else part for part in error.get("path", ())]
