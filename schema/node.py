"""Relay's Node: everything that has an id, and which row has which."""

from __future__ import annotations

from typing import Any

import strawberry

from cms import ids, models

# What a row is called in the API, and the attribute that holds its key: a story is one thing in every perspective.
_IDENTITIES: dict[type[Any], tuple[str, str]] = {
    models.Author: ("Author", "id"),
    models.Event: ("Event", "id"),
    models.Head: ("Article", "article_id"),
    models.Live: ("Article", "article_id"),
    models.Media: ("Media", "id"),
    models.Revision: ("Revision", "id"),
    models.Section: ("Section", "id"),
    models.Session: ("Session", "id"),
    models.Slug: ("RedirectRule", "id"),
    models.StoryList: ("StoryList", "id"),
    models.Tag: ("Tag", "id"),
    models.Token: ("Token", "id"),
    models.User: ("User", "id"),
}


@strawberry.interface(description="Something with an id that no other thing has.")
class Node:
    @strawberry.field(description="Opaque; the same for ever, and in every perspective.")
    def id(root: strawberry.Parent[Any]) -> strawberry.ID:
        kind, attribute = _IDENTITIES[type(root)]
        return strawberry.ID(ids.encode(kind, getattr(root, attribute)))
