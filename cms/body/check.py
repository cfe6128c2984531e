"""The check of a body's JSON: whatever comes in, either a document of the schema goes out or Unfit says why not."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from cms.body import addresses
from cms.body.schema import (
    MARK_ATTRS,
    MARKS,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_NODES,
    NODES,
    PROSEMIRROR,
    Attribute,
    Document,
    Node,
    Unfit,
    clean_text,
    paragraph,
    text_node,
)

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def checked(value: object) -> Document:
    """The document, of known attributes only, with an id on each top-level block."""
    if not isinstance(value, dict) or value.get("type") != "doc":
        raise Unfit('The body must be an object with "type": "doc".')
    document = _Walk().node(value, "", 1)
    document.setdefault("content", [paragraph()])
    _check_structure(document)
    _identify(document["content"])
    return document


class _Walk:
    """One pass over a document, which counts what it meets. ProseMirror's own check trusts the types it is given."""

    def __init__(self) -> None:
        self.nodes = 0
        self.characters = 0

    def node(self, value: object, where: str, depth: int) -> Node:
        if not isinstance(value, dict) or not isinstance(kind := value.get("type"), str):
            raise Unfit(f'{_at(where)}: each node must be an object with a "type".')
        self._enter(kind, where, depth)
        if kind == "text":
            return self._text(value, where)
        node: Node = {"type": kind}
        if attrs := self._attrs(NODES[kind].attrs, value, where, kind, depth):
            node["attrs"] = attrs
        if content := self._content(value, where, depth):
            node["content"] = content
        return node

    def _enter(self, kind: str, where: str, depth: int) -> None:
        if kind not in NODES or (kind == "doc" and depth > 1):
            raise Unfit(f"{_at(where)}: there is no node {kind[:40]!r} here; the nodes are {', '.join(NODES)}.")
        if depth > MAX_DEPTH:
            raise Unfit(f"The body is nested more than {MAX_DEPTH} levels deep.")
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise Unfit(f"The body has more than {MAX_NODES:,} nodes.")

    def _text(self, value: Mapping[str, Any], where: str) -> Node:
        try:
            text = clean_text(value.get("text"))
        except Unfit as error:
            raise Unfit(f"{_at(where)}: the text {error}.") from None
        self._count(text)
        return text_node(text, self._marks(value.get("marks"), where))

    def _count(self, text: object) -> None:
        self.characters += len(text) if isinstance(text, str) else 0
        if self.characters > MAX_CHARACTERS:
            raise Unfit(f"The body has more than {MAX_CHARACTERS:,} characters.")

    def _content(self, value: Mapping[str, Any], where: str, depth: int) -> list[Node]:
        given = value.get("content")
        if given is None:
            return []
        if not isinstance(given, list):
            raise Unfit(f'{_at(where)}: "content" must be a list.')
        nodes = [self.node(child, f"{where}.{i}" if where else str(i), depth + 1) for i, child in enumerate(given)]
        return _joined(nodes)

    def _marks(self, given: object, where: str) -> list[Node]:
        if given is None:
            return []
        if not isinstance(given, list) or len(given) > 50:
            raise Unfit(f'{_at(where)}: "marks" must be a short list.')
        found: dict[str, Node] = {}
        for mark in given:
            kind = mark.get("type") if isinstance(mark, dict) else None
            if not isinstance(kind, str) or kind not in MARK_ATTRS:
                raise Unfit(f"{_at(where)}: there is no mark {str(kind)[:40]!r}; the marks are {', '.join(MARKS)}.")
            attrs = self._attrs(MARK_ATTRS[kind], mark, where, kind, 0)
            found.setdefault(kind, {"type": kind, "attrs": attrs} if attrs else {"type": kind})
        return [found[kind] for kind in MARKS if kind in found]

    def _attrs(
        self, known: Mapping[str, Attribute], value: Mapping[str, Any], where: str, kind: str, depth: int
    ) -> dict[str, Any]:
        given = value.get("attrs")
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise Unfit(f'{_at(where)}: "attrs" must be an object.')
        attrs: dict[str, Any] = {}
        # Only a block at the top keeps its id: it is what diffs, comments and renderers hold on to.
        if depth == 2 and isinstance(given.get("id"), str) and _ID.fullmatch(given["id"]):
            attrs["id"] = given["id"]
        for name, attribute in known.items():
            checked = _checked_attr(attribute, given.get(name), f"{_at(where)}: the {name} of {kind}")
            self._count(checked)
            if checked != attribute.default or attribute.required:
                attrs[name] = checked
        return _RULES[kind](attrs, where) if kind in _RULES else attrs


def _at(where: str) -> str:
    return f"At content.{where.replace('.', '.content.')}" if where else "In the document"


def _checked_attr(attribute: Attribute, value: object, name: str) -> object:
    if value is None:
        if attribute.required:
            raise Unfit(f"{name} is missing.")
        return attribute.default
    try:
        return attribute.check(value)
    except Unfit as error:
        raise Unfit(f"{name} {error}.") from None


def _embed(attrs: dict[str, Any], where: str) -> dict[str, Any]:
    """The address alone says what it is; an unknown provider is named by its host and shown as a link."""
    known = addresses.embed(attrs["url"])
    host = addresses.host(attrs["url"])
    return attrs | ({"provider": known.provider, "url": known.url} if known else {"provider": host})


def _link(attrs: dict[str, Any], where: str) -> dict[str, Any]:
    if "articleId" in attrs:
        attrs.pop("href", None)
    elif "href" not in attrs:
        raise Unfit(f"{_at(where)}: a link needs an href or an articleId.")
    return attrs


_RULES = {"embed": _embed, "link": _link}


def _joined(nodes: list[Node]) -> list[Node]:
    """Neighbouring texts of the same marks as one, and no empty ones, as ProseMirror wants them."""
    joined: list[Node] = []
    for node in nodes:
        if node["type"] != "text":
            joined.append(node)
        elif joined and joined[-1]["type"] == "text" and joined[-1].get("marks") == node.get("marks"):
            joined[-1]["text"] += node["text"]
        elif node["text"]:
            joined.append(node)
    return joined


def _check_structure(document: Document) -> None:
    try:
        PROSEMIRROR.node_from_json(document).check()
    except ValueError as error:
        raise Unfit(f"The body's structure is not allowed: {error}.") from None


def _identify(blocks: list[Node]) -> None:
    """Gives each block an id of its own; the first of two that claim the same one keeps it.

    A new id is made of what the block holds, so that the same text sent twice is the same document.
    """
    given = {block["attrs"]["id"] for block in blocks if "id" in block.get("attrs", {})}
    kept: set[str] = set()
    copies: Counter[bytes] = Counter()
    for block in blocks:
        attrs = block.pop("attrs", {})
        id = attrs.pop("id", None)
        if id is None or id in kept:
            printed = orjson.dumps(block | {"attrs": attrs}, option=orjson.OPT_SORT_KEYS)
            id = next(id for id in _content_ids(printed, copies) if id not in given and id not in kept)
        kept.add(id)
        block["attrs"] = {"id": id} | attrs


def _content_ids(printed: bytes, copies: Counter[bytes]) -> Iterator[str]:
    while True:
        copies[printed] += 1
        yield hashlib.blake2b(printed, digest_size=6, salt=copies[printed].to_bytes(8, "big")).hexdigest()
