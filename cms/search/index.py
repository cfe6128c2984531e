"""The index that search reads: live_search for what readers see, head_search for drafts, and live_word, the words that
live stories have.

It is derived from stories and the names of their tags and authors: written with a story in one transaction, after a
change of a name by a job.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import events, jobs, listings
from cms.database import retrying, transaction
from cms.models import Head, Revision
from cms.search.query import quote
from cms.search.stems import stems
from cms.search.words import Word, words_of

BATCH = 200
# What a tsvector can hold is bounded by PostgreSQL.
MAX_POSITION = 16_383
MAX_POSITIONS = 255
MAX_BYTES = 600_000
SHORTEST_SUGGESTED, LONGEST_SUGGESTED = 4, 30


async def file_live(content: Head | Revision, is_filed: bool, unspelled: Sequence[str], in_names: bool) -> None:
    """Index a story that became live and shows this content; the rest is what FILED_LIVE said of it."""
    if not is_filed:
        await _file("live", [content.article_id])
    elif unspelled:
        texts = [content.headline, content.kicker, content.dek]
        if in_names:
            texts += [name for row in await _names(content.tag_ids, content.author_ids) for name in row[1]]
        runs = [run for text in (*texts, content.text) if text for run in text.split()]
        await _spell(unspelled, spellings(runs))


async def file_head(article_id: UUID) -> None:
    """The same for a head."""
    await _file("head", [article_id])


async def drop_live(article_id: UUID) -> None:
    """Forget a live story, before its Live row is deleted."""
    await _recount([article_id], {}, {})
    await _fetch("delete from live_search where article_id = $1", [article_id])


async def names_changed(term_id: UUID) -> None:
    """A tag or author is called otherwise, in the transaction that this runs in: its stories will be indexed anew."""
    await jobs.enqueue(jobs.INDEX, {"term": str(term_id)})


async def byline_changed(stories: Sequence[UUID]) -> None:
    """The same of stories that name another author."""
    await jobs.enqueue(jobs.INDEX, {"stories": [str(id) for id in stories]})


async def refile(payload: Mapping[str, Any]) -> None:
    """The job: index the stories under a term, these stories, or those that are not indexed yet, BATCH at a time."""
    for table in ("head", "live"):  # what is published meanwhile has what its head has (_TAKE_OVER)
        if term := payload.get("term"):
            rows = await _fetch(f"select distinct article_id from {table}_term where term_id = $1 order by 1", [term])
        elif stories := payload.get("stories"):
            rows = await _fetch(f"select article_id from {table} where article_id = any($1) order by 1", [stories])
        else:
            rows = await _fetch(
                f"select article_id from {table} x where not exists "
                f"(select from {table}_search s where s.article_id = x.article_id) order by 1",
                [],
            )
        await _file_all(table, rows, _refile)


async def rebuild() -> None:
    """Make the whole index again, in the caller's transaction, in which nobody else may write a story.

    It is made beside the one there is, which can be read until then, and indexed once it is full: far less work.
    """
    counts, spelled = Counter[str](), dict[str, str]()
    for table, sort in _SORTS.items():
        await _run(_BEGUN, table, sort)
        rows = await _fetch(f"select article_id from {table} order by {sort}", [])
        for start in range(0, len(rows), BATCH):
            found = await vectors(table, [row[0] for row in rows[start : start + BATCH]])
            await _insert(f"{table}_search_new", table, found)
            if table == "live":
                counts.update(lexeme for vector in found.values() for lexeme in vector.places)
                for vector in found.values():
                    for word, spelling in vector.spelled.items():
                        spelled.setdefault(word, spelling)
        await _run(_FILLED, table, sort)
    await _fetch("delete from live_word", [])
    await _recount([], counts, spelled)
    for table, sort in _SORTS.items():
        await _run(_TAKEN, table, sort)


async def reindex() -> None:
    """Make all that is derived from stories again, in a transaction in which nobody else writes one."""
    async with _while_nobody_writes():
        await _make_again()


async def recount() -> list[tuple[str, int, int]]:
    """Compare each count that is kept with what it counts, and say where the two differed: what, how many were kept,
    how many there are. Then all that is derived is made again. Nobody else writes a story meanwhile."""
    async with _while_nobody_writes():
        found = [*await listings.miscounted(), *await _miscounted()]
        if found:
            await _make_again()
    return found


@asynccontextmanager
async def _while_nobody_writes() -> AsyncIterator[None]:
    async with transaction():
        await events.lock_public()
        await _fetch("lock table head, live in share mode", [])
        await _fetch("set local max_parallel_workers_per_gather to default", [])  # this takes long anyhow
        yield


async def _make_again() -> None:
    await listings.rebuild()
    await rebuild()


async def _file_all(table: str, rows: Sequence[Any], file: Callable[[str, list[UUID]], Awaitable[None]]) -> None:
    for start in range(0, len(rows), BATCH):
        await file(table, [row[0] for row in rows[start : start + BATCH]])


@retrying
async def _refile(table: str, ids: Sequence[UUID]) -> None:
    async with transaction():
        if table == "live":
            await events.lock_public()
        await _file(table, ids)


# ---------------------------------------------------------------- what a story is found by


class _Met:
    """A word of what stands between spaces, at offset places from its first, and where its places are noted."""

    __slots__ = ("noted", "offset", "word")

    def __init__(self, word: Word) -> None:
        self.word, self.offset = word, word.position
        self.noted: tuple[list[str], ...] = ()


@dataclass(slots=True)
class Vector:
    """A story's words with their places and the weight of where they stand: A headline, B dek, C tags and byline, D
    text."""

    stems: Mapping[str, str | None]
    spelled: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    _met: dict[str, tuple[list[_Met], int]] = field(default_factory=dict)
    _end: int = 1
    # Of lexemes, and of their places.
    _bytes: int = 0
    _noted: int = 0

    def add(self, runs: Sequence[str], weight: str) -> None:
        """runs: a text, cut at its white space. What comes again is not looked at again."""
        met, start, last, noted = self._met, self._end, self._end - 2, self._noted
        for run in runs:
            if run not in met:
                found, width = words_of(run)
                met[run] = [_Met(word) for word in found], width
            found_here, width = met[run]
            for each in found_here:
                number = start + each.offset
                if number > last:
                    last = number
                if number > MAX_POSITION or self._bytes + noted > MAX_BYTES:
                    self._end, self._noted = last + 2, noted
                    return
                place = f"{number}{weight}"
                for places in each.noted or self._begin(each):
                    if len(places) < MAX_POSITIONS:
                        places.append(place)
                        noted += len(place) + 1
            start += width
        self._end, self._noted = last + 2, noted  # so that no phrase goes across

    def _begin(self, met: _Met) -> tuple[list[str], ...]:
        lexeme = met.word.text
        own, stem = self._places_of(lexeme), self.stems.get(lexeme)
        met.noted = (own, self._places_of(stem)) if stem and stem != lexeme else (own,)
        return met.noted

    def _places_of(self, lexeme: str) -> list[str]:
        if lexeme not in self.places:
            self.places[lexeme] = []
            self._bytes += len(lexeme.encode()) + 9
        return self.places[lexeme]

    def __str__(self) -> str:
        return " ".join(f"{quote(lexeme)}:{','.join(places)}" for lexeme, places in self.places.items())


def spellings(runs: Iterable[str]) -> dict[str, str]:
    """How words that may be suggested are spelled where they stand first. runs: texts, cut at their white space."""
    found: dict[str, str] = {}
    for run in dict.fromkeys(runs):
        for word in words_of(run)[0]:
            if word.text not in found and _is_suggested(word):
                found[word.text] = run[word.start : word.end].lower()
    return found


def _is_suggested(word: Word) -> bool:
    plain = not (word.is_dense or word.is_joined or word.is_symbol)
    return plain and SHORTEST_SUGGESTED <= len(word.text) <= LONGEST_SUGGESTED and word.text.isalpha()


def near(word: str, depth: int = 1) -> list[int]:
    """Numbers of a word and of what is left of it without any one of its letters (depth: so many of them): two words
    that differ by a slip have one in common."""
    forms = {word}
    layer = {word}
    for _ in range(depth):
        layer = {each[:i] + each[i + 1 :] for each in layer for i in range(len(each))}
        forms |= layer
    return sorted({zlib.crc32(each.encode()) - 2**31 for each in forms})


_SORTS = {"live": "published_at", "head": "updated_at"}
# Names are held until the transaction ends, so that whoever changes one comes after, and indexes this story too.
_NAMES = """
with tags as (
    select t.id, array(select n.name from tag_name n where n.tag_id = t.id order by n.key) || t.name as names
    from tag t where t.id = any($1) order by t.id for share of t
), authors as (
    select a.id, array[a.name] as names from author a where a.id = any($2) order by a.id for share of a
)
select id, names from tags union all select id, names from authors
"""


async def vectors(table: str, ids: Sequence[UUID]) -> dict[UUID, Vector]:
    """What these stories of live or head are found by. Holds the rows until the transaction ends."""
    rows = await _fetch(
        f"select article_id, locale, headline, kicker, dek, text, tag_ids, author_ids from {table} "
        "where article_id = any($1) order by article_id for share",
        [list(ids)],
    )
    tag_ids = sorted({id for row in rows for id in row["tag_ids"]})
    author_ids = sorted({id for row in rows for id in row["author_ids"]})
    names = {row[0]: list(dict.fromkeys(row[1])) for row in await _names(tag_ids, author_ids)}
    return {row["article_id"]: await _vector(row, names) for row in rows}


async def _names(tag_ids: Sequence[UUID], author_ids: Sequence[UUID]) -> list[Any]:
    return await _fetch(_NAMES, [tag_ids, author_ids]) if tag_ids or author_ids else []


async def _vector(row: Mapping[str, Any], names: Mapping[UUID, list[str]]) -> Vector:
    texts = [
        (row["headline"], "A"),
        (row["kicker"], "B"),
        (row["dek"], "B"),
        *((name, "C") for id in (*row["tag_ids"], *row["author_ids"]) for name in names.get(id, ())),
        (row["text"], "D"),
    ]
    cut = [(text.split(), weight) for text, weight in texts if text]
    every = list(dict.fromkeys(run for runs, _ in cut for run in runs))
    plain = {word.text for run in every for word in words_of(run)[0] if not (word.is_dense or word.is_symbol)}
    vector = Vector(await stems(row["locale"], plain), spellings(every))
    for runs, weight in cut:
        vector.add(runs, weight)
    return vector


async def _file(table: str, ids: Sequence[UUID]) -> None:
    found = await vectors(table, ids)
    if table == "live":
        await _count_words(found)
    sort = _SORTS[table]
    again = f"on conflict (article_id) do update set {sort} = excluded.{sort}, vector = excluded.vector"
    await _insert(f"{table}_search", table, found, again)


async def _insert(into: str, table: str, found: Mapping[UUID, Vector], again: str = "") -> None:
    sort = _SORTS[table]
    await _fetch(
        f"insert into {into} (article_id, {sort}, vector) "
        f"select x.article_id, x.{sort}, v.vector::tsvector from {table} x "
        f"join unnest($1::uuid[], $2::text[]) v (id, vector) on v.id = x.article_id {again}",
        [list(found), [str(vector) for vector in found.values()]],
    )


# ---------------------------------------------------------------- made anew

_BEGUN = """
drop table if exists {table}_search_new;
create table {table}_search_new (like {table}_search including defaults including storage);
alter table {table}_search_new set (toast_tuple_target = 128)
"""
# As migration 0009 makes it.
_FILLED = """
set local maintenance_work_mem = '128MB';
alter table {table}_search_new add primary key (article_id);
alter table {table}_search_new add foreign key (article_id) references {table} (article_id) on delete cascade;
create index {table}_search_new_vector on {table}_search_new using gin (vector) with (fastupdate = off);
create index {table}_search_new_newest on {table}_search_new ({sort}, article_id);
analyze {table}_search_new
"""
# From here on readers wait, until the transaction ends.
_TAKEN = """
drop table {table}_search;
alter table {table}_search_new rename to {table}_search;
alter table {table}_search rename constraint {table}_search_new_pkey to {table}_search_pkey;
alter table {table}_search rename constraint {table}_search_new_article_id_fkey to {table}_search_article_id_fkey;
alter index {table}_search_new_vector rename to {table}_search_vector;
alter index {table}_search_new_newest rename to {table}_search_newest
"""


async def _run(statements: str, table: str, sort: str) -> None:
    for statement in statements.format(table=table, sort=sort).split(";"):
        await _fetch(statement.strip(), [])


# ---------------------------------------------------------------- words of live stories


async def _count_words(found: Mapping[UUID, Vector]) -> None:
    """Count these stories' words, which are about to be indexed, instead of those that are."""
    counts = Counter(lexeme for vector in found.values() for lexeme in vector.places)
    spelled: dict[str, str] = {}
    for vector in found.values():
        spelled = vector.spelled | spelled
    await _recount(list(found), counts, spelled)


async def _recount(ids: Sequence[UUID], counts: Mapping[str, int], spelled: Mapping[str, str]) -> None:
    """counts: in how many stories each word is, which come in the place of these. spelled: how words are spelled, which
    is noted of those that were never met before."""
    rows = await _fetch(_RECOUNT, [list(counts), list(counts.values()), list(ids), list(spelled)])
    await _spell([row[0] for row in rows], spelled)


async def _spell(words: Sequence[str], spelled: Mapping[str, str]) -> None:
    """Note how those of these words are spelled that are not but stems."""
    if new := [word for word in words if word in spelled]:
        await _fetch(
            "update live_word w set spelling = x.spelling, near = x.near::integer[] "
            "from unnest($1::text[], $2::text[], $3::text[]) x (word, spelling, near) where w.word = x.word",
            [new, [spelled[word] for word in new], [f"{{{','.join(map(str, near(word)))}}}" for word in new]],
        )


# A word that was counted before may have been but the stem of others.
_RECOUNT = """
with counted as (
    insert into live_word (word, stories) select word, sum(n) from (
        select * from unnest($1::text[], $2::integer[]) x (word, n) union all
        select word, -1 from live_search, unnest(tsvector_to_array(vector)) word where article_id = any($3)) x
    group by word having sum(n) <> 0
    on conflict (word) do update set stories = live_word.stories + excluded.stories
    returning word, spelling
)
select word from counted where spelling is null and word = any($4)
union select word from live_word where spelling is null and word = any($4)
"""

# Part of the statement that makes a story live, whose row it calls live; it holds the lock of what is public. A story
# that becomes live has the words of its head, which were looked for when it was saved. That stands still until the
# transaction ends: who changes a name indexes heads first, and then finds this story live.
FILE_LIVE = f"""
taken as (
    select article_id, live.published_at, s.vector
    from live join head using (article_id) join head_search s using (article_id)
    where head.revision_id = live.revision_id for share of s
), counted as (
    insert into live_word (word, stories) select word, sum(n) from (
        select word, 1 as n from taken, unnest(tsvector_to_array(vector)) word union all
        select word, -1 from taken join live_search s using (article_id), unnest(tsvector_to_array(s.vector)) word) x
    group by word having sum(n) <> 0
    on conflict (word) do update set stories = live_word.stories + excluded.stories
), filed as (
    insert into live_search (article_id, published_at, vector) select * from taken
    on conflict (article_id) do update set published_at = excluded.published_at, vector = excluded.vector
), unspelled as (
    select word from taken, unnest(tsvector_to_array(vector)) word left join live_word using (word)
    where live_word.spelling is null and length(word) between {SHORTEST_SUGGESTED} and {LONGEST_SUGGESTED}
)"""
# Whether the head was of the same revision, and indexed; of which words it is not known how they are spelled, if they
# are any; and whether one of them is of a tag or an author.
FILED_LIVE = """
exists (select from taken), array(select word from unspelled),
exists (select from taken, unspelled where word = any(tsvector_to_array(ts_filter(vector, '{c}'))))
"""


async def _miscounted() -> list[tuple[str, int, int]]:
    rows = await _fetch(
        "select word, coalesce(k.stories, 0), coalesce(c.stories, 0) from live_word k full join ("
        "select word, count(*) as stories from live_search, unnest(tsvector_to_array(vector)) word group by word) c "
        "using (word) where coalesce(k.stories, 0) <> coalesce(c.stories, 0) order by word",
        [],
    )
    return [(f"stories with the word {row[0]}", row[1], row[2]) for row in rows]


async def _fetch(sql: str, params: list[Any]) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, params))[1])
