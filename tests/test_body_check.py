"""What a body takes as JSON, and how it refuses the rest."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cms import body, ids
from cms.errors import Invalid

MEDIA = ids.encode("Media", UUID(int=1))
ARTICLE = ids.encode("Article", UUID(int=2))


def doc(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "content": list(content)}


def paragraph(*content: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def text(text: object, *marks: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, "marks": list(marks)}


def link(**attrs: Any) -> dict[str, Any]:
    return {"type": "link", "attrs": attrs}


def quotes(depth: int) -> dict[str, Any]:
    node = paragraph(text("x"))
    for _ in range(depth):
        node = {"type": "blockquote", "content": [node]}
    return doc(node)


@pytest.mark.parametrize(
    "value",
    [
        0,
        "",
        "{}",
        [],
        {},
        {"type": "paragraph"},
        {"type": "doc", "content": "x"},
        {"type": "doc", "content": {}},
        {"type": "doc", "content": [None]},
        {"type": "doc", "content": [[]]},
        {"type": "doc", "attrs": []},
        doc({"type": "video"}),
        doc({"type": ["paragraph"]}),
        doc(doc(paragraph())),
        doc(text("a text needs a paragraph")),
        doc(paragraph(paragraph())),
        doc({"type": "bulletList"}),
        doc({"type": "blockquote", "content": []}),
        doc({"type": "listItem", "content": [paragraph()]}),
        doc({"type": "codeBlock", "content": [text("x", {"type": "bold"})]}),
        doc(paragraph(text(1))),
        doc(paragraph(text(None))),
        doc(paragraph(text({"a": 1}))),
        doc(paragraph(text("\ud800"))),
        doc(paragraph({"type": "text", "text": "x", "marks": "bold"})),
        doc(paragraph({"type": "text", "text": "x", "marks": ["bold"]})),
        doc(paragraph(text("x", {"type": "blink"}))),
        doc(paragraph(text("x", {"type": {}}))),
        doc({"type": "heading", "content": [text("x")]}),
        *(
            doc({"type": "heading", "attrs": {"level": level}})
            for level in (0, 7, 9, 2.5, True, "2", "2 onclick=x", {})
        ),
        doc({"type": "heading", "attrs": {"level": float("nan")}}),
        doc({"type": "heading", "attrs": {"level": float("inf")}}),
        doc(
            {"type": "orderedList", "attrs": {"start": -1}, "content": [{"type": "listItem", "content": [paragraph()]}]}
        ),
        doc({"type": "image"}),
        doc({"type": "image", "attrs": {"mediaId": ARTICLE}}),
        doc({"type": "image", "attrs": {"mediaId": str(UUID(int=1))}}),
        doc({"type": "image", "attrs": {"mediaId": MEDIA, "altText": 5}}),
        doc({"type": "image", "attrs": {"mediaId": MEDIA, "isDecorative": "yes"}}),
        doc({"type": "image", "attrs": {"mediaId": MEDIA, "focalPoint": {"x": 2, "y": 0}}}),
        doc({"type": "image", "attrs": {"mediaId": MEDIA, "focalPoint": {"x": float("nan"), "y": 0}}}),
        doc({"type": "articleLink", "attrs": {"articleId": MEDIA}}),
        doc({"type": "embed", "attrs": {"url": "javascript:alert(1)"}}),
        doc({"type": "embed", "attrs": {"url": "/local"}}),
        doc({"type": "codeBlock", "attrs": {"language": '"><script>'}}),
        doc(paragraph(text("x", link(articleId=MEDIA)))),
        doc(paragraph(text("x", link()))),
        quotes(20),
        quotes(600),
    ],
)
def test_what_is_not_of_the_schema_is_refused_at_its_field(value: object) -> None:
    with pytest.raises(Invalid) as refused:
        body.parse(json=value, field=("input", "body"))
    assert refused.value.issues[0].field == ("input", "body", "json")
    assert refused.value.message


HOSTILE_ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    " javascript:alert(1)",
    "javascript&colon;alert(1):",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://example.org",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "http://[",
    "",
]


@pytest.mark.parametrize("href", [*HOSTILE_ADDRESSES, 5, ["/x"], "https://example.org/" + "x" * 5_000])
def test_an_address_that_may_not_be_linked_to_is_refused(href: object) -> None:
    with pytest.raises(Invalid, match="href of link"):
        body.parse(json=doc(paragraph(text("x", link(href=href)))))


@pytest.mark.parametrize(
    "href",
    ["https://example.org/a?b=1#c", "HTTP://example.org", "mailto:a@b.org", "tel:+123", "/a:b", "a/b", "?q", "#a"],
)
def test_addresses_of_the_web_of_mail_of_telephones_and_of_this_site_are_kept(href: str) -> None:
    document = body.parse(json=doc(paragraph(text("x", link(href=href)))))
    assert document["content"][0]["content"][0]["marks"] == [link(href=href)]


def test_a_refusal_says_where_and_what_to_do() -> None:
    heading = {"type": "heading", "attrs": {"level": 9}}
    with pytest.raises(Invalid) as refused:
        body.parse(json=doc(paragraph(), {"type": "blockquote", "content": [heading]}))
    assert refused.value.message == ("At content.1.content.0: the level of heading must be a whole number from 1 to 6.")


def test_sizes_are_limited() -> None:
    with pytest.raises(Invalid, match="more than 50,000 nodes"):
        body.parse(json=doc(*[paragraph()] * 50_001))
    with pytest.raises(Invalid, match="more than 1,000,000 characters"):
        body.parse(json=doc(paragraph(text("x" * 1_000_001))))
    assert body.parse(json=quotes(17))


def test_exactly_one_source_is_taken() -> None:
    with pytest.raises(Invalid, match="one of html, markdown or json") as refused:
        body.parse(html="x", markdown="x")
    assert refused.value.issues[0].field == ("body",)
    with pytest.raises(Invalid):
        body.parse()


def test_unknown_attributes_and_defaults_are_left_out() -> None:
    given = doc(
        {"type": "paragraph", "attrs": {"id": "p1", "textAlign": "left", "onclick": "x"}, "content": [text("a")]},
        {"type": "orderedList", "attrs": {"id": "l1", "start": 1}, "content": [
            {"type": "listItem", "attrs": {"id": "n"}, "content": [paragraph(text("b", link(href="/x", rel="x")))]}
        ]},
    )  # fmt: skip
    assert body.parse(json=given) == doc(
        {"type": "paragraph", "attrs": {"id": "p1"}, "content": [{"type": "text", "text": "a"}]},
        {"type": "orderedList", "attrs": {"id": "l1"}, "content": [
            {"type": "listItem", "content": [paragraph(text("b", link(href="/x")))]}
        ]},
    )  # fmt: skip


def test_control_characters_are_removed_and_bidi_marks_kept() -> None:
    document = body.parse(json=doc(paragraph(text("a\x00b\x08c\r\nd\te\x9f\u202ef\u200d\ufffe"))))
    assert body.text(document) == "abc\nd\te\u202ef\u200d"


def test_texts_are_joined_and_marks_put_in_order_once_each() -> None:
    given = doc(
        paragraph(text("a", {"type": "code"}, link(href="/x"), {"type": "bold"}, {"type": "bold"}), text(""), text("b"))
    )
    [block] = body.parse(json=given)["content"]
    assert block["content"] == [
        text("a", link(href="/x"), {"type": "bold"}, {"type": "code"}),
        {"type": "text", "text": "b"},
    ]
    [block] = body.parse(json=doc(paragraph(text("a"), text("b"), text(""))))["content"]
    assert block["content"] == [{"type": "text", "text": "ab"}]


def test_an_internal_link_has_no_address() -> None:
    document = body.parse(json=doc(paragraph(text("x", link(href="/draft-slug", articleId=ARTICLE)))))
    assert document["content"][0]["content"][0]["marks"] == [link(articleId=ARTICLE)]


def test_each_block_at_the_top_has_an_id_of_its_own() -> None:
    same = {"type": "paragraph", "attrs": {"id": "same"}, "content": [text("a")]}
    bad = {"type": "paragraph", "attrs": {"id": "<x>"}, "content": [text("a")]}
    ids = [block["attrs"]["id"] for block in body.parse(json=doc(same, same, bad, paragraph(text("a"))))["content"]]
    assert ids[0] == "same"
    assert len(set(ids)) == 4
    assert all(id.isalnum() for id in ids)


def test_the_same_html_twice_is_the_same_document() -> None:
    source = "<p>a</p><p>a</p><p>b</p>"
    assert body.parse(html=source) == body.parse(html=source)
    added = body.parse(html="<p>new</p>" + source)
    assert added["content"][1:] == body.parse(html=source)["content"]


def test_an_embed_is_what_its_address_says() -> None:
    given = doc({"type": "embed", "attrs": {"provider": "vimeo", "url": "https://youtu.be/a-b_c?t=5", "title": "T"}})
    [block] = body.parse(json=given)["content"]
    assert block["attrs"] | {"id": ""} == {
        "id": "",
        "provider": "youtube",
        "url": "https://www.youtube.com/watch?v=a-b_c",
        "title": "T",
    }
    [block] = body.parse(json=doc({"type": "embed", "attrs": {"url": "https://www.example.org/x"}}))["content"]
    assert block["attrs"]["provider"] == "example.org"


def test_references_are_distinct_and_in_order() -> None:
    other = ids.encode("Article", UUID(int=3))
    document = body.parse(
        json=doc(
            paragraph(text("x", link(articleId=other)), text("y", link(articleId=ARTICLE))),
            {"type": "blockquote", "content": [{"type": "image", "attrs": {"mediaId": MEDIA}}]},
            {"type": "articleLink", "attrs": {"articleId": other}},
        )
    )
    assert body.references(document) == body.References((UUID(int=1),), (UUID(int=3), UUID(int=2)))


@pytest.mark.parametrize("value", [{"type": "doc"}, {"type": "doc", "content": []}, doc(paragraph())])
def test_an_empty_document_is_one_empty_paragraph_and_shows_nothing(value: object) -> None:
    document = body.parse(json=value)
    assert document == body.empty() == body.parse(html=" ") == body.parse(markdown="")
    assert body.html(document) == body.markdown(document) == body.text(document) == body.excerpt(document) == ""
    assert body.blocks(document) == body.portable_text(document) == []
    assert body.word_count(document) == body.reading_minutes(document) == 0
