"""Finding stories: the newest that match a query ranked, how many match, and what was perhaps meant instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import listings
from cms.errors import Invalid
from cms.keyset import Key, Listing, Where
from cms.permissions import Actor, Perspective
from cms.search.index import LONGEST_SUGGESTED, SHORTEST_SUGGESTED, near
from cms.search.query import Part, Query, Stems, parse
from cms.search.stems import stems_of_any

MAX_QUERY = 1_000
# Of more matches, those that are not so new are as if they were not there.
RANKED = 1_000
# After so many days a story counts half as fresh as the newest that was found.
FRESH_DAYS = 90
MAX_SUGGESTED = 5
# Where so many of all stories probably match, it is less work to look at the newest than to gather all that match.
_COMMON = 0.15


@dataclass(eq=False)
class Found:
    """What matches, the newest RANKED of it: the best first, as rows of (article_id, how many there are)."""

    actor: Actor
    perspective: Perspective
    query: Query
    stems: Stems
    filter: Mapping[str, Any] | None
    # All that matches, in SQL. asked: the query there. is_common: that is probably a good part of all stories.
    source: str
    where: Where
    asked: str
    is_common: bool

    @cached_property
    def ranked(self) -> Listing:
        # Freshness is told from the newest that was found and not from the clock: pages of one search fit together.
        days = "extract(epoch from max(at) over () - at) / 86400"
        score = f"(ts_rank(vector, {self.asked}) * (1 + 1 / (1 + {days} / {FRESH_DAYS})) / 2)::float8"
        columns = f"article_id, count(*) over () as matches, {score} as score"
        source = f"(select {columns} from ({self._newest}) newest) found"
        keys = (Key("SCORE", "found.score", float, descending=True), Key("ID", "found.article_id", UUID, True))
        return Listing("found.article_id, found.matches", source, Where(params=list(self.where.params)), keys)

    async def newest(self) -> Listing:
        """The same without an order, for counts and facets."""
        if self._ids is None:
            rows = await _fetch(f"select article_id from ({self._newest}) x", self.where.params)
            self._ids = [row[0] for row in rows]
        content = _TABLES[self.perspective].content
        where = Where([f"{content}.article_id = any($1)"], [self._ids])
        return Listing(f"{content}.article_id", content, where, (Key("ID", f"{content}.article_id", UUID),))

    _ids: list[UUID] | None = None

    @property
    def _newest(self) -> str:
        """PostgreSQL does not know what it costs to look into a story's words, so that "offset 0" keeps it from finding
        a way of its own: either from the newest on until enough match, or all that match, through the index.
        ts_delete, which deletes nothing, has the words of a story read once for both their match and their rank."""
        table = _TABLES[self.perspective]
        if self.is_common:
            every = (
                f"select article_id, {table.sort} as at, ts_delete(vector, '') as vector from {table.name} "
                f"order by {table.sort} desc, article_id desc offset 0"
            )
            return f"select * from ({every}) s where {self.where.sql()} limit {RANKED}"
        every = (
            f"select s.article_id, s.{table.sort} as at, s.vector from {self.source} where {self.where.sql()} offset 0"
        )
        return f"select * from ({every}) x order by at desc, article_id desc limit {RANKED}"

    async def did_you_mean(self) -> str | None:
        """The query with words that no live story has put right, where that finds anything; else None."""
        meant: dict[Part, str] = {}
        for part in await _unknown(self.query.wanted, self.stems):
            if spelling := await _nearest(part.word or ""):
                meant[part] = spelling
        if not meant:
            return None
        text = self.query.text
        for part in sorted(meant, key=lambda each: -each.start):
            text = text[: part.start] + meant[part] + text[part.end :]
        other = await find(self.actor, self.perspective, text, filter=self.filter)
        rows = await _fetch(
            f"select exists (select from {other.source} where {other.where.sql()} offset 0)", other.where.params
        )
        return text.strip() if rows[0][0] else None


async def find(actor: Actor, perspective: Perspective, text: str, *, filter: Mapping[str, Any] | None = None) -> Found:
    """The stories with all the words of a text that this actor may list. filter: as listings.articles takes it.

    A text without any word finds none. Raises Invalid for one that is too long, or for a wrong filter.
    """
    if len(text) > MAX_QUERY:
        raise Invalid.field(
            "query", "too_long", f"A query has at most {MAX_QUERY} characters; this one has {len(text)}."
        )
    query = parse(text)
    words = query.stemmed()
    stems = await stems_of_any(await _locales(), words) if words else {}
    listing = await listings.articles(actor, perspective, filter=filter)
    wanted, table = query.as_tsquery(stems), _TABLES[perspective]
    where = Where(params=list(listing.where.params))
    # Not as a value that PostgreSQL could count on when it plans: see Found._newest.
    asked = f"(select {where.param(wanted or '')}::tsquery)"
    # PostgreSQL leaves out the join where nothing is read through it.
    source = f"{table.name} s left join {table.content} on {listing.select} = s.article_id"
    if listing.where.conditions:
        where.add(f"s.article_id in (select {listing.select} from {listing.rows()})")
    where.add(f"s.vector @@ {asked}" if wanted else f"{asked} is null")
    is_common = len(where.params) == 1 and perspective is Perspective.PUBLISHED and await _is_common(query, stems)
    return Found(actor, perspective, query, stems, filter, source, where, asked, is_common)


async def _locales() -> list[str]:
    return list((await _fetch("select locales from site", []))[0][0])


async def _is_common(query: Query, stems: Stems) -> bool:
    """Whether probably a good part of all stories match."""
    forms = [_forms(part, stems) for part in query.telling(stems)]
    if not forms or not all(forms) or len(query.wanted) < len(query.parts):
        return False
    rows = await _fetch(
        "select word, stories, (select n from term_count where term_id = $2) from live_word where word = any($1)",
        [sorted(set().union(*forms)), listings.EVERY],
    )
    if not rows or not rows[0][2]:
        return False
    stories, every = {row[0]: row[1] for row in rows}, rows[0][2]
    have = [max(stories.get(form, 0) for form in each) for each in forms]
    part = prod(n / every for n in have)
    return bool(part >= _COMMON and part * every >= RANKED)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    content: str
    sort: str


_TABLES = {
    Perspective.PUBLISHED: _Table("live_search", "live", "published_at"),
    Perspective.DRAFT: _Table("head_search", "head", "updated_at"),
}


# ---------------------------------------------------------------- what was meant


async def _unknown(parts: Sequence[Part], stems: Stems) -> list[Part]:
    """Those of one word that no live story has, in this form or another."""
    found = []
    for part in parts:
        word = part.word
        if word is None or not word.isalpha() or not SHORTEST_SUGGESTED <= len(word) <= LONGEST_SUGGESTED:
            continue
        forms = sorted(_forms(part, stems))
        known = "word = any($1)"
        if part.is_open:
            known += " or (word >= $2 and word < $2 || chr(1114111))"
        rows = await _fetch(
            f"select exists (select from live_word where stories > 0 and ({known}))",
            [forms, word] if part.is_open else [forms],
        )
        if not rows[0][0]:
            found.append(part)
    return found[:MAX_SUGGESTED]


def _forms(part: Part, stems: Stems) -> set[str]:
    """What a part of one word is looked for as; nothing for others."""
    if part.word is None:
        return set()
    return {part.word, *(stems.get(part.word) or ()), *([part.joined] if part.joined else ())}


async def _nearest(word: str) -> str | None:
    """The live stories' word that this one is most likely a slip of: the nearest, then the commonest."""
    depth = 2 if len(word) >= 7 else 1
    rows = await _fetch(
        "select word, stories, spelling from live_word where near && $1 and stories > 0 limit 500", [near(word, depth)]
    )
    measured = [(distance(word, row[0]), -row[1], row[0], row[2]) for row in rows]
    close = [each for each in measured if each[0] <= depth]
    return min(close)[3] if close else None


def distance(a: str, b: str) -> int:
    """How many letters are left out, put in, changed or swapped with their neighbour (Damerau and Levenshtein)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        following = [i]
        for j, y in enumerate(b, 1):
            best = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, before[j - 2] + 1)
            following.append(best)
        before, row = row, following
    return row[-1]


async def _fetch(sql: str, params: list[Any]) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, params))[1])
