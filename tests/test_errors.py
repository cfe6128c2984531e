"""What clients and the log are told when something goes wrong: a code from the catalogue, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs
from tortoise.connection import get_connection
from tortoise.exceptions import DBConnectionError, IntegrityError

from cms import errors as refusals
from cms import logs
from cms.models import Role, Tag
from schema import errors, limits
from schema.problems import ProblemCode
from tests.clients import ask, client, codes
from tests.factories import make_token, make_user

CATALOGUE = Path(__file__).parents[1] / "docs/errors.md"
ROUTE = '{ route(path: "/a") { __typename } }'
# What no client is ever shown.
INSIDE = re.compile(
    r"select |insert |update |asyncpg|tortoise|traceback|\.py|site-packages|postgres|relation \"|pg_|copydesk@|DETAIL",
    re.IGNORECASE,
)


def _codes() -> set[str]:
    of_refusals = {
        each.code
        for each in vars(refusals).values()
        if isinstance(each, type) and issubclass(each, refusals.CMSError) and each is not refusals.CMSError
    }
    return of_refusals | {value for name, value in vars(errors).items() if name.isupper() and name == value}


def test_the_catalogue_lists_each_code() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", CATALOGUE.read_text(), re.MULTILINE)) == _codes()


def test_each_refusal_can_be_a_problem() -> None:
    assert {each.value for each in ProblemCode} == _codes() - {
        errors.BAD_REQUEST,
        errors.TOO_LARGE,
        errors.TIMEOUT,
        errors.UNAVAILABLE,
        errors.INTERNAL,
        errors.PERSISTED_QUERY_NOT_FOUND,
        errors.DOCUMENT_NOT_TRUSTED,
    }


def test_the_catalogue_tells_the_limits() -> None:
    text = CATALOGUE.read_text()
    for size in (limits.PUBLIC, limits.KNOWN):
        for number in (size.characters, size.tokens, size.definitions, size.depth, size.selections, size.nesting):
            assert f"{number:,}" in text


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    def fail(error: BaseException) -> None:
        async def resolve(*args: Any, **kwargs: Any) -> None:
            raise error

        monkeypatch.setattr("schema.routes.routes.route", resolve)

    return fail


def _chained(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (RuntimeError("secret-marker in /srv/cms/x.py"), errors.INTERNAL, 200),
        (KeyError("secret-marker"), errors.INTERNAL, 200),
        (ValueError("secret-marker"), errors.INTERNAL, 200),
        (IntegrityError("duplicate key: secret-marker"), errors.INTERNAL, 200),
        (asyncpg.UniqueViolationError("secret-marker\nDETAIL:  Key (email)=(a@b) exists."), errors.INTERNAL, 200),
        (asyncpg.QueryCanceledError("secret-marker"), errors.TIMEOUT, 200),
        (asyncpg.ConnectionDoesNotExistError("secret-marker"), errors.UNAVAILABLE, 503),
        (asyncpg.TooManyConnectionsError("secret-marker"), errors.UNAVAILABLE, 503),
        (_chained(DBConnectionError("secret-marker"), OSError("host db.internal")), errors.UNAVAILABLE, 503),
        (ConnectionRefusedError("secret-marker 127.0.0.1:5432"), errors.UNAVAILABLE, 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
async def test_L13_a_failure_is_masked_and_can_be_found(
    error: BaseException, code: str, status: int, failing: Any, db: None
) -> None:
    failing(error)
    with capture_logs() as lines:
        async with client() as api:
            response = await api.post("/graphql", json={"query": ROUTE})
    assert response.status_code == status
    assert codes(response.json()) == [code]
    assert "secret-marker" not in response.text
    assert not INSIDE.search(response.text)
    correlation = response.json()["errors"][0]["extensions"]["correlationId"]
    # A plan that fails says so, and leaves the question to the resolvers, whose failure this is.
    assert [line["event"] for line in lines] == ["plan.failed", "request.failed"]
    assert lines[1]["correlation"] == correlation


async def test_L13_a_failure_outside_of_GraphQL_is_masked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(request: Any) -> None:
        raise ConnectionRefusedError("secret-marker")

    monkeypatch.setattr("schema.endpoint.viewer", fail)
    with capture_logs() as lines:
        async with client() as api:
            response = await api.post("/graphql", json={"query": ROUTE})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert codes(response.json()) == [errors.UNAVAILABLE]
    assert "secret-marker" not in response.text
    assert len(lines) == 1


SINCE = "query($v: DateTime) { articles(filter: {publishedAt: {gt: $v}}) { totalCount } }"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What the process writes to its log."""
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    logs.configure()
    yield written
    monkeypatch.undo()
    logs.configure()


STRANGE: list[tuple[str, dict[str, Any]]] = [
    ("query($v: ID!) { node(id: $v) { id } }", {"v": "x" * 50_000}),
    ("query($v: ID!) { node(id: $v) { id } }", {"v": 2**70}),
    ("query($v: ID!) { node(id: $v) { id } }", {"v": -(2**62)}),
    ("query($v: ID!) { node(id: $v) { id } }", {"v": True}),
    ("query($v: ID!) { node(id: $v) { id } }", {"v": ["a"]}),
    ("query($v: ID!) { node(id: $v) { id } }", {"v": "QXJ0aWNsZTox"}),
    ("query($v: [ID!]!) { nodes(ids: $v) { id } }", {"v": ["", "é", "=", "Article:1"]}),
    ("query($v: Int) { articles(first: $v) { totalCount } }", {"v": 2**31}),
    ("query($v: Int) { articles(first: $v) { totalCount } }", {"v": -1}),
    ("query($v: Int) { articles(first: $v) { totalCount } }", {"v": 1.5}),
    ("query($v: Int) { articles(first: $v) { totalCount } }", {"v": "5"}),
    ("query($v: String) { articles(after: $v) { nodes { id } } }", {"v": "garbage"}),
    ("query($v: String) { articles(after: $v) { nodes { id } } }", {"v": "W10="}),
    ("query($v: String) { articles(after: $v) { nodes { id } } }", {"v": "é" * 5_000}),
    ("query($v: String) { articles(before: $v, last: 5) { nodes { id } } }", {"v": "eyJhIjoxfQ"}),
    ("query($v: String!) { route(path: $v) { __typename } }", {"v": "/" * 20_000}),
    ("query($v: String!) { route(path: $v) { __typename } }", {"v": "/%00/../\ufffe\u202e'\"--;"}),
    (SINCE, {"v": "9999-12-31T23:59:59-14:00"}),
    (SINCE, {"v": "0001-01-01T00:00:00+14:00"}),
    (SINCE, {"v": "2026-02-30T00:00:00Z"}),
    (SINCE, {"v": 10**20}),
    ("query($v: [String!]) { articles(filter: {tags: {anyOf: $v}}) { totalCount } }", {"v": ["'", "%", "\\"] * 100}),
    ('{ node(id: "' + "9" * 5_000 + '") { id } }', {}),
    ("{ articles(first: " + "9" * 5_000 + ") { totalCount } }", {}),
    ("{ articles(first: 1e400) { totalCount } }", {}),
    ('{ node(id: "\\ud800") { id } }', {}),
    ('{ node(id: "\\u{110000}") { id } }', {}),
    ("{ node(id: 5) { id } }", {}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "variables"), STRANGE)
@pytest.mark.parametrize("known", [False, True])
async def test_L13_strange_input_is_no_failure(query: str, variables: dict[str, Any], known: bool, db: None) -> None:
    token = await make_token(user=await make_user(Role.ADMIN)) if known else None
    answer = await ask(query, token=token, **variables)
    assert set(codes(answer)) <= {"INVALID", "BAD_REQUEST", "TOO_LARGE", "NOT_FOUND"}
    assert not INSIDE.search(str(answer.get("errors", "")))


async def test_L13_a_unique_violation_is_a_conflict(db: None) -> None:
    token = await make_token(user=await make_user())
    query = 'mutation { createTag(input: {name: "%s", slug: "sudan"}) { __typename ... on Problem { code message } } }'
    first, second = await ask(query % "Sudan", token=token), await ask(query % "The Sudan", token=token)
    assert first["data"]["createTag"]["__typename"] == "Tag"
    assert second["data"]["createTag"]["__typename"] == "Problem"
    assert not INSIDE.search(str(second))
    assert await Tag.all().count() == 1


async def test_T7_no_credential_stands_in_the_log(db: None, failing: Any, log: StringIO) -> None:
    token = await make_token(user=await make_user())
    failing(RuntimeError("no"))
    await ask(ROUTE, token=token)
    await ask(ROUTE, token=token + "x")
    async with client(token) as api:
        await api.get("/graphql", params={"query": ROUTE, "variables": "{"}, headers={"cookie": f"copydesk={token}"})
        await api.post("/graphql", content=b"{", headers={"content-type": "application/json"})
    said = log.getvalue()
    assert "request.refused" in said
    assert token not in said


async def test_H6_lines_of_the_log_cannot_be_forged(log: StringIO) -> None:
    async with client() as api:
        await api.post(
            "/graphql", json={"query": "{ site { name } }", "operationName": 'x\n{"event": "forged"}\x1b[31m'}
        )
    said = log.getvalue()
    assert '\n{"event": "forged"' not in said
    assert "\x1b" not in said


def test_suggestions_are_cut_where_they_begin() -> None:
    error = GraphQLError("Unknown type 'Tga'. Did you mean 'Tag' or 'Site'?")
    assert errors.formatted(error, suggestions=False)["message"] == "Unknown type 'Tga'."
    assert "Tag" in errors.formatted(error)["message"]


async def test_the_database_going_away_is_not_our_clients_fault(db: None, server_url: str, database_url: str) -> None:
    """Every connection is cut, as by a restart: the next answers work, or say that they cannot."""
    await ask("{ site { name } }")
    killer = await asyncpg.connect(server_url)
    name = database_url.rsplit("/", 1)[1].partition("?")[0]
    try:
        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'copydesk'", name
        )
    finally:
        await killer.close()
    answers = [await ask("{ site { name } }") for _ in range(20)]
    assert {code for answer in answers for code in codes(answer)} <= {errors.UNAVAILABLE}
    assert "errors" not in answers[-1]
    assert (await get_connection("default").execute_query_dict("select 1 as one"))[0]["one"] == 1
