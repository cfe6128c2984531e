"""The API of what changed: the delta sync of readers, and its items as subscriptions send them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cms import changes, ids
from cms.changes import ChangeKind
from cms.models import Live, Site
from schema.articles import Article
from schema.context import Info
from schema.node import Node
from schema.scalars import described

strawberry.enum(ChangeKind, description="What became of a thing.")

_Row = strawberry.Parent[changes.Change]


@strawberry.type(
    description="What became of an article, section, tag, author, media, story list, the site, or an old path "
    "(RedirectRule). Keep things by nodeId; REMOVED takes one away."
)
class Change:
    kind: ChangeKind = strawberry.field(description="What became of it.")
    at: datetime = strawberry.field(description="When.")
    path: str | None = strawberry.field(description="The site path where it stands now, or where an old path leads.")
    previous_path: str | None = strawberry.field(
        description="The site path where it stood before, if that is another one."
    )

    @strawberry.field(description="Its id; null for the site.")
    def node_id(root: _Row) -> strawberry.ID | None:
        return strawberry.ID(ids.encode(root.type, root.id)) if root.id is not None else None

    @strawberry.field(description="The name of its type.")
    def type_name(root: _Row) -> str:
        return root.type

    @strawberry.field(description="The thing as readers see it now; null on REMOVED, and for the site.")
    def node(root: _Row) -> Node | None:
        return None if isinstance(root.row, Site) else root.row  # type: ignore[return-value]

    @strawberry.field(description="The same, where it is a story.")
    def article(root: _Row) -> Article | None:
        return root.row if isinstance(root.row, Live) else None  # type: ignore[return-value]


@strawberry.type(description="A page of changes.")
class ChangeSet:
    next_cursor: str = strawberry.field(description="Give it as since to go on, now or later.")
    has_more: bool = strawberry.field(description="Whether there are more already.")

    @strawberry.field(description="The changes, in order; each thing once.")
    def nodes(root: strawberry.Parent[changes.ChangeSet]) -> list[Change]:
        return root.changes  # type: ignore[return-value]


@strawberry.type
class ChangesQuery:
    @strawberry.field(
        description="Delta sync: everything that changed for readers since the cursor, in order, with tombstones; "
        "without a cursor, everything. Always PUBLISHED."
    )
    async def changes(
        self,
        info: Info,
        since: Annotated[str | None, described("The nextCursor of the answer before.")] = None,
        first: Annotated[int, described(f"How many at most; 1 to {changes.MOST}.")] = 100,
    ) -> ChangeSet | None:
        found = await changes.since(since, first)
        info.context.loaders.remember(found.targets.values())
        return found  # type: ignore[return-value]
