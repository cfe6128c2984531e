"""What an event purges: the keys of every answer that it made wrong, and of hidden things none."""

from __future__ import annotations

from uuid import UUID

import pytest

from cms import articles, clock, media, newsroom, purge, taxonomy, workflow
from cms.models import ArticleStatus, Event, Head
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.factories import make_article, make_author, make_media, make_section, make_tag, publish

pytestmark = pytest.mark.usefixtures("db")


async def last() -> set[str]:
    """What the newest event purges."""
    event = await Event.all().order_by("-number").first()
    assert event is not None
    return purge.keys(event)


async def make_story(**given: object) -> Head:
    return await make_article(headline="A story", **given)


async def test_a_first_publication_purges_its_lists_and_what_appears_with_it() -> None:
    world, asia = await make_section("World"), UUID(int=0)
    asia = await make_section("Asia", world)
    tag, author, picture = await make_tag("Peace"), await make_author("Ann"), (await make_media()).id
    story = await make_story(
        section_id=asia, tag_ids=[tag], byline=[{"author_id": author}], lead_media={"media_id": picture}
    )
    id = story.article_id
    kept = await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[id])
    assert await last() == set()
    await publish(id)
    assert await last() == {
        "public", "articles", f"article:{id}", f"section:{world}:articles", f"section:{asia}:articles",
        f"tag:{tag}", f"tag:{tag}:articles", "tags", f"author:{author}", f"author:{author}:articles", "authors",
        f"media:{picture}", f"list:{kept.id}", "slug:a-story", "redirects",
    }  # fmt: skip


async def test_an_update_purges_what_it_left_and_the_old_slug() -> None:
    old, new = await make_tag("Old"), await make_tag("New")
    story = await make_story(tag_ids=[old])
    id = story.article_id
    await publish(id)
    await articles.update(SYSTEM, id, {"tag_ids": [new], "slug": "elsewhere"})
    assert await last() == set()
    await publish(id)
    assert await last() == {
        "public", "articles", f"article:{id}", f"tag:{old}:articles", f"tag:{new}:articles", f"tag:{old}", f"tag:{new}",
        "tags", "slug:a-story", "slug:elsewhere", "redirects",
    }  # fmt: skip


async def test_stories_that_point_at_one_are_purged_when_it_comes_and_goes() -> None:
    target = (await make_article(headline="Target")).article_id
    pointing = (await make_article(status=ArticleStatus.PUBLISHED, related_post_ids=[target])).article_id
    await publish(target)
    assert f"article:{pointing}" in await last()
    await workflow.transition(SYSTEM, target, Transition.UNPUBLISH)
    assert {f"article:{pointing}", f"article:{target}", "slug:target"} <= await last()


async def test_a_section_purges_the_tree() -> None:
    section = await make_section("World")
    await taxonomy.update_section(SYSTEM, section, {"slug": "earth"})
    assert await last() == {"public", "sections", "articles", "redirects", "slug:earth", "slug:world"}


async def test_a_file_purges_those_that_show_it() -> None:
    picture = (await make_media()).id
    await media.update(SYSTEM, picture, {"caption": "Hidden"})
    assert await last() == set()
    story = (await make_article(status=ArticleStatus.PUBLISHED, lead_media={"media_id": picture})).article_id
    await media.update(SYSTEM, picture, {"caption": "Seen"})
    assert await last() == {"public", f"media:{picture}", f"article:{story}"}
    await media.update(SYSTEM, picture, {"keywords": ["for", "staff"]})
    assert await last() == set()
    await media.update(SYSTEM, picture, {"expires_at": clock.now()})
    assert await last() == {"public", f"media:{picture}", f"article:{story}"}


async def test_a_list_purges_itself_only_where_readers_see_a_difference() -> None:
    live = (await make_article(status=ArticleStatus.PUBLISHED)).article_id
    hidden = (await make_article()).article_id
    kept = await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[live])
    assert await last() == {"public", f"list:{kept.id}", "slug:front"}
    await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[hidden, live])
    assert await last() == set()
    await newsroom.set_story_list(SYSTEM, slug="front", name="First page", article_ids=[hidden, live])
    assert await last() == {"public", f"list:{kept.id}"}


async def test_giving_an_authors_stories_to_another_purges_both() -> None:
    ann, ben = await make_author("Ann"), await make_author("Ben")
    story = (await make_article(status=ArticleStatus.PUBLISHED, byline=[{"author_id": ann}])).article_id
    await taxonomy.delete_author(SYSTEM, ann, reassign_to=ben)
    purged: set[str] = set()
    for event in await Event.filter(type__in=["article.updated", "author.deleted"]):
        purged |= purge.keys(event)
    assert purged == {
        "public", "articles", f"article:{story}", f"author:{ann}:articles", f"author:{ben}:articles", f"author:{ann}",
        f"author:{ben}", "authors", "slug:ann", "redirects",
    }  # fmt: skip


async def test_what_is_hidden_purges_nothing() -> None:
    tag, author = await make_tag("Secret"), await make_author("Nobody")
    story = (await make_article(tag_ids=[tag])).article_id
    await taxonomy.update_tag(SYSTEM, tag, {"name": "Secret still", "slug": "still"})
    await taxonomy.update_author(SYSTEM, author, {"name": "Somebody"})
    await taxonomy.delete_author(SYSTEM, author)
    await articles.update(SYSTEM, story, {"headline": "Another"})
    assert [purge.keys(event) for event in await Event.filter(place__isnull=False)] == []
