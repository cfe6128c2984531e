"""HTML to a body: what newsrooms paste (Word, Google Docs, other sites) and what importers bring.

The result is built, not cleaned: a tree of the few attributes that matter is read, and only nodes of the schema are
made of it, so nothing of the page's own code can pass. Text is never dropped, but for that of scripts, styles, titles,
templates and noscript. An image of this library is known by its data-media-id; any other becomes a link to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

from cms import ids
from cms.body import addresses, html_tree, word_paste
from cms.body.schema import Node, Unfit, paragraph, text_node
from cms.body.style import declarations

MAX_SOURCE = 5_000_000

# Inline nodes and blocks in the order of reading; None parts paragraphs.
Flow = Iterable[Node | None]
# Marks by name, with their attributes.
Marks = dict[str, dict[str, str]]


def blocks(source: str) -> list[Node]:
    """The blocks of a page or of a piece of one; none if there is nothing to read in it."""
    if len(source) > MAX_SOURCE:
        raise Unfit(f"has more than {MAX_SOURCE:,} characters")
    tree = html_tree.read(source)
    word_paste.lists(tree)
    return _blocks(_flow(tree, {}))


def _flow(element: Element, marks: Marks) -> Iterator[Node | None]:
    yield from _text(element.text, marks)
    for child in element:
        yield from _read(child, marks)
        yield from _text(child.tail, marks)


def _text(text: str | None, marks: Marks) -> Iterator[Node]:
    if text:
        yield text_node(text, [{"type": name, "attrs": attrs} for name, attrs in marks.items()])


def _read(element: Element, marks: Marks) -> Flow:
    tag = element.tag
    if tag in _DROPPED:
        return ()
    if tag in _MARKS:
        marks = marks | {_MARKS[tag]: {}}
    marks = _styled(element, marks)
    if tag in _READERS:
        return _READERS[tag](element, marks)
    flow = _flow(element, marks)
    return chain([None], flow, [None]) if tag in _BLOCK_TAGS else flow


_DROPPED = frozenset({"script", "style", "title", "template", "noscript", "xml", "meta", "link", "base"})
_BLOCK_TAGS = frozenset(
    {
        "address", "article", "aside", "body", "caption", "center", "dd", "details", "dialog", "dir", "div", "dl",
        "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "legend", "li", "main",
        "menu", "nav", "option", "p", "search", "section", "summary", "tbody", "td", "tfoot", "th", "thead", "tr",
    }
)  # fmt: skip
_MARKS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "s": "strike", "strike": "strike", "del": "strike",
    "u": "underline", "ins": "underline", "sup": "superscript", "sub": "subscript", "code": "code", "kbd": "code",
    "samp": "code", "tt": "code",
}  # fmt: skip

_BOLD = re.compile(r"bold|bolder|[6-9]\d\d|1000")


def _styled(element: Element, marks: Marks) -> Marks:
    """The marks with what the style attribute adds and takes away: Google Docs wraps everything in a <b> that is not
    bold, and says what is bold in spans."""
    if not element.get("style"):
        return marks
    said = declarations(element)
    marks = dict(marks)
    if weight := said.get("font-weight"):
        _switch(marks, "bold", bool(_BOLD.fullmatch(weight)), weight in ("inherit", "unset"))
    if slant := said.get("font-style"):
        _switch(marks, "italic", slant.startswith(("italic", "oblique")), slant in ("inherit", "unset"))
    line = said.get("text-decoration", "") + " " + said.get("text-decoration-line", "")
    if "line-through" in line:
        marks["strike"] = {}
    if "underline" in line and "link" not in marks:  # a link is underlined as it is
        marks["underline"] = {}
    raised = {"super": "superscript", "sub": "subscript"}.get(said.get("vertical-align", ""))
    return marks | ({raised: {}} if raised else {})


def _switch(marks: Marks, name: str, on: bool, as_before: bool) -> None:
    if on:
        marks[name] = {}
    elif not as_before:
        marks.pop(name, None)


def _blocks(flow: Flow, kind: str = "paragraph", attrs: dict[str, object] | None = None) -> list[Node]:
    """Blocks as they are, and each run of inline nodes between them as one of that kind."""
    blocks: list[Node] = []
    run: list[Node] = []
    for item in chain(flow, [None]):
        if item is not None and item["type"] in ("text", "hardBreak"):
            run.append(item)
            continue
        if line := _line(run):
            blocks.append({"type": kind, "content": line} | ({"attrs": attrs} if attrs else {}))
        run = []
        if item is not None:
            blocks.append(item)
    return blocks


_SPACE = re.compile(r"[ \t\n\r\f]+")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def _line(run: list[Node]) -> list[Node]:
    """The run with white space as browsers show it; nothing if there is nothing to see in it."""
    line: list[Node] = []
    after_space = True
    for node in run:
        if node["type"] == "hardBreak":
            _strip_end(line, breaks=False)
            after_space = True
            if line:
                line.append(node)
            continue
        text = _SPACE.sub(" ", node["text"])
        text = text[1:] if after_space and text.startswith(" ") else text
        if text:
            after_space = text.endswith(" ")
            line.append(node | {"text": text})
    _strip_end(line, breaks=True)
    seen = any(node["type"] == "text" and node["text"].strip().strip(_INVISIBLE).strip() for node in line)
    return line if seen else []


def _strip_end(line: list[Node], breaks: bool) -> None:
    while line:
        last = line[-1]
        if last["type"] == "hardBreak":
            if not breaks:
                return
            line.pop()
        elif text := last["text"].rstrip(" "):
            line[-1] = last | {"text": text}
            return
        else:
            line.pop()


def _heading(element: Element, marks: Marks) -> Flow:
    return [None, *_blocks(_flow(element, marks), "heading", {"level": int(element.tag[1])})]


def _list(element: Element, marks: Marks) -> Flow:
    items = [content for content in map(_blocks, _items(element, marks)) if content]
    if not items:
        return [None]
    node: Node = {
        "type": "orderedList" if element.tag == "ol" else "bulletList",
        "content": [{"type": "listItem", "content": _with_paragraph(content)} for content in items],
    }
    if element.tag == "ol" and (start := _number(element.get("start"), 0, 1_000_000)) is not None:
        node["attrs"] = {"start": start}
    return [node]


def _items(element: Element, marks: Marks) -> list[list[Node | None]]:
    """What each item holds. A list that stands between items belongs to the one before it (Google Docs)."""
    items: list[list[Node | None]] = [list(_text(element.text, marks))]
    for child in element:
        if child.tag == "li":
            items.append(list(_flow(child, _styled(child, marks))))
        else:
            items[-1].extend(_read(child, marks))
        items[-1].extend(_text(child.tail, marks))
    return items


def _with_paragraph(content: list[Node]) -> list[Node]:
    return content if content[0]["type"] == "paragraph" else [paragraph(), *content]


def _number(value: str | None, lowest: int, highest: int) -> int | None:
    if value is None or not re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        return None
    return min(max(int(value), lowest), highest)


def _code_block(element: Element, marks: Marks) -> Flow:
    text = "".join(_code(element)).removesuffix("\n")
    if not text.strip():
        return [None]
    node: Node = {"type": "codeBlock", "content": [text_node(text)]}
    classes = " ".join(e.get("class", "") for e in element.iter())
    if language := re.search(r"(?:^|\s)lang(?:uage)?-([A-Za-z0-9+#._-]{1,40})(?:\s|$)", classes):
        node["attrs"] = {"language": language[1]}
    return [node]


def _code(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == "br":
            yield "\n"
        elif child.tag not in _DROPPED:
            yield from _code(child)
        yield child.tail or ""


def _quote(element: Element, marks: Marks) -> Flow:
    cite = _attribution(element) or addresses.safe(element.get("cite", ""))
    content = _blocks(_flow(element, marks))
    if not content:
        return [None, *([paragraph(text_node(cite))] if cite else []), None]
    return [{"type": "blockquote", "content": content} | ({"attrs": {"cite": cite}} if cite else {})]


def _attribution(element: Element) -> str | None:
    """Who said it, taken out of the quote: its last element if that is a footer or a cite, and has no links."""
    last = element[-1] if len(element) else None
    if last is None or last.tag not in ("footer", "cite") or (last.tail or "").strip() or last.find(".//a") is not None:
        return None
    element.remove(last)
    return _caption(last).lstrip("—–― ") or None


def _caption(element: Element) -> str:
    return _SPACE.sub(" ", "".join(element.itertext())).strip()


def _table(element: Element, marks: Marks) -> Flow:
    rows = [row for row in _rows(element, marks) if row]
    caption = [_read(child, marks) for child in element if child.tag == "caption"]
    if not rows:
        return [None, *chain.from_iterable(caption)]
    if len(rows) == 1 and len(rows[0]) == 1:  # a frame, as mails have around everything
        return chain(*caption, (block for block in rows[0][0]["content"] if block != paragraph()))
    return chain(*caption, [{"type": "table", "content": [{"type": "tableRow", "content": row} for row in rows]}])


def _rows(element: Element, marks: Marks) -> Iterator[list[Node]]:
    for child in element:
        if child.tag in ("thead", "tbody", "tfoot"):
            yield from _rows(child, marks)
        elif child.tag == "tr":
            yield [_cell(cell, marks) for cell in child if cell.tag in ("td", "th")]


def _cell(element: Element, marks: Marks) -> Node:
    spans = {name: _number(element.get(name), 1, 1_000) or 1 for name in ("colspan", "rowspan")}
    return {
        "type": "tableHeader" if element.tag == "th" else "tableCell",
        "attrs": spans,
        "content": _blocks(_flow(element, _styled(element, marks))) or [paragraph()],
    }


def _figure(element: Element, marks: Marks) -> Flow:
    images = [image for image in element.iter("img") if _media_id(image)]
    if len(images) == 1:
        return [_image_node(images[0], element.find(".//figcaption"))]
    link = element.find(".//a")
    if element.get("data-embed") is not None and link is not None and addresses.is_web(link.get("href", "")):
        return [_embed_node(link.get("href", ""), _caption(link))]
    return chain([None], _flow(element, marks), [None])


def _media_id(element: Element) -> str | None:
    id = element.get("data-media-id", "")
    return id if ids.decode_as("Media", id) else None


def _image_node(image: Element, caption: Element | None) -> Node:
    small = caption.find(".//small") if caption is not None else None
    credit = _caption(small) if small is not None else ""
    if small is not None:
        small.clear()
    attrs = {
        "mediaId": _media_id(image),
        "altText": image.get("alt") or None,
        "isDecorative": image.get("role") in ("presentation", "none"),
        "caption": (_caption(caption) if caption is not None else "") or None,
        "credit": credit or None,
        "focalPoint": _point(image.get("data-focal-point", "")),
    }
    return {"type": "image", "attrs": attrs}


def _point(text: str) -> dict[str, float] | None:
    match = re.fullmatch(r"(0(?:\.\d{1,9})?|1(?:\.0)?),(0(?:\.\d{1,9})?|1(?:\.0)?)", text, re.ASCII)
    return {"x": float(match[1]), "y": float(match[2])} if match else None


def _image(element: Element, marks: Marks) -> Flow:
    """A library image, or else a link to where it is; with no address to link to, its alternative text."""
    if _media_id(element):
        return [_image_node(element, None)]
    alt = element.get("alt", "").strip()
    if not alt and {element.get("width"), element.get("height")} & {"0", "1"}:  # a tracking pixel
        return ()
    if alt and not any(c.isalnum() for c in alt):  # an emoji that was made a picture
        return _text(alt, marks)
    return _linked(element.get("src", ""), alt, marks)


def _linked(address: str, label: str, marks: Marks) -> Flow:
    safe = addresses.safe(address)
    if safe and "link" not in marks:
        marks = marks | {"link": {"href": safe}}
    return _text(label or (addresses.file_name(safe) if safe else ""), marks)


def _player(element: Element, marks: Marks) -> Flow:
    """An iframe, object, audio or video: an embed if its provider is known, else a link, on a line of its own."""
    source = element.find("source")
    inner = source.get("src", "") if source is not None else ""
    address = element.get("src", "") or element.get("data", "") or inner
    title = element.get("title", "").strip()
    if addresses.embed(address):
        return [_embed_node(address, title)]
    # What is inside is for browsers that cannot show it; an iframe's would be markup.
    inside = () if element.tag == "iframe" else _flow(element, marks)
    return chain([None], _linked(address, title, marks), [None], inside, [None])


def _embed_node(address: str, title: str) -> Node:
    known = addresses.embed(address)
    url = known.url if known else address
    return {"type": "embed", "attrs": {"url": url, "title": title if title and title != url else None}}


def _link(element: Element, marks: Marks) -> Flow:
    article = element.get("data-article-id", "")
    href = addresses.safe(_without_redirect(element.get("href", "")))
    if ids.decode_as("Article", article):
        marks = marks | {"link": {"articleId": article}}
    elif href:
        marks = marks | {"link": {"href": href}}
    if "link" in marks and (title := element.get("title", "").strip()):
        marks = marks | {"link": marks["link"] | {"title": title}}
    return _flow(element, marks)


def _without_redirect(address: str) -> str:
    """Google Docs sends its exported links through google.com/url?q=."""
    if not addresses.is_web(address) or addresses.host(address) != "google.com":
        return address
    parts = urlsplit(address)
    return parse_qs(parts.query).get("q", [address])[0] if parts.path == "/url" else address


def _article_link(element: Element, marks: Marks) -> Flow:
    article = element.get("data-article-id", "")
    if ids.decode_as("Article", article):
        return [{"type": "articleLink", "attrs": {"articleId": article}}]
    return chain([None], _flow(element, marks), [None])


def _quoted(element: Element, marks: Marks) -> Flow:
    """Browsers draw the quotation marks of <q>; without it they have to be in the text."""
    return chain(_text("“", marks), _flow(element, marks), _text("”", marks))


_READERS: dict[str, Callable[[Element, Marks], Flow]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    **dict.fromkeys(("ul", "ol"), _list),
    **dict.fromkeys(("pre", "listing", "xmp", "plaintext"), _code_block),
    **dict.fromkeys(("iframe", "embed", "object", "audio", "video"), _player),
    "a": _link,
    "aside": _article_link,
    "blockquote": _quote,
    "br": lambda element, marks: [{"type": "hardBreak"}],
    "figure": _figure,
    "hr": lambda element, marks: [{"type": "horizontalRule"}],
    "img": _image,
    "q": _quoted,
    "table": _table,
}
