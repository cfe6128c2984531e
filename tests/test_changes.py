"""Who follows the changes has what a fresh full read gives, in whatever order and however many at once people write."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest

from cms import articles, clock, ids, media, newsroom, taxonomy, workflow
from cms.errors import CMSError
from cms.models import ArticleStatus, CorrectionKind, Live, TokenScope
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import make_article, make_author, make_media, make_section, make_tag, make_token, publish

FOLLOW = """query Follow($since: String, $first: Int!) { changes(since: $since, first: $first) {
  nextCursor hasMore nodes { kind typeName nodeId path previousPath node { __typename id ...Fields } } } }
fragment Fields on Node {
  ... on Article { headline path url bylineText publishedAt body { html } section { id } tags { id }
    leadMedia { url altText media { id } } relatedPosts { source article { id path } } seo { jsonLd }
    corrections { text } translations { id } }
  ... on Section { name path parent { id } } ... on Tag { name path } ... on Author { name path portrait { url } }
  ... on Media { caption source: url } ... on StoryList { name articles { id } } ... on RedirectRule { path location }
}"""


class Follower:
    """A copy of the site, made of changes alone."""

    def __init__(self, api: Api, first: int = 100) -> None:
        self._api, self._first, self._cursor = api, first, None
        self._token: str | None = None  # readers may not ask for so much at once
        self.things: dict[str, Any] = {}

    async def catch_up(self) -> list[dict[str, Any]]:
        """Everything there is now; the changes on the way."""
        found: list[dict[str, Any]] = []
        more = True
        while more:
            if self._token is None:
                self._token = await make_token(TokenScope.READ)
            page = (await self._api(FOLLOW, token=self._token, since=self._cursor, first=self._first))["changes"]
            keys = [each["nodeId"] for each in page["nodes"]]
            assert len(keys) == len(set(keys)) <= self._first
            for each in page["nodes"]:
                assert (each["node"] is None) == (each["kind"] == "REMOVED" or each["typeName"] == "Site")
                if each["kind"] == "REMOVED":
                    self.things.pop(each["nodeId"], None)
                elif each["nodeId"]:
                    self.things[each["nodeId"]] = _without_automatic(each["node"])
            found += page["nodes"]
            self._cursor, more = page["nextCursor"], page["hasMore"]
        return found


def _without_automatic(node: dict[str, Any]) -> dict[str, Any]:
    if "relatedPosts" in node:
        node["relatedPosts"] = [each for each in node["relatedPosts"] if each["source"] == "CURATED"]
    return node


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, str | None, str | None]]:
    return [(each["kind"], each["typeName"], each["path"], each["previousPath"]) for each in found]


async def test_a_story_comes_with_what_it_brings_and_goes_with_it(api: Api) -> None:
    follower = Follower(api)
    assert told(await follower.catch_up()) == [("PUBLISHED", "Site", None, None)]
    tag = await make_tag("Peace")
    story = (await make_article(headline="A story", tag_ids=[tag])).article_id
    assert await follower.catch_up() == []
    await publish(story)
    assert told(await follower.catch_up()) == [
        ("PUBLISHED", "Article", "/a-story", None),
        ("PUBLISHED", "Tag", "/tag/peace", None),
    ]
    await workflow.transition(SYSTEM, story, Transition.UNPUBLISH)
    assert told(await follower.catch_up()) == [
        ("REMOVED", "Article", None, "/a-story"),
        ("REMOVED", "Tag", None, None),
    ]
    assert follower.things == {}


async def test_corrections_updates_and_moves_are_told_apart(api: Api) -> None:
    story = (await make_article(headline="A story", status=ArticleStatus.PUBLISHED)).article_id
    follower = Follower(api)
    assert told(await follower.catch_up())[1:] == [("PUBLISHED", "Article", "/a-story", None)]
    await workflow.add_correction(SYSTEM, story, kind=CorrectionKind.CORRECTION, text="It was five.")
    assert told(await follower.catch_up()) == [("CORRECTED", "Article", "/a-story", None)]
    await articles.update(SYSTEM, story, {"headline": "Another"})
    assert await follower.catch_up() == []
    await publish(story)
    assert told(await follower.catch_up()) == [("UPDATED", "Article", "/a-story", None)]
    await articles.update(SYSTEM, story, {"slug": "elsewhere"})
    await publish(story)
    assert told(await follower.catch_up()) == [
        ("REDIRECTED", "Article", "/elsewhere", "/a-story"),
        ("REDIRECTED", "RedirectRule", "/elsewhere", "/a-story"),
    ]
    await workflow.transition(SYSTEM, story, Transition.WITHDRAW, wish=Wish(notice="It was wrong."))
    assert told(await follower.catch_up()) == [
        ("REMOVED", "Article", None, "/elsewhere"),
        ("REMOVED", "RedirectRule", None, None),
    ]


async def test_stories_move_with_their_section_page_by_page(api: Api) -> None:
    section = await make_section("World")
    for number in range(5):
        await make_article(headline=f"Story {number}", section_id=section, status=ArticleStatus.PUBLISHED)
    follower = Follower(api, first=2)
    await follower.catch_up()
    await taxonomy.update_section(SYSTEM, section, {"slug": "earth"})
    found = told(await follower.catch_up())
    assert found[0] == ("REDIRECTED", "Section", "/earth", "/world")
    assert sorted(each for each in found if each[1] == "Article") == [
        ("REDIRECTED", "Article", f"/earth/story-{number}", f"/world/story-{number}") for number in range(5)
    ]


async def test_stories_move_when_the_site_has_another_locale_of_its_own(api: Api) -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr", "de"]})
    for locale in ("en", "fr", "de"):
        await make_article(headline="Rain", locale=locale, status=ArticleStatus.PUBLISHED)
    follower = Follower(api, first=2)
    await follower.catch_up()
    await newsroom.update_site(SYSTEM, {"locale": "fr"})
    found = [each for each in told(await follower.catch_up()) if each[1] == "Article"]
    assert sorted(found) == [
        ("REDIRECTED", "Article", "/en/rain", "/rain"),
        ("REDIRECTED", "Article", "/rain", "/fr/rain"),
        ("UPDATED", "Article", "/de/rain", None),
    ]


async def test_a_thing_stands_once_on_a_page_as_it_is_now(api: Api) -> None:
    follower = Follower(api)
    await follower.catch_up()
    first = (await make_article(headline="First", status=ArticleStatus.PUBLISHED)).article_id
    await make_article(headline="Second", status=ArticleStatus.PUBLISHED)
    for _ in range(3):
        await workflow.add_correction(SYSTEM, first, kind=CorrectionKind.UPDATE, text="More.")
    assert told(await follower.catch_up()) == [
        ("PUBLISHED", "Article", "/second", None),
        ("PUBLISHED", "Article", "/first", None),
    ]


@pytest.mark.parametrize("first", range(1, 6))
async def test_a_page_that_has_things_already_leaves_none_out(api: Api, first: int) -> None:
    follower = Follower(api, first)
    await follower.catch_up()
    one, two = await make_tag("One"), await make_tag("Two")
    story = await make_article(headline="Story", tag_ids=[one], status=ArticleStatus.PUBLISHED)
    await articles.update(SYSTEM, story.article_id, {"tag_ids": [two]})
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
    await make_article(headline="Another", status=ArticleStatus.PUBLISHED)
    await follower.catch_up()
    shown = {each.get("path") for each in follower.things.values()}
    assert shown >= {"/story", "/tag/two", "/another"} and "/tag/one" not in shown


async def test_a_cursor_of_another_place_is_refused(api: Api) -> None:
    cursor = (await api("{ changes { nextCursor } }"))["changes"]["nextCursor"]
    for since in ("", "x", cursor + "x", "WzksMCwiIixmYWxzZV0", "WzAsMCwieCIsZmFsc2Vd", "W10"):
        answer = await api.answer("query($since: String) { changes(since: $since) { hasMore } }", since=since)
        assert answer["data"] == {"changes": None}
        assert answer["errors"][0]["extensions"]["issues"][0]["field"] == ["since"]
    for first in (0, -1, 501):
        assert await api.errors(f"{{ changes(first: {first}) {{ hasMore }} }}") == ["INVALID"]


async def test_what_is_hidden_leaves_no_trace(api: Api) -> None:
    cursor = (await api("{ changes { nextCursor } }"))["changes"]["nextCursor"]
    tag, picture = await make_tag("Secret"), (await make_media()).id
    story = (await make_article(tag_ids=[tag], lead_media={"media_id": picture})).article_id
    await taxonomy.update_tag(SYSTEM, tag, {"name": "Still", "slug": "still"})
    await media.update(SYSTEM, picture, {"caption": "Hidden"})
    await newsroom.set_story_list(SYSTEM, slug="secret", name="Secret", article_ids=[story])
    await workflow.transition(SYSTEM, story, Transition.TRASH)
    document = "query($since: String) { changes(since: $since) { nextCursor hasMore nodes { kind } } }"
    answer = await api(document, since=cursor)
    assert answer == {"changes": {"nextCursor": cursor, "hasMore": False, "nodes": []}}


class Newsroom:
    """People who change everything that readers may notice, at random."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.stories: list[Any] = []
        self.tags: list[Any] = []
        self.authors: list[Any] = []
        self.sections: list[Any] = []
        self.pictures: list[Any] = []

    async def found(self) -> None:
        for number in range(3):
            self.tags.append(await make_tag(f"Tag {number}"))
            self.authors.append(await make_author(f"Author {number}"))
            self.sections.append(await make_section(f"Section {number}"))
            self.pictures.append((await make_media()).id)
        for number in range(5):
            self.stories.append((await make_article(headline=f"Story {number}")).article_id)

    async def act(self) -> None:
        with contextlib.suppress(CMSError):  # what is refused changes nothing
            await self.chance.choice(_ACTS)(self, self.chance)

    async def save(self, chance: random.Random) -> None:
        story = chance.choice(self.stories)
        linked = ids.encode("Article", chance.choice(self.stories))
        text = {"type": "text", "text": "a link", "marks": [{"type": "link", "attrs": {"articleId": linked}}]}
        wishes: dict[str, Any] = {
            "headline": f"Headline {chance.randrange(9)}",
            "slug": f"slug-{chance.randrange(12)}",
            "section_id": chance.choice([None, *self.sections]),
            "tag_ids": chance.sample(self.tags, chance.randrange(3)),
            "byline": [{"author_id": each} for each in chance.sample(self.authors, chance.randrange(3))],
            "lead_media": chance.choice([None, {"media_id": chance.choice(self.pictures)}]),
            "related_post_ids": [each for each in chance.sample(self.stories, 2) if each != story],
            "body": {"json": {"type": "doc", "content": [{"type": "paragraph", "content": [text]}]}},
        }
        await articles.update(SYSTEM, story, {name: wishes[name] for name in chance.sample(sorted(wishes), 4)})

    async def publish(self, chance: random.Random) -> None:
        await workflow.transition(SYSTEM, chance.choice(self.stories), Transition.PUBLISH)

    async def save_and_publish(self, chance: random.Random) -> None:
        await self.save(chance)
        await self.publish(chance)

    async def unpublish(self, chance: random.Random) -> None:
        await workflow.transition(SYSTEM, chance.choice(self.stories), Transition.UNPUBLISH)

    async def correct(self, chance: random.Random) -> None:
        await workflow.add_correction(
            SYSTEM, chance.choice(self.stories), kind=CorrectionKind.UPDATE, text="More is known."
        )

    async def change_tag(self, chance: random.Random) -> None:
        number = chance.randrange(6)
        await taxonomy.update_tag(
            SYSTEM, chance.choice(self.tags), {"name": f"Tag name {number}", "slug": f"tag-{number}"}
        )

    async def change_author(self, chance: random.Random) -> None:
        number = chance.randrange(6)
        portrait = chance.choice([None, {"media_id": chance.choice(self.pictures)}])
        changes = {"name": f"Name {number}", "slug": f"name-{number}", "portrait": portrait}
        await taxonomy.update_author(SYSTEM, chance.choice(self.authors), changes)

    async def delete_author(self, chance: random.Random) -> None:
        gone, heir = chance.sample(self.authors, 2)
        await taxonomy.delete_author(SYSTEM, gone, reassign_to=heir)
        self.authors.append(await make_author(f"Author {ids.new().hex}"))

    async def change_section(self, chance: random.Random) -> None:
        number = chance.randrange(6)
        parent = chance.choice([None, chance.choice(self.sections)])
        changes = {"name": f"Section name {number}", "slug": f"section-{number}", "parent_id": parent}
        some = {name: changes[name] for name in chance.sample(sorted(changes), 2)}
        await taxonomy.update_section(SYSTEM, chance.choice(self.sections), some)

    async def delete_section(self, chance: random.Random) -> None:
        gone, heir = chance.sample(self.sections, 2)
        await taxonomy.delete_section(SYSTEM, gone, reassign_to=heir)
        self.sections.append(await make_section(f"Section {ids.new().hex}"))

    async def change_media(self, chance: random.Random) -> None:
        wish = chance.choice(
            [{"caption": f"Caption {chance.randrange(9)}"}, {"expires_at": clock.now()}, {"expires_at": None}]
        )
        await media.update(SYSTEM, chance.choice(self.pictures), wish)

    async def change_list(self, chance: random.Random) -> None:
        listed = chance.sample(self.stories, 3)
        await newsroom.set_story_list(SYSTEM, slug="front", name=f"Front {chance.randrange(3)}", article_ids=listed)

    async def change_site(self, chance: random.Random) -> None:
        logo = chance.choice([None, {"media_id": chance.choice(self.pictures)}])
        await newsroom.update_site(SYSTEM, {"name": f"Paper {chance.randrange(3)}", "logo": logo})


_ACTS = [
    *[Newsroom.save_and_publish] * 8, Newsroom.save, *[Newsroom.publish] * 3, *[Newsroom.unpublish] * 3,
    Newsroom.correct, Newsroom.change_tag, Newsroom.change_author, Newsroom.delete_author, Newsroom.change_section,
    Newsroom.delete_section, Newsroom.change_media, Newsroom.change_list, Newsroom.change_site,
]  # fmt: skip


async def _compare(api: Api, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    people = Newsroom(chance)
    await people.found()
    follower = Follower(api, first=chance.choice([1, 2, 3, 7, 100]))
    for _ in range(rounds):
        await asyncio.gather(*(people.act() for _ in range(4)), follower.catch_up())
    await media.end_due()
    await follower.catch_up()
    fresh = Follower(api)
    await fresh.catch_up()
    for id in fresh.things.keys() | follower.things.keys():
        assert follower.things.get(id) == fresh.things.get(id)
    live = {ids.encode("Article", row.article_id) for row in await Live.all()}
    assert {id for id, each in fresh.things.items() if each["__typename"] == "Article"} == live
    rules = (await api("{ redirects(first: 100) { nodes { id path location } } }"))["redirects"]["nodes"]
    assert {each["id"]: (each["path"], each["location"]) for each in rules} == {
        id: (each["path"], each["location"])
        for id, each in follower.things.items()
        if each["__typename"] == "RedirectRule"
    }


@pytest.mark.parametrize("seed", range(6))
async def test_who_follows_has_what_a_fresh_full_read_gives(api: Api, seed: int) -> None:
    await _compare(api, seed, rounds=8)


@pytest.mark.extended
@pytest.mark.parametrize("seed", range(100, 118))
async def test_who_follows_for_long_has_it_too(api: Api, seed: int) -> None:
    await _compare(api, seed, rounds=25)
