"""What may be asked: how large, how deep, how dear. Row ids are those of docs/security.md."""

from __future__ import annotations

import time
from typing import Any

import pytest
from graphql import get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from cms.models import TokenScope
from cms.settings import Settings, settings
from schema import schema
from schema.documents import Documents, Refused
from schema.errors import TOO_LARGE
from schema.execution import documents
from schema.limits import KNOWN, PUBLIC, measure, nests_deeper
from tests.attacks import ARTICLES, DOCUMENTS, bomb, chain
from tests.clients import ask, client, codes
from tests.factories import make_token

TEASER = """
    fragment Teaser on Article {
        id headline kicker dek path publishedAt bylineText byline { role author { name path } }
        section { name path } tags { name path }
        leadMedia { altText caption credit url media { width height placeholder } }
        relatedPosts(first: 3) { article { headline path leadMedia { url altText } } }
    }
"""
FRONT_PAGE = (
    """query Front($first: Int = 20) {
        site { name tagline logo { url } socialLinks { url label } }
        sections { name path children { name path } }
        articles(first: $first) { nodes { ...Teaser } pageInfo { hasNextPage endCursor } }
    }"""
    + TEASER
)
ARTICLE_PAGE = (
    """query Page($path: String!) {
        site { name url timeZone }
        sections { name path children { name path } }
        route(path: $path) {
            __typename
            ... on Redirect { location permanent }
            ... on Gone { reason notice since }
            ... on Article {
                ...Teaser locale url firstPublishedAt updatedAt
                body { html text wordCount readingMinutes blocks {
                    key html
                    ... on ImageBlock { image { url altText caption } }
                    ... on ListBlock { items { html children { html ... on ListBlock { items { text } } } } }
                    ... on ArticleLinkBlock { article { ...Teaser } }
                } }
                seo { title description canonicalUrl noindex }
                corrections { kind text publishedAt }
                translations { locale path }
            }
        }
    }"""
    + TEASER
)


def _documents() -> Documents:
    return Documents(schema._schema, lambda operation, fragments: None)


async def _prepare(text: str, most: Any = PUBLIC, introspection: bool = False) -> Any:
    return await _documents().prepared(text, most, introspection=introspection)


async def _cost(text: str, **variables: Any) -> int:
    return (await _prepare(text)).operation(None).cost(variables)  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", [FRONT_PAGE, ARTICLE_PAGE], ids=["front", "article"])
async def test_the_pages_of_a_site_are_far_from_any_limit(text: str) -> None:
    document = await _prepare(text)
    for name in ("tokens", "depth", "levels", "selections", "aliases", "directives"):
        assert getattr(document.size, name) * 1.6 < getattr(PUBLIC, name), name
    assert document.operation(None).cost({}) * 2 < Settings().public_query_cost


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_each_attack_is_refused_before_anything_is_read(name: str) -> None:
    """Without a database: G1, G2, G3, G4, G6, G7, G8, G9, G10, G11, G17."""
    async with client() as api:
        response = await api.post("/graphql", json={"query": DOCUMENTS[name]})
    assert response.status_code in (200, 413)
    assert set(response.json()) == {"errors"}
    assert set(codes(response.json())) <= {TOO_LARGE, "BAD_REQUEST", "INVALID"}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_staff_meet_limits_too(name: str) -> None:
    if name == "G6-aliases-in-fragment":  # is none with that few
        await _prepare(DOCUMENTS[name], KNOWN)
        return
    try:
        document = await _prepare(DOCUMENTS[name], KNOWN, introspection=True)
        operation = document.operation(None)
        operation.check_filters({})
        assert operation.cost({}) > Settings().known_query_cost
    except Exception as refused:  # noqa: BLE001
        assert "too " in str(refused) or "cycle" in str(refused) or "exceeded" in str(refused) or "once" in str(refused)


@pytest.mark.parametrize(("fragments", "spreads"), [(8, 8), (20, 2), (40, 2)])
def test_G1_fragments_are_measured_once_however_often_they_are_spread(fragments: int, spreads: int) -> None:
    document = parse(ARTICLES + bomb(fragments, spreads))
    start = time.thread_time()
    size = measure("", document)
    assert time.thread_time() - start < 0.05
    below = (spreads ** (fragments + 0) - spreads) // (spreads - 1)
    assert size.selections == 2 + 1 + below + spreads ** (fragments - 1)


async def test_G2_a_cycle_is_called_one() -> None:
    answer = await ask(DOCUMENTS["G2-cycle"])
    assert "cycle" in answer["errors"][0]["message"]


@pytest.mark.parametrize("fragments", [40, 1_000])
async def test_a_long_chain_of_fragments_does_not_overflow_the_stack(fragments: int) -> None:
    with pytest.raises(Refused, match="too large"):
        await _prepare(chain(fragments), PUBLIC)


async def test_G6_aliases_count_through_fragments() -> None:
    with pytest.raises(Refused, match="aliases"):
        await _prepare(DOCUMENTS["G6-aliases-in-fragment"])


async def test_G10_pages_in_pages_are_multiplied() -> None:
    flat = await _cost("{ articles(first: 100) { nodes { id } } }")
    assert 100 <= flat < 200
    assert await _cost(DOCUMENTS["G10-pages"]) > 1_000_000


async def test_G10_variables_and_defaults_count() -> None:
    text = "query($n: Int = 50) { articles(first: $n) { edges { node { id } } } }"
    assert await _cost(text, n=100) > await _cost(text) > await _cost(text, n=None) > await _cost(text, n=1)
    assert await _cost(text, n=None) == await _cost("{ articles { edges { node { id } } } }")
    assert await _cost(text, n=50) == await _cost(text)


async def test_G10_the_larger_of_first_and_last_counts() -> None:
    both = await _cost("{ articles(first: 1, last: 1000) { nodes { id } } }")
    assert both == await _cost("{ articles(last: 1000) { nodes { id } } }")
    assert both == await _cost("query($n: Int = 1000) { articles(first: 1, last: $n) { nodes { id } } }")


async def test_the_cost_of_a_fragment_is_what_it_would_be_in_place() -> None:
    spread = "{ articles { ...C } } fragment C on ArticleConnection { nodes { ...A } } fragment A on Article { id }"
    assert await _cost(spread) == await _cost("{ articles { nodes { id } } }")


async def test_G10_the_cost_is_judged_before_any_statement() -> None:
    """There is no database here: whatever asked for one would fail."""
    query = "query($n: Int) { articles(first: $n) { nodes { section { articles(first: $n) { nodes { id } } } } } }"
    assert codes(await ask(query, n=100)) == [TOO_LARGE]


async def test_a_token_may_ask_for_more_than_the_public(db: None) -> None:
    query = "{ articles(first: 100) { nodes { relatedPosts(first: 20) { article { id slug path url } } } } }"
    cost = await _cost(query)
    assert settings().public_query_cost < cost < settings().known_query_cost
    assert codes(await ask(query)) == [TOO_LARGE]
    assert "errors" not in await ask(query, token=await make_token(TokenScope.READ))


async def test_an_object_is_of_one_type_and_costs_once() -> None:
    one = '{ route(path: "/a") { ... on Article { id slug path } } }'
    several = '{ route(path: "/a") { ... on Article { id slug path } ... on Tag { id slug } ... on Gone { since } } }'
    assert await _cost(one) == await _cost(several)
    pages = (
        'query($n: Int) { route(path: "") { ... on Tag { articles(first: $n) { nodes { id } } } ... on Gone{since} } }'
    )
    assert await _cost(pages, n=90) == await _cost(pages, n=10) + 80


async def test_the_cost_goes_out_with_the_answer(db: None) -> None:
    query = "{ articles(first: 7) { nodes { id } } }"
    async with client() as api:
        response = await api.post("/graphql", json={"query": query})
    assert response.headers["x-query-cost"] == str(await _cost(query))


@pytest.mark.parametrize("depth", [1, 5, 6, 30])
async def test_G11_filters_are_measured_in_variables_too(depth: int, db: None) -> None:
    filter: dict[str, Any] = {"hasLeadMedia": True}
    for _ in range(depth - 1):
        filter = {"and": [filter]}
    query = "query($f: ArticleFilter) { articles(filter: $f) { totalCount } }"
    answer = await ask(query, f=filter)
    assert bool(codes(answer)) == (depth > 5)


async def test_G11_a_filter_has_at_most_fifty_parts() -> None:
    query = "query($f: [ArticleFilter!]) { articles(filter: {or: $f}) { totalCount } }"
    answer = await ask(query, f=[{"hasLeadMedia": True}] * 50)
    assert codes(answer) == ["INVALID"]


async def test_G11_variables_nest_to_a_limit() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    assert codes(await ask("{ site { name } }", v=value)) == [TOO_LARGE]


@given(st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nesting_is_counted(value: Any) -> None:
    def depth(value: Any) -> int:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if children is None else 1 + max(map(depth, children), default=0)

    assert nests_deeper(value, depth(value)) is False
    assert depth(value) == 0 or nests_deeper(value, depth(value) - 1)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "Query") { name } }',
        "{ ... on Query { __schema { types { name } } } }",
        "{ ...Q } fragment Q on Query { ... { __schema { types { name } } } }",
        get_introspection_query(),
    ],
)
async def test_L14_introspection_can_be_off(query: str, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes(await ask(query)) == []  # no CMS_PUBLIC_URL: somebody is trying it out
    token = await make_token(TokenScope.READ)
    monkeypatch.setenv("CMS_PUBLIC_URL", "https://news.example")
    settings.cache_clear()
    try:
        assert codes(await ask(query)) == ["BAD_REQUEST"]
        async with client() as api:
            assert codes((await api.get("/graphql", params={"query": query})).json()) == ["BAD_REQUEST"]
        assert codes(await ask(query, token=token)) == []
    finally:
        monkeypatch.undo()
        settings.cache_clear()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ articels { totalCount } }", {}),
        ("{ articles(frist: 1) { totalCount } }", {}),
        ("{ articles(filter: {loclae: {eq: 1}}) { totalCount } }", {}),
        ("{ articles(perspective: PUBLISHD) { totalCount } }", {}),
        ("query($f: ArticleFiltre) { articles(filter: $f) { totalCount } }", {}),
        ("{ node(id: 1) { ... on Artcle { id } } }", {}),
        ("query($p: Perspective) { articles(perspective: $p) { totalCount } }", {"p": "PUBLISHD"}),
        ("query($f: ArticleFilter) { articles(filter: $f) { totalCount } }", {"f": {"loclae": {}}}),
    ],
)
async def test_L14_nobody_is_told_names_of_the_schema(
    query: str, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Did you mean" in str(await ask(query, **variables))
    monkeypatch.setenv("CMS_PUBLIC_INTROSPECTION", "false")
    settings.cache_clear()
    try:
        answer = await ask(query, **variables)
        assert codes(answer) and "Did you mean" not in str(answer)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


async def test_a_document_that_comes_again_is_not_read_again() -> None:
    kept = _documents()
    first, second, third = [await kept.prepared(FRONT_PAGE, PUBLIC, introspection=False) for _ in range(3)]
    assert first is not second
    assert second is third


async def test_a_kept_document_is_judged_by_each_viewer() -> None:
    kept = _documents()
    text = "{ articles { nodes { ...F0 } } } " + bomb(10, 2)
    for _ in range(3):
        await kept.prepared(text, KNOWN, introspection=True)
    with pytest.raises(Refused, match="too large"):
        await kept.prepared(text, PUBLIC, introspection=True)


async def test_G13_documents_are_kept_up_to_a_size() -> None:
    kept = _documents()
    for i in range(400):
        for _ in range(2):
            await kept.prepared(f"{{ a{i}: site {{ name }} }} #" + "x" * 900, PUBLIC, introspection=False)
    assert sum(map(len, kept._kept)) == kept._characters <= 300_000
    for i in range(5_000):
        kept._seen[i] = None
    await kept.prepared("{ site { url } }", PUBLIC, introspection=False)
    assert FRONT_PAGE not in kept._kept


def test_there_is_one_store_of_documents() -> None:
    assert documents._schema is schema._schema
