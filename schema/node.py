"""Relay's Node: everything that has an id."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="Something with an id that no other thing has.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque; the same for ever.")
