"""What a newsroom is promised, each by the id of how others broke it: R1, R7, R8, R13, R20, R23."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import pytest

from cms import articles, comments, ids, previews, related, revisions, schedules, tagging, taxonomy, workflow
from cms.app import create_app
from cms.models import Article, ArticleStatus, CorrectionKind, Event, Head, Live, Revision, Role
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article, make_author, make_section, make_tag, publish

pytestmark = pytest.mark.usefixtures("db")

SHOWN = """id headline kicker dek slug path url body { html json wordCount } section { name } tags { name slug }
  byline { role author { name } } bylineText relatedPosts { article { headline } } seo { title description }
  publishedAt firstPublishedAt updatedAt corrections { text } translations { headline } isLive"""
QUESTIONS = (
    f"{{ articles(first: 50) {{ totalCount nodes {{ {SHOWN} }} facets {{ tags {{ tag {{ name }} count }} }} }} }}",
    f'{{ article(slug: "one") {{ {SHOWN} }} route(path: "/world/one") {{ __typename }} }}',
    '{ route(path: "/world/two") { __typename } second: route(path: "/two") { __typename } }',
    "{ tags(first: 50) { nodes { name slug path articleCount } } sections { name articleCount } }",
    "{ authors(first: 50) { nodes { name articleCount articles { nodes { headline } } } } }",
    '{ storyList(slug: "front") { name articles(first: 9) { headline } } }',
)


@pytest.fixture
async def reader() -> AsyncIterator[Any]:
    """All public answers as they are sent."""
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://newsroom.test") as client:

        async def read() -> list[bytes]:
            answers = [await client.post("/graphql", json={"query": question}) for question in QUESTIONS]
            assert all(b'"errors"' not in answer.content for answer in answers)
            return [answer.content for answer in answers]

        yield read


async def test_R8_whatever_is_done_but_publishing_readers_are_answered_the_same_bytes(api: Api, reader: Any) -> None:
    chief, editor = await make_actor(Role.CHIEF), await make_actor()
    world, sport, ann = await make_section("World"), await make_section("Sport"), await make_author("Ann")
    other = await make_article(headline="Other", tag_names=["Alpha"], status=ArticleStatus.PUBLISHED)
    draft = await make_article(headline="Draft")
    story = await make_article(
        headline="One",
        section_id=world,
        body={"html": "<p>One.</p>"},
        tag_names=["Alpha"],
        byline=[{"author_id": ann}],
        related_post_ids=[other.article_id, draft.article_id],
        status=ArticleStatus.PUBLISHED,
    )
    id, hidden = ids.encode("Article", story.article_id), ids.encode("Article", draft.article_id)
    front = {"slug": "front", "name": "Front", "articleIds": [id]}
    assert "code" not in await api.write("setStoryList", front, actor=chief)
    before = await reader()
    first = ids.encode("Revision", story.revision_id)
    later = {"publishAt": "2127-01-01T00:00:00Z"}
    changes = {
        "headline": "Two",
        "slug": "two",
        "dek": "Two",
        "body": {"html": "<p>Two.</p>"},
        "sectionId": ids.encode("Section", sport),
        "tagNames": ["Beta"],
        "byline": [],
        "relatedPostIds": [],
        "seo": {"title": "Two"},
    }
    done: list[tuple[str, dict[str, Any]]] = [
        ("updateArticle", {"id": id, **changes}),
        ("updateArticle", {"id": id, "dek": "Three", "autosave": True}),
        ("updateArticle", {"id": id, "dek": "Four", "autosave": True}),
        ("lockArticle", {"id": id}),
        ("updateEditorial", {"id": id, "note": "For us", "embargoedUntil": "2120-01-01T00:00:00Z"}),
        ("updateEditorial", {"id": id, "embargoedUntil": None, "reason": "It is out."}),
        ("addComment", {"articleId": id, "text": "Really?", "anchor": {"field": "headline"}}),
        ("createPreviewLink", {"revisionId": first}),
        ("submitArticle", {"id": id}),
        ("approveArticle", {"id": id}),
        ("requestChanges", {"id": id, "note": "No."}),
        ("scheduleArticle", {"id": id, **later}),
        ("updateArticle", {"id": id, "headline": "Three"}),
        ("unscheduleArticle", {"id": id}),
        ("restoreRevision", {"articleId": id, "revisionId": first}),
        ("scheduleArticle", {"id": id, "unpublishAt": "2127-01-01T00:00:00Z"}),
        ("unlockArticle", {"id": id}),
        ("createArticle", {"headline": "Another", "slug": "another", "tagNames": ["Alpha", "Gamma"]}),
        ("createArticle", {"headline": "Un", "locale": "en"}),
        ("updateArticle", {"id": hidden, "headline": "Still a draft", "relatedPostIds": [id]}),
        ("createTag", {"name": "Delta"}),
        ("trashArticle", {"id": hidden}),
        ("untrashArticle", {"id": hidden}),
    ]
    for name, input in done:
        answer = await api.write(name, input, actor=chief)
        assert answer["__typename"] != "Problem", (name, answer)
        assert await reader() == before, name
    await schedules.publish_due()
    assert await reader() == before
    refused = await api.write("withdrawArticle", {"id": id, "notice": "No."}, actor=editor)
    assert refused["code"] == "FORBIDDEN"
    assert await reader() == before
    assert "code" not in await api.write("updateArticle", {"id": id, "headline": "At last"}, actor=chief)
    assert "code" not in await api.write("publishArticle", {"id": id}, actor=chief)
    assert await reader() != before


async def test_R1_relations_shown_are_those_set_of_stories_that_are_live_in_any_order_of_publication(api: Api) -> None:
    document = "query($id: ID!) { article(id: $id) { relatedPosts(first: 9) { article { headline } } } }"

    async def shown(id: UUID) -> list[str] | None:
        article = (await api(document, id=ids.encode("Article", id)))["article"]
        return article and [post["article"]["headline"] for post in article["relatedPosts"]]

    for order in permutations("abc"):
        stories = {name: (await make_article(headline=name)).article_id for name in "abc"}
        for id in stories.values():
            related = [other for other in stories.values() if other != id]
            await articles.update(SYSTEM, id, {"related_post_ids": related})
        live: set[str] = set()
        steps = [(name, Transition.PUBLISH) for name in order] + [(order[0], Transition.UNPUBLISH)]
        for name, step in [*steps, (order[0], Transition.PUBLISH)]:
            await workflow.transition(SYSTEM, stories[name], step)
            live ^= {name}
            for each, id in stories.items():
                set_for_it = [other for other in "abc" if other != each]
                expected = [other for other in set_for_it if other in live] if each in live else None
                assert await shown(id) == expected, (order, name, step)
                assert list((await Head.get(article_id=id)).related_ids) == [stories[o] for o in set_for_it]


async def test_R7_autosaves_of_one_client_that_overlap_never_conflict_with_one_another(api: Api) -> None:
    editor, story = await make_actor(), await make_article(headline="Mine")
    id, versions = ids.encode("Article", story.article_id), "... on Article { editorial { version } }"

    async def autosave(n: int) -> dict[str, Any]:
        input = {"id": id, "dek": f"{n}", "autosave": True, "expectedVersion": 1}
        return await api.write("updateArticle", input, versions, actor=editor)

    await autosave(0)  # the token is made
    answers = await asyncio.gather(*(autosave(n) for n in range(1, 21)))
    assert sorted(answer["editorial"]["version"] for answer in answers) == list(range(3, 23))
    by_hand = {"id": id, "headline": "Done", "expectedVersion": 1}
    saved = await api.write("updateArticle", by_hand, versions, actor=editor)
    assert saved["editorial"]["version"] == 23
    assert await Revision.filter(article_id=story.article_id).count() == 3


async def test_R7_saving_what_stands_already_is_neither_a_version_nor_a_conflict_for_others(api: Api) -> None:
    ann, bob, story = await make_actor(), await make_actor(), await make_article(headline="Same")
    id, versions = ids.encode("Article", story.article_id), "... on Article { editorial { version } }"
    same = {"id": id, "headline": "Same", "expectedVersion": 1}
    assert (await api.write("updateArticle", same, versions, actor=ann))["editorial"]["version"] == 1
    other = {"id": id, "headline": "Bob's", "expectedVersion": 1}
    assert (await api.write("updateArticle", other, versions, actor=bob))["editorial"]["version"] == 2


async def test_R13_twenty_equal_headlines_at_once_are_twenty_stories_of_different_slugs(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    await api.write("createArticle", {"headline": "Before"}, actor=writer)
    input, select = {"headline": "The same", "tagNames": ["New tag"]}, "... on Article { id slug tags { name } }"
    made = await asyncio.gather(*(api.write("createArticle", input, select, actor=writer) for _ in range(20)))
    assert {one["__typename"] for one in made} == {"Article"}
    assert len({one["id"] for one in made}) == len({one["slug"] for one in made}) == 20
    assert all(one["tags"] == [{"name": "New tag"}] for one in made)
    assert await execute("select 1 from tag") == [(1,)]


async def test_R20_publishing_saving_filing_and_tagging_at_once_is_never_a_deadlock_for_anybody() -> None:
    sections = [await make_section(name) for name in ("World", "Sport", "Arts")]
    stories = [
        (await make_article(headline=f"S{n}", tag_names=["a", "b", f"t{n % 4}"], section_id=sections[n % 3])).article_id
        for n in range(10)
    ]
    tags = [await taxonomy.create_tag(SYSTEM, name=f"spare {n}") for n in range(5)]

    async def work(n: int) -> object:
        story = stories[n % 10]
        match n // 10:
            case 0:
                return await publish(story)
            case 1:
                changes = {"tag_names": ["b", "a", f"t{n % 3}"], "section_id": sections[n % 2]}
                return await articles.update(SYSTEM, story, changes)
            case 2:
                return await taxonomy.update_section(SYSTEM, sections[n % 3], {"description": f"{n}"})
            case 3:
                return await taxonomy.update_tag(SYSTEM, tags[n % 5].id, {"aliases": [f"alias {n}"]})
            case _:
                return await articles.create(SYSTEM, {"headline": "New", "tag_names": ["b", f"t{n % 4}", "a"]})

    done = await asyncio.gather(*(work(n) for n in range(50)), return_exceptions=True)
    assert [each for each in done if isinstance(each, BaseException)] == []
    assert await Live.all().count() == 10
    assert await Event.filter(type="article.published").count() == 10


async def test_R12_nothing_that_is_deleted_takes_a_story_along() -> None:
    rules = await execute(
        "select conrelid::regclass::text, conname from pg_constraint where contype = 'f' and confdeltype = 'c' "
        "and conrelid::regclass::text in ('article', 'head', 'live', 'revision', 'correction', 'event', 'media')"
    )
    assert rules == []


async def test_R12_the_trash_gives_back_exactly_what_it_took() -> None:
    story = await make_article(headline="One", tag_names=["Alpha"], dek="d", body={"html": "<p>Text.</p>"})
    before = await Head.filter(article_id=story.article_id).values()
    for name in (Transition.TRASH, Transition.UNTRASH):
        await workflow.transition(SYSTEM, story.article_id, name)
    assert await Head.filter(article_id=story.article_id).values() == before
    assert (await Article.get(id=story.article_id)).status is ArticleStatus.DRAFT


async def test_R27_what_is_counted_and_said_of_a_story_agrees_after_every_transition(api: Api) -> None:
    document = """{ articles { totalCount nodes { isLive } } tag(slug: "alpha") { articleCount }
 }"""
    story = await make_article(tag_names=["Alpha"], status=ArticleStatus.PUBLISHED)
    other = await make_article(tag_names=["Alpha"], status=ArticleStatus.PUBLISHED)
    steps = (
        (Transition.UNPUBLISH, Wish(), 1),
        (Transition.PUBLISH, Wish(), 2),
        (Transition.WITHDRAW, Wish(notice="It was wrong."), 1),
        (Transition.REINSTATE, Wish(), 1),
        (Transition.PUBLISH, Wish(), 2),
    )
    for name, wish, live in steps:
        await workflow.transition(SYSTEM, story.article_id, name, wish=wish)
        answer = await api(document)
        shown = answer["articles"]
        assert (shown["totalCount"], len(shown["nodes"]), answer["tag"]["articleCount"]) == (live, live, live), name
        assert await Live.all().count() == live
        status = (await Article.get(id=story.article_id)).status
        assert (status is ArticleStatus.PUBLISHED) is await Live.exists(article_id=story.article_id)
    assert await Live.exists(article_id=other.article_id)


async def test_R23_events_of_a_story_stand_in_the_order_in_which_they_happened_through_any_correction() -> None:
    story = (await make_article(headline="1")).article_id
    wishes = {Transition.WITHDRAW: Wish(notice="It was wrong.")}
    await publish(story)
    for n, names in enumerate(("WITHDRAW REINSTATE PUBLISH", "UNPUBLISH PUBLISH", "WITHDRAW REINSTATE PUBLISH")):
        await articles.update(SYSTEM, story, {"headline": f"{n + 2}"})
        await publish(story, correction={"kind": "CORRECTION", "text": f"Corrected {n}."})
        for name in names.split():
            await workflow.transition(SYSTEM, story, Transition[name], wish=wishes.get(Transition[name]))
    public = await Event.filter(article_id=story, public=True).order_by("number")
    kinds = {"article.published": "P", "article.unpublished": "U", "article.withdrawn": "W"}
    assert "".join(kinds[event.type] for event in public) == "P" + "PWP" + "PUP" + "PWP"
    assert [event.at for event in public] == sorted(event.at for event in public)
    assert (await Live.get(article_id=story)).headline == "4"
    assert await execute("select text from correction order by published_at") == [
        (f"Corrected {n}.",) for n in range(3)
    ]
    versions = [event.detail["version"] async for event in Event.filter(article_id=story).order_by("number")]
    assert versions == list(range(1, len(versions) + 1))
    assert (await Article.get(id=story)).version == len(versions)


async def test_R23_every_event_of_a_story_says_which_version_it_is_about(api: Api) -> None:
    """So that who is told of them in another order knows which to leave."""
    editor, tag = await make_actor(), await make_tag("Alpha")
    story = await make_article(editor, tag_ids=[tag], status=ArticleStatus.PUBLISHED)
    id, other = story.article_id, await make_article(status=ArticleStatus.PUBLISHED)
    await articles.update_editorial(editor, id, {"note": "A note"})
    await articles.update(editor, id, {"headline": "Two", "tag_names": []})
    await revisions.restore(editor, id, story.revision_id)
    await comments.add(editor, id, text="Why?")
    await related.exclude(editor, id, other.article_id, excluded=True)
    await workflow.add_correction(editor, id, kind=CorrectionKind.UPDATE, text="More is known.")
    await previews.create(editor, story.revision_id)
    await tagging.merge(editor, [tag], await make_tag("Beta"))
    told = [(each.type, each.detail.get("version")) async for each in Event.filter(article_id=id).order_by("number")]
    assert told == [
        ("article.created", 1),
        ("article.published", 2),
        ("article.editorial_changed", 2),
        ("article.saved", 3),
        ("article.saved", 4),
        ("article.restored", 4),
        ("article.commented", 4),
        ("article.related_excluded", 4),
        ("article.corrected", 4),
        ("preview_link.created", 4),
        ("article.updated", 4),
    ]


async def test_R23_whoever_has_seen_a_public_event_has_seen_all_of_lower_number() -> None:
    """Else somebody who reads on from the last number he knows would never be told of one."""
    stories = [(await make_article()).article_id for _ in range(40)]
    seen: list[int] = []
    publishing = asyncio.gather(*(publish(id) for id in stories))
    while len(seen) < len(stories):
        numbers = [row[0] for row in await execute("select number from event where public order by number")]
        assert numbers[: len(seen)] == seen
        seen = numbers
        if publishing.done():
            await publishing
    await publishing
