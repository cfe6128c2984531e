"""What happens, told to this process as it happens: one listener gives every new event to those who subscribed.

The database notifies of each event when its transaction commits; a look at the log twice a second finds what a lost
notification was about. While the connection is down nobody is told anything, and subscribers know it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg
import structlog
from tortoise.exceptions import BaseORMException

from cms import database
from cms.models import Event

CHANNEL = "copydesk_event"
POLL_SECONDS = 0.5
MOMENT_SECONDS = 0.005
# A look that takes longer counts as a lost connection: nobody may believe longer than this what is no longer true.
LOOK_SECONDS = 2.0
# Events of drafts may commit in another order than that of their numbers: so many of the last are looked at again.
LOOKED_AT_AGAIN = 500

log = structlog.get_logger()
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, BaseORMException)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Callbacks, which must return at once. events: new ones by number, each once; that is the order of public ones."""

    events: Callable[[Sequence[Event]], None]
    lost: Callable[[], None] | None = None
    restored: Callable[[], None] | None = None


class Feed:
    """Where subscribers are told. While is_listening is False, something may have happened that nobody was told of."""

    def __init__(self) -> None:
        self.is_listening = self.is_started = False
        self._subscribers: list[Subscriber] = []
        self._connection: asyncpg.Connection | None = None
        self._looking = asyncio.Lock()
        self._told = asyncio.Event()
        self._wanted: set[int] = set()
        self._place = self._number = 0
        self._seen: set[int] = set()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell it from now on; what is returned ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    @property
    def place(self) -> int:
        """Of the newest public event that subscribers know of."""
        return self._place

    async def catch_up(self) -> None:
        """When this returns, subscribers know of everything that was committed before it was called, or that the
        connection is lost."""
        connection = self._connection
        if connection is not None:
            try:
                async with self._looking:
                    await self._look(connection)
            except _FAILURES:
                self._lose(connection)

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except _FAILURES as error:
                log.warning("listening.lost", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _listen(self) -> None:
        connection = await database.connect()
        try:
            await connection.add_listener(CHANNEL, self._notified)
            connection.add_termination_listener(self._lose)
            await self._start(connection)
            while self.is_listening:
                told = False
                with suppress(TimeoutError):
                    # Not wait_for: until Python 3.12 it goes on if it is cancelled just when what it waits for happens.
                    async with asyncio.timeout(POLL_SECONDS):
                        told = await self._told.wait()
                        # Whoever wrote it here catches up first; and one look finds all that happens at once.
                        await asyncio.sleep(MOMENT_SECONDS)
                self._told.clear()
                async with self._looking:
                    self._wanted -= self._seen
                    if self._wanted or not told or not self.is_listening:
                        await self._look(connection)
        finally:
            self._lose(connection)
            connection.terminate()

    async def _start(self, connection: asyncpg.Connection) -> None:
        """From the end of the log the first time; later from where we were, unless an older log was restored."""
        place, number = await connection.fetchrow(
            "select coalesce(max(place), 0), coalesce(max(number), 0) from event", timeout=LOOK_SECONDS
        )
        if not self.is_started or place < self._place or number < self._number:
            rows = await connection.fetch("select number from event where number > $1", number - 2 * LOOKED_AT_AGAIN)
            self._place, self._number, self._seen = place, number, {row[0] for row in rows}
        self._connection, self.is_listening, self.is_started = connection, True, True
        async with self._looking:
            await self._look(connection)
        for each in list(self._subscribers):
            if each.restored is not None:
                each.restored()

    async def _look(self, connection: asyncpg.Connection) -> None:
        """On our own connection: those of the pool may all be busy. One at a time."""
        wanted = set(self._wanted)
        missing = wanted.union(range(max(1, self._number - LOOKED_AT_AGAIN + 1), self._number)) - self._seen
        rows = await connection.fetch(
            "select * from event where place > $1 or number > $2 or number = any($3) order by number",
            self._place,
            self._number,
            list(missing),
            timeout=LOOK_SECONDS,
        )
        self._wanted -= wanted
        if new := [Event._init_from_db(**row) for row in rows if row["number"] not in self._seen]:
            self._tell(new)

    def _tell(self, events: Sequence[Event]) -> None:
        self._number = max(self._number, events[-1].number)
        self._place = max([self._place, *(event.place for event in events if event.place)])
        self._seen |= {event.number for event in events}
        if len(self._seen) > 4 * LOOKED_AT_AGAIN:
            self._seen = {number for number in self._seen if number > self._number - 2 * LOOKED_AT_AGAIN}
        for each in list(self._subscribers):
            each.events(events)

    def _notified(self, connection: object, pid: int, channel: str, number: object) -> None:
        self._wanted.add(int(str(number)))
        self._told.set()

    def _lose(self, connection: asyncpg.Connection) -> None:
        if self._connection is not connection:
            return
        self._connection, self.is_listening = None, False
        self._told.set()
        for each in list(self._subscribers):
            if each.lost is not None:
                each.lost()


@asynccontextmanager
async def listening() -> AsyncIterator[Feed]:
    """A feed that is told of everything that is committed from now on, while inside."""
    feed = Feed()
    ready = asyncio.Event()
    unsubscribe = feed.subscribe(Subscriber(lambda events: None, restored=ready.set))
    task = asyncio.create_task(feed.listen())
    try:
        await ready.wait()
        unsubscribe()
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
