"""Related stories in plans: those that editors picked come along with the story's own statement, those that the machine
found are looked up by the story's id where the others leave room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

import orjson

from cms import related
from cms.articles import RelatedSource
from cms.likeness import Like, Why
from cms.models import Live
from schema.articles import MAX_RELATED
from schema.plan.entities import AUTHORS, TAGS, TREE, Card
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, field, is_pure, of_all, plain, together
from schema.plan.stories import ID, SPARE, Stories
from schema.related import in_words


@dataclass(slots=True)
class _Likes:
    """What the machine found for a story, the best first. reasons may still be as PostgreSQL prints them: few ask."""

    ids: Sequence[UUID] = ()
    scores: Sequence[float] = ()
    reasons: str | list[Why] = "[]"
    lists: Sequence[tuple[str, UUID]] = ()  # what is found may be something else when these change

    def why(self, at: int) -> Why:
        if isinstance(self.reasons, str):
            self.reasons = [Why.of(each) for each in orjson.loads(self.reasons)]
        return self.reasons[at]


class _Found(Source):
    """_Likes by the ids of the stories that they were found for."""

    is_marked = True

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        rows = await reading.fetch(
            f"select {MARK}, article_id, related_ids, scores, reasons from related where article_id = any($1)", keys
        )
        known = {row[1]: _Likes(*row[2:]) for row in rows}
        missing = [key for key in keys if key not in known]
        return known | await self._near(missing, reading) if missing else known

    async def _near(self, keys: list[Any], reading: Reading) -> dict[UUID, _Likes]:
        """For those that the machine has not looked at yet."""
        stories = await Live.filter(article_id__in=keys).only("article_id", "locale", "section_id", "tag_ids")
        reading.is_marked = False
        found = zip(stories, await related.near(stories), strict=True)
        return {story.article_id: _near(story, likes) for story, likes in found}


def _near(story: Live, likes: Sequence[Like]) -> _Likes:
    lists = [("tag", id) for id in story.tag_ids[: related.TAGS_LOOKED_AT]]
    if story.section_id is not None:
        lists.append(("section", story.section_id))
    return _Likes([e.article_id for e in likes], [e.score for e in likes], [e.why for e in likes], lists)


_FOUND = _Found()
# What one post is made of: the row or the card of its story, and where it stands in what was found; None for a curated
# one.
_Post = tuple[Any, _Likes | None, int]
_SOME = _Likes()


@field("Article", "relatedPosts")
def _related_posts(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, arguments = scope.column("related_ids"), c.arguments(asked)
    parent = scope if scope.related is None and not scope.is_related else None
    stories = _stories(c, asked, parent)
    inner = c.object("RelatedPost", asked.sets, stories)
    posts_of, near = of_all(inner), None
    says_why = any(each.name in ("score", "reason") for each in c.fields("RelatedPost", asked.sets))
    if parent is not None:
        near = parent.bring(stories, arguments(None).get("first", 3) if is_pure(arguments) else 3)  # type: ignore[arg-type]
        stories.are_carded = c.is_constant(asked.sets) and not says_why

    def get(rows: Sequence[Any], reading: Reading) -> list[Any]:
        first = arguments(reading).get("first", 3)
        if not 0 <= first <= MAX_RELATED:
            raise Unplanned("first")
        came = reading.had(stories)
        if came is None and stories.are_carded and len(rows) == 1:
            shown = cards(rows[0], first, reading)
            return [one(rows[0], first, reading) if shown is None else posts_of(shown, reading)]
        live = came or {}
        picks = [_picks(row[place], None if near is None else row[near], first, live) for row in rows]
        known = [each for each in picks if each is not None]
        if len(known) < len(picks) or (says_why and any(found for _, found in known)):
            return [one(row, first, reading) for row in rows]
        if came is not None and scope.is_alone and stories.are_carded:
            looked_at = chain.from_iterable(chain.from_iterable(known))
            absent = (id for row in rows for id in (*row[place], *(row[near] or ())) if came.get(id, row) is None)
            stories.learn([*looked_at, *absent], reading)
        picked = built([ids for ids, _ in known], None, live, reading)
        others = built([found for _, found in known], _SOME, live, reading)
        return [[*[picked[id] for id in ids], *[others[id] for id in found]] for ids, found in known]

    def cards(row: Any, first: int, reading: Reading) -> list[_Post] | None:
        """What is related to one story without having come along; None where the cards of some are not here."""
        picked, entities = row[place], reading.entities
        found: list[_Post] = []
        for likes, ids in ((None, picked), (_SOME, () if near is None else row[near] or ())):
            for id in ids:
                if len(found) == first:
                    return found
                if likes is not None and id in picked:
                    continue
                card = entities.card(stories.place, id)
                if card is None:  # then all of them are read, and come along for a while
                    if (known := entities.cards_of(stories.place)) is not None:
                        known.note(0, 1)
                    return None
                if card.json is not None:
                    found.append((card, likes, 0))
        return found if len(found) == first else None

    def built(
        lists: list[list[UUID]], likes: _Likes | None, live: Mapping[UUID, Any], reading: Reading
    ) -> dict[UUID, Any]:
        """Each once, however many stories show it."""
        ids = dict.fromkeys(chain.from_iterable(lists))
        return dict(zip(ids, posts_of([(live[id], likes, 0) for id in ids], reading), strict=True))

    def one(row: Any, first: int, reading: Reading) -> list[Any]:
        picked = [each for each in reading.many(stories, row[place]) if each is not None][:first]
        found: list[_Post] = [(each, None, 0) for each in picked]
        if len(found) < first and not reading.waits_for(stories):
            likes = reading.get(_FOUND, row[ID]) or _SOME
            reading.lists.update(likes.lists)
            found += _live(likes, row[place], first - len(found), stories, reading)
        return posts_of(found, reading)

    return together(get)


def _picks(
    ids: Sequence[UUID], near: Sequence[UUID] | None, first: int, live: Mapping[UUID, Any]
) -> tuple[list[UUID], list[UUID]] | None:
    """The first live ones that editors picked, and those that were found to fill up with; None where that is not known
    from what came along."""
    picked: list[UUID] = []
    found: list[UUID] = []
    try:
        for id in ids:
            if len(picked) == first:
                return picked, found
            if live[id] is not None:
                picked.append(id)
        missing = first - len(picked)
        for id in near or () if missing else ():
            if id not in ids and live[id] is not None:
                found.append(id)
                if len(found) == missing:
                    break
    except KeyError:
        return None
    return (picked, found) if len(found) == missing else None


def _stories(c: Compiler, asked: Asked, parent: Stories | None) -> Stories:
    """What is selected of the related stories, all of which must be selected alike."""
    selected = [each for each in c.fields("RelatedPost", asked.sets) if each.name == "article"]
    if len(selected) > 1:
        raise Unplanned("several selections of one related story")
    return Stories(c, selected[0].sets if selected else [], parent)


def _live(likes: _Likes, picked: Sequence[UUID], count: int, stories: Stories, reading: Reading) -> list[_Post]:
    """The first of what was found, but for what was picked, that are live."""
    found: list[_Post] = []
    places = [at for at, id in enumerate(likes.ids) if id not in picked]
    for start in range(0, len(places), count + SPARE):
        some = places[start : start + count + SPARE]
        rows = reading.many(stories, [likes.ids[at] for at in some])
        found += [(row, likes, at) for row, at in zip(rows, some, strict=True) if row is not None]
        if len(found) >= count or reading.waits_for(stories):
            break
    return found[:count]


@field("RelatedPost", "article")
def _article(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    def get(posts: Sequence[_Post], reading: Reading) -> list[Any]:
        rows = [post[0] for post in posts]
        return scope.show(rows, reading) if rows and type(rows[0]) is Card else scope.build_all(rows, reading)

    return together(get)


def _source(post: _Post, reading: Reading) -> str:
    return (RelatedSource.CURATED if post[1] is None else RelatedSource.AUTOMATIC).name


def _score(post: _Post, reading: Reading) -> float | None:
    return None if post[1] is None else post[1].scores[post[2]]


def _reason(post: _Post, reading: Reading) -> str | None:
    return None if post[1] is None else _in_words(post[1].why(post[2]), reading)


def _in_words(why: Why, reading: Reading) -> str | None:
    reading.shown["tag"].update(why.tags)
    reading.shown["author"].update(why.authors)
    tags = [reading.entity(TAGS, id) for id in why.tags]
    authors = [reading.entity(AUTHORS, id) for id in why.authors]
    tree = reading.entity(TREE, None) if why.section else None
    section = tree.by_id.get(why.section) if tree is not None else None
    return in_words(
        why,
        [tag.name for tag in tags if tag is not None],
        [author.name for author in authors if author is not None],
        section.name if section is not None else None,
    )


plain("RelatedPost", source=_source, score=_score, reason=_reason)
