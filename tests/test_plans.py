"""Plans answer what the resolvers answer, byte for byte, or leave it to them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

from cms import database, related
from cms.errors import CMSError
from cms.permissions import PUBLIC
from schema import schema
from schema.context import Context
from schema.documents import Refused
from schema.execution import prepared, run
from schema.plan import Entities, Unplanned, entities, keys_of, tags_of, to_json
from schema.plan.selection import FIELDS
from tests.worlds import Vocabulary, World, build, filters, questions, vocabulary, world

SCHEMA = schema._schema


@pytest.fixture(scope="module")
async def newsroom(server_url: str, database_url: str) -> AsyncIterator[World]:
    parts = urlsplit(database_url)
    name = f"{parts.path[1:]}_plans"
    admin = await asyncpg.connect(server_url)
    await admin.execute(f'drop database if exists "{name}" with (force)')
    await admin.execute(f'create database "{name}" owner copydesk template template_cms')
    async with world(parts._replace(path=f"/{name}").geturl()) as made:
        cast = await made.run(lambda: build(made.tokens))
        for name in ("lead", "third"):  # of the others it is not known yet what they are like
            await made.run(lambda name=name: related.relate({"article": str(cast.stories[name])}))  # type: ignore[misc]
        yield made
    await admin.execute(f'drop database if exists "{name}" with (force)')
    await admin.close()


@pytest.fixture(autouse=True)
def one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading that found the cards of all related stories counts for many."""
    monkeypatch.setattr(entities, "_STREAK", 1)


async def both(document: str, variables: dict[str, object] | None, common: Entities) -> tuple[bytes | None, bytes]:
    """What the plan answers, None where it leaves that to the resolvers, and what they answer. common: what is kept of
    all documents that were asked by now."""
    ask = await prepared(PUBLIC, document, None, variables or {})
    result = await run(ask, Context(actor=PUBLIC), document)
    resolved = orjson.dumps({"data": result.data, "errors": [str(error) for error in result.errors or []]})
    try:
        with database.reading():
            kept = Entities()  # what was shown again and again is put together of what is kept
            read = [await ask.operation.plans.read(ask.variables, kept) for _ in range(7)]
            twin = (await prepared(PUBLIC, document.replace("$no", "$not"), None, ask.variables)).operation
            read += [await twin.plans.read(ask.variables, kept) for _ in range(2)]
            read += [await ask.operation.plans.read(ask.variables, common) for _ in range(2)]
        answers = {to_json({"data": data, "errors": []}) for data, _ in read}
        made_of = {(keys_of(reading), " ".join(sorted(tags_of(reading)))) for _, reading in read}
        assert (len(answers), len(made_of)) == (1, 1), (document, answers, made_of)
        return answers.pop(), resolved
    except Unplanned:
        return None, resolved


class Documents:
    """Random documents of what plans have makers for: aliases, fragments, directives, pages in pages, odd arguments."""

    def __init__(self, words: Vocabulary, seed: int) -> None:
        self.words, self.chance = words, random.Random(seed)
        self.fragments: list[str] = []
        self.variables: list[tuple[str, str, object]] = []

    def document(self) -> str:
        self.fragments, self.variables = [], []
        query = SCHEMA.query_type
        assert query is not None
        body = self.fields(query, 6, self.chance.randint(1, 2))
        declared = " ".join(f"${name}: {kind}" for name, kind, _ in self.variables)
        return " ".join(
            [f"query({declared} $yes: Boolean! = true, $no: Boolean! = false) {{ {_USES} {body[1:]}", *self.fragments]
        )

    def fields(self, type_: GraphQLObjectType, depth: int, most: int) -> str:
        names = list(FIELDS.get(type_.name, ()))
        names = [name for name in names if depth > 1 or is_leaf_type(get_named_type(type_.fields[name].type))]
        chosen = [self.chance.choice(names) for _ in range(most)] if names else []
        parts = [self.field(type_, name, depth, f"a{number}") for number, name in enumerate(chosen)]
        parts = [self.wrapped(type_, part) for part in parts]
        return "{ " + " ".join([*parts, "__typename"]) + " }"

    def field(self, type_: GraphQLObjectType, name: str, depth: int, alias: str) -> str:
        definition = type_.fields[name]
        arguments = [f"{each}: {value}" for each in definition.args if (value := self.value(name, each)) is not None]
        given = f"({', '.join(arguments)})" if arguments else ""
        switch = self.chance.choice(["", "", "", "", " @include(if: $yes)", " @skip(if: $no)", " @skip(if: true)"])
        return f"{self.chance.choice(['', *[f'{alias}: '] * 4])}{name}{given}{switch}{self.selected(definition, depth)}"

    def selected(self, definition: GraphQLField, depth: int) -> str:
        inner = get_named_type(definition.type)
        if is_leaf_type(inner):
            return ""
        if is_abstract_type(inner):
            kinds = [each for each in SCHEMA.get_possible_types(inner) if each.name in FIELDS]
            return (
                ("{ __typename key html " if inner.name == "Block" else "{ __typename ")
                + " ".join(f"... on {each.name} {self.fields(each, depth - 2, 3)}" for each in kinds)
                + " }"
            )
        return " " + self.fields(inner, depth - 1, self.chance.randint(2, 5))

    def wrapped(self, type_: GraphQLObjectType, field: str) -> str:
        kind = self.chance.random()
        if kind < 0.7:
            return field
        if kind < 0.9:
            return f"... on {type_.name} {{ {field} }}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {type_.name} {{ {field} }}")
        return f"...{name}"

    def given(self, kind: str, value: object) -> str:
        """The value as a document gives it: as it is, or by a variable, which may be left out where it can."""
        if self.chance.random() < 0.5:
            return orjson.dumps(value).decode()
        name = f"v{len(self.variables)}"
        self.variables.append((name, kind, value))
        return f"${name}"

    def value(self, field: str, argument: str) -> str | None:
        chance = self.chance
        if argument == "slug":
            return self.given(
                "String!" if field == "storyList" else "String",
                chance.choice([*_SLUGS.get(field, ()), chance.choice(self.words.slugs)]),
            )
        if argument == "query":
            return self.given("String!", chance.choice(_QUERIES))
        if argument == "path":
            return self.given("String!", chance.choice([*_PATHS, chance.choice(self.words.paths)]))
        if argument == "first":
            size = chance.choice([None, None, 0, 1, 2, 3, 3, 100, 101])
            return None if size is None else self.given("Int!", size)
        if argument in ("after", "before"):
            return chance.choice([None] * 8 + [f'"{chance.choice(self.words.cursors)}"'])
        if argument == "last":
            return chance.choice([None] * 9 + ["2"])
        if argument == "filter":
            tag = chance.choice(self.words.slugs)
            return chance.choice([None] * 6 + [f'{{tags: {{anyOf: ["{tag}"]}}}}', "{hasLeadMedia: true}", "{not: {}}"])
        if argument == "orderBy":
            return chance.choice([None] * 6 + ["[{field: HEADLINE, direction: ASC}]", "[{field: CREATED_AT}]"])
        return {"width": "5", "length": "12", "locale": chance.choice(['"en"', '"fr"', None])}.get(argument)


_SLUGS = {
    "article": ("lead-headline", "second-headline", "third-headline", "draft-headline", "withdrawn-headline"),
    "tag": ("shared", "lead", "hidden"),
    "author": ("ann", "bob", "cleo"),
    "section": ("world", "europe", "sport"),
    "storyList": ("front", "secret"),
}
_PATHS = ("/world/lead-headline", "/lead-headline", "/tag/shared", "/author/ann", "/world", "/europe", "/nothing")
_QUERIES = ("headline", "lead head", '"second headline" -lead', "shared", "headlnie", "ann", "", "nothing", "x" * 1_001)
_USES = "__typename @include(if: $yes) @skip(if: $no)"
_COUNT = 400


async def test_whatever_is_asked_plans_answer_the_bytes_of_the_resolvers(newsroom: World) -> None:
    words = await vocabulary([newsroom])
    documents = Documents(words, seed=1)
    answered = long = 0
    common = Entities()
    for _ in range(_COUNT):
        document = documents.document()
        variables = {name: value for name, _, value in documents.variables}
        try:
            ours, theirs = await newsroom.run(lambda: both(document, variables, common))  # noqa: B023 - it runs now
        except (Refused, CMSError):  # two fields under one key, or too much
            continue
        if ours is not None:
            assert ours == theirs, (document, variables)
            answered += 1
            long += len(ours) > 200
    assert answered > _COUNT / 4, answered
    assert long > _COUNT / 16, long


async def test_plans_answer_or_leave_questions_of_the_whole_schema(newsroom: World) -> None:
    words, common = await vocabulary([newsroom]), Entities()
    for document in [*questions(words, count=120, odd=0, seed=3), *filters(words)]:
        try:
            ours, theirs = await newsroom.run(lambda document=document: both(document, {}, common))  # type: ignore[misc]
        except (Refused, CMSError):
            continue
        assert ours in (None, theirs), document
