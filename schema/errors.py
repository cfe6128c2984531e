"""Errors as clients get them: refusals with their code, mistakes in a document as they are, and everything else masked
under a correlation id that the log has too. docs/errors.md lists the codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import structlog
from graphql import GraphQLError
from tortoise.exceptions import DBConnectionError

from cms import ids
from cms.errors import CMSError

log = structlog.get_logger()

# What the codes in extensions.code mean, for docs and clients. Refusals bring their own (cms.errors).
INTERNAL = "INTERNAL"
BAD_REQUEST = "BAD_REQUEST"
TOO_LARGE = "TOO_LARGE"
TIMEOUT = "TIMEOUT"
UNAVAILABLE = "UNAVAILABLE"
PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"  # as clients of others look for it
DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"

_MASKS = {
    INTERNAL: "Something went wrong on our side.",
    TIMEOUT: "That took too long. Ask for less.",
    UNAVAILABLE: "We cannot answer at the moment. Try again in a few seconds.",
}
_NO_DATABASE = (
    OSError,
    DBConnectionError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
_SUGGESTION = re.compile(r" Did you mean .*", re.DOTALL)


class BadRequest(Exception):
    """A request that is not a GraphQL request at all, with the HTTP status that says so."""

    def __init__(self, status: int, message: str, code: str = BAD_REQUEST) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def formatted(error: GraphQLError, *, suggestions: bool = True) -> dict[str, Any]:
    """One entry of a response's errors. Suggestions tell names of the schema to somebody who mistyped one."""
    cause = error.original_error
    if isinstance(cause, CMSError):
        extensions: dict[str, Any] = {"code": cause.code}
        if cause.issues:
            extensions["issues"] = [
                {"field": list(issue.field), "code": issue.code, "message": issue.message} for issue in cause.issues
            ]
        return _entry(error, cause.message, extensions)
    # A scalar that refuses a variable or a literal raises ValueError before anything runs.
    if cause is None or isinstance(cause, GraphQLError) or (error.path is None and isinstance(cause, ValueError)):
        message = error.message if suggestions else _SUGGESTION.sub("", error.message)
        return _entry(error, message, {"code": (error.extensions or {}).get("code", BAD_REQUEST)})
    message, extensions = masked(cause, path=error.path)
    return _entry(error, message, extensions)


def masked(cause: BaseException, **where: Any) -> tuple[str, dict[str, Any]]:
    """The message and extensions for what went wrong on our side; the log has the rest under the same id."""
    code = _code(cause)
    correlation = ids.new().hex
    log.error("request.failed", correlation=correlation, code=code, error=type(cause).__name__, exc_info=cause, **where)
    return _MASKS[code], {"code": code, "correlationId": correlation}


def _code(cause: BaseException) -> str:
    for each in _chain(cause):
        if isinstance(each, asyncpg.QueryCanceledError | TimeoutError):
            return TIMEOUT
        if isinstance(each, _NO_DATABASE):
            return UNAVAILABLE
    return INTERNAL


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _entry(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"message": message}
    if error.locations:
        entry["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    return entry | {"extensions": extensions}
