"""The same site as one would write it from the documentations of Strawberry and Tortoise: types, models over the tables
of relational.py, DataLoaders for what is related, and the extensions that keep parsed and validated documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from os import environ
from typing import Any
from uuid import UUID

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from tortoise import Tortoise, fields
from tortoise.models import Model


class MediaRow(Model):
    id = fields.UUIDField(primary_key=True)
    alt_text = fields.TextField()

    class Meta:
        schema, table = "bench", "media"


class TagRow(Model):
    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    slug = fields.TextField()

    class Meta:
        schema, table = "bench", "tag"


class AuthorRow(Model):
    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()

    class Meta:
        schema, table = "bench", "author"


class ArticleRow(Model):
    id = fields.UUIDField(primary_key=True)
    status = fields.TextField()
    headline = fields.TextField()
    dek = fields.TextField()
    slug = fields.TextField()
    html = fields.TextField()
    published_at = fields.DatetimeField()
    lead_media_id = fields.UUIDField(null=True)

    class Meta:
        schema, table = "bench", "article"


class _Joined(Model):
    """Tortoise has no keys of two columns; nothing but reading is done here."""

    position = fields.IntField(primary_key=True)
    article: Any = fields.ForeignKeyField("bench.ArticleRow", related_name=False)

    class Meta:
        abstract = True


class ArticleTag(_Joined):
    tag: Any = fields.ForeignKeyField("bench.TagRow", related_name=False)

    class Meta:
        schema, table = "bench", "article_tag"


class ArticleAuthor(_Joined):
    author: Any = fields.ForeignKeyField("bench.AuthorRow", related_name=False)

    class Meta:
        schema, table = "bench", "article_author"


class ArticleRelated(_Joined):
    related: Any = fields.ForeignKeyField("bench.ArticleRow", related_name=False)

    class Meta:
        schema, table = "bench", "article_related"


@strawberry.type
class Media:
    alt_text: str


@strawberry.type
class Named:
    name: str


@strawberry.type
class BylineEntry:
    author: Named


@strawberry.type
class Body:
    html: str


@strawberry.type
class RelatedPost:
    article: Article


Info = strawberry.Info[dict[str, DataLoader[Any, Any]], None]


@strawberry.type
class Article:
    row: strawberry.Private[ArticleRow]
    headline: str
    slug: str
    dek: str
    published_at: datetime

    @strawberry.field
    def body(self) -> Body:
        return Body(html=self.row.html)

    @strawberry.field
    async def lead_media(self, info: Info) -> Media | None:
        found = await info.context["media"].load(self.row.lead_media_id)
        return Media(alt_text=found.alt_text) if found else None

    @strawberry.field
    async def tags(self, info: Info) -> list[Named]:
        return [Named(name=each.tag.name) for each in await info.context["tags"].load(self.row.id)]

    @strawberry.field
    async def byline(self, info: Info) -> list[BylineEntry]:
        found = await info.context["authors"].load(self.row.id)
        return [BylineEntry(author=Named(name=each.author.name)) for each in found]

    @strawberry.field
    async def related_posts(self, info: Info, first: int = 3) -> list[RelatedPost]:
        found = await info.context["related"].load(self.row.id)
        shown = [each.related for each in found if each.related.status == "PUBLISHED"]
        return [RelatedPost(article=article(each)) for each in shown[:first]]


@strawberry.type
class ArticlePage:
    nodes: list[Article]
    total_count: int | None = None


@strawberry.type
class Tag:
    row: strawberry.Private[TagRow]
    name: str

    @strawberry.field
    async def articles(self, first: int = 20) -> ArticlePage:
        found = ArticleTag.filter(tag_id=self.row.id, article__status="PUBLISHED")
        newest = found.order_by("-article__published_at", "-article_id").limit(first).prefetch_related("article")
        return ArticlePage(nodes=[article(each.article) for each in await newest], total_count=await found.count())


@strawberry.type
class Query:
    @strawberry.field
    async def articles(self, first: int = 20) -> ArticlePage:
        found = await ArticleRow.filter(status="PUBLISHED").order_by("-published_at", "-id").limit(first)
        return ArticlePage(nodes=[article(each) for each in found])

    @strawberry.field
    async def article(self, slug: str) -> Article | None:
        found = await ArticleRow.get_or_none(slug=slug, status="PUBLISHED")
        return article(found) if found else None

    @strawberry.field
    async def tag(self, slug: str) -> Tag | None:
        found = await TagRow.get_or_none(slug=slug)
        return Tag(row=found, name=found.name) if found else None


def article(row: ArticleRow) -> Article:
    return Article(row=row, headline=row.headline, slug=row.slug, dek=row.dek, published_at=row.published_at)


def joined(model: type[Any], what: str) -> Callable[[list[UUID]], Awaitable[list[list[Any]]]]:
    """What is related to many stories, in their order."""

    async def load(keys: list[UUID]) -> list[list[Any]]:
        found: dict[UUID, list[Any]] = defaultdict(list)
        for each in await model.filter(article_id__in=keys).order_by("position").select_related(what):
            found[each.article_id].append(each)
        return [found[key] for key in keys]

    return load


async def media(keys: list[UUID]) -> list[MediaRow | None]:
    found = {each.id: each for each in await MediaRow.filter(id__in=keys)}
    return [found.get(key) for key in keys]


class Endpoint(GraphQL[Any, None]):
    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        return {
            "media": DataLoader(media),
            "tags": DataLoader(joined(ArticleTag, "tag")),
            "authors": DataLoader(joined(ArticleAuthor, "author")),
            "related": DataLoader(joined(ArticleRelated, "related")),
        }


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    named = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "database": "PGDATABASE"}
    credentials = {name: environ[variable] for name, variable in named.items()} | {"minsize": 8, "maxsize": 16}
    await Tortoise.init(
        {
            "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
            "apps": {"bench": {"models": [__name__], "default_connection": "default"}},
            "use_tz": True,
        },
        _enable_global_fallback=True,
    )
    yield
    await Tortoise.close_connections()


schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
app = Starlette(routes=[Route("/graphql", Endpoint(schema, graphql_ide=None))], lifespan=lifespan)
