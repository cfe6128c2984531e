"""What a request asks: the document, the name of its operation and its variables, checked alike whatever carries it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from cms.permissions import PUBLIC, Actor
from cms.settings import settings
from schema import trusted
from schema.errors import TOO_LARGE, BadRequest
from schema.limits import KNOWN_NESTING, PUBLIC_NESTING, nests_deeper

_NUL = re.compile(r"\\u(0000|\{0+\})")


class Question(NamedTuple):
    """shared_seconds: how long caches before us may keep the answer, where anybody may be given it."""

    text: str
    name: str | None
    variables: dict[str, Any]
    shared_seconds: int


async def question(params: Any, actor: Actor) -> Question:
    """What the parameters of a request ask, a document by its text or its id. Raises BadRequest for what nothing could
    be done with, Refused for an id that nothing was pushed with."""
    if not isinstance(params, dict):
        raise BadRequest(400, "A request must be a JSON object; several requests at once are not taken.")
    for name, type_, noun in (
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
        ("operationName", str, "a text"),
    ):
        if params.get(name) is not None and not isinstance(params[name], type_):
            raise BadRequest(400, f"{name} must be {noun}.")
    text, seconds = await _document(params)
    variables = params.get("variables") or {}
    check_values(text, variables, actor)
    shared = settings().shared_cache_seconds if seconds is None else seconds
    return Question(text, params.get("operationName") or None, variables, shared)


async def _document(params: dict[str, Any]) -> tuple[str, int | None]:
    id = trusted.id_of(params)
    if id is not None:
        return await trusted.document(id, is_hash=params.get("documentId") is None)
    text = params.get("query")
    if not isinstance(text, str) or not text.strip():
        raise BadRequest(400, "Give the document as query, a text, or its id as documentId.")
    return text, None


def check_values(text: str, variables: dict[str, Any], actor: Actor) -> None:
    """Raises BadRequest for values that nothing could be done with."""
    most = PUBLIC_NESTING if actor == PUBLIC else KNOWN_NESTING
    if nests_deeper(variables, most):
        raise BadRequest(400, f"Lists and objects in variables stand in one another {most} deep at most.", TOO_LARGE)
    if _has_nul(text) or _has_nul(orjson.dumps(variables).decode()):
        raise BadRequest(400, "The character U+0000 is not taken anywhere.")


def _has_nul(text: str) -> bool:
    """Whether an escape of the character stands in a text: PostgreSQL cannot hold it. One whose backslash is escaped
    itself is none."""
    return "\\" in text and _NUL.search(text.replace("\\\\", "")) is not None
