"""Trusted documents: pushed from the manifests of clients, asked for by id, and where it is so set the only ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cms import clock, live, trusted
from cms.errors import CMSError, Conflict, Invalid, NotFound
from cms.models import ArticleStatus, Event, Role, TokenScope, TrustedDocument
from cms.permissions import PUBLIC, SYSTEM
from cms.settings import Settings
from cms.trusted import Given
from schema import delivery
from schema import trusted as known
from schema.execution import documents
from tests.clients import client, codes
from tests.conftest import Served
from tests.factories import make_actor, make_article, make_token
from tests.streaming import Server, connected, is_listening
from tests.test_commands import run
from tests.test_subscriptions import CHANGED

pytestmark = pytest.mark.usefixtures("db")


STORY = "query Story($slug: String!) { article(slug: $slug) { headline } }"
SEARCH = 'query Search { search(query: "rain") { totalCount } }'
ID, ONE = "story-1", quote('{"slug":"one"}')


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apollo(*operations: tuple[str, str]) -> bytes:
    found = [{"id": id, "name": "X", "type": "query", "body": text} for id, text in operations]
    return json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": found}).encode()


async def push(manifest: bytes, seconds: dict[str, int] | None = None) -> trusted.Pushed:
    given = trusted.read(manifest)
    return await trusted.push(SYSTEM, given, names=await known.check(documents, given), seconds=seconds or {})


async def push_one(text: str = STORY, id: str = ID, seconds: int | None = None) -> None:
    await push(json.dumps({id: text}).encode(), {} if seconds is None else {id: seconds})


@pytest.fixture
async def feed(db: None) -> AsyncIterator[live.Feed]:
    """This process keeps answers, and hears of pushes."""
    async with live.listening() as feed:
        with delivery.keeping(feed, Settings()), known.following(feed):
            yield feed


# ---------------------------------------------------------------- manifests


def test_the_manifests_of_relay_of_codegen_and_of_apollo_are_read() -> None:
    md5, sha1 = "f" * 32, "a" * 40
    assert trusted.read(json.dumps({md5: STORY, sha1: SEARCH}).encode()) == [Given(md5, STORY), Given(sha1, SEARCH)]
    assert trusted.read(apollo((hash_of(STORY), STORY))) == [Given(hash_of(STORY), STORY)]
    assert trusted.read(json.dumps({f"sha256:{hash_of(STORY)}": STORY}).encode())[0].text == STORY


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b"[]", "no manifest"),
        (b'"a"', "no manifest"),
        (b"{}", "no documents"),
        (b'{"format": "something-else", "version": 1}', "apollo-persisted-query-manifest"),
        (b'{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}', "version 1"),
        (b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": {}}', "a list of objects"),
        (
            b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]}',
            "'a': it must be",
        ),
        (b'{"a": 5}', "'a': it must be a text"),
        (b'{"a": " "}', "'a': it must be a text"),
        (b'{"": "{ site { name } }"}', "its id must be"),
        ('{"\u00e9": "{ site { name } }"}'.encode(), "its id must be"),
        (b'{"a": "{ site { name } }", "a": "{ site { url } }"}', "'a': it has two texts"),
        (b'{"sha256:00": "{ site { name } }"}', "not the SHA-256 of its text"),
    ],
)
def test_what_is_no_manifest_is_refused_and_says_why(manifest: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        trusted.read(manifest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ site { name }", r"\(line 1\): Syntax Error"),
        ("{ site { motto } }", r"Cannot query field 'motto' on type 'Site'"),
        ("fragment A on Site { name }", "is never used|no operation"),
        ("query A { " + " ".join(f"a{n}: site {{ name }}" for n in range(31)) + " }", "aliases: at most 30"),
        ("{ articles(first: 100) { nodes { relatedPosts(first: 100) { article { headline dek } } } } }", "It costs"),
        ("{ sections { " + "children { " * 16 + "name" + " }" * 17 + " }", "depth: at most 16"),
    ],
)
async def test_a_document_that_could_not_be_answered_is_refused_and_nothing_is_pushed(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        await push(json.dumps({"good": STORY, "bad": text}).encode())
    assert {issue.field for issue in refused.value.issues} == {("manifest", "bad")}
    assert await TrustedDocument.all().count() == await Event.filter(type="documents.pushed").count() == 0


async def test_what_writes_may_be_as_large_as_those_who_are_known_may_ask() -> None:
    update = 'a{0}: updateSite(input: {{name: "x"}}) {{ __typename }}'
    await push_one("mutation Many { " + " ".join(update.format(n) for n in range(40)) + " }")
    assert await TrustedDocument.all().values_list("name", flat=True) == ["Many"]


async def test_introspection_is_pushed_only_where_the_public_may(configured: Callable[..., None]) -> None:
    configured(CMS_PUBLIC_URL="https://news.example")
    with pytest.raises(Invalid, match="Introspection"):
        await push_one("{ __schema { queryType { name } } }")


# ---------------------------------------------------------------- the store


async def test_pushing_again_adds_what_is_new_and_sets_the_times() -> None:
    assert await push(json.dumps({"a": STORY, "b": SEARCH}).encode(), {"a": 60}) == trusted.Pushed(2, 0)
    assert await push(json.dumps({"a": STORY, "c": SEARCH}).encode(), {"c": 5}) == trusted.Pushed(1, 1)
    rows = await TrustedDocument.all().order_by("id").values_list("id", "name", "shared_seconds")
    assert rows == [("a", "Story", None), ("b", "Search", None), ("c", "Search", 5)]
    assert await Event.filter(type="documents.pushed").order_by("number").values_list("detail", flat=True) == [
        {"added": 2, "known": 0},
        {"added": 1, "known": 1},
    ]


async def test_an_id_never_comes_to_mean_another_text() -> None:
    await push_one(STORY, "a")
    with pytest.raises(Conflict, match="other documents: a"):
        await push(json.dumps({"a": SEARCH, "b": SEARCH}).encode())
    assert await TrustedDocument.all().values_list("id", "text") == [("a", STORY)]
    await trusted.remove(SYSTEM, ["a"])
    await push_one(SEARCH, "a")
    assert await TrustedDocument.all().values_list("id", "text") == [("a", SEARCH)]


async def test_two_pushes_of_one_id_at_once_do_not_both_win() -> None:
    done = await asyncio.gather(push_one(STORY, "a"), push_one(SEARCH, "a"), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["Conflict", "NoneType"]
    assert await TrustedDocument.all().count() == 1


async def test_removing_is_all_or_nothing() -> None:
    await push_one(STORY, "a")
    with pytest.raises(NotFound, match="b, c"):
        await trusted.remove(SYSTEM, ["c", "a", "b"])
    assert await TrustedDocument.all().values_list("id", flat=True) == ["a"]


async def test_there_is_an_end_to_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    await push_one(STORY, "a")
    for name, most in (("MOST", 1), ("MOST_BYTES", len(STORY) + 3)):
        monkeypatch.setattr(trusted, name, most)
        with pytest.raises(Invalid, match="remove those that no client sends"):
            await push_one(SEARCH, "b")
        monkeypatch.undo()
    assert await TrustedDocument.all().values_list("id", flat=True) == ["a"]


@pytest.mark.parametrize("role", [None, Role.CONTRIBUTOR, Role.EDITOR, Role.CHIEF])
async def test_only_admins_and_operators_trust_documents(role: Role | None) -> None:
    actor = PUBLIC if role is None else await make_actor(role)
    with pytest.raises(CMSError):
        await trusted.push(actor, [Given("a", STORY)], names={}, seconds={})
    with pytest.raises(CMSError):
        await trusted.remove(actor, ["a"])
    assert await TrustedDocument.all().count() == 0


# ---------------------------------------------------------------- asking by id


async def ask(reader: httpx.AsyncClient, **params: Any) -> httpx.Response:
    return await reader.post("/graphql", json=params)


async def test_a_document_is_asked_for_by_its_id_or_its_hash_by_post_and_get(feed: live.Feed) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await push_one()
    variables = {"slug": "one"}
    hash = hash_of(STORY)
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": hash}}
    async with client() as reader:
        plain = await ask(reader, query=STORY, variables=variables)
        assert plain.json() == {"data": {"article": {"headline": "One"}}}
        for _ in range(3):  # by the application at first, from what is kept later
            for params in (
                {"documentId": ID},
                {"documentId": ID, "operationName": "Story"},
                {"documentId": f"sha256:{hash}"},
                {"documentId": hash},
                {"extensions": persisted},
                {"extensions": persisted, "query": STORY},
            ):
                posted = await ask(reader, variables=variables, **params)
                assert (posted.status_code, posted.content) == (200, plain.content), params
                packed = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in params.items()}
                got = await reader.get("/graphql", params={"variables": '{"slug":"one"}', **packed})
                assert (got.status_code, got.content) == (200, plain.content), params


async def test_what_is_asked_by_id_with_get_is_kept_by_caches_as_long_as_was_said(feed: live.Feed) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await push_one(seconds=300)
    await push_one(SEARCH, "search", seconds=20)
    url = f"/graphql?documentId={ID}&variables={ONE}"
    etags = set()
    async with client() as reader:
        plain = {"query": STORY, "variables": {"slug": "one"}}
        for _ in range(3):
            assert (await reader.post("/graphql", json=plain)).headers["cache-control"] == "public, no-cache"
            got = await reader.get(url)
            assert got.headers["cache-control"] == "public, max-age=0, s-maxage=300"
            assert f"article:{story.article_id}" in got.headers["surrogate-key"].split()
            assert got.headers["cache-tag"] == got.headers["surrogate-key"].replace(" ", ",")
            unchanged = await reader.get(url, headers={"if-none-match": got.headers["etag"]})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["cache-control"] == got.headers["cache-control"]
            etags.add(got.headers["etag"])
        found = await reader.get("/graphql?documentId=search")
        assert found.headers["cache-control"] == "public, max-age=0, s-maxage=20"
        assert found.headers["surrogate-key"].split() == ["site", "sections", "public"]
        again = await reader.get("/graphql?documentId=search", headers={"if-none-match": found.headers["etag"]})
        assert again.status_code == 304
    assert len(etags) == 1


async def test_whose_answer_is_personal_or_an_error_is_kept_by_no_cache() -> None:
    viewer, preview = (
        "query V { viewer { name } }",
        'query P { ...R } fragment R on Query { preview(token: "x") { __typename } }',
    )
    for id, text in (("v", viewer), ("p", preview), ("e", STORY)):
        await push_one(text, id, seconds=300)
    async with client() as reader:
        for url in ("documentId=v", "documentId=p", "documentId=e", "documentId=unknown"):
            response = await reader.get(f"/graphql?{url}")
            assert response.headers["cache-control"] == "private, no-store", url
            assert "surrogate-key" not in response.headers
    async with client(await make_token(TokenScope.READ)) as reader:
        response = await reader.get(f"/graphql?documentId=e&variables={ONE}")
        assert (response.status_code, response.headers["cache-control"]) == (200, "private, no-store")


async def test_an_unknown_id_is_one_error_as_clients_look_for_it() -> None:
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": hash_of(STORY)}}
    async with client() as reader:
        for params, message in (
            ({"documentId": "nothing"}, "There is no document with this id: push it, or send its text as query."),
            ({"extensions": persisted}, "PersistedQueryNotFound"),
        ):
            response = await ask(reader, **params)
            (error,) = response.json()["errors"]
            assert error == {"message": message, "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
            assert "data" not in response.json()
            strict = {"accept": "application/graphql-response+json"}
            assert (await reader.post("/graphql", json=params, headers=strict)).status_code == 400


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"documentId": ""},
        {"documentId": 5},
        {"documentId": "a", "query": STORY},
        {"extensions": {"persistedQuery": 5}},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"sha256Hash": [1]}}},
    ],
)
async def test_odd_requests_are_refused(params: dict[str, Any]) -> None:
    async with client() as reader:
        response = await ask(reader, **params)
    assert (response.status_code, codes(response.json())) == (400, ["BAD_REQUEST"])


async def test_a_mutation_by_id_is_not_done_by_get() -> None:
    await push_one('mutation M { updateSite(input: {name: "X"}) { __typename } }')
    async with client(await make_token(TokenScope.READ)) as reader:
        assert (await reader.get(f"/graphql?documentId={ID}")).status_code == 405


async def test_G16_nobody_puts_a_document_into_the_store_by_asking(feed: live.Feed) -> None:
    hash, other = hash_of(STORY), hash_of(SEARCH)
    async with client() as reader:
        for _ in range(3):
            persisted = {"persistedQuery": {"version": 1, "sha256Hash": hash}}
            answered = await ask(reader, query=STORY, variables={"slug": "one"}, extensions=persisted)
            assert answered.json() == {"data": {"article": None}}
            assert codes((await ask(reader, extensions=persisted)).json()) == ["PERSISTED_QUERY_NOT_FOUND"]
            poison = {"persistedQuery": {"version": 1, "sha256Hash": other}}
            refused = await ask(reader, query=STORY, variables={"slug": "one"}, extensions=poison)
            assert (refused.status_code, codes(refused.json())) == (400, ["BAD_REQUEST"])
    assert await TrustedDocument.all().count() == 0


# ---------------------------------------------------------------- nothing else


async def test_the_public_is_answered_nothing_else_where_it_is_so_set(
    feed: live.Feed, configured: Callable[..., None]
) -> None:
    configured(CMS_TRUSTED_DOCUMENTS_ONLY="true")
    await push_one()
    strange = "query Story($slug: String!) { article(slug: $slug) { dek } }"
    async with client() as reader, client(await make_token(TokenScope.READ)) as known_reader:
        for _ in range(4):
            for params in ({"documentId": ID}, {"query": STORY}):
                assert "data" in (await ask(reader, variables={"slug": "one"}, **params)).json()
            for refused in (strange, STORY + " ", "{ __typename }", "{", "query { nothing }"):
                response = await ask(reader, query=refused, variables={"slug": "one"})
                assert codes(response.json()) == ["DOCUMENT_NOT_TRUSTED"]
                assert "data" not in response.json()
                assert response.headers["cache-control"] == "private, no-store"
            assert "data" in (await ask(known_reader, query=strange, variables={"slug": "one"})).json()


async def test_what_is_removed_is_refused_although_its_answer_is_kept(
    feed: live.Feed, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(CMS_TRUSTED_DOCUMENTS_ONLY="true")
    await push_one()
    url = f"/graphql?documentId={ID}&variables={ONE}"
    async with client() as reader:
        for _ in range(3):
            assert (await reader.get(url)).json() == {"data": {"article": None}}
        await trusted.remove(SYSTEM, [ID])
        await feed.catch_up()
        assert codes((await reader.get(url)).json()) == ["PERSISTED_QUERY_NOT_FOUND"]
        by_text = await ask(reader, query=STORY, variables={"slug": "one"})
        assert codes(by_text.json()) == ["DOCUMENT_NOT_TRUSTED"]


async def test_while_nobody_tells_us_the_store_is_read_each_time(feed: live.Feed) -> None:
    await push_one()
    async with client() as reader:
        params = {"documentId": ID, "variables": {"slug": "one"}}
        assert "data" in (await ask(reader, **params)).json()
        feed._lose(feed._connection)  # type: ignore[arg-type]
        await trusted.remove(SYSTEM, [ID])
        assert codes((await ask(reader, **params)).json()) == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_subscriptions_are_held_to_the_same(server: Server, configured: Callable[..., None]) -> None:
    await push_one(CHANGED, "changed")
    configured(CMS_TRUSTED_DOCUMENTS_ONLY="true")
    async with connected(server) as socket, httpx.AsyncClient(base_url=server.url) as http:
        await socket.subscribe("subscription { articleChanged { kind } }")
        told = await socket.hear()
        assert (told["type"], told["payload"][0]["extensions"]["code"]) == ("error", "DOCUMENT_NOT_TRUSTED")
        events = {"accept": "text/event-stream"}
        refused = await http.post(
            "/graphql", json={"query": "subscription { articleChanged { kind } }"}, headers=events
        )
        assert codes(refused.json()) == ["DOCUMENT_NOT_TRUSTED"]
        await socket.say(type="subscribe", id="2", payload={"documentId": "changed"})
        async with http.stream("GET", "/graphql?documentId=changed", headers=events) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            await is_listening(server, 2)
            await make_article(headline="Seen", status=ArticleStatus.PUBLISHED)
            assert (await socket.hear())["payload"]["data"]["articleChanged"]["kind"] == "PUBLISHED"


# ---------------------------------------------------------------- the commands, and other processes


async def test_a_push_reaches_every_process(
    db: None, database_url: str, serve: Callable[..., Served], tmp_path: Path
) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    served = [serve(CMS_DATABASE_URL=database_url, CMS_TRUSTED_DOCUMENTS_ONLY="true") for _ in range(2)]
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(apollo((hash_of(STORY), STORY), ("search", SEARCH)))

    async def everywhere(code: list[str]) -> None:
        params = {"documentId": hash_of(STORY), "variables": {"slug": "one"}}
        async with httpx.AsyncClient() as http:
            for each in served:
                deadline = clock.now().timestamp() + 20
                while codes((await http.post(f"{each.url}/graphql", json=params)).json()) != code:
                    assert clock.now().timestamp() < deadline

    await everywhere(["PERSISTED_QUERY_NOT_FOUND"])
    done = run(database_url, "documents", "push", str(manifest), "--cache", "60", "--cache", "Search=5")
    assert (done.returncode, done.stdout) == (0, "2 added, 0 known\n"), done.stderr
    await everywhere([])
    rows = [line.split("\t") for line in run(database_url, "documents", "list").stdout.splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [("search", "Search", "5"), (hash_of(STORY), "Story", "60")]
    assert run(database_url, "documents", "remove", hash_of(STORY)).returncode == 0
    await everywhere(["PERSISTED_QUERY_NOT_FOUND"])
    assert await TrustedDocument.all().values_list("id", flat=True) == ["search"]


@pytest.mark.parametrize(
    ("manifest", "arguments", "code", "words"),
    [
        ({"a": "{ site { motto } }"}, [], 1, "Cannot query field 'motto'"),
        ({"a": STORY}, ["--cache", "Nothing=5"], 1, "no operation named Nothing"),
        ({"a": STORY}, ["--cache", "soon"], 2, "give SECONDS, or OPERATION=SECONDS"),
        ({"a": STORY}, ["--cache", "Story=-1"], 2, "give SECONDS, or OPERATION=SECONDS"),
    ],
)
async def test_a_push_that_fails_says_why_and_changes_nothing(
    database_url: str, tmp_path: Path, manifest: dict[str, str], arguments: list[str], code: int, words: str
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    done = run(database_url, "documents", "push", str(path), *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert await TrustedDocument.all().count() == 0
