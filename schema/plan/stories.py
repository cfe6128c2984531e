"""Live stories in plans: rows that hold the columns that are asked for and no others, with the related ones that their
page shows in the same statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from sys import intern
from typing import Any
from uuid import UUID

import orjson
from graphql import SelectionSetNode

from cms import ids, paths
from cms.models import Correction
from cms.permissions import Perspective
from schema.articles import byline_text
from schema.plan.entities import AUTHORS, SITE, TAGS, TREE, Card, Printer
from schema.plan.keys import keys_of, tags_of
from schema.plan.pictures import Uses
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import (
    Asked,
    Compiler,
    Getter,
    attributes,
    field,
    is_pure,
    of_all,
    plain,
    pure,
    said,
    snake,
    to_json,
    together,
)

# The columns of Live by their types: a statement of stories and related stories has both in the same places.
_TYPES = {
    "article_id": "uuid",
    "headline": "text",
    "kicker": "text",
    "dek": "text",
    "slug": "text",
    "locale": "text",
    "author_ids": "uuid[]",
    "author_roles": "text[]",
    "tag_ids": "uuid[]",
    "related_ids": "uuid[]",
    "lead_use": "jsonb",
    "seo": "jsonb",
    "body": "jsonb",
    "linked_body": "jsonb",
    "html": "text",
    "text": "text",
    "word_count": "int",
    "body_media_ids": "uuid[]",
    "body_article_ids": "uuid[]",
    "updated_at": "timestamptz",
    "section_id": "uuid",
    "lead_media_id": "uuid",
    "published_at": "timestamptz",
    "first_published_at": "timestamptz",
    "translation_group": "uuid",
    "near": "uuid[]",
}
# The columns that have been asked for of single stories by any document. All read them all, so that one statement
# answers those who ask for different ones; but the large ones are read only for who asks for them.
_OF_ONE = [MARK, "article_id"]
_LARGE = frozenset(("body", "linked_body", "html", "text", "seo", "near"))
# Where every row has its story's id: behind the mark.
ID = 1
# Some of what was found is not live any more: so many more are fetched at once.
SPARE = 3
# Of what a card costs in memory besides its bytes.
_OVERHEAD = 500
# A story whose use of its lead picture says nothing of its own has less to read.
_LEAD_USE = "nullif({table}.lead_use, '{{}}') as lead_use"
# The body of a story that refers to something: its HTML says what that is called by now.
_LINKED_BODY = (
    "case when {table}.body_media_ids <> '{{}}' or {table}.body_article_ids <> '{{}}' "
    "then {table}.body end as linked_body"
)
# The first of what the machine found; null where editors picked enough, or it has not looked.
_NEAR = (
    "case when cardinality({table}.related_ids) < {wished} then (select f.related_ids[1:{most}] "
    "from related f where f.article_id = {table}.article_id) end as near"
)


class Stories(Source):
    """One selection of stories: which columns it needs, and how a row of them is built. As a source, by id.

    related is what is selected of the related stories of the first of its relatedPosts: those come along in one
    statement, their columns in the same places: what editors picked, and of what the machine found the first where
    they picked fewer than wished. are_carded: related ones may be shown as cards, and need not come along where these
    are known; place: of those cards, which documents that select the same share. is_alone: one story for each reading.
    """

    is_marked = True

    def is_direct(self, reading: Reading) -> bool:
        return True

    def __init__(
        self, c: Compiler, sets: list[SelectionSetNode], parent: Stories | None = None, is_alone: bool = False
    ) -> None:
        own = _OF_ONE if is_alone else [MARK, "article_id"]
        self.columns: list[str] = parent.columns if parent is not None else own
        self._used = {"article_id"}
        self._sql: dict[tuple[str, int], str] = {}  # by tables, and how many columns there are
        self.is_related = parent is not None
        self.related: Stories | None = None
        self.wished = 0
        self.is_alone, self.are_carded = is_alone, False
        self.place = intern(f"{'related' if self.is_related else 'listed'} {c.text(sets)}")
        self._build = c.object("Article", sets, self)
        self._build_all = of_all(self._build)

    @classmethod
    def bare(cls) -> Stories:
        """A selection of nothing, whose rows hold the columns that are asked for by hand."""
        made = cls.__new__(cls)
        made.columns, made._used, made.is_related, made._sql = [MARK, "article_id"], {"article_id"}, False, {}
        made.related, made.wished = None, 0
        made.is_alone = made.are_carded = False
        made.place = ""
        return made

    def build(self, row: Any, reading: Reading) -> Any:
        reading.shown["article"].add(row[ID])
        return self._build(row, reading) if self.is_alone else reading.once(self, row[ID], self._build, row)

    def build_all(self, rows: Sequence[Any], reading: Reading) -> list[Any]:
        reading.shown["article"].update([row[ID] for row in rows])
        return self._build_all(rows, reading)

    def cards(self, rows: Sequence[Any], reading: Reading) -> list[Any]:
        """The stories of these rows of a list, of which it needs no more than the ids."""
        entities, found, missing = reading.entities, [], 0
        for row in rows:
            card = entities.card(self.place, row[ID])
            if card is None:
                missing += 1
                card = self.card(row[ID], reading)
            if card is not None:
                found.append(card)
        if self.place in entities.cards:
            entities.cards[self.place].is_known = missing <= len(rows) / 2
        return self.show(found, reading)

    def show(self, cards: Sequence[Card], reading: Reading) -> list[Any]:
        """What these cards say."""
        reading.cards += cards
        for card in cards:
            if card.ends_at is not None:
                reading.end(card.ends_at)
        return [card.json for card in cards]

    def learn(self, ids: Collection[UUID], reading: Reading) -> None:
        """Make a card of the first of these, all of which were fetched, that has none: of one, so that those who show
        what nobody shows again hardly pay for it."""
        entities = reading.entities
        cards = entities.cards_of(self.place)
        if cards is None:
            return
        missing = [id for id in ids if entities.card(self.place, id) is None]
        is_worth = cards.note(len(ids) - len(missing), len(missing))
        if not missing or not is_worth:
            return
        id = missing[0]
        if self.card(id, reading) is None and reading.get(self, id) is None:
            entities.keep_card(self.place, id, Card(None, reading.turn, id.bytes, "", None, _OVERHEAD))

    def card(self, id: UUID, reading: Reading) -> Card | None:
        """A new one, if nothing is missing for it."""
        row, gaps = reading.get(self, id), reading.gaps
        if row is None:
            return None
        with reading.apart():
            reading.shown["article"].add(id)
            json = to_json(self._build(row, reading))
            if reading.gaps > gaps:
                return None
            keys, tags = keys_of(reading), " ".join(tags_of(reading))
            weight = len(json) + len(keys) + len(tags) + _OVERHEAD
            card = Card(orjson.Fragment(json), reading.turn, keys, tags, reading.ends_at, weight)
        reading.entities.keep_card(self.place, id, card)
        return card

    def column(self, name: str) -> int:
        """The place of a column in the rows."""
        self._used.add(name)
        if name not in self.columns:
            self.columns.append(name)
        return self.columns.index(name)

    def sql(self, table: str) -> str:
        """What is selected from a table of live stories, once everything is compiled."""
        which = table, len(self.columns)
        if which not in self._sql:
            mark = "null::bigint" if self.is_related else MARK
            self._sql[which] = ", ".join((mark, *(self._column(name, table) for name in self.columns[1:])))
        return self._sql[which]

    def _column(self, name: str, table: str) -> str:
        if name not in self._used and (not self.is_alone or name in _LARGE):
            return f"null::{_TYPES[name]}"
        if name == "lead_use":
            return _LEAD_USE.format(table=table)
        if name == "linked_body":
            return _LINKED_BODY.format(table=table)
        if name == "near":
            return _NEAR.format(table=table, wished=self.wished, most=self.wished + SPARE)
        return f"{table}.{name}"

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[UUID, Any]:
        sql = self.statement(f"select {self.sql('live')} from live where live.article_id = any($1)")
        return {row[ID]: row for row in await self.rows(reading, sql, keys)}

    def bring(self, related: Stories, wished: int) -> int:
        """Let the related stories come along, where so many are wished of each; the place of the ids of what was found
        where that are more than editors picked."""
        self.related, self.wished = related, wished
        near = self.column("near")
        self._brought = self.column("related_ids"), near
        return near

    def statement(self, sql: str, beside: int = 0) -> str:
        """One that selects self.sql and so many columns more, for `take`: with the related ones' rows behind."""
        if self.related is None:
            return sql
        return (
            f"with p as materialized ({sql}) select * from p union all "
            f"select {self.related.sql('x')}{', null' * beside} from live x "
            "where x.article_id = any(array(select unnest(p.related_ids || p.near) from p))"
        )

    async def rows(self, reading: Reading, sql: str, *params: Any, by_values: bool = False) -> list[Any]:
        """What is taken of a `statement`. by_values: the best way to find the rows depends on the values."""
        return self.take(await (reading.fetch_by_values if by_values else reading.fetch)(sql, *params), reading)

    def take(self, rows: list[Any], reading: Reading) -> list[Any]:
        """The rows of the stories themselves, those of related ones put where they are looked for."""
        if self.related is None:
            return rows
        own = [row for row in rows if row[0] is not None]
        wanted = chain.from_iterable(self.brought(row) for row in own)
        reading.put(self.related, {row[ID]: row for row in rows[len(own) :]}, wanted)
        return own

    def brought(self, row: Any) -> list[UUID]:
        """The ids of the related stories that come along with the story of this row, if they are live."""
        picked, near = self._brought
        return [*row[picked], *(row[near] or ())]


class _Translations(Source):
    """Live stories by the group of translations they belong to, in the order of their locales."""

    is_marked = True

    def is_direct(self, reading: Reading) -> bool:
        return True

    def __init__(self, stories: Stories) -> None:
        self._stories = stories
        self._group = stories.column("translation_group")

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        rows = await reading.fetch(
            f"select {self._stories.sql('live')} from live where translation_group = any($1) order by locale", keys
        )
        found: dict[UUID, list[Any]] = {}
        for row in rows:
            found.setdefault(row[self._group], []).append(row)
        return found


class _Corrections(Source):
    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        found: dict[UUID, list[Correction]] = {}
        for row in await Correction.filter(article_id__in=keys).order_by("-published_at", "-id"):
            found.setdefault(row.article_id, []).append(row)
        return found


_CORRECTIONS = _Corrections()


# ---------------------------------------------------------------- fields of the row


@field("Article", "headline", "kicker", "dek", "slug", "locale")
def _text(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return said(f"row[{scope.column(asked.name)}]")


@field("Article", "updatedAt", "publishedAt", "firstPublishedAt")
def _instant(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return said(f"row[{scope.column(snake(asked.name))}]")


plain(
    "Article",
    id=lambda row, reading: ids.encode("Article", row[ID]),
    isLive=said("True"),
    perspective=said(repr(Perspective.PUBLISHED.name)),
    editorial=said("None"),
)


def path(scope: Stories) -> Getter:
    """The path of a story; None while the site or its sections are missing."""
    locale, section, slug = scope.column("locale"), scope.column("section_id"), scope.column("slug")

    def get(row: Any, reading: Reading) -> str | None:
        site, tree = reading.entity(SITE, None), reading.entity(TREE, None)
        if site is None or tree is None:
            return None
        return paths.story_path(row[locale], row[section], row[slug], tree, site)

    return get


@field("Article", "path")
def _path(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return path(scope)


@field("Article", "url")
def _url(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    own = path(scope)

    def get(row: Any, reading: Reading) -> str | None:
        found = own(row, reading)
        return None if found is None else reading.entity(SITE, None).url + found

    return get


# ---------------------------------------------------------------- what it points at


@field("Article", "section")
def _section(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, inner = scope.column("section_id"), c.object("Section", asked.sets)

    def get(rows: Sequence[Any], reading: Reading) -> list[Any]:
        tree = reading.entity(TREE, None)
        if tree is None:
            return [None for _ in rows]
        sections = {row[place]: tree.by_id.get(row[place]) for row in rows}
        built = {id: None if each is None else inner(each, reading) for id, each in sections.items()}
        return [built[row[place]] for row in rows]

    return together(get)


@field("Article", "tags")
def _tags(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, tags = scope.column("tag_ids"), Printer(TAGS, c, "Tag", asked.sets)

    def get(rows: Sequence[Any], reading: Reading) -> list[Any]:
        lists = [row[place] for row in rows]
        reading.shown["tag"].update(*lists)
        return tags.lists(lists, reading)

    def one(row: Any, reading: Reading) -> list[Any]:
        reading.shown["tag"].update(row[place])
        return tags.many(row[place], reading)

    return together(get, one)


@field("Article", "byline")
def _byline(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    people = scope.column("author_ids")
    says_role = any(each.name == "role" for each in c.fields("BylineEntry", asked.sets))
    roles = scope.column("author_roles") if says_role else None
    entries = Printer(AUTHORS, c, "BylineEntry", asked.sets, of=lambda author: (author, None))

    def get(rows: Sequence[Any], reading: Reading) -> list[Any]:
        lists = [row[people] for row in rows]
        reading.shown["author"].update(*lists)
        if roles is None or not any(any(row[roles]) for row in rows):
            return entries.lists(lists, reading)
        return [with_roles(row, reading) for row in rows]

    def one(row: Any, reading: Reading) -> list[Any]:
        reading.shown["author"].update(row[people])
        if roles is None or not any(row[roles]):
            return entries.many(row[people], reading)
        return with_roles(row, reading)

    def with_roles(row: Any, reading: Reading) -> list[Any]:
        found = [(reading.entity(AUTHORS, id), role) for id, role in zip(row[people], row[roles], strict=True)]
        return [entries.build(entry, reading) for entry in found if entry[0] is not None]

    return together(get, one)


@field("BylineEntry", "author")
def _author(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Author", asked.sets)

    def get(entry: Any, reading: Reading) -> Any:
        return inner(entry[0], reading)

    return pure(get) if is_pure(inner) else get


plain("BylineEntry", role=said("row[1]"))


@field("Article", "bylineText")
def _byline_text(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place = scope.column("author_ids")

    def get(row: Any, reading: Reading) -> str | None:
        reading.shown["author"].update(row[place])
        authors = [reading.entity(AUTHORS, id) for id in row[place]]
        return byline_text([author.name for author in authors if author is not None])

    return get


@field("Article", "leadMedia")
def _lead_media(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    media, own, uses = scope.column("lead_media_id"), scope.column("lead_use"), Uses(c, asked.sets)
    return together(lambda rows, reading: uses.of_all([(row[media], row[own]) for row in rows], reading))


@field("Article", "corrections")
def _corrections(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    inner = c.object("Correction", asked.sets)
    return lambda row, reading: [inner(each, reading) for each in reading.get(_CORRECTIONS, row[ID]) or ()]


plain(
    "Correction",
    id=lambda row, reading: ids.encode("Correction", row.id),
    kind=lambda row, reading: row.kind.name,
    publishedAt=said("row.published_at"),
)
attributes("Correction", "text")


# ---------------------------------------------------------------- other stories


@field("Article", "translations")
def _translations(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, stories = scope.column("translation_group"), Stories(c, asked.sets)
    source = _Translations(stories)

    def get(row: Any, reading: Reading) -> list[Any]:
        found = reading.get(source, row[place]) or ()
        return [stories.build(each, reading) for each in found if each[ID] != row[ID]]

    return get
