"""What holds for every body, whatever it is made of."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cms import body
from cms.body import schema
from cms.errors import Invalid

_TEXT = st.text(alphabet="aB1é中\u3000\xa0 *_`~[]()<>&;#-+=|!\\.:\"'\n🙂", min_size=1, max_size=12)
_MARK = st.sampled_from(["bold", "italic", "strike", "underline", "superscript", "subscript", "code"])
_HREF = st.sampled_from(["/a", "https://e.org/?a=1&copy;=2", "https://e.org/(x)_y_", "mailto:a@e.org", "#top", "a b"])


def _mark(name: str) -> dict[str, Any]:
    return {"type": name}


def _link(href: str, title: str) -> dict[str, Any]:
    return {"type": "link", "attrs": {"href": href} | ({"title": title} if title.strip() else {})}


_MARKS = st.lists(_MARK.map(_mark) | st.builds(_link, _HREF, st.sampled_from(["", 'a "b" & c'])), max_size=3)
_INLINE = st.lists(
    st.builds(lambda text, marks: {"type": "text", "text": text, "marks": marks}, _TEXT, _MARKS)
    | st.just({"type": "hardBreak"}),
    max_size=4,
)


def _node(kind: str, content: list[Any], **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs, "content": content}


_PARAGRAPH = st.builds(lambda content: _node("paragraph", content), _INLINE)
_CODE = st.builds(lambda text: _node("codeBlock", [{"type": "text", "text": text}], language="python"), _TEXT)
_LEAF = (
    _PARAGRAPH
    | st.builds(lambda content, level: _node("heading", content, level=level), _INLINE, st.integers(1, 6))
    | _CODE
    | st.just({"type": "horizontalRule"})
    | st.just({"type": "embed", "attrs": {"url": "https://youtu.be/abc", "title": "A & <b>"}})
    | st.just({"type": "embed", "attrs": {"url": "https://example.org/x?a=1&b=2"}})
)


def _row(kind: str, cells: list[Any], span: int) -> dict[str, Any]:
    return _node("tableRow", [_node(kind, cell, colspan=span) for cell in cells])


def _nested(block: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    blocks = st.lists(block, min_size=1, max_size=3)
    item = st.builds(lambda lead, rest: _node("listItem", [lead, *rest]), _PARAGRAPH, st.lists(block, max_size=2))
    items = st.lists(item, min_size=1, max_size=3)
    cells = st.lists(blocks | st.lists(_PARAGRAPH, min_size=1, max_size=1), min_size=2, max_size=2)
    row = st.builds(_row, st.sampled_from(["tableCell", "tableHeader"]), cells, st.sampled_from([1, 1, 2]))
    return (
        st.builds(lambda content: _node("bulletList", content), items)
        | st.builds(lambda content, start: _node("orderedList", content, start=start), items, st.integers(0, 12))
        | st.builds(lambda content, cite: _node("blockquote", content, cite=cite), blocks, st.sampled_from(_CITES))
        | st.builds(lambda rows: _node("table", rows), st.lists(row, min_size=1, max_size=3))
    )


_CITES = [None, None, "A. Person", "https://example.org/speech"]
_BLOCK = st.recursive(_LEAF, _nested, max_leaves=6)
DOCUMENTS = st.lists(_BLOCK, max_size=4).map(lambda content: {"type": "doc", "content": content})

_MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_MANY
@given(DOCUMENTS)
def test_a_body_is_the_same_after_it_was_checked_again(value: Any) -> None:
    document = body.parse(json=value)
    assert body.parse(json=document) == document


@_MANY
@given(DOCUMENTS)
def test_html_read_again_is_the_same_body(value: Any) -> None:
    document = body.parse(html=body.html(body.parse(json=value)))
    assert body.parse(html=body.html(document)) == document


@_MANY
@given(DOCUMENTS)
def test_markdown_read_again_is_the_same_body(value: Any) -> None:
    document = body.parse(html=body.html(body.parse(json=value)))
    assert body.parse(markdown=body.markdown(document)) == document


_PIECES = """<p> </p> <b> </b> <ul> </ul> <li> <ol start=-3> <table> <tr> <td colspan=99999> <th> </table> <pre> </pre>
<blockquote cite=https://e.org> </blockquote> <cite> <footer> <code class=language-x> <figure> <figcaption>
<small> </figure> <img src=//x/y.png alt=y> <img src=data:x> <iframe src=//youtu.be/abc> </iframe>
<iframe src=https://evil.example/> <a href=javascript:1> <a href=//evil> <a href=/ok title=x> </a> <br> <hr> <q>
<h1> <h2 onclick=x> </h2> <script> </script> <style> <svg> <math> <title> <textarea> <template> <noscript> <!--
--> <![CDATA[ ]]> <o:p> <p/class=MsoListParagraph/style=mso-list:level2> <span/style=mso-list:Ignore>
<span/style=font-weight:700> </span> <video/src=/v.mp4> <object/data=https://vimeo.com/1> text x &amp; &#106;
&#0; &nbsp; < &lt;script&gt; </body> <html> <plaintext> <xmp> <dd> <option> <figure/data-embed=x> <sup> <u>
# > - * 1. ``` | [x](y) ![x](y) ** _ ~~ \\"""
_SOUP = st.lists(
    st.sampled_from(re.findall(r"<[^>]*>?|\S+", _PIECES))
    | st.sampled_from([" ", "\n", "\n\n", "\x0b", "\u200b", "😀", "é"]),
    max_size=20,
).map("".join)
_PRINTED = re.compile(
    r"</?(?:p|h[1-6]|[uo]l|li|blockquote|footer|cite|pre|code|hr|table|thead|tbody|t[rdh]|figure|img|figcaption|small"
    r"|iframe|aside|a|br|strong|em|s|u|sup|sub)(?: [a-z-]+=\"[^\"<>]*\")*>"
)


@_MANY
@given(_SOUP)
@example("<p" + "".join(f" a{i}=1" for i in range(20_000)) + ">x")
@example("<p style='" + "mso-list:" * 20_000 + "'>x")
@example("".join(f"<b x={i}>" for i in range(2_000)) + "<p>" * 2_000)
def test_any_html_is_refused_or_becomes_clean_html_that_stays_as_it_is(soup: str) -> None:
    document = _parsed(html=soup)
    if document is not None:
        printed = body.html(document)
        assert "<" not in _PRINTED.sub("", printed)
        assert body.parse(html=printed) == document


@_MANY
@given(_SOUP)
def test_any_markdown_is_refused_or_becomes_clean_html(soup: str) -> None:
    document = _parsed(markdown=soup)
    assert document is None or "<" not in _PRINTED.sub("", body.html(document))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "\ud800", "\x00", "text", "doc"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "attrs", "content", "marks", "text", "level", "id"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
_KINDS = st.sampled_from(sorted(schema.NODES))
_ODD_NODE = st.recursive(
    st.fixed_dictionaries({"type": _KINDS | _JSON}, optional={"attrs": _JSON, "text": _JSON, "marks": _JSON}),
    lambda inner: st.fixed_dictionaries(
        {"type": _KINDS, "content": st.lists(inner, max_size=3)}, optional={"attrs": _JSON, "marks": _JSON}
    ),
    max_leaves=8,
)


@_MANY
@given(_JSON | st.fixed_dictionaries({"type": st.just("doc"), "content": st.lists(_ODD_NODE, max_size=3)}))
def test_any_json_is_refused_or_is_a_body(value: Any) -> None:
    document = _parsed(json=value) if value is not None else None
    if document is not None:
        assert body.parse(json=document) == document
        body.html(document), body.markdown(document), body.blocks(document), body.portable_text(document)


def _parsed(**source: Any) -> body.Document | None:
    try:
        return body.parse(**source)
    except Invalid:
        return None


@given(st.text(), st.integers(-5, 60))
def test_an_excerpt_is_never_longer_than_asked_for(text: str, length: int) -> None:
    assert len(body.excerpt(text, length)) <= max(length, 0)
