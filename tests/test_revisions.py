"""History: old versions brought back, compared and pruned; and autosaves, which leave little of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cms import articles, body, clock, ids, revisions, tagging, taxonomy, workflow
from cms.errors import Conflict, NotFound, TransitionRefused
from cms.models import Article, ArticleStatus, Event, Head, Live, Media, Revision, Role, TokenScope
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.conftest import Api
from tests.factories import (
    dump,
    execute,
    make_actor,
    make_article,
    make_author,
    make_media,
    make_section,
    make_tag,
    make_token,
    publish,
)

DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("db")


async def save(head: Head, **changes: Any) -> Head:
    return await articles.update(SYSTEM, head.article_id, changes)


async def content(id: Any, model: type[Any] = Head) -> dict[str, Any]:
    row = await model.get(article_id=id)
    return {column: getattr(row, column) for column in articles.CONTENT if column != "updated_at"}


async def numbers(id: Any) -> list[int]:
    return [row.number async for row in Revision.filter(article_id=id).order_by("number")]


# ---------------------------------------------------------------- restore


async def test_restoring_makes_a_new_head_revision_with_the_whole_old_content_and_readers_see_nothing() -> None:
    section, author, tag, picture = (
        await make_section("World"),
        await make_author("Ann"),
        await make_tag("Rain"),
        (await make_media()).id,
    )
    other = await make_article()
    first = await make_article(
        headline="One",
        dek="d",
        kicker="k",
        section_id=section,
        byline=[{"author_id": author, "role": "photos"}],
        tag_ids=[tag],
        lead_media={"media_id": picture, "alt_text": "a"},
        related_post_ids=[other.article_id],
        body={"html": "<p>Old.</p>"},
        seo={"title": "t"},
    )
    id = first.article_id
    old = await content(id)
    await publish(id)
    live = await content(id, Live)
    cleared = {"section_id": None, "byline": [], "tag_ids": [], "lead_media": None, "related_post_ids": [], "seo": None}
    await save(first, headline="Two", slug="two", dek=None, kicker=None, body={"html": "<p>New.</p>"}, **cleared)
    version = (await Article.get(id=id)).version
    await revisions.restore(SYSTEM, id, first.revision_id, expected_version=version)
    assert await content(id) == old
    assert await content(id, Live) == live
    article = await Article.get(id=id)
    assert (article.version, article.status) == (version + 1, ArticleStatus.DRAFT)
    newest = await Revision.filter(article_id=id).order_by("-number").first()
    assert newest is not None
    assert (newest.number, newest.message) == (3, "Restored revision 1.")
    event = await Event.get(type="article.restored")
    assert (event.article_id, event.detail) == (id, {"revision": 1, "left_out": [], "version": 4})


async def test_what_is_gone_is_left_out_and_named() -> None:
    section, author, tag = await make_section("World"), await make_author("Ann"), await make_tag("Rain")
    lead, shown = await make_media(), await make_media()
    kept = await make_tag("Snow")
    picture = {"type": "image", "attrs": {"mediaId": ids.encode("Media", shown.id)}}
    quote = {"type": "blockquote", "content": [picture]}
    text = {"type": "paragraph", "content": [{"type": "text", "text": "Text."}]}
    story = await make_article(
        section_id=section,
        byline=[{"author_id": author}],
        tag_ids=[kept, tag],
        lead_media={"media_id": lead.id},
        seo={"title": "t", "image": {"media_id": lead.id}},
        body={"json": {"type": "doc", "content": [text, picture, quote]}},
        status=ArticleStatus.IN_REVIEW,  # sealed, so it keeps names
    )
    bare = {"section_id": None, "byline": [], "tag_ids": [], "lead_media": None, "seo": None}
    await save(story, **bare, body={"html": "<p>x</p>"})
    await taxonomy.delete_section(SYSTEM, section)
    await taxonomy.delete_author(SYSTEM, author)
    await taxonomy.delete_tag(SYSTEM, tag)
    await Media.filter(id__in=[lead.id, shown.id]).delete()
    head = await revisions.restore(SYSTEM, story.article_id, story.revision_id)
    assert (head.section_id, head.author_ids, head.author_roles, head.tag_ids) == (None, [], [], [kept])
    assert (head.lead_media_id, head.lead_use, head.seo, head.body_media_ids) == (None, None, {"title": "t"}, [])
    assert body.text(head.body) == "Text."
    message = (await Revision.get(id=head.revision_id)).message
    assert message == (
        "Restored revision 1 without what is gone: section “World”, tag “Rain”, author “Ann”, 2 pictures."
    )
    await publish(story.article_id)


async def test_a_tag_that_is_a_spelling_of_another_now_becomes_that_one() -> None:
    old, new = await make_tag("Rain"), await make_tag("Weather")
    story = await make_article(tag_ids=[old], status=ArticleStatus.IN_REVIEW)
    await save(story, tag_ids=[])
    await taxonomy.delete_tag(SYSTEM, old)
    await taxonomy.update_tag(SYSTEM, new, {"aliases": ["Rain"]})
    head = await revisions.restore(SYSTEM, story.article_id, story.revision_id)
    assert head.tag_ids == [new]
    assert (await Revision.get(id=head.revision_id)).message == "Restored revision 1."


async def test_a_slug_that_somebody_took_meanwhile_comes_back_with_a_number() -> None:
    story = await make_article(headline="One")
    await save(story, slug="two")
    await make_article(headline="One")
    assert (await revisions.restore(SYSTEM, story.article_id, story.revision_id)).slug == "one-2"


async def test_a_tag_that_was_merged_becomes_what_it_was_merged_into_however_often() -> None:
    """Also of a revision that is not sealed, and so keeps no names."""
    rain, snow, weather, gone = [await make_tag(name) for name in ("Rain", "Snow", "Weather", "Gone")]
    story = await make_article(tag_ids=[rain, weather, gone])
    assert (await Revision.get(id=story.revision_id)).names is None
    await save(story, tag_ids=[])
    await tagging.merge(SYSTEM, [rain], snow)
    await tagging.merge(SYSTEM, [snow], weather)
    await taxonomy.update_tag(SYSTEM, weather, {"name": "Climate", "aliases": []})
    nowhere = await make_tag("Nowhere")
    await tagging.merge(SYSTEM, [gone], nowhere)
    await taxonomy.delete_tag(SYSTEM, nowhere)
    head = await revisions.restore(SYSTEM, story.article_id, story.revision_id)
    assert head.tag_ids == [weather]
    assert (await Revision.get(id=head.revision_id)).message == ("Restored revision 1 without what is gone: a tag.")


async def test_restoring_what_stands_already_makes_nothing() -> None:
    story = await make_article()
    before = await dump()
    await revisions.restore(SYSTEM, story.article_id, story.revision_id)
    assert await dump() == before


@pytest.mark.parametrize("name", ["WITHDRAW", "TRASH"])
async def test_withdrawn_and_trashed_stories_refuse_a_restore(name: str) -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED)
    await save(story, dek="x")
    if name == "TRASH":
        await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
    await workflow.transition(SYSTEM, story.article_id, Transition[name], wish=workflow.Wish(notice="n"))
    before = await dump()
    with pytest.raises(TransitionRefused):
        await revisions.restore(SYSTEM, story.article_id, story.revision_id)
    assert await dump() == before


async def test_a_stale_version_another_storys_revision_and_a_strangers_story_are_refused() -> None:
    story, other = await make_article(), await make_article()
    await save(story, dek="x")
    stranger = await make_actor(Role.CONTRIBUTOR)
    before = await dump()
    with pytest.raises(Conflict) as stale:
        await revisions.restore(SYSTEM, story.article_id, story.revision_id, expected_version=1)
    assert stale.value.current_version == 2
    with pytest.raises(NotFound):
        await revisions.restore(SYSTEM, story.article_id, other.revision_id)
    with pytest.raises(NotFound):
        await revisions.restore(stranger, story.article_id, story.revision_id)
    assert await dump() == before


# ---------------------------------------------------------------- diff


async def test_a_diff_tells_fields_by_name_and_texts_by_word() -> None:
    section, author, tag = await make_section("World"), await make_author("Ann"), await make_tag("Rain")
    story = await make_article(headline="A quiet town", dek="Same", body={"html": "<p>It is quiet.</p>"})
    await save(
        story,
        headline="A loud <town>",
        section_id=section,
        byline=[{"author_id": author, "role": "photos"}],
        tag_ids=[tag],
        body={"html": "<p>It is loud.</p><p>Very.</p>"},
    )
    old, new = await Revision.filter(article_id=story.article_id).order_by("number")
    changes = {change.field: change for change in await revisions.diff(old, new)}
    assert list(changes) == ["headline", "section", "byline", "tags", "body"]
    headline = "A <del>quiet </del><ins>loud &lt;</ins>town<ins>&gt;</ins>"
    assert changes["headline"] == revisions.Change("headline", "A quiet town", "A loud <town>", headline)
    assert (changes["section"].before, changes["section"].after) == (None, "World")
    assert (changes["byline"].before, changes["byline"].after) == ([], [{"name": "Ann", "role": "photos"}])
    assert (changes["tags"].before, changes["tags"].after, changes["tags"].html) == ([], ["Rain"], None)
    assert changes["body"].html == "<p>It is <del>quiet</del><ins>loud</ins>.</p><p><ins>Very.</ins></p>"
    assert await revisions.diff(old, old) == []


async def test_names_of_what_is_gone_are_the_sealed_ones() -> None:
    tag = await make_tag("Rain")
    story = await make_article(tag_ids=[tag], status=ArticleStatus.IN_REVIEW)
    await save(story, tag_ids=[])
    await taxonomy.delete_tag(SYSTEM, tag)
    old, new = await Revision.filter(article_id=story.article_id).order_by("number")
    (change,) = await revisions.diff(old, new)
    assert (change.field, change.before, change.after) == ("tags", ["Rain"], [])


HISTORY = """query($id: ID!, $against: ID) { article(id: $id, perspective: DRAFT) { editorial { head {
  id diff(against: $against) { from { number } to { number } changes { field before after html } } }
  revisions { nodes { id number headline message diff { from { number } } } } } } }"""


async def test_the_api_shows_history_compares_and_restores(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    made = await api.write("createArticle", {"headline": "One"}, "... on Article { id }", actor=writer)
    for headline in ("Two", "Three"):
        await api.write("updateArticle", {"id": made["id"], "headline": headline, "message": "m"}, actor=writer)
    shown = (await api(HISTORY, id=made["id"], actor=writer))["article"]["editorial"]
    assert shown["head"]["diff"]["from"] == {"number": 2}
    assert [(r["number"], r["headline"], r["diff"]["from"]) for r in shown["revisions"]["nodes"]] == [
        (3, "Three", {"number": 2}),
        (2, "Two", {"number": 1}),
        (1, "One", None),
    ]
    first = shown["revisions"]["nodes"][-1]["id"]
    shown = (await api(HISTORY, id=made["id"], against=first, actor=writer))["article"]["editorial"]["head"]["diff"]
    assert (shown["from"], shown["to"]) == ({"number": 1}, {"number": 3})
    assert shown["changes"] == [
        {"field": "headline", "before": "One", "after": "Three", "html": "<del>One</del><ins>Three</ins>"}
    ]
    select = "... on Article { headline editorial { version head { message } } }"
    restored = await api.write("restoreRevision", {"articleId": made["id"], "revisionId": first}, select, actor=writer)
    assert restored["headline"] == "One"
    assert restored["editorial"] == {"version": 4, "head": {"message": "Restored revision 1."}}
    node = "query($id: ID!) { node(id: $id) { ... on Revision { headline number } } }"
    assert (await api(node, id=first, actor=writer))["node"] == {"headline": "One", "number": 1}
    assert (await api(node, id=first))["node"] is None
    assert (await api(node, id=first, actor=await make_actor(Role.CONTRIBUTOR)))["node"] is None


async def test_a_revision_of_another_story_cannot_be_compared_with(api: Api) -> None:
    editor = await make_actor()
    story, other = await make_article(), await make_article()
    id, against = ids.encode("Article", story.article_id), ids.encode("Revision", other.revision_id)
    assert await api.errors(HISTORY, id=id, against=against, actor=editor) == ["NOT_FOUND"]


# ---------------------------------------------------------------- autosaves and pruning


async def test_R22_an_hour_of_autosaves_is_one_revision_and_what_is_sealed_stays_as_it_was() -> None:
    editor = await make_actor()
    story = await make_article(editor)
    await publish(story.article_id)
    sealed = (await execute("select r::text from revision r"))[0][0]
    for i in range(720):
        await articles.update(editor, story.article_id, {"dek": f"{i}"}, autosave=True)
    assert await numbers(story.article_id) == [1, 2]
    assert (await execute("select r::text from revision r where number = 1"))[0][0] == sealed


async def test_pruning_keeps_of_old_autosaves_the_last_of_each_hour_and_hand_and_all_that_somebody_needs() -> None:
    ann, bob = await make_actor(), await make_actor()
    story = await make_article()
    id = story.article_id
    for i in range(6):  # two hands in turn: nothing folds; 2 to 7
        await articles.update((ann, bob)[i % 2], id, {"dek": f"{i}"}, autosave=True)
    await articles.update(ann, id, {"dek": "by hand"})  # 8
    await articles.update(bob, id, {"dek": "scheduled"}, autosave=True)  # 9
    await workflow.transition(SYSTEM, id, Transition.SCHEDULE, wish=workflow.Wish(publish_at=clock.now() + DAY))
    await articles.update(ann, id, {"dek": "a"}, autosave=True)  # 10
    await articles.update(bob, id, {"dek": "b"}, autosave=True)  # 11, the head
    assert await revisions.prune() == 0  # all of today
    old = "update revision set updated_at = date_trunc('hour', now()) - interval '30 hours' + number * interval '1 s'"
    await execute(old)
    await execute("update revision set updated_at = updated_at - interval '1 hour' where number in (2, 3)")
    before = {table: rows for table, rows in (await dump()).items() if table != "revision"}
    assert await revisions.prune() == 4
    # 2 and 3 are the last of their hour; of 4 to 7 both hands have later ones in the next.
    assert await numbers(id) == [1, 2, 3, 8, 9, 10, 11]
    assert {table: rows for table, rows in (await dump()).items() if table != "revision"} == before
    assert await revisions.prune() == 0


async def test_a_preview_viewer_is_not_told_of_history(api: Api) -> None:
    story = await make_article()
    document = "query($id: ID!) { article(id: $id, perspective: DRAFT) { headline editorial { version } } }"
    token = await make_token(TokenScope.PREVIEW)
    shown = (await api(document, id=ids.encode("Article", story.article_id), token=token))["article"]
    assert shown["editorial"] is None
