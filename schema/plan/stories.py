"""Live stories in plans: rows that hold the columns that are asked for and no others, with the related ones that their
page shows in the same statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from graphql import SelectionSetNode

from cms import ids, paths
from cms.models import Correction
from cms.permissions import Perspective
from schema.articles import byline_text
from schema.plan.entities import AUTHORS, SITE, TAGS, TREE, Printer
from schema.plan.pictures import Uses
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, attributes, field, is_pure, plain, pure, said, snake

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
}
# Where every row has its story's id: behind the mark.
ID = 1
# Some of what was found is not live any more: so many more are fetched at once.
SPARE = 3
# What the machine found, as asyncpg reads it in a row too: it knows no lists of fractions there.
FOUND = "f.article_id, f.related_ids, f.scores::text[], f.reasons"


class Stories(Source):
    """One selection of stories: which columns it needs, and how a row of them is built. As a source, by id.

    related is what is selected of the related stories of the first of its relatedPosts: those can come along in one
    statement, their columns in the same places, and what the machine found where editors picked fewer than wished.
    """

    is_marked = True

    def __init__(self, c: Compiler, sets: list[SelectionSetNode], parent: Stories | None = None) -> None:
        self.columns: list[str] = parent.columns if parent is not None else [MARK, "article_id"]
        self._used = {"article_id"}
        self._sql: dict[str, tuple[int, str]] = {}
        self.is_related = parent is not None
        self.related: Stories | None = None
        self.found: Source | None = None
        self.wished = 0
        self._build = c.object("Article", sets, self)

    @classmethod
    def bare(cls) -> Stories:
        """A selection of nothing, whose rows hold the columns that are asked for by hand."""
        made = cls.__new__(cls)
        made.columns, made._used, made.is_related, made._sql = [MARK, "article_id"], {"article_id"}, False, {}
        made.related, made.found, made.wished = None, None, 0
        return made

    def build(self, row: Any, reading: Reading) -> Any:
        reading.shown["article"].add(row[ID])
        return reading.once(self, row[ID], self._build, row)

    def build_all(self, rows: Sequence[Any], reading: Reading) -> list[Any]:
        reading.shown["article"].update([row[ID] for row in rows])
        build, once = self._build, reading.once
        return [once(self, row[ID], build, row) for row in rows]

    def column(self, name: str) -> int:
        """The place of a column in the rows."""
        self._used.add(name)
        if name not in self.columns:
            self.columns.append(name)
        return self.columns.index(name)

    def sql(self, table: str) -> str:
        """What is selected from a table of live stories, once everything is compiled."""
        found = self._sql.get(table)
        if found is not None and found[0] == len(self.columns):
            return found[1]
        mark = "null::bigint" if self.is_related else MARK
        own = (f"{table}.{name}" if name in self._used else f"null::{_TYPES[name]}" for name in self.columns[1:])
        made = ", ".join((mark, *own))
        self._sql[table] = (len(self.columns), made)
        return made

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[UUID, Any]:
        return await self._found(reading, "a.article_id = any($1)", keys)

    async def one(self, reading: Reading, condition: str, *params: Any) -> Any | None:
        """The row of the one live story, called a, for which this holds, with its related ones put where they are
        looked for."""
        rows = await self._found(reading, condition, *params)
        return next(iter(rows.values()), None)

    def bring(self, related: Stories, found: Source, wished: int) -> None:
        """Let the related stories come along: those that editors picked and, where they are fewer than wished, so many
        and some more of what the machine found."""
        self.related, self.found, self.wished = related, found, wished

    def sql_found(self, table: str) -> str:
        """What the machine found, of a table of live stories; null where enough were picked, or it has not looked."""
        return (
            f"case when cardinality({table}.related_ids) < {self.wished} then (select row({FOUND}) "
            f"from related f where f.article_id = {table}.article_id) end"
        )

    def put_related(self, reading: Reading, rows: Sequence[Any], related: Sequence[Any]) -> None:
        """rows have, behind their columns, what the machine found."""
        assert self.related is not None and self.found is not None
        place, found = self.columns.index("related_ids"), len(self.columns)
        known = {row[ID]: row[found] for row in rows if row[found] is not None}
        wanted = {id for row in rows for id in row[place]}
        wanted.update(id for each in known.values() for id in each[1][: self.wished + SPARE])
        reading.put(self.found, known, known)
        reading.put(self.related, {row[ID]: row for row in related}, wanted)

    async def _found(self, reading: Reading, condition: str, *params: Any) -> dict[UUID, Any]:
        along = ""
        if self.related is not None:
            along = (
                f", {self.sql_found('a')}, array(select row({self.related.sql('x')}) from live x where x.article_id = "
                f"any(a.related_ids || case when cardinality(a.related_ids) < {self.wished} then (select "
                f"f.related_ids[1:{self.wished + SPARE}] from related f where f.article_id = a.article_id) end))"
            )
        rows = await reading.fetch(f"select {self.sql('a')}{along} from live a where {condition}", *params)
        if along:
            self.put_related(reading, rows, [each for row in rows for each in row[-1]])
        return {row[ID]: row for row in rows}


class BySlug(Source):
    """Live stories by (locale, slug)."""

    is_marked = True

    def __init__(self, stories: Stories) -> None:
        self._stories = stories

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        found = {key: await self._stories.one(reading, "a.locale = $1 and a.slug = $2", *key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}


class _Translations(Source):
    """Live stories by the group of translations they belong to, in the order of their locales."""

    is_marked = True

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

    def get(row: Any, reading: Reading) -> Any:
        tree = reading.entity(TREE, None)
        section = tree.by_id.get(row[place]) if tree is not None else None
        return inner(section, reading) if section is not None else None

    return get


@field("Article", "tags")
def _tags(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, tags = scope.column("tag_ids"), Printer(TAGS, c.object("Tag", asked.sets))

    def get(row: Any, reading: Reading) -> list[Any]:
        ids = row[place]
        reading.shown["tag"].update(ids)
        return tags.many(ids, reading)

    return get


@field("Article", "byline")
def _byline(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    people, roles = scope.column("author_ids"), scope.column("author_roles")
    build = c.object("BylineEntry", asked.sets)
    entries = Printer(AUTHORS, build, of=lambda author: (author, None))

    def get(row: Any, reading: Reading) -> list[Any]:
        ids = row[people]
        reading.shown["author"].update(ids)
        if not any(row[roles]):
            return entries.many(ids, reading)
        found = [(reading.entity(AUTHORS, id), role) for id, role in zip(ids, row[roles], strict=True)]
        return [build(entry, reading) for entry in found if entry[0] is not None]

    return get


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
    return lambda row, reading: uses.of(row[media], row[own], reading)


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
