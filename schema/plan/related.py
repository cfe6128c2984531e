"""Related stories in plans: those that editors picked come along with the story's own statement, those that the machine
found are looked up by the story's id where the others leave room."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from cms import related
from cms.articles import RelatedSource
from cms.likeness import Like, Why
from schema.articles import MAX_RELATED
from schema.plan.entities import AUTHORS, TAGS, TREE
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, field, plain
from schema.plan.stories import ID, Stories
from schema.related import in_words

# Some of what was found is not live any more: so many more are fetched at once.
_SPARE = 3


class _Found(Source):
    """What the machine found for a story, by the story: (likes, whether it has looked at it)."""

    is_marked = True

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        rows = await reading.fetch(
            f"select {MARK}, article_id, related_ids, scores, reasons from related where article_id = any($1)", keys
        )
        known = {row[1]: related.likes_of(row[1:]) for row in rows}
        missing = [reading.memory[self, key] for key in keys if key not in known]
        if not missing:
            return {key: (likes, True) for key, likes in known.items()}
        reading.is_marked = False
        near = dict(zip((each.article_id for each in missing), await related.near(missing), strict=True))
        return {key: (known[key], True) if key in known else (near[key], False) for key in keys}


_FOUND = _Found()


@field("Article", "relatedPosts")
def _related_posts(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, arguments, find = scope.column("related_ids"), c.arguments(asked), _finder(scope)
    parent = scope if scope.related is None and not scope.is_related else None
    stories = _stories(c, asked, parent)
    inner = c.object("RelatedPost", asked.sets, stories)
    if parent is not None:
        parent.related = stories

    def get(row: Any, reading: Reading) -> list[Any]:
        first = arguments(reading).get("first", 3)
        if not 0 <= first <= MAX_RELATED:
            raise Unplanned("first")
        picked = [each for each in (reading.get(stories, id) for id in row[place]) if each is not None][:first]
        posts: list[tuple[Any, Like | None]] = [(each, None) for each in picked]
        if len(posts) < first and not reading.waits_for(stories):
            likes = [each for each in find(row, reading) if each.article_id not in row[place]]
            posts += _live(likes, first - len(posts), stories, reading)
        return [inner(each, reading) for each in posts]

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

    def find(row: Any, reading: Reading) -> list[Like]:
        content = SimpleNamespace(
            article_id=row[ID], locale=row[locale], section_id=row[section], tag_ids=list(row[tags])
        )
        reading.memory[_FOUND, row[ID]] = content
        likes, has_looked = reading.get(_FOUND, row[ID]) or ([], True)
        if not has_looked:  # what is near changes with the lists that it stands in
            reading.lists.update(("tag", id) for id in content.tag_ids[: related.TAGS_LOOKED_AT])
            if content.section_id is not None:
                reading.lists.add(("section", content.section_id))
        return likes

    return find


def _live(likes: list[Like], count: int, stories: Stories, reading: Reading) -> list[tuple[Any, Like]]:
    """The first of these that are live."""
    found: list[tuple[Any, Like]] = []
    for at in range(0, len(likes), count + _SPARE):
        some = likes[at : at + count + _SPARE]
        rows = [(reading.get(stories, each.article_id), each) for each in some]
        found += [each for each in rows if each[0] is not None]
        if len(found) >= count or reading.waits_for(stories):
            break
    return found[:count]


@field("RelatedPost", "article")
def _article(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return lambda post, reading: scope.build(post[0], reading)


def _source(post: tuple[Any, Like | None], reading: Reading) -> str:
    return (RelatedSource.CURATED if post[1] is None else RelatedSource.AUTOMATIC).name


def _score(post: tuple[Any, Like | None], reading: Reading) -> float | None:
    return None if post[1] is None else float(post[1].score)


def _reason(post: tuple[Any, Like | None], reading: Reading) -> str | None:
    return None if post[1] is None else _in_words(post[1].why, reading)


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
