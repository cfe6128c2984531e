"""Versions of a story in other languages: who is told when the original was corrected."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cms import events, ids, jobs
from cms.database import retrying, transaction
from cms.models import Article
from cms.permissions import SYSTEM


async def owe_alert(article: Article, corrected_at: datetime) -> None:
    """The story was corrected, in the transaction that this runs in: its translations will be marked. A translation is
    nobody's original."""
    if article.translation_group == article.id:
        await jobs.enqueue(jobs.TRANSLATIONS, {"article": str(article.id), "at": corrected_at.isoformat()})


@retrying
async def alert(original_id: UUID, corrected_at: datetime) -> int:
    """Mark the translations that are not marked yet as needing a look since then; how many."""
    async with transaction():
        others = Article.filter(translation_group=original_id, trashed_at=None).exclude(id=original_id)
        marked = await others.filter(outdated_at=None).order_by("id").select_for_update()
        for each in marked:
            each.outdated_at = corrected_at
            await each.save(update_fields=["outdated_at"])
            original = ids.encode("Article", original_id)
            await events.record(SYSTEM, "article.translation_outdated", article_id=each.id, original=original)
        return len(marked)
