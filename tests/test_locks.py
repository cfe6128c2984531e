"""Two people at one story: locks advise, versions protect, a machine's own overlapping saves are no conflict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cms import articles, clock, ids, locks
from cms.errors import Conflict, NotFound, TransitionRefused
from cms.models import Article, EditLock, Event, Head, Revision, Role, Session, User
from cms.permissions import SYSTEM, Actor
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article

pytestmark = pytest.mark.usefixtures("db")


async def signed_in(role: Role = Role.EDITOR) -> Actor:
    actor = await make_actor(role)
    now = clock.now()
    session = await Session.create(
        user_id=actor.user_id, digest=ids.new().bytes, user_agent="", created_at=now, seen_at=now, expires_at=now + DAY
    )
    return replace(actor, session_id=session.id)


DAY = timedelta(days=1)


async def test_a_lock_has_a_holder_and_an_end_and_is_no_version() -> None:
    ann, story = await make_actor(), await make_article()
    start = clock.now()
    await locks.lock(ann, story.article_id)
    held = await locks.of(story.article_id)
    assert held is not None
    assert held.user_id == ann.user_id
    assert start <= held.since <= clock.now()
    assert held.expires_at == held.since + timedelta(minutes=2)
    assert (await Article.get(id=story.article_id)).version == 1
    await locks.lock(ann, story.article_id)
    renewed = await locks.of(story.article_id)
    assert renewed is not None
    assert renewed.since == held.since
    assert renewed.expires_at > held.expires_at
    await locks.unlock(ann, story.article_id)
    assert await locks.of(story.article_id) is None
    await locks.unlock(ann, story.article_id)


async def test_a_lock_of_somebody_else_is_named_and_neither_taken_nor_given_up() -> None:
    ann, bob, story = await make_actor(name="Ann"), await make_actor(), await make_article()
    await locks.lock(ann, story.article_id)
    before = await dump()
    for attempt in (locks.lock, locks.unlock):
        with pytest.raises(Conflict, match="Ann is editing the story since") as refused:
            await attempt(bob, story.article_id)
        assert refused.value.current_version == 1
    assert await dump() == before


async def test_R24_a_lock_ends_after_two_minutes_with_the_session_and_with_the_user() -> None:
    bob = await make_actor()
    for end in (
        "update edit_lock set expires_at = now()",
        "delete from session",
        'update "user" set is_active = false where id = (select user_id from edit_lock)',
    ):
        ann, story = await signed_in(), await make_article()
        await locks.lock(ann, story.article_id)
        assert await locks.of(story.article_id) is not None
        await execute(end)
        assert await locks.of(story.article_id) is None
        await locks.lock(bob, story.article_id)
        await EditLock.all().delete()
    assert not await Event.filter(type="article.lock_taken_over").exists()


async def test_R24_a_forced_take_over_keeps_the_holders_text_as_a_revision_and_refuses_nothing_they_save() -> None:
    ann, bob, story = await make_actor(name="Ann"), await make_actor(), await make_article()
    id = story.article_id
    await locks.lock(ann, id)
    await articles.update(ann, id, {"dek": "Ann's"}, autosave=True)
    await locks.lock(bob, id, take_over=True)
    held = await locks.of(id)
    assert held is not None
    assert held.user_id == bob.user_id
    event = await Event.get(type="article.lock_taken_over")
    assert (event.actor_id, event.article_id) == (bob.user_id, id)
    assert (event.detail["holder"], event.detail["revision"]) == ("Ann", 2)
    await articles.update(bob, id, {"dek": "Bob's"}, autosave=True)
    await articles.update(ann, id, {"dek": "Ann's again"}, autosave=True)
    rows = await Revision.filter(article_id=id).order_by("number")
    assert [row.dek for row in rows] == [None, "Ann's", "Bob's", "Ann's again"]
    assert rows[1].sealed_at is not None


async def test_who_may_not_see_or_write_a_story_cannot_lock_it() -> None:
    story = await make_article()
    stranger = await make_actor(Role.CONTRIBUTOR)
    with pytest.raises(NotFound):
        await locks.lock(stranger, story.article_id)
    await execute("update article set trashed_at = now()")
    with pytest.raises(TransitionRefused):
        await locks.lock(await make_actor(), story.article_id)
    assert not await EditLock.all().exists()


# ---------------------------------------------------------------- saves


async def test_BC21_with_the_expected_version_a_stale_save_is_refused_and_nothing_is_lost() -> None:
    ann, bob, story = await make_actor(), await make_actor(), await make_article(headline="Old")
    await articles.update(ann, story.article_id, {"headline": "Ann's"}, expected_version=1)
    before = await dump()
    with pytest.raises(Conflict) as stale:
        await articles.update(bob, story.article_id, {"tag_names": ["Bob"]}, expected_version=1)
    assert stale.value.current_version == 2
    assert await dump() == before


async def test_BC21_without_it_only_the_fields_that_were_sent_change() -> None:
    ann, bob, story = await make_actor(), await make_actor(), await make_article(headline="Old")
    await articles.update(ann, story.article_id, {"headline": "Ann's"})
    await articles.update(bob, story.article_id, {"tag_names": ["Bob"]})
    head = await Head.get(article_id=story.article_id)
    assert (head.headline, len(head.tag_ids)) == ("Ann's", 1)


async def test_R7_a_clients_own_overlapping_saves_are_no_conflict() -> None:
    ann, story = await make_actor(), await make_article()
    id = story.article_id
    for text in ("a", "b", "c"):  # each sent before the one before it was answered
        await articles.update(ann, id, {"dek": text}, autosave=True, expected_version=1)
    await articles.update(ann, id, {"headline": "By hand"}, expected_version=2)
    head = await Head.get(article_id=id)
    assert (head.dek, head.headline, (await Article.get(id=id)).version) == ("c", "By hand", 5)


@pytest.mark.parametrize("between", ["a save", "an embargo", "a submission", "another browser"])
async def test_R7_what_somebody_else_did_between_ones_own_saves_is_a_conflict(between: str) -> None:
    ann, bob, story = await signed_in(), await make_actor(), await make_article()
    id = story.article_id
    await articles.update(ann, id, {"dek": "a"}, autosave=True, expected_version=1)
    if between == "a save":
        await articles.update(bob, id, {"dek": "b"}, autosave=True)
    elif between == "an embargo":
        await articles.update_editorial(bob, id, {"embargoed_until": clock.now() + DAY})
        await articles.update(ann, id, {"dek": "c"}, autosave=True)
    elif between == "a submission":
        await execute("update revision set sealed_at = now()")
    else:
        await articles.update(replace(ann, session_id=ids.new()), id, {"dek": "d"}, autosave=True)
    before = await dump()
    with pytest.raises(Conflict):
        await articles.update(ann, id, {"dek": "e"}, autosave=True, expected_version=1)
    assert await dump() == before


LOCK = "... on Article { editorial { version lock { user { name } since expiresAt } } }"


async def test_the_api_locks_takes_over_and_unlocks(api: Api) -> None:
    ann, bob = await make_actor(name="Ann"), await make_actor(name="Bob")
    id = ids.encode("Article", (await make_article()).article_id)
    locked = (await api.write("lockArticle", {"id": id}, LOCK, actor=ann))["editorial"]
    assert (locked["version"], locked["lock"]["user"]) == (1, {"name": "Ann"})
    assert (await api.write("lockArticle", {"id": id}, LOCK, actor=bob))["code"] == "CONFLICT"
    taken = await api.write("lockArticle", {"id": id, "takeOver": True}, LOCK, actor=bob)
    assert taken["editorial"]["lock"]["user"] == {"name": "Bob"}
    assert (await api.write("unlockArticle", {"id": id}, LOCK, actor=bob))["editorial"] == {"version": 1, "lock": None}


async def test_the_system_holds_no_lock() -> None:
    story = await make_article()
    with pytest.raises(Exception, match="Only a user"):
        await locks.lock(SYSTEM, story.article_id)
    assert await User.all().count() == 0
