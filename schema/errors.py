"""Errors as clients get them: refusals with their code, mistakes in a document as they are, and everything else masked
under a correlation id that the log has too."""

from __future__ import annotations

from typing import Any

import structlog
from graphql import GraphQLError

from cms import ids
from cms.errors import CMSError

log = structlog.get_logger()

# What the codes in extensions.code mean, for docs and clients. Refusals bring their own (cms.errors).
INTERNAL = "INTERNAL"
BAD_REQUEST = "BAD_REQUEST"


class BadRequest(Exception):
    """A request that is not a GraphQL request at all, with the HTTP status that says so."""

    def __init__(self, status: int, message: str, code: str = BAD_REQUEST) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def formatted(error: GraphQLError) -> dict[str, Any]:
    """One entry of a response's errors."""
    cause = error.original_error
    if isinstance(cause, CMSError):
        extensions: dict[str, Any] = {"code": cause.code}
        if cause.issues:
            extensions["issues"] = [
                {"field": list(issue.field), "code": issue.code, "message": issue.message} for issue in cause.issues
            ]
        return _entry(error, cause.message, extensions)
    if cause is None or isinstance(cause, GraphQLError):
        return _entry(error, error.message, {"code": BAD_REQUEST})
    if error.path is None and isinstance(cause, ValueError):  # a scalar that refused a variable or a literal
        return _entry(error, error.message, {"code": BAD_REQUEST})
    correlation = ids.new().hex
    log.error("graphql.failed", correlation=correlation, path=error.path, error=type(cause).__name__, exc_info=cause)
    return _entry(error, "Something went wrong on our side.", {"code": INTERNAL, "correlationId": correlation})


def _entry(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"message": message}
    if error.locations:
        entry["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    return entry | {"extensions": extensions}
