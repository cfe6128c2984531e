"""Caches before the server are told what has changed, in their own words, until they have taken it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from cms import articles, caches, clock, jobs, purge, worker
from cms.caches import Unpurged
from cms.models import ArticleStatus, Event, Head
from cms.permissions import SYSTEM
from cms.settings import Settings
from tests.clients import client
from tests.factories import execute, make_article, publish
from tests.test_jobs import until

pytestmark = pytest.mark.usefixtures("db")

FASTLY, CLOUDFLARE = "fastly://SECRET-Token@Service1", "cloudflare://SECRET_Token@Zone1"
DONE = b'{"success": true, "errors": []}'


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Cache:
    """A server that notes what it is told, and answers as a test says."""

    port: int = 0
    status: int = 200
    answer: bytes = DONE
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                method, path, _ = first.split()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.asked.append(Asked(method, path, headers, body))
                head = f"HTTP/1.1 {self.status} Any\r\nContent-Length: {len(self.answer)}\r\n\r\n"
                writer.write(head.encode() + self.answer)
                await writer.drain()
        writer.close()

    def keys(self) -> list[set[str]]:
        """Of each request so far, and forget them."""
        found = []
        for each in self.asked:
            body = orjson.loads(each.body) if each.body else {}
            listed = body.get("surrogate_keys") or body.get("tags") or each.headers.get("xkey", "").split()
            found.append(set(listed))
        self.asked.clear()
        return found


@pytest.fixture
async def cache(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cache]:
    cache = Cache()
    async with await asyncio.start_server(cache.serve, "127.0.0.1", 0, limit=2**20) as server:
        cache.port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(caches, "FASTLY", f"http://{cache.host}")
        monkeypatch.setattr(caches, "CLOUDFLARE", f"http://{cache.host}")
        yield cache
        server.close()


@pytest.fixture
def varnish(cache: Cache, configured: Callable[..., None]) -> Cache:
    configured(CMS_PURGE_URLS=f"varnish://{cache.host}")
    return cache


async def change(story: Head) -> None:
    await articles.update(SYSTEM, story.article_id, {"dek": f"{story.article_id} at {clock.now()}"})
    await publish(story.article_id)


async def last_keys() -> set[str]:
    event = await Event.filter(place__isnull=False).order_by("-place").first()
    assert event is not None
    return {purge.sent(key) for key in purge.keys(event)}


async def owed() -> list[dict[str, Any]]:
    rows = await execute("select payload from pgqueuer where entrypoint = 'purge' order by id")
    return [orjson.loads(row[0]) for row in rows]


# ---------------------------------------------------------------- in their own words


async def test_fastly_is_told_as_its_api_has_it(cache: Cache, configured: Callable[..., None]) -> None:
    configured(CMS_PURGE_URLS=FASTLY)
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await caches.purge_due({})
    (asked,) = cache.asked
    assert (asked.method, asked.path) == ("POST", "/service/Service1/purge")
    assert asked.headers["fastly-key"] == "SECRET-Token"
    assert asked.headers["content-type"] == "application/json"
    assert "fastly-soft-purge" not in asked.headers  # what was taken from readers is not served while it is stale
    assert orjson.loads(asked.body) == {"surrogate_keys": sorted(await last_keys())}


async def test_cloudflare_is_told_as_its_api_has_it(cache: Cache, configured: Callable[..., None]) -> None:
    configured(CMS_PURGE_URLS=CLOUDFLARE)
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await caches.purge_due({})
    (asked,) = cache.asked
    assert (asked.method, asked.path) == ("POST", "/client/v4/zones/Zone1/purge_cache")
    assert asked.headers["authorization"] == "Bearer SECRET_Token"
    assert orjson.loads(asked.body) == {"tags": sorted(await last_keys())}


async def test_varnish_is_told_as_our_vcl_has_it(varnish: Cache) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await caches.purge_due({})
    (asked,) = varnish.asked
    assert (asked.method, asked.path, asked.headers["host"]) == ("PURGE", "/", varnish.host)
    assert asked.headers["xkey"].split() == sorted(await last_keys())


@pytest.mark.parametrize(("url", "most"), [(FASTLY, 256), (CLOUDFLARE, 100), ("varnish://a", 100)])
def test_many_keys_go_in_requests_that_are_not_too_long(url: str, most: int) -> None:
    keys = [f"k{n}" for n in range(600)]
    sizes = [len(each.headers.get("xkey", "").split()) or _listed(each.body) for each in caches._requests(url, keys)]
    assert sizes == [most] * (600 // most) + ([600 % most] if 600 % most else [])
    long = [f"slug:{n}{'%D0%B6' * 200}" for n in range(7)]
    for each in caches._requests(url, long):
        assert len(each.headers.get("xkey", "")) < 8_000 and len(each.body) < 8_000


def _listed(body: bytes) -> int:
    (keys,) = orjson.loads(body).values()
    return len(keys)


@pytest.mark.parametrize(
    "given", ["http://cache", "varnish://", "varnish://a/b", "fastly://service", "fastly://t@s/x", "cloudflare://a b@c"]
)
def test_an_address_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("CMS_PURGE_URLS", given)
    with pytest.raises(ValueError, match="purge_urls"):
        Settings()


async def test_a_key_is_sent_as_answers_bear_it(varnish: Cache, configured: Callable[..., None]) -> None:
    configured(CMS_PURGE_URLS=f"varnish://{varnish.host}", CMS_SHARED_CACHE_SECONDS="60")
    question = {"query": "query($s: String) { article(slug: $s) { headline } }", "variables": {"s": "one"}}
    async with client() as reader:
        missed = await reader.post("/graphql", json=question)
        await make_article(headline="One", status=ArticleStatus.PUBLISHED)
        await caches.purge_due({})
        found = await reader.post("/graphql", json=question)
        (sent,) = varnish.keys()
        assert "slug:one" in sent & set(missed.headers["surrogate-key"].split())
        odd = await reader.post("/graphql", json={**question, "variables": {"s": "größe, 1 km"}})
    assert found.json()["data"]["article"]["headline"] == "One"
    assert purge.sent("slug:größe, 1 km") == "slug:gr%C3%B6%C3%9Fe%2C%201%20km"
    assert purge.sent("slug:größe, 1 km") in odd.headers["surrogate-key"].split()


# ---------------------------------------------------------------- until they have taken it


async def test_without_a_cache_nothing_is_owed() -> None:
    await make_article(status=ArticleStatus.PUBLISHED)
    await caches.owe()
    assert await owed() == []
    assert await caches.seconds_behind() == 0


async def test_what_has_happened_is_purged_at_once_and_once_more_later(varnish: Cache) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    first = await last_keys()
    await change(story)
    await caches.owe()
    await caches.owe()
    assert await owed() == [{}]
    await caches.purge_due({})
    await caches.purge_due({})
    assert varnish.keys() == [first | await last_keys()]
    _, again = await owed()
    (seconds,) = (await execute("select extract(epoch from execute_after - created) from pgqueuer order by id desc"))[0]
    assert seconds == pytest.approx(caches.AGAIN.total_seconds(), abs=1)
    assert again == {"after": 0, "to": 2}
    await caches.purge_due(again)
    assert varnish.keys() == [first | await last_keys()]
    await caches.owe()
    assert len(await owed()) == 2  # nothing new


async def test_drafts_purge_nothing(varnish: Cache) -> None:
    await make_article(headline="A draft")
    await caches.owe()
    assert await owed() == []


@pytest.mark.parametrize(
    ("url", "status", "answer"),
    [
        (FASTLY, 403, b"SECRET"),
        (FASTLY, 503, b""),
        (CLOUDFLARE, 429, DONE),
        (CLOUDFLARE, 200, b'{"success": false, "errors": [{"code": 1}]}'),
        (CLOUDFLARE, 200, b"<html>"),
        (CLOUDFLARE, 200, b"[]"),
        ("varnish://", 403, b""),
    ],
)
async def test_what_a_cache_does_not_take_is_purged_later_with_what_came_since(
    cache: Cache, configured: Callable[..., None], url: str, status: int, answer: bytes
) -> None:
    configured(CMS_PURGE_URLS=url if "@" in url else url + cache.host)
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    first = await last_keys()
    cache.status, cache.answer = status, answer
    with capture_logs() as logs, pytest.raises(Unpurged):
        await caches.purge_due({})
    assert "SECRET-" not in str(logs) and "SECRET_" not in str(logs)
    assert [each["event"] for each in logs] == ["purge.refused"]
    assert await caches._behind()
    await change(story)
    cache.status, cache.answer = 200, DONE
    cache.asked.clear()
    await caches.purge_due({})
    assert cache.keys() == [first | await last_keys()]
    assert not await caches._behind()


async def test_one_cache_that_cannot_be_reached_does_not_keep_others_from_being_told(
    cache: Cache, configured: Callable[..., None], unused_port: int
) -> None:
    configured(CMS_PURGE_URLS=f"varnish://127.0.0.1:{unused_port}, varnish://{cache.host}")
    await make_article(status=ArticleStatus.PUBLISHED)
    with pytest.raises(Unpurged, match="1 of 2"):
        await caches.purge_due({})
    assert cache.keys() == [await last_keys()]
    assert await caches._behind()


async def test_after_very_much_everything_is_purged(varnish: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    for _ in range(2):
        await change(story)
    for name, most in (("MOST_EVENTS", 2), ("MOST_KEYS", 3)):
        await execute("update cache_purge set place = 0")
        monkeypatch.setattr(caches, name, most)
        await caches.purge_due({})
        assert varnish.keys() == [{"site"}]
        assert not await caches._behind()
        monkeypatch.undo()
        monkeypatch.setattr(caches, "_one_at_a_time", asyncio.Lock())


async def test_everything_bears_the_key_that_purges_everything(configured: Callable[..., None]) -> None:
    configured(CMS_SHARED_CACHE_SECONDS="60")
    documents = ("{ site { name } }", "{ articles { totalCount } }", '{ search(query: "x") { totalCount } }')
    async with client() as reader:
        for document in documents:
            response = await reader.post("/graphql", json={"query": document})
            assert caches.EVERYTHING in response.headers["surrogate-key"].split(), document


async def test_an_answer_of_very_many_things_bears_one_key_that_every_change_purges(
    configured: Callable[..., None],
) -> None:
    configured(CMS_SHARED_CACHE_SECONDS="60")
    for number in range(100):
        await make_article(headline=f"Story {number}", status=ArticleStatus.PUBLISHED)
    async with client() as reader:
        response = await reader.post("/graphql", json={"query": "{ articles(first: 100) { nodes { headline } } }"})
    assert response.headers["surrogate-key"] == "site public"
    assert "public" in await last_keys()


async def test_a_worker_tells_tries_again_holds_and_health_says_so(
    varnish: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(jobs.POLICIES, jobs.PURGE, jobs.Policy(tries=3, delay=timedelta(milliseconds=1)))
    varnish.status = 503
    then = clock.now() - timedelta(hours=1)
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: then)
        await make_article(status=ArticleStatus.PUBLISHED)
    await caches.owe()
    working = asyncio.create_task(jobs.work(worker.HANDLERS))
    try:
        await until(jobs.held)
        assert len(varnish.asked) == 3
        async with client() as anybody:
            told = (await anybody.get("/health")).json()
        assert (told["status"], told["heldJobs"]) == ("ok", 1)
        assert 3600 <= told["unpurgedSeconds"] < 3700
        varnish.status = 200
        varnish.asked.clear()
        await caches.owe()  # as every worker does twice a second

        async def caught_up() -> bool:
            return not await caches._behind()

        await until(caught_up)
        assert varnish.keys() == [await last_keys()]
        async with client() as anybody:
            assert (await anybody.get("/health")).json()["unpurgedSeconds"] == 0
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
