"""The composition root: routes, the database's life, and the work that goes on beside serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from starlette.applications import Starlette
from starlette.routing import Route
from tortoise.exceptions import BaseORMException

from cms import database, workflow
from cms.http.files import file
from cms.http.health import health
from cms.settings import settings
from schema.endpoint import graphql

# How late a schedule may fire, in seconds.
TICK = 1.0

log = structlog.get_logger()


def create_app() -> Starlette:
    """The ASGI application. Its lifespan opens the database, and refuses one whose tables the code does not fit."""
    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            Route("/health", health),
            Route("/media/{name}", file),
        ],
        lifespan=_lifespan,
    )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with database.open(settings()):
        await database.check_migrations()
        clockwork = asyncio.create_task(_publish_due())
        try:
            yield
        finally:
            clockwork.cancel()
            with suppress(asyncio.CancelledError):
                await clockwork


async def _publish_due() -> None:
    """What is scheduled fires in every process; a story that another was faster with is left alone."""
    while True:
        try:
            await workflow.publish_due()
        except (BaseORMException, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            log.exception("schedule.failed")
        await asyncio.sleep(TICK)
