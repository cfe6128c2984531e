"""Every process is told of every event, each once, in order, also where notifications are lost or the line breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from cms import database, events, live
from cms.models import Event
from cms.permissions import SYSTEM
from tests.factories import execute

pytestmark = pytest.mark.usefixtures("db")


class Told:
    """What a subscriber is told, as words."""

    def __init__(self, feed: live.Feed) -> None:
        self.words: list[str] = []
        self._news = asyncio.Event()
        feed.subscribe(live.Subscriber(self._events, lambda: self._add("lost"), lambda: self._add("restored")))

    def _events(self, events: Sequence[Event]) -> None:
        for event in events:
            self._add(event.type)

    def _add(self, word: str) -> None:
        self.words.append(word)
        self._news.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(self.words) < count:
                self._news.clear()
                await self._news.wait()
        return self.words


async def record(type: str, *, public: bool = False) -> None:
    async with database.transaction():
        await events.record(SYSTEM, type, public=public)


async def test_events_are_told_when_they_are_committed() -> None:
    await record("before")
    async with live.listening() as feed:
        told = Told(feed)
        async with database.transaction():
            await events.record(SYSTEM, "one", public=True)
            await feed.catch_up()
            assert told.words == []
        await feed.catch_up()
        assert told.words == ["one"]
        await record("two")
        assert await told.until(2) == ["one", "two"]


async def test_what_is_rolled_back_is_not_told() -> None:
    async with live.listening() as feed:
        told = Told(feed)
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                await events.record(SYSTEM, "never", public=True)
                raise ZeroDivisionError
        await record("after")
        await feed.catch_up()
        assert told.words == ["after"]


async def test_a_lost_notification_is_made_up_for_by_looking() -> None:
    await execute("alter table event disable trigger event_told")
    try:
        async with live.listening() as feed:
            told = Told(feed)
            await record("silent", public=True)
            assert await told.until(1) == ["silent"]
    finally:
        await execute("alter table event enable trigger event_told")


async def test_what_was_looked_for_already_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    await execute("alter table event disable trigger event_told")
    monkeypatch.setattr(live, "POLL_SECONDS", 3_600)
    try:
        async with live.listening() as feed:
            told, looks, look = Told(feed), 0, feed._look

            async def counted(connection: asyncpg.Connection) -> None:
                nonlocal looks
                looks += 1
                await look(connection)

            monkeypatch.setattr(feed, "_look", counted)
            await record("one")
            await feed.catch_up()
            feed._notified(None, 0, live.CHANNEL, (await Event.get(type="one")).number)
            for _ in range(10):
                await asyncio.sleep(0)
            assert (told.words, looks) == (["one"], 1)
            await record("two")
            feed._notified(None, 0, live.CHANNEL, (await Event.get(type="two")).number)
            assert await told.until(2) == ["one", "two"]
            assert looks == 2
    finally:
        await execute("alter table event enable trigger event_told")


async def test_an_event_that_commits_after_one_of_a_higher_number_is_told_too() -> None:
    async with live.listening() as feed:
        told = Told(feed)
        began, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            async with database.transaction():
                await events.record(SYSTEM, "slow")
                began.set()
                await go_on.wait()

        task = asyncio.create_task(slow())
        await began.wait()
        await record("quick", public=True)
        await feed.catch_up()
        assert told.words == ["quick"]
        go_on.set()
        await task
        await feed.catch_up()
        assert told.words == ["quick", "slow"]


async def test_a_lost_connection_is_known_and_made_up_for() -> None:
    async with live.listening() as feed:
        told = Told(feed)
        await execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%from event%' "
            "and pid <> pg_backend_pid() and datname = current_database()"
        )
        assert (await told.until(1))[0] == "lost"
        assert not feed.is_listening
        await record("meanwhile", public=True)
        assert await told.until(3) == ["lost", "meanwhile", "restored"]
        assert feed.is_listening


async def test_public_events_are_numbered_without_gaps_among_themselves() -> None:
    for type, public in (("a", True), ("b", False), ("c", True)):
        await record(type, public=public)
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await events.record(SYSTEM, "never", public=True)
            raise ZeroDivisionError
    await record("d", public=True)
    assert await Event.all().order_by("number").values_list("type", "place") == [
        ("a", 1), ("b", None), ("c", 2), ("d", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("turns", range(6))
async def test_listening_ends_though_something_happens_in_that_moment(turns: int) -> None:
    async with asyncio.timeout(20):
        async with live.listening() as feed:
            feed._told.set()
            for _ in range(turns):
                await asyncio.sleep(0)
