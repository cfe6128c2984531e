"""A body as HTML: clean, semantic, and safe to print as it is.

Everything is escaped here, and only the elements written down here are printed. Links carry no rel or target: they
open in the same window, and what to do about referrers is the site's policy. An embed is an iframe whose address is
made from the provider's name and the thing's id, sandboxed; one without a player is a link. Empty paragraphs are room
to type, not content, and are not printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from cms import slugs
from cms.body import addresses
from cms.body.inline import nested, plain, shown
from cms.body.links import NOTHING, Links
from cms.body.schema import Document, Node


def html(document: Document, links: Links = NOTHING) -> str:
    """The whole document. Without references it is the same for every reader, and can be kept."""
    return Printer(document, links).blocks(document)


def anchors(document: Document) -> dict[int, str]:
    """The id of each heading's element, by the node's identity: a slug of its text, unique in the document."""
    taken: dict[int, str] = {}
    used: set[str] = set()
    counts: dict[str, int] = {}
    for node in _headings(document):
        slug = anchor = slugs.slugify(plain(node), "section")
        while anchor in used:
            counts[slug] = counts.get(slug, 1) + 1
            anchor = f"{slug}-{counts[slug]}"
        used.add(anchor)
        taken[id(node)] = anchor
    return taken


def _headings(node: Node) -> Iterator[Node]:
    if node["type"] == "heading":
        yield node
    for child in node.get("content", ()):
        yield from _headings(child)


def _tag(name: str, content: str, **attributes: str | int | None) -> str:
    return f"<{name}{_attributes(attributes)}>{content}</{name}>"


def _attributes(attributes: dict[str, str | int | None]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )


class Printer:
    """Prints the nodes of one document for one reader."""

    def __init__(self, document: Document, links: Links) -> None:
        self.links = links
        self.anchors = anchors(document)

    def blocks(self, node: Node) -> str:
        return "".join(map(self.block, shown(node)))

    def block(self, node: Node) -> str:
        return self._PRINT[node["type"]](self, node)

    def inline(self, node: Node) -> str:
        return nested(node.get("content", ()), self.leaf, self.wrap)

    def leaf(self, node: Node) -> str:
        return "<br>" if node["type"] == "hardBreak" else escape(node["text"], quote=False)

    def wrap(self, mark: Node, content: str) -> str:
        return self._link(mark["attrs"], content) if mark["type"] == "link" else _tag(_MARKS[mark["type"]], content)

    def _link(self, attrs: Node, content: str) -> str:
        if "articleId" not in attrs:
            return _tag("a", content, href=attrs["href"], title=attrs.get("title"))
        target = self.links.article(attrs["articleId"])
        if target is None:
            return content
        return _tag("a", content, href=target.path, title=attrs.get("title"), data_article_id=attrs["articleId"])

    def _paragraph(self, node: Node) -> str:
        return _tag("p", self.inline(node))

    def _heading(self, node: Node) -> str:
        level, anchor = node["attrs"]["level"], self.anchors[id(node)]
        return _tag(f"h{level}", self.inline(node), id=anchor)

    def _list(self, node: Node) -> str:
        tag = "ol" if node["type"] == "orderedList" else "ul"
        return _tag(tag, self.blocks(node), start=node.get("attrs", {}).get("start"))

    def _item(self, node: Node) -> str:
        content = shown(node)
        paragraphs = sum(child["type"] == "paragraph" for child in content)
        if paragraphs == 1 and content[0]["type"] == "paragraph":
            return _tag("li", self.inline(content[0]) + "".join(map(self.block, content[1:])))
        return _tag("li", "".join(map(self.block, content)))

    def _quote(self, node: Node) -> str:
        cite = node.get("attrs", {}).get("cite")
        content = self.blocks(node)
        if not cite or (addresses.is_web(cite) and addresses.safe(cite) == cite):
            return _tag("blockquote", content, cite=cite)
        return _tag("blockquote", content + _tag("footer", _tag("cite", escape(cite, quote=False))))

    def _code(self, node: Node) -> str:
        language = node.get("attrs", {}).get("language")
        text = self.inline(node)
        text += "\n" if text.endswith("\n") else ""  # the last line end is not taken for text when read again
        return _tag("pre", _tag("code", text, class_=f"language-{language}" if language else None))

    def _table(self, node: Node) -> str:
        rows = list(node["content"])
        head = 0
        while head < len(rows) and _is_head(rows[head]):
            head += 1
        printed = [self._row(row, "col" if i < head else "row") for i, row in enumerate(rows)]
        parts = ("thead", printed[:head]), ("tbody", printed[head:])
        return _tag("table", "".join(_tag(name, "".join(part)) for name, part in parts if part))

    def _row(self, row: Node, scope: str) -> str:
        return _tag("tr", "".join(self._cell(cell, scope) for cell in row.get("content", ())))

    def _cell(self, node: Node, scope: str) -> str:
        attrs = node.get("attrs", {})
        only = node["content"][0] if len(node["content"]) == 1 else None
        content = self.inline(only) if only and only["type"] == "paragraph" else self.blocks(node)
        spans = {name: attrs.get(name) for name in ("colspan", "rowspan")}
        if node["type"] == "tableHeader":
            return _tag("th", content, scope=scope, **spans)
        return _tag("td", content, **spans)

    def _image(self, node: Node) -> str:
        attrs = node["attrs"]
        target = self.links.medium(attrs["mediaId"])
        if target is None:
            return ""
        decorative = bool(attrs.get("isDecorative"))
        alt = "" if decorative else attrs.get("altText") or target.alt_text or ""
        point = attrs.get("focalPoint")
        image = _attributes(
            {
                "src": target.url,
                "srcset": target.srcset,
                "alt": alt,
                "width": target.width,
                "height": target.height,
                "role": "presentation" if decorative else None,
                "data_media_id": attrs["mediaId"],
                "data_focal_point": f"{point['x']},{point['y']}" if point else None,
            }
        )
        return _tag(
            "figure",
            f"<img{image}>" + _figcaption(attrs.get("caption", target.caption), attrs.get("credit", target.credit)),
        )

    def _embed(self, node: Node) -> str:
        attrs = node["attrs"]
        title = attrs.get("title")
        known = addresses.embed(attrs["url"])
        if known is None or known.player is None:
            link = _tag("a", escape(title or attrs["url"], quote=False), href=attrs["url"])
            return _tag("figure", link, data_embed=attrs["provider"])
        player = _tag(
            "iframe",
            "",
            src=known.player,
            title=title or known.url,
            loading="lazy",
            sandbox="allow-scripts allow-same-origin allow-popups allow-presentation",
            referrerpolicy="strict-origin-when-cross-origin",
            allow="fullscreen; picture-in-picture; encrypted-media",
        )
        return _tag("figure", player, data_embed=known.provider)

    def _article_link(self, node: Node) -> str:
        article = node["attrs"]["articleId"]
        target = self.links.article(article)
        if target is None:
            return ""
        link = _tag("a", escape(target.headline, quote=False), href=target.path)
        return _tag("aside", link, data_article_id=article)

    _PRINT: dict[str, Callable[[Printer, Node], str]] = {
        "paragraph": _paragraph,
        "heading": _heading,
        "bulletList": _list,
        "orderedList": _list,
        "listItem": _item,
        "blockquote": _quote,
        "codeBlock": _code,
        "horizontalRule": lambda self, node: "<hr>",
        "table": _table,
        "image": _image,
        "embed": _embed,
        "articleLink": _article_link,
        "changed": lambda self, node: _tag(node["attrs"]["change"], self.blocks(node)),
    }


# ins and del, and "changed" above, are not of the schema: they are how a comparison is printed.
_MARKS = {
    "bold": "strong",
    "italic": "em",
    "strike": "s",
    "underline": "u",
    "superscript": "sup",
    "subscript": "sub",
    "code": "code",
    "ins": "ins",
    "del": "del",
}


def _is_head(row: Node) -> bool:
    cells = row.get("content", ())
    return bool(cells) and all(cell["type"] == "tableHeader" for cell in cells)


def _figcaption(caption: str | None, credit: str | None) -> str:
    parts = [escape(caption, quote=False)] if caption else []
    parts += [_tag("small", escape(credit, quote=False))] if credit else []
    return _tag("figcaption", " ".join(parts)) if parts else ""
