"""Behind real caches that many share: Varnish, purged by key, and nginx, by time, as docs/ has them set up."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from cms import accounts, articles, workflow
from cms.models import ArticleStatus, Head, Role, TokenScope
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.conftest import Served
from tests.factories import make_article, make_token, make_user, publish
from tests.ports import free_port

pytestmark = [pytest.mark.extended, pytest.mark.usefixtures("db")]

DOCS = Path(__file__).parents[1] / "docs"
STORY = "query Story($slug: String!) { article(slug: $slug) { headline body { text } editorial { status } } }"
SEARCH = 'query { search(query: "harbour") { totalCount } }'
EMAIL, PASSWORD = "mara@post.example", "correct horse battery"
ORIGINS = ("https://news.example", "https://other.example", "https://evil.example")
SERVED = {"CMS_CORS_ORIGINS": ",".join(ORIGINS[:2])}


def asked(document: str = STORY, **variables: Any) -> str:
    return "/graphql?" + urlencode({"query": document, "variables": json.dumps(variables, separators=(",", ":"))})


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    """A server that listens on this port."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def varnish(directory: Path, backend: str, port: int) -> Iterator[str]:
    vcl = (DOCS / "varnish.vcl").read_text()
    (directory / "cache.vcl").write_text(re.sub(r'\.port = "8000"', f'.port = "{backend.rpartition(":")[2]}"', vcl))
    directory.chmod(0o755)
    command = ["varnishd", "-F", "-j", "none", "-n", str(directory / "varnish"), "-a", f"127.0.0.1:{port}"]
    with running([*command, "-s", "malloc,64m", "-f", str(directory / "cache.vcl")], port) as url:
        yield url


@contextmanager
def nginx(directory: Path, backend: str, port: int) -> Iterator[str]:
    text = (DOCS / "nginx.conf").read_text()
    for old, new in (
        ("/var/cache/nginx/copydesk", str(directory / "cache")),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("http://127.0.0.1:8000", backend),
    ):
        assert old in text
        text = text.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{each}_temp_path {directory}/{each};" for each in kinds)
    user = "user root;" if directory.owner() == "root" else ""
    http = f"http {{ access_log off; {own}\n{text}}}"
    (directory / "nginx.conf").write_text(
        f"daemon off; {user} pid {directory}/pid; error_log stderr; events {{}} {http}"
    )
    with running(["nginx", "-c", str(directory / "nginx.conf"), "-p", str(directory)], port) as url:
        yield url


@dataclass
class Behind:
    """A cache, the server behind it, and clients of both."""

    cache: httpx.AsyncClient
    server: httpx.AsyncClient

    async def get(self, url: str, **headers: str) -> httpx.Response:
        response = await self.cache.get(url, headers=headers)
        assert response.status_code == 200, response.text
        return response

    async def until(self, url: str, words: str) -> None:
        """Ask until the answer has these words."""
        deadline = time.monotonic() + 30
        while words not in (await self.get(url)).text:
            assert time.monotonic() < deadline, words
            await asyncio.sleep(0.02)

    async def kept(self, url: str, **headers: str) -> httpx.Response:
        """The answer as the cache gives it by itself; what was published a moment ago is purged once more."""
        deadline = time.monotonic() + 30
        while not is_from_the_cache(response := await self.get(url, **headers)):
            assert time.monotonic() < deadline
        return response


@asynccontextmanager
async def clients(cache: str, server: str) -> AsyncIterator[Behind]:
    async with httpx.AsyncClient(base_url=cache) as first, httpx.AsyncClient(base_url=server) as second:
        yield Behind(first, second)


@pytest.fixture(params=["varnish", "nginx"])
async def behind(
    request: pytest.FixtureRequest, serve: Callable[..., Served], database_url: str, tmp_path: Path
) -> AsyncIterator[Behind]:
    """Answers live for ten minutes; Varnish is told what has changed."""
    port = free_port()
    told = {"CMS_PURGE_URLS": f"varnish://127.0.0.1:{port}"} if request.param == "varnish" else {}
    served = serve(CMS_DATABASE_URL=database_url, CMS_SHARED_CACHE_SECONDS="600", **SERVED, **told)
    start = {"varnish": varnish, "nginx": nginx}[request.param]
    with start(tmp_path, served.url, port) as url:
        async with clients(url, served.url) as found:
            yield found


async def rename(story: Head, headline: str) -> None:
    await articles.update(SYSTEM, story.article_id, {"headline": headline})
    await publish(story.article_id)


async def test_what_anybody_may_see_is_shared(behind: Behind) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    first = await behind.get(asked(slug="one"))
    assert first.json()["data"]["article"]["headline"] == "One"
    await behind.get(asked(SEARCH))
    await articles.update(SYSTEM, story.article_id, {"headline": "A draft"})  # which purges nothing
    for _ in range(5):
        again = await behind.kept(asked(slug="one"))
        assert again.content == first.content
    await behind.kept(asked(SEARCH))
    for name in ("surrogate-key", "cache-tag", "xkey"):
        assert name not in first.headers and name not in again.headers
    etag = again.headers["etag"]
    unchanged = await behind.cache.get(asked(slug="one"), headers={"if-none-match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def is_from_the_cache(response: httpx.Response) -> bool:
    """Varnish names the request too whose answer it kept."""
    return len(response.headers.get("x-varnish", "").split()) == 2 or response.headers.get("x-cache") == "HIT"


async def test_L17_no_shared_cache_mixes_viewers_origins_or_encodings(behind: Behind) -> None:
    story = await make_article(
        headline="One", body={"html": "<p>" + "Many words. " * 300}, status=ArticleStatus.PUBLISHED
    )
    await articles.update(SYSTEM, story.article_id, {"headline": "A secret draft"})
    editor = await make_token(user=await make_user(Role.EDITOR))
    reader = await make_token(TokenScope.READ)
    await accounts.create_user(SYSTEM, email=EMAIL, name="Mara", role=Role.EDITOR, password=PASSWORD)
    async with httpx.AsyncClient(base_url=behind.server.base_url) as browser:
        signed_in = await browser.post("/session", json={"email": EMAIL, "password": PASSWORD})
    cookie = f"copydesk={signed_in.cookies['copydesk']}"
    plain = asked(slug="one")
    draft = asked(STORY.replace("slug: $slug", "slug: $slug, perspective: DRAFT"), slug="one")
    viewers: dict[str, dict[str, str]] = {
        "public": {},
        "reader": {"authorization": f"Bearer {reader}"},
        "editor": {"authorization": f"Bearer {editor}"},
        "cookie": {"cookie": cookie},
    }
    chance = random.Random(17)
    counts = dict.fromkeys(viewers, 0)
    for _ in range(300):
        name = chance.choice(list(viewers))
        headers = dict(viewers[name])
        if chance.random() < 0.5:
            headers["origin"] = chance.choice(ORIGINS)
        headers["accept-encoding"] = chance.choice(["identity", "gzip", "br", "br, gzip"])
        headers["accept"] = chance.choice(["*/*", "application/json", "application/graphql-response+json"])
        url = draft if name in ("editor", "cookie") and chance.random() < 0.3 else plain
        through, direct = (
            await behind.cache.get(url, headers=headers),
            await behind.server.get(url, headers=headers),
        )
        assert (through.status_code, through.json()) == (direct.status_code, direct.json()), (name, headers)
        kept = through.json()["data"]["article"]
        expected = "A secret draft" if url == draft else "One"
        staff = name in ("editor", "cookie")
        assert (kept["headline"], kept["editorial"] is not None) == (expected, staff), (name, headers)
        for header in ("access-control-allow-origin", "content-type"):
            assert through.headers.get(header) == direct.headers.get(header), (header, headers)
        assert through.headers.get("content-encoding", "") in headers["accept-encoding"]
        if name != "public":
            assert through.headers["cache-control"] == "private, no-store"
            assert not is_from_the_cache(through)
        counts[name] += 1
    assert min(counts.values()) > 50


@pytest.mark.parametrize("behind", ["varnish"], indirect=True)
async def test_what_changes_is_purged_and_stays_right(behind: Behind) -> None:
    missing, one = asked(slug="two"), asked(slug="one")
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    for _ in range(2):
        assert '"One"' in (await behind.get(one)).text
        assert (await behind.get(missing)).json()["data"]["article"] is None
        before = (await behind.get(asked(SEARCH))).json()["data"]["search"]["totalCount"]
    assert before == 0
    for number in range(5):
        await rename(story, f"One, {number}")
        await behind.until(one, f'"One, {number}"')
        assert f'"One, {number}"' in (await behind.kept(one)).text
    second = await make_article(headline="Two", body={"html": "<p>At the harbour.</p>"}, status=ArticleStatus.PUBLISHED)
    await behind.until(missing, '"Two"')
    await behind.until(asked(SEARCH), '"totalCount":1')
    await workflow.transition(SYSTEM, second.article_id, Transition.UNPUBLISH)
    await behind.until(missing, '"article":null')
    await behind.until(asked(SEARCH), '"totalCount":0')


@pytest.mark.parametrize("kind", ["nginx"])
async def test_what_cannot_be_purged_ends_by_time(
    kind: str, serve: Callable[..., Served], database_url: str, tmp_path: Path
) -> None:
    served = serve(CMS_DATABASE_URL=database_url, CMS_SHARED_CACHE_SECONDS="1", **SERVED)
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    port = free_port()
    with nginx(tmp_path, served.url, port) as url:
        async with clients(url, served.url) as behind:
            assert '"One"' in (await behind.get(asked(slug="one"))).text
            await rename(story, "Another")
            await behind.until(asked(slug="one"), '"Another"')


def test_the_caches_are_those_of_debian() -> None:
    assert shutil.which("varnishd") and shutil.which("nginx")
