"""Answers to readers are kept as bytes, and never older than what was said before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import brotli
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms import accounts, articles, clock, database, ids, live, media, newsroom, taxonomy, workflow
from cms.models import ArticleStatus, Role, TokenScope
from cms.permissions import PUBLIC, SYSTEM
from cms.settings import Settings
from cms.workflow import Transition
from schema import caching, delivery, front
from schema.answers import Answer, Answers, Shelf
from schema.execution import prepared
from schema.plan import Entities, entities, lookup, to_json
from schema.plan.entities import Card
from tests.clients import client
from tests.conftest import Api
from tests.factories import make_actor, make_article, make_media, make_section, make_token, make_user, publish
from tests.test_listings import statements

pytestmark = pytest.mark.usefixtures("db")

ARTICLE = """query($slug: String) {
  article(slug: $slug) { id headline tags { name } relatedPosts { article { headline } } }
}"""
ORIGINS = {"https://news.example": True, "https://other.example": True, "https://evil.example": False, "null": False}
FRONT = "{ articles { totalCount nodes { headline } } }"


@pytest.fixture
async def feed(db: None) -> AsyncIterator[live.Feed]:
    """This process keeps answers."""
    async with live.listening() as feed:
        with delivery.keeping(feed, Settings()):
            yield feed


@pytest.fixture
async def reader(feed: live.Feed) -> AsyncIterator[httpx.AsyncClient]:
    async with client() as made:
        yield made


async def get(reader: httpx.AsyncClient, document: str, **variables: Any) -> httpx.Response:
    """The answer, asked for until its document is known."""
    for _ in range(3):
        response = await reader.post("/graphql", json={"query": document, "variables": variables})
        assert response.status_code == 200, response.text
    return response


async def test_what_is_kept_is_answered_without_a_statement_or_a_resolver(reader: httpx.AsyncClient) -> None:
    await publish((await make_article(headline="One")).article_id)
    first = await get(reader, ARTICLE, slug="one")
    with statements() as seen:
        second = await get(reader, ARTICLE, slug="one")
    assert seen == []
    assert second.content == first.content
    assert second.json()["data"]["article"]["headline"] == "One"


async def test_a_write_is_seen_by_the_next_read_of_the_same_process(reader: httpx.AsyncClient, api: Api) -> None:
    editor = await make_actor(Role.CHIEF)
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"]["headline"] == "One"
    id = ids.encode("Article", story.article_id)
    await api.write("updateArticle", {"id": id, "headline": "Two"}, actor=editor)
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"]["headline"] == "One"
    await api.write("publishArticle", {"id": id}, actor=editor)
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"]["headline"] == "Two"
    await api.write("withdrawArticle", {"id": id, "notice": "Wrong."}, actor=editor)
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"] is None


async def test_what_was_not_there_is_found_once_it_is(reader: httpx.AsyncClient, feed: live.Feed) -> None:
    story = await make_article(headline="One", tag_names=["New"])
    documents = [
        (ARTICLE, {"slug": "one"}, "article"),
        ('{ tag(slug: "new") { name } }', {}, "tag"),
        ('{ storyList(slug: "front") { slug } }', {}, "storyList"),
    ]
    for document, variables, name in documents:
        assert (await get(reader, document, **variables)).json()["data"][name] is None
    await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=[story.article_id])
    await publish(story.article_id)
    await feed.catch_up()
    for document, variables, name in documents:
        assert (await get(reader, document, **variables)).json()["data"][name] is not None
    await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
    await feed.catch_up()
    for document, variables, name in documents:
        assert (await get(reader, document, **variables)).json()["data"][name] is None


async def test_what_a_search_finds_is_kept_for_half_a_minute_and_until_anything_happens(
    reader: httpx.AsyncClient, feed: live.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = """query($q: String!) { search(query: $q) { totalCount didYouMean facets { tags { count tag { name } } }
        edges { score highlight node { headline } } pageInfo { hasNextPage } } }"""

    async def count(query: str = "harbour") -> int:
        return int((await get(reader, document, q=query)).json()["data"]["search"]["totalCount"])

    one = (await make_article(headline="Harbour one", tag_names=["a"])).article_id
    other = (await make_article(headline="Airport")).article_id
    await publish(one)
    await publish(other)
    assert await count() == 1
    with statements() as seen:
        assert await count() == 1
    assert seen == []
    await articles.update(SYSTEM, other, {"dek": "Not the harbour."})
    await feed.catch_up()
    assert await count() == 1
    await publish(other)
    await feed.catch_up()
    assert await count() == 2
    await workflow.transition(SYSTEM, one, Transition.WITHDRAW, wish=workflow.Wish(notice="Wrong."))
    await feed.catch_up()
    assert await count() == 1
    with statements() as seen:
        assert await count() == 1
        later = clock.now() + timedelta(seconds=31)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert seen == []
        assert await count() == 1
    assert seen != []


async def test_a_story_that_comes_appears_where_it_is_related_linked_listed_and_counted(
    reader: httpx.AsyncClient, feed: live.Feed
) -> None:
    section, later = await make_section("World"), await make_article(headline="Later")
    body = {"json": {"type": "doc", "content": [{"type": "articleLink", "attrs": {"articleId": _id(later)}}]}}
    await publish(
        (
            await make_article(headline="One", related_post_ids=[later.article_id], body=body, section_id=section)
        ).article_id
    )
    documents = [
        (ARTICLE, {"slug": "one"}),
        ('{ article(slug: "one") { body { html blocks { html } } } }', {}),
        (FRONT, {}),
        ("{ sections { name articleCount articles(first: 3) { nodes { headline } } } }", {}),
    ]
    before = [(await get(reader, document, **variables)).content for document, variables in documents]
    assert all(b"Later" not in each for each in before)
    await publish(later.article_id)
    await feed.catch_up()
    after = [(await get(reader, document, **variables)).content for document, variables in documents[:3]]
    assert all(b"Later" in each for each in after), after


def _id(story: Any) -> str:
    return ids.encode("Article", story.article_id)


async def test_names_of_tags_authors_sections_and_the_site_change_in_what_shows_them(
    reader: httpx.AsyncClient, feed: live.Feed
) -> None:
    section = await make_section("World")
    author = await taxonomy.create_author(SYSTEM, name="Ann")
    story = await make_article(headline="One", section_id=section, byline=[{"author_id": author.id}], tag_names=["Old"])
    await publish(story.article_id)
    document = (
        '{ site { name } article(slug: "one") { tags { name } byline { author { name } } section { name } path } }'
    )
    assert b"Old" in (await get(reader, document)).content
    tag = (await taxonomy.tags_named(SYSTEM, ["Old"]))[0]
    for change, name in (
        (lambda: taxonomy.update_tag(SYSTEM, tag, {"name": "New tag"}), b"New tag"),
        (lambda: taxonomy.update_author(SYSTEM, author.id, {"name": "New author"}), b"New author"),
        (lambda: taxonomy.update_section(SYSTEM, section, {"name": "New section", "slug": "new"}), b"New section"),
        (lambda: newsroom.update_site(SYSTEM, {"name": "New site"}), b"New site"),
    ):
        assert name not in (await get(reader, document)).content
        await change()
        await feed.catch_up()
        assert name in (await get(reader, document)).content


async def test_a_read_in_flight_while_its_story_changes_is_answered_and_not_kept(
    reader: httpx.AsyncClient, feed: live.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await get(reader, ARTICLE, slug="other")
    begun, go_on = asyncio.Event(), asyncio.Event()
    plan = front.planned

    async def held(*asked: Any) -> Any:
        found = await plan(*asked)
        begun.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(front, "planned", held)
    early = asyncio.create_task(reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": "one"}}))
    async with asyncio.timeout(60):
        await begun.wait()
    monkeypatch.setattr(front, "planned", plan)
    await _rename(story.article_id, "Two")
    await feed.catch_up()
    late = await reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": "one"}})
    assert late.json()["data"]["article"]["headline"] == "Two", "a later reader joined a flight that began before"
    go_on.set()
    assert (await early).json()["data"]["article"]["headline"] == "One"
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"]["headline"] == "Two"


async def _rename(id: UUID, headline: str) -> None:
    await articles.update(SYSTEM, id, {"headline": headline})
    await publish(id)


async def test_many_who_ask_for_the_same_at_once_have_it_read_once(reader: httpx.AsyncClient) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await get(reader, ARTICLE, slug="other")
    with statements() as seen:
        answers = await asyncio.gather(
            *(reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": "one"}}) for _ in range(30))
        )
    assert len({answer.content for answer in answers}) == 1
    assert len([each for each in seen if "join live a" in each]) == 1


async def test_readers_of_different_stories_at_once_share_statements_and_each_is_told_of_its_own(
    reader: httpx.AsyncClient,
) -> None:
    names = [f"story-{number}" for number in range(12)]
    linked = (await make_article(headline="Linked")).article_id
    await publish(linked)
    for number, name in enumerate(names):
        related = [linked] if number % 2 else []
        await publish((await make_article(headline=name, slug=name, related_post_ids=related)).article_id)
    await get(reader, ARTICLE, slug="nobody")
    asked = [*names, "nothing", *names]
    with statements() as seen:
        answers = await asyncio.gather(
            *(reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": name}}) for name in asked)
        )
    stories = [answer.json()["data"]["article"] for answer in answers]
    assert [story and story["headline"] for story in stories] == [*names, None, *names]
    assert [bool(story and story["relatedPosts"]) for story in stories[1:12:2]] == [True] * 6
    assert len([each for each in seen if "join live a" in each]) <= 3, seen


async def test_documents_that_ask_for_different_fields_of_single_stories_share_statements_too(
    reader: httpx.AsyncClient,
) -> None:
    for name in ("one", "two", "three"):
        await publish((await make_article(headline=name, dek=f"Dek {name}", slug=name)).article_id)
    fields = {"one": "headline", "two": "dek slug", "three": "slug path publishedAt dek"}
    documents = {
        slug: f"query Of_{slug}($slug: String) {{ article(slug: $slug) {{ {own} }} }}" for slug, own in fields.items()
    }
    for document in documents.values():
        await get(reader, document, slug="nobody")
        await get(reader, document, slug="nobody")
    delivery.answers().shelf.clear()  # type: ignore[union-attr]
    with statements() as seen:
        answers = await asyncio.gather(
            *(
                reader.post("/graphql", json={"query": document, "variables": {"slug": slug}})
                for slug, document in documents.items()
            )
        )
    one, two, three = [answer.json()["data"]["article"] for answer in answers]
    assert (one, two) == ({"headline": "one"}, {"dek": "Dek two", "slug": "two"})
    assert (three["slug"], three["path"], three["dek"]) == ("three", "/three", "Dek three")
    assert len({each for each in seen if "join live a" in each}) == 1, seen


async def test_the_html_of_a_story_is_read_without_its_body_unless_that_refers_to_something(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await make_article(headline="Other", status=ArticleStatus.PUBLISHED)
    other_id = ids.encode("Article", other.article_id)
    text = {"type": "text", "text": "a link", "marks": [{"type": "link", "attrs": {"articleId": other_id}}]}
    body = {"type": "doc", "content": [{"type": "paragraph", "content": [text]}]}
    await make_article(slug="plain", body={"html": "<p>Plain.</p>"}, status=ArticleStatus.PUBLISHED)
    await make_article(slug="linking", body={"json": body}, status=ArticleStatus.PUBLISHED)
    read: list[Any] = []
    rows = database.rows

    async def noted(query: str, *params: Any) -> Any:
        found = await rows(query, *params)
        read.extend(row["linked_body"] for row in found if "linked_body" in row)
        return found

    monkeypatch.setattr(database, "rows", noted)
    document = "query($slug: String) { article(slug: $slug) { body { html } } }"
    plain = await get(reader, document, slug="plain")
    assert plain.json()["data"]["article"]["body"]["html"] == "<p>Plain.</p>"
    assert set(read) == {None}
    read.clear()
    linking = await get(reader, document, slug="linking")
    link = f'<a href="/other" data-article-id="{other_id}">a link</a>'
    assert linking.json()["data"]["article"]["body"]["html"] == f"<p>{link}</p>"
    assert read
    assert all("a link" in each for each in read)


async def test_what_only_staff_may_see_of_a_file_is_not_even_read_for_readers(reader: httpx.AsyncClient) -> None:
    file = await make_media(instructions="Not before noon", creator="Ann")
    await make_article(headline="One", lead_media={"media_id": file.id}, status=ArticleStatus.PUBLISHED)
    document = "query($slug: String) { article(slug: $slug) { leadMedia { media { altText creator instructions } } } }"
    await get(reader, document, slug="one")
    delivery.answers().clear()  # type: ignore[union-attr]
    with statements() as seen:
        shown = (await get(reader, document, slug="one")).json()["data"]["article"]["leadMedia"]["media"]
    assert shown == {"altText": "A picture", "creator": None, "instructions": None}
    read = [each for each in seen if "from media" in each]
    assert len(read) == 1
    assert "alt_text" in read[0]
    assert not any(name in read[0] for name in ("creator", "instructions", "usage_terms", "keywords"))


async def test_who_hangs_up_while_stories_are_read_together_disturbs_nobody(reader: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await publish((await make_article(headline=name, slug=name)).article_id)
    await get(reader, ARTICLE, slug="nobody")
    asked = [
        asyncio.create_task(reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": name}}))
        for name in ("one", "two", "three")
    ]
    for _ in range(5):  # they are on their way
        await asyncio.sleep(0)
    asked[0].cancel()
    asked[1].cancel()
    answer = await asked[2]
    assert answer.json()["data"]["article"]["headline"] == "three"
    assert (await get(reader, ARTICLE, slug="one")).json()["data"]["article"]["headline"] == "one"


async def test_where_stories_cannot_be_read_together_each_is_read_alone(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"story-{number}" for number in range(6)]
    for name in names:
        await publish((await make_article(headline=name, slug=name)).article_id)
    await get(reader, ARTICLE, slug="nobody")
    tried = []

    async def broken(self: lookup.Together, keys: list[lookup.Key]) -> None:
        tried.extend(keys)
        raise TimeoutError

    monkeypatch.setattr(lookup.Together, "fetch", broken)
    answers = await asyncio.gather(
        *(reader.post("/graphql", json={"query": ARTICLE, "variables": {"slug": name}}) for name in names)
    )
    assert [answer.json()["data"]["article"]["headline"] for answer in answers] == names
    assert {slug for _, slug in tried} == set(names)


async def test_while_nobody_tells_us_nothing_is_kept(reader: httpx.AsyncClient, feed: live.Feed) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    assert b"One" in (await get(reader, ARTICLE, slug="one")).content
    feed._lose(feed._connection)  # type: ignore[arg-type]
    assert delivery.answers() is None
    await _rename(story.article_id, "Two")
    assert b"Two" in (await get(reader, ARTICLE, slug="one")).content


async def test_a_picture_whose_rights_end_leaves_kept_answers_at_that_moment(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = await make_media(alt_text="The picture", expires_at=clock.now() + timedelta(hours=1))
    story = await make_article(headline="One", lead_media={"media_id": picture.id})
    await publish(story.article_id)
    document = '{ article(slug: "one") { leadMedia { altText } } }'
    assert b"The picture" in (await get(reader, document)).content
    now = clock.now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: now)
    assert b"The picture" not in (await get(reader, document)).content


CARDS = """{ articles(first: 60) { totalCount nodes { headline path leadMedia { altText } tags { name } section { name }
  byline { author { name } } relatedPosts { article { headline dek } }
  within: section { articles(first: 1) { nodes { tags { name } } } } } } }"""


async def test_a_list_shows_all_that_changed_in_its_stories_though_they_were_printed_before(
    reader: httpx.AsyncClient, feed: live.Feed
) -> None:
    section, author = await make_section("World"), await taxonomy.create_author(SYSTEM, name="Ann")
    picture = await make_media(alt_text="The picture")
    later, linked = await make_article(headline="Later"), await make_article(headline="Linked", dek="Before")
    await publish(linked.article_id)
    stories = [
        await make_article(
            headline=f"Story {number}",
            section_id=section,
            byline=[{"author_id": author.id}],
            tag_names=["Old", f"Own {number}"],
            lead_media={"media_id": picture.id},
            related_post_ids=[later.article_id, linked.article_id],
        )
        for number in range(6)
    ]
    stories.append(await make_article(headline="Newest", section_id=section, tag_names=["Within"]))
    stories.append(await make_article(headline="Lonely", tag_names=["Rare"]))
    for story in stories:
        await publish(story.article_id)
    first, company = stories[0].article_id, await make_article(headline="Company", tag_names=["Rare"])
    tag, within = await taxonomy.tags_named(SYSTEM, ["Old", "Within"])

    async def revised(id: UUID, **changes: Any) -> None:
        await articles.update(SYSTEM, id, changes)
        await publish(id)

    for change, shown, hidden in (
        (lambda: revised(first, headline="Anew"), b"Anew", b"Story 0"),
        (lambda: revised(linked.article_id, dek="Since"), b"Since", b"Before"),
        (lambda: publish(later.article_id), b"Later", b""),
        (lambda: publish(company.article_id), b'"relatedPosts":[{"article":{"headline":"Company"', b""),
        (lambda: taxonomy.update_tag(SYSTEM, within, {"name": "Inside"}), b"Inside", b"Within"),
        (lambda: taxonomy.update_tag(SYSTEM, tag, {"name": "New tag"}), b"New tag", b"Old"),
        (lambda: taxonomy.update_author(SYSTEM, author.id, {"name": "Eve"}), b"Eve", b"Ann"),
        (lambda: media.update(SYSTEM, picture.id, {"alt_text": "A harbour"}), b"A harbour", b"The picture"),
        (lambda: taxonomy.update_section(SYSTEM, section, {"name": "Home", "slug": "home"}), b"/home/", b"/world/"),
        (lambda: workflow.transition(SYSTEM, later.article_id, Transition.UNPUBLISH), b"Anew", b"Later"),
        (lambda: workflow.transition(SYSTEM, first, Transition.UNPUBLISH), b"Story 1", b"Anew"),
    ):
        for number in range(4):  # somebody else publishes something: the list is read again, its stories are not
            await publish((await make_article(headline=f"Brief {number}")).article_id)
            await feed.catch_up()
            before = await get(reader, CARDS)
        assert hidden in before.content or not hidden
        await change()
        await feed.catch_up()
        after = await get(reader, CARDS)
        assert shown in after.content and (not hidden or hidden not in after.content), (shown, hidden)
        ask = await prepared(PUBLIC, CARDS, None, {})
        assert after.content == to_json({"data": (await ask.operation.plans.read({}, Entities()))[0]}), shown


PAGE = """query($slug: String) { article(slug: $slug) { headline relatedPosts { source article {
  headline dek path tags { name } section { name } byline { author { name } } leadMedia { altText } } } } }"""


async def test_an_article_shows_all_that_changed_in_its_related_stories_though_they_were_printed_before(
    reader: httpx.AsyncClient, feed: live.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "_STREAK", 1)
    section, author = await make_section("World"), await taxonomy.create_author(SYSTEM, name="Ann")
    picture = await make_media(alt_text="The picture", expires_at=clock.now() + timedelta(hours=1))
    later = await make_article(headline="Later")
    linked = [
        await make_article(
            headline=f"Linked {number}",
            section_id=section,
            byline=[{"author_id": author.id}],
            tag_names=[f"Tag {number}"],
            lead_media={"media_id": picture.id},
        )
        for number in range(4)
    ]
    first, *others = [each.article_id for each in linked]
    for story in linked:
        await publish(story.article_id)
    slugs = [f"story-{number}" for number in range(6)]
    for slug in slugs:
        related = [later.article_id, first, *others]
        await publish((await make_article(headline=slug, slug=slug, related_post_ids=related)).article_id)
    [tag] = await taxonomy.tags_named(SYSTEM, ["Tag 0"])

    async def revised(id: UUID, **changes: Any) -> None:
        await articles.update(SYSTEM, id, changes)
        await publish(id)

    async def years_pass() -> None:
        now = clock.now() + timedelta(days=1_000)
        monkeypatch.setattr(clock, "now", lambda: now)

    async def read() -> list[bytes]:
        return [(await get(reader, PAGE, slug=slug)).content for slug in slugs]

    for change, shown, hidden in (
        (lambda: revised(first, headline="Anew"), b"Anew", b"Linked 0"),
        (lambda: taxonomy.update_tag(SYSTEM, tag, {"name": "New tag"}), b"New tag", b"Tag 0"),
        (lambda: taxonomy.update_author(SYSTEM, author.id, {"name": "Eve"}), b"Eve", b"Ann"),
        (lambda: media.update(SYSTEM, picture.id, {"alt_text": "A harbour"}), b"A harbour", b"The picture"),
        (lambda: taxonomy.update_section(SYSTEM, section, {"name": "Home", "slug": "home"}), b"/home/", b"/world/"),
        (lambda: workflow.transition(SYSTEM, first, Transition.UNPUBLISH), b"Linked 2", b"Anew"),
        (lambda: publish(later.article_id), b"Later", b"nowhere"),
        (years_pass, b"Later", b"A harbour"),
    ):
        for _ in range(6):  # every page is made again of stories that were printed before
            delivery.answers().shelf.clear()  # type: ignore[union-attr]
            with statements() as seen:
                before = await read()
        joins = [each for each in seen if "join live a" in each]
        assert joins and not any("union all" in each for each in joins)
        assert all(hidden in each for each in before) or hidden == b"nowhere"
        await change()
        await feed.catch_up()
        for slug, after in zip(slugs, await read(), strict=True):
            assert shown in after and hidden not in after, (shown, hidden)
            ask = await prepared(PUBLIC, PAGE, None, {"slug": slug})
            assert after == to_json({"data": (await ask.operation.plans.read({"slug": slug}, Entities()))[0]}), shown


async def test_documents_that_select_the_same_of_related_stories_share_what_was_printed_and_others_do_not(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "_STREAK", 1)
    linked = [await make_article(headline=f"Linked {number}", dek=f"Dek {number}") for number in range(3)]
    for story in linked:
        await publish(story.article_id)
    related = [each.article_id for each in linked]
    await publish((await make_article(headline="One", slug="one", related_post_ids=related)).article_id)
    teasers = "query %s { article(slug: $slug) { %s relatedPosts { article { %s } } } }"

    async def joins(name: str, own: str, teaser: str) -> tuple[bool, list[dict[str, str]]]:
        """Whether the related stories were read, and what was told of them."""
        await get(reader, teasers % (f"{name}($slug: String)", own, teaser), slug="other")
        with statements() as seen:
            found = await get(reader, teasers % (f"{name}($slug: String)", own, teaser), slug="one")
        posts = found.json()["data"]["article"]["relatedPosts"]
        return any("union all" in each for each in seen), [post["article"] for post in posts]

    headlines = [{"headline": f"Linked {number}"} for number in range(3)]
    for number in range(6):
        await joins(f"First{number}", "dek", "headline")
    assert await joins("Second", "headline slug", "...{ headline }") == (True, headlines)
    assert await joins("Third", "headline", "headline") == (False, headlines)
    deks = [{"headline": f"Dek {number}"} for number in range(3)]
    assert await joins("Fourth", "headline", "headline: dek") == (True, deks)


def test_cards_that_take_too_much_make_room_by_the_older_half_of_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "_MOST_OF_CARDS", 10 * 50)
    kept, ids = Entities(), [UUID(int=number) for number in range(14)]
    for number, id in enumerate(ids[:11]):
        kept.keep_card(f"place {number % 2}", id, Card(None, 0, b"", "", None, 50))
    here = [number for number, id in enumerate(ids) if kept.card(f"place {number % 2}", id)]
    assert here == [6, 7, 8, 9, 10]
    for number, id in enumerate(ids[:5]):  # and no more room is counted than what went had taken
        kept.keep_card(f"place {number % 2}", id, Card(None, 0, b"", "", None, 50))
    assert len([number for number, id in enumerate(ids) if kept.card(f"place {number % 2}", id)]) == 10


# ---------------------------------------------------------------- who gets what


async def test_L17_what_is_kept_for_readers_is_never_given_to_somebody_or_the_other_way(
    reader: httpx.AsyncClient, feed: live.Feed
) -> None:
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await articles.update(SYSTEM, story.article_id, {"headline": "A secret draft"})
    editor = await make_token(user=await make_user(Role.EDITOR))
    readers_token = await make_token(TokenScope.READ)
    document = '{ article(slug: "one") { headline editorial { status } } viewer { name } }'
    plain = '{ article(slug: "one") { headline editorial { status } } }'
    for _ in range(3):
        anonymous = await get(reader, plain)
        async with client(editor) as staff:
            known = await get(staff, plain)
            drafts = await get(staff, plain.replace("slug:", "perspective: DRAFT, slug:"))
        async with client(readers_token) as token:
            shown = await get(token, document)
        assert anonymous.json()["data"]["article"] == {"headline": "One", "editorial": None}
        assert known.json()["data"]["article"] == {"headline": "One", "editorial": {"status": "DRAFT"}}
        assert drafts.json()["data"]["article"]["headline"] == "A secret draft"
        assert shown.json()["data"]["article"] == {"headline": "One", "editorial": None}
        assert anonymous.headers["cache-control"] == "public, no-cache"
        for answer in (known, drafts, shown):
            assert answer.headers["cache-control"] == "private, no-store"
    for header in ("Authorization", "Cookie", "Accept", "Accept-Encoding", "Origin"):
        assert header in anonymous.headers["vary"]


@pytest.mark.parametrize(
    "headers", [{"cookie": "copydesk=nonsense"}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic eA=="}]
)
async def test_a_credential_that_is_not_valid_is_refused_whatever_is_kept(
    reader: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await get(reader, ARTICLE, slug="one")
    response = await reader.post(
        "/graphql",
        json={"query": ARTICLE, "variables": {"slug": "one"}},
        headers={**headers, "x-requested-with": "copydesk"},
    )
    assert response.status_code in (401, 403)


# ---------------------------------------------------------------- over HTTP


async def test_get_and_post_answer_the_same_and_an_etag_saves_the_body(reader: httpx.AsyncClient) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    posted = await get(reader, ARTICLE, slug="one")
    given = {"query": ARTICLE, "variables": '{"slug":"one"}'}
    got = await reader.get("/graphql", params=given)
    assert got.content == posted.content
    assert got.headers["etag"] == posted.headers["etag"]
    unchanged = await reader.get("/graphql", params=given, headers={"if-none-match": got.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == got.headers["etag"]
    changed = await reader.get("/graphql", params=given, headers={"if-none-match": '"another"'})
    assert changed.status_code == 200


async def test_long_answers_are_compressed_as_the_client_can_read_them(reader: httpx.AsyncClient) -> None:
    await make_article(headline="One", body={"html": "<p>" + "Many words. " * 500}, status=ArticleStatus.PUBLISHED)
    given = {"query": '{ article(slug: "one") { body { html } } }'}
    etags = set()
    for accepted, encoding in (("br, gzip", "br"), ("gzip", "gzip"), ("identity", None), ("br;q=0", None)):
        for _ in range(3):
            async with reader.stream("POST", "/graphql", json=given, headers={"accept-encoding": accepted}) as response:
                raw = b"".join([part async for part in response.aiter_raw()])
        assert response.headers.get("content-encoding") == encoding
        assert int(response.headers["content-length"]) == len(raw)
        assert (len(raw) < 1_000) == (encoding is not None)
        etags.add(response.headers["etag"])
        if encoding == "br":
            assert b"Many words." in brotli.decompress(raw)
    assert len(etags) == 3


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (b"", b""),
        (b"identity", b""),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"GZIP", b"gzip"),
        (b"br;q=0.5, gzip;q=0.8", b"gzip"),
        (b"br;q=0, gzip", b"gzip"),
        (b"br;q=0, gzip; q=0", b""),
        (b"*", b"br"),
        (b"*;q=0", b""),
        (b"br;q=0, *", b"gzip"),
        (b"br;q=nonsense", b""),
        (b"brotli, xgzip", b""),
        (b"br," * 100, b""),
    ],
)
def test_the_encoding_is_the_best_that_a_client_takes(accepted: bytes, encoding: bytes) -> None:
    assert caching.encoding(accepted) == encoding


async def test_what_no_plan_answers_is_compressed_too_but_not_what_a_cookie_opens(reader: httpx.AsyncClient) -> None:
    for number in range(20):
        await make_article(headline=f"Rain {number}", tag_names=["Rain"], status=ArticleStatus.PUBLISHED)
    token = await make_token(user=await make_user(Role.EDITOR))
    asked = {"query": '{ search(query: "rain", first: 20) { nodes { id headline path } } }'}
    plain = await reader.post("/graphql", json=asked, headers={"accept-encoding": "identity"})
    assert len(plain.content) > caching.COMPRESSED
    for accepted, encoding in (("br, gzip", "br"), ("gzip", "gzip")):
        for headers in ({}, {"authorization": f"Bearer {token}"}):
            given = {"accept-encoding": accepted, **headers}
            async with reader.stream("POST", "/graphql", json=asked, headers=given) as response:
                raw = b"".join([part async for part in response.aiter_raw()])
            assert response.headers["content-encoding"] == encoding
            assert int(response.headers["content-length"]) == len(raw) < len(plain.content) / 2
            assert "Accept-Encoding" in response.headers["vary"]
        unpacked = await reader.post("/graphql", json=asked, headers={"accept-encoding": accepted})
        assert unpacked.content == plain.content
    own = {"x-requested-with": "copydesk", "origin": "http://127.0.0.1:8000", "accept-encoding": "br, gzip"}
    password = "correct horse battery"
    await accounts.create_user(SYSTEM, email="ann@post.example", name="Ann", role=Role.EDITOR, password=password)
    signed_in = await reader.post("/session", json={"email": "ann@post.example", "password": password}, headers=own)
    assert "copydesk" in reader.cookies, signed_in.text
    with_cookie = await reader.post("/graphql", json=asked, headers=own)
    assert with_cookie.content == plain.content
    assert "content-encoding" not in with_cookie.headers


async def test_pages_of_other_sites_are_answered_from_what_is_kept_with_what_lets_them_read_it(
    feed: live.Feed, configured: Callable[..., None]
) -> None:
    configured(CMS_CORS_ORIGINS="https://news.example, https://other.example")
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    given = {"query": ARTICLE, "variables": {"slug": "one"}}
    async with client() as reader:
        slow = {each: await reader.post("/graphql", json=given, headers={"origin": each}) for each in ORIGINS}
        await get(reader, ARTICLE, slug="one")
        with statements() as seen:
            fast = {each: await reader.post("/graphql", json=given, headers={"origin": each}) for each in ORIGINS}
    assert seen == []
    for origin, allowed in ORIGINS.items():
        assert fast[origin].headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert sorted(fast[origin].headers.multi_items()) == sorted(slow[origin].headers.multi_items())
        assert "Origin" in fast[origin].headers["vary"]


async def test_what_is_not_kept_is_looked_for_once(reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    await get(reader, ARTICLE, slug="other")
    looked: list[object] = []
    found = Answers.get
    monkeypatch.setattr(Answers, "get", lambda self, key: (looked.append(key), found(self, key))[1])
    await reader.post(
        "/graphql", json={"query": ARTICLE, "variables": {"slug": "one"}}, headers={"accept-encoding": "identity"}
    )
    assert len(looked) == 1


async def test_caches_before_us_are_told_keys_that_name_only_what_is_shown(
    feed: live.Feed, configured: Callable[..., None]
) -> None:
    configured(CMS_SHARED_CACHE_SECONDS="60")
    hidden = await make_article(headline="Hidden")
    story = await make_article(headline="One", tag_names=["Tag"], related_post_ids=[hidden.article_id])
    await publish(story.article_id)
    tag = (await taxonomy.tags_named(SYSTEM, ["Tag"]))[0]
    async with client() as reader:
        response = await get(reader, ARTICLE, slug="one")
        missed = await get(reader, ARTICLE, slug="no\r\nX-Evil: 1 there")
    assert response.headers["cache-control"] == "public, max-age=0, s-maxage=60"
    assert set(response.headers["surrogate-key"].split()) == {
        "site",
        "sections",
        f"article:{story.article_id}",
        f"tag:{tag}",
        f"tag:{tag}:articles",  # where related stories are looked for until the machine has found some
    }
    assert response.headers["cache-tag"].split(",") == response.headers["surrogate-key"].split()
    assert "x-evil" not in missed.headers
    assert "articles" in missed.headers["surrogate-key"].split()


async def test_answers_before_the_application_bear_its_headers(reader: httpx.AsyncClient) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    slow = await reader.post("/graphql", json={"query": "{ nodes(ids: []) { id } }"})
    fast = await get(reader, ARTICLE, slug="one")
    assert slow.headers.keys() == fast.headers.keys()
    for name in slow.headers.keys() - {"content-length", "etag", "x-query-cost"}:
        assert fast.headers[name] == slow.headers[name], name


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"query": FRONT, "extensions": {"a": 1}}},
        {"json": [{"query": FRONT}]},
        {"json": {"query": FRONT, "variables": [1]}},
        {"json": {"query": FRONT, "operationName": "Nothing"}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"content": b'{"query": "{ __typename }"}', "headers": {"content-type": "text/plain"}},
    ],
)
async def test_what_is_odd_gets_the_same_answer_as_without_kept_ones(
    reader: httpx.AsyncClient, request_: dict[str, Any]
) -> None:
    await get(reader, FRONT)
    with_front = await reader.post("/graphql", **request_)
    kept = delivery._kept
    delivery._kept = None
    try:
        without = await reader.post("/graphql", **request_)
    finally:
        delivery._kept = kept
    assert (with_front.status_code, with_front.content) == (without.status_code, without.content)


# ---------------------------------------------------------------- how much is kept


def _answer(size: int, *keys: bytes, turn: int = 0) -> Answer:
    return Answer(turn, float("inf"), b"x" * size, b'"e"', 1, b"".join(keys))


def test_answers_are_bounded_by_bytes_and_those_asked_for_last_stay() -> None:
    answers = Answers(100_000)
    answers.restored()
    for number in range(100):
        answers.put((number,), _answer(9_600, turn=answers.turn))
        answers.get((0,))
        assert answers.shelf.bytes <= 100_000
    kept = [number for number in range(100) if answers.get((number,)) is not None]
    assert kept == [0, *range(91, 100)]


def test_what_was_asked_for_again_stays_while_others_are_asked_for_once() -> None:
    answers = Answers(100_000)
    answers.restored()
    for number in range(6):
        answers.put((number,), _answer(9_600, turn=answers.turn))
    for number in (0, 2, 4, 0):
        assert answers.get((number,)) is not None
    for number in range(100, 200):
        answers.put((number,), _answer(9_600, turn=answers.turn))
    assert [number for number in range(200) if answers.get((number,)) is not None] == [0, 2, 4, *range(193, 200)]


def test_of_what_was_asked_for_again_the_oldest_goes_when_there_is_too_much_of_it() -> None:
    answers = Answers(100_000)
    answers.restored()
    for number in range(10):
        answers.put((number,), _answer(9_600, turn=answers.turn))
        assert answers.get((number,)) is not None
    for number in (0, 3):
        assert answers.get((number,)) is not None
    answers.put(("new",), _answer(9_600, turn=answers.turn))
    answers.put(("newer",), _answer(9_600, turn=answers.turn))
    gone = [number for number in range(10) if answers.get((number,)) is None]
    assert gone == [1, 2]
    assert answers.shelf.bytes == 100_000


@given(
    st.lists(
        st.tuples(st.sampled_from(["get", "put", "drop"]), st.integers(0, 12), st.integers(0, 30_000)), max_size=60
    )
)
def test_what_is_kept_is_counted_to_the_byte(steps: list[tuple[str, int, int]]) -> None:
    shelf, newest = Shelf(100_000), {}
    for what, number, size in steps:
        if what == "put":
            newest[number] = size
            shelf.put((number,), _answer(size))
        elif what == "drop":
            shelf.drop((number,))
        elif (found := shelf.get((number,))) is not None:
            assert len(found.body) == newest[number]
        assert shelf.bytes <= 100_000
    left = [found for number in range(13) if (found := shelf.get((number,))) is not None]
    assert shelf.bytes == sum(len(found.body) + 400 for found in left)
    for number in range(13):
        shelf.drop((number,))
    assert (shelf.bytes, shelf._bytes_again) == (0, 0)


def test_an_answer_is_dropped_by_its_own_keys_alone() -> None:
    answers, one, two = Answers(100_000), b"1" * 16, b"2" * 16
    answers.restored()
    answers.put(("one",), _answer(10, one, turn=answers.turn))
    answers.put(("two",), _answer(10, one, two, turn=answers.turn))
    answers.changes.note([two])
    assert answers.get(("one",)) is not None
    assert answers.get(("two",)) is None
    answers.put(("old",), _answer(10, two, turn=answers.turn - 1))
    assert answers.get(("old",)) is None
