"""Bodies in plans: the views that stand in the row as they are, and those that are made when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from cms import body, media
from cms.media.addresses import has_ended
from schema.body import MAX_EXCERPT, said
from schema.plan.entities import MEDIA
from schema.plan.pictures import Uses
from schema.plan.reading import Reading
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, attributes, field
from schema.plan.stories import ID, Stories, path

View = Callable[[Any, Reading], Any]


@field("Article", "body")
def _body(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return c.object("Body", asked.sets, scope)


class _Links:
    """What a body refers to, looked up: as the resolvers' Reading has it."""

    def __init__(self, scope: Stories) -> None:
        self._media, self._articles = scope.column("body_media_ids"), scope.column("body_article_ids")
        self._targets = Stories.bare()
        self._path, self._headline = path(self._targets), self._targets.column("headline")

    def refers(self, row: Any) -> bool:
        return bool(row[self._media] or row[self._articles])

    def get(self, row: Any, reading: Reading) -> body.Links | None:
        """None while something is missing."""
        files = [reading.entity(MEDIA, id) for id in row[self._media]]
        stories = [reading.get(self._targets, id) for id in row[self._articles]]
        articles = {
            story[ID]: body.ArticleTarget(self._path(story, reading) or "", story[self._headline])
            for story in stories
            if story is not None
        }
        if reading.waits_for():
            return None
        reading.shown["article"].update(articles)
        return body.Links(articles=articles, media=_targets_of(files, reading))


def _targets_of(files: list[Any], reading: Reading) -> dict[Any, body.MediaTarget]:
    found = {}
    for row in files:
        if row is not None and not has_ended(row):
            reading.show(row)
            url = media.url(row)
            if url is not None:
                found[row.id] = body.MediaTarget(url, row.alt_text, row.caption, row.credit, row.width, row.height)
    return found


def _document(row: Any, place: int, reading: Reading) -> Any:
    key = ("document", row[ID])
    if key not in reading.memory:
        reading.memory[key] = orjson.loads(row[place])
    return reading.memory[key]


@field("Body", "json", "portableText", "readingMinutes")
def _of_document(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    view: Callable[[Any], Any] = {
        "json": lambda document: document,
        "portableText": body.portable_text,
        "readingMinutes": body.reading_minutes,
    }[asked.name]
    place = scope.column("body")
    return lambda row, reading: view(_document(row, place, reading))


@field("Body", "html")
def _html(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    links, html, document = _Links(scope), scope.column("html"), scope.column("linked_body")

    def get(row: Any, reading: Reading) -> str | None:
        if not links.refers(row):
            return row[html]  # type: ignore[no-any-return]
        found = links.get(row, reading)
        return None if found is None else body.html(_document(row, document, reading), found)

    return get


@field("Body", "markdown")
def _markdown(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    links, document = _Links(scope), scope.column("body")

    def get(row: Any, reading: Reading) -> str | None:
        found = links.get(row, reading)
        return None if found is None else body.markdown(_document(row, document, reading), found)

    return get


@field("Body", "text", "wordCount")
def _stored(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place = scope.column({"text": "text", "wordCount": "word_count"}[asked.name])
    return lambda row, reading: row[place]


@field("Body", "excerpt")
def _excerpt(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, arguments = scope.column("text"), c.arguments(asked)

    def get(row: Any, reading: Reading) -> str:
        length = arguments(reading).get("length", 160)
        if not 1 <= length <= MAX_EXCERPT:
            raise Unplanned("length")
        return body.excerpt(row[place], length)

    return get


# ---------------------------------------------------------------- blocks


@field("Body", "blocks")
def _blocks(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    links, document, build = _Links(scope), scope.column("body"), _block(c, asked)

    def get(row: Any, reading: Reading) -> list[Any] | None:
        found = links.get(row, reading)
        if found is None:
            return None
        return [build(each, reading) for each in body.blocks(_document(row, document, reading), found)]

    return get


def _block(c: Compiler, asked: Asked) -> Getter:
    """The getter of a block of any kind: each kind is compiled when the first of it comes along."""
    kinds: dict[type, Getter] = {}

    def get(block: body.Block, reading: Reading) -> Any:
        kind = type(block)
        if kind not in kinds:
            kinds[kind] = c.object(kind.__name__, asked.sets)
        return kinds[kind](block, reading)

    return get


for _kind in ("Paragraph", "Heading", "List", "Quote", "Image", "Embed", "Code", "Table", "Divider", "ArticleLink"):
    attributes(f"{_kind}Block", "key", "html")
attributes("ParagraphBlock", "text")
attributes("HeadingBlock", "text", "level", "anchor")
attributes("ListBlock", "ordered")
attributes("ListItem", "html", "text")
attributes("QuoteBlock", "text", "cite")
attributes("EmbedBlock", "provider", "url", "title")
attributes("CodeBlock", "code", "language")
attributes("TableBlock", "rows")


@field("ListBlock", "items")
def _items(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("ListItem", asked.sets)
    return lambda block, reading: [inner(each, reading) for each in block.items]


@field("ListItem", "children")
def _children(c: Compiler, asked: Asked, scope: Any) -> Getter:
    build = _block(c, asked)
    return lambda item, reading: [build(each, reading) for each in item.children]


@field("ImageBlock", "image")
def _image(c: Compiler, asked: Asked, scope: Any) -> Getter:
    uses = Uses(c, asked.sets)
    return lambda block, reading: uses.get(reading.entity(MEDIA, block.media), said(block), reading)


@field("ArticleLinkBlock", "article")
def _linked(c: Compiler, asked: Asked, scope: Any) -> Getter:
    stories = Stories(c, asked.sets)

    def get(block: Any, reading: Reading) -> Any:
        row = reading.get(stories, block.article)
        return None if row is None else stories.build(row, reading)

    return get


# ---------------------------------------------------------------- references


@field("Body", "references")
def _references(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    return c.object("BodyReferences", asked.sets, scope)


@field("BodyReferences", "media")
def _referred_media(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, inner = scope.column("body_media_ids"), c.object("Media", asked.sets)

    def get(row: Any, reading: Reading) -> list[Any]:
        files = [reading.entity(MEDIA, id) for id in row[place]]
        shown = [each for each in files if each is not None and not has_ended(each)]
        for each in shown:
            reading.show(each)
        return [inner(each, reading) for each in shown]

    return get


@field("BodyReferences", "articles")
def _referred_articles(c: Compiler, asked: Asked, scope: Stories) -> Getter:
    place, stories = scope.column("body_article_ids"), Stories(c, asked.sets)

    def get(row: Any, reading: Reading) -> list[Any]:
        rows = [reading.get(stories, id) for id in row[place]]
        return [stories.build(each, reading) for each in rows if each is not None]

    return get
