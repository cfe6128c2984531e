"""Input objects as the plain mappings that the newsroom takes: what was given and nothing else, ids as keys."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import strawberry

from schema.scalars import key

# Input fields that hold opaque ids, and of what.
_KINDS = {
    "add_tag_ids": "Tag",
    "article_id": "Article",
    "article_ids": "Article",
    "assignee_id": "User",
    "author_id": "Author",
    "media_id": "Media",
    "owner_id": "User",
    "parent_id": "Section",
    "related_post_ids": "Article",
    "remove_tag_ids": "Tag",
    "section_id": "Section",
    "tag_ids": "Tag",
    "translation_of_id": "Article",
}


def given(input: Any, *, leave_out: tuple[str, ...] = (), kinds: Mapping[str, str] = _KINDS) -> dict[str, Any]:
    """The fields of an input object that the client gave, in snake case; null stays None."""
    return {
        name: _plain(value, kinds.get(name))
        for name, value in vars(input).items()
        if value is not strawberry.UNSET and name not in leave_out
    }


def maybe(value: Any) -> Any:
    """An optional field for which absent and null mean the same."""
    return None if value is strawberry.UNSET else value


def _plain(value: Any, kind: str | None) -> Any:
    if isinstance(value, list):
        return [_plain(each, kind) for each in value]
    if value is None or isinstance(value, Enum):
        return value
    if kind is not None:
        return key(kind, value)
    return given(value) if hasattr(value, "__strawberry_definition__") else value
