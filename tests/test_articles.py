"""Writing stories: create, update, slugs, references, translations, and what is refused."""

from __future__ import annotations

import asyncio
import unicodedata
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cms import articles, clock, ids, newsroom, workflow
from cms.errors import CMSError, Conflict, Forbidden, Invalid, NotFound
from cms.models import Article, ArticleStatus, Event, Live, Revision, Role, Slug, Tag, TokenScope
from cms.permissions import PUBLIC, SYSTEM, Actor
from cms.workflow import Transition
from tests.conftest import Api
from tests.factories import (
    dump,
    make_actor,
    make_article,
    make_author,
    make_media,
    make_section,
    make_tag,
    make_token,
    publish,
)

pytestmark = pytest.mark.usefixtures("db")


async def refused(
    write: Any, kind: type[CMSError] = Invalid, *, fields: list[tuple[str, ...]] | None = None, before: Any = None
) -> CMSError:
    """The write raises this and changes nothing."""
    before = before or await dump()
    with pytest.raises(kind) as found:
        await write
    if fields is not None:
        assert [issue.field for issue in found.value.issues] == fields
    assert await dump() == before
    return found.value


# ---------------------------------------------------------------- create


async def test_a_new_story_is_a_draft_of_its_maker() -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    section, author, tag = await make_section("World"), await make_author("Ann"), await make_tag("Rain")
    picture, other = await make_media(), await make_article()
    head = await articles.create(
        writer,
        {
            "headline": "  A\u0008 line\n of  text ",
            "kicker": " ",
            "dek": "Deck",
            "body": {"html": "<p>Hello there.</p>"},
            "section_id": section,
            "byline": [{"author_id": author, "role": "photos"}],
            "tag_ids": [tag],
            "tag_names": ["rain", "Snow"],
            "lead_media": {"media_id": picture.id, "alt_text": "A cat"},
            "related_post_ids": [],
            "seo": {"title": "For machines", "description": None},
        },
    )
    article, revision = await Article.get(id=head.article_id), await Revision.get(id=head.revision_id)
    assert (article.status, article.version, article.owner_id) == (ArticleStatus.DRAFT, 1, writer.user_id)
    assert (head.headline, head.kicker, head.dek, head.slug) == ("A line of text", None, "Deck", "a-line-of-text")
    assert (head.text, head.word_count, head.locale, head.section_id) == ("Hello there.", 2, "en", section)
    assert (head.author_ids, head.author_roles) == ([author], ["photos"])
    snow = await Tag.get(name="Snow")
    assert head.tag_ids == [tag, snow.id]
    assert head.lead_media_id == picture.id and head.lead_use is not None
    assert head.lead_use["alt_text"] == "A cat"
    assert head.seo == {"title": "For machines"}
    assert (revision.number, revision.created_by_id, revision.sealed_at) == (1, writer.user_id, None)
    columns = [*articles.CONTENT]
    assert [getattr(head, c) for c in columns] == [getattr(revision, c) for c in columns]
    assert await Live.all().count() == 0
    assert other.article_id != head.article_id


@pytest.mark.parametrize("role", [None, "READ", "PREVIEW"])
async def test_only_staff_makes_stories(role: str | None) -> None:
    actor = Actor("a token", scopes=frozenset({TokenScope(role)})) if role else PUBLIC
    error = await refused(articles.create(actor, {"headline": "x"}), CMSError)
    assert error.code == ("FORBIDDEN" if role else "UNAUTHENTICATED")


async def test_R13_twenty_equal_creates_with_one_key_make_one_story(api: Api) -> None:
    writer, other = await make_actor(Role.CONTRIBUTOR), await make_actor(Role.CONTRIBUTOR)
    input = {"headline": "Same", "tagNames": ["t"], "idempotencyKey": "k-1"}
    select = "... on Article { id slug }"
    made = await asyncio.gather(*(api.write("createArticle", input, select, actor=writer) for _ in range(20)))
    assert {each["id"] for each in made} == {made[0]["id"]}
    assert await Article.all().count() == 1
    assert await Event.filter(type="article.created").count() == 1
    assert (await api.write("createArticle", input, select, actor=other))["slug"] == "same-2"


async def test_a_key_whose_story_went_to_somebody_else_is_a_conflict() -> None:
    writer, other = await make_actor(Role.CONTRIBUTOR), await make_actor(Role.CONTRIBUTOR)
    story = await articles.create(writer, {"headline": "x"}, origin_key="k")
    await articles.update_editorial(SYSTEM, story.article_id, {"owner_id": other.user_id})
    await refused(articles.create(writer, {"headline": "x"}, origin_key="k"), Conflict)


async def test_a_key_may_not_be_endless(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    before = await dump()
    for key in ("", "k" * 100_000):
        done = await api.write("createArticle", {"headline": "x", "idempotencyKey": key}, actor=writer)
        assert (done["code"], done["issues"][0]["field"]) == ("INVALID", ["idempotencyKey"])
    assert await dump() == before


async def test_what_is_too_long_or_too_many_is_refused_with_its_field() -> None:
    many = [ids.new() for _ in range(101)]
    cases: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"headline": ""}, ("headline",)),
        ({"headline": " \u200b\u0007 "}, ("headline",)),
        ({"headline": "x" * 501}, ("headline",)),
        ({"kicker": "x" * 201}, ("kicker",)),
        ({"dek": "x" * 2_001}, ("dek",)),
        ({"slug": "Not A Slug"}, ("slug",)),
        ({"slug": ""}, ("slug",)),
        ({"slug": "a" * 97}, ("slug",)),
        ({"locale": "xx"}, ("locale",)),
        ({"tag_ids": many}, ("tagIds",)),
        ({"tag_names": ["x"] * 101}, ("tagNames",)),
        ({"tag_names": ["ok", " "]}, ("tagNames", "1")),
        ({"tag_names": ["ﷺ" * 200]}, ("tagNames", "0")),
        ({"related_post_ids": many}, ("relatedPostIds",)),
        ({"byline": [{"author_id": id} for id in many]}, ("byline",)),
        ({"seo": {"canonical_url": "javascript:alert(1)"}}, ("seo", "canonicalUrl")),
        ({"seo": {"title": "x" * 501}}, ("seo", "title")),
        ({"body": {"json": {"type": "nonsense"}}}, ("body", "json")),
    ]
    before = await dump()
    for changes, field in cases:
        await refused(articles.create(SYSTEM, {"headline": "x"} | changes), fields=[field], before=before)


async def test_references_that_are_not_there_are_refused_each_with_its_place() -> None:
    known, gone, picture = await make_tag("a"), ids.new(), ids.new()
    cases: list[tuple[dict[str, Any], list[tuple[str, ...]]]] = [
        ({"section_id": gone}, [("sectionId",)]),
        ({"tag_ids": [known, gone, known, picture]}, [("tagIds", "1"), ("tagIds", "3")]),
        ({"byline": [{"author_id": gone}]}, [("byline", "0", "authorId")]),
        ({"lead_media": {"media_id": gone}}, [("leadMedia", "mediaId")]),
        ({"seo": {"image": {"media_id": gone}}}, [("seo", "image", "mediaId")]),
        ({"related_post_ids": [gone]}, [("relatedPostIds", "0")]),
        ({"translation_of_id": gone}, [("translationOfId",)]),
    ]
    before = await dump()
    for changes, fields in cases:
        await refused(articles.create(SYSTEM, {"headline": "x"} | changes), fields=fields, before=before)


BAD_IDS = ["", "x", "é" * 23, "A" * 23, "1", "a" * 5_000]


async def test_an_id_of_another_type_unknown_or_garbage_is_not_found_never_an_error(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    tag = ids.encode("Tag", await make_tag("x"))
    unknown = ids.encode("Article", ids.new())
    section = ids.encode("Section", await make_section("Here"))
    before = await dump()
    for bad in [*BAD_IDS, tag, unknown]:
        found = await api("query($id: ID!) { article(id: $id) { id } nodes(ids: [$id]) { id } }", id=bad, actor=editor)
        assert found["article"] is None
        assert found["nodes"] == [None]
        for name in ("updateArticle", "updateEditorial", "submitArticle", "publishArticle", "trashArticle"):
            assert (await api.write(name, {"id": bad}, actor=editor))["code"] == "NOT_FOUND", (name, bad)
        for name in ("updateTag", "deleteTag", "updateSection", "deleteSection", "updateAuthor", "deleteAuthor"):
            own = bad if bad != tag else section if "Section" not in name else tag
            assert (await api.write(name, {"id": own}, actor=editor))["code"] == "NOT_FOUND", (name, own)
        done = await api.write("createArticle", {"headline": "x", "sectionId": bad}, actor=editor)
        assert (done["code"], done["issues"][0]["field"]) == ("INVALID", ["sectionId"])
    assert await dump() == before


# ---------------------------------------------------------------- slugs

TITLES = ["🎉🎉", "عاصفة", "201\u0008 election", "  —  x", "a" * 250, "new", "../../x", "graphql", "—"]


async def test_every_title_gets_a_slug_that_finds_its_story(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    slugs = []
    for title in TITLES:
        done = await api.write("createArticle", {"headline": title}, "... on Article { slug headline }", actor=editor)
        slug = done["slug"]
        assert 0 < len(slug) <= 96
        assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in slug + done["headline"])
        query = "query($slug: String!) { article(slug: $slug, perspective: DRAFT) { headline } }"
        assert (await api(query, slug=slug, actor=editor))["article"]["headline"] == done["headline"]
        slugs.append(slug)
    assert len(set(slugs)) == len(TITLES)


async def test_R13_same_moment_twins_get_two_slugs() -> None:
    made = await asyncio.gather(*(make_article(headline="Twin") for _ in range(20)))
    assert sorted(head.slug for head in made) == sorted(["twin", *(f"twin-{n}" for n in range(2, 21))])


async def test_a_slug_that_a_draft_no_longer_has_is_free() -> None:
    story = await make_article(headline="One")
    await articles.update(SYSTEM, story.article_id, {"slug": "two"})
    assert (await make_article(headline="One")).slug == "one"
    await refused(articles.update(SYSTEM, story.article_id, {"slug": "one"}), fields=[("slug",)])


async def test_null_makes_a_slug_of_the_headline() -> None:
    story = await make_article(headline="One", slug="custom")
    head = await articles.update(SYSTEM, story.article_id, {"headline": "Another", "slug": None})
    assert head.slug == "another"
    assert await Slug.filter(target_id=story.article_id).values_list("slug", flat=True) == ["another"]


async def test_the_slug_of_a_pinned_revision_stays_reserved() -> None:
    story = await make_article(headline="Pinned", status=ArticleStatus.SCHEDULED)
    await articles.update(SYSTEM, story.article_id, {"slug": "newer"})
    await articles.update(SYSTEM, story.article_id, {"slug": "newest"})
    assert (await make_article(headline="Pinned")).slug == "pinned-2"
    assert (await make_article(headline="Newer")).slug == "newer"


# ---------------------------------------------------------------- update


async def test_absent_stays_and_null_clears(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    section, author = await make_section("World"), await make_author("Ann")
    picture, other = await make_media(), await make_article()
    story = await make_article(
        kicker="k",
        dek="d",
        body={"html": "<p>b</p>"},
        section_id=section,
        byline=[{"author_id": author}],
        tag_names=["t"],
        lead_media={"media_id": picture.id},
        related_post_ids=[other.article_id],
        seo={"title": "s"},
    )
    id = ids.encode("Article", story.article_id)
    before = await dump()
    same = await api.write("updateArticle", {"id": id}, "... on Article { editorial { version } }", actor=editor)
    assert same["editorial"]["version"] == 1
    assert await dump() == before
    nulls = ("kicker", "dek", "body", "sectionId", "byline", "tagIds", "leadMedia", "relatedPostIds", "seo")
    select = """... on Article { kicker dek body { text } section { id } byline { role } tags { id }
      leadMedia { altText } relatedPosts { source } seo { title } headline editorial { version } }"""
    cleared = await api.write("updateArticle", {"id": id} | dict.fromkeys(nulls), select, actor=editor)
    assert cleared == {
        "__typename": "Article",
        "kicker": None,
        "dek": None,
        "body": {"text": ""},
        "section": None,
        "byline": [],
        "tags": [],
        "leadMedia": None,
        "relatedPosts": [],
        "seo": {"title": story.headline},
        "headline": story.headline,
        "editorial": {"version": 2},
    }
    before = await dump()
    refusal = await api.write("updateArticle", {"id": id, "headline": None}, actor=editor)
    assert (refusal["code"], refusal["issues"][0]["field"]) == ("INVALID", ["headline"])
    assert await dump() == before


async def test_a_stale_version_is_refused_and_only_what_is_sent_changes() -> None:
    story = await make_article(headline="One", dek="d")
    await articles.update(SYSTEM, story.article_id, {"headline": "Two"}, expected_version=1)
    stale = articles.update(SYSTEM, story.article_id, {"dek": "x"}, expected_version=1)
    error = await refused(stale, Conflict)
    assert error.current_version == 2
    head = await articles.update(SYSTEM, story.article_id, {"dek": "x"})
    assert (head.headline, head.dek) == ("Two", "x")


async def test_a_save_makes_a_revision_and_returns_a_story_to_draft() -> None:
    writer, editor = await make_actor(Role.CONTRIBUTOR), await make_actor(Role.EDITOR)
    for status, actor, after in (
        (ArticleStatus.DRAFT, writer, ArticleStatus.DRAFT),
        (ArticleStatus.IN_REVIEW, writer, ArticleStatus.DRAFT),
        (ArticleStatus.IN_REVIEW, editor, ArticleStatus.IN_REVIEW),
        (ArticleStatus.APPROVED, editor, ArticleStatus.DRAFT),
        (ArticleStatus.SCHEDULED, editor, ArticleStatus.DRAFT),
        (ArticleStatus.PUBLISHED, editor, ArticleStatus.DRAFT),
        (ArticleStatus.UNPUBLISHED, editor, ArticleStatus.DRAFT),
    ):
        story = await make_article(status=status, owner_id=writer.user_id)
        head = await articles.update(actor, story.article_id, {"dek": "x"}, message=" why ")
        article, revision = await Article.get(id=story.article_id), await Revision.get(id=head.revision_id)
        assert article.status is after, (status, actor.role)
        assert (revision.number, revision.message, revision.created_by_id) == (2, "why", actor.user_id)
        assert (await Revision.get(id=story.revision_id)).dek is None


async def test_autosaves_of_one_hand_fold_until_the_revision_is_sealed() -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    story = await make_article(writer)
    id = story.article_id

    async def save(actor: Actor, dek: str, autosave: bool = True) -> int:
        head = await articles.update(actor, id, {"dek": dek, "tag_names": [dek]}, autosave=autosave)
        revision = await Revision.get(id=head.revision_id)
        assert (revision.dek, revision.tag_ids, head.dek) == (dek, head.tag_ids, dek)
        assert await Revision.filter(article_id=id).count() == revision.number
        return revision.number

    assert await save(writer, "a") == 2
    assert await save(writer, "b") == 2
    assert await save(SYSTEM, "c") == 3
    assert await save(writer, "d") == 4
    assert await save(writer, "e", autosave=False) == 5
    assert await save(writer, "f") == 6
    await workflow.transition(writer, id, Transition.SUBMIT)
    assert await save(writer, "g") == 7
    article = await Article.get(id=id)
    assert article.version == 9


async def test_somebody_elses_story_is_not_there() -> None:
    writer, other = await make_actor(Role.CONTRIBUTOR), await make_actor(Role.CONTRIBUTOR)
    story = await make_article(writer, status=ArticleStatus.PUBLISHED)
    await refused(articles.update(other, story.article_id, {"dek": "x"}), NotFound)
    await refused(articles.update_editorial(other, story.article_id, {"note": "x"}), NotFound)


async def test_R20_fifty_saves_at_once_lose_nothing_and_have_no_internal_error() -> None:
    stories = await asyncio.gather(*(make_article() for _ in range(5)))
    names = [f"tag {n}" for n in range(6)]

    async def save(n: int) -> None:
        wanted = names[n % 6 :] + names[: n % 6]
        story = stories[n % 5]
        changes: dict[str, Any] = {"dek": f"{n}", "tag_names": wanted, "slug": f"slug-{n}"}
        await articles.update(SYSTEM, story.article_id, changes)

    await asyncio.gather(*(save(n) for n in range(50)))
    assert await Tag.all().count() == 6
    for story in stories:
        assert await Revision.filter(article_id=story.article_id).count() == 11
        assert (await Article.get(id=story.article_id)).version == 11
    assert await Slug.filter(kind="ARTICLE").count() == 5


# ---------------------------------------------------------------- references


async def test_tags_are_set_as_a_whole_ids_then_names_each_once() -> None:
    a, b = await make_tag("A"), await make_tag("B")
    story = await make_article(tag_ids=[b, a, b], tag_names=["a", "C", "c"])
    c = await Tag.get(name="C")
    assert story.tag_ids == [b, a, c.id]
    head = await articles.update(SYSTEM, story.article_id, {"tag_names": ["c", "b"]})
    assert head.tag_ids == [c.id, b]
    head = await articles.update(SYSTEM, story.article_id, {"tag_ids": [a]})
    assert head.tag_ids == [a]


async def test_an_author_stands_once_with_the_first_role() -> None:
    ann, bob = await make_author("Ann"), await make_author("Bob")
    byline = [
        {"author_id": ann, "role": "text"},
        {"author_id": bob, "role": None},
        {"author_id": ann, "role": "photos"},
    ]
    story = await make_article(byline=byline)
    assert (story.author_ids, story.author_roles) == ([ann, bob], ["text", None])


async def test_related_stories_are_ordered_distinct_and_not_the_story_itself() -> None:
    a, b, own = [await make_article() for _ in range(3)]
    wanted = [b.article_id, a.article_id, b.article_id]
    head = await articles.update(SYSTEM, own.article_id, {"related_post_ids": wanted})
    assert head.related_ids == [b.article_id, a.article_id]
    await refused(
        articles.update(SYSTEM, own.article_id, {"related_post_ids": [a.article_id, own.article_id]}),
        fields=[("relatedPostIds", "1")],
    )


async def test_a_contributor_relates_and_links_to_what_it_may_read() -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    hidden, shown = await make_article(), await make_article(status=ArticleStatus.PUBLISHED)
    own = await make_article(writer)
    await articles.update(writer, own.article_id, {"related_post_ids": [shown.article_id]})
    await refused(
        articles.update(writer, own.article_id, {"related_post_ids": [hidden.article_id]}),
        fields=[("relatedPostIds", "0")],
    )
    await articles.update(SYSTEM, own.article_id, {"related_post_ids": [hidden.article_id]})
    head = await articles.update(writer, own.article_id, {"related_post_ids": [hidden.article_id, shown.article_id]})
    assert head.related_ids == [hidden.article_id, shown.article_id]


RELATED = (
    "query($id: ID!, $p: Perspective) { article(id: $id, perspective: $p) { relatedPosts { article { headline } } } }"
)


async def test_R1_a_relation_to_a_story_that_is_not_live_appears_when_it_goes_live(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    other = await make_article(headline="Other")
    story = await make_article(status=ArticleStatus.PUBLISHED, related_post_ids=[other.article_id])
    id = ids.encode("Article", story.article_id)

    async def related(**more: Any) -> list[str]:
        found = await api(RELATED, id=id, **more)
        return [each["article"]["headline"] for each in found["article"]["relatedPosts"]]

    assert await related() == []
    assert await related(p="DRAFT", actor=editor) == ["Other"]
    await publish(other.article_id)
    assert await related() == ["Other"]
    await workflow.transition(SYSTEM, other.article_id, Transition.UNPUBLISH)
    assert await related() == []
    await workflow.transition(SYSTEM, other.article_id, Transition.TRASH)
    assert await related(p="DRAFT", actor=editor) == []


async def test_the_picture_for_search_engines_is_shown_to_readers(api: Api) -> None:
    picture = await make_media(alt_text="For machines")
    await make_article(status=ArticleStatus.PUBLISHED, seo={"image": {"media_id": picture.id}})
    found = await api("{ articles { nodes { seo { image { altText media { id } } } } } }")
    assert found["articles"]["nodes"][0]["seo"]["image"]["altText"] == "For machines"


# ---------------------------------------------------------------- translations


async def test_a_translation_stands_once_in_each_locale_and_is_shown_when_live(api: Api) -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr", "de"]})
    story = await make_article(status=ArticleStatus.PUBLISHED, headline="Rain")
    french = await make_article(headline="Pluie", locale="fr", translation_of_id=story.article_id)
    german = await make_article(
        status=ArticleStatus.PUBLISHED, headline="Regen", locale="de", translation_of_id=french.article_id
    )
    for locale in ("fr", "en"):
        again = {"headline": "x", "locale": locale, "translation_of_id": german.article_id}
        await refused(articles.create(SYSTEM, again), fields=[("locale",)])
    query = 'query($p: Perspective) { article(slug: "rain", perspective: $p) { translations { locale headline } } }'
    assert (await api(query))["article"]["translations"] == [{"locale": "de", "headline": "Regen"}]
    drafts = await api(query, p="DRAFT", actor=await make_actor())
    assert [each["locale"] for each in drafts["article"]["translations"]] == ["de", "fr"]
    await workflow.transition(SYSTEM, french.article_id, Transition.TRASH)
    await make_article(headline="Pluie", locale="fr", translation_of_id=story.article_id)


# ---------------------------------------------------------------- what colleagues need


async def test_editorial_data_makes_no_revision_and_no_version() -> None:
    editor, writer = await make_actor(Role.EDITOR), await make_actor(Role.CONTRIBUTOR)
    story = await make_article(writer)
    await articles.update_editorial(writer, story.article_id, {"note": "mine"})
    await articles.update_editorial(
        editor, story.article_id, {"owner_id": editor.user_id, "assignee_id": writer.user_id, "note": None}
    )
    article = await Article.get(id=story.article_id)
    assert (article.owner_id, article.assignee_id, article.note) == (editor.user_id, writer.user_id, None)
    assert (article.version, await Revision.all().count()) == (1, 1)
    await refused(articles.update_editorial(writer, story.article_id, {"note": "x"}), NotFound)


async def test_editorial_data_that_is_not_ones_to_change_is_refused() -> None:
    writer, editor = await make_actor(Role.CONTRIBUTOR), await make_actor(Role.EDITOR)
    story = await make_article(writer)
    until = clock.now() + timedelta(days=1)
    forbidden: list[dict[str, Any]] = [
        {"owner_id": editor.user_id},
        {"assignee_id": writer.user_id},
        {"embargoed_until": until},
    ]
    for changes in forbidden:
        await refused(articles.update_editorial(writer, story.article_id, changes), Forbidden)
    nobody: dict[str, UUID] = {"owner_id": ids.new()}
    await refused(articles.update_editorial(editor, story.article_id, nobody), fields=[("ownerId",)])


async def test_a_contributor_sees_own_stories_only_in_drafts(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    own = await make_article(writer, headline="Own")
    await make_article(headline="Hidden", tag_names=["t"])
    found = await api("{ articles(perspective: DRAFT) { totalCount nodes { headline } } }", actor=writer)
    assert found["articles"] == {"totalCount": 1, "nodes": [{"headline": "Own"}]}
    token = await make_token(TokenScope.PREVIEW)
    found = await api("{ articles(perspective: DRAFT) { totalCount nodes { editorial { note } } } }", token=token)
    assert found["articles"] == {"totalCount": 2, "nodes": [{"editorial": None}, {"editorial": None}]}
    assert own.slug == "own"
