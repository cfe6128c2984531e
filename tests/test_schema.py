"""The schema as a whole, and how it fails: one field at a time, with words that give nothing away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    is_specified_scalar_type,
)

import schema as api_schema
from cms import ids, routes
from cms import media as library
from cms.models import ArticleStatus
from tests.checks import SDL
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article, make_author, make_media

SCHEMA = build_schema(api_schema.schema.as_str())
TYPES: dict[str, GraphQLNamedType] = {
    name: type
    for name, type in SCHEMA.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(type)
}
# Their ids name things that nobody looks up by node.
NO_NODES = {"Correction", "Comment", "OpenPreviewLink", "PreviewLink", "Session", "Token"}


def undescribed() -> Iterator[str]:
    for name, type in TYPES.items():
        if not type.description and name not in ("Query", "Mutation", "Subscription"):
            yield name
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type.fields.items():
                if not field.description:
                    yield f"{name}.{field_name}"
                yield from (f"{name}.{field_name}({arg}:)" for arg, a in field.args.items() if not a.description)
        if isinstance(type, GraphQLInputObjectType):
            yield from (f"{name}.{field}" for field, f in type.fields.items() if not f.description)


def test_everything_has_a_description() -> None:
    assert [*undescribed()] == []


def test_the_enum_values_that_need_words_are_described_in_their_enum() -> None:
    silent = []
    for name, type in TYPES.items():
        if isinstance(type, GraphQLEnumType):
            silent += [f"{name}.{value}" for value, v in type.values.items() if not v.description]
    assert silent == []


def test_the_printed_schema_is_current() -> None:
    assert SDL.read_text() == api_schema.schema.as_str().rstrip() + "\n"


def test_what_has_an_id_is_a_node() -> None:
    nodes = {type.name for type in SCHEMA.get_possible_types(SCHEMA.type_map["Node"])}  # type: ignore[arg-type]
    have = {name for name, type in TYPES.items() if isinstance(type, GraphQLObjectType) and "id" in type.fields}
    assert have - nodes <= NO_NODES
    assert nodes <= have


def test_every_mutation_takes_one_input_and_answers_a_union_with_problem() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        result = field.type
        while not isinstance(result, GraphQLUnionType):
            result = result.of_type  # type: ignore[union-attr]
        assert "Problem" in {member.name for member in result.types}, name
        assert set(field.args) <= {"input"}, name
        assert isinstance(field.type, GraphQLNonNull)


def test_a_root_field_that_fails_does_not_empty_the_page() -> None:
    assert SCHEMA.query_type is not None
    strict = {name for name, field in SCHEMA.query_type.fields.items() if isinstance(field.type, GraphQLNonNull)}
    assert strict == {"site"}


async def test_one_failing_field_leaves_the_rest_of_the_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, fine = await make_media(), await make_media()
    for n in range(10):
        picture = broken if n == 3 else fine
        await make_article(
            status=ArticleStatus.PUBLISHED, headline=f"{n}", lead_media={"media_id": picture.id}, tag_names=["t"]
        )
    plain = library.url

    def url(media: Any, *args: Any, **more: Any) -> Any:
        if media.id == broken.id:
            raise RuntimeError("/secret/path: select * from user")
        return plain(media, *args, **more)

    monkeypatch.setattr(library, "url", url)
    query = """{ articles(orderBy: {field: HEADLINE, direction: ASC}) { nodes { headline leadMedia { url } } }
      tags { nodes { name } } featured: article(slug: "nope") { id } }"""
    answer = await api.answer(query)
    nodes = answer["data"]["articles"]["nodes"]
    assert [node["headline"] for node in nodes] == [str(n) for n in range(10)]
    assert nodes[3]["leadMedia"] == {"url": None}
    assert (answer["data"]["tags"], answer["data"]["featured"]) == ({"nodes": [{"name": "t"}]}, None)
    (error,) = answer["errors"]
    assert error["path"] == ["articles", "nodes", 3, "leadMedia", "url"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert re.fullmatch(r"[0-9a-f]{32}", error["extensions"]["correlationId"])
    assert "secret" not in str(answer) and "select" not in str(answer)


async def test_a_root_field_that_fails_is_null_beside_the_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def route(*args: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(routes, "route", route)
    answer = await api.answer('{ route(path: "/x") { __typename } site { name } }')
    assert answer["data"] == {"route": None, "site": {"name": "Newsroom"}}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    "document",
    [
        "{ articles(orderBy: {field: WEIGHT}) { totalCount } }",
        "{ articles(",
        "{ nothing }",
        "{ articles(first: 99999999999) { totalCount } }",
        '{ articles(filter: {publishedAt: {gt: "2026-03-29"}}) { totalCount } }',
        '{ articles(filter: {publishedAt: {gt: "2026-03-29T02:30:00"}}) { totalCount } }',
    ],
)
async def test_a_wrong_document_is_an_error_with_a_code(api: Api, document: str) -> None:
    answer = await api.answer(document)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]
    assert answer.get("data") is None


async def test_a_file_of_three_gigabytes_can_be_told(api: Api) -> None:
    picture = await make_media()
    await type(picture).filter(id=picture.id).update(byte_size=3 * 1024**3)
    await make_article(status=ArticleStatus.PUBLISHED, lead_media={"media_id": picture.id})
    found = await api("{ articles { nodes { leadMedia { media { byteSize } } } } }")
    assert found["articles"]["nodes"][0]["leadMedia"]["media"]["byteSize"] == 3 * 1024**3


INSTANT = """query($p: DateTimeFilter) { articles(filter: {publishedAt: $p}) { totalCount } }"""


async def test_instants_are_compared_whatever_their_offset(api: Api) -> None:
    await make_article(status=ArticleStatus.PUBLISHED)
    await execute("update live set published_at = '2027-03-29T01:30:00Z'")
    for bound, count in (
        ({"lt": "2027-03-28T20:31:00-05:00"}, 1),
        ({"lt": "2027-03-29T03:29:00+02:00"}, 0),
        ({"eq": "2027-03-29T03:30:00+02:00"}, 1),
        ({"eq": "2027-03-29T01:30:00Z"}, 1),
    ):
        assert (await api(INSTANT, p=bound))["articles"]["totalCount"] == count, bound


async def test_one_operation_has_one_perspective(api: Api) -> None:
    editor = await make_actor()
    await make_article(headline="Draft", tag_names=["t"])
    two = "{ a: articles(perspective: DRAFT) { totalCount } b: articles(perspective: PUBLISHED) { totalCount } }"
    assert await api.errors(two, actor=editor) == ["INVALID"]
    follow = '{ articles { totalCount } tag(slug: "t", perspective: DRAFT) { articleCount } }'
    found = await api(follow, actor=editor)
    assert found == {"articles": {"totalCount": 1}, "tag": {"articleCount": 1}}
    assert await api.errors("{ articles(perspective: DRAFT) { totalCount } }") == ["UNAUTHENTICATED"]
    variable = "query($p: Perspective = DRAFT) { articles(perspective: $p) { totalCount } }"
    assert (await api(variable, actor=editor))["articles"]["totalCount"] == 1
    assert (await api(variable, actor=editor, p="PUBLISHED"))["articles"]["totalCount"] == 0
    for bad in ([], {}, 5, "NONE"):
        assert await api.errors(variable, actor=editor, p=bad) == ["BAD_REQUEST"]


async def test_a_lookup_takes_exactly_one_of_id_and_slug(api: Api) -> None:
    id = ids.encode("Author", await make_author("Ann"))
    for kind in ("article", "section", "tag", "author"):
        for arguments in ("", f'(id: "{id}", slug: "x")'):
            assert await api.errors(f"{{ {kind}{arguments} {{ id }} }}") == ["INVALID"], kind
