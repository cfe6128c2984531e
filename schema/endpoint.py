"""POST and GET /graphql, by the GraphQL-over-HTTP specification (https://graphql.github.io/graphql-over-http/draft/)."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from cms.errors import Unauthenticated
from cms.permissions import PUBLIC, Actor
from schema import schema
from schema.context import Context
from schema.errors import BadRequest, formatted
from schema.viewer import viewer

# What a request may weigh, in bytes: a reader's query; what somebody who is known writes, a whole story in it.
MAX_PUBLIC_BODY = 64 * 1024
MAX_BODY = 8 * 1024 * 1024

_JSON = "application/json"
_GRAPHQL = "application/graphql-response+json"
_PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Authorization, Accept"}


async def graphql(request: Request) -> Response:
    try:
        actor = await viewer(request)
        params = await _params(request, MAX_BODY if actor != PUBLIC else MAX_PUBLIC_BODY)
        return await _answer(request, actor, params)
    except BadRequest as error:
        return _refusal(error.status, error.message, error.code)
    except Unauthenticated as error:
        response = _refusal(401, error.message, error.code)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response


async def _params(request: Request, limit: int) -> dict[str, Any]:
    if request.method == "GET":
        params: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in params:
                params[name] = _loads(params[name].encode(), f"The parameter {name}")
    else:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != _JSON:
            raise BadRequest(415, "Send the request as application/json.")
        params = _loads(await _body(request, limit), "The body")
    return _checked(params)


async def _body(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise BadRequest(413, f"The body is too large: at most {limit} bytes are taken.")
            chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest(400, "The request ended too early.") from None
    return b"".join(chunks)


def _loads(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        raise BadRequest(400, f"{what} is not JSON.") from None


def _checked(params: Any) -> dict[str, Any]:
    """The parameters of a well-formed request, or BadRequest."""
    if not isinstance(params, dict):
        raise BadRequest(400, "The body must be a JSON object; several requests at once are not taken.")
    query = params.get("query")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest(400, "Give the document as query, a text.")
    for name, type_, noun in (
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
        ("operationName", str, "a text"),
    ):
        if params.get(name) is not None and not isinstance(params[name], type_):
            raise BadRequest(400, f"{name} must be {noun}.")
    if _has_nul(params):
        raise BadRequest(400, "The character U+0000 is not taken anywhere.")
    return params


def _has_nul(params: dict[str, Any]) -> bool:
    """PostgreSQL cannot hold it: refused once, here, in variables and in the literals of a document."""
    query = params["query"]
    return b"\\u0000" in orjson.dumps(params.get("variables")) or "\\u0000" in query or "\\u{0}" in query


async def _answer(request: Request, actor: Actor, params: dict[str, Any]) -> Response:
    media_type = _media_type(request)
    context = Context(actor=actor)
    allowed = [OperationType.QUERY] if request.method == "GET" else [OperationType.QUERY, OperationType.MUTATION]
    try:
        result = await schema.execute(
            params["query"],
            variable_values=params.get("variables"),
            operation_name=params.get("operationName"),
            context_value=context,
            allowed_operation_types=allowed,
        )
    except InvalidOperationTypeError:
        raise BadRequest(405, "Send queries by GET or POST, mutations by POST, subscriptions by neither.") from None
    except CannotGetOperationTypeError:
        raise BadRequest(400, "The document has no operation of that name, or several and none was named.") from None
    errors = [formatted(error) for error in result.errors or ()]
    answer: dict[str, Any] = {"data": result.data} if result.data is not None or not errors else {}
    if errors:
        answer = {"errors": errors, **(answer or ({"data": None} if _ran(errors) else {}))}
    status = 400 if media_type == _GRAPHQL and "data" not in answer else 200
    return Response(orjson.dumps(answer), status, headers=_PRIVATE, media_type=media_type)


def _ran(errors: list[dict[str, Any]]) -> bool:
    """Whether the operation was executed at all: then data stands in the answer, be it null."""
    return any("path" in error for error in errors)


def _media_type(request: Request) -> str:
    accepted = request.headers.get("accept", "")
    return _GRAPHQL if _GRAPHQL in accepted else _JSON


def _refusal(status: int, message: str, code: str) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return Response(orjson.dumps(body), status, headers=_PRIVATE, media_type=_JSON)
