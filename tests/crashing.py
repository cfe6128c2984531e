"""Processes that do one thing to the newsroom and may die of it: what they run, and how they are started and awaited.

They are forked from a server that has imported everything once, so that hundreds of them cost little.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import time_machine

from cms import articles, cli, clock, database, schedules, workflow
from cms.errors import CMSError
from cms.permissions import SYSTEM
from cms.settings import Settings, settings
from cms.workflow import Transition, Wish

# PostgreSQL knows our processes by this name.
NAME = "crashing"
# The exit code of what the newsroom would not do.
REFUSED = 3
STATEMENTS = ("execute", "executemany", "fetch", "fetchrow", "fetchval")
Work = Callable[..., Awaitable[object]]
Sent: TypeAlias = "Synchronized[int]"


async def _save(id: str, **given: Any) -> None:
    await articles.update(SYSTEM, UUID(id), given)


async def _autosave(id: str, **given: Any) -> None:
    await articles.update(SYSTEM, UUID(id), given, autosave=True)


async def _publish(id: str) -> None:
    await workflow.transition(SYSTEM, UUID(id), Transition.PUBLISH)


async def _withdraw(id: str) -> None:
    await workflow.transition(SYSTEM, UUID(id), Transition.WITHDRAW, wish=Wish(notice="It was wrong."))


async def _publish_due() -> None:
    await schedules.publish_due()


async def _work() -> None:
    """What `cms serve` does beside serving, in more of a hurry."""
    while True:
        await schedules.publish_due()
        await asyncio.sleep(0.05)


OPERATIONS: dict[str, Work] = {
    "save": _save,
    "autosave": _autosave,
    "publish": _publish,
    "withdraw": _withdraw,
    "publish_due": _publish_due,
    "work": _work,
}


def start(url: str, operation: str, *, die_at: int | None = None, kill: int | None = None, **more: Any) -> Started:
    """Start a process that does an operation on the database at url.

    die_at: the statement, counted from 1, that it sends without ever hearing the answer. kill: whom to kill instead of
    itself. zone: its time zone. ahead: by how many seconds its clock is wrong. The rest goes to the operation.
    """
    sent = _context().Value("i", 0)
    process = _context().Process(target=_run, args=(url, operation, sent, die_at, kill), kwargs=more, daemon=True)
    process.start()
    return Started(process, sent)


def serve(url: str, port: int) -> Started:
    """Start what `cms serve` is; it may not answer yet."""
    variables = {"CMS_DATABASE_URL": _named(url), "CMS_PORT": str(port)}
    process = _context().Process(target=_serve, args=(variables,), daemon=True)
    process.start()
    return Started(process, _context().Value("i", 0))


class Started:
    def __init__(self, process: ForkServerProcess, sent: Sent) -> None:
        self._process, self._sent = process, sent

    @property
    def sent(self) -> int:
        """How many statements it has sent."""
        return self._sent.value

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> int:
        self._process.kill()
        return self.wait()

    def wait(self) -> int:
        """How it ended: -9 where it was killed."""
        self._process.join(60)
        assert self._process.exitcode is not None, "it goes on and on"
        return self._process.exitcode


@contextmanager
def workers(url: str, *each: dict[str, Any]) -> Iterator[list[Started]]:
    """A process for each of these that publishes whatever is due; those that are still there at the end are killed."""
    started = [start(url, "work", **one) for one in each]
    try:
        yield started
    finally:
        for one in started:
            one.kill()


async def gone(url: str) -> None:
    """Wait until PostgreSQL has noticed that the dead are dead."""
    connection = await asyncpg.connect(url)
    try:
        deadline = time.monotonic() + 30
        while await connection.fetchval("select count(*) from pg_stat_activity where application_name = $1", NAME):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)
    finally:
        await connection.close()


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _end_with_the_tests() -> None:
    """Even when these are killed."""

    def watch() -> None:
        tests = multiprocessing.parent_process()
        assert tests is not None
        tests.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _serve(variables: dict[str, str]) -> None:
    _end_with_the_tests()
    os.environ |= variables
    settings.cache_clear()
    sys.argv = ["cms", "serve"]
    cli.main()


def _run(
    url: str,
    operation: str,
    sent: Sent,
    die_at: int | None,
    kill: int | None,
    zone: str | None = None,
    ahead: float = 0,
    **given: Any,
) -> None:
    _end_with_the_tests()
    if zone is not None:
        os.environ["TZ"] = zone
        time.tzset()
    with time_machine.travel(clock.now() + timedelta(seconds=ahead)) if ahead else _nothing():
        asyncio.run(_do(url, operation, sent, die_at, kill, given))


def _named(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}application_name={NAME}"


@contextmanager
def _nothing() -> Iterator[None]:
    yield


async def _do(
    url: str, operation: str, sent: Sent, die_at: int | None, kill: int | None, given: dict[str, Any]
) -> None:
    async with database.open(Settings(database_url=_named(url))):
        _count(sent, die_at, kill or os.getpid())
        try:
            await OPERATIONS[operation](**given)
        except CMSError:
            sys.exit(REFUSED)


def _count(sent: Sent, die_at: int | None, kill: int) -> None:
    """Count the statements that are sent from now on, and kill with this one on its way."""

    def counting(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*args: Any, **kwargs: Any) -> Any:
            sent.value += 1
            if sent.value != die_at:
                return await method(*args, **kwargs)
            asked = asyncio.ensure_future(method(*args, **kwargs))
            await asyncio.sleep(0)  # it is written to the socket
            os.kill(kill, signal.SIGKILL)
            return await asked

        return counted

    for name in STATEMENTS:
        setattr(asyncpg.Connection, name, counting(getattr(asyncpg.Connection, name)))
