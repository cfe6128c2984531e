"""The composition root: routes, the database's life, and the work that goes on beside serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from tortoise.exceptions import BaseORMException

from cms import accounts, database, logs, media, workflow
from cms.http.edge import Edge
from cms.http.files import file
from cms.http.health import health
from cms.http.sessions import password, password_reset, session
from cms.http.uploads import upload
from cms.settings import settings
from schema.endpoint import graphql

# What goes on beside serving, in every process: every how many seconds, and what the log calls a failure. Processes
# leave alone what another was faster with.
_BESIDE: tuple[tuple[float, Callable[[], Awaitable[object]], str], ...] = (
    (1.0, workflow.publish_due, "schedule.failed"),
    (2.0, accounts.send_due, "letters.failed"),
    (5.0, media.end_due, "rights.failed"),
    (600.0, accounts.forget_expired, "forgetting.failed"),
    (600.0, media.forget_expired, "uploads.failed"),
)

log = structlog.get_logger()


def create_app() -> Starlette:
    """The ASGI application. Its lifespan opens the database, and refuses one whose tables the code does not fit."""
    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            Route("/session", session, methods=["POST", "DELETE"]),
            Route("/password-reset", password_reset, methods=["POST"]),
            Route("/password", password, methods=["POST"]),
            Route("/health", health),
            Route("/media/uploads/{id}/{signature}", upload, methods=["PUT"]),
            Route("/media/{id}/{version}/{what}/{signature}/{name}", file),
        ],
        middleware=[Middleware(Edge, settings=settings())],
        lifespan=_lifespan,
    )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    logs.configure()
    async with database.open(settings(), serving=True):
        await database.check_migrations()
        beside = [asyncio.create_task(_repeat(*each)) for each in _BESIDE]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _repeat(seconds: float, work: Callable[[], Awaitable[object]], failed: str) -> None:
    while True:
        try:
            await work()
        except (BaseORMException, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            log.exception(failed)
        await asyncio.sleep(seconds)
