"""Work owed later: written in the transaction of its cause, done by whichever worker is free, and tried again by the
policy of its kind. What has failed for good is held and can be seen, and tried again by hand (PgQueuer)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.ports.driver import NotifyCallback
from tortoise import connections

from cms import database

PATIENCE = timedelta(milliseconds=50)

Work = Callable[[Mapping[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a kind of work is tried, and how long it waits before the second time; then twice as long each time."""

    tries: int = 5
    delay: timedelta = timedelta(seconds=1)
    most: timedelta = timedelta(minutes=5)


# The kinds of work there are. A kind's name stands in the database: never change what an old one means.
TRANSLATIONS, PRUNE, INDEX, RELATE, PURGE = "translations", "prune", "index", "relate", "purge"
POLICIES: dict[str, Policy] = {
    TRANSLATIONS: Policy(tries=10, most=timedelta(hours=1)),
    PRUNE: Policy(tries=3, delay=timedelta(minutes=1)),
    INDEX: Policy(tries=10, most=timedelta(hours=1)),
    RELATE: Policy(tries=10, most=timedelta(hours=1)),
    PURGE: Policy(tries=40, most=timedelta(minutes=2)),  # of more the library could not say how long to wait
}


@dataclass(frozen=True, slots=True)
class Held:
    """Work that has failed for good."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    tries: int
    since: datetime


async def enqueue(
    kind: str, payload: Mapping[str, Any] | None = None, *, once: str | None = None, after: timedelta | None = None
) -> None:
    """Owe this work, if the transaction that this runs in is committed. once: not again while such a one waits or is
    being done. after: not before so long."""
    async with connections.get("default").acquire_connection() as connection:
        await _queries(connection).enqueue(
            kind, orjson.dumps(payload or {}), execute_after=after, dedupe_key=once, on_conflict="skip"
        )


async def work(handlers: Mapping[str, Work], *, hourly: tuple[str, ...] = ()) -> None:
    """Do what is owed until cancelled; handlers by kind. hourly: kinds that are owed every hour.

    What a worker that died had begun is done by another one half a minute later: work must bear being done twice.
    """
    connection = await database.connect()
    try:
        queuer = PgQueuer(_Patient(connection))
        for kind, handler in handlers.items():
            _register(queuer, kind, handler)
        for kind in hourly:
            queuer.schedule(f"{kind}.hourly", "23 * * * *")(partial(_owe, kind))
        await queuer.run(dequeue_timeout=timedelta(seconds=5))
    finally:
        with suppress(Exception, asyncio.CancelledError):
            await connection.close(timeout=5)


async def held() -> list[Held]:
    """What has failed for good, the newest first."""
    async with connections.get("default").acquire_connection() as connection:
        rows = await _queries(connection).list_failed_jobs()
    return [Held(int(row.id), row.entrypoint, _payload(row), row.attempts + 1, row.updated) for row in rows]


async def count_held() -> int:
    """How much has failed for good."""
    rows = await connections.get("default").execute_query("select count(*) from pgqueuer where status = 'failed'")
    return int(rows[1][0][0])


async def try_again(ids: list[int]) -> None:
    """Owe held work once more, with all its tries."""
    async with connections.get("default").acquire_connection() as connection:
        await _queries(connection).requeue_jobs(ids)  # type: ignore[arg-type]


class _Patient(AsyncpgDriver):
    """Hears of work a moment later: who owes it has an answer to give first, in this process perhaps."""

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        loop = asyncio.get_running_loop()

        def later(payload: str | bytes | bytearray) -> None:
            loop.call_later(PATIENCE.total_seconds(), callback, payload)

        await super().add_listener(channel, later)


def _register(queuer: PgQueuer, kind: str, handler: Work) -> None:
    policy = POLICIES[kind]

    def executor(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
        return DatabaseRetryEntrypointExecutor(
            parameters, max_attempts=policy.tries - 1, initial_delay=policy.delay, max_delay=policy.most
        )

    @queuer.entrypoint(kind, on_failure="hold", executor_factory=executor)
    async def run(job: Job) -> None:
        await handler(_payload(job))


async def _owe(kind: str, schedule: object) -> None:
    await enqueue(kind, once=kind)


def _payload(job: Job) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = orjson.loads(job.payload or b"{}")
    return payload


def _queries(connection: Any) -> Queries:
    return Queries(AsyncpgDriver(connection))
