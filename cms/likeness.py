"""How near stories are to one another: what they are filed under, weighed by rarity, the words they share, weighed by
rarity too, and when they were published.

Everything is measured on live stories, so that nothing here tells of a draft. score(a, b) is score(b, a).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import connections

from cms.listings import EVERY
from cms.search import quote

# How many stories are looked at closely, and how many words, and newest stories of each word or term, lead to them.
CLOSELY = 80
KEYWORDS = 25
PER_WORD, PER_TERM = 120, 60
COMMON = 5_000
COPY = 0.8
HALF_DAYS = 45


@dataclass(frozen=True, slots=True)
class Why:
    """What two stories have in common, in the order in which it tells: ids of tags and authors, words as spelled."""

    tags: tuple[UUID, ...] = ()
    words: tuple[str, ...] = ()
    authors: tuple[UUID, ...] = ()
    section: UUID | None = None

    def json(self) -> dict[str, Any]:
        plain = {
            "tags": [str(id) for id in self.tags],
            "words": list(self.words),
            "authors": [str(id) for id in self.authors],
            "section": str(self.section) if self.section else None,
        }
        return {name: value for name, value in plain.items() if value}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Why:
        return cls(
            tuple(UUID(id) for id in plain.get("tags", ())),
            tuple(plain.get("words", ())),
            tuple(UUID(id) for id in plain.get("authors", ())),
            UUID(plain["section"]) if "section" in plain else None,
        )


@dataclass(frozen=True, slots=True)
class Like:
    """A story that is like another one. score: 0 to 1."""

    article_id: UUID
    score: float
    why: Why


@dataclass(eq=False, slots=True)
class Story:
    """What of a story is compared. words: how much each says of it, of length 1 in all; known: how many stories have
    it."""

    id: UUID
    group: UUID
    locale: str
    section_id: UUID | None
    author_ids: Sequence[UUID]
    tag_ids: Sequence[UUID]
    at: datetime
    words: dict[str, float] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)


async def like(story: Story, *, leave_out: Iterable[UUID] = ()) -> list[Like]:
    """Live stories of the same language that are like this one, the likest first, ties by id; no translation of it and
    nothing that has nearly the same words."""
    ids = set(await _candidates(story)) - {story.id, *leave_out}
    others = [
        o for o in await live(ids) if o.group != story.group and o.locale == story.locale and not _copies(story, o)
    ]
    tags = await _rarity({id for each in (story, *others) for id in each.tag_ids})
    found = [(other, *_compare(story, other, tags)) for other in others]
    best = sorted((each for each in found if each[1] > 0), key=lambda each: (-each[1], each[0].id.bytes))
    spelled = await _spelled({word for each in best for word in each[2].words})
    return [Like(o.id, round(s, 6), Why(w.tags, _told(w.words, spelled), w.authors, w.section)) for o, s, w in best]


async def live(ids: Iterable[UUID]) -> list[Story]:
    return await _stories("live", "live x", "x.translation_group, x.published_at", ids)


async def draft(id: UUID) -> Story | None:
    """A story as it is being written."""
    source = "head x join article a on a.id = x.article_id"
    found = await _stories("head", source, "a.translation_group, coalesce(a.published_at, now())", [id])
    return found[0] if found else None


# ---------------------------------------------------------------- measures


def _compare(a: Story, b: Story, tags: Mapping[UUID, float]) -> tuple[float, Why]:
    shared = sorted(set(a.tag_ids) & set(b.tag_ids), key=lambda id: (-tags[id], id.bytes))
    by_tags = sum(tags[id] for id in shared) / sum(tags[id] for id in {*a.tag_ids, *b.tag_ids}) if shared else 0.0
    small, large = sorted((a.words, b.words), key=len)
    products = {word: value * large[word] for word, value in small.items() if word in large}
    by_words = min(1.0, 1.6 * sum(products.values()))
    authors = [id for id in a.author_ids if id in b.author_ids]
    same_section = a.section_id is not None and a.section_id == b.section_id
    apart = abs((a.at - b.at).total_seconds()) / 86400
    fresh = 1 / (1 + apart / HALF_DAYS)
    unlike = (1 - 0.6 * by_tags) * (1 - 0.85 * by_words) * (1 - 0.06 * same_section) * (1 - 0.04 * bool(authors))
    words = sorted(products, key=lambda word: (-products[word], word))
    telling = [word for word in words if word.isalpha() and len(word) > 3 and products[word] > 0.01][:6]
    why = Why(
        tuple(shared[:2]) if by_tags >= by_words / 2 else (),
        tuple(telling),
        tuple(authors[:1]),
        a.section_id if same_section else None,
    )
    return (1 - unlike) * (0.8 + 0.2 * fresh), why


def _copies(a: Story, b: Story) -> bool:
    shared = len(a.words.keys() & b.words.keys())
    return shared > 8 and shared / len(a.words.keys() | b.words.keys()) >= COPY


def _rare(stories: int, all_: int) -> float:
    return math.log(1 + all_ / max(stories, 1))


async def _all() -> int:
    rows = await _fetch("select n from term_count where term_id = $1", EVERY)
    return int(rows[0][0]) if rows else 1


async def _rarity(term_ids: Iterable[UUID]) -> dict[UUID, float]:
    wanted = list(term_ids)
    rows = await _fetch("select term_id, n from term_count where term_id = any($1)", wanted)
    counts, all_ = {row[0]: row[1] for row in rows}, await _all()
    return {id: _rare(counts.get(id, 0), all_) for id in wanted}


# ---------------------------------------------------------------- reading


# One look-up in an index for each word or term; none reads the whole of a common one.
_BY_WORDS = (
    "select x.word, s.article_id from unnest($1::text[], $2::text[]) x (word, quoted) cross join lateral ("
    "select article_id from live_search where vector @@ x.quoted::tsquery "
    f"order by published_at desc, article_id desc limit {PER_WORD}) s"
)
_BY_TERMS = (
    "select x.term, t.article_id from unnest($1::uuid[]) x (term) cross join lateral ("
    "select article_id from live_term where term_id = x.term "
    f"order by published_at desc, article_id desc limit {PER_TERM}) t"
)


async def _candidates(story: Story) -> list[UUID]:
    """The stories that are worth a close look."""
    tags = await _rarity(story.tag_ids)
    usual = [word for word in story.words if 1 <= story.known[word] <= COMMON]
    words = sorted(usual, key=lambda word: (-story.words[word], word))[:KEYWORDS]
    points: dict[UUID, float] = {}
    for row in await _fetch(_BY_WORDS, words, [quote(word) for word in words]):
        points[row[1]] = points.get(row[1], 0.0) + story.words[row[0]]
    weights = {id: 0.1 for id in (story.section_id, *story.author_ids) if id is not None}
    total = sum(tags.values()) or 1.0
    weights |= {id: rarity / total for id, rarity in tags.items()}
    for row in await _fetch(_BY_TERMS, list(weights)):
        points[row[1]] = points.get(row[1], 0.0) + weights[row[0]]
    return sorted(points, key=lambda id: (-points[id], id.bytes))[:CLOSELY]


async def _stories(table: str, source: str, more: str, ids: Iterable[UUID]) -> list[Story]:
    rows = await _fetch(
        f"select x.article_id, x.locale, x.section_id, x.author_ids, x.tag_ids, {more}, "
        f"(select array_agg(w.lexeme order by w.lexeme) from unnest(s.vector) w), "
        f"(select array_agg(array_to_string(w.weights, '') order by w.lexeme) from unnest(s.vector) w) "
        f"from {source} join {table}_search s on s.article_id = x.article_id where x.article_id = any($1) "
        "order by x.article_id",
        list(ids),
    )
    every = {word for row in rows for word in row[7] or ()}
    counted = await _fetch("select word, stories from live_word where word = any($1)", list(every))
    known, all_ = {row[0]: row[1] for row in counted}, await _all()
    found = []
    for row in rows:
        story = Story(row[0], row[5], row[1], row[2], row[3], row[4], row[6])
        story.words = _weigh(dict(zip(row[7] or (), row[8] or (), strict=True)), known, all_)
        story.known = {word: known.get(word, 0) for word in story.words}
        found.append(story)
    return found


def _weigh(places: Mapping[str, str], known: Mapping[str, int], all_: int) -> dict[str, float]:
    """places: the weight of each place where a word stands, A to D. Names of tags and authors (C) are no words."""
    weights = {}
    for word, letters in places.items():
        often = 3 * letters.count("A") + 2 * letters.count("B") + letters.count("D")
        if often:
            weights[word] = math.log1p(often) * _rare(known.get(word, 0), all_) ** 1.5
    length = math.sqrt(sum(value * value for value in weights.values())) or 1.0
    return {word: value / length for word, value in weights.items()}


def _told(words: Sequence[str], spelled: Mapping[str, str]) -> tuple[str, ...]:
    """Two of these as they are spelled, no two forms of one word. Stems are spelled nowhere."""
    begun = {word[:4]: word for word in reversed(words) if word in spelled}
    return tuple(spelled[word] for word in words if begun.get(word[:4]) == word)[:2]


async def _spelled(words: Iterable[str]) -> dict[str, str]:
    rows = await _fetch(
        "select word, spelling from live_word where word = any($1) and spelling is not null", list(words)
    )
    return {row[0]: row[1] for row in rows}


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])
