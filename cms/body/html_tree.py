"""HTML as a tree, read in linear time however hostile it is."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lxml import etree

from cms.body.schema import Unfit

_MAX_ELEMENT_DEPTH = 150

# Text behind the end of a page would be lost, and pastes of several pages in one are common.
_PAGE_TAGS = re.compile(r"</?(?:html|head|body)\b[^<>]*>", re.IGNORECASE)
# libxml2 closes these where a paragraph or a table begins, as HTML 4 had it, and what is around several paragraphs
# would be lost. It leaves names alone that it does not know; the mark is no character, so no text has it.
_HTML4_INLINE = re.compile(r"(</?(?:b|i|s|strike|tt|u|big|small|h[1-6]))(?=[\s/>])", re.IGNORECASE)
_UNKNOWN = "\ufdd0"
_KEPT_ATTRIBUTES = frozenset(
    {
        "alt", "cite", "class", "colspan", "data", "data-article-id", "data-embed", "data-focal-point",
        "data-media-id", "height", "href", "role", "rowspan", "src", "start", "style", "title", "width",
    }
)  # fmt: skip


def read(source: str) -> Element:
    """The elements of a page or of a piece of one, in lower case, with the few attributes that a body is made of."""
    # libxml2 reads tags as HTML5 does, in linear time; its own tree is quadratic in attributes and limited in depth.
    target = _Target()
    parser = etree.HTMLParser(target=target, encoding="utf-8")
    source = _HTML4_INLINE.sub(rf"\1{_UNKNOWN}", _PAGE_TAGS.sub("", source))
    etree.fromstring(f"<html><body>{source}</body></html>".encode(), parser)
    return target.tree


class _Target:
    """Builds the tree of what the parser meets; comments and processing instructions are not in it."""

    def __init__(self) -> None:
        self.builder = ElementTree.TreeBuilder()
        self.depth = 0

    def start(self, tag: str | bytes, attrib: dict[str | bytes, str | bytes]) -> None:
        self.depth += 1
        if self.depth > _MAX_ELEMENT_DEPTH:
            raise Unfit(f"is nested more than {_MAX_ELEMENT_DEPTH} elements deep")
        kept = {name: _known(attrib[name]) for name in _KEPT_ATTRIBUTES & attrib.keys()}
        self.builder.start(_known(tag).lower(), kept)

    def end(self, tag: str | bytes) -> None:
        self.depth -= 1
        self.builder.end(_known(tag).lower())

    def data(self, data: str | bytes) -> None:
        self.builder.data(_known(data))

    def comment(self, text: str | bytes) -> None:
        pass

    def close(self) -> None:
        self.tree = self.builder.close()


def _known(text: str | bytes) -> str:
    return str(text).replace(_UNKNOWN, "")
