"""GET /health: whether this process can serve."""

from __future__ import annotations

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse
from tortoise import connections
from tortoise.exceptions import BaseORMException


async def health(request: Request) -> JSONResponse:
    """200 while the database answers, else 503."""
    try:
        await connections.get("default").execute_query("select 1")
    except (BaseORMException, asyncpg.PostgresError, OSError):
        return JSONResponse({"status": "no database"}, 503, headers={"Cache-Control": "no-store"})
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
