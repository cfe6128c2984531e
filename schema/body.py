"""The API of bodies: one document, several views of it. References are looked up when it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON

from cms import body, media, models
from cms.errors import Invalid
from schema.context import Context, Info
from schema.media import Media, MediaUse, Use
from schema.scalars import described

if TYPE_CHECKING:
    from schema.articles import Article


MAX_EXCERPT = 1000


@dataclass(eq=False)
class Reading:
    """A body as one viewer reads it. What the viewer may not see is not in links, and shown as if it were not there."""

    content: models.Content
    context: Context
    _links: asyncio.Future[body.Links] | None = field(default=None, init=False)

    @property
    def refers(self) -> bool:
        return bool(self.content.body_media_ids or self.content.body_article_ids)

    async def links(self) -> body.Links:
        if self._links is None:
            self._links = asyncio.ensure_future(self._look_up())
        return await self._links

    async def media(self) -> list[models.Media]:
        return await self.context.loaders.visible_many(models.Media, list(self.content.body_media_ids))

    async def articles(self) -> list[Any]:
        return await self.context.listed(list(self.content.body_article_ids))

    async def _look_up(self) -> body.Links:
        pictures, stories = await self.media(), await self.articles()
        return body.Links(
            articles={
                story.article_id: body.ArticleTarget(await self.context.path(story), story.headline)
                for story in stories
            },
            media={
                row.id: body.MediaTarget(url, row.alt_text, row.caption, row.credit, row.width, row.height)
                for row in pictures
                if (url := media.url(row)) is not None
            },
        )


@strawberry.interface(
    description="A part of a body, at its top level. Unknown kinds can always be shown by their html."
)
class Block:
    key: str = strawberry.field(description="Stable from save to save.")
    html: str = strawberry.field(description="Clean HTML of the whole block.")


def _is(kind: type[body.Block]) -> Any:
    return classmethod(lambda cls, obj, info: isinstance(obj, kind))


@strawberry.type(description="A paragraph.")
class ParagraphBlock(Block):
    text: str = strawberry.field(description="Its text.")
    is_type_of = _is(body.ParagraphBlock)


@strawberry.type(description="A heading.")
class HeadingBlock(Block):
    text: str = strawberry.field(description="Its text.")
    level: int = strawberry.field(description="1 to 6.")
    anchor: str = strawberry.field(description="Its id in the html, to link to.")
    is_type_of = _is(body.HeadingBlock)


@strawberry.type(description="An entry of a list.")
class ListItem:
    html: str = strawberry.field(description="Its first paragraph, without the element around it.")
    text: str = strawberry.field(description="The text of that paragraph.")
    children: list[Block] = strawberry.field(description="What follows in the entry, lists inside it among them.")


@strawberry.type(description="A list.")
class ListBlock(Block):
    ordered: bool = strawberry.field(description="Whether it is numbered.")
    items: list[ListItem] = strawberry.field(description="Its entries.")
    is_type_of = _is(body.ListBlock)


@strawberry.type(description="A quotation.")
class QuoteBlock(Block):
    text: str = strawberry.field(description="What is quoted.")
    cite: str | None = strawberry.field(description="Who or what is quoted.")
    is_type_of = _is(body.QuoteBlock)


@strawberry.type(description="A picture.")
class ImageBlock(Block):
    is_type_of = _is(body.ImageBlock)

    @strawberry.field(description="The picture and what is said of it here; null while it cannot be shown.")
    async def image(root: strawberry.Parent[body.ImageBlock], info: Info) -> MediaUse | None:
        row = await info.context.loaders.visible(models.Media, root.media)
        return Use(row, said(root)) if row else None  # type: ignore[return-value]


def said(block: body.ImageBlock) -> Mapping[str, Any]:
    point = block.focal_point
    return {
        "alt_text": block.alt_text,
        "is_decorative": block.is_decorative,
        "caption": block.caption,
        "credit": block.credit,
        "focal_point": {"x": point[0], "y": point[1]} if point else None,
    }


@strawberry.type(description="Something of another site.")
class EmbedBlock(Block):
    provider: str = strawberry.field(description="Whose it is, e.g. youtube.")
    url: str = strawberry.field(description="Where it is.")
    title: str | None = strawberry.field(description="What it is called.")
    is_type_of = _is(body.EmbedBlock)


@strawberry.type(description="Code.")
class CodeBlock(Block):
    code: str = strawberry.field(description="The code.")
    language: str | None = strawberry.field(description="Its language.")
    is_type_of = _is(body.CodeBlock)


@strawberry.type(description="A table.")
class TableBlock(Block):
    rows: list[list[str]] = strawberry.field(description="The text of each cell, row by row.")
    is_type_of = _is(body.TableBlock)


@strawberry.type(description="A line across.")
class DividerBlock(Block):
    is_type_of = _is(body.DividerBlock)


@strawberry.type(
    description=(
        "A link to another story, on its own. article is null, and html empty, while its target is not readable."
    )
)
class ArticleLinkBlock(Block):
    is_type_of = _is(body.ArticleLinkBlock)

    @strawberry.field(description="The story, where this viewer may read it.")
    async def article(
        root: strawberry.Parent[body.ArticleLinkBlock], info: Info
    ) -> Annotated[Article, strawberry.lazy("schema.articles")] | None:
        return next(iter(await info.context.listed([root.article])), None)


BLOCKS = [
    ParagraphBlock,
    HeadingBlock,
    ListBlock,
    QuoteBlock,
    ImageBlock,
    EmbedBlock,
    CodeBlock,
    TableBlock,
    DividerBlock,
    ArticleLinkBlock,
]


@strawberry.type(description="What a body's json and portableText refer to by id, as far as this viewer may see it.")
class BodyReferences:
    @strawberry.field(description="Files of the library.")
    async def media(root: strawberry.Parent[Reading]) -> list[Media]:
        return await root.media()  # type: ignore[return-value]

    @strawberry.field(description="Other stories.")
    async def articles(
        root: strawberry.Parent[Reading],
    ) -> list[Annotated[Article, strawberry.lazy("schema.articles")]]:
        return await root.articles()


@strawberry.type(description="One document, several views of it.")
class Body:
    @strawberry.field(description="The ProseMirror document, as the desk edits it.")
    def json(root: strawberry.Parent[Reading]) -> JSON:
        return root.content.body  # type: ignore[return-value]

    @strawberry.field(description="The same, typed, at top level. Unknown kinds can always be shown by their html.")
    async def blocks(root: strawberry.Parent[Reading]) -> list[Block]:
        return body.blocks(root.content.body, await root.links())  # type: ignore[return-value]

    @strawberry.field(description="Clean semantic HTML, safe to print as it is.")
    async def html(root: strawberry.Parent[Reading]) -> str:
        return body.html(root.content.body, await root.links()) if root.refers else root.content.html

    @strawberry.field(description="The same in Markdown.")
    async def markdown(root: strawberry.Parent[Reading]) -> str:
        return body.markdown(root.content.body, await root.links())

    @strawberry.field(description="The same as plain text.")
    def text(root: strawberry.Parent[Reading]) -> str:
        return root.content.text

    @strawberry.field(description="The same as Portable Text (an array of blocks).")
    def portable_text(root: strawberry.Parent[Reading]) -> JSON:
        return body.portable_text(root.content.body)  # type: ignore[return-value]

    @strawberry.field(description="What json and portableText refer to by id.")
    def references(root: strawberry.Parent[Reading]) -> BodyReferences:
        return root  # type: ignore[return-value]

    @strawberry.field(description="How many words it has.")
    def word_count(root: strawberry.Parent[Reading]) -> int:
        return root.content.word_count

    @strawberry.field(description="How long it takes to read, in whole minutes.")
    def reading_minutes(root: strawberry.Parent[Reading]) -> int:
        return body.reading_minutes(root.content.body)

    @strawberry.field(description="Its beginning, cut between words, never inside a character, an entity or a link.")
    def excerpt(
        root: strawberry.Parent[Reading],
        length: Annotated[int, described("At most so many characters; 1 to 1000.")] = 160,
    ) -> str:
        if not 1 <= length <= MAX_EXCERPT:
            raise Invalid.field("length", "range", f"length must be from 1 to {MAX_EXCERPT}.")
        return body.excerpt(root.content.text, length)


@strawberry.input(one_of=True, description="A body, in one of these.")
class BodyInput:
    html: str | None = strawberry.field(
        default=strawberry.UNSET, description="HTML; cleaned, foreign pictures become links."
    )
    markdown: str | None = strawberry.field(default=strawberry.UNSET, description="Markdown (CommonMark, with tables).")
    json: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="A ProseMirror document, as json gives it."
    )
