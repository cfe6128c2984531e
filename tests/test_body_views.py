"""What a body looks like in each of its views."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cms import body, ids
from tests.test_body_check import doc, link, paragraph, text

MEDIA = ids.encode("Media", UUID(int=1))
ARTICLE = ids.encode("Article", UUID(int=2))
LINKS = body.Links(
    articles={UUID(int=2): body.ArticleTarget("/news/a?x=1&y=2", "A <b> & “c”")},
    media={UUID(int=1): body.MediaTarget("/m/1.jpg?a=1&b=2", "own alt", "own caption", "own credit", 800, 600)},
)


def image(**attrs: Any) -> body.Document:
    return body.parse(json=doc({"type": "image", "attrs": {"id": "i", "mediaId": MEDIA} | attrs}))


def test_html_escapes_whatever_it_prints() -> None:
    document = body.parse(
        json=doc(
            paragraph(text('<script>"&', link(href='/a"b&c', title='"><x'))),
            {"type": "codeBlock", "content": [text("</code><b>")]},
            {"type": "blockquote", "attrs": {"cite": "<i>me"}, "content": [paragraph(text("q"))]},
            {"type": "embed", "attrs": {"url": 'https://e.org/"><x', "title": "<t>"}},
        )
    )
    assert body.html(document) == (
        '<p><a href="/a&quot;b&amp;c" title="&quot;&gt;&lt;x">&lt;script&gt;"&amp;</a></p>'
        "<pre><code>&lt;/code&gt;&lt;b&gt;</code></pre>"
        "<blockquote><p>q</p><footer><cite>&lt;i&gt;me</cite></footer></blockquote>"
        '<figure data-embed="e.org"><a href="https://e.org/&quot;&gt;&lt;x">&lt;t&gt;</a></figure>'
    )


def test_neighbours_share_the_tags_of_the_marks_they_share() -> None:
    bold, italic = {"type": "bold"}, {"type": "italic"}
    document = body.parse(json=doc(paragraph(text("a", bold), text("b", bold, italic), text("c", italic))))
    assert body.html(document) == "<p><strong>a<em>b</em></strong><em>c</em></p>"


def test_anchors_are_unique_and_never_empty() -> None:
    document = body.parse(
        html="<h2>Été à Łódź</h2><h2>Ete a Lodz</h2><h3>Москва</h3><h3>…</h3><h3>!</h3><h2>ete a lodz 2</h2>"
    )
    anchors = [block.anchor for block in body.blocks(document) if isinstance(block, body.HeadingBlock)]
    assert anchors == ["ete-a-lodz", "ete-a-lodz-2", "москва", "section", "section-2", "ete-a-lodz-2-2"]
    assert all(f'id="{anchor}"' in body.html(document) for anchor in anchors)


def test_a_player_is_sandboxed_and_its_address_is_ours() -> None:
    document = body.parse(json=doc({"type": "embed", "attrs": {"url": "https://youtu.be/abc"}}))
    assert body.html(document) == (
        '<figure data-embed="youtube"><iframe src="https://www.youtube-nocookie.com/embed/abc" '
        'title="https://www.youtube.com/watch?v=abc" loading="lazy" '
        'sandbox="allow-scripts allow-same-origin allow-popups allow-presentation" '
        'referrerpolicy="strict-origin-when-cross-origin" allow="fullscreen; picture-in-picture; encrypted-media">'
        "</iframe></figure>"
    )


def test_a_post_without_a_player_is_a_link() -> None:
    document = body.parse(json=doc({"type": "embed", "attrs": {"url": "https://x.com/a/status/1"}}))
    assert body.html(document) == (
        '<figure data-embed="x"><a href="https://x.com/a/status/1">https://x.com/a/status/1</a></figure>'
    )


def test_an_image_says_of_itself_what_its_use_does_not() -> None:
    assert body.html(image(), LINKS) == (
        f'<figure><img src="/m/1.jpg?a=1&amp;b=2" alt="own alt" width="800" height="600" data-media-id="{MEDIA}">'
        "<figcaption>own caption <small>own credit</small></figcaption></figure>"
    )
    used = image(altText="a", caption="c", credit="", focalPoint={"x": 0, "y": 0.5})
    assert body.html(used, LINKS) == (
        f'<figure><img src="/m/1.jpg?a=1&amp;b=2" alt="a" width="800" height="600" data-media-id="{MEDIA}" '
        'data-focal-point="0,0.5"><figcaption>c</figcaption></figure>'
    )
    assert 'alt="" width="800" height="600" role="presentation"' in body.html(image(isDecorative=True), LINKS)


def test_what_the_reader_may_not_see_leaves_no_trace_in_html_and_markdown() -> None:
    document = body.parse(
        json=doc(
            paragraph(text("in", link(articleId=ARTICLE, title="t"))),
            {"type": "articleLink", "attrs": {"articleId": ARTICLE}},
            {"type": "image", "attrs": {"mediaId": MEDIA, "caption": "c"}},
        )
    )
    assert body.html(document) == "<p>in</p>"
    assert body.markdown(document) == "in\n"
    assert [block.html for block in body.blocks(document)] == ["<p>in</p>", "", ""]
    assert body.html(document, LINKS).startswith(
        f'<p><a href="/news/a?x=1&amp;y=2" title="t" data-article-id="{ARTICLE}">in</a></p>'
        f'<aside data-article-id="{ARTICLE}"><a href="/news/a?x=1&amp;y=2">A &lt;b&gt; &amp; “c”</a></aside>'
    )
    assert body.markdown(document, LINKS).startswith('[in](</news/a?x=1\\&y=2> "t")\n\n<aside')


def test_blocks_are_typed() -> None:
    document = body.parse(
        json=doc(
            {"type": "paragraph", "attrs": {"id": "a"}, "content": [text("x"), {"type": "hardBreak"}, text("y")]},
            {"type": "heading", "attrs": {"id": "b", "level": 3}, "content": [text("H")]},
            {"type": "paragraph", "attrs": {"id": "blank"}, "content": [text(" ")]},
            {"type": "orderedList", "attrs": {"id": "c"}, "content": [
                {"type": "listItem", "content": [
                    paragraph(text("i", {"type": "bold"})),
                    {"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph(text("j"))]}]},
                ]},
            ]},
            {"type": "blockquote", "attrs": {"id": "d", "cite": "Me"}, "content": [paragraph(text("q"))]},
            {"type": "embed", "attrs": {"id": "e", "url": "https://x.com/a/status/1"}},
            {"type": "codeBlock", "attrs": {"id": "f", "language": "c"}, "content": [text("k\n")]},
            {"type": "table", "attrs": {"id": "g"}, "content": [
                {"type": "tableRow", "content": [
                    {"type": "tableCell", "content": [paragraph(text("1")), paragraph(text("2"))]},
                ]},
            ]},
            {"type": "horizontalRule", "attrs": {"id": "h"}},
            {"type": "articleLink", "attrs": {"id": "l", "articleId": ARTICLE}},
        )
    )  # fmt: skip
    inner = body.ListBlock("c.0.0", "<ul><li>j</li></ul>", False, [body.ListItem("j", "j", [])])
    item = body.ListItem("<strong>i</strong>", "i", [inner])
    posts = '<figure data-embed="x"><a href="https://x.com/a/status/1">https://x.com/a/status/1</a></figure>'
    assert body.blocks(document) == [
        body.ParagraphBlock("a", "<p>x<br>y</p>", "x\ny"),
        body.HeadingBlock("b", '<h3 id="h">H</h3>', "H", 3, "h"),
        body.ListBlock("c", f"<ol><li><strong>i</strong>{inner.html}</li></ol>", True, [item]),
        body.QuoteBlock("d", "<blockquote><p>q</p><footer><cite>Me</cite></footer></blockquote>", "q", "Me"),
        body.EmbedBlock("e", posts, "x", "https://x.com/a/status/1", None),
        body.CodeBlock("f", '<pre><code class="language-c">k\n\n</code></pre>', "k\n", "c"),
        body.TableBlock("g", "<table><tbody><tr><td><p>1</p><p>2</p></td></tr></tbody></table>", [["1\n2"]]),
        body.DividerBlock("h", "<hr>"),
        body.ArticleLinkBlock("l", "", UUID(int=2)),
    ]
    assert body.blocks(image(altText="a", focalPoint={"x": 0, "y": 1})) == [
        body.ImageBlock("i", "", UUID(int=1), "a", False, None, None, (0, 1))
    ]


def test_text_parts_blocks_lines_and_cells() -> None:
    document = body.parse(
        html="<h2>H</h2><p>a<br>b</p><ul><li>c<ul><li>d</ul><li>e</ul><blockquote><p>f</p><p>g</p></blockquote>"
        "<table><tr><td>1<td><p>2</p><p>3</p></table>"
    )
    assert body.text(document) == "H\n\na\nb\n\nc\nd\ne\n\nf\n\ng\n\n1\t2 3"


def test_markdown_is_escaped_only_where_it_would_mean_something() -> None:
    lines = ["1. a", "# b", "- c", "snake_case *d* [e] <f> AT&T &amp; g!", "|", "2 + 2 = 4"]
    document = body.parse(json=doc(*(paragraph(text(line)) for line in lines)))
    assert body.markdown(document) == (
        "1\\. a\n\n\\# b\n\n\\- c\n\nsnake_case \\*d\\* \\[e\\] \\<f> AT&T \\&amp; g!\n\n\\|\n\n2 + 2 = 4\n"
    )
    assert body.parse(markdown=body.markdown(document)) == body.parse(html=body.html(document))


def test_portable_text_has_blocks_spans_and_references() -> None:
    document = body.parse(
        json=doc(
            {"type": "heading", "attrs": {"id": "a", "level": 2}, "content": [text("H")]},
            {"type": "paragraph", "attrs": {"id": "b"}, "content": [
                text("x", link(href="/y"), {"type": "bold"}),
                text("z", link(href="/y")),
                text("in", link(articleId=ARTICLE)),
            ]},
            {"type": "bulletList", "attrs": {"id": "c"}, "content": [
                {"type": "listItem", "content": [
                    paragraph(text("i")),
                    {"type": "orderedList", "content": [{"type": "listItem", "content": [paragraph(text("j"))]}]},
                ]},
            ]},
            {"type": "blockquote", "attrs": {"id": "d", "cite": "Me"}, "content": [paragraph(text("q"))]},
            {"type": "image", "attrs": {"id": "e", "mediaId": MEDIA, "altText": "alt"}},
            {"type": "articleLink", "attrs": {"id": "f", "articleId": ARTICLE}},
            {"type": "horizontalRule", "attrs": {"id": "g"}},
        )
    )  # fmt: skip

    def span(n: int, text: str, *marks: str) -> dict[str, Any]:
        return {"_type": "span", "_key": f"s{n}", "text": text, "marks": list(marks)}

    def block(key: str, style: str, *spans: Any, marks: Any = (), **more: Any) -> dict[str, Any]:
        return {"_type": "block", "_key": key, "style": style, "markDefs": list(marks), "children": list(spans)} | more

    reference = {"_type": "reference", "_ref": ARTICLE}
    definitions = [
        {"_key": "m0", "_type": "link", "href": "/y"},
        {"_key": "m1", "_type": "internalLink", "article": reference},
    ]
    spans = span(0, "x", "m0", "strong"), span(1, "z", "m0"), span(2, "in", "m1")
    assert body.portable_text(document) == [
        block("a", "h2", span(0, "H")),
        block("b", "normal", *spans, marks=definitions),
        block("c", "normal", span(0, "i"), listItem="bullet", level=1),
        block("c-1", "normal", span(0, "j"), listItem="number", level=2),
        block("d", "blockquote", span(0, "q"), cite="Me"),
        {
            "_type": "image",
            "_key": "e",
            "asset": {"_type": "reference", "_ref": MEDIA},
            "alt": "alt",
            "isDecorative": False,
            "caption": None,
            "credit": None,
            "focalPoint": None,
        },
        {"_type": "articleLink", "_key": "f", "article": reference},
        {"_type": "divider", "_key": "g"},
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("one two", 2),
        ("well-known U.S. — 3.5%", 3),
        ("l'été n’est", 2),
        ("Москва не спит", 3),
        ("서울 날씨가 좋다", 3),
        ("東京の天気。", 5),
        ("GPU价格2倍", 5),
        ("สวัสดีครับ", 2),
        ("<b>half</b>bold", 1),
        ("a<br>b<p>c", 3),
        ("🎉 …", 0),
    ],
)
def test_words_are_counted_by_script(source: str, words: int) -> None:
    assert body.word_count(body.parse(html=source)) == words


@pytest.mark.parametrize(
    ("source", "minutes"), [("", 0), ("one", 1), ("w " * 238, 1), ("w " * 239, 2), ("字" * 501, 2)]
)
def test_reading_takes_whole_minutes(source: str, minutes: int) -> None:
    assert body.reading_minutes(body.parse(markdown=source)) == minutes


@pytest.mark.parametrize(
    ("source", "length", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one two three", 8, "one two…"),
        ("one two three", 7, "one…"),
        ("one, two", 6, "one…"),
        ("one", 0, ""),
        ("one two", 1, "…"),
        ("incomprehensible", 6, "incom…"),
        ("a  b\n\nc d", 6, "a b c…"),
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("👩‍👩‍👧👩‍👩‍👧", 7, "👩‍👩‍👧…"),
        ("👩‍👩‍👧👩‍👩‍👧", 5, "…"),
        ("🇫🇷🇩🇪", 3, "🇫🇷…"),
        ("東京の天気は晴れ", 5, "東京の天…"),
        ("天気は、晴れ", 5, "天気は…"),
        ("see https://example.org/path now", 20, "see…"),
        ("https://example.org/path now", 20, "…"),
    ],
)
def test_an_excerpt_is_cut_between_words(source: str, length: int, expected: str) -> None:
    assert body.excerpt(source, length) == expected


def test_an_excerpt_of_a_document_is_its_prose() -> None:
    document = body.parse(
        html="<h2>Head</h2><table><tr><td>1<td>2</table><p>Tom &amp; <a href=/x>Jerry live</a> here.</p>"
    )
    assert body.excerpt(document) == "Tom & Jerry live here."
    assert body.excerpt(document, 18) == "Tom & Jerry live…"
    assert body.excerpt(body.parse(html="<h2>Head</h2>")) == "Head"


def diff(before: str, after: str) -> str:
    return body.diff(body.parse(html=before), body.parse(html=after), LINKS)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("<p>same</p>", "<p>same</p>", "<p>same</p>"),
        ("<p>a cat sat</p>", "<p>a dog sat</p>", "<p>a <del>cat</del><ins>dog</ins> sat</p>"),
        ("<p>one two</p>", "<p>one two three.</p>", "<p>one two<ins> three.</ins></p>"),
        ("<p>a</p><p>c</p>", "<p>a</p><p>b</p><p>c</p>", "<p>a</p><p><ins>b</ins></p><p>c</p>"),
        ("<p>a</p><p>b</p>", "<p>b</p>", "<p><del>a</del></p><p>b</p>"),
        ("<p>a <b>b</b></p>", "<p>a b</p>", "<p>a <del><strong>b</strong></del><ins>b</ins></p>"),
        ("<h2>Head</h2>", "<h2>Heading</h2>", '<h2 id="headheading"><del>Head</del><ins>Heading</ins></h2>'),
        ("<h2>a</h2>", "<h3>a</h3>", '<h2 id="a"><del>a</del></h2><h3 id="a-2"><ins>a</ins></h3>'),
        ("<ul><li>a<li>b</ul>", "<ul><li>a<li>c<li>b</ul>", "<ul><li>a</li><li><ins>c</ins></li><li>b</li></ul>"),
        ("<p>a</p>", "<p>a</p><hr>", "<p>a</p><ins><hr></ins>"),
        ("<pre>a\nb</pre>", "<pre>a\nc</pre>", "<pre><code>a\n<del>b</del><ins>c</ins></code></pre>"),
        ("<p>天気は晴れ</p>", "<p>天気は雨</p>", "<p>天気は<del>晴れ</del><ins>雨</ins></p>"),
        ("", "<p>a</p>", "<p><ins>a</ins></p>"),
        ("<p>a</p>", "", "<p><del>a</del></p>"),
        ("<p>one two three four five six</p>", "<p>1 2 3 4 5 6</p>", None),
    ],
)
def test_a_diff_marks_words_and_blocks(before: str, after: str, expected: str | None) -> None:
    whole = "<p><del>one two three four five six</del></p><p><ins>1 2 3 4 5 6</ins></p>"
    assert diff(before, after) == (expected or whole)


def test_a_diff_follows_a_block_by_its_id() -> None:
    def version(words: str) -> body.Document:
        return body.parse(json=doc({"type": "paragraph", "attrs": {"id": "p"}, "content": [text(words)]}))

    assert body.diff(version("one two three four five six x"), version("1 2 3 4 5 6 x")).endswith("</ins> x</p>")


def test_a_diff_of_hostile_sizes_is_shown_as_a_whole() -> None:
    before, after = "a b" + " a b" * 20_000, "b c" + " b c" * 20_000
    assert diff(f"<p>x {before} y</p>", f"<p>x {after} y</p>") == f"<p>x <del>{before}</del><ins>{after}</ins> y</p>"
