"""Lists of stories: what is filed under a term, filters, orders, counts and facets, for either perspective.

Owns the derived tables live_term and head_term: which stories stand under a tag, an author, or a section and those
above it; and term_count, which triggers keep: how many live stories stand under each, and under EVERY in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import database, slugs
from cms.errors import Invalid
from cms.keyset import Key, Listing, Spread, Where
from cms.models import Head, Live
from cms.permissions import Actor, Perspective, visible


class ArticleOrderField(StrEnum):
    """What a list of stories can be ordered by."""

    PUBLISHED_AT = "PUBLISHED_AT"
    UPDATED_AT = "UPDATED_AT"
    CREATED_AT = "CREATED_AT"
    HEADLINE = "HEADLINE"


@dataclass(frozen=True, slots=True)
class Order:
    field: ArticleOrderField
    descending: bool = True


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a perspective keeps what lists are made from. Public names reach SQL through these constants only."""

    table: str
    source: str
    term_table: str
    sort: Mapping[ArticleOrderField, Key]
    default: ArticleOrderField
    published_at: str
    updated_at: str


_LIVE = _Columns(
    table="live",
    source="live",
    term_table="live_term",
    sort={
        ArticleOrderField.PUBLISHED_AT: Key("PUBLISHED_AT", "live.published_at", datetime),
        ArticleOrderField.UPDATED_AT: Key("UPDATED_AT", "live.updated_at", datetime),
        ArticleOrderField.HEADLINE: Key("HEADLINE", "live.headline", str),
    },
    default=ArticleOrderField.PUBLISHED_AT,
    published_at="live.published_at",
    updated_at="live.updated_at",
)
_HEAD = _Columns(
    table="head",
    source="head join article on article.id = head.article_id",
    term_table="head_term",
    sort={
        ArticleOrderField.PUBLISHED_AT: Key("PUBLISHED_AT", "article.published_at", datetime, nullable=True),
        ArticleOrderField.UPDATED_AT: Key("UPDATED_AT", "head.updated_at", datetime),
        ArticleOrderField.CREATED_AT: Key("CREATED_AT", "article.created_at", datetime),
        ArticleOrderField.HEADLINE: Key("HEADLINE", "head.headline", str),
    },
    default=ArticleOrderField.UPDATED_AT,
    published_at="article.published_at",
    updated_at="head.updated_at",
)
_COLUMNS = {Perspective.PUBLISHED: _LIVE, Perspective.DRAFT: _HEAD}
_MODELS = {Perspective.PUBLISHED: Live, Perspective.DRAFT: Head}

# The term under which term_count counts all live stories.
EVERY = UUID(int=0)
_KEPT = {
    is_all: f"select coalesce((select n from term_count where term_id = {term}), 0)"
    for is_all, term in ((True, f"'{EVERY}'"), (False, "$1"))
}
# More terms than these are looked for story by story: a page under each would be more work.
MAX_SPREAD = 50
MAX_FILTER_DEPTH = 5
MAX_FILTER_NODES = 50
MAX_FILTER_VALUES = 500

# Plain names of SQL operators for comparing instants.
_COMPARE = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_STAFF_ONLY = ("status", "publish_at", "trashed")


async def articles(
    actor: Actor,
    perspective: Perspective,
    *,
    term_id: UUID | None = None,
    filter: Mapping[str, Any] | None = None,
    order: Iterable[Order] = (),
    path: tuple[str, ...] = ("filter",),
) -> Listing:
    """The stories that this actor may list, as rows of (article_id,).

    term_id: only those under this tag, author, or section and those below it. filter: a mapping with the names of the
    API's ArticleFilter in snake case, absent keys left out. Raises Invalid with the field that is wrong.
    """
    columns = _COLUMNS[perspective]
    where, keys = Where(), _keys(columns, order)
    compiler, wanted = None, None
    if filter is not None:
        compiler = await _Compiler.of(actor, columns, where, filter, path)
        wanted = compiler.terms(filter) if term_id is None else None
        if wanted is not None and len(wanted) == 1 and _is_one_term(filter):
            term_id, filter, compiler = wanted[0], None, None
    condition = visible(actor, _MODELS[perspective], perspective)
    if condition != "true":
        where.add(condition)
    source, spread, by_term = columns.source, None, _keys_of_terms(columns, keys)
    if term_id is not None:
        where.add(f"t.term_id = {where.param(term_id)}")
        source, keys = _under_term(columns), by_term
    elif wanted is not None and len(wanted) <= MAX_SPREAD and by_term[-1] != keys[-1]:
        spread = Spread(f"{where.param(wanted)}::uuid[]", _under_term(columns), by_term)
    if compiler is not None and filter is not None:
        where.add(compiler.compile(filter, path))
    if perspective is Perspective.DRAFT and not _mentions(filter, "trashed"):
        where.add("article.trashed_at is null")
    known = _KEPT[term_id is None] if filter is None and perspective is Perspective.PUBLISHED else None
    return Listing(f"{columns.table}.article_id", source, where, keys, spread, known)


async def facet(listing: Listing, kind: str, limit: int) -> list[tuple[UUID, int]]:
    """How many stories of a list stand under each section, tag or author: the commonest first, ties by id."""
    table = listing.select.removesuffix(".article_id")
    expression = {
        "sections": f"{table}.section_id",
        "tags": f"unnest({table}.tag_ids)",
        "authors": f"unnest({table}.author_ids)",
    }[kind]
    source = listing.rows()
    if listing.spread:  # each story once
        source = f"{table} where {listing.select} in (select {listing.select} from {source})"
    rows = await _fetch(
        f"select term, count(*) from (select {expression} as term from {source}) x "
        f"where term is not null group by term order by count(*) desc, term limit {limit}",
        listing.where.params,
    )
    return [(row[0], row[1]) for row in rows]


async def count_under(actor: Actor, perspective: Perspective, term_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many stories this actor may list under each term; terms with none are absent."""
    if perspective is Perspective.PUBLISHED:
        sql = "select term_id, n from term_count where term_id = any($1)"
    else:
        sql = (
            f"select t.term_id, count(*) from {_under_term(_HEAD)} where t.term_id = any($1) "
            f"and {visible(actor, Head, perspective)} and article.trashed_at is null group by t.term_id"
        )
    return {row[0]: row[1] for row in await _fetch(sql, [list(term_ids)])}


async def file_head(article_id: UUID) -> None:
    """Write where a head is listed."""
    # Waits for a change of the tree of sections, and makes the next one wait for this.
    await database.lock("lock table section in row exclusive mode")
    await _fetch(f"with {_filing('head', 'head.article_id = $1')} select", [article_id])


async def lock() -> None:
    """Nobody else writes a story until the transaction ends: to be called before many are filed anew."""
    await _fetch("lock table head, live in share row exclusive mode", [])


async def refile_section(id: UUID) -> None:
    """Write anew where the stories of a section, and of those under it, are listed: it stands elsewhere."""
    below = (
        "(with recursive below (id) as (select $1::uuid union "
        "select s.id from section s join below on s.parent_id = below.id) select id from below)"
    )
    await _rebuild(f"section_id in {below}", [id])


async def refile(article_ids: Sequence[UUID]) -> None:
    """Write anew where these stories are listed, live and as heads: what they stand under was changed in place."""
    for table, sort in _SORTS.items():
        wanted = _WANTED.format(table=table, sort=sort, condition=f"{table}.article_id = any($1)")
        await _fetch(f"delete from {table}_term where article_id = any($1)", [list(article_ids)])
        await _fetch(f"insert into {table}_term (term_id, {sort}, article_id) {wanted}", [list(article_ids)])


async def rebuild() -> None:
    """Make the derived tables again from nothing but the stories, in the caller's transaction."""
    await _rebuild("true")
    await _fetch("delete from term_count", [])
    await _fetch(
        "insert into term_count (term_id, n) select term_id, count(*) from live_term group by term_id "
        f"union all select '{EVERY}', count(*) from live having count(*) > 0",
        [],
    )


async def miscounted() -> list[tuple[str, int, int]]:
    """What is counted of live stories, how many are kept of it, and how many there are; only where the two differ."""
    wanted = _WANTED.format(table="live", sort=_SORTS["live"], condition="true")
    rows = await _fetch(
        "select 'stories' || coalesce(' under ' || coalesce(t.name, a.name, s.name), ''), "
        "coalesce(k.n, 0), coalesce(c.n, 0) from term_count k "
        f"full join (select term_id, count(*) as n from ({wanted}) w group by term_id "
        f"union all select '{EVERY}', count(*) from live having count(*) > 0) c using (term_id) "
        "left join tag t on t.id = term_id left join author a on a.id = term_id left join section s on s.id = term_id "
        "where k.n is distinct from c.n order by 1, term_id",
        [],
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _under_term(columns: _Columns) -> str:
    joined = columns.source.split(" join ", 1)
    rest = f" join {joined[1]}" if len(joined) > 1 else ""
    return f"{columns.term_table} t join {joined[0]} on {columns.table}.article_id = t.article_id{rest}"


def _keys(columns: _Columns, order: Iterable[Order]) -> tuple[Key, ...]:
    keys: list[Key] = []
    for wish in order:
        key = columns.sort.get(wish.field)
        if key is None:
            raise Invalid.field(
                "orderBy", "perspective", f"{wish.field} orders drafts only: ask with perspective DRAFT."
            )
        if all(key.name != taken.name for taken in keys):
            keys.append(_directed(key, wish.descending))
    if not keys:
        keys = [_directed(columns.sort[columns.default], True)]
    return (*keys, Key("ID", f"{columns.table}.article_id", UUID, descending=keys[0].descending))


def _directed(key: Key, descending: bool) -> Key:
    return Key(key.name, key.sql, key.type, descending, key.nullable)


def _keys_of_terms(columns: _Columns, keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Order by the term table's own columns where it has them: then its primary key gives the order."""
    own = {columns.sort[columns.default].sql: columns.sort[columns.default].sql.replace(f"{columns.table}.", "t.")}
    if keys[0].sql in own and len(keys) == 2:
        own[keys[1].sql] = "t.article_id"
    return tuple(Key(k.name, own.get(k.sql, k.sql), k.type, k.descending, k.nullable) for k in keys)


def _is_one_term(filter: Mapping[str, Any]) -> bool:
    """Whether a filter says nothing but under what to stand."""
    conditions = [*filter.values()]
    return len(conditions) == 1 and isinstance(conditions[0], Mapping) and len(conditions[0]) == 1


def _mentions(filter: Any, name: str) -> bool:
    if isinstance(filter, Mapping):
        return name in filter or any(_mentions(value, name) for value in filter.values())
    return isinstance(filter, list) and any(_mentions(value, name) for value in filter)


@dataclass(slots=True)
class _Compiler:
    """An ArticleFilter as SQL. Slugs were looked up before, in one statement a kind; unknown ones match nothing.

    Under the slug of a section stand its own id, first, and those of the sections below it.
    """

    columns: _Columns
    where: Where
    sections: Mapping[str, list[UUID]]
    tags: Mapping[str, UUID]
    authors: Mapping[str, UUID]

    @classmethod
    async def of(
        cls, actor: Actor, columns: _Columns, where: Where, filter: Mapping[str, Any], path: tuple[str, ...]
    ) -> _Compiler:
        _check(filter, path, actor.is_staff, columns is _HEAD)
        wanted: dict[str, set[str]] = {"section": set(), "tags": set(), "authors": set()}
        _collect(filter, wanted)
        return cls(
            columns,
            where,
            await _section_ids(wanted["section"]),
            await _tag_ids(wanted["tags"]),
            await _author_ids(wanted["authors"]),
        )

    def terms(self, filter: Mapping[str, Any]) -> list[UUID] | None:
        """Terms of which each match stands under one at least; None where the filter does not say so at its top."""
        for name, known in (("tags", self.tags), ("authors", self.authors)):
            given = filter.get(name, {})
            one_of_all = given.get("all_of", ())
            if "any_of" in given or len(one_of_all) == 1:
                wanted = {known[slug] for slug in given.get("any_of", one_of_all) if slug in known}
                return sorted(wanted - {known.get(slug) for slug in given.get("none_of", ())})
        section = filter.get("section", {})
        if "eq" in section or "in" in section:
            chosen = [section["eq"]] if "eq" in section else section["in"]
            return sorted({self.sections[slug][0] for slug in chosen if slug in self.sections})
        return next((found for each in filter.get("and", ()) if (found := self.terms(each)) is not None), None)

    def compile(self, filter: Mapping[str, Any], path: tuple[str, ...]) -> str:
        conditions = [getattr(self, f"_{name}")(value, (*path, name)) for name, value in filter.items()]
        return f"({' and '.join(conditions)})" if conditions else "true"

    def _and(self, value: list[Any], path: tuple[str, ...]) -> str:
        return "(" + (" and ".join(self.compile(each, path) for each in value) or "true") + ")"

    def _or(self, value: list[Any], path: tuple[str, ...]) -> str:
        return "(" + (" or ".join(self.compile(each, path) for each in value) or "false") + ")"

    def _not(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return f"({self.compile(value, path)}) is not true"

    def _id(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._in(f"{self.columns.table}.article_id", value, "uuid[]")

    def _locale(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._in(f"{self.columns.table}.locale", value, "text[]")

    def _status(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._in("article.status", value, "text[]")

    def _section(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        column = f"{self.columns.table}.section_id"
        conditions = []
        for name, given in value.items():
            if name == "is_null":
                conditions.append(f"{column} is {'' if given else 'not '}null")
                continue
            found = [id for slug in ([given] if name == "eq" else given) for id in self.sections.get(slug, ())]
            within = f"{column} = any({self.where.param(found)}::uuid[])" if found else "false"
            conditions.append(f"({within}) is not true" if name == "not_in" else within)
        return " and ".join(conditions) or "true"

    def _tags(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._terms(f"{self.columns.table}.tag_ids", value, self.tags)

    def _authors(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._terms(f"{self.columns.table}.author_ids", value, self.authors)

    def _published_at(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._instant(self.columns.published_at, value)

    def _updated_at(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._instant(self.columns.updated_at, value)

    def _publish_at(self, value: Mapping[str, Any], path: tuple[str, ...]) -> str:
        return self._instant("article.publish_at", value)

    def _has_lead_media(self, value: bool, path: tuple[str, ...]) -> str:
        return f"{self.columns.table}.lead_media_id is {'not ' if value else ''}null"

    def _trashed(self, value: bool, path: tuple[str, ...]) -> str:
        return f"article.trashed_at is {'not ' if value else ''}null"

    def _in(self, column: str, value: Mapping[str, Any], type: str) -> str:
        conditions = []
        for name, given in value.items():
            values = [given] if name == "eq" else list(given)
            within = f"{column} = any({self.where.param(values)}::{type})" if values else "false"
            conditions.append(f"not {within}" if name == "not_in" else within)
        return " and ".join(conditions) or "true"

    def _terms(self, column: str, value: Mapping[str, Any], known: Mapping[str, UUID]) -> str:
        conditions = []
        for name, given in value.items():
            found = list({known[slug] for slug in given if slug in known})
            operator = "@>" if name == "all_of" else "&&"
            unknown = any(slug not in known for slug in given) if name == "all_of" else not found
            condition = "false" if unknown else f"{column} {operator} {self.where.param(found)}::uuid[]"
            conditions.append(f"not {condition}" if name == "none_of" else condition)
        return " and ".join(conditions) or "true"

    def _instant(self, column: str, value: Mapping[str, Any]) -> str:
        conditions = []
        for name, given in value.items():
            if name == "is_null":
                conditions.append(f"{column} is {'' if given else 'not '}null")
            else:
                conditions.append(f"{column} {_COMPARE[name]} {self.where.param(given)}")
        return " and ".join(conditions) or "true"


def _check(filter: Mapping[str, Any], path: tuple[str, ...], is_staff: bool, drafts: bool) -> None:
    """Refuse null, what is too large, and what readers may not ask for."""
    nodes = 0

    def walk(value: Any, path: tuple[str, ...], depth: int) -> None:
        nonlocal nodes
        nodes += 1
        if depth > MAX_FILTER_DEPTH or nodes > MAX_FILTER_NODES:
            raise Invalid.field(path, "too_large", "The filter is too large: nest it less, or ask in several steps.")
        for name, given in value.items():
            here = (*path, _camel(name))
            if given is None:
                raise Invalid.field(here, "null", f"{_camel(name)} may not be null: leave it out, or use isNull.")
            if name in _STAFF_ONLY and not is_staff:
                raise Invalid.field(here, "staff_only", f"Only staff may filter by {_camel(name)}.")
            if name in _STAFF_ONLY and not drafts:
                raise Invalid.field(here, "perspective", f"{_camel(name)} filters drafts: ask with perspective DRAFT.")
            for i, each in enumerate(given if isinstance(given, list) else [given]):
                if isinstance(each, Mapping):
                    walk(each, (*here, str(i)) if isinstance(given, list) else here, depth + 1)
            if isinstance(given, list) and len(given) > MAX_FILTER_VALUES:
                raise Invalid.field(here, "too_many", f"Give at most {MAX_FILTER_VALUES} values.")

    walk(filter, path, 1)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def _collect(filter: Mapping[str, Any], wanted: dict[str, set[str]]) -> None:
    for name, value in filter.items():
        if name in wanted:
            for given in value.values():
                wanted[name].update([given] if isinstance(given, str) else given if isinstance(given, list) else ())
        elif name in ("and", "or"):
            for each in value:
                _collect(each, wanted)
        elif name == "not":
            _collect(value, wanted)


async def _section_ids(wanted: set[str]) -> dict[str, list[UUID]]:
    if not wanted:
        return {}
    rows = await _fetch(
        "with recursive tree (slug, id) as ("
        "select slug, id from section where slug = any($1) "
        "union select tree.slug, section.id from section join tree on section.parent_id = tree.id) "
        "select tree.slug, id from tree join section s using (id) order by s.slug <> tree.slug",
        [list(wanted)],
    )
    found: dict[str, list[UUID]] = {}
    for slug, id in rows:
        found.setdefault(slug, []).append(id)
    return found


async def _tag_ids(wanted: set[str]) -> dict[str, UUID]:
    if not wanted:
        return {}
    by_slug = await _fetch("select slug, id from tag where slug = any($1)", [list(wanted)])
    found = {row[0]: row[1] for row in by_slug}
    keys = {name: slugs.identity(name) for name in wanted - found.keys()}
    rows = await _fetch("select key, tag_id from tag_name where key = any($1)", [list(keys.values())])
    by_key = {row[0]: row[1] for row in rows}
    return found | {name: by_key[key] for name, key in keys.items() if key in by_key}


async def _author_ids(wanted: set[str]) -> dict[str, UUID]:
    if not wanted:
        return {}
    rows = await _fetch("select slug, id from author where slug = any($1)", [list(wanted)])
    return {row[0]: row[1] for row in rows}


_SECTIONS_ABOVE = (
    "(with recursive above (id, parent_id) as ("
    "select id, parent_id from section where id = {table}.section_id "
    "union select s.id, s.parent_id from section s join above on s.id = above.parent_id) "
    "select coalesce(array_agg(id), '{{}}') from above)"
)
_WANTED = (
    "select distinct term as term_id, {table}.{sort} as at, {table}.article_id "
    "from {table} cross join lateral unnest({table}.tag_ids || {table}.author_ids || " + _SECTIONS_ABOVE + ") term "
    "where {condition}"
)
_SORTS = {"live": "published_at", "head": "updated_at"}


def _filing(table: str, condition: str) -> str:
    """SQL that writes where the stories of live or head are listed for which the condition holds. What is filed already
    is moved: most saves change no term."""
    sort = _SORTS[table]
    return f"""
wanted as ({_WANTED.format(table=table, sort=sort, condition=condition)}), moved as (
    update {table}_term t set {sort} = w.at from wanted w
    where t.article_id = w.article_id and t.term_id = w.term_id and t.{sort} <> w.at
), gone as (
    delete from {table}_term t using {table}
    where {condition} and t.article_id = {table}.article_id and t.term_id not in (select term_id from wanted)
), listed as (
    insert into {table}_term (term_id, {sort}, article_id) select term_id, at, article_id from wanted w
    where not exists (select from {table}_term t where t.article_id = w.article_id and t.term_id = w.term_id)
)"""


# Part of the statement that makes a story live, whose row it calls live. It holds the lock of what is public, as does
# whoever changes the tree of sections. Deleting the row deletes these.
FILE_LIVE = _filing("live", "true")


async def _rebuild(condition: str, params: Sequence[Any] = ()) -> None:
    for table, sort in _SORTS.items():
        stale = f"select article_id from {table} where {condition}"
        await _fetch(f"delete from {table}_term where article_id in ({stale})", list(params))
        wanted = _WANTED.format(table=table, sort=sort, condition=condition)
        await _fetch(f"insert into {table}_term (term_id, {sort}, article_id) {wanted}", list(params))


async def _fetch(sql: str, params: list[Any]) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, params))[1])
