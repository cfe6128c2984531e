"""A body as Markdown (CommonMark with tables and strikethrough); what Markdown cannot say is HTML in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from html import escape

from cms.body import inline
from cms.body.links import NOTHING, Links
from cms.body.markup import Printer
from cms.body.schema import Document, Node


def markdown(document: Document, links: Links = NOTHING) -> str:
    """The whole document; reading it again gives the same one."""
    printed = _Markdown(Printer(document, links)).blocks(document)
    return printed + "\n" if printed else ""


class _Markdown:
    def __init__(self, printer: Printer) -> None:
        self.printer = printer

    def blocks(self, node: Node, between: str = "\n\n") -> str:
        printed: list[str] = []
        before = ""
        for block in inline.shown(node):
            text = self._PRINT.get(block["type"], _Markdown._html)(self, block)
            if text and block["type"] == before and before in ("bulletList", "orderedList"):
                printed.append("<!-- -->")  # two lists in a row would be one
            if text:
                printed.append(text)
                before = block["type"]
        return between.join(printed)

    def _html(self, node: Node) -> str:
        # A blank line ends HTML in Markdown.
        return self.printer.block(node).replace("\n", "&#10;")

    def _embed(self, node: Node) -> str:
        """The link, which is what a reader of Markdown can use; the figure around it makes it an embed again."""
        attrs = node["attrs"]
        label = escape(attrs.get("title") or attrs["url"], quote=False).replace("\n", " ")
        link = f'<a href="{escape(attrs["url"])}">{label}</a>'
        return f'<figure data-embed="{escape(attrs["provider"])}">{link}</figure>'

    def _paragraph(self, node: Node) -> str:
        return _Line(node.get("content", []), self.printer.links).print()

    def _heading(self, node: Node) -> str:
        text = self._paragraph(node)
        if not text or "\n" in text:
            return self._html(node)
        return "#" * int(node["attrs"]["level"]) + " " + re.sub(r"(?<!\\)#$", r"\#", text)

    def _list(self, node: Node) -> str:
        start = node.get("attrs", {}).get("start", 1)
        ordered = node["type"] == "orderedList"
        loose = any(sum(child["type"] == "paragraph" for child in item["content"]) > 1 for item in inline.shown(node))
        items = [
            self._item(item, f"{start + i}. " if ordered else "- ", loose) for i, item in enumerate(inline.shown(node))
        ]
        return ("\n\n" if loose else "\n").join(items)

    def _item(self, node: Node, marker: str, loose: bool) -> str:
        tight = not loose and all(map(_can_follow_text, node["content"][1:]))
        text = self.blocks(node, "\n" if tight else "\n\n")
        return marker + text.replace("\n", "\n" + " " * len(marker)).replace("\n" + " " * len(marker) + "\n", "\n\n")

    def _quote(self, node: Node) -> str:
        if node.get("attrs", {}).get("cite"):
            return self._html(node)
        text = self.blocks(node)
        return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))

    def _code(self, node: Node) -> str:
        text = inline.plain(node)
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        return f"{fence}{node.get('attrs', {}).get('language', '')}\n{text}\n{fence}"

    def _table(self, node: Node) -> str:
        rows = [row.get("content", []) for row in node["content"]]
        if not _is_simple(rows):
            return self._html(node)
        head, *body = ["| " + " | ".join(self._cell(cell) for cell in row) + " |" for row in rows]
        return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])

    def _cell(self, node: Node) -> str:
        return self._paragraph(node["content"][0]).replace("|", "\\|")

    _PRINT: dict[str, Callable[[_Markdown, Node], str]] = {
        "paragraph": _paragraph,
        "heading": _heading,
        "bulletList": _list,
        "orderedList": _list,
        "blockquote": _quote,
        "codeBlock": _code,
        "embed": _embed,
        "horizontalRule": lambda self, node: "***",
        "table": _table,
    }


def _can_follow_text(node: Node) -> bool:
    """Whether it is a list that Markdown sees without an empty line before it."""
    if node["type"] == "orderedList" and node.get("attrs", {}).get("start", 1) != 1:
        return False
    return node["type"].endswith("List") and not inline.is_blank(node["content"][0]["content"][0])


def _is_simple(rows: list[list[Node]]) -> bool:
    """Whether Markdown has such tables: a head of one row, and one line of text in each cell."""
    if not rows or len({len(row) for row in rows}) != 1:
        return False
    kinds = [{cell["type"] for cell in row} for row in rows]
    if kinds[0] != {"tableHeader"} or any(kind != {"tableCell"} for kind in kinds[1:]):
        return False
    return all(_is_line(cell) for row in rows for cell in row)


def _is_line(cell: Node) -> bool:
    content = cell["content"]
    breaks = any(node["type"] == "hardBreak" for node in content[0].get("content", ()))
    return len(content) == 1 and content[0]["type"] == "paragraph" and not breaks and not cell.get("attrs")


def _code_span(text: str) -> str | None:
    """The text between backticks, if they can hold it as it is."""
    if text.strip() != text or not text or "\n" in text:
        return None
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in (text[0], text[-1]) else ""
    return fence + pad + text + pad + fence


# Where these stand they could mean something to Markdown.
_SPECIAL = re.compile(r"[\\`*~\[\]]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
# What would begin a block of another kind.
_LINE_START = re.compile(r"^([#>+=|:-])|^(\d{1,9})([.)])", re.MULTILINE)
_DELIMITERS = {"bold": "**", "italic": "*", "strike": "~~"}
_TAGS = {"bold": "strong", "italic": "em", "strike": "s", "underline": "u", "superscript": "sup", "subscript": "sub"}


class _Line:
    """Prints the inline nodes of one block."""

    def __init__(self, nodes: list[Node], links: Links) -> None:
        self.nodes = nodes
        self.links = links

    def print(self) -> str:
        text = re.sub(r" *\n *", "\n", self._span(0, len(self.nodes), 0)).strip(" ")
        text = _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", text)
        # Markdown would strip these at the edges; a Japanese paragraph begins with one.
        return re.sub(r"^\s+|\s+$", lambda m: "".join(c if c in " \n" else f"&#{ord(c)};" for c in m[0]), text)

    def _span(self, start: int, stop: int, depth: int) -> str:
        printed = ""
        while start < stop:
            mark = self._mark(start, depth)
            end = start + 1
            while end < stop and mark is not None and self._mark(end, depth) == mark:
                end += 1
            text = self._marked(mark, start, end, depth) if mark else self._leaf(self.nodes[start])
            if printed.endswith("!") and text.startswith("["):
                printed = printed[:-1] + "\\!"  # no image
            printed += text
            start = end
        return printed

    def _mark(self, at: int, depth: int) -> Node | None:
        marks: list[Node] = self.nodes[at].get("marks", [])
        return marks[depth] if depth < len(marks) else None

    def _leaf(self, node: Node) -> str:
        if node["type"] == "hardBreak":
            return "\\\n"
        return _SPECIAL.sub(r"\\\g<0>", re.sub(r"[ \t\n]+", " ", node["text"]))

    def _marked(self, mark: Node, start: int, end: int, depth: int) -> str:
        kind = mark["type"]
        if kind == "code":
            span = _code_span(inline.plain({"content": self.nodes[start:end]}))
            return span or f"<code>{self._span(start, end, depth + 1)}</code>"
        text = self._span(start, end, depth + 1)
        if kind == "link":
            return self._link(mark["attrs"], text)
        if kind in _DELIMITERS and self._can_delimit(start, end):
            return _DELIMITERS[kind] + text + _DELIMITERS[kind]
        return f"<{_TAGS[kind]}>{text}</{_TAGS[kind]}>"

    def _can_delimit(self, start: int, end: int) -> bool:
        """Whether Markdown surely takes asterisks here for a mark: no space within them, and no word outside."""
        return (
            not self._edge(start, 0).isspace()
            and not self._edge(end - 1, -1).isspace()
            and not _is_wordlike(self._edge(start - 1, -1))
            and not _is_wordlike(self._edge(end, 0))
        )

    def _edge(self, at: int, side: int) -> str:
        if not 0 <= at < len(self.nodes) or self.nodes[at]["type"] == "hardBreak":
            return "\n"
        return str(self.nodes[at]["text"][side])

    def _link(self, attrs: dict[str, str], text: str) -> str:
        target = self.links.article(attrs.get("articleId"))
        href = target.path if target else attrs.get("href")
        if href is None:
            return text
        title = f' "{_escape_quoted(attrs["title"])}"' if "title" in attrs else ""
        return f"[{text}](<{_escape_quoted(href)}>{title})" if _needs_brackets(href) else f"[{text}]({href}{title})"


def _is_wordlike(character: str) -> bool:
    """Whether a mark's delimiter behind it might be part of a word; symbols are left to no doubt."""
    return not character.isspace() and unicodedata.category(character)[0] != "P"


def _needs_brackets(href: str) -> bool:
    return not re.fullmatch(r"[^\s\\()<>&*_`\[\]]+", href)


def _escape_quoted(text: str) -> str:
    return re.sub(r'[\\"<>&]', r"\\\g<0>", " ".join(text.split()))
