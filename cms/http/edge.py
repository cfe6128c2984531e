"""What every request passes first and every answer last: heads that mean two things are refused, sites that may read
are told so, headers that browsers obey are set, and what failed inside is masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cms.settings import Settings
from schema.errors import BAD_REQUEST, UNAVAILABLE, masked

# Two of one of these would let us and a proxy before us read two different requests.
_ONCE = ("authorization", "content-length", "content-type", "cookie", "host", "origin", "transfer-encoding")
_HTML = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"
_OTHER = "default-src 'none'; frame-ancestors 'none'; sandbox"
_METHODS = b"GET, POST, PUT, DELETE"
_ASKED = b"authorization, content-type, x-requested-with"
_TOLD = b"etag, location, retry-after, x-query-cost"
_YEAR = 365 * 24 * 3600

log = structlog.get_logger()


class Edge:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._cors, self._always = cors(settings), always(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._dress(MutableHeaders(raw=message["headers"]), origin)
            await send(message)

        if refusal := _refusal(headers):
            log.warning("request.refused", status=400, code=BAD_REQUEST, reason=refusal)
            await _answer(dressed, 400, refusal, {"code": BAD_REQUEST})
        elif scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            await dressed({"type": "http.response.start", "status": 204, "headers": []})
            await dressed({"type": "http.response.body", "body": b""})
        else:
            try:
                await self._app(scope, receive, dressed)
            except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for the client
                message, extensions = masked(error, method=scope["method"], url=scope["path"])
                if started:
                    raise _CutOff from None  # the server closes the connection: the client has half an answer
                await _answer(dressed, 503 if extensions["code"] == UNAVAILABLE else 500, message, extensions)

    def _dress(self, headers: MutableHeaders, origin: str | None) -> None:
        headers.setdefault("Cache-Control", "private, no-store")
        for name, value in self._always.items():
            headers.setdefault(name, value)
        if not _is_data_for_all(headers):
            _dress_page(headers)
        headers.add_vary_header("Origin")
        if origin is not None:
            headers.raw.extend(self._cors(origin.encode("latin-1")))


def cors(settings: Settings) -> Callable[[bytes], list[tuple[bytes, bytes]]]:
    """The headers that let pages of an origin read an answer; none for sites that may not."""
    origins, credentials = frozenset(settings.cors_origins), settings.cors_credentials
    anybody = "*" in origins
    always = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _ASKED),
        (b"access-control-expose-headers", _TOLD),
        (b"access-control-max-age", b"600"),
        *([(b"access-control-allow-credentials", b"true")] if credentials else []),
    ]

    def headers(origin: bytes) -> list[tuple[bytes, bytes]]:
        if not anybody and origin.decode("latin-1") not in origins:
            return []
        return [(b"access-control-allow-origin", b"*" if anybody else origin), *always]

    return headers


def always(settings: Settings) -> dict[str, str]:
    """The headers that every answer bears."""
    found = {"X-Content-Type-Options": "nosniff"}
    if settings.base_url.startswith("https:"):
        found["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return found


def _is_data_for_all(headers: MutableHeaders) -> bool:
    """JSON that anybody may have: no browser makes a page of it, and nothing of it is worth guarding."""
    return headers["Cache-Control"].startswith("public") and "json" in headers.get("content-type", "json")


def _dress_page(headers: MutableHeaders) -> None:
    is_html = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Content-Security-Policy", _HTML if is_html else _OTHER)
    if is_html:
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")


class _CutOff(Exception):
    """An answer failed after it had begun. The log has said why."""


def _refusal(headers: Headers) -> str | None:
    names = Counter(name.decode("latin-1") for name, _ in headers.raw)
    for name in _ONCE:
        if names[name] > 1:
            return f"Send one {name.title()} header."
    if names["content-length"] and names["transfer-encoding"]:
        return "Send Content-Length or Transfer-Encoding, not both."
    return None


async def _answer(send: Send, status: int, message: str, extensions: dict[str, object]) -> None:
    body = orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
