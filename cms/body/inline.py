"""What views have in common: inline nodes nested by their marks and as plain text, and what there is to see at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from cms.body.schema import Node


def nested(nodes: Iterable[Node], leaf: Callable[[Node], str], wrap: Callable[[Node, str], str], depth: int = 0) -> str:
    """Prints the nodes; neighbours that share their outer marks are wrapped together, so that no tag is closed to be
    opened again. The marks stand in the order of the schema, which is the order of nesting."""

    def outer(node: Node) -> Any:
        marks = node.get("marks", ())
        return marks[depth] if depth < len(marks) else None

    return "".join(
        "".join(map(leaf, group)) if mark is None else wrap(mark, nested(group, leaf, wrap, depth + 1))
        for mark, group in groupby(nodes, outer)
    )


_TEXTS = frozenset({"paragraph", "heading", "codeBlock"})
_HOLDERS = frozenset({"bulletList", "orderedList", "listItem", "blockquote"})


def is_blank(node: Node) -> bool:
    """Whether there is nothing to see in it: it is room to type, and every view leaves it out."""
    if node["type"] in _TEXTS:
        return not plain(node).strip()
    return node["type"] in _HOLDERS and all(map(is_blank, node["content"]))


def shown(node: Node) -> list[Node]:
    """What is in it, without what is blank."""
    return [child for child in node.get("content", ()) if not is_blank(child)]


def plain(node: Node) -> str:
    """The text of a block of inline nodes; a hard break is a line end."""
    return "".join("\n" if child["type"] == "hardBreak" else child["text"] for child in node.get("content", ()))
