"""The API of addresses: what has an id, what answers a path, and what moved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from cms import ids, models, paths, routes
from cms.errors import Invalid
from cms.keyset import Key, Listing, Paging, Where
from cms.models import GoneReason
from cms.permissions import query, visible
from schema.articles import Article
from schema.connection import Connection, Edge, Rows
from schema.context import Info
from schema.node import Node
from schema.perspective import PerspectiveArg
from schema.scalars import After, First, described
from schema.taxonomy import Author, Section, Tag

strawberry.enum(GoneReason, description="Why a story is no more.")
MAX_NODES = 100


@strawberry.type(description="It stands elsewhere now.")
class Redirect:
    location: str = strawberry.field(description="The site path to go to.")
    permanent: bool = strawberry.field(description="Whether to remember it.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, routes.Redirect)


@strawberry.type(description="Was here for readers and is no more.")
class Gone:
    reason: GoneReason = strawberry.field(description="Why.")
    notice: str | None = strawberry.field(description="What readers are told, where the story was withdrawn.")
    since: datetime = strawberry.field(description="Since when.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, routes.Gone)


@strawberry.type(description="An old path, and where it leads.")
class RedirectRule(Node):
    created_at: datetime = strawberry.field(description="When the old slug was first given.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Slug)

    @strawberry.field(description="The old site path.")
    async def path(root: strawberry.Parent[models.Slug], info: Info) -> str:
        return str(await _location(root, info)).rpartition("/")[0] + "/" + root.slug

    @strawberry.field(description="The site path where it stands now.")
    async def location(root: strawberry.Parent[models.Slug], info: Info) -> str:
        return str(await _location(root, info))

    @strawberry.field(description="Whether to remember it.")
    def permanent(root: strawberry.Parent[models.Slug]) -> bool:
        return True


@strawberry.type(description="A row of a page, with its cursor.")
class RedirectEdge(Edge[RedirectRule]):
    pass


@strawberry.type(description="A page of old paths.")
class RedirectConnection(Connection[RedirectRule]):
    @strawberry.field(description="The rows with their cursors.")
    async def edges(root: strawberry.Parent[Rows]) -> list[RedirectEdge]:
        return await root.nodes()  # type: ignore[return-value]


async def _location(slug: models.Slug, info: Info) -> str | None:
    """None where what it leads to is gone, which may happen between two statements."""
    context, key = info.context, slug.target_id
    if slug.kind is models.SlugKind.SECTION:
        tree = await context.tree()
        return tree.path(tree.by_id[key]) if key in tree.by_id else None
    if slug.kind is models.SlugKind.ARTICLE:
        live = await context.loaders.known(models.Live, key)
        return await context.path(live) if live else None
    if slug.kind is models.SlugKind.TAG:
        tag = await context.loaders.known(models.Tag, key)
        return paths.tag_path(tag.slug) if tag else None
    author = await context.loaders.known(models.Author, key)
    return paths.author_path(author.slug) if author else None


async def _leading(rows: Sequence[models.Slug | None], info: Info) -> list[models.Slug | None]:
    """None in the place of those that lead nowhere any more; what the others lead to is known from now on."""
    found = await asyncio.gather(*(_location(row, info) for row in rows if row))
    leading = {row.id for row, location in zip(filter(None, rows), found, strict=True) if location is not None}
    return [row if row and row.id in leading else None for row in rows]


Route = Annotated[
    Article | Section | Tag | Author | Redirect | Gone,
    strawberry.union("Route", description="What answers a site path."),
]
# Revisions, events and users are for staff alone: visible() knows.
_NODES: dict[str, type[Any]] = {
    "Section": models.Section,
    "Tag": models.Tag,
    "Author": models.Author,
    "Media": models.Media,
    "StoryList": models.StoryList,
    "Revision": models.Revision,
    "User": models.User,
    "Token": models.Token,
    "Session": models.Session,
}


async def _node(info: Info, id: str) -> Any:
    decoded = ids.decode(id)
    if decoded is None:
        return None
    kind, key = decoded
    if kind == "Article":
        return await info.context.story(key)
    if kind == "Event":
        return await query(info.context.actor, models.Event, info.context.perspective).filter(id=key).first()
    if kind == "RedirectRule":
        return (await _leading([await info.context.loaders.visible(models.Slug, key)], info))[0]
    model = _NODES.get(kind)
    return await info.context.loaders.visible(model, key) if model else None


_PERSPECTIVE_ID = Annotated[strawberry.ID, described("Its id.")]


@strawberry.type
class RoutesQuery:
    @strawberry.field(description="What has this id; null where it is unknown, or not for this viewer.")
    async def node(self, info: Info, id: _PERSPECTIVE_ID, perspective: PerspectiveArg = None) -> Node | None:
        return await _node(info, id)  # type: ignore[no-any-return]

    @strawberry.field(description="The same for up to 100 ids, each in its place.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], described("Their ids; at most 100.")],
        perspective: PerspectiveArg = None,
    ) -> list[Node | None] | None:
        if len(ids) > MAX_NODES:
            raise Invalid.field("ids", "too_many", f"Ask for at most {MAX_NODES} ids at once.")
        return list(await asyncio.gather(*(_node(info, id) for id in ids)))

    @strawberry.field(description="What answers a site path, in one query; null: nothing does and nothing ever did.")
    async def route(
        self,
        info: Info,
        path: Annotated[str, described("The path, as a browser has it: /conflict/a-slug.")],
        perspective: PerspectiveArg = None,
    ) -> Route | None:
        return await routes.route(info.context.actor, info.context.perspective, path)  # type: ignore[return-value]

    @strawberry.field(description="Old paths and where they lead, newest first.")
    def redirects(self, info: Info, first: First = None, after: After = None) -> RedirectConnection | None:
        where = Where([visible(info.context.actor, models.Slug, info.context.perspective)])
        keys = (
            Key("CREATED_AT", "slug.created_at", datetime, descending=True),
            Key("ID", "slug.id", UUID, descending=True),
        )

        async def load(keys: list[UUID]) -> list[Any]:
            return list(await _leading(await info.context.loaders.visible_each(models.Slug, keys), info))

        return Rows(Listing("slug.id", "slug", where, keys), Paging.of(first, after), load)  # type: ignore[return-value]
