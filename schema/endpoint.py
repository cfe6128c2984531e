"""POST and GET /graphql, by the GraphQL-over-HTTP specification (https://graphql.github.io/graphql-over-http/draft/)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cms.errors import CMSError, RateLimited, Unauthenticated
from cms.permissions import PUBLIC, Actor
from schema import sse
from schema.context import Context
from schema.documents import Refused
from schema.errors import TIMEOUT, TOO_LARGE, UNAVAILABLE, BadRequest, formatted
from schema.execution import HungUp, Prepared, may_introspect, planned, prepared, run, while_waiting
from schema.plan import Unplanned
from schema.question import Question, question
from schema.viewer import viewer

# What a request may weigh, in bytes: a reader's query; what somebody who is known writes, a whole story in it.
MAX_PUBLIC_BODY = 64 * 1024
MAX_BODY = 8 * 1024 * 1024
# How long the body may take to arrive.
BODY_SECONDS = 30

_JSON = "application/json"
_GRAPHQL = "application/graphql-response+json"
_PRIVATE = {
    "Cache-Control": "private, no-store",
    "Vary": "Authorization, Cookie, Accept",
    "X-Robots-Tag": "noindex",
}

log = structlog.get_logger()


async def graphql(request: Request) -> Response:
    try:
        actor = await viewer(request)
        params = await _params(request, MAX_PUBLIC_BODY if actor == PUBLIC else MAX_BODY)
        return await _answer(request, actor, question(params, actor))
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


async def _answer(request: Request, actor: Actor, asked: Question) -> Response:
    try:
        ask = await prepared(actor, *asked)
    except Refused as refused:
        return _result(request, actor, {}, refused.errors)
    except CMSError as error:
        return _result(request, actor, {}, [GraphQLError(error.message, original_error=error)])
    _check_method(request, ask)
    if ask.operation.kind is OperationType.SUBSCRIPTION:
        try:
            return await sse.stream(request, ask, asked.text)
        except Refused as refused:
            return _result(request, actor, {}, refused.errors)
    work = _result_of(ask, asked.text)
    reads = ask.operation.kind is OperationType.QUERY
    data, errors = await (while_waiting(request.receive, work) if reads else work)
    response = _result(request, actor, {"data": data}, errors)
    response.headers["X-Query-Cost"] = str(ask.cost)
    return response


async def _result_of(ask: Prepared, text: str) -> tuple[Any, list[GraphQLError]]:
    try:
        data, _ = await planned(ask)
        return data, []
    except Unplanned:
        result = await run(ask, Context(actor=ask.actor), text)
        return result.data, result.errors or []


def _check_method(request: Request, ask: Prepared) -> None:
    if ask.operation.kind is OperationType.MUTATION and request.method != "POST":
        raise BadRequest(405, "Send queries by GET or POST, mutations by POST.")
    if ask.operation.kind is OperationType.SUBSCRIPTION and not sse.is_wanted(request):
        raise BadRequest(406, "Send subscriptions over a WebSocket, or with “Accept: text/event-stream”.")


def _result(request: Request, actor: Actor, data: dict[str, Any], given: list[GraphQLError]) -> Response:
    errors = sorted((formatted(error, suggestions=may_introspect(actor)) for error in given), key=_place)
    answer = data
    if errors:
        ran = data.get("data") is not None or any("path" in error for error in errors)
        answer = {"errors": errors, **(data if ran else {})}
    media_type = _media_type(request)
    status = 400 if media_type == _GRAPHQL and "data" not in answer else 200
    if any(error["extensions"]["code"] == UNAVAILABLE for error in errors):
        status = 503
    if sse.is_wanted(request) and "data" in answer:
        return sse.once(orjson.dumps(answer))
    return Response(orjson.dumps(answer), status, headers=_PRIVATE, media_type=media_type)


def _media_type(request: Request) -> str:
    accepted = request.headers.get("accept", "")
    return _GRAPHQL if _GRAPHQL in accepted else _JSON


def _refusal(status: int, message: str, code: str) -> Response:
    log.warning("request.refused", status=status, code=code, reason=message)
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return Response(orjson.dumps(body), status, headers=_PRIVATE, media_type=_JSON)


def _place(error: dict[str, Any]) -> list[str]:
    """Errors stand in the order of their places: that of their happening would tell how long things took."""
    return [f"{part:09}" if isinstance(part, int) else part for part in error.get("path", ())]
