"""POST and DELETE /session: signing in and out; POST /password-reset and POST /password: choosing a password by a link.

All take a JSON object and answer JSON, errors in the shape of GraphQL's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cms import accounts, ids
from cms.accounts import Visit
from cms.errors import CMSError, Forbidden, Invalid, RateLimited, Unauthenticated
from schema.errors import BadRequest
from schema.peers import peer
from schema.scalars import print_instant
from schema.viewer import cookie_name, is_on_this_machine, is_secure, require_own_page, session_cookie

MAX_BODY = 16 * 1024
_PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Cookie"}
_STATUS: dict[type[CMSError], int] = {Unauthenticated: 401, Forbidden: 403, RateLimited: 429}
# How long a browser is known as one in which somebody signed in, in seconds: as long as it is counted for.
_BROWSER_SECONDS = 180 * 24 * 3_600

_Endpoint = Callable[[Request], Awaitable[Response]]


def _answering(endpoint: _Endpoint) -> _Endpoint:
    """Refusals as answers."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except BadRequest as error:
            return _refusal(error.status, {"message": error.message, "extensions": {"code": error.code}})
        except CMSError as error:
            response = _refusal(_STATUS.get(type(error), 400), _described(error))
            if isinstance(error, RateLimited):
                response.headers["Retry-After"] = str(error.retry_after)
            return response

    return answer


@_answering
async def session(request: Request) -> Response:
    """POST {email, password} signs in; DELETE signs out."""
    if request.method == "DELETE":
        return await _sign_out(request)
    if not (is_secure() or is_on_this_machine()):
        raise BadRequest(403, "Signing in needs https: set CMS_PUBLIC_URL to the https:// address.", Forbidden.code)
    before = session_cookie(request)
    require_own_page(request, header=before is not None)
    given = await _texts(request, "email", "password")
    visit = Visit(
        peer=peer(request),
        user_agent="".join(filter(str.isprintable, request.headers.get("user-agent", ""))),
        browser=request.cookies.get(cookie_name("copydesk-browser")),
    )
    opened = await accounts.sign_in(given["email"], given["password"], visit)
    if before is not None:
        await accounts.sign_out(before)
    return _opened(opened)


@_answering
async def password_reset(request: Request) -> Response:
    """POST {email}: a letter with a link goes there, if somebody has that address. The answer never tells."""
    given = await _texts(request, "email")
    await accounts.ask_for_reset(given["email"], peer(request))
    return _json(202, {"message": "If somebody here has this address, a letter is on its way to it."})


@_answering
async def password(request: Request) -> Response:
    """POST {token, password}: the one that the link was for has this password from now on, and can sign in."""
    given = await _texts(request, "token", "password")
    await accounts.redeem(given["token"], given["password"])
    return Response(status_code=204, headers=_PRIVATE)


async def _sign_out(request: Request) -> Response:
    secret = session_cookie(request)
    if secret is not None:
        require_own_page(request)
        await accounts.sign_out(secret)
    response = Response(status_code=204, headers=_PRIVATE)
    response.delete_cookie(cookie_name("copydesk"), secure=is_secure(), httponly=True, samesite="strict")
    return response


def _opened(opened: accounts.Opened) -> Response:
    user = opened.user
    about = {"id": ids.encode("User", user.id), "name": user.name, "email": user.email, "role": user.role}
    response = _json(200, {"user": about, "expiresAt": print_instant(opened.session.expires_at)})
    # The session's cookie goes with the browser; the server decides how long it opens anything.
    for name, secret, seconds in (
        ("copydesk", opened.secret, None),
        ("copydesk-browser", opened.browser, _BROWSER_SECONDS),
    ):
        response.set_cookie(
            cookie_name(name), secret, max_age=seconds, path="/", secure=is_secure(), httponly=True, samesite="strict"
        )
    return response


async def _texts(request: Request, *names: str) -> dict[str, str]:
    """These members of the request's object, each a text and not empty."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest(415, "Send the request as application/json.")
    try:
        given = orjson.loads(await _body(request))
    except ValueError:
        raise BadRequest(400, "The body is not JSON.") from None
    for name in names:
        value = given.get(name) if isinstance(given, dict) else None
        if not isinstance(value, str) or not value:
            raise Invalid.field(name, "required", f"Send a JSON object with {name}, a text.")
    return {name: given[name] for name in names}


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise BadRequest(413, f"The body is too large: at most {MAX_BODY} bytes are taken.")
    except ClientDisconnect:
        raise BadRequest(400, "The request ended too early.") from None
    return body


def _described(error: CMSError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": error.code}
    if error.issues:
        extensions["issues"] = [{"field": list(i.field), "code": i.code, "message": i.message} for i in error.issues]
    return {"message": error.message, "extensions": extensions}


def _refusal(status: int, error: dict[str, Any]) -> Response:
    return _json(status, {"errors": [error]})


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), status, headers=_PRIVATE, media_type="application/json")
