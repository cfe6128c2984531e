"""The schema of a body: its nodes and marks by TipTap's names, what each may hold, and what its attributes may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prosemirror.model import Schema

from cms import ids
from cms.body import addresses

# A node as JSON: {"type", "attrs"?, "content"?} or {"type": "text", "text", "marks"?}. A document's type is "doc".
Node = dict[str, Any]
Document = dict[str, Any]

MAX_DEPTH = 20
MAX_NODES = 50_000
MAX_CHARACTERS = 1_000_000

# Marks in the order of their nesting, the outermost first. A desk must keep this order too.
MARKS = ("link", "bold", "italic", "strike", "underline", "superscript", "subscript", "code")

# What no text may hold: controls but tab and line end, and what Unicode says is no character.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Unfit(ValueError):
    """A value that a body cannot hold; the message says what it would take, as the end of a sentence."""


@dataclass(frozen=True)
class Attribute:
    """What check makes of a given value, or raises Unfit. One without a default must be given."""

    check: Callable[[object], object]
    default: object = None
    required: bool = False


def clean_text(text: object) -> str:
    """Text without control characters; line ends are line feeds."""
    if not isinstance(text, str):
        raise Unfit("must be text")
    if _SURROGATES.search(text):
        raise Unfit("holds half of a surrogate pair: send it as UTF-8")
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _short_text(text: object) -> str:
    text = clean_text(text)
    if len(text) > 5_000:
        raise Unfit("has more than 5,000 characters")
    return text


def _whole(lowest: int, highest: int) -> Callable[[object], object]:
    def check(value: object) -> object:
        # JSON knows one kind of number: 2.0 is 2.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise Unfit(f"must be a whole number from {lowest} to {highest}")
        if not lowest <= value <= highest:
            raise Unfit(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return check


def _yes_or_no(value: object) -> object:
    if not isinstance(value, bool):
        raise Unfit("must be true or false")
    return value


def _id(kind: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, str) or ids.decode_as(kind, value) is None:
            raise Unfit(f"must be the id of one {kind.lower()}")
        return value

    return check


def _address(value: object) -> object:
    address = addresses.safe(clean_text(value))
    if address is None:
        raise Unfit("must be an http, https, mailto or tel address, or a path of this site")
    return address


def _web_address(value: object) -> object:
    address = addresses.safe(clean_text(value))
    if address is None or not addresses.is_web(address):
        raise Unfit("must be a complete http or https address")
    return address


def _language(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9+#._-]{1,40}", value):
        raise Unfit("must be a short name, such as python")
    return value


def _point(value: object) -> object:
    """{"x", "y"}, 0..1 from the left and from the top."""
    if not isinstance(value, dict):
        raise Unfit('must be {"x", "y"}, each from 0 to 1')
    x, y = value.get("x"), value.get("y")
    for n in (x, y):
        if isinstance(n, bool) or not isinstance(n, int | float) or not math.isfinite(n) or not 0 <= n <= 1:
            raise Unfit('must be {"x", "y"}, each from 0 to 1')
    return {"x": x, "y": y}


@dataclass(frozen=True)
class Kind:
    """One kind of node. content is a ProseMirror content expression; a block's id is not among its attrs."""

    content: str = ""
    group: str = "block"
    marks: str | None = None
    attrs: dict[str, Attribute] = field(default_factory=dict)


_LINE = Attribute(_short_text)
_SPANS = {"colspan": Attribute(_whole(1, 1_000), 1), "rowspan": Attribute(_whole(1, 1_000), 1)}

NODES = {
    "doc": Kind("block+", ""),
    "paragraph": Kind("inline*"),
    "heading": Kind("inline*", attrs={"level": Attribute(_whole(1, 6), required=True)}),
    "bulletList": Kind("listItem+"),
    "orderedList": Kind("listItem+", attrs={"start": Attribute(_whole(0, 1_000_000), 1)}),
    "listItem": Kind("paragraph block*", ""),
    # cite is who said it, or the address of where.
    "blockquote": Kind("block+", attrs={"cite": _LINE}),
    "codeBlock": Kind("text*", marks="", attrs={"language": Attribute(_language)}),
    "horizontalRule": Kind(),
    "table": Kind("tableRow+"),
    "tableRow": Kind("(tableCell | tableHeader)*", ""),
    "tableCell": Kind("block+", "", attrs=_SPANS),
    "tableHeader": Kind("block+", "", attrs=_SPANS),
    "image": Kind(
        attrs={
            "mediaId": Attribute(_id("Media"), required=True),
            "altText": _LINE,
            "isDecorative": Attribute(_yes_or_no, False),
            "caption": _LINE,
            "credit": _LINE,
            "focalPoint": Attribute(_point),
        }
    ),
    "embed": Kind(attrs={"provider": _LINE, "url": Attribute(_web_address, required=True), "title": _LINE}),
    "articleLink": Kind(attrs={"articleId": Attribute(_id("Article"), required=True)}),
    "hardBreak": Kind(group="inline"),
    "text": Kind(group="inline"),
}

MARK_ATTRS: dict[str, dict[str, Attribute]] = {name: {} for name in MARKS}
# Either href, or articleId: an internal link has no address until it is read.
MARK_ATTRS["link"] = {"href": Attribute(_address), "title": _LINE, "articleId": Attribute(_id("Article"))}


def _spec(kind: Kind) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        name: {} if attribute.required else {"default": attribute.default} for name, attribute in kind.attrs.items()
    }
    if kind.group == "block":
        attrs["id"] = {"default": None}
    spec: dict[str, Any] = {"content": kind.content, "group": kind.group, "inline": kind.group == "inline"}
    return spec | {"attrs": attrs} | ({} if kind.marks is None else {"marks": kind.marks})


# The same, for ProseMirror: `content`, `group`, `attrs` and the order of the marks are what a desk has to match.
SPEC: dict[str, Any] = {
    "nodes": {name: _spec(kind) if name != "text" else {"group": "inline"} for name, kind in NODES.items()},
    "marks": {
        name: {"attrs": {attr: {"default": None} for attr in attrs}} if attrs else {}
        for name, attrs in MARK_ATTRS.items()
    },
}
PROSEMIRROR: Schema[str, str] = Schema(SPEC)  # type: ignore[arg-type]


def text_node(text: str, marks: list[Node] | None = None) -> Node:
    return {"type": "text", "text": text, "marks": marks} if marks else {"type": "text", "text": text}


def paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)} if content else {"type": "paragraph"}
