"""Finding stories: what matches a query, the newest of it ranked, and what was perhaps meant instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import listings
from cms.errors import Invalid
from cms.keyset import Key, Listing, Where
from cms.models import Site
from cms.permissions import Actor, Perspective
from cms.search.index import LONGEST_SUGGESTED, SHORTEST_SUGGESTED, near
from cms.search.query import Part, Query, Stems, parse
from cms.search.stems import stems_of_any

MAX_QUERY = 1_000
RANKED = 1_000
# After so many days a story counts half as fresh as the newest that was found.
FRESH_DAYS = 90
MAX_SUGGESTED = 5


@dataclass(eq=False)
class Found:
    """What matches: whole in no order of note, ranked the best of the newest RANKED as rows of (article_id, score)."""

    actor: Actor
    perspective: Perspective
    query: Query
    stems: Stems
    filter: Mapping[str, Any] | None
    whole: Listing

    @cached_property
    def ranked(self) -> Listing:
        table = _TABLES[self.perspective]
        where = self.whole.where.copy()
        asked = where.param(self.query.as_tsquery(self.stems) or "")
        newest = (
            f"select s.article_id, s.{table.sort} as at, s.vector from {self.whole.source} where {where.sql()} "
            f"order by s.{table.sort} desc, s.article_id desc limit {RANKED}"
        )
        # Freshness is told from the newest that was found and not from the clock: pages of one search fit together.
        days = "extract(epoch from max(at) over () - at) / 86400"
        score = f"(ts_rank(vector, {asked}::tsquery) * (1 + 1 / (1 + {days} / {FRESH_DAYS})) / 2)::float8"
        source = f"(select article_id, {score} as score from ({newest}) newest) found"
        where.conditions.clear()
        keys = (Key("SCORE", "found.score", float, descending=True), Key("ID", "found.article_id", UUID, True))
        return Listing("found.article_id, found.score", source, where, keys)

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
            f"select exists (select from {other.whole.source} where {other.whole.where.sql()})",
            other.whole.where.params,
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
    stems = await stems_of_any((await Site.get()).locales, words) if words else {}
    listing = await listings.articles(actor, perspective, filter=filter)
    where, table = Where(params=list(listing.where.params)), _TABLES[perspective]
    asked = query.as_tsquery(stems)
    # PostgreSQL leaves out the join where nothing is read through it.
    source = f"{table.name} s left join {table.content} on {listing.select} = s.article_id"
    if listing.where.conditions:
        where.add(f"s.article_id in (select {listing.select} from {listing.rows()})")
    where.add(f"s.vector @@ {where.param(asked)}::tsquery" if asked else "false")
    return Found(actor, perspective, query, stems, filter, Listing(listing.select, source, where, listing.keys))


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
        forms = [word, *(stems.get(word) or ()), *([part.joined] if part.joined else ())]
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
