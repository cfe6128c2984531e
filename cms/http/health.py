"""GET /health: whether this process can serve, and whether what is owed is late."""

from __future__ import annotations

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse
from tortoise.exceptions import BaseORMException

from cms import caches, jobs, schedules


async def health(request: Request) -> JSONResponse:
    """200 while the database answers, else 503; what is late is said, and no reason to be restarted.

    overdueSeconds: since when the oldest story waits that should have been published or unpublished. heldJobs: how many
    have failed for good. unpurgedSeconds: for how long a cache before us has not been told of something.
    """
    try:
        late, held = await schedules.oldest_overdue(), await jobs.count_held()
        unpurged = await caches.seconds_behind()
    except (BaseORMException, asyncpg.PostgresError, OSError):
        return JSONResponse({"status": "no database"}, 503, headers={"Cache-Control": "no-store"})
    found = {"status": "ok", "overdueSeconds": round(late), "heldJobs": held, "unpurgedSeconds": round(unpurged)}
    return JSONResponse(found, headers={"Cache-Control": "no-store"})
