"""Schedules are told by the database's clock, whatever clock and zone a worker has (BC-02, R3 to R5, R7, R30)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cms import articles, clock, ids, schedules, workflow
from cms.models import Article, ArticleStatus, Event, Head, Live
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from schema.scalars import parse_instant, print_instant
from tests import crashing
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article

SCHEDULED = ArticleStatus.SCHEDULED
HOUR = 3600
EDITORIAL = "... on Article { editorial { status publishAt version } }"


async def make_scheduled(**given: Any) -> UUID:
    return (await make_article(status=SCHEDULED, **given)).article_id


async def fall_due(*stories: UUID, ago: float = 0) -> None:
    """By the database's clock, all at once."""
    sql = "update article set publish_at = now() - make_interval(secs => $2) where id = any($1::uuid[])"
    await execute(sql, list(stories), ago)


async def until(sql: str, *params: Any) -> None:
    """Until the statement finds a row."""
    deadline = time.monotonic() + 60
    while not await execute(sql, *params):
        assert time.monotonic() < deadline, sql
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("zone", "ahead"),
    [("America/New_York", 0), ("Asia/Kathmandu", 0), ("UTC", 2 * HOUR), ("UTC", -2 * HOUR)],
)
async def test_R5_R30_BC02_a_worker_of_another_zone_or_with_a_wrong_clock_publishes_at_the_instant(
    db: None, database_url: str, zone: str, ahead: float
) -> None:
    due, later, embargoed, free = [await make_scheduled() for _ in range(4)]
    await execute("update article set publish_at = now() + interval '1 hour' where id = $1", later)
    await execute("update article set embargoed_until = now() + interval '1 hour' where id = $1", embargoed)
    await execute("update article set embargoed_until = now() - interval '1 s' where id = $1", free)
    await fall_due(due, embargoed, free, ago=3 * HOUR)
    began = (await execute("select now()"))[0][0]
    with crashing.workers(database_url, {"zone": zone, "ahead": ahead}):
        await until("select from live having count(*) >= 2")
        await until("select from article where id = $1 and schedule_retry_at is not null", embargoed)
    await crashing.gone(database_url)
    ended = (await execute("select now()"))[0][0]
    assert {row.article_id async for row in Live.all()} == {due, free}
    for row in await Live.all():
        assert began <= row.published_at == row.updated_at <= ended
    for event in await Event.filter(type="article.published"):
        assert 3 * HOUR <= event.detail["late_seconds"] <= 3 * HOUR + (ended - began).total_seconds()
    # What was refused is tried again soon, by anybody's clock.
    retry_at = (await Article.get(id=embargoed)).schedule_retry_at
    assert retry_at is not None
    assert began < retry_at < ended + timedelta(minutes=1)


async def test_R4_a_slug_that_somebody_took_behind_a_schedule_stops_that_story_alone_and_leaves_what_is_live(
    db: None,
) -> None:
    replaced = await make_article(headline="Old words", slug="mine", status=ArticleStatus.PUBLISHED)
    await articles.update(SYSTEM, replaced.article_id, {"headline": "New words", "slug": "wanted"})
    tomorrow = Wish(publish_at=clock.now() + timedelta(days=1))
    await workflow.transition(SYSTEM, replaced.article_id, Transition.SCHEDULE, wish=tomorrow)
    good = await make_scheduled()
    thief = (await make_article(status=ArticleStatus.PUBLISHED, slug="stolen")).article_id
    await execute("update slug set target_id = $1 where slug = 'wanted'", thief)
    await execute("update live set slug = 'wanted' where article_id = $1", thief)
    await fall_due(replaced.article_id, ago=60)
    await fall_due(good)
    was = await Article.get(id=replaced.article_id)
    assert await schedules.publish_due() == 1
    article, live = await Article.get(id=was.id), await Live.get(article_id=was.id)
    assert (article.status, article.version) == (SCHEDULED, was.version)
    assert (article.publish_at, article.scheduled_revision_id) == (was.publish_at, was.scheduled_revision_id)
    assert (live.headline, live.slug) == ("Old words", "mine")
    assert article.schedule_problem is not None
    assert await Live.exists(article_id=good)
    await execute("update live set slug = 'stolen' where article_id = $1", thief)
    await execute("update slug set target_id = $1 where slug = 'wanted'", was.id)
    await execute("update article set schedule_retry_at = now()")
    assert await schedules.publish_due() == 1
    assert (await Live.get(article_id=was.id)).slug == "wanted"


async def test_R7_a_publication_by_schedule_while_an_editor_writes_is_a_conflict_that_loses_nothing(api: Api) -> None:
    editor, story = await make_actor(), await make_scheduled(headline="Planned")
    id = ids.encode("Article", story)
    await fall_due(story)
    assert await schedules.publish_due() == 1
    mine = {"id": id, "headline": "Mine", "expectedVersion": 2}
    refused = await api.write("updateArticle", mine, EDITORIAL, actor=editor)
    assert (refused["code"], refused["currentVersion"]) == ("CONFLICT", 3)
    saved = await api.write("updateArticle", {**mine, "expectedVersion": 3}, EDITORIAL, actor=editor)
    assert saved["editorial"] == {"status": "DRAFT", "publishAt": None, "version": 4}
    assert (await Live.get(article_id=story)).headline == "Planned"
    assert (await Head.get(article_id=story)).headline == "Mine"


# ---------------------------------------------------------------- zones


@pytest.mark.parametrize(
    ("at", "answered"),
    [
        # Local times that a change of clocks leaves out, or has twice: with an offset there is no question.
        ("2127-03-30T02:30:00+01:00", "2127-03-30T01:30:00Z"),
        ("2127-03-30T02:30:00+02:00", "2127-03-30T00:30:00Z"),
        ("2127-10-26T02:30:00+02:00", "2127-10-26T00:30:00Z"),
        ("2127-10-26T02:30:00+01:00", "2127-10-26T01:30:00Z"),
        ("2127-01-01T00:30:00+14:00", "2126-12-31T10:30:00Z"),
        ("2127-12-31T23:30:00-12:00", "2128-01-01T11:30:00Z"),
    ],
)
async def test_R5_a_schedule_where_clocks_change_means_one_instant(api: Api, at: str, answered: str) -> None:
    editor, story = await make_actor(), await make_article()
    input = {"id": ids.encode("Article", story.article_id), "publishAt": at}
    done = await api.write("scheduleArticle", input, EDITORIAL, actor=editor)
    assert done["editorial"]["publishAt"] == answered
    assert (await Article.get(id=story.article_id)).publish_at == datetime.fromisoformat(answered)


@given(
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.replace(year=2000 + moment.year % 100)),
    st.booleans(),
)
@example(datetime(2027, 3, 28, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam")), False)
@example(datetime(2027, 10, 31, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam")), True)
@example(datetime(2027, 4, 4, 2, 30, tzinfo=ZoneInfo("Australia/Lord_Howe")), True)
@settings(deadline=None, database=None, derandomize=True, max_examples=100)
def test_R5_any_local_time_of_any_zone_means_one_instant(moment: datetime, second: bool) -> None:
    moment = moment.replace(fold=int(second))
    instant = parse_instant(moment.isoformat())
    assert instant == moment.astimezone(UTC)
    assert parse_instant(print_instant(instant)) == instant
    with pytest.raises(ValueError, match="offset"):
        parse_instant(moment.replace(tzinfo=None).isoformat())
