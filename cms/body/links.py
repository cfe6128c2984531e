"""What a body refers to, and what a view needs to know of it: addresses are looked up when a body is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cms import ids
from cms.body.schema import Document, Node


@dataclass(frozen=True)
class References:
    """The keys that a body holds, each once, in the order of their first appearance."""

    media: tuple[UUID, ...]
    articles: tuple[UUID, ...]


@dataclass(frozen=True)
class ArticleTarget:
    """A story that the reader may read: its path on the site, and its headline."""

    path: str
    headline: str


@dataclass(frozen=True)
class MediaTarget:
    """A file of the library; alt_text, caption and credit are its own, for uses that do not say otherwise."""

    url: str
    alt_text: str | None = None
    caption: str | None = None
    credit: str | None = None
    width: int | None = None
    height: int | None = None
    srcset: str | None = None


@dataclass(frozen=True)
class Links:
    """What of a body's references this reader may see. What is not in it is shown as if it were not there."""

    articles: Mapping[UUID, ArticleTarget] = field(default_factory=dict)
    media: Mapping[UUID, MediaTarget] = field(default_factory=dict)

    def article(self, id: str | None) -> ArticleTarget | None:
        return self.articles.get(key("Article", id)) if id else None

    def medium(self, id: str) -> MediaTarget | None:
        return self.media.get(key("Media", id))


NOTHING = Links()


def key(kind: str, id: str) -> UUID:
    """The key behind an id of a checked body."""
    found = ids.decode_as(kind, id)
    if found is None:
        raise ValueError(f"not the id of one {kind}: the body has not been checked")
    return found


def references(document: Document) -> References:
    """What the body refers to, for a save to record and a read to fetch."""
    media: dict[UUID, None] = {}
    articles: dict[UUID, None] = {}
    for node in _walk(document):
        attrs = node.get("attrs", {})
        if id := attrs.get("mediaId"):
            media[key("Media", id)] = None
        if id := attrs.get("articleId"):
            articles[key("Article", id)] = None
    return References(tuple(media), tuple(articles))


def _walk(node: Node) -> Iterator[Node]:
    """Every node and mark, in the order of reading."""
    yield node
    yield from node.get("marks", ())
    for child in node.get("content", ()):
        yield from _walk(child)
