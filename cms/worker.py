"""What goes on beside serving: what is due by the clock, and jobs. `cms serve` does it too, so that none is forgotten;
`cms worker` does nothing else. Any number of them may run: each leaves alone what another was faster with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from tortoise.exceptions import BaseORMException

from cms import accounts, caches, jobs, media, previews, related, revisions, schedules, search, translations

log = structlog.get_logger()


async def _alert_translations(payload: Mapping[str, Any]) -> None:
    await translations.alert(UUID(payload["article"]), datetime.fromisoformat(payload["at"]))


async def _prune(payload: Mapping[str, Any]) -> None:
    await revisions.prune()


HANDLERS: dict[str, jobs.Work] = {
    jobs.TRANSLATIONS: _alert_translations,
    jobs.PRUNE: _prune,
    jobs.INDEX: search.refile,
    jobs.RELATE: related.relate,
    jobs.PURGE: caches.purge_due,
}


async def _do_jobs() -> None:
    await jobs.work(HANDLERS, hourly=(jobs.PRUNE,))


# Every how many seconds, what, and what the log calls a failure.
_TICKS: tuple[tuple[float, Callable[[], Awaitable[object]], str], ...] = (
    (1.0, schedules.publish_due, "schedule.failed"),
    (0.5, caches.owe, "purge.failed"),
    (1.0, _do_jobs, "jobs.failed"),  # which ends only when it fails
    (2.0, accounts.send_due, "letters.failed"),
    (5.0, media.end_due, "rights.failed"),
    (600.0, accounts.forget_expired, "forgetting.failed"),
    (600.0, media.forget_expired, "uploads.failed"),
    (600.0, previews.forget_expired, "forgetting.failed"),
)


@asynccontextmanager
async def beside() -> AsyncIterator[None]:
    """Work while inside, with the database open."""
    tasks = [asyncio.create_task(_repeat(*each)) for each in _TICKS]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(seconds: float, work: Callable[[], Awaitable[object]], failed: str) -> None:
    while True:
        try:
            await work()
        except (BaseORMException, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ExceptionGroup):
            log.exception(failed)
        await asyncio.sleep(seconds)
