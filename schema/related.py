"""The API of related stories: those that editors picked, and those that the machine finds, with why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from cms import models
from cms.articles import RelatedSource
from cms.likeness import Like, Why
from schema.context import Info

if TYPE_CHECKING:
    from schema.articles import Article

strawberry.enum(RelatedSource, description="Whether an editor picked it, or the machine found it.")
_Article = Annotated["Article", strawberry.lazy("schema.articles")]


@strawberry.type(description="Another story to read on with.")
class RelatedPost:
    article: _Article = strawberry.field(description="The story.")
    source: RelatedSource = strawberry.field(description="Where the suggestion comes from.")
    score: float | None = strawberry.field(description="How near it is, 0 to 1; null for curated ones.")
    why: strawberry.Private[Why | None]

    @strawberry.field(description="Why, in words; null for curated ones.")
    async def reason(self, info: Info) -> str | None:
        return None if self.why is None else await reason(info, self.why)


async def posts(info: Info, likes: Sequence[Like], first: int) -> list[RelatedPost]:
    """The first of these that the viewer may list."""
    found: list[RelatedPost] = []
    rows = {row.article_id: row for row in await info.context.listed([each.article_id for each in likes])}
    for each in likes:
        if len(found) < first and each.article_id in rows:
            row = rows[each.article_id]
            found.append(RelatedPost(article=row, source=RelatedSource.AUTOMATIC, score=each.score, why=each.why))
    return found


async def reason(info: Info, why: Why) -> str | None:
    """What two stories have in common, in words. Names are those of today."""
    loaders = info.context.loaders
    section = (await info.context.tree()).by_id.get(why.section) if why.section else None
    return in_words(
        why,
        [tag.name for tag in await loaders.known_many(models.Tag, list(why.tags))],
        [author.name for author in await loaders.known_many(models.Author, list(why.authors))],
        section.name if section else None,
    )


def in_words(why: Why, tags: Sequence[str], authors: Sequence[str], section: str | None) -> str | None:
    if tags:
        return f"Both are about {' and '.join(tags)}"
    if why.words:
        return f"Both mention {' and '.join(why.words)}"
    if authors:
        return f"Also by {authors[0]}"
    return f"Also in {section}" if section else None
