"""One live story by its slug. Readers who ask for different ones at the same time are answered by one statement: what
PostgreSQL and its connection cost for each statement is most of what an article costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from cms import database
from schema.plan.reading import Reading, Source
from schema.plan.stories import ID, Stories

# Stories in one statement, of which one is under way at a time: the busier, the larger.
_MOST_TOGETHER = 32

Key = tuple[str, str]
Brought = Callable[[Any], Iterable[UUID]]


class BySlug(Source):
    """Live stories by (locale, slug)."""

    is_marked = True

    def __init__(self, stories: Stories) -> None:
        self._stories, self._related = stories, stories.related
        self._cards = self._related.place if self._related is not None and self._related.are_carded else None
        self._together: dict[tuple[bool, int], Together] = {}  # by whether it brings related ones, and how many columns

    def is_direct(self, reading: Reading) -> bool:
        return True

    async def load(self, keys: list[Key], reading: Reading) -> Mapping[Key, Any]:
        found = {}
        for key in keys:
            brings = self._brings(reading)
            rows = reading.marked(await self._statement(brings).rows(key))
            for row in self._stories.take(rows, reading) if brings else rows:
                found[key] = row
        return found

    def _brings(self, reading: Reading) -> bool:
        """Whether the related stories come along; else their cards are known."""
        if self._cards is None:
            return self._related is not None
        cards = reading.entities.cards.get(self._cards)
        return cards is None or not cards.is_known

    def _statement(self, brings: bool) -> Together:
        stories = self._stories
        which = brings, len(stories.columns)
        found = self._together.get(which)
        if found is None:
            sql = (
                f"select {stories.sql('a')}, u.n from unnest($1::text[], $2::text[]) with ordinality "
                "u (locale, slug, n) join live a on a.locale = u.locale and a.slug = u.slug"
            )
            sql = stories.statement(sql, beside=1) if brings else sql
            found = self._together[which] = Together.of(sql, len(stories.columns), stories.brought if brings else None)
        return found


class Together:
    """Those who ask for stories by one statement, of whatever documents: it takes locales and slugs, and its column at
    this place is the number of its story among them. brought: gives the ids of the related ones that come along with a
    story."""

    _all: WeakValueDictionary[str, Together] = WeakValueDictionary()

    def __init__(self, sql: str, place: int, brought: Brought | None) -> None:
        self._sql, self._place, self._brought = sql, place, brought
        self._reading: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Key, asyncio.Future[list[Any]]]] = []

    @classmethod
    def of(cls, sql: str, place: int, brought: Brought | None) -> Together:
        found = cls._all.get(sql)
        if found is None:
            found = cls._all[sql] = cls(sql, place, brought)
        return found

    def rows(self, key: Key) -> asyncio.Future[list[Any]]:
        """The row of the story, and of its related ones. Whoever comes while a statement is under way waits for the
        next one, which begins after: what was committed before is seen."""
        loop = asyncio.get_running_loop()
        if self._reading is None or self._reading.get_loop() is not loop:
            self._waiting = []  # a loop that was closed has left them behind
            self._reading = loop.create_task(self._read())
            self._reading.add_done_callback(self._ended)
        future: asyncio.Future[list[Any]] = loop.create_future()
        self._waiting.append((key, future))
        return future

    async def _read(self) -> None:
        """For as long as somebody waits."""
        while self._waiting:
            await asyncio.sleep(0)  # who has asked by now is here then
            self._waiting = [each for each in self._waiting if not each[1].done()]  # the others have hung up
            together = self._waiting[:_MOST_TOGETHER]
            found = await self.fetch([key for key, _ in together]) if together else []
            del self._waiting[: len(together)]
            for (_, future), rows in zip(together, found, strict=True):
                if not future.done():
                    future.set_result(rows)
        self._reading = None

    def _ended(self, reading: asyncio.Task[None]) -> None:
        """Where it was broken off, tell all who wait: they need not wait to hear the same, but try by themselves."""
        if self._reading is not reading:
            return
        self._reading, waiting, self._waiting = None, self._waiting, []
        error = ConnectionError("broken off") if reading.cancelled() else reading.exception()
        for _, future in waiting:
            if not future.done():
                future.set_exception(error or ConnectionError("broken off"))

    async def fetch(self, keys: Sequence[Key]) -> list[list[Any]]:
        """The rows for each key: of its story, if there is one, and of its related ones."""
        rows = await database.rows(self._sql, [key[0] for key in keys], [key[1] for key in keys])
        if len(keys) == 1:
            return [rows]
        found: list[list[Any]] = [[] for _ in keys]
        place = self._place
        related = {row[ID]: row for row in rows if row[0] is None} if self._brought else {}
        for row in rows[: len(rows) - len(related)]:  # the related ones stand behind
            found[row[place] - 1].append(row)
        if self._brought and related:
            for each in found:
                each += [related[id] for row in each for id in self._brought(row) if id in related]
        return found
