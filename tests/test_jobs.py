"""Jobs: owed with their cause, tried again, held when they fail for good; and the alerts to translators among them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import orjson
import pytest

from cms import articles, clock, ids, jobs, newsroom, translations, workflow
from cms.database import transaction
from cms.models import Article, ArticleStatus, CorrectionKind, Event, Head
from cms.permissions import SYSTEM
from cms.worker import HANDLERS
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article, publish

pytestmark = pytest.mark.usefixtures("db")


class Undone(Exception):
    pass


async def until(condition: Any) -> None:
    for _ in range(400):
        if await condition():
            return
        await asyncio.sleep(0.025)
    pytest.fail("it did not happen within ten seconds")


async def owed() -> int:
    return int((await execute("select count(*) from pgqueuer"))[0][0])


async def test_a_job_is_owed_with_the_transaction_and_not_without_it() -> None:
    with pytest.raises(Undone):
        async with transaction():
            await jobs.enqueue(jobs.PRUNE)
            raise Undone
    assert await owed() == 0
    async with transaction():
        await jobs.enqueue(jobs.PRUNE, once="prune")
        await jobs.enqueue(jobs.PRUNE, once="prune")
    assert await owed() == 1


async def test_a_job_is_tried_again_and_held_after_its_last_try_and_can_be_owed_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(jobs.POLICIES, jobs.PRUNE, jobs.Policy(tries=3, delay=timedelta(milliseconds=1)))
    seen: list[Mapping[str, Any]] = []

    async def fails(payload: Mapping[str, Any]) -> None:
        seen.append(payload)
        raise ValueError("no")

    await jobs.enqueue(jobs.PRUNE, {"a": 1})
    working = asyncio.create_task(jobs.work({jobs.PRUNE: fails}))
    try:
        await until(jobs.held)
        assert seen == [{"a": 1}] * 3
        (job,) = await jobs.held()
        assert (job.kind, job.payload, job.tries) == ("prune", {"a": 1}, 3)
        await jobs.try_again([job.id])

        async def again() -> bool:
            return len(seen) == 6 and bool(await jobs.held())

        await until(again)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def test_a_worker_does_what_is_owed() -> None:
    story = await make_article()
    french = await make_translation(story)
    await publish(story.article_id)
    await workflow.add_correction(SYSTEM, story.article_id, kind=CorrectionKind.CORRECTION, text="It was Tuesday.")
    working = asyncio.create_task(jobs.work(HANDLERS, hourly=(jobs.PRUNE,)))

    async def done() -> bool:
        return (await Article.get(id=french.article_id)).outdated_at is not None and await owed() == 0

    try:
        await until(done)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    assert await jobs.held() == []


# ---------------------------------------------------------------- translations


async def make_translation(story: Head, **more: Any) -> Head:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr", "de"]})
    given = {"locale": "fr", "translation_of_id": story.article_id, "headline": "En français"}
    return await make_article(**given | more)


async def do_jobs() -> None:
    for (payload,) in await execute("select payload from pgqueuer where entrypoint = 'translations' order by id"):
        await HANDLERS[jobs.TRANSLATIONS](orjson.loads(payload))
    await execute("delete from pgqueuer")


async def correct(story: Head) -> None:
    await workflow.add_correction(SYSTEM, story.article_id, kind=CorrectionKind.CORRECTION, text="It was Tuesday.")
    await do_jobs()


async def outdated(*stories: Head) -> list[bool]:
    return [(await Article.get(id=story.article_id)).outdated_at is not None for story in stories]


async def test_a_correction_of_the_original_marks_its_translations_for_their_editors(api: Api) -> None:
    editor = await make_actor(name="Editor")
    story, stranger = await make_article(status=ArticleStatus.PUBLISHED), await make_article()
    french, german = await make_translation(story), await make_translation(story, locale="de", headline="Auf Deutsch")
    await articles.update_editorial(SYSTEM, french.article_id, {"assignee_id": editor.user_id})
    version = (await Article.get(id=french.article_id)).version
    await correct(story)
    assert await outdated(story, stranger, french, german) == [False, False, True, True]
    assert (await Article.get(id=french.article_id)).version == version
    events = await Event.filter(type="article.translation_outdated").order_by("number")
    assert {event.article_id for event in events} == {french.article_id, german.article_id}
    assert events[0].detail == {"original": ids.encode("Article", story.article_id), "version": 1}
    await correct(story)
    assert await Event.filter(type="article.translation_outdated").count() == 2
    queue = "{ myQueue { outdatedTranslations { nodes { headline editorial { translationOutdatedAt } } } } }"
    nodes = (await api(queue, actor=editor))["myQueue"]["outdatedTranslations"]["nodes"]
    assert [node["headline"] for node in nodes] == ["En français", "Auf Deutsch"]  # the second is nobody's
    assert nodes[0]["editorial"]["translationOutdatedAt"]
    checked = {"id": ids.encode("Article", french.article_id), "translationChecked": True}
    await api.write("updateEditorial", checked, "... on Article { id }", actor=editor)
    assert await outdated(french, german) == [False, True]


async def test_a_correction_with_a_publication_marks_them_too_and_publishing_one_is_having_looked() -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED)
    french = await make_translation(story)
    await articles.update(SYSTEM, story.article_id, {"dek": "Right"})
    correction = {"kind": CorrectionKind.CORRECTION, "text": "It was wrong."}
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH, wish=Wish(correction=correction))
    await do_jobs()
    assert await outdated(story, french) == [False, True]
    await publish(french.article_id)
    assert await outdated(french) == [False]
    await correct(french)
    assert await outdated(story, french) == [False, False]


async def test_a_translation_in_the_trash_is_left_alone() -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED)
    french = await make_translation(story)
    await workflow.transition(SYSTEM, french.article_id, Transition.TRASH)
    assert await translations.alert(story.article_id, clock.now()) == 0
