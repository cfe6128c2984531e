"""A body as typed blocks, named as the API names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cms.body import inline
from cms.body.links import NOTHING, Links, key
from cms.body.markup import Printer
from cms.body.plain import block_text
from cms.body.schema import Document, Node


@dataclass(frozen=True)
class Block:
    """key is stable from save to save for a block at the top; html prints it whatever it is."""

    key: str
    html: str


@dataclass(frozen=True)
class ParagraphBlock(Block):
    text: str


@dataclass(frozen=True)
class HeadingBlock(Block):
    text: str
    level: int
    anchor: str


@dataclass(frozen=True)
class ListItem:
    """html and text are of the item's first paragraph, without the element around it; children is what follows it."""

    html: str
    text: str
    children: list[Block]


@dataclass(frozen=True)
class ListBlock(Block):
    ordered: bool
    items: list[ListItem]


@dataclass(frozen=True)
class QuoteBlock(Block):
    text: str
    cite: str | None


@dataclass(frozen=True)
class ImageBlock(Block):
    """One use of a file of the library; what is None is as the file has it."""

    media: UUID
    alt_text: str | None
    is_decorative: bool
    caption: str | None
    credit: str | None
    focal_point: tuple[float, float] | None


@dataclass(frozen=True)
class EmbedBlock(Block):
    provider: str
    url: str
    title: str | None


@dataclass(frozen=True)
class CodeBlock(Block):
    code: str
    language: str | None


@dataclass(frozen=True)
class TableBlock(Block):
    """The plain text of each cell, row by row."""

    rows: list[list[str]]


@dataclass(frozen=True)
class DividerBlock(Block):
    pass


@dataclass(frozen=True)
class ArticleLinkBlock(Block):
    article: UUID


def blocks(document: Document, links: Links = NOTHING) -> list[Block]:
    """The top level of the document, typed; what is blank is left out, as in its html."""
    return _Typing(Printer(document, links)).all(document["content"], "")


class _Typing:
    def __init__(self, printer: Printer) -> None:
        self.printer = printer

    def all(self, nodes: list[Node], parent: str) -> list[Block]:
        return [self._block(node, f"{parent}.{i}") for i, node in enumerate(nodes) if not inline.is_blank(node)]

    def _block(self, node: Node, place: str) -> Block:
        key = node.get("attrs", {}).get("id", place)
        return self._MAKE[node["type"]](self, node, node.get("attrs", {}), (key, self.printer.block(node)))

    def _heading(self, node: Node, attrs: dict[str, Any], base: tuple[str, str]) -> Block:
        return HeadingBlock(*base, inline.plain(node), attrs["level"], self.printer.anchors[id(node)])

    def _list(self, node: Node, attrs: dict[str, Any], base: tuple[str, str]) -> Block:
        items = [self._item(item, f"{base[0]}.{i}") for i, item in enumerate(inline.shown(node))]
        return ListBlock(*base, node["type"] == "orderedList", items)

    def _item(self, node: Node, place: str) -> ListItem:
        lead, *rest = node["content"]
        return ListItem(self.printer.inline(lead), inline.plain(lead), self.all(rest, place))

    def _image(self, node: Node, attrs: dict[str, Any], base: tuple[str, str]) -> Block:
        point = attrs.get("focalPoint")
        return ImageBlock(
            *base,
            media=key("Media", attrs["mediaId"]),
            alt_text=attrs.get("altText"),
            is_decorative=attrs.get("isDecorative", False),
            caption=attrs.get("caption"),
            credit=attrs.get("credit"),
            focal_point=(point["x"], point["y"]) if point else None,
        )

    def _table(self, node: Node, attrs: dict[str, Any], base: tuple[str, str]) -> Block:
        return TableBlock(*base, [[block_text(cell) for cell in row.get("content", ())] for row in node["content"]])

    _MAKE: dict[str, Callable[[_Typing, Node, dict[str, Any], tuple[str, str]], Block]] = {
        "paragraph": lambda self, node, attrs, base: ParagraphBlock(*base, inline.plain(node)),
        "heading": _heading,
        "bulletList": _list,
        "orderedList": _list,
        "blockquote": lambda self, node, attrs, base: QuoteBlock(*base, block_text(node), attrs.get("cite")),
        "codeBlock": lambda self, node, attrs, base: CodeBlock(*base, inline.plain(node), attrs.get("language")),
        "horizontalRule": lambda self, node, attrs, base: DividerBlock(*base),
        "table": _table,
        "image": _image,
        "embed": lambda self, node, attrs, base: EmbedBlock(*base, attrs["provider"], attrs["url"], attrs.get("title")),
        "articleLink": lambda self, node, attrs, base: ArticleLinkBlock(*base, key("Article", attrs["articleId"])),
    }
