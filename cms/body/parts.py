"""Documents made of other things than a source: of one line of text, and of another document."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from cms.body import check
from cms.body.links import key
from cms.body.schema import Document, Node, paragraph, text_node

# What may not be empty.
_NEEDS_A_BLOCK = frozenset({"doc", "blockquote", "tableCell", "tableHeader"})


def of_line(line: str) -> Document:
    """A document of one paragraph, which is the same block in every version, so that diff compares its words."""
    return {"type": "doc", "content": [paragraph(*([text_node(line)] if line else ())) | {"attrs": {"id": "line"}}]}


def images(document: Document) -> Iterator[dict[str, Any]]:
    """The attributes of each picture, in order."""
    for child in document.get("content", ()):
        if child["type"] == "image":
            yield child["attrs"]
        yield from images(child)


def addresses(document: Document) -> Iterator[str]:
    """What was typed as the address of each link, in order."""
    for child in document.get("content", ()):
        yield from (mark["attrs"]["href"] for mark in child.get("marks", ()) if mark.get("attrs", {}).get("href"))
        yield from addresses(child)


def without_media(document: Document, gone: Collection[UUID]) -> Document:
    """The document without the pictures of these keys."""
    return check.checked(_without(document, gone))


def _without(node: Node, gone: Collection[UUID]) -> Node:
    if "content" not in node:
        return node
    kept = [_without(child, gone) for child in node["content"] if not _shows(child, gone)]
    if not kept and node["type"] in _NEEDS_A_BLOCK:
        kept = [paragraph()]
    return node | {"content": kept}


def _shows(node: Node, gone: Collection[UUID]) -> bool:
    return node["type"] == "image" and key("Media", node["attrs"]["mediaId"]) in gone
