"""What HTML and Markdown become."""

from __future__ import annotations

from uuid import UUID

import pytest

from cms import body, ids
from cms.errors import Invalid
from tests.test_body_check import HOSTILE_ADDRESSES

MEDIA = ids.encode("Media", UUID(int=1))
ARTICLE = ids.encode("Article", UUID(int=2))
LINKS = body.Links(
    {UUID(int=2): body.ArticleTarget("/news/a", "A < B")},
    {UUID(int=1): body.MediaTarget("/m/1.jpg", width=8, height=6)},
)


_TABLE = "<table><tbody><tr><td><strong>b</strong></td><td><strong>c</strong></td></tr></tbody></table>"


def cleaned(html: str) -> str:
    return body.html(body.parse(html=html), LINKS)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "<p>plain</p>"),
        ("<p>a</p>\n\n<p>b</p>", "<p>a</p><p>b</p>"),
        ("<div>a<div>b</div>c</div>", "<p>a</p><p>b</p><p>c</p>"),
        ("<p>One<p>Two", "<p>One</p><p>Two</p>"),
        ("<b>a</b> <i>b</i>", "<p><strong>a</strong> <em>b</em></p>"),
        ("  <p>  a \n b  <br> c <br></p>", "<p>a b<br>c</p>"),
        ("<p>5&nbsp;km</p>", "<p>5\xa0km</p>"),
        ("<b><p>a</p><p>b</p></b>", "<p><strong>a</strong></p><p><strong>b</strong></p>"),
        ("<p>&nbsp;</p><p>\u200b</p><p><br></p><h2></h2>x", "<p>x</p>"),
        ("<H1>Big</H1>", '<h1 id="big">Big</h1>'),
        ("<b>a<table><tr><td>b<td>c</table></b>", "<p><strong>a</strong></p>" + _TABLE),
        ("<p title='<b>'>&lt;b> <img src=data:x alt='<b>'>", "<p>&lt;b&gt; &lt;b&gt;</p>"),
        ("<h2 onclick=x>A<p>b</h2>", '<h2 id="a">A</h2><h2 id="b">b</h2>'),
        ("<p>a<!-- wp:paragraph -->b</p>", "<p>ab</p>"),
        ("<p>a</p></body></html><p>b</p>", "<p>a</p><p>b</p>"),
        ("<del>a</del><ins>b</ins><kbd>c</kbd>", "<p><s>a</s><u>b</u><code>c</code></p>"),
        ("<p>H<sub>2</sub>O m<sup>2</sup></p>", "<p>H<sub>2</sub>O m<sup>2</sup></p>"),
        ("<q>said</q>", "<p>“said”</p>"),
        ("a<hr>b", "<p>a</p><hr><p>b</p>"),
        ("<details><summary>a</summary>b</details>", "<p>a</p><p>b</p>"),
        ("<dl><dt>a<dd>b</dl>", "<p>a</p><p>b</p>"),
    ],
)
def test_text_and_marks_are_kept(source: str, expected: str) -> None:
    assert cleaned(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("<ul><ul><li>b</li></ul></ul>", "<ul><li><ul><li>b</li></ul></li></ul>"),
        ("<ul>loose<li> </li></ul>", "<ul><li>loose</li></ul>"),
        ("<ol start=3><li><p>a</p><p>b</p></li></ol>", '<ol start="3"><li><p>a</p><p>b</p></li></ol>'),
        ("<ol start=x><li>a</ol>", "<ol><li>a</li></ol>"),
        ("<ul></ul>", ""),
        ("<li>a</li>", "<p>a</p>"),
        ("<blockquote>a</blockquote>", "<blockquote><p>a</p></blockquote>"),
        (
            "<blockquote><p>a</p><cite>— B C</cite></blockquote>",
            "<blockquote><p>a</p><footer><cite>B C</cite></footer></blockquote>",
        ),
        (
            "<blockquote cite='https://e.org/s'>a</blockquote>",
            '<blockquote cite="https://e.org/s"><p>a</p></blockquote>',
        ),
        (
            '<blockquote>a<footer><a href="/b">B</a></footer></blockquote>',
            '<blockquote><p>a</p><p><a href="/b">B</a></p></blockquote>',
        ),
        (
            "<pre><code class='hljs language-js'>\n a\n\tb\n</code></pre>",
            '<pre><code class="language-js">\n a\n\tb</code></pre>',
        ),
        ("<pre>a<br>b &lt;</pre>", "<pre><code>a\nb &lt;</code></pre>"),
        (
            "<table><caption>C</caption><tr><th>A<th>B<tr><th>c<td colspan=2>d</table>",
            '<p>C</p><table><thead><tr><th scope="col">A</th><th scope="col">B</th></tr></thead>'
            '<tbody><tr><th scope="row">c</th><td colspan="2">d</td></tr></tbody></table>',
        ),
        ("<table><tr><td><p>a mail's frame</p></table>", "<p>a mail's frame</p>"),
        ("<table></table>", ""),
    ],
)
def test_lists_quotes_code_and_tables_are_kept(source: str, expected: str) -> None:
    assert cleaned(source) == expected


def test_google_docs_wrapper_is_not_bold_and_its_spans_are() -> None:
    source = (
        '<b style="font-weight:normal;"><p><span style="font-weight:400;text-decoration:none">a </span>'
        '<span style="font-weight:700;font-style:italic">b</span></p><br><br><h2><span style="font-weight:400">c</span>'
        '</h2><p><a href="https://e.org" style="text-decoration:none"><span style="text-decoration:underline '
        'line-through">d</span></a><span style="text-decoration:underline;vertical-align:super">e</span></p></b>'
    )
    assert cleaned(source) == (
        '<p>a <strong><em>b</em></strong></p><h2 id="c">c</h2>'
        '<p><a href="https://e.org"><s>d</s></a><u><sup>e</sup></u></p>'
    )


def test_word_paragraphs_become_lists() -> None:
    source = """
      <html><head><title>t</title><style>p {}</style><xml><w:x>1</w:x></xml></head><body><!--StartFragment-->
      <p class=MsoNormal><b>Head<o:p></o:p></b></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>
      <p class=MsoListParagraphCxSpFirst style='text-indent:-.25in;mso-list:l0 level1 lfo1'><![if !supportLists]>
        <span style='font-family:Symbol'><span style='mso-list:Ignore'>·<span>&nbsp; </span></span></span><![endif]>a
        <a href="https://e.org/?a=1&amp;b=2">b</a></p>
      <p class=MsoListParagraphCxSpMiddle style='mso-list:l0 level2 lfo1'><span style='mso-list:Ignore'>o </span>c</p>
      <p class=MsoListParagraphCxSpLast style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·</span>d</p>
      <p class=MsoNormal>between <img src="file:///C:/x.png" alt="a chart"> <a href="file:///C:/x.doc">doc</a></p>
      <p class=MsoListParagraph style='mso-list:l1 level1 lfo2'><span style='mso-list:Ignore'>3.</span>e</p>
      <p class=MsoListParagraph>·&nbsp;&nbsp;f</p></body></html>"""
    assert cleaned(source) == (
        '<p><strong>Head</strong></p><ul><li>a <a href="https://e.org/?a=1&amp;b=2">b</a><ul><li>c</li></ul></li>'
        '<li>d</li></ul><p>between a chart doc</p><ol start="3"><li>e</li></ol><ul><li>f</li></ul>'
    )


@pytest.mark.parametrize("href", HOSTILE_ADDRESSES)
def test_a_link_that_leads_nowhere_good_leaves_its_text(href: str) -> None:
    assert cleaned(f'<a href="{href}">x</a>') == "<p>x</p>"


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href='java&Tab;script:alert(1)'>x</a>",
        "<a href='jav&#x0A;ascript:alert(1)'>x</a>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<form action='javascript:alert(1)'><button formaction='javascript:alert(1)'>x</button></form>",
        "<p style='background:url(javascript:alert(1))'>x</p>",
        "<object data='javascript:alert(1)'></object>",
        "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
        "<textarea><p title='</textarea><img src=x onerror=alert(1)>'></textarea>",
        "<h2 id='x\"onclick=alert(1)'>x</h2>",
        '<p title="</p><script>alert(1)</script>">x',
        "<template><img src=x onerror=alert(1)></template>",
        "<base href='javascript:/a/+alert(1)//'>",
        "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
        "<</body>script>alert(1)</script>",
    ],
)
def test_nothing_that_runs_gets_through(attack: str) -> None:
    for printed in (cleaned(attack), body.html(body.parse(markdown=attack))):
        tags = "".join(part.split(">")[0] for part in printed.split("<")[1:])
        assert not any(word in tags for word in ("script", "onerror", "onload", "onclick", "style", "svg", "srcdoc"))
        assert cleaned(printed) == printed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<img src='https://e.org/i/riot%20a.jpg'>", '<p><a href="https://e.org/i/riot%20a.jpg">riot a.jpg</a></p>'),
        ("<img src='https://e.org/a.jpg' alt='A riot'>", '<p><a href="https://e.org/a.jpg">A riot</a></p>'),
        ("<a href='/x'><img src='https://e.org/a.jpg' alt='A riot'></a>", '<p><a href="/x">A riot</a></p>'),
        ("<img src='data:image/png;base64,AAAA' alt='chart'>", "<p>chart</p>"),
        ("<img src='data:image/png;base64,AAAA'>", ""),
        ("<img src='//tracker.example/p' width=1 height=1>", ""),
        ("so <img src='https://s.w.org/1f600.svg' alt='😀'>", "<p>so 😀</p>"),
        ("<video src='/v.mp4'>no video</video>", '<p><a href="/v.mp4">v.mp4</a></p><p>no video</p>'),
        (
            "<iframe src='https://e.org/x' title='Map'><b>raw</b></iframe>",
            '<p><a href="https://e.org/x">Map</a></p>',
        ),
        (
            "<figure><img src='https://e.org/a.jpg' alt=x><figcaption>cap</figcaption></figure>",
            '<p><a href="https://e.org/a.jpg">x</a></p><p>cap</p>',
        ),
    ],
)
def test_what_is_not_in_the_library_becomes_a_link_or_its_text(source: str, expected: str) -> None:
    assert cleaned(source) == expected


def test_library_images_and_internal_links_are_known_by_their_ids() -> None:
    source = (
        f'<figure><img data-media-id="{MEDIA}" alt="riot" src="x" data-focal-point="0.5,1"><figcaption>A <b>cap</b> '
        f'<small>AP</small></figcaption></figure><p><img data-media-id="{ARTICLE}" alt="not a file"></p>'
        f'<p><a data-article-id="{ARTICLE}" href="/old">in</a> <a data-article-id="{MEDIA}" href="/x">out</a></p>'
        f'<aside data-article-id="{ARTICLE}">gone</aside>'
    )
    document = body.parse(html=source)
    assert body.references(document) == body.References((UUID(int=1),), (UUID(int=2),))
    assert document["content"][0]["attrs"] | {"id": ""} == {
        "id": "",
        "mediaId": MEDIA,
        "altText": "riot",
        "caption": "A cap",
        "credit": "AP",
        "focalPoint": {"x": 0.5, "y": 1.0},
    }
    assert body.parse(html=body.html(document, LINKS)) == document
    assert cleaned(source).endswith(
        f'<p>not a file</p><p><a href="/news/a" data-article-id="{ARTICLE}">in</a> <a href="/x">out</a></p>'
        f'<aside data-article-id="{ARTICLE}"><a href="/news/a">A &lt; B</a></aside>'
    )


EMBEDS = [
    ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=4s", "youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
    ("//www.youtube.com/embed/dQw4w9WgXcQ?rel=0", "youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
    ("https://www.youtube-nocookie.com/embed/x", "youtube", "https://www.youtube.com/watch?v=x"),
    ("https://youtu.be/x?si=1", "youtube", "https://www.youtube.com/watch?v=x"),
    ("https://m.youtube.com/shorts/x", "youtube", "https://www.youtube.com/watch?v=x"),
    ("https://player.vimeo.com/video/123?h=ab12", "vimeo", "https://vimeo.com/123/ab12"),
    ("https://vimeo.com/123", "vimeo", "https://vimeo.com/123"),
    ("https://open.spotify.com/embed/episode/4x?utm=1", "spotify", "https://open.spotify.com/episode/4x"),
    ("https://soundcloud.com/a-b/c", "soundcloud", "https://soundcloud.com/a-b/c"),
    (
        "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/1&color=x",
        "soundcloud",
        "https://api.soundcloud.com/tracks/1",
    ),
    (
        "https://podcasts.apple.com/us/podcast/caf%C3%A9/id1?i=22&x=3",
        "applepodcasts",
        "https://podcasts.apple.com/us/podcast/caf%C3%A9/id1?i=22",
    ),
    ("https://datawrapper.dwcdn.net/AbCd1/7/", "datawrapper", "https://datawrapper.dwcdn.net/AbCd1/"),
    ("https://flo.uri.sh/visualisation/12/embed", "flourish", "https://public.flourish.studio/visualisation/12/"),
    ("https://www.documentcloud.org/documents/1-a", "documentcloud", "https://www.documentcloud.org/documents/1-a/"),
    ("https://dai.ly/x8abc", "dailymotion", "https://www.dailymotion.com/video/x8abc"),
    ("https://www.google.com/maps/embed?pb=!1m18!2d1", "googlemaps", "https://www.google.com/maps/embed?pb=!1m18!2d1"),
    ("https://twitter.com/a_b/status/12?s=20", "x", "https://x.com/a_b/status/12"),
    ("https://www.instagram.com/reel/Ab-1/?hl=de", "instagram", "https://www.instagram.com/reel/Ab-1/"),
    ("https://www.tiktok.com/@a.b/video/12", "tiktok", "https://www.tiktok.com/@a.b/video/12"),
    ("https://www.facebook.com/a.b/posts/12", "facebook", "https://www.facebook.com/a.b/posts/12"),
    ("https://bsky.app/profile/a.b/post/3k", "bluesky", "https://bsky.app/profile/a.b/post/3k"),
    ("https://www.threads.net/@a/post/B1", "threads", "https://www.threads.net/@a/post/B1"),
]


@pytest.mark.parametrize(("address", "provider", "canonical"), EMBEDS)
def test_a_player_of_a_known_provider_becomes_an_embed(address: str, provider: str, canonical: str) -> None:
    document = body.parse(html=f'<iframe src="{address}" title="T"></iframe>')
    attrs = document["content"][0]["attrs"]
    assert (attrs["provider"], attrs["url"], attrs["title"]) == (provider, canonical, "T")
    assert body.parse(html=body.html(document)) == document
    assert body.parse(markdown=body.markdown(document)) == document


@pytest.mark.parametrize(
    "address",
    [
        "https://youtube.com.evil.example/embed/x",
        "https://youtube.com@evil.example/embed/x",
        "https://evil.example/youtube.com/embed/x",
        "javascript://www.youtube.com/embed/x",
        'https://www.youtube.com/embed/x"onload="alert(1)',
        "https://w.soundcloud.com/player/?url=https://evil.example",
    ],
)
def test_what_only_looks_like_a_provider_is_no_embed(address: str) -> None:
    assert "<iframe" not in cleaned(f"<iframe src='{address}'></iframe>")


def test_google_redirects_are_taken_out_of_links() -> None:
    source = '<a href="https://www.google.com/url?q=https://e.org/a%3Fb&sa=D">x</a>'
    assert cleaned(source) == '<p><a href="https://e.org/a?b">x</a></p>'


@pytest.mark.parametrize(
    "source", ["<div>" * 200_000, "<b>" * 300_000, "<blockquote>" * 600 + "x", "<table><tr><td>a<td>" * 40, "a\ud800"]
)
def test_html_that_no_reader_could_read_is_refused_quickly(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        body.parse(html=source)
    assert refused.value.issues[0].field == ("body", "html")


@pytest.mark.parametrize("source", ["[" * 20_000, "x" * 500_001, "> " * 30 + "x", "\ud800"])
def test_markdown_that_no_reader_could_read_is_refused(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        body.parse(markdown=source)
    assert refused.value.issues[0].field == ("body", "markdown")


def test_markdown_is_commonmark_with_tables_and_strikethrough() -> None:
    source = (
        "# Hi\n\n*a* **b** ~~c~~ `d` [e](/f 'g') <u>h</u>\nnext  \nline\n\n- i\n  1. j\n\n> k\n\n```py\nl\n```\n\n"
        "| m | n |\n|---|---|\n| o | p |\n\n---\n\n<script>alert(1)</script><img src=x onerror=y alt=q>\n"
        "[bad](javascript:x) ![pic](https://e.org/r.jpg)"
    )
    assert body.html(body.parse(markdown=source)) == (
        '<h1 id="hi">Hi</h1><p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code> <a href="/f" title="g">e</a> '
        "<u>h</u> next<br>line</p><ul><li>i<ol><li>j</li></ol></li></ul><blockquote><p>k</p></blockquote>"
        '<pre><code class="language-py">l</code></pre><table><thead><tr><th scope="col">m</th><th scope="col">n</th>'
        '</tr></thead><tbody><tr><td>o</td><td>p</td></tr></tbody></table><hr><p><a href="x">q</a></p>'
        '<p>bad <a href="https://e.org/r.jpg">pic</a></p>'
    )
