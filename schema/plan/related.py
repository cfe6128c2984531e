"""Related stories in plans: those that editors picked come along with the story's own statement, those that the machine
found are looked up by the story's id where the others leave room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson

from cms import related
from cms.articles import RelatedSource
from cms.likeness import Why
from schema.articles import MAX_RELATED
from schema.plan.entities import AUTHORS, TAGS, TREE
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, field, is_pure, plain
from schema.plan.stories import FOUND, ID, SPARE, Stories
from schema.related import in_words


@dataclass(slots=True)
class _Likes:
    """What the machine found for a story, the best first. reasons may still be as PostgreSQL prints them: few ask."""

    ids: Sequence[UUID] = ()
    scores: Sequence[float | str] = ()
    reasons: str | list[Why] = "[]"

    def why(self, at: int) -> Why:
        if isinstance(self.reasons, str):
            self.reasons = [Why.of(each) for each in orjson.loads(self.reasons)]
        return self.reasons[at]


class _Found(Source):
    """Rows of related by their stories: (id, ids, scores, reasons); likes where the machine has not looked yet."""

    is_marked = True

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        rows = await reading.fetch(f"select {MARK}, {FOUND} from related f where f.article_id = any($1)", keys)
        known: dict[UUID, Any] = {row[1]: row[1:] for row in rows}
        missing = [reading.memory[self, key] for key in keys if key not in known]
        if missing:
            reading.is_marked = False
            known |= zip((each.article_id for each in missing), await related.near(missing), strict=True)
        return known


_FOUND = _Found()
# What one post is made of: the row of its story, and where it stands in what was found; None for a curated one.
_Post = tuple[Any, _Likes | None, int]


@field("Article", "relatedPosts")
def _related_posts(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, arguments, find = scope.column("related_ids"), c.arguments(asked), _finder(scope)
    parent = scope if scope.related is None and not scope.is_related else None
    stories = _stories(c, asked, parent)
    inner = c.object("RelatedPost", asked.sets, stories)
    if parent is not None:
        parent.bring(stories, _FOUND, arguments(None).get("first", 3) if is_pure(arguments) else 3)  # type: ignore[arg-type]

    def get(row: Any, reading: Reading) -> list[Any]:
        first = arguments(reading).get("first", 3)
        if not 0 <= first <= MAX_RELATED:
            raise Unplanned("first")
        built = reading.built[inner]
        posts: list[Any] = []
        for id in row[place]:
            if len(posts) == first:
                break
            post = built.get(id)
            if post is None and (picked := reading.get(stories, id)) is not None:
                post = reading.once(inner, id, curated, picked)
            if post is not None:
                posts.append(post)
        if len(posts) < first and not reading.waits_for(stories):
            found = _live(find(row, reading), row[place], first - len(posts), stories, reading)
            posts += [inner(each, reading) for each in found]
        return posts

    def curated(row: Any, reading: Reading) -> Any:
        return inner((row, None, 0), reading)

    return get


def _stories(c: Compiler, asked: Asked, parent: Stories | None) -> Stories:
    """What is selected of the related stories, all of which must be selected alike."""
    selected = [each for each in c.fields("RelatedPost", asked.sets) if each.name == "article"]
    if len(selected) > 1:
        raise Unplanned("several selections of one related story")
    return Stories(c, selected[0].sets if selected else [], parent)


def _finder(scope: Stories) -> Any:
    """The function that gives what was found for a row of these stories."""
    locale, section, tags = scope.column("locale"), scope.column("section_id"), scope.column("tag_ids")

    def find(row: Any, reading: Reading) -> _Likes:
        content = SimpleNamespace(
            article_id=row[ID], locale=row[locale], section_id=row[section], tag_ids=list(row[tags])
        )
        reading.memory[_FOUND, row[ID]] = content
        found = reading.get(_FOUND, row[ID])
        if not isinstance(found, list):
            return _Likes(*found[1:]) if found else _Likes()
        # what is near changes with the lists that it stands in
        reading.lists.update(("tag", id) for id in content.tag_ids[: related.TAGS_LOOKED_AT])
        if content.section_id is not None:
            reading.lists.add(("section", content.section_id))
        return _Likes([each.article_id for each in found], [each.score for each in found], [each.why for each in found])

    return find


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
    return lambda post, reading: scope.build(post[0], reading)


def _source(post: _Post, reading: Reading) -> str:
    return (RelatedSource.CURATED if post[1] is None else RelatedSource.AUTOMATIC).name


def _score(post: _Post, reading: Reading) -> float | None:
    return None if post[1] is None else float(post[1].scores[post[2]])


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
