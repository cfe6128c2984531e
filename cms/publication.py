"""What readers see of a story: put in its place, taken away, corrected; and what stands against that."""

from __future__ import annotations

from datetime import datetime

from tortoise import connections

from cms import articles, clock, listings, paths, related, revisions, search, taxonomy, translations
from cms.checklist import checklist
from cms.errors import Embargoed, Invalid, Issue
from cms.models import Article, Correction, CorrectionKind, GoneReason, Head, Live, Revision


async def go_live(
    article: Article, content: Head | Revision, published_at: datetime | None, *, now: datetime | None = None
) -> None:
    revision_id = content.revision_id if isinstance(content, Head) else content.id
    now = now or clock.now()
    if published_at is not None and published_at > now:
        raise Invalid.field("publishedAt", "future", "publishedAt must be in the past; to publish later, schedule it.")
    # A source names a day, and its noon may be yet to come.
    source_date = min(article.source_date, now) if article.source_date else None
    article.published_at = published_at or article.published_at or source_date or now
    article.first_published_at = article.first_published_at or article.published_at
    article.gone_at = article.gone_reason = article.gone_notice = None
    columns = [now, article.published_at, article.first_published_at, article.translation_group]
    _, rows = await connections.get("default").execute_query(_GO_LIVE, [revision_id, *columns])
    await search.file_live(content, *rows[0])
    await related.owe(article.id)


# All at once: each statement is a way to the database and back, while others wait to publish.
_GO_LIVE = f"""
with live as (
    {articles.copying("live", "updated_at", "published_at", "first_published_at", "translation_group")}
    returning article_id, revision_id, published_at, section_id, tag_ids, author_ids
), sealed as ({revisions.SEAL}), made_public as ({paths.MAKE_STORY_PUBLIC}), {listings.FILE_LIVE}, {search.FILE_LIVE}
select {search.FILED_LIVE}
"""


async def take_down(article: Article, reason: GoneReason, notice: str | None, *, now: datetime | None = None) -> None:
    await search.drop_live(article.id)
    await Live.filter(article_id=article.id).delete()
    drop_pending(article)
    article.unpublish_at = None
    article.gone_at, article.gone_reason, article.gone_notice = now or clock.now(), reason, notice


def drop_pending(article: Article) -> None:
    article.publish_at = article.scheduled_revision_id = None
    article.schedule_problem = article.schedule_retry_at = None


def check_embargo(article: Article, moment: datetime) -> None:
    until = article.embargoed_until
    if until is not None and moment < until:
        raise Embargoed(f"The story is under embargo until {until:%Y-%m-%d %H:%M} UTC.")


async def check(article: Article, content: Head | Revision) -> None:
    """The embargo is checked by itself: a schedule may end after it."""
    items = await checklist(article, content)
    blocking = [item for item in items if item.level == "BLOCK" and item.code != "embargo"]
    if blocking:
        raise Invalid.all([Issue(item.field or (), item.code, item.message) for item in blocking])


async def correct(article: Article, kind: CorrectionKind, text: str, field: str) -> None:
    cleaned = taxonomy.text(text, field)
    if cleaned is None:
        raise Invalid.field(field, "required", "A notice needs a text.")
    now = clock.now()
    await Correction.create(article_id=article.id, kind=kind, text=cleaned, published_at=now)
    article.outdated_at = None  # whoever corrects a translation has looked at it
    await translations.owe_alert(article, now)
