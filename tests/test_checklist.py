"""The checklist: what each rule finds, how grave it is on this site, and that it holds at publish and at schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cms import articles, clock, ids, newsroom, workflow
from cms.checklist import Level, checklist
from cms.errors import Embargoed, Forbidden, Invalid
from cms.models import Article, ArticleStatus, Head, Media, Role, Site
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import dump, execute, in_a_day, make_actor, make_article, make_author, make_media, make_section

pytestmark = pytest.mark.usefixtures("db")

TEXT = {"type": "paragraph", "content": [{"type": "text", "text": "Text."}]}


async def make_fit(**more: Any) -> Head:
    """A story in which nothing is found."""
    given = {
        "section_id": await make_section("World"),
        "byline": [{"author_id": await make_author("Ann")}],
        "body": {"html": "<p>Text.</p>"},
    }
    return await make_article(**given | more)


async def found(story: Head) -> list[tuple[str, str, str, tuple[str, ...] | None]]:
    article, head = await Article.get(id=story.article_id), await Head.get(article_id=story.article_id)
    return [(each.code, each.level, each.message, each.field) for each in await checklist(article, head)]


def shows(*pictures: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"type": "doc", "content": [TEXT, *({"type": "image", "attrs": each} for each in pictures)]}}


def links_to(*stories: Head) -> dict[str, Any]:
    content = [{"type": "articleLink", "attrs": {"articleId": ids.encode("Article", s.article_id)}} for s in stories]
    return {"json": {"type": "doc", "content": [TEXT, *content]}}


async def test_nothing_is_found_in_a_story_that_is_fit() -> None:
    assert await found(await make_fit()) == []


async def test_what_is_missing_is_said_in_order() -> None:
    assert await found(await make_article(headline="x" * 111)) == [
        ("headline_length", "WARN", "The headline is longer than 110 characters.", ("headline",)),
        ("section", "WARN", "The story stands in no section.", ("sectionId",)),
        ("byline", "WARN", "The story has no byline.", ("byline",)),
        ("body", "WARN", "The body is empty.", ("body",)),
    ]


async def test_pictures_need_an_alternative_text_or_to_be_decorative_wherever_they_stand() -> None:
    bare, told = await make_media(alt_text=None), await make_media(alt_text="A street")
    one, other = ids.encode("Media", bare.id), ids.encode("Media", told.id)
    said = [{"mediaId": other}, {"mediaId": one, "altText": "Rain"}, {"mediaId": one, "isDecorative": True}]
    for lead in ({"media_id": told.id}, {"media_id": bare.id, "alt_text": "x"}):
        story = await make_article(lead_media=lead, body=shows(*said))
        assert [code for code, *_ in await found(story)] == ["section", "byline"]
    story = await make_article(lead_media={"media_id": bare.id}, body=shows({"mediaId": one}, {"mediaId": one}))
    assert (await found(story))[2:] == [
        (
            "alt_text",
            "WARN",
            "The lead picture has no alternative text and is not marked as decorative.",
            ("leadMedia", "altText"),
        ),
        ("alt_text", "WARN", "2 pictures in the body have no alternative text and are not decorative.", ("body",)),
    ]


async def test_rights_that_end_within_two_weeks_are_told_ahead() -> None:
    picture = await make_media()
    story = await make_fit(body=shows({"mediaId": ids.encode("Media", picture.id)}))
    ends = clock.now() + timedelta(days=13)
    await Media.filter(id=picture.id).update(expires_at=ends)
    message = f"The rights to a picture in the body end on {ends:%Y-%m-%d %H:%M} UTC."
    assert await found(story) == [("rights_soon", "WARN", message, ("body",))]
    await Media.filter(id=picture.id).update(expires_at=clock.now() + timedelta(days=15))
    assert await found(story) == []


async def test_rights_that_have_ended_block_in_the_body_too() -> None:
    picture = await make_media()
    story = await make_fit(body=shows({"mediaId": ids.encode("Media", picture.id)}))
    await Media.filter(id=picture.id).update(expires_at=clock.now())
    assert await found(story) == [("rights", "BLOCK", "The rights to a picture in the body have ended.", ("body",))]
    before = await dump()
    for name in (Transition.PUBLISH, Transition.SCHEDULE):
        with pytest.raises(Invalid) as refused:
            await workflow.transition(SYSTEM, story.article_id, name, wish=in_a_day())
        assert [(i.field, i.code) for i in refused.value.issues] == [(("body",), "rights")]
    assert await dump() == before


async def test_typed_addresses_of_this_site_at_which_nothing_is_found_are_dead() -> None:
    await make_article(headline="Seen", slug="seen", status=ArticleStatus.PUBLISHED)
    await make_article(headline="Hidden", slug="hidden")
    url = (await Site.get()).url
    addresses = [
        f"{url}/seen",
        f"{url}/hidden",
        f"{url}/world/nowhere?a=b",
        url,
        f"{url}/a.pdf",
        "https://x.example/no",
    ]
    html = "".join(f'<p><a href="{address}">a link</a></p>' for address in addresses)
    told = [message for _, _, message, _ in await found(await make_fit(body={"html": html}))]
    assert told == [
        f"Nothing for readers is found at {address}, to which a link in the body leads." for address in addresses[1:3]
    ]


async def test_links_to_stories_that_readers_cannot_see_are_dead() -> None:
    live, draft = await make_article(status=ArticleStatus.PUBLISHED), await make_article()
    gone = await make_article(status=ArticleStatus.UNPUBLISHED)
    assert await found(await make_fit(body=links_to(live))) == []
    message = "2 links in the body lead to stories that readers cannot see."
    story = await make_article(body=links_to(live, draft, gone))
    assert (await found(story))[-1] == ("links", "WARN", message, ("body",))


async def test_an_embargo_is_told_and_refuses_by_its_own_name() -> None:
    story = await make_fit()
    until = clock.now() + timedelta(hours=1)
    await articles.update_editorial(SYSTEM, story.article_id, {"embargoed_until": until})
    message = f"The story is under embargo until {until:%Y-%m-%d %H:%M} UTC."
    assert await found(story) == [("embargo", "BLOCK", message, None)]
    with pytest.raises(Embargoed):
        await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=Wish(publish_at=until))


async def test_a_slug_that_is_somebody_elses_blocks() -> None:
    story, other = await make_fit(headline="One"), await make_article()
    await execute("update slug set target_id = $1 where slug = 'one'", other.article_id)
    assert [(code, level) for code, level, *_ in await found(story)] == [("slug", "BLOCK")]
    with pytest.raises(Invalid):
        await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)


async def test_a_site_decides_how_grave_a_rule_is() -> None:
    story, chief = await make_article(), await make_actor(Role.CHIEF)
    wish = {"section": Level.BLOCK, "byline": Level.OFF, "body": Level.WARN}
    await newsroom.update_site(chief, {"checklist": wish})
    assert [(code, level) for code, level, *_ in await found(story)] == [("section", "BLOCK"), ("body", "WARN")]
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
    assert [(i.field, i.code) for i in refused.value.issues] == [(("sectionId",), "section")]
    assert await dump() == before
    await newsroom.update_site(chief, {"checklist": {"section": Level.WARN}})
    assert (await Site.get()).checklist == {"section": "WARN", "byline": "OFF", "body": "WARN"}
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)


async def test_rules_are_a_chiefs_and_the_rest_of_the_site_is_not() -> None:
    editor, chief, admin = [await make_actor(role) for role in (Role.EDITOR, Role.CHIEF, Role.ADMIN)]
    before = await dump()
    with pytest.raises(Forbidden):
        await newsroom.update_site(editor, {"checklist": {"body": Level.BLOCK}})
    with pytest.raises(Forbidden):
        await newsroom.update_site(chief, {"checklist": {"body": Level.BLOCK}, "name": "x"})
    for code in ("slug", "embargo", "headline", "nothing"):
        with pytest.raises(Invalid):
            await newsroom.update_site(admin, {"checklist": {code: Level.OFF}})
    assert await dump() == before


SITE = "{ site { checklistRules { code level isFixed } } }"


async def test_the_api_shows_rules_to_staff_and_changes_them(api: Api) -> None:
    chief = await make_actor(Role.CHIEF)
    assert (await api(SITE))["site"] == {"checklistRules": None}
    input = {"checklistRules": [{"code": "body", "level": "BLOCK"}]}
    await api.write("updateSite", input, "... on Site { name }", actor=chief)
    rules = (await api(SITE, actor=chief))["site"]["checklistRules"]
    assert {rule["code"]: rule["level"] for rule in rules} == {
        "headline": "BLOCK",
        "headline_length": "WARN",
        "section": "WARN",
        "byline": "WARN",
        "body": "BLOCK",
        "alt_text": "WARN",
        "rights": "BLOCK",
        "rights_soon": "WARN",
        "links": "WARN",
        "slug": "BLOCK",
        "embargo": "BLOCK",
    }
    assert [rule["code"] for rule in rules if rule["isFixed"]] == ["headline", "slug", "embargo"]
    story = await make_article(headline="x")
    checked = "editorial { checklist { code level message field } }"
    document = f"query($id: ID!) {{ article(id: $id, perspective: DRAFT) {{ {checked} }} }}"
    shown = await api(document, id=ids.encode("Article", story.article_id), actor=chief)
    assert shown["article"]["editorial"]["checklist"][-1] == {
        "code": "body",
        "level": "BLOCK",
        "message": "The body is empty.",
        "field": ["body"],
    }
