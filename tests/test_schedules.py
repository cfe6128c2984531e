"""Schedules: instants and offsets, what fires when, what is refused and says why, and many workers that are killed
(BC-01, BC-02, BC-14, R2 to R5)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms import articles, clock, ids, newsroom, publication, related, schedules, workflow
from cms.checklist import Level
from cms.models import Article, ArticleStatus, CorrectionKind, Event, Head, Live, Media, Revision, Role
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.clients import client
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article, make_media, make_section, publish

pytestmark = pytest.mark.usefixtures("db")

DAY = timedelta(days=1)
SELECT = "... on Article { editorial { publishAt status scheduleProblem } }"


async def is_due(*stories: Head) -> None:
    wanted = [story.article_id for story in stories]
    await execute("update article set publish_at = now() - interval '1 s' where id = any($1)", wanted)


# ---------------------------------------------------------------- instants


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2027-03-29T07:30:00+02:00", "2027-03-29T05:30:00Z"),  # after the change of the clocks
        ("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00Z"),  # a local time that does not exist, by its offset
        ("2027-10-31T02:30:00+02:00", "2027-10-31T00:30:00Z"),  # one that happens twice, the first
        ("2027-10-31T02:30:00+01:00", "2027-10-31T01:30:00Z"),  # and the second
    ],
)
async def test_BC01_an_instant_is_stored_and_answered_in_utc(api: Api, given: str, stored: str) -> None:
    editor, story = await make_actor(), await make_article()
    id = ids.encode("Article", story.article_id)
    done = await api.write("scheduleArticle", {"id": id, "publishAt": given}, SELECT, actor=editor)
    assert done["editorial"] == {"publishAt": stored, "status": "SCHEDULED", "scheduleProblem": None}


@pytest.mark.parametrize("given", ["2027-03-29T07:30:00", "2027-03-29", "2027-02-30T00:00:00Z", "tomorrow", 1])
async def test_BC01_what_is_no_instant_is_refused(api: Api, given: Any) -> None:
    editor, story = await make_actor(), await make_article()
    before = await dump()
    document = "mutation($input: ScheduleArticleInput!) { scheduleArticle(input: $input) { __typename } }"
    wish = {"id": ids.encode("Article", story.article_id), "publishAt": given}
    assert (await api.answer(document, actor=editor, input=wish))["errors"]
    assert await dump() == before


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        ({"lt": "2027-03-28T20:31:00-05:00"}, True),
        ({"lt": "2027-03-29T03:29:00+02:00"}, False),
        ({"eq": "2027-03-29T03:30:00+02:00"}, True),
    ],
)
async def test_BC02_offsets_mean_the_same_in_filters(api: Api, bound: dict[str, str], found: bool) -> None:
    await publish((await make_article()).article_id)
    await execute("update live set published_at = '2027-03-29T01:30:00Z'")
    document = "query($f: DateTimeFilter!) { articles(filter: {publishedAt: $f}) { totalCount } }"
    assert (await api(document, f=bound))["articles"] == {"totalCount": int(found)}


# ---------------------------------------------------------------- firing


async def test_a_late_publication_says_how_late_and_never_fires_early() -> None:
    late, early = [await make_article(status=ArticleStatus.SCHEDULED) for _ in range(2)]
    await execute("update article set publish_at = now() - interval '3 hours' where id = $1", late.article_id)
    await execute("update article set publish_at = now() + interval '1 min' where id = $1", early.article_id)
    assert await schedules.publish_due() == 1
    event = await Event.get(type="article.published")
    assert event.article_id == late.article_id
    assert event.actor_id is None
    assert 3 * 3600 <= event.detail["late_seconds"] < 3 * 3600 + 60
    assert not await Live.exists(article_id=early.article_id)


async def test_BC14_dates_that_fired_block_nothing_and_end_nothing() -> None:
    story = await make_article()
    now = clock.now()
    wish = Wish(publish_at=now + DAY, unpublish_at=now + 2 * DAY)
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=wish)
    await execute("update article set publish_at = now() - interval '2 s', unpublish_at = now() - interval '1 s'")
    assert await schedules.publish_due() == 2  # hours of downtime: both, in their order
    types = await Event.filter(public=True).order_by("number").values_list("type", flat=True)
    assert types == ["article.published", "article.unpublished"]
    await articles.update(SYSTEM, story.article_id, {"headline": "Again"})
    await publish(story.article_id)
    assert await schedules.publish_due() == 0
    assert await Live.exists(article_id=story.article_id)


async def refused(story: Head) -> dict[str, Any]:
    article = await Article.get(id=story.article_id)
    assert article.status is ArticleStatus.SCHEDULED
    assert article.publish_at is not None
    assert article.scheduled_revision_id == story.revision_id
    assert article.schedule_problem is not None
    return article.schedule_problem


async def test_R3_what_cannot_be_published_keeps_its_schedule_says_why_once_and_stops_nothing(api: Api) -> None:
    picture = await make_media()
    bad = await make_article(lead_media={"media_id": picture.id})
    await workflow.transition(SYSTEM, bad.article_id, Transition.SCHEDULE, wish=Wish(publish_at=clock.now() + DAY))
    good = await make_article(status=ArticleStatus.SCHEDULED)
    await Media.filter(id=picture.id).update(expires_at=clock.now())
    await is_due(bad, good)
    assert await schedules.publish_due() == 1
    assert await Live.exists(article_id=good.article_id)
    problem = await refused(bad)
    assert (problem["code"], problem["message"]) == ("INVALID", "The rights to the lead picture have ended.")
    assert await schedules.publish_due() == 0  # waits before it tries again
    await execute("update article set schedule_retry_at = now()")
    assert await schedules.publish_due() == 0
    assert await Event.filter(type="article.schedule_refused").count() == 1
    id, document = ids.encode("Article", bad.article_id), "query($id: ID!) { article(id: $id, perspective: DRAFT) {"
    shown = await api(document + " editorial { scheduleProblem } } }", id=id, actor=await make_actor())
    assert shown["article"]["editorial"] == {"scheduleProblem": "The rights to the lead picture have ended."}
    await Media.filter(id=picture.id).update(expires_at=None)
    await execute("update article set schedule_retry_at = now()")
    assert await schedules.publish_due() == 1
    article = await Article.get(id=bad.article_id)
    assert (article.schedule_problem, article.schedule_retry_at, article.status) == (None, None, "PUBLISHED")


async def test_R4_a_failure_of_the_database_leaves_everything_as_it_was_but_for_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = await make_article(status=ArticleStatus.SCHEDULED)
    await is_due(story)
    before = await dump()

    async def fails(*_: Any) -> None:
        await execute("select 1 / 0")

    monkeypatch.setattr(related, "owe", fails)
    assert await schedules.publish_due() == 0
    assert (await refused(story))["code"] == "INTERNAL"
    after = await dump()
    assert {name for name, rows in after.items() if rows != before[name]} == {"article", "event"}
    monkeypatch.undo()
    await execute("update article set schedule_retry_at = null")
    assert await schedules.publish_due() == 1


async def test_R3_a_refusal_that_cannot_be_kept_stops_no_other_story_and_its_lateness_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await schedules.oldest_overdue() == 0
    broken, fit = [await make_article(status=ArticleStatus.SCHEDULED) for _ in range(2)]
    for story in (broken, fit):
        await is_due(story)
    await execute(f"update article set publish_at = now() - interval '1 hour' where id = '{broken.article_id}'")
    go_live = publication.go_live

    async def fails(article: Article, *arguments: Any, **more: Any) -> None:
        if article.id == broken.article_id:
            await execute("select 1 / 0")
        await go_live(article, *arguments, **more)

    async def cannot_be_kept(*_: Any) -> None:
        await execute("select 1 / 0")

    monkeypatch.setattr(publication, "go_live", fails)
    monkeypatch.setattr(schedules, "_keep_refusal", cannot_be_kept)
    assert await schedules.publish_due() == 1
    assert await Live.all().values_list("article_id", flat=True) == [fit.article_id]
    assert 3600 <= await schedules.oldest_overdue() < 3700
    async with client() as anybody:
        told = (await anybody.get("/health")).json()
    assert told["status"] == "ok"
    assert told["heldJobs"] == 0
    assert 3600 <= told["overdueSeconds"] < 3700


async def test_R23_what_fires_carries_the_databases_time_and_each_event_the_storys_version() -> None:
    story = await make_article(status=ArticleStatus.SCHEDULED)
    await is_due(story)
    await schedules.publish_due()
    await articles.update(SYSTEM, story.article_id, {"headline": "Next"})
    await workflow.add_correction(SYSTEM, story.article_id, kind=CorrectionKind.UPDATE, text="More.")
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=Wish(unpublish_at=clock.now() + DAY))
    await execute("update article set unpublish_at = now() - interval '1 second'")
    await schedules.publish_due()
    events = await Event.filter(article_id=story.article_id).order_by("number")
    versions = [(each.type, each.detail["version"]) for each in events if "version" in each.detail]
    last = (await Article.get(id=story.article_id)).version
    assert [name for name, _ in versions][-5:] == [
        "article.published",
        "article.saved",
        "article.corrected",
        "article.scheduled",
        "article.unpublished",
    ]
    assert [version for _, version in versions][-5:] == [last - 3, last - 2, last - 2, last - 1, last]
    assert (await Article.get(id=story.article_id)).gone_at == events[-1].at


async def test_an_embargo_that_was_set_behind_a_schedule_holds_it_until_it_is_cleared() -> None:
    chief, story = await make_actor(Role.CHIEF), await make_article(status=ArticleStatus.SCHEDULED)
    await is_due(story)
    await execute("update article set embargoed_until = now() + interval '1 day'")
    assert await schedules.publish_due() == 0
    assert (await refused(story))["code"] == "EMBARGOED"
    await articles.update_editorial(chief, story.article_id, {"embargoed_until": None}, reason="It is out.")
    assert await schedules.publish_due() == 1  # at once, not at the next try


async def test_the_checklist_of_what_is_pinned_counts_not_that_of_the_head() -> None:
    await newsroom.update_site(await make_actor(Role.CHIEF), {"checklist": {"section": Level.BLOCK}})
    section = await make_section("World")
    story = await make_article(section_id=section)
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=Wish(publish_at=clock.now() + DAY))
    await articles.update(SYSTEM, story.article_id, {"section_id": None})
    await is_due(story)
    assert await schedules.publish_due() == 1
    assert (await Live.get(article_id=story.article_id)).section_id == section


async def test_a_new_schedule_forgets_why_the_old_one_failed() -> None:
    story = await make_article(status=ArticleStatus.SCHEDULED)
    await execute("update article set schedule_problem = '{}', schedule_retry_at = now()")
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=Wish(publish_at=clock.now() + DAY))
    article = await Article.get(id=story.article_id)
    assert (article.schedule_problem, article.schedule_retry_at) == (None, None)


# ---------------------------------------------------------------- many workers


@pytest.fixture
def start_worker(database_url: str) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**variables: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "CMS_DATABASE_URL": database_url, **variables}
        command = [sys.executable, "-m", "cms.cli", "worker"]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


async def check_four_workers(start_worker: Callable[..., subprocess.Popen[bytes]], count: int) -> None:
    stories = [await make_article(status=ArticleStatus.SCHEDULED) for _ in range(count)]
    await execute(
        "update article set publish_at = now() + (n - $1 / 2) * interval '40 ms' from "
        "(select id, row_number() over (order by id) as n from article) x where x.id = article.id",
        count,
    )
    due = {row.id: row.publish_at async for row in Article.all()}
    workers = [start_worker(TZ=zone) for zone in ("America/New_York", "Asia/Kathmandu", "UTC", "Europe/Amsterdam")]
    deadline = time.monotonic() + 60 + count
    while (live := await Live.all().count()) < count:
        assert time.monotonic() < deadline, f"{live} of {count}"
        if workers and live >= count / 4:  # in the middle of their work
            for worker in (workers.pop(), workers.pop()):
                worker.kill()
            start_worker()
            workers.clear()
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.5)  # whoever would do it twice has the time to
    events = await Event.filter(type="article.published")
    assert sorted(event.article_id for event in events if event.article_id) == sorted(s.article_id for s in stories)
    assert len(events) == count
    for event in events:
        assert event.article_id is not None
        assert event.at >= due[event.article_id]  # type: ignore[operator]
        assert event.detail["late_seconds"] >= 0
    assert await Revision.all().count() == count
    assert await Article.filter(status=ArticleStatus.PUBLISHED, publish_at=None, version=3).count() == count


async def test_R2_four_workers_publish_what_is_due_once_and_never_early_while_some_are_killed(
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    await check_four_workers(start_worker, 100)


@pytest.mark.extended
async def test_R2_a_thousand_stories(start_worker: Callable[..., subprocess.Popen[bytes]]) -> None:
    await check_four_workers(start_worker, 1_000)


async def test_R5_dates_of_other_zones_are_the_same_instant() -> None:
    at = datetime(2100, 7, 1, 12, tzinfo=UTC)
    story = await make_article()
    offset = at.astimezone(datetime.fromisoformat("2100-07-01T00:00:00+05:45").tzinfo)
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=Wish(publish_at=offset))
    assert (await Article.get(id=story.article_id)).publish_at == at
