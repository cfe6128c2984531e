"""Two newsrooms that differ only in what a viewer may not see, and random questions to both.

Non-interference (Goguen and Meseguer, 1982): whatever the viewer asks, both must answer the same bytes.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import graphql
import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries
from starlette.applications import Starlette
from starlette.routing import Route
from tortoise import connections

from cms import (
    accounts,
    articles,
    clock,
    comments,
    database,
    ids,
    media,
    newsroom,
    related,
    tagging,
    taxonomy,
    workflow,
)
from cms.demo.pictures import Picture, png
from cms.http import feeds
from cms.models import (
    Article,
    Author,
    CorrectionKind,
    Head,
    Live,
    Media,
    Revision,
    Role,
    Section,
    StoryList,
    Tag,
    TagKind,
    TokenScope,
    User,
)
from cms.permissions import SYSTEM, Actor
from cms.settings import Settings
from cms.workflow import Transition, Wish
from schema import schema
from schema.endpoint import graphql as endpoint

T = TypeVar("T")
VIEWERS = ("public", "read", "preview", "contributor", "editor")


@dataclass(eq=False)
class World:
    """One newsroom in a database of its own."""

    context: contextvars.Context
    client: httpx.AsyncClient
    tokens: dict[str, str | None] = field(default_factory=dict)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def inside() -> T:
            return await work()

        return await asyncio.create_task(inside(), context=self.context.copy())

    async def ask(self, viewer: str, document: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        token = self.tokens[viewer]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self.run(lambda: self.client.post("/graphql", json={"query": document}, headers=headers))
        return response.status_code, dict(response.headers), response.content

    async def get(self, path: str) -> tuple[int, str | None, bytes]:
        """Status, place and body of what stands at a path for everybody."""
        response = await self.run(lambda: self.client.get(path))
        return response.status_code, response.headers.get("location"), response.content


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    opened, done = asyncio.Event(), asyncio.Event()

    async def stay_open() -> None:
        async with database.open(Settings(database_url=url)):
            opened.set()
            await done.wait()

    context = contextvars.copy_context()
    task = asyncio.create_task(stay_open(), context=context)
    await asyncio.wait([asyncio.create_task(opened.wait()), task], return_when=asyncio.FIRST_COMPLETED)
    app = Starlette(routes=[Route("/graphql", endpoint, methods=["GET", "POST"]), *feeds.ROUTES])
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://newsroom.test") as client:
            yield World(context, client)
    finally:
        done.set()
        await task


@dataclass(eq=False)
class Cast:
    """Who and what stands in the first world, by name."""

    actors: dict[str, Actor] = field(default_factory=dict)
    stories: dict[str, UUID] = field(default_factory=dict)
    tags: dict[str, UUID] = field(default_factory=dict)
    sections: dict[str, UUID] = field(default_factory=dict)
    authors: dict[str, UUID] = field(default_factory=dict)
    pictures: dict[str, UUID] = field(default_factory=dict)


async def build(tokens: dict[str, str | None]) -> Cast:
    """A newsroom with something in every state; tokens are filled in for each viewer."""
    cast = Cast()
    for name, role in (("contributor", Role.CONTRIBUTOR), ("editor", Role.EDITOR), ("other", Role.CONTRIBUTOR)):
        user = await accounts.create_user(
            SYSTEM, email=f"{name}@example.org", name=name.title(), role=role, password=None
        )
        cast.actors[name] = Actor(user.name, user_id=user.id, role=role, scopes=frozenset(TokenScope))
        tokens[name] = await accounts.create_token(SYSTEM, name=name, scope=TokenScope.WRITE, user=user)
    tokens["public"] = None
    for name, scope in (("read", TokenScope.READ), ("preview", TokenScope.PREVIEW)):
        tokens[name] = await accounts.create_token(SYSTEM, name=name, scope=scope)
    await newsroom.update_site(SYSTEM, {"name": "The Paper", "locales": ["en", "fr"], "locale": "en"})
    for name, parent in (("world", None), ("europe", "world"), ("sport", None)):
        section = await taxonomy.create_section(SYSTEM, name=name.title(), parent_id=cast.sections.get(parent or ""))
        cast.sections[name] = section.id
    for name in ("ann", "bob", "cleo"):
        cast.authors[name] = (await taxonomy.create_author(SYSTEM, name=name.title())).id
    for name, colour in (("shown", "#800000"), ("unused", "#008000")):
        picture = await media.add_image(
            SYSTEM, png(Picture((colour, colour), width=8, height=8)), filename=f"{name}.png", alt_text=name
        )
        cast.pictures[name] = picture.id
    for index, name in enumerate(("lead", "second", "third", "fourth", "taken", "withdrawn")):
        await _story(cast, name, section=("world", "europe", "sport")[index % 3], author=("ann", "bob")[index % 2])
        await workflow.transition(SYSTEM, cast.stories[name], Transition.PUBLISH)
    await _story(cast, "draft", section="europe", author="bob", tags=["shared", "hidden"])
    await _story(cast, "own", section="sport", author="cleo", owner="contributor", tags=["shared", "mine"])
    await _story(cast, "reviewed", section="world", author="ann", tags=["shared"])
    await workflow.transition(SYSTEM, cast.stories["reviewed"], Transition.SUBMIT)
    await _story(cast, "trashed", section="world", author="ann", tags=["shared"])
    await workflow.transition(SYSTEM, cast.stories["trashed"], Transition.TRASH)
    await _story(cast, "planned", section="world", author="ann", tags=["shared"])
    later = clock.now() + timedelta(days=30)
    await workflow.transition(SYSTEM, cast.stories["planned"], Transition.SCHEDULE, wish=Wish(publish_at=later))
    await _relations(cast)
    await workflow.transition(SYSTEM, cast.stories["taken"], Transition.UNPUBLISH)
    await workflow.transition(SYSTEM, cast.stories["withdrawn"], Transition.WITHDRAW, wish=Wish(notice="A mistake."))
    await newsroom.set_story_list(
        SYSTEM, slug="front", name="Front", article_ids=[cast.stories[n] for n in ("draft", "lead", "planned", "third")]
    )
    await newsroom.set_story_list(SYSTEM, slug="secret", name="Secret", article_ids=[cast.stories["draft"]])
    for name in ("lead", "third"):  # the job has looked at some and not at others
        await related.relate({"article": str(cast.stories[name])})
    cast.tags = {tag.slug: tag.id for tag in await Tag.all()}
    return cast


async def _story(
    cast: Cast,
    name: str,
    *,
    section: str,
    author: str,
    owner: str = "other",
    tags: list[str] | None = None,
) -> None:
    head = await articles.create(
        cast.actors[owner],
        {
            "headline": f"{name.title()} headline",
            "dek": f"What {name} says",
            "section_id": cast.sections[section],
            "byline": [{"author_id": cast.authors[author]}],
            "tag_names": tags or ["shared", name],
            "body": {"html": f"<p>Text of {name}.</p>"},
        },
    )
    cast.stories[name] = head.article_id


async def _relations(cast: Cast) -> None:
    """Live stories that point at what readers may not see, and drafts over live ones."""
    for name in ("lead", "second"):
        link = ids.encode("Article", cast.stories["draft"])
        await articles.update(
            SYSTEM,
            cast.stories[name],
            {
                "related_post_ids": [cast.stories[n] for n in ("draft", "third", "planned", "fourth")],
                "lead_media": {"media_id": cast.pictures["shown"]},
                "body": {"json": _linking(link)},
            },
        )
        await workflow.transition(SYSTEM, cast.stories[name], Transition.PUBLISH)
    await workflow.add_correction(SYSTEM, cast.stories["lead"], kind=CorrectionKind.UPDATE, text="More is known.")
    await articles.update(SYSTEM, cast.stories["third"], {"headline": "A newer draft", "tag_names": ["shared", "next"]})
    french = await articles.create(
        SYSTEM, {"headline": "Brouillon", "locale": "fr", "translation_of_id": cast.stories["lead"]}
    )
    cast.stories["french"] = french.article_id


def _linking(article_id: str) -> dict[str, Any]:
    text = {"type": "text", "text": "a link", "marks": [{"type": "link", "attrs": {"articleId": article_id}}]}
    return {
        "type": "doc",
        "content": [
            {"type": "paragraph", "content": [text]},
            {"type": "articleLink", "attrs": {"articleId": article_id}},
        ],
    }


# ---------------------------------------------------------------- what the second world has otherwise


async def vary(cast: Cast, viewer: str) -> None:
    """Change everything that this viewer may not see. New private data belongs here; the assertion never changes."""
    await _vary_people()
    if viewer == "editor":
        return
    await _vary_other_drafts(cast)
    if viewer != "preview":  # who is not shown what is under embargo
        until = clock.now() + timedelta(days=90)
        await articles.update_editorial(SYSTEM, cast.stories["draft"], {"embargoed_until": until})
    if viewer in ("public", "read"):
        await _vary_drafts(cast)


async def _vary_people() -> None:
    """Passwords, tokens, the log of what concerns no story."""
    await User.all().update(password_hash="$argon2id$other")
    await accounts.create_token(SYSTEM, name="another", scope=TokenScope.PREVIEW)
    await _execute("update \"user\" set email = 'changed-' || email where name = 'Other'")


async def _vary_other_drafts(cast: Cast) -> None:
    """Editorial data and the trash: a contributor sees those of own stories, a preview viewer none."""
    for name in ("draft", "reviewed", "lead"):
        await articles.update_editorial(SYSTEM, cast.stories[name], {"note": f"A word on {name}"})
    await articles.update_editorial(SYSTEM, cast.stories["lead"], {"assignee_id": cast.actors["editor"].user_id})
    await articles.update_editorial(SYSTEM, cast.stories["draft"], {"due_at": clock.now() + timedelta(days=90)})
    for name in ("draft", "lead"):
        await comments.add(SYSTEM, cast.stories[name], text="@Editor, secret", anchor={"field": "dek"})
    trashed = cast.stories["trashed"]
    for model in (Head, Revision):
        await model.filter(article_id=trashed).update(headline="Rewritten in the trash", slug="in-the-trash")


async def _vary_drafts(cast: Cast) -> None:
    """Everything that is not live."""
    await articles.update(
        SYSTEM,
        cast.stories["draft"],
        {
            "headline": "Aardvark",
            "slug": "aardvark",
            "dek": None,
            "section_id": None,
            "tag_names": ["shared", "lead", "brand new"],
            "byline": [{"author_id": cast.authors["ann"]}],
            "body": {"html": "<p>Zebra.</p>"},
        },
    )
    third = {"headline": "Yet another draft", "slug": "yet-another", "tag_names": ["lead", "next"]}
    await articles.update(SYSTEM, cast.stories["third"], third)
    await workflow.transition(SYSTEM, cast.stories["reviewed"], Transition.TRASH)
    await workflow.transition(SYSTEM, cast.stories["trashed"], Transition.UNTRASH)
    for number in range(3):
        await _story(cast, f"extra {number}", section="world", author="ann", tags=["shared", "lead"])
    await taxonomy.update_author(SYSTEM, cast.authors["cleo"], {"name": "Cleopatra", "slug": "cleopatra"})
    twin = await taxonomy.create_tag(SYSTEM, name="Hidden twin")
    await tagging.merge(SYSTEM, [twin.id], cast.tags["hidden"])
    veiled = {"name": "Veiled", "aliases": ["masked"], "kind": TagKind.PERSON, "external_id": "Q1"}
    await taxonomy.update_tag(SYSTEM, cast.tags["hidden"], veiled)
    await taxonomy.create_author(SYSTEM, name="Dora")
    await newsroom.set_story_list(SYSTEM, slug="secret", name="Top secret", article_ids=[])
    await newsroom.set_story_list(
        SYSTEM,
        slug="front",
        name="Front",
        article_ids=[cast.stories[n] for n in ("extra 0", "lead", "draft", "extra 1", "third")],
    )
    picture = cast.pictures["unused"]
    await Media.filter(id=picture).update(alt_text="something else", caption="words")


async def _execute(sql: str) -> None:
    await connections.get("default").execute_query(sql)


# ---------------------------------------------------------------- random questions


@dataclass(eq=False)
class Vocabulary:
    """Words of both worlds, so that random questions touch what is there, hidden or not."""

    ids: list[str]
    slugs: list[str]
    paths: list[str]
    cursors: list[str]
    terms: list[str]


async def vocabulary(worlds: list[World]) -> Vocabulary:
    words = Vocabulary([], [], [], [], [])
    for each in worlds:
        await each.run(lambda: _collect(words))
    for each in worlds:
        for document in (
            "{articles(first: 3) {edges {cursor}}}",
            "{articles(first: 5, perspective: DRAFT) {edges {cursor}}}",
            "{tags(first: 3) {edges {cursor}}}",
            '{search(query: "headline", first: 3) {edges {cursor}}}',
        ):
            _, _, body = await each.ask("editor", document)
            words.cursors += [part.split('"')[0] for part in body.decode().split('"cursor":"')[1:]]
    words.paths = [f"/{prefix}{slug}" for slug in words.slugs for prefix in ("", "world/", "tag/", "author/", "fr/")]
    for listed in (words.ids, words.slugs, words.paths, words.cursors, words.terms):
        listed[:] = sorted(set(listed))
    return words


async def _collect(words: Vocabulary) -> None:
    for kind, model in (
        ("Article", Article),
        ("Tag", Tag),
        ("Author", Author),
        ("Section", Section),
        ("Media", Media),
        ("Revision", Revision),
        ("User", User),
        ("StoryList", StoryList),
    ):
        words.ids += [ids.encode(kind, row.id) for row in await model.all()]
    for model in (Head, Live, Tag, Author, Section, StoryList):
        words.slugs += [row.slug for row in await model.all()]
    for row in await Head.all():
        words.terms += [row.headline, *row.headline.split(), *row.text.split()[-1:]]
    words.terms += ["what says", "text of", '"text of lead"', "shared -lead", "headlin"]


def questions(words: Vocabulary, *, count: int, odd: int, seed: int) -> list[str]:
    """Valid documents, the same for the same seed, with words of the vocabulary: broad ones of our own, and odd ones of
    hypothesis-graphql, which knows every corner of the language."""
    documents = [*_broad(count - odd, seed), *(_odd(odd) if odd else ())]
    return [
        graphql.print_ast(_grounded(document, words, random.Random(f"{seed}/{number}")))
        for number, document in enumerate(documents)
    ]


def searches(words: Vocabulary) -> list[str]:
    """A search for each word of either newsroom, and for each with a slip in it."""
    asked = [*words.terms, *(term[1:] for term in words.terms if term.istitle() and " " not in term)]
    fields = "totalCount didYouMean edges { score highlight node { id } } facets { tags { count tag { name } } }"
    return [f"{{ search(query: {graphql.print_ast(graphql_string(term))}) {{ {fields} }} }}" for term in asked]


def feeds_of(words: Vocabulary) -> list[str]:
    """Whatever of either newsroom machines could ask for by its path or id."""
    return [
        *(f"/feeds/{format}" for format in ("rss.xml", "atom.xml", "feed.json")),
        *(f"/feeds{path}/atom.xml" for path in words.paths),
        *(f"/sitemap/{name}.xml" for name in ("news", "terms", "stories-1", "stories-2")),
        *("/sitemap.xml", "/robots.txt"),
        *(f"/ninjs/{id}.json" for id in words.ids),
    ]


def filters(words: Vocabulary) -> list[str]:
    """A filter by each slug of either newsroom, as a tag's, an author's and a section's."""
    conditions = ("tags: {anyOf: [%s]}", "tags: {noneOf: [%s]}", "authors: {anyOf: [%s]}", "section: {eq: %s}")
    return [
        "{ articles(filter: {%s}) { totalCount nodes { id } } }" % (condition % f'"{slug}"')
        for slug in words.slugs
        for condition in conditions
    ]


@cache
def _odd(count: int) -> list[graphql.DocumentNode]:
    roots = list(schema._schema.query_type.fields)  # type: ignore[union-attr]
    found: list[graphql.DocumentNode] = []
    scalars = {"DateTime": st.sampled_from(_INSTANTS).map(graphql_string)}

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.sampled_from(roots), min_size=1, max_size=3, unique=True).flatmap(
            lambda fields: queries(
                schema._schema, fields=fields, custom_scalars=scalars, allow_x00=False, print_ast=lambda node: node
            )
        )
    )
    def collect(document: graphql.DocumentNode) -> None:
        found.append(document)

    collect()
    return found


def _broad(count: int, seed: int) -> list[graphql.DocumentNode]:
    chance = random.Random(seed)
    roots = [*sorted(schema._schema.query_type.fields), *_STORIES * 9]  # type: ignore[union-attr]
    return [
        graphql.parse(
            "{" + " ".join(f"r{n}: {_field(root, chance)}" for n, root in enumerate(chance.choices(roots, k=3))) + "}"
        )
        for _ in range(count)
    ]


_STORIES = ("article", "articles", "author", "route", "section", "storyList", "tag")


# What differs from one request to the next, whatever it asks.
_OF_THE_MOMENT = ("lastUsedAt",)
_INSTANTS = ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]
_DEPTH = 4


def _field(name: str, chance: random.Random) -> str:
    query = schema._schema.query_type
    assert query is not None
    return name + _rest(query.fields[name], chance, 1)


def _rest(definition: graphql.GraphQLField, chance: random.Random, depth: int) -> str:
    """Arguments and selection of a field."""
    given = {
        name: _value(argument.type, chance, 0)
        for name, argument in definition.args.items()
        if graphql.is_required_argument(argument) or chance.random() < 0.35
    }
    if "id" in definition.args and "slug" in definition.args:
        given = {name: value for name, value in given.items() if name not in ("id", "slug")}
        given[chance.choice(["id", "slug"])] = '"x"'
    arguments = ", ".join(f"{name}: {value}" for name, value in given.items())
    return (f"({arguments})" if arguments else "") + _selection(graphql.get_named_type(definition.type), chance, depth)


def _selection(kind: Any, chance: random.Random, depth: int) -> str:
    if graphql.is_leaf_type(kind):
        return ""
    parts = ["__typename"]
    if graphql.is_abstract_type(kind):
        for each in chance.sample(schema._schema.get_possible_types(kind), 1 if depth > 2 else 3):
            parts.append(f"... on {each.name} {_selection(each, chance, depth + 1)}")
        return "{" + " ".join(parts) + "}"
    leaves, branches = [], []
    for name, definition in kind.fields.items():
        if any(graphql.is_required_argument(argument) for argument in definition.args.values()):
            continue
        (leaves if graphql.is_leaf_type(graphql.get_named_type(definition.type)) else branches).append(name)
    chosen = chance.sample(leaves, min(len(leaves), 3))
    if depth < _DEPTH:
        chosen += chance.sample(branches, min(len(branches), 2))
    parts += [name + _rest(kind.fields[name], chance, depth + 1) for name in chosen]
    return "{" + " ".join(parts) + "}"


def _value(kind: Any, chance: random.Random, depth: int) -> str:
    """A literal of an input type; texts and ids are put in later."""
    kind = graphql.get_nullable_type(kind)
    if graphql.is_list_type(kind):
        return "[" + ", ".join(_value(kind.of_type, chance, depth + 1) for _ in range(chance.randint(1, 2))) + "]"
    if graphql.is_enum_type(kind):
        return str(chance.choice(sorted(kind.values)))
    if graphql.is_input_object_type(kind):
        names = chance.sample(sorted(kind.fields), 1)
        names = [name for name in kind.fields if name in names or graphql.is_required_input_field(kind.fields[name])]
        if depth > 4:
            names = [name for name in names if name not in ("and", "or", "not")]
        return "{" + ", ".join(f"{name}: {_value(kind.fields[name].type, chance, depth + 1)}" for name in names) + "}"
    plain = {"Int": "3", "Float": "0.5", "Boolean": chance.choice(["true", "false"])}
    return plain.get(kind.name, f'"{chance.choice(_INSTANTS)}"')


def graphql_string(value: str) -> graphql.StringValueNode:
    return graphql.StringValueNode(value=value)


def _grounded(document: graphql.DocumentNode, words: Vocabulary, chance: random.Random) -> graphql.DocumentNode:
    """Put words of the newsroom into a random document, and take out what would only be refused."""
    type_info = graphql.TypeInfo(schema._schema)
    perspective = chance.choice(["PUBLISHED", "DRAFT", None, None, None])

    class Grounding(graphql.Visitor):
        def enter_field(self, node: graphql.FieldNode, *_: Any) -> graphql.FieldNode:
            if node.name.value in _OF_THE_MOMENT:
                return graphql.FieldNode(name=graphql.NameNode(value="__typename"))
            return graphql.FieldNode(
                name=node.name,
                alias=node.alias,
                arguments=tuple(_sensible(node.arguments or (), perspective, chance)),
                directives=node.directives,
                selection_set=node.selection_set,
            )

        def enter_string_value(self, node: graphql.StringValueNode, *_: Any) -> graphql.StringValueNode | None:
            kind = graphql.get_named_type(type_info.get_input_type())
            if kind is None or kind.name not in ("ID", "String"):
                return None
            return graphql_string(chance.choice(words.ids if kind.name == "ID" else [*words.slugs, "en", "fr"]))

        def leave_argument(self, node: graphql.ArgumentNode, *_: Any) -> graphql.ArgumentNode | None:
            said = {
                "after": words.cursors,
                "before": words.cursors,
                "path": words.paths,
                "query": words.terms,
            }.get(node.name.value)
            if said is None or not isinstance(node.value, graphql.StringValueNode):
                return None
            return _argument(node.name.value, graphql_string(chance.choice(said)))

    return graphql.visit(document, graphql.TypeInfoVisitor(type_info, Grounding()))  # type: ignore[no-any-return]


def _sensible(arguments: Any, perspective: str | None, chance: random.Random) -> Iterator[graphql.ArgumentNode]:
    names = {argument.name.value for argument in arguments}
    for argument in arguments:
        name = argument.name.value
        if name in ("last", "before") and "first" in names:
            continue
        if name in ("after", "before") and chance.random() < 0.6:
            continue
        if name in ("first", "last"):
            yield _argument(name, graphql.IntValueNode(value=str(chance.randint(0, 6))))
        elif name == "perspective":
            if perspective:
                yield _argument(name, graphql.EnumValueNode(value=perspective))
        elif name == "slug" and "id" in names:
            if isinstance(argument.value, graphql.StringValueNode) and chance.random() < 0.5:
                continue
            yield argument
        elif name == "id" and "slug" in names:
            if chance.random() < 0.5:
                yield argument
        else:
            yield argument


def _argument(name: str, value: Any) -> graphql.ArgumentNode:
    return graphql.ArgumentNode(name=graphql.NameNode(value=name), value=value)
