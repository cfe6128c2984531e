"""Who is asking: how the credential of a request becomes an Actor, and when a browser's cookie counts.

A cookie is sent along whoever made the browser ask. So a request that may write counts only if a page of ours made it:
it bears a header that no form can set, and names as its origin the address that this server is known by.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from cms import accounts
from cms.errors import Unauthenticated
from cms.permissions import PUBLIC, Actor
from cms.settings import settings
from schema.errors import BadRequest

HEADER, HEADER_VALUE = "X-Requested-With", "copydesk"
_FORBIDDEN = "FORBIDDEN"


async def viewer(request: HTTPConnection) -> Actor:
    """The actor of a request. Raises Unauthenticated for a credential that is not valid, BadRequest for two of them
    and for a cookie that another site may have sent."""
    given = request.headers.getlist("authorization")
    cookie = session_cookie(request)
    if len(given) > 1:
        raise BadRequest(400, "Send one Authorization header.")
    if given and cookie is not None:
        raise BadRequest(400, "Send a token or a cookie, not both.")
    if cookie is not None:
        if isinstance(request, Request) and request.method != "GET":
            require_own_page(request)
        return await accounts.authenticate_session(cookie)
    return await bearer(given[0]) if given else PUBLIC


def is_secure() -> bool:
    """Whether browsers reach us by https. Without, cookies are for this machine alone."""
    return settings().base_url.startswith("https:")


def is_on_this_machine() -> bool:
    host = urlsplit(settings().base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def cookie_name(what: str) -> str:
    """With the prefix that makes browsers keep a cookie to this host, https and the whole of it."""
    return f"__Host-{what}" if is_secure() else what


def session_cookie(request: HTTPConnection) -> str | None:
    return request.cookies.get(cookie_name("copydesk"))


def require_own_page(request: Request, *, header: bool = True) -> None:
    """Raise BadRequest (403) unless a page of ours sent this. Without header, what says nothing of itself may pass."""
    headers = request.headers
    if header and headers.get(HEADER) != HEADER_VALUE:
        raise BadRequest(403, f"A request with a cookie needs the header “{HEADER}: {HEADER_VALUE}”.", _FORBIDDEN)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    says_nothing = origin is None and site is None
    if (
        (says_nothing and header)
        or site not in (None, "same-origin")
        or not (origin is None or origin in _own(request))
    ):
        raise BadRequest(403, f"This request does not come from a page of {settings().base_url}.", _FORBIDDEN)


def is_own_origin(request: HTTPConnection, origin: str) -> bool:
    return origin in _own(request)


def _own(request: HTTPConnection) -> set[str]:
    """The origins of our own pages. Never taken from what the request says."""
    if settings().public_url is not None:
        url = urlsplit(settings().base_url)
        return {_origin(url.scheme, url.hostname or "", url.port)}
    port = (request.scope.get("server") or (None, None))[1]
    return {_origin("http", host, port) for host in ("localhost", "127.0.0.1", "::1")}


def _origin(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" + (f":{port}" if port not in (None, {"http": 80, "https": 443}.get(scheme)) else "")


async def bearer(header: str) -> Actor:
    """The actor of an Authorization header. Raises Unauthenticated."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("Send the token as “Authorization: Bearer TOKEN”.")
    return await accounts.authenticate(token.strip())
