"""Tags for a story that is being written: those that its text names, and those of live stories that are like it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import likeness, slugs
from cms.models import Head, Live

LONGEST_NAME = 5
NEIGHBOURS = 15


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag that would fit. score: 0 to 1; mentions: how often the text has one of its names."""

    tag_id: UUID
    score: float
    mentions: int


async def suggested(head: Head) -> list[Suggestion]:
    """The tags that the story does not have yet, those that fit best first, ties by id."""
    mentions = await _mentioned(head)
    points = {id: 0.5 + min(times, 5) / 10 for id, times in mentions.items()}
    story = await likeness.draft(head.article_id)
    near = (await likeness.like(story))[:NEIGHBOURS] if story else []
    tags = {row.article_id: row.tag_ids async for row in Live.filter(article_id__in=[each.article_id for each in near])}
    total = sum(each.score for each in near) or 1.0
    for each in near:
        for id in tags.get(each.article_id, ()):
            points[id] = points.get(id, 0.0) + each.score * each.score / total
    found = [Suggestion(id, min(1.0, round(p, 6)), mentions.get(id, 0)) for id, p in points.items()]
    return sorted((s for s in found if s.tag_id not in head.tag_ids), key=lambda s: (-s.score, s.tag_id.bytes))


async def _mentioned(head: Head) -> dict[UUID, int]:
    text = "\n".join((head.headline, head.headline, head.dek or "", head.text))
    counts: dict[str, int] = {}
    for key in _runs(text):
        counts[key] = counts.get(key, 0) + 1
    sql = "select key, tag_id from tag_name where key = any($1)"
    rows: list[Any] = list((await connections.get("default").execute_query(sql, [list(counts)]))[1])
    found: dict[UUID, int] = {}
    for key, tag_id in rows:
        found[tag_id] = found.get(tag_id, 0) + counts[key]
    return found


def _runs(text: str) -> Iterator[str]:
    """One to a few words that stand behind one another, under the key of a name."""
    for line in text.split("\n"):
        parts = [part.strip('.,;:!?"“”„«»()[]…–—') for part in slugs.identity(line).split()]
        parts = [part.removesuffix("'s") for part in parts if part]
        for start in range(len(parts)):
            for length in range(1, LONGEST_NAME + 1):
                if start + length <= len(parts):
                    yield " ".join(parts[start : start + length])
