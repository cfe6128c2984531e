"""Caches before this server are told, by jobs, which of the answers that they keep have become wrong (cms.purge).

The log says what is to be purged, and a row how far it was: whatever fails is made up for by the next success, many
events in one request. Everything is purged twice, the second time when no answer can be on its way any more that was
made before. A second of a cache that cannot be reached costs readers a second of old news; /health says how many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httpcore
import orjson
import structlog
from tortoise import connections

from cms import jobs, purge
from cms.models import Event
from cms.paths import MAX_SLUG
from cms.settings import settings

FASTLY, CLOUDFLARE = "https://api.fastly.com", "https://api.cloudflare.com"
# A query may take ten seconds, and another process may hear of an event two seconds late.
AGAIN = timedelta(seconds=12)
# Of more events, or more keys, everything is purged: every answer bears this key.
EVERYTHING = "site"
MOST_EVENTS, MOST_KEYS = 500, 2_000
SECONDS = 15.0

log = structlog.get_logger()
_one_at_a_time = asyncio.Lock()


class Unpurged(Exception):
    """A cache did not take it."""


class _Request(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


async def owe() -> None:
    """Have purged what has happened since the last time, if anything has."""
    if settings().purge_urls and await _behind():
        await jobs.enqueue(jobs.PURGE, once=jobs.PURGE)


async def purge_due(payload: Mapping[str, Any]) -> None:
    """The job. Raises Unpurged; then everything is as it was."""
    if not settings().purge_urls:
        return
    if "after" in payload:  # for the second time
        await _purge(await _events(payload["after"], payload["to"]))
        return
    async with _one_at_a_time:
        while events := await _events(after := await _place()):
            await _purge(events)
            to = events[-1].place
            await _execute("update cache_purge set place = greatest(place, $1)", to)
            await jobs.enqueue(jobs.PURGE, {"after": after, "to": to}, after=AGAIN)


async def seconds_behind() -> float:
    """How long the oldest event waits to be purged everywhere; 0 where none does, or no cache is known."""
    if not settings().purge_urls:
        return 0
    rows = await _execute(
        "select coalesce(extract(epoch from now() - min(at)), 0)::float8 from event "
        "where place > (select place from cache_purge)"
    )
    return max(0.0, float(rows[0][0]))


async def _behind() -> bool:
    rows = await _execute("select exists (select from event where place > (select place from cache_purge))")
    return bool(rows[0][0])


async def _place() -> int:
    return int((await _execute("select place from cache_purge"))[0][0])


async def _events(after: int, to: int | None = None) -> list[Event]:
    """Public events in their order; of very many only the last, which then stands for all."""
    found = Event.filter(place__gt=after).order_by("-place").limit(MOST_EVENTS + 1)
    return (await (found if to is None else found.filter(place__lte=to)))[::-1]


async def _purge(events: Sequence[Event]) -> None:
    keys = {purge.sent(key) for event in events for key in purge.keys(event) if len(key) <= MAX_SLUG + len("slug:")}
    if len(events) > MOST_EVENTS or len(keys) > MOST_KEYS:
        keys = {EVERYTHING}
    failed = [url for url in settings().purge_urls if not await _told(url, sorted(keys))]
    if failed:
        raise Unpurged(f"{len(failed)} of {len(settings().purge_urls)} caches")


async def _told(url: str, keys: Sequence[str]) -> bool:
    """Whether a cache took these keys. What its url holds is a secret."""
    kind = urlsplit(url).scheme
    try:
        async with httpcore.AsyncConnectionPool() as pool, asyncio.timeout(SECONDS):
            for request in _requests(url, keys):
                headers = [(b"Host", urlsplit(request.url).netloc.encode()), (b"User-Agent", b"Copydesk")]
                headers += [(name.encode(), value.encode()) for name, value in request.headers.items()]
                response = await pool.request(request.method, request.url, headers=headers, content=request.body)
                if not _is_done(kind, response):
                    log.warning("purge.refused", cache=kind, status=response.status, answer=response.content[:500])
                    return False
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, TimeoutError) as error:
        log.warning("purge.failed", cache=kind, error=type(error).__name__)
        return False
    return True


def _requests(url: str, keys: Sequence[str]) -> Iterator[_Request]:
    parts = urlsplit(url)
    token = unquote(parts.username or "")
    if parts.scheme == "fastly":  # www.fastly.com/documentation/reference/api/purging: bulk purge by surrogate key
        for some in _batches(keys, 256):
            headers = {"Fastly-Key": token, "Accept": "application/json", "Content-Type": "application/json"}
            body = orjson.dumps({"surrogate_keys": some})
            yield _Request("POST", f"{FASTLY}/service/{_id(parts.netloc)}/purge", headers, body)
    elif parts.scheme == "cloudflare":  # developers.cloudflare.com/api/resources/cache/methods/purge: by tags
        for some in _batches(keys, 100):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            body = orjson.dumps({"tags": some})
            yield _Request("POST", f"{CLOUDFLARE}/client/v4/zones/{_id(parts.netloc)}/purge_cache", headers, body)
    else:  # docs/varnish.vcl, with vmod_xkey
        for some in _batches(keys, 100):
            yield _Request("PURGE", f"http://{parts.netloc}/", {"xkey": " ".join(some)})


def _id(netloc: str) -> str:
    """Of a service or zone, as it was written: a host's name would be in small letters."""
    return netloc.rpartition("@")[2]


def _is_done(kind: str, response: httpcore.Response) -> bool:
    if not 200 <= response.status < 300:
        return False
    if kind != "cloudflare":
        return True
    try:
        return bool(orjson.loads(response.content)["success"])
    except (ValueError, KeyError, TypeError):
        return False


def _batches(keys: Iterable[str], most: int, most_bytes: int = 4_000) -> Iterator[list[str]]:
    """So many that a request, or one of its headers, is not too long for anybody."""
    batch: list[str] = []
    size = 0
    for key in keys:
        if batch and (len(batch) == most or size + len(key) > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += len(key) + 1
    if batch:
        yield batch


async def _execute(sql: str, *values: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(values)))[1])
