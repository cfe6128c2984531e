"""What is not published cannot be read: the known ways in which peers leaked, one by one (rows L, A6, A13 and Q).

The general case is tests/test_noninterference.py.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphql
import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms import articles, ids, keyset, listings, newsroom, taxonomy, workflow
from cms.app import create_app
from cms.models import Article, ArticleStatus, Role, TokenScope
from cms.permissions import PUBLIC, SYSTEM, Perspective
from cms.workflow import Transition
from schema import schema
from tests.conftest import Api
from tests.factories import make_actor, make_article, make_author, make_section, make_tag, make_token, publish

SOURCES = [path for folder in ("cms", "schema") for path in Path(folder).rglob("*.py")]
HOSTILE = ["'", '"', ")", "--", "%", "_", "\\", "';drop table live;--", "$1", "{}", "\u202e", "😀", "a" * 5_000]

# Every leaf that readers may filter by.
READABLE = {
    "id", "locale", "section", "tags", "authors", "publishedAt", "updatedAt", "hasLeadMedia",
    "and", "or", "not", "in", "notIn", "eq", "gt", "gte", "lt", "lte", "isNull", "anyOf", "allOf", "noneOf",
}  # fmt: skip
STAFF_ONLY = {"status", "publishAt", "trashed"}
COLUMNS = {
    "live.article_id", "live.published_at", "live.updated_at", "live.headline", "live.locale", "live.section_id",
    "live.tag_ids", "live.author_ids", "live.lead_media_id", "t.term_id", "t.published_at", "t.article_id",
}  # fmt: skip


def _input_leaves(name: str) -> set[str]:
    kind = schema._schema.type_map[name]
    assert isinstance(kind, graphql.GraphQLInputObjectType)
    return set(kind.fields)


async def test_L1_private_columns_cannot_be_filtered_by(api: Api) -> None:
    document = '{ articles(filter: {author: {passwordHash: {startsWith: "$argon2id"}}}) { totalCount } }'
    assert await api.errors(document) == ["BAD_REQUEST"]


def test_L1_every_filter_is_of_what_its_reader_may_see() -> None:
    reachable = {"ArticleFilter"}
    while True:
        kinds = [schema._schema.type_map[name] for name in reachable]
        found = {
            graphql.get_named_type(field.type).name for kind in kinds for field in getattr(kind, "fields", {}).values()
        }
        found = {n for n in found if isinstance(schema._schema.type_map[n], graphql.GraphQLInputObjectType)}
        if found <= reachable:
            break
        reachable |= found
    assert set().union(*(_input_leaves(name) for name in reachable)) == READABLE | STAFF_ONLY


def _filters() -> st.SearchStrategy[dict[str, Any]]:
    words = st.lists(st.sampled_from(["a", "b", "password_hash", "'; --"]), max_size=2)
    leaf = st.one_of(
        st.fixed_dictionaries({"tags": st.dictionaries(st.sampled_from(["any_of", "all_of", "none_of"]), words)}),
        st.fixed_dictionaries({"authors": st.dictionaries(st.sampled_from(["any_of", "none_of"]), words)}),
        st.fixed_dictionaries({"section": st.dictionaries(st.sampled_from(["in", "not_in"]), words)}),
        st.fixed_dictionaries({"locale": st.dictionaries(st.sampled_from(["in", "not_in"]), words)}),
        st.fixed_dictionaries({"has_lead_media": st.booleans()}),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"and": st.lists(inner, max_size=3)}),
            st.fixed_dictionaries({"or": st.lists(inner, max_size=3)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=6,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filter=_filters())
async def test_L2_no_nesting_of_filters_reaches_another_column(db: None, filter: dict[str, Any]) -> None:
    listing = await listings.articles(PUBLIC, Perspective.PUBLISHED, filter=filter)
    sql = f"{listing.source} {listing.where.sql()} {keyset._order(listing.keys, False)}"
    assert set(re.findall(r"\b[a-z]+\.[a-z_]+\b", sql)) <= COLUMNS
    assert "password" not in sql


@pytest.mark.parametrize("field", ["email", "note", "author.email", "password_hash"])
async def test_L3_lists_have_no_order_by_what_is_hidden(api: Api, field: str) -> None:
    errors = await api.errors(
        "query($f: ArticleOrderField!) { articles(orderBy: {field: $f}) { totalCount } }", f=field
    )
    assert errors == ["BAD_REQUEST"]


async def test_L3_a_forged_cursor_is_as_unknown_as_garbage(api: Api) -> None:
    await make_article(status=ArticleStatus.PUBLISHED)
    forged = base64.urlsafe_b64encode(orjson.dumps(["-NOTE,-ID", "x", str(ids.new())])).rstrip(b"=").decode()
    document = "query($after: String) { articles(after: $after) { nodes { id } } }"
    answers = [await api.answer(document, after=after) for after in (forged, "garbage")]
    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["extensions"]["code"] == "INVALID"


async def test_L4_counts_and_facets_count_what_readers_may_list(api: Api) -> None:
    section, author = await make_section("World"), await make_author("Ann")
    common = {"section_id": section, "byline": [{"author_id": author}], "tag_names": ["Peace"]}
    await make_article(status=ArticleStatus.PUBLISHED, **common)
    for status in (ArticleStatus.DRAFT, ArticleStatus.APPROVED, ArticleStatus.SCHEDULED, ArticleStatus.UNPUBLISHED):
        await make_article(status=status, **common)
    document = """{ articles { totalCount facets { sections { count } tags { count } authors { count } } }
        section(slug: "world") { articleCount articles { totalCount } } tag(slug: "peace") { articleCount }
        author(slug: "ann") { articleCount } }"""
    assert await api(document) == {
        "articles": {
            "totalCount": 1,
            "facets": {"sections": [{"count": 1}], "tags": [{"count": 1}], "authors": [{"count": 1}]},
        },
        "section": {"articleCount": 1, "articles": {"totalCount": 1}},
        "tag": {"articleCount": 1},
        "author": {"articleCount": 1},
    }


async def test_L5_names_that_only_drafts_have_are_not_found(api: Api) -> None:
    author = await make_author("Deep Throat")
    await make_article(tag_names=["Merger"], byline=[{"author_id": author}])
    document = (
        '{ tags(query: "merger") { totalCount nodes { name } } authors(query: "deep") { totalCount nodes { name } } }'
    )
    nothing = {"totalCount": 0, "nodes": []}
    assert await api(document) == {"tags": nothing, "authors": nothing}


async def test_L6_hidden_stories_are_not_reached_through_relations(api: Api) -> None:
    draft = await make_article(headline="Hidden", tag_names=["Peace"])
    link = ids.encode("Article", draft.article_id)
    body = {"json": {"type": "doc", "content": [{"type": "articleLink", "attrs": {"articleId": link}}]}}
    shown = await make_article(
        status=ArticleStatus.PUBLISHED, related_post_ids=[draft.article_id], tag_names=["Peace"], body=body
    )
    await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[draft.article_id, shown.article_id])
    document = """query($id: ID!, $hidden: ID!) {
        article(id: $id) { relatedPosts { article { headline } } translations { headline }
          tags { articles { totalCount nodes { headline } } }
          body { html references { articles { headline } }
            blocks { ... on ArticleLinkBlock { html article { headline } } } } }
        node(id: $hidden) { id } nodes(ids: [$hidden]) { id }
        storyList(slug: "front") { articles { headline } } }"""
    answer = await api(document, id=ids.encode("Article", shown.article_id), hidden=link)
    assert answer["article"]["relatedPosts"] == []
    assert answer["article"]["translations"] == []
    assert answer["article"]["tags"] == [{"articles": {"totalCount": 1, "nodes": [{"headline": shown.headline}]}}]
    assert answer["article"]["body"] == {
        "html": "", "references": {"articles": []}, "blocks": [{"html": "", "article": None}]
    }  # fmt: skip
    assert (answer["node"], answer["nodes"]) == (None, [None])
    assert answer["storyList"]["articles"] == [{"headline": shown.headline}]


# What readers get of a story in each state, by id, node, slug, path, list, tag, author, section and story list.
_HIDDEN = [status for status in ArticleStatus if status is not ArticleStatus.PUBLISHED]


@pytest.mark.parametrize("status", [*_HIDDEN, "TRASHED", "EMBARGOED"])
@pytest.mark.parametrize("viewer", ["public", TokenScope.READ, Role.EDITOR])
async def test_L7_no_root_field_shows_what_is_not_live(api: Api, status: str, viewer: str) -> None:
    story = await _in_state(status)
    token = None
    if viewer == TokenScope.READ:
        token = await make_token(TokenScope.READ)
    elif viewer == Role.EDITOR:  # in the perspective PUBLISHED an editor sees what readers see
        token = await api._token(await make_actor(Role.EDITOR))
    document = """query($id: ID!, $slug: String!, $path: String!) {
        article(id: $id) { id } bySlug: article(slug: $slug) { id } node(id: $id) { id } nodes(ids: [$id]) { id }
        route(path: $path) { ... on Article { id } } articles { totalCount nodes { id } }
        tag(slug: "peace") { id } author(slug: "ann") { id } tags { totalCount } authors { totalCount }
        section(slug: "world") { articleCount articles { nodes { id } } } storyList(slug: "front") { id }
        redirects { totalCount } }"""
    id = ids.encode("Article", story.article_id)
    answer = await api(document, token=token, id=id, slug=story.slug, path=f"/world/{story.slug}")
    gone = {} if status in (ArticleStatus.UNPUBLISHED, ArticleStatus.WITHDRAWN) else None
    assert answer == {
        "article": None, "bySlug": None, "node": None, "nodes": [None], "route": gone,
        "articles": {"totalCount": 0, "nodes": []}, "tag": None, "author": None,
        "tags": {"totalCount": 0}, "authors": {"totalCount": 0},
        "section": {"articleCount": 0, "articles": {"nodes": []}}, "storyList": None, "redirects": {"totalCount": 0},
    }  # fmt: skip


async def _in_state(status: str) -> Any:
    author = await make_author("Ann")
    section = await make_section("World")
    plain = ArticleStatus(status) if status in ArticleStatus.__members__ else ArticleStatus.DRAFT
    story = await make_article(status=plain, section_id=section, byline=[{"author_id": author}], tag_names=["Peace"])
    await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[story.article_id])
    if status == "TRASHED":
        await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    if status == "EMBARGOED":
        until = workflow.clock.now().replace(year=2100)
        await articles.update_editorial(SYSTEM, story.article_id, {"embargoed_until": until})
    return story


async def test_L11_revisions_of_others_are_not_read_by_id(api: Api) -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED)
    revision = ids.encode("Revision", story.revision_id)
    stranger = await make_actor(Role.CONTRIBUTOR)
    document = "query($id: ID!) { node(id: $id, perspective: DRAFT) { id } }"
    assert await api(document, actor=stranger, id=revision) == {"node": None}
    assert await api("query($id: ID!) { node(id: $id) { id } }", id=revision) == {"node": None}
    editor = await make_actor(Role.EDITOR)
    assert await api(document, actor=editor, id=revision) == {"node": {"id": revision}}


async def test_L12_a_new_thing_inherits_nothing_of_a_deleted_one(api: Api) -> None:
    first = await make_tag("Peace")
    story = await make_article(status=ArticleStatus.PUBLISHED, tag_names=["Peace"])
    await articles.update(SYSTEM, story.article_id, {"tag_ids": []})
    await publish(story.article_id)
    await taxonomy.delete_tag(SYSTEM, first)
    second = await taxonomy.create_tag(SYSTEM, name="Peace")
    assert second.id != first
    document = "query($s: String) { tag(slug: $s, perspective: DRAFT) { articleCount } }"
    answer = await api(document, actor=await make_actor(), s=second.slug)
    assert answer == {"tag": {"articleCount": 0}}


@pytest.mark.parametrize("scheme", ["Bearer PREVIEW", "Bearer READ", "Bearer cms_nobody", "copydesk=nobody"])
async def test_L17_no_answer_may_be_shared_between_viewers(api: Api, scheme: str) -> None:
    kind, _, scope = scheme.rpartition(" ")
    if scope in TokenScope.__members__:
        scheme = f"{kind} {await make_token(TokenScope(scope))}"
    headers = {"Authorization" if kind else "Cookie": scheme, "X-Requested-With": "copydesk"}
    response = await api._client.post("/graphql", json={"query": "{ site { name } }"}, headers=headers)
    assert response.headers["cache-control"] == "private, no-store"
    assert {"Authorization", "Cookie"} <= {each.strip() for each in response.headers["vary"].split(",")}


async def test_L17_what_nobody_showed_as_a_credential_changes_no_answer(api: Api) -> None:
    """So what is kept for one reader may be given to all."""
    asked = [{}, {"Cookie": "a=b"}, {"X-Preview": "1"}, {"X-Forwarded-Host": "evil.example", "X-Original-URL": "/a"}]
    answers = [
        await api._client.post("/graphql", json={"query": "{ site { name url } }"}, headers=headers)
        for headers in asked
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    for answer in answers:
        assert answer.headers["cache-control"] == "public, no-cache"
        assert {"Authorization", "Cookie"} <= {each.strip() for each in answer.headers["vary"].split(",")}


def _documents_with_ids() -> Iterator[str]:
    for kind, word in ((schema._schema.query_type, "query"), (schema._schema.mutation_type, "mutation")):
        assert kind is not None
        for name, field in kind.fields.items():
            for argument, spec in field.args.items():
                named = graphql.get_named_type(spec.type)
                if named.name == "ID":
                    value = "[$id]" if graphql.is_list_type(graphql.get_nullable_type(spec.type)) else "$id"
                    arguments = f"{argument}: {value}{_required(field, argument)}"
                    yield f"{word}($id: ID!) {{ {name}({arguments}) {{ __typename }} }}"


def _required(field: graphql.GraphQLField, but: str) -> str:
    return "".join(
        f', {name}: ""' for name, spec in field.args.items() if name != but and graphql.is_required_argument(spec)
    )


@pytest.mark.parametrize("document", sorted(_documents_with_ids()))
async def test_A6_an_id_of_another_kind_is_not_found(api: Api, document: str) -> None:
    admin = await make_actor(Role.ADMIN)
    for id in ("", "garbage", ids.encode("Event", ids.new()), ids.encode("Upload", ids.new()), "é" * 23, "a" * 100_000):
        answer = await api.answer(document, actor=admin, id=id)
        assert "INTERNAL" not in str(answer)
        assert not [value for value in (answer.get("data") or {}).values() if value and value not in ([None],)] or (
            "totalCount" in str(answer) or "Connection" in str(answer)
        )


@pytest.mark.parametrize("host", ["evil.example", "a/?x=", "127.0.0.1@evil", "[::1", ""])
async def test_A13_what_a_request_says_of_its_host_changes_no_answer(api: Api, host: str) -> None:
    document = {"query": "{ site { url } viewer { name } articles { totalCount } }"}
    expected = (await api._client.post("/graphql", json=document)).content
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url="http://x") as client:
        response = await client.post("/graphql", json=document, headers={"Host": host, "X-Forwarded-Host": host})
    assert response.content == expected


def test_A13_nothing_decides_on_the_address_that_a_request_claims() -> None:
    assert [
        path for path in SOURCES if "request.url.path" in path.read_text() or "request.base_url" in path.read_text()
    ] == []


def _string_arguments() -> Iterator[tuple[str, str]]:
    query = schema._schema.query_type
    assert query is not None
    for name, field in query.fields.items():
        for argument, spec in field.args.items():
            if graphql.get_named_type(spec.type).name == "String":
                yield name, argument


@pytest.mark.parametrize(("field", "argument"), sorted(_string_arguments()))
async def test_Q1_no_text_reaches_sql(api: Api, monkeypatch: pytest.MonkeyPatch, field: str, argument: str) -> None:
    statements: list[str] = []
    fetch = keyset._fetch

    async def noted(sql: str, params: list[Any]) -> list[Any]:
        statements.append(sql)
        return await fetch(sql, params)

    monkeypatch.setattr(keyset, "_fetch", noted)
    await make_article(status=ArticleStatus.PUBLISHED, tag_names=["Peace"])
    query = schema._schema.query_type
    assert query is not None
    more = _required(query.fields[field], argument)
    selection = "{ __typename }" if not graphql.is_leaf_type(graphql.get_named_type(query.fields[field].type)) else ""
    document = f"query($text: String!) {{ {field}({argument}: $text{more}) {selection} }}"
    for text in HOSTILE:
        answer = await api.answer(document, actor=await make_actor(Role.ADMIN), text=text)
        assert "INTERNAL" not in str(answer), text
        if len(text) > 3:
            assert not [sql for sql in statements if text in sql]


async def test_Q1_hostile_slugs_find_nothing_and_harm_nothing(api: Api) -> None:
    await make_article(status=ArticleStatus.PUBLISHED, tag_names=["Peace"])
    document = "query($s: [String!]) { articles(filter: {tags: {anyOf: $s}}) { totalCount } }"
    assert await api(document, s=HOSTILE) == {"articles": {"totalCount": 0}}
    assert await api(document, s=["peace"]) == {"articles": {"totalCount": 1}}


def test_Q2_no_statement_is_made_of_a_users_words() -> None:
    """No raw SQL of the ORM, and nowhere a mapping spread into its filters but with names that are constants."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == "raw":
                found.append(f"{path}:{node.lineno}: raw()")
            spread = [each.value for each in node.keywords if each.arg is None]
            if node.func.attr in ("filter", "values", "annotate", "order_by", "exclude") and any(
                not isinstance(value, ast.Dict) for value in spread
            ):
                found.append(f"{path}:{node.lineno}: {node.func.attr}(**…)")
    assert found == []


@pytest.mark.parametrize("name", ["password_hash", "owner__email", "id; drop table live", "__class__", ""])
async def test_Q3_unknown_names_of_filters_are_refused_before_sql(db: None, name: str) -> None:
    with pytest.raises((AttributeError, KeyError)):
        await listings.articles(PUBLIC, Perspective.PUBLISHED, filter={name: {"eq": "x"}})


async def test_Q4_percent_and_underscore_are_letters(api: Api) -> None:
    await make_article(status=ArticleStatus.PUBLISHED, tag_names=["100% wool", "file_name", "peace"])
    document = "query($q: String) { tags(query: $q) { nodes { name } } }"
    assert await api(document, q="%") == {"tags": {"nodes": []}}
    assert await api(document, q="100%") == {"tags": {"nodes": [{"name": "100% wool"}]}}
    assert await api(document, q="file_") == {"tags": {"nodes": [{"name": "file_name"}]}}


@pytest.mark.parametrize("text", ["'" * 10_000, "(a+)+$" * 500, "<div>" * 20_000, "\u0301" * 10_000, "a-" * 5_000])
async def test_G15_texts_that_are_slow_elsewhere_are_taken_or_refused(api: Api, text: str) -> None:
    """How long they take at most is measured by tests/test_attacks.py; here, that they end in an answer."""
    editor = await make_actor(Role.EDITOR)
    query = """query($q: String!) { tags(query: $q) { totalCount } authors(query: $q) { totalCount }
        route(path: $q) { __typename } }"""
    found = await api(query, q=text[:10_000])
    assert found == {"tags": {"totalCount": 0}, "authors": {"totalCount": 0}, "route": None}
    created = await api.write("createArticle", {"headline": "Story", "body": {"html": text}}, actor=editor)
    assert created["__typename"] in ("Article", "Problem")
    assert created.get("code") in (None, "INVALID")


async def test_A5_several_at_once_answer_each_by_itself_a_hidden_story_like_none(api: Api) -> None:
    owner = await make_actor(Role.CONTRIBUTOR)
    own, hidden = await make_article(owner_id=owner.user_id), await make_article()
    given = [ids.encode("Article", id) for id in (hidden.article_id, own.article_id, ids.new())] + ["garbage"]
    document = """mutation($items: [TransitionItemInput!]!) {
      transitionArticles(input: {transition: SUBMIT, items: $items}) {
        ... on Article { id } ... on Problem { code message issues { field } } } }"""
    done = await api(document, actor=owner, items=[{"id": id} for id in given])
    first, second, third, fourth = done["transitionArticles"]
    assert second == {"id": given[1]}
    assert first == third == fourth
    assert first["code"] == "NOT_FOUND"
    assert (await Article.get(id=hidden.article_id)).status is ArticleStatus.DRAFT
