"""GET /feeds/…, /sitemap.xml and its parts, /robots.txt, /ninjs/ID.json: what machines read of the site.

Read as the public reads, whoever asks. Nothing of an answer comes from the request but its path. It may be kept and has
to be asked for again, which costs a 304 where nothing has changed: what is taken from readers is gone from here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import wraps
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from cms import clock, database, feeds, ids
from cms.feeds.channels import FORMATS, feed_url
from cms.feeds.stories import http_date
from cms.routes import Redirect

_PRINT: dict[str, Callable[[feeds.Channel], bytes]] = {
    "rss.xml": feeds.rss,
    "atom.xml": feeds.atom,
    "feed.json": feeds.json_feed,
}
_XML = "application/xml"
# A change within the last seconds may have a twin of the same second that is not committed yet.
_SETTLED = timedelta(seconds=5)

_Endpoint = Callable[[Request], Awaitable[Response]]
_Found = tuple[bytes, str]


def _answering(find: Callable[[Request], Awaitable[_Found | Redirect | None]]) -> _Endpoint:
    """What was found as an answer, to a conditional request too (RFC 9110, 13)."""

    @wraps(find)
    async def answer(request: Request) -> Response:
        with database.reading():
            changed = await feeds.changed_at()
            found = await find(request)
        if found is None:
            return PlainTextResponse("There is nothing here.", 404, headers={"Cache-Control": "no-cache"})
        if isinstance(found, Redirect):
            return RedirectResponse(found.location, 301, headers={"Cache-Control": "no-cache"})
        content, kind = found
        headers = _headers(content, changed)
        if _has_it(request, headers):
            return Response(status_code=304, headers=headers)
        charset = "" if kind.endswith("json") else "; charset=utf-8"
        return Response(content, headers=headers | {"Content-Type": kind + charset})

    return answer


def _headers(content: bytes, changed: datetime | None) -> dict[str, str]:
    headers = {
        "Cache-Control": "public, no-cache",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": f'"{sha256(content).hexdigest()[:32]}"',
    }
    if changed is not None and clock.now() - changed > _SETTLED:
        headers["Last-Modified"] = http_date(changed)
    return headers


def _has_it(request: Request, headers: dict[str, str]) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        return "*" in tags or headers["ETag"] in tags
    since, changed = request.headers.get("if-modified-since"), headers.get("Last-Modified")
    if since is None or changed is None:
        return False
    try:
        return parsedate_to_datetime(since) >= parsedate_to_datetime(changed)
    except (TypeError, ValueError):  # no date, or one without a zone
        return False


@_answering
async def feed(request: Request) -> _Found | Redirect | None:
    path, _, format = f"/{request.path_params['path']}".rpartition("/")
    if format not in FORMATS:
        return None
    found = await feeds.channel(path)
    if isinstance(found, Redirect):
        return Redirect(feed_url(found.location, format))
    return None if found is None else (_PRINT[format](found), FORMATS[format])


@_answering
async def sitemap(request: Request) -> _Found | None:
    return await feeds.sitemap(), _XML


@_answering
async def sitemap_part(request: Request) -> _Found | None:
    name, _, number = request.path_params["name"].partition("-")
    content = None
    if name == "stories" and number.isascii() and number.isdigit() and len(number) < 7:
        content = await feeds.stories_sitemap(int(number))
    elif not number and name in ("news", "terms"):
        content = await (feeds.news_sitemap() if name == "news" else feeds.terms_sitemap())
    return None if content is None else (content, _XML)


@_answering
async def robots(request: Request) -> _Found | None:
    return feeds.robots(), "text/plain"


@_answering
async def ninjs(request: Request) -> _Found | None:
    id = ids.decode_as("Article", request.path_params["id"])
    content = await feeds.ninjs(id) if id is not None else None
    return None if content is None else (content, "application/json")


ROUTES = [
    Route("/feeds/{path:path}", feed),
    Route("/sitemap.xml", sitemap),
    Route("/sitemap/{name}.xml", sitemap_part),
    Route("/robots.txt", robots),
    Route("/ninjs/{id}.json", ninjs),
]
