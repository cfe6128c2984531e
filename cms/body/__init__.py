"""The body of a story: a ProseMirror document, checked as it comes in, and its views.

`parse` makes a Document of HTML, Markdown or JSON and refuses what is none; everything else here reads a Document that
`parse` made. Views that print references take Links; without any reference they are the same for every reader.
"""

from __future__ import annotations

from cms.body import check, from_html, from_markdown
from cms.body.compare import diff
from cms.body.links import ArticleTarget, Links, MediaTarget, References, references
from cms.body.markup import html
from cms.body.parts import addresses, images, of_line, without_media
from cms.body.plain import excerpt, reading_minutes, text, word_count
from cms.body.schema import Document, Unfit, clean_text, paragraph
from cms.body.to_markdown import markdown
from cms.body.to_portable_text import portable_text
from cms.body.typed import (
    ArticleLinkBlock,
    Block,
    CodeBlock,
    DividerBlock,
    EmbedBlock,
    HeadingBlock,
    ImageBlock,
    ListBlock,
    ListItem,
    ParagraphBlock,
    QuoteBlock,
    TableBlock,
    blocks,
)
from cms.errors import Invalid

__all__ = [
    "ArticleLinkBlock",
    "ArticleTarget",
    "Block",
    "CodeBlock",
    "DividerBlock",
    "Document",
    "EmbedBlock",
    "HeadingBlock",
    "ImageBlock",
    "Links",
    "ListBlock",
    "ListItem",
    "MediaTarget",
    "ParagraphBlock",
    "QuoteBlock",
    "References",
    "TableBlock",
    "addresses",
    "blocks",
    "diff",
    "empty",
    "excerpt",
    "html",
    "images",
    "markdown",
    "of_line",
    "parse",
    "portable_text",
    "reading_minutes",
    "references",
    "text",
    "without_media",
    "word_count",
]


def empty() -> Document:
    """The document of a story without text: one empty paragraph. Its html, markdown and text are ""."""
    return check.checked({"type": "doc", "content": [paragraph()]})


def parse(
    *,
    html: str | None = None,
    markdown: str | None = None,
    json: object | None = None,
    field: tuple[str, ...] = ("body",),
) -> Document:
    """The document of the one source that is given, checked and normalised; Invalid at `field` and the source's name.

    HTML and Markdown are taken as they come: what has no place in a body becomes text or a link. JSON is a desk's or a
    program's own, and is refused where it is not of the schema; attributes that nobody knows are left out.
    """
    given = {"html": html, "markdown": markdown, "json": json}
    sources = [name for name, value in given.items() if value is not None]
    if len(sources) != 1:
        raise Invalid.field(field, "one_of", "Give the body as one of html, markdown or json.")
    path = (*field, sources[0])
    try:
        return _document(sources[0], given[sources[0]])
    except Unfit as error:
        raise Invalid.field(path, "invalid", str(error)) from None
    except RecursionError:
        raise Invalid.field(path, "invalid", "The body is nested too deeply.") from None


def _document(source: str, value: object) -> Document:
    if source == "json":
        return check.checked(value)
    try:
        text = clean_text(value)
        found = from_html.blocks(text) if source == "html" else from_markdown.blocks(text)
    except Unfit as error:
        raise Unfit(f"The {source} {error}.") from None
    return check.checked({"type": "doc", "content": found})
