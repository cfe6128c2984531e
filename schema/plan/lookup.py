"""One live story by its slug. Readers who ask for different ones at the same time are answered by one statement: what
PostgreSQL and its connection cost for each statement is most of what an article costs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cms import database
from schema.plan.reading import Reading, Source
from schema.plan.stories import Stories

# Stories in one statement, of which one is under way at a time for each place of a document: the busier, the larger.
_MOST_TOGETHER = 32

Key = tuple[str, str]


class BySlug(Source):
    """Live stories by (locale, slug)."""

    is_marked = True

    def __init__(self, stories: Stories) -> None:
        self._stories = stories
        self._sql = ""
        self._is_under_way = False
        self._waiting: list[tuple[Key, asyncio.Future[list[Any]]]] = []

    def is_direct(self, reading: Reading) -> bool:
        return True

    async def load(self, keys: list[Key], reading: Reading) -> Mapping[Key, Any]:
        found = {}
        for key in keys:
            for row in self._stories.take(reading.marked(await self._rows(key)), reading):
                found[key] = row
        return found

    async def _rows(self, key: Key) -> list[Any]:
        """The row of the story, and of its related ones. Whoever comes while a statement is under way waits for
        the next one, which begins after: what was committed before is seen."""
        if self._is_under_way:
            future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            self._waiting.append((key, future))
            return await future
        self._is_under_way = True
        try:
            return (await self._fetch([key]))[0]
        finally:
            self._go_on()

    def _go_on(self) -> None:
        """After a statement: with those who wait."""
        if self._waiting:
            task = asyncio.get_running_loop().create_task(self._together())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            self._is_under_way = False

    async def _together(self) -> None:
        waiting, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
        waiting = [each for each in waiting if not each[1].done()]  # who hung up
        try:
            rows = await self._fetch([key for key, _ in waiting])
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else ConnectionError("broken off"))
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), each in zip(waiting, rows, strict=True):
                if not future.done():
                    future.set_result(each)
        finally:
            self._go_on()

    async def _fetch(self, keys: Sequence[Key]) -> list[list[Any]]:
        """The rows for each key: of its story, if there is one, and of all related ones."""
        stories = self._stories
        self._sql = self._sql or stories.statement(
            f"select {stories.sql('a')}, u.n from unnest($1::text[], $2::text[]) with ordinality u (locale, slug, n) "
            "join live a on a.locale = u.locale and a.slug = u.slug",
            beside=1,
        )
        rows = await database.rows(self._sql, [key[0] for key in keys], [key[1] for key in keys])
        if len(keys) == 1:
            return [rows]
        place, own = len(stories.columns), [row for row in rows if row[0] is not None]
        found: list[list[Any]] = [[] for _ in keys]
        for row in own:
            found[row[place] - 1].append(row)
        related = rows[len(own) :]
        return [[*each, *related] for each in found]


_tasks: set[asyncio.Task[None]] = set()
