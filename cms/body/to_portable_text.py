"""A body as Portable Text (the JSON format that Sanity specified), for the renderers that exist for it.

What the format has no type for is a block of its own: image, embed, code, table, divider, articleLink. Ids of media
and stories stand in references, {"_type": "reference", "_ref"}. A list item's further paragraphs join its first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cms.body import inline
from cms.body.plain import block_text
from cms.body.schema import Document, Node

Block = dict[str, Any]

_MARKS = {
    "bold": "strong",
    "italic": "em",
    "strike": "strike-through",
    "underline": "underline",
    "superscript": "sup",
    "subscript": "sub",
    "code": "code",
}


def portable_text(document: Document) -> list[Block]:
    """The blocks, each with a _key that is unique in the document."""
    blocks: list[Block] = []
    for i, node in enumerate(inline.shown(document)):
        id = node["attrs"].get("id", str(i))
        for nth, block in enumerate(_blocks(node)):
            # A list or a quote becomes several; the first keeps the id.
            blocks.append({"_type": block.pop("_type"), "_key": f"{id}-{nth}" if nth else id, **block})
    return blocks


def _blocks(node: Node, style: str = "normal") -> Iterator[Block]:
    kind, attrs = node["type"], node.get("attrs", {})
    if kind == "paragraph":
        yield _text_block(node.get("content", []), style)
    elif kind == "heading":
        yield _text_block(node.get("content", []), f"h{attrs['level']}")
    elif kind in ("bulletList", "orderedList"):
        yield from _list(node, style, 1)
    elif kind == "blockquote":
        yield from _quote(node)
    else:
        yield _MAKE[kind](node, attrs)


def _quote(node: Node) -> Iterator[Block]:
    *before, last = [block for child in inline.shown(node) for block in _blocks(child, "blockquote")]
    cite = node.get("attrs", {}).get("cite")
    yield from before
    yield last | ({"cite": cite} if cite else {})


def _list(node: Node, style: str, level: int) -> Iterator[Block]:
    item = {"listItem": "number" if node["type"] == "orderedList" else "bullet", "level": level}
    for child in inline.shown(node):
        paragraphs = [block for block in child["content"] if block["type"] == "paragraph"]
        yield _text_block(_lines(paragraphs), style) | item
        for block in child["content"]:
            if block["type"] in ("bulletList", "orderedList"):
                yield from _list(block, style, level + 1)
            elif block["type"] != "paragraph":
                yield from _blocks(block, style)


def _lines(paragraphs: list[Node]) -> list[Node]:
    nodes: list[Node] = []
    for one in paragraphs:
        nodes += [{"type": "hardBreak"}] if nodes and one.get("content") else []
        nodes += one.get("content", [])
    return nodes


def _text_block(nodes: list[Node], style: str) -> Block:
    definitions: list[Block] = []
    spans: list[Block] = []
    for node in nodes:
        text = "\n" if node["type"] == "hardBreak" else node["text"]
        marks = [_mark(mark, definitions) for mark in node.get("marks", ())]
        if spans and spans[-1]["marks"] == marks:
            spans[-1]["text"] += text
        else:
            spans.append({"_type": "span", "_key": f"s{len(spans)}", "text": text, "marks": marks})
    spans = spans or [{"_type": "span", "_key": "s0", "text": "", "marks": []}]
    return {"_type": "block", "style": style, "markDefs": definitions, "children": spans}


def _mark(mark: Node, definitions: list[Block]) -> str:
    """A decorator's name, or the key of the link's definition in this block."""
    if mark["type"] != "link":
        return _MARKS[mark["type"]]
    attrs = mark["attrs"]
    link: Block = (
        {"_type": "internalLink", "article": _reference(attrs["articleId"])}
        if "articleId" in attrs
        else {
            "_type": "link",
            "href": attrs["href"],
        }
    )
    link |= {"title": attrs["title"]} if "title" in attrs else {}
    for known in definitions:
        if known == {"_key": known["_key"], **link}:
            return str(known["_key"])
    definitions.append({"_key": f"m{len(definitions)}", **link})
    return f"m{len(definitions) - 1}"


def _reference(id: str) -> Block:
    return {"_type": "reference", "_ref": id}


def _image(node: Node, attrs: dict[str, Any]) -> Block:
    return {
        "_type": "image",
        "asset": _reference(attrs["mediaId"]),
        "alt": attrs.get("altText"),
        "isDecorative": attrs.get("isDecorative", False),
        "caption": attrs.get("caption"),
        "credit": attrs.get("credit"),
        "focalPoint": attrs.get("focalPoint"),
    }


def _table(node: Node, attrs: dict[str, Any]) -> Block:
    rows = [
        {
            "_type": "tableRow",
            "_key": f"r{i}",
            "isHeader": bool(row.get("content")) and all(c["type"] == "tableHeader" for c in row["content"]),
            "cells": [block_text(cell) for cell in row.get("content", ())],
        }
        for i, row in enumerate(node["content"])
    ]
    return {"_type": "table", "rows": rows}


_MAKE: dict[str, Callable[[Node, dict[str, Any]], Block]] = {
    "image": _image,
    "table": _table,
    "embed": lambda node, attrs: {
        "_type": "embed",
        "provider": attrs["provider"],
        "url": attrs["url"],
        "title": attrs.get("title"),
    },
    "codeBlock": lambda node, attrs: {
        "_type": "code",
        "code": inline.plain(node),
        "language": attrs.get("language"),
    },
    "horizontalRule": lambda node, attrs: {"_type": "divider"},
    "articleLink": lambda node, attrs: {"_type": "articleLink", "article": _reference(attrs["articleId"])},
}
