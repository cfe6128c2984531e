"""Publishes and unpublishes what is due, by the database's clock. The story's row is its schedule: whatever happens to
a worker, the next one finds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from tortoise import connections
from tortoise.exceptions import BaseORMException

from cms import articles, effects, events, publication, workflow
from cms.database import retrying, transaction
from cms.errors import CMSError
from cms.models import Article, ArticleStatus, Revision
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish

log = structlog.get_logger()

RETRY_SECONDS = 15
_FAILURES = (BaseORMException, asyncpg.PostgresError)
_PUBLISH_DUE = "publish_at <= now() and (schedule_retry_at is null or schedule_retry_at <= now())"
# What is not live has nothing to lose; its end waits for its beginning.
_UNPUBLISH_DUE = "unpublish_at <= now() and exists (select from live where live.article_id = article.id)"


async def publish_due() -> int:
    """Publish and unpublish what is due by the database's clock, each story by itself; returns how many changed.

    A story that cannot be published keeps its schedule, says why, and is tried again; it does not stop the rest.
    """
    changed = 0
    for condition, fire in ((_PUBLISH_DUE, _fire_publish), (_UNPUBLISH_DUE, _fire_unpublish)):
        sql = f"select id from article where {condition} order by publish_at, unpublish_at, id"
        for row in (await connections.get("default").execute_query(sql))[1]:
            try:
                changed += await _by_itself(row[0], fire)
            except _FAILURES:  # not even the refusal could be kept: the story is due still
                log.exception("schedule.failed", article=str(row[0]))
    return changed


async def oldest_overdue() -> float:
    """For how many seconds the story has been due that has waited longest; 0 where none waits."""
    sql = f"""
        select coalesce(extract(epoch from now() - min(due)), 0)::float8 from (
            select publish_at as due from article where publish_at <= now()
            union all select unpublish_at from article where {_UNPUBLISH_DUE}
        ) as waiting"""
    return float((await connections.get("default").execute_query(sql))[1][0][0])


async def _by_itself(id: UUID, fire: Callable[[UUID], Awaitable[int]]) -> int:
    try:
        return await fire(id)
    except CMSError as error:
        await _keep_refusal(id, error.code, error.message)
    except _FAILURES:
        log.exception("schedule.failed", article=str(id))
        await _keep_refusal(id, "INTERNAL", "It could not be published; the server's log says why.")
    return 0


@retrying
async def _fire_publish(id: UUID) -> int:
    async with transaction():
        now = await _claim(id, _PUBLISH_DUE)
        if now is None:
            return 0
        article = await articles.fetch(SYSTEM, id)
        due, pinned = article.publish_at, article.scheduled_revision_id
        assert due is not None
        assert pinned is not None
        publication.check_embargo(article, now)
        await events.lock_public()
        revision, story = await Revision.get(id=pinned), await workflow.story_of(article)
        await publication.check(article, revision)
        async with effects.watching_story(story.live, revision) as effect:
            publication.drop_pending(article)
            await publication.go_live(article, revision, None, now=now)
            if story.head.revision_id == pinned:
                article.status = ArticleStatus.PUBLISHED
        await _fired(article, Transition.PUBLISH, due, now, effect)
        return 1


@retrying
async def _fire_unpublish(id: UUID) -> int:
    async with transaction():
        now = await _claim(id, _UNPUBLISH_DUE)
        if now is None:
            return 0
        article = await articles.fetch(SYSTEM, id)
        due = article.unpublish_at
        assert due is not None
        await events.lock_public()
        story = await workflow.story_of(article)
        async with effects.watching_story(story.live, None) as effect:
            await workflow.unpublish(SYSTEM, story, Wish(at=now))
        await _fired(article, Transition.UNPUBLISH, due, now, effect)
        return 1


async def _claim(id: UUID, condition: str) -> datetime | None:
    """The database's time, if the story is still due and nobody else is at it."""
    sql = f"select now() from article where id = $1 and {condition} for update skip locked"
    rows = (await connections.get("default").execute_query(sql, [id]))[1]
    return rows[0][0] if rows else None


async def _fired(article: Article, name: Transition, due: datetime, now: datetime, effect: effects.Effect) -> None:
    late = round((now - due).total_seconds(), 3)
    detail = {"scheduled_for": due.isoformat(), "late_seconds": late}
    await workflow.record(SYSTEM, article, name, Wish(detail=detail, at=now), effect)


@retrying
async def _keep_refusal(id: UUID, code: str, message: str) -> None:
    """Say at the story why it was not published; once in its history."""
    log.warning("schedule.refused", article=str(id), code=code, reason=message)
    async with transaction():
        article = await Article.filter(id=id, publish_at__not_isnull=True).select_for_update().first()
        if article is None:
            return
        now = (await connections.get("default").execute_query("select now()"))[1][0][0]
        known = article.schedule_problem or {}
        if (known.get("code"), known.get("message")) != (code, message):
            article.schedule_problem = {"code": code, "message": message, "at": now.isoformat()}
            await events.record(SYSTEM, "article.schedule_refused", article_id=id, code=code, message=message)
        article.schedule_retry_at = now + timedelta(seconds=RETRY_SECONDS)
        await article.save(update_fields=["schedule_problem", "schedule_retry_at"])
