"""The site, and lists kept by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cms import ids, newsroom, workflow
from cms.errors import CMSError
from cms.models import ArticleStatus, Event, Role, StoryList
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.conftest import Api
from tests.factories import dump, make_actor, make_article, make_media, publish

pytestmark = pytest.mark.usefixtures("db")

SITE = "name tagline url locale locales timeZone logo { altText } socialLinks { service url label }"


async def test_the_site_is_changed_by_an_admin_and_read_by_all(api: Api) -> None:
    admin, picture = await make_actor(Role.ADMIN), await make_media(alt_text="Our logo")
    link = {"service": "mastodon", "url": "https://social.example/@x", "label": "Follow us"}
    input = {
        "name": "The Paper",
        "tagline": "All of it",
        "url": "https://paper.example/",
        "locale": "en",
        "locales": ["en", "pt-BR"],
        "timeZone": "Europe/Amsterdam",
        "logo": {"mediaId": ids.encode("Media", picture.id)},
        "socialLinks": [link],
    }
    expected = input | {"url": "https://paper.example", "logo": {"altText": "Our logo"}}
    done = await api.write("updateSite", input, f"... on Site {{ {SITE} }}", actor=admin)
    assert done == {"__typename": "Site"} | expected
    assert (await api(f"{{ site {{ {SITE} }} }}"))["site"] == expected
    cleared = await api.write(
        "updateSite", {"tagline": None, "socialLinks": None}, f"... on Site {{ {SITE} }}", actor=admin
    )
    assert (cleared["tagline"], cleared["socialLinks"], cleared["name"]) == (None, [], "The Paper")
    assert await Event.filter(type="site.updated", public=True).count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"url": None}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"time_zone": "Mars/Olympus"}, "timeZone"),
        ({"time_zone": None}, "timeZone"),
        ({"locale": "english"}, "locale"),
        ({"locale": None}, "locale"),
        ({"locales": ["fr"]}, "locales"),
        ({"locales": []}, "locales"),
        ({"locales": ["en", "../x"]}, "locales.1"),
        ({"logo": {"media_id": ids.new()}}, "logo.mediaId"),
        ({"social_links": [{"service": "x", "url": "nope", "label": "x"}]}, "socialLinks.0.url"),
        ({"social_links": [{"service": "", "url": "https://a.b", "label": "x"}]}, "socialLinks.0.service"),
    ],
)
async def test_a_wrong_setting_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    before = await dump()
    with pytest.raises(CMSError) as refused:
        await newsroom.update_site(SYSTEM, changes)
    assert ".".join(refused.value.issues[0].field) == field
    assert await dump() == before


async def test_a_locale_with_stories_stays() -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr"]})
    await make_article(locale="fr")
    with pytest.raises(CMSError):
        await newsroom.update_site(SYSTEM, {"locales": ["en"]})


async def test_the_site_is_not_an_editors(api: Api) -> None:
    before = await dump()
    for role, code in ((Role.EDITOR, "FORBIDDEN"), (Role.CHIEF, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        actor = await make_actor(role) if role else None
        before = await dump()
        assert (await api.write("updateSite", {"name": "x"}, actor=actor))["code"] == code
        assert await dump() == before


LIST = 'query($p: Perspective) { storyList(slug: "front", perspective: $p) { name articles(first: 3) { headline } } }'


async def test_a_list_keeps_its_order_and_shows_readers_what_is_live(api: Api) -> None:
    editor = await make_actor()
    heads = [await make_article(headline=name) for name in "abcde"]
    keys = [ids.encode("Article", head.article_id) for head in heads]
    input = {"slug": "front", "name": "Front page", "articleIds": [*keys[::-1], keys[0]]}
    done = await api.write("setStoryList", input, "... on StoryList { id slug articles { headline } }", actor=editor)
    assert [each["headline"] for each in done["articles"]] == ["e", "d", "c", "b", "a"]
    assert (await api(LIST))["storyList"] is None
    assert (await api("query($id: ID!) { node(id: $id) { id } }", id=done["id"]))["node"] is None
    await publish(heads[1].article_id)
    await publish(heads[4].article_id)
    assert (await api(LIST))["storyList"] == {
        "name": "Front page",
        "articles": [{"headline": "e"}, {"headline": "b"}],
    }
    drafts = await api(LIST, p="DRAFT", actor=editor)
    assert [each["headline"] for each in drafts["storyList"]["articles"]] == ["e", "d", "c"]
    await workflow.transition(SYSTEM, heads[3].article_id, Transition.TRASH)
    drafts = await api(LIST, p="DRAFT", actor=editor)
    assert [each["headline"] for each in drafts["storyList"]["articles"]] == ["e", "c", "b"]
    again = await api.write(
        "setStoryList", {"slug": "front", "articleIds": []}, "... on StoryList { name }", actor=editor
    )
    assert again["name"] == "Front page"
    assert (await api(LIST))["storyList"] is None


async def test_a_list_of_what_is_not_there_is_refused(api: Api) -> None:
    editor = await make_actor()
    story = ids.encode("Article", (await make_article(status=ArticleStatus.PUBLISHED)).article_id)
    before = await dump()
    for input, field in (
        ({"slug": "front", "articleIds": [story, "garbage", ids.encode("Tag", ids.new())]}, ["articleIds", "1"]),
        ({"slug": "Front Page", "articleIds": []}, ["slug"]),
        ({"slug": "front", "name": " ", "articleIds": []}, ["name"]),
        ({"slug": "front", "articleIds": [story] * 201}, ["articleIds"]),
    ):
        refused = await api.write("setStoryList", input, actor=editor)
        assert (refused["code"], refused["issues"][0]["field"]) == ("INVALID", field)
    writer = await make_actor(Role.CONTRIBUTOR)
    before = await dump()
    assert (await api.write("setStoryList", {"slug": "x", "articleIds": []}, actor=writer))["code"] == "FORBIDDEN"
    assert await dump() == before


async def test_one_list_made_twenty_times_at_once_is_one() -> None:
    await asyncio.gather(*(newsroom.set_story_list(SYSTEM, slug="front", name=None, article_ids=[]) for _ in range(20)))
    assert await StoryList.all().count() == 1
