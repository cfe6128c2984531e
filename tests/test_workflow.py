"""The editorial workflow: the table of transitions, what readers see after each, dates, schedules, embargoes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms import articles, clock, schedules, workflow
from cms.checklist import checklist
from cms.database import transaction
from cms.errors import CMSError, Conflict, Embargoed, Forbidden, Invalid, NotFound, TransitionRefused, Unauthenticated
from cms.models import (
    Article,
    ArticleStatus,
    Correction,
    CorrectionKind,
    Event,
    Head,
    Live,
    Revision,
    Role,
)
from cms.permissions import PUBLIC, SYSTEM, Actor
from cms.settings import Settings
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import dump, execute, in_a_day, make_actor, make_article, make_author, make_media, publish

pytestmark = pytest.mark.usefixtures("db")

# Where an editor's transition leads from each status; "edited" is live with a newer draft. A dot: it is refused.
TABLE = """
                DRAFT      IN_REVIEW  APPROVED   SCHEDULED  PUBLISHED   UNPUBLISHED WITHDRAWN edited     trashed
SUBMIT          IN_REVIEW  .          .          .          .           .           .         IN_REVIEW  .
REQUEST_CHANGES .          DRAFT      DRAFT      DRAFT      .           .           .         .          .
APPROVE         .          APPROVED   .          .          .           .           .         .          .
SCHEDULE        SCHEDULED  SCHEDULED  SCHEDULED  SCHEDULED  .           SCHEDULED   .         SCHEDULED  .
UNSCHEDULE      .          .          .          APPROVED   .           .           .         .          .
PUBLISH         PUBLISHED  PUBLISHED  PUBLISHED  PUBLISHED  .           PUBLISHED   .         PUBLISHED  .
UNPUBLISH       .          .          .          .          UNPUBLISHED .           .         DRAFT      .
WITHDRAW        .          .          .          .          WITHDRAWN   WITHDRAWN   .         WITHDRAWN  .
REINSTATE       .          .          .          .          .           .           DRAFT     .          .
TRASH           DRAFT      IN_REVIEW  APPROVED   SCHEDULED  .           UNPUBLISHED WITHDRAWN .          .
UNTRASH         .          .          .          .          .           .           .         .          DRAFT
"""
LEAST = {
    Role.CONTRIBUTOR: {"SUBMIT", "TRASH", "UNTRASH"},
    Role.EDITOR: set(Transition) - {"WITHDRAW", "REINSTATE"},
    Role.CHIEF: set(Transition),
    Role.ADMIN: set(Transition),
}
_header, *_lines = TABLE.strip("\n").splitlines()
EXPECTED = {
    state: {line.split()[0]: line.split()[column] for line in _lines}
    for column, state in enumerate(_header.split(), start=1)
}


def expected(role: Role, name: Transition, state: str) -> str:
    """As the table says, less what the role may not; a contributor trashes own drafts only."""
    if name not in LEAST[role] or (role is Role.CONTRIBUTOR and name == "TRASH" and state != "DRAFT"):
        return "."
    return EXPECTED[state][name]


async def make_in(state: str, owner: Actor) -> Head:
    status = {"edited": ArticleStatus.PUBLISHED, "trashed": ArticleStatus.DRAFT}.get(state) or ArticleStatus(state)
    story = await make_article(status=status, owner_id=owner.user_id)
    if state == "edited":
        await articles.update(SYSTEM, story.article_id, {"dek": "newer"})
    if state == "trashed":
        await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    return story


class Undone(Exception):
    pass


async def attempt(actor: Actor, story: Head, name: Transition) -> str:
    """The status that it leads to, or a dot; undone in either case."""
    found = "."
    try:
        async with transaction():
            wish = Wish(notice="Wrong.", publish_at=clock.now() + timedelta(hours=1))
            await workflow.transition(actor, story.article_id, name, wish=wish)
            found = (await Article.get(id=story.article_id)).status.value
            raise Undone
    except (Undone, Forbidden, TransitionRefused):
        return found


@pytest.mark.parametrize("state", EXPECTED)
async def test_every_transition_from_every_status_by_every_role(state: str) -> None:
    actors = {role: await make_actor(role) for role in Role}
    story = await make_in(state, actors[Role.CONTRIBUTOR])
    before = await dump()
    for role, actor in actors.items():
        done = {name.value: await attempt(actor, story, name) for name in Transition}
        assert done == {name.value: expected(role, name, state) for name in Transition}, role
        allowed = await workflow.allowed(actor, await Article.get(id=story.article_id))
        # An unpublish time alone can be given to any live story.
        assert set(allowed) - {"SCHEDULE"} == {name for name, to in done.items() if to != "."} - {"SCHEDULE"}
    assert await dump() == before


@pytest.mark.parametrize(("role", "error"), [(None, Unauthenticated), (Role.CONTRIBUTOR, NotFound)])
async def test_a_story_of_somebody_else_is_not_there(role: Role | None, error: type[CMSError]) -> None:
    actor = await make_actor(role) if role else PUBLIC
    story = await make_article()
    before = await dump()
    with pytest.raises(error):
        await workflow.transition(actor, story.article_id, Transition.SUBMIT)
    assert await dump() == before


async def test_the_contributor_may_trash_and_take_back_an_own_draft_only() -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    story = await make_article(writer)
    await workflow.transition(writer, story.article_id, Transition.TRASH)
    await workflow.transition(writer, story.article_id, Transition.UNTRASH)
    await workflow.transition(writer, story.article_id, Transition.SUBMIT)
    with pytest.raises(Forbidden):
        await workflow.transition(writer, story.article_id, Transition.TRASH)


@pytest.mark.parametrize("name", Transition)
async def test_each_transition_counts_as_a_version_and_is_recorded_once(name: Transition) -> None:
    state = next(state for state, row in EXPECTED.items() if row[name] != ".")
    chief = await make_actor(Role.CHIEF)
    story = await make_in(state, chief)
    version = (await Article.get(id=story.article_id)).version
    number = await Event.all().count()
    with pytest.raises(Conflict) as stale:
        await workflow.transition(chief, story.article_id, name, expected_version=version - 1)
    assert stale.value.current_version == version
    wish = Wish(note="Because.", notice="Wrong.", publish_at=clock.now() + timedelta(hours=1))
    await workflow.transition(chief, story.article_id, name, expected_version=version, wish=wish)
    assert (await Article.get(id=story.article_id)).version == version + 1
    (event,) = await Event.filter(number__gt=number)
    assert (event.actor_id, event.article_id) == (chief.user_id, story.article_id)
    assert event.detail["note"] == "Because."
    assert event.public is (name in ("PUBLISH", "UNPUBLISH", "WITHDRAW"))


READ = """query($id: ID!) { article(id: $id) {
  headline dek slug path body { html text } byline { author { name } } tags { name slug } section { name }
  relatedPosts { article { headline } } seo { title } publishedAt firstPublishedAt updatedAt corrections { text } isLive
} }"""


async def test_a_published_story_stays_as_it_is_through_everything_but_publication(api: Api) -> None:
    other = await make_article(status=ArticleStatus.PUBLISHED, headline="Other")
    author = await make_author("Ann")
    story = await make_article(
        status=ArticleStatus.PUBLISHED,
        headline="Version one",
        body={"html": "<p>One.</p>"},
        tag_names=["Alpha"],
        byline=[{"author_id": author}],
        related_post_ids=[other.article_id],
    )
    id = (await api("{ articles { nodes { id headline } } }"))["articles"]["nodes"]
    id = next(each["id"] for each in id if each["headline"] == "Version one")
    shown = await api(READ, id=id)
    assert shown["article"]["relatedPosts"] == [{"article": {"headline": "Other"}}]

    async def unchanged() -> None:
        assert await api(READ, id=id) == shown

    key = story.article_id
    changes = {
        "headline": "Version two",
        "slug": "two",
        "body": {"html": "<p>Two.</p>"},
        "tag_names": ["Beta"],
        "byline": [],
        "related_post_ids": [],
        "dek": "Two",
    }
    await articles.update(SYSTEM, key, changes)
    await unchanged()
    await articles.update(SYSTEM, key, {"dek": "Three"}, autosave=True)
    await articles.update(SYSTEM, key, {"dek": "Four"}, autosave=True)
    await unchanged()
    await articles.update_editorial(SYSTEM, key, {"note": "secret", "embargoed_until": clock.now()})
    for name, wish in (
        (Transition.SUBMIT, Wish(note="n")),
        (Transition.APPROVE, Wish()),
        (Transition.SCHEDULE, in_a_day()),
        (Transition.UNSCHEDULE, Wish()),
        (Transition.REQUEST_CHANGES, Wish()),
        (Transition.SCHEDULE, in_a_day()),
    ):
        await workflow.transition(SYSTEM, key, name, wish=wish)
        await unchanged()
    await publish(key)
    now = (await api(READ, id=id))["article"]
    assert (now["headline"], now["slug"], now["tags"], now["byline"]) == (
        "Version two",
        "two",
        [{"name": "Beta", "slug": "beta"}],
        [],
    )


async def test_R1_publishing_again_keeps_relations_and_the_date() -> None:
    first, story = await make_article(headline="a"), await make_article(headline="b", tag_names=["T"])
    await articles.update(SYSTEM, story.article_id, {"related_post_ids": [first.article_id]})
    await publish(story.article_id)
    published = await Live.get(article_id=story.article_id)
    await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
    assert not await Live.exists(article_id=story.article_id)
    assert await execute("select * from live_term") == []
    await publish(story.article_id)
    again = await Live.get(article_id=story.article_id)
    assert (again.published_at, again.first_published_at) == (published.published_at, published.first_published_at)
    assert again.updated_at > published.updated_at
    assert (again.tag_ids, again.related_ids) == (published.tag_ids, [first.article_id])


async def test_the_date_printed_is_now_or_the_sources_or_the_one_given_and_stays() -> None:
    source, given = datetime(2024, 6, 18, 12, tzinfo=UTC), datetime(1999, 1, 2, tzinfo=UTC)
    plain = await make_article()
    start = clock.now()
    await publish(plain.article_id)
    assert start <= (await Live.get(article_id=plain.article_id)).published_at <= clock.now()
    imported = await articles.create(SYSTEM, {"headline": "x"}, source_date=source)
    await publish(imported.article_id)
    assert (await Live.get(article_id=imported.article_id)).published_at == source
    await articles.update(SYSTEM, imported.article_id, {"dek": "y"})
    await publish(imported.article_id)
    assert (await Live.get(article_id=imported.article_id)).published_at == source
    await articles.update(SYSTEM, imported.article_id, {"dek": "z"})
    await publish(imported.article_id, published_at=given)
    assert (await Live.get(article_id=imported.article_id)).published_at == given
    draft = await make_article()
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await publish(draft.article_id, published_at=clock.now() + timedelta(minutes=1))
    assert refused.value.issues[0].field == ("publishedAt",)
    assert await dump() == before


async def test_withdrawing_needs_a_notice_and_refuses_saves_until_reinstated() -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED, tag_names=["T"])
    before = await dump()
    for notice in (None, " "):
        with pytest.raises(Invalid) as refused:
            await workflow.transition(SYSTEM, story.article_id, Transition.WITHDRAW, wish=Wish(notice=notice))
        assert refused.value.issues[0].field == ("notice",)
    assert await dump() == before
    await workflow.transition(SYSTEM, story.article_id, Transition.WITHDRAW, wish=Wish(notice="Invented."))
    before = await dump()
    with pytest.raises(TransitionRefused):
        await articles.update(SYSTEM, story.article_id, {"dek": "x"})
    assert await dump() == before
    await workflow.transition(SYSTEM, story.article_id, Transition.REINSTATE)
    assert (await Head.get(article_id=story.article_id)).tag_ids == story.tag_ids
    await publish(story.article_id)
    assert (await Live.get(article_id=story.article_id)).tag_ids == story.tag_ids


async def test_trash_refuses_saves_and_frees_a_slug_that_was_never_live() -> None:
    story = await make_article(headline="One")
    await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    with pytest.raises(TransitionRefused):
        await articles.update(SYSTEM, story.article_id, {"dek": "x"})
    assert (await make_article(headline="One")).slug == "one"
    back = await workflow.transition(SYSTEM, story.article_id, Transition.UNTRASH)
    assert back.slug == "one-2"
    assert (await Article.get(id=story.article_id)).status is ArticleStatus.DRAFT


async def test_trash_keeps_a_slug_that_was_live() -> None:
    story = await make_article(status=ArticleStatus.UNPUBLISHED, headline="One")
    await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    assert (await make_article(headline="One")).slug == "one-2"
    assert (await workflow.transition(SYSTEM, story.article_id, Transition.UNTRASH)).slug == "one"


async def test_a_withdrawn_story_does_not_come_back_by_way_of_the_trash() -> None:
    story = await make_article(status=ArticleStatus.PUBLISHED, headline="One")
    await articles.update(SYSTEM, story.article_id, {"slug": "two"})
    await workflow.transition(SYSTEM, story.article_id, Transition.WITHDRAW, wish=Wish(notice="n"))
    await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    await make_article(headline="Two")
    back = await workflow.transition(await make_actor(Role.EDITOR), story.article_id, Transition.UNTRASH)
    assert back.slug == "two-2"
    assert (await Article.get(id=story.article_id)).status is ArticleStatus.WITHDRAWN


# ---------------------------------------------------------------- schedules


async def due(column: str) -> int:
    """The moment has come; publish_at must stay before unpublish_at."""
    shift = "interval '2 days'" if column == "publish_at" else "interval '3 days'"
    await execute(f"update article set {column} = {column} - {shift} where {column} is not null")
    return await schedules.publish_due()


async def test_a_schedule_fires_once_with_its_pinned_revision_and_one_event() -> None:
    story = await make_article(headline="Pinned", status=ArticleStatus.SCHEDULED, tag_names=["Old"])
    pinned = story.revision_id
    await articles.update(SYSTEM, story.article_id, {"headline": "Newer", "slug": "newer", "tag_names": ["New"]})
    assert (await Article.get(id=story.article_id)).scheduled_revision_id == pinned
    assert await schedules.publish_due() == 0
    assert await due("publish_at") == 1
    assert await schedules.publish_due() == 0
    live, article = await Live.get(article_id=story.article_id), await Article.get(id=story.article_id)
    assert (live.headline, live.slug, live.revision_id) == ("Pinned", "pinned", pinned)
    assert live.tag_ids == story.tag_ids
    assert (article.status, article.publish_at) == (ArticleStatus.DRAFT, None)
    assert await Event.filter(type="article.published").count() == 1
    assert (await Head.get(article_id=story.article_id)).headline == "Newer"


async def test_a_schedule_whose_head_is_pinned_publishes_it() -> None:
    story = await make_article(status=ArticleStatus.SCHEDULED)
    assert sorted(await asyncio.gather(*(due_at_once() for _ in range(4)))) == [0, 0, 0, 1]
    article = await Article.get(id=story.article_id)
    assert (article.status, article.scheduled_revision_id) == (ArticleStatus.PUBLISHED, None)
    assert (await Revision.get(id=story.revision_id)).sealed_at is not None


async def due_at_once() -> int:
    await execute("update article set publish_at = now() - interval '1 s' where publish_at > now()")
    return await schedules.publish_due()


async def test_both_dates_fire_and_are_used_up() -> None:
    story = await make_article()
    now = clock.now()
    wish = Wish(publish_at=now + timedelta(days=1), unpublish_at=now + timedelta(days=2))
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=wish)
    assert await due("publish_at") == 1
    assert await due("unpublish_at") == 1
    article = await Article.get(id=story.article_id)
    assert (article.status, article.unpublish_at, article.publish_at) == (ArticleStatus.UNPUBLISHED, None, None)
    await articles.update(SYSTEM, story.article_id, {"dek": "again"})
    await publish(story.article_id)
    assert await schedules.publish_due() == 0
    assert await Live.exists(article_id=story.article_id)


async def test_any_live_story_takes_an_unpublish_time_alone_which_leaves_the_status() -> None:
    later = clock.now() + timedelta(days=1)
    published, edited = await make_in("PUBLISHED", SYSTEM), await make_in("edited", SYSTEM)
    for story, status in ((published, "PUBLISHED"), (edited, "DRAFT")):
        wish = Wish(unpublish_at=later)
        await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=wish)
        article = await Article.get(id=story.article_id)
        assert (article.status, article.unpublish_at, article.publish_at) == (status, later, None)
    assert await due("unpublish_at") == 2
    assert await Live.all().count() == 0
    assert (await Article.get(id=published.article_id)).status is ArticleStatus.UNPUBLISHED
    assert (await Article.get(id=edited.article_id)).status is ArticleStatus.DRAFT


@pytest.mark.parametrize(
    ("publish_in", "unpublish_in", "field"),
    [
        (None, None, "publishAt"),
        (None, 2, "publishAt"),
        (-1, None, "publishAt"),
        (2, 1, "unpublishAt"),
        (2, 2, "unpublishAt"),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused(
    publish_in: int | None, unpublish_in: int | None, field: str
) -> None:
    story = await make_article()
    now = clock.now()
    moments = [None if days is None else now + timedelta(days=days) for days in (publish_in, unpublish_in)]
    before = await dump()
    with pytest.raises(Invalid) as refused:
        wish = Wish(publish_at=moments[0], unpublish_at=moments[1])
        await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=wish)
    assert refused.value.issues[0].field == (field,)
    assert await dump() == before


@pytest.mark.parametrize("name", ["PUBLISH", "UNPUBLISH", "WITHDRAW", "REQUEST_CHANGES", "UNSCHEDULE"])
async def test_what_drops_a_pending_publish(name: str) -> None:
    story = await make_in("edited", SYSTEM)
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=in_a_day())
    await workflow.transition(SYSTEM, story.article_id, Transition[name], wish=Wish(notice="n"))
    article = await Article.get(id=story.article_id)
    assert (article.publish_at, article.scheduled_revision_id) == (None, None)
    assert article.status is not ArticleStatus.SCHEDULED


@pytest.mark.parametrize("name", ["TRASH", "UNSCHEDULE", "REQUEST_CHANGES"])
async def test_a_story_that_is_not_live_keeps_no_end_without_a_beginning(name: str) -> None:
    story = await make_article()
    now = clock.now()
    wish = Wish(publish_at=now + timedelta(days=1), unpublish_at=now + timedelta(days=2))
    await workflow.transition(SYSTEM, story.article_id, Transition.SCHEDULE, wish=wish)
    await workflow.transition(SYSTEM, story.article_id, Transition[name])
    article = await Article.get(id=story.article_id)
    assert (article.publish_at, article.unpublish_at) == (None, None)


async def test_unscheduling_leaves_the_status_of_a_newer_draft() -> None:
    story = await make_article(status=ArticleStatus.SCHEDULED)
    await articles.update(SYSTEM, story.article_id, {"dek": "x"})
    await workflow.transition(SYSTEM, story.article_id, Transition.UNSCHEDULE)
    assert (await Article.get(id=story.article_id)).status is ArticleStatus.DRAFT


async def test_one_story_that_cannot_be_published_does_not_stop_the_rest() -> None:
    bad, good = [await make_article(status=ArticleStatus.SCHEDULED) for _ in range(2)]
    await execute("update article set embargoed_until = now() + interval '1 day' where id = $1", bad.article_id)
    await execute("update article set publish_at = now() - interval '2 s' where id = $1", bad.article_id)
    await execute("update article set publish_at = now() - interval '1 s' where id = $1", good.article_id)
    assert await schedules.publish_due() == 1
    assert await Live.all().values_list("article_id", flat=True) == [good.article_id]
    assert (await Article.get(id=bad.article_id)).scheduled_revision_id == bad.revision_id


# ---------------------------------------------------------------- embargo, corrections, eyes, checklist


async def test_an_embargo_gates_publication_and_hides_nothing() -> None:
    chief, editor = await make_actor(Role.CHIEF), await make_actor(Role.EDITOR)
    until = clock.now() + timedelta(days=2)
    story, live = await make_article(), await make_article(status=ArticleStatus.PUBLISHED)
    for each in (story, live):
        await articles.update_editorial(editor, each.article_id, {"embargoed_until": until})
    assert await Live.exists(article_id=live.article_id)
    before = await dump()
    with pytest.raises(Embargoed):
        await publish(story.article_id)
    with pytest.raises(Embargoed):
        await workflow.transition(editor, story.article_id, Transition.SCHEDULE, wish=in_a_day())
    for shorter in (None, until - timedelta(hours=1)):
        with pytest.raises(Forbidden):
            await articles.update_editorial(editor, story.article_id, {"embargoed_until": shorter}, reason="r")
        with pytest.raises(Invalid) as refused:
            await articles.update_editorial(chief, story.article_id, {"embargoed_until": shorter}, reason=" ")
        assert refused.value.issues[0].field == ("reason",)
    assert await dump() == before
    wish = Wish(publish_at=until)
    await workflow.transition(editor, story.article_id, Transition.SCHEDULE, wish=wish)
    with pytest.raises(Invalid) as refused:
        later = {"embargoed_until": until + timedelta(seconds=1)}
        await articles.update_editorial(editor, story.article_id, later)
    assert refused.value.issues[0].field == ("embargoedUntil",)
    version = (await Article.get(id=story.article_id)).version
    await articles.update_editorial(chief, story.article_id, {"embargoed_until": None}, reason="Agreed.")
    assert (await Article.get(id=story.article_id)).version == version + 1
    await publish(story.article_id)


async def test_a_notice_stands_on_a_live_story_only_newest_first(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    draft, story = await make_article(), await make_article(status=ArticleStatus.PUBLISHED)
    before = await dump()
    with pytest.raises(TransitionRefused):
        await workflow.add_correction(editor, draft.article_id, kind=CorrectionKind.UPDATE, text="x")
    with pytest.raises(Invalid):
        await workflow.add_correction(editor, story.article_id, kind=CorrectionKind.UPDATE, text=" ")
    with pytest.raises(Forbidden):
        writer = await make_actor(Role.CONTRIBUTOR)
        before = await dump()
        await workflow.add_correction(writer, story.article_id, kind=CorrectionKind.UPDATE, text="x")
    assert await dump() == before
    await workflow.add_correction(editor, story.article_id, kind=CorrectionKind.RETRACTION, text="First")
    await articles.update(SYSTEM, story.article_id, {"dek": "x"})
    await publish(story.article_id, correction={"kind": CorrectionKind.CORRECTION, "text": "Second"})
    found = await api("{ articles { nodes { corrections { kind text } } } }")
    assert found["articles"]["nodes"][0]["corrections"] == [
        {"kind": "CORRECTION", "text": "Second"},
        {"kind": "RETRACTION", "text": "First"},
    ]
    assert await Correction.all().count() == 2


async def test_by_setting_somebody_else_has_to_approve_schedule_and_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = await make_actor(Role.CHIEF, "Ann"), await make_actor(Role.EDITOR, "Bob")
    story = await make_article(ann)
    await workflow.transition(ann, story.article_id, Transition.SUBMIT)
    monkeypatch.setattr(workflow, "settings", lambda: Settings(four_eyes=True))
    before = await dump()
    for name in (Transition.APPROVE, Transition.SCHEDULE, Transition.PUBLISH):
        with pytest.raises(Forbidden):
            await workflow.transition(ann, story.article_id, name, wish=in_a_day())
    assert await dump() == before
    await workflow.transition(bob, story.article_id, Transition.APPROVE)
    await articles.update(bob, story.article_id, {"dek": "my words"})
    with pytest.raises(Forbidden):
        await workflow.transition(bob, story.article_id, Transition.PUBLISH)


async def test_ended_rights_block_publication_and_the_rest_warns() -> None:
    expired = await make_media(expires_at=clock.now() - timedelta(days=1), alt_text=None)
    story = await make_article(lead_media={"media_id": expired.id})
    article, head = await Article.get(id=story.article_id), await Head.get(article_id=story.article_id)
    found = {(item.code, item.level) for item in await checklist(article, head)}
    assert found == {
        ("section", "WARN"),
        ("byline", "WARN"),
        ("body", "WARN"),
        ("alt_text", "WARN"),
        ("rights", "BLOCK"),
    }
    before = await dump()
    for name in (Transition.PUBLISH, Transition.SCHEDULE):
        with pytest.raises(Invalid) as refused:
            await workflow.transition(SYSTEM, story.article_id, name, wish=in_a_day())
        assert [(issue.code, issue.field) for issue in refused.value.issues] == [("rights", ("leadMedia",))]
    assert await dump() == before


async def test_a_sealed_revision_keeps_the_names_of_what_it_refers_to() -> None:
    author = await make_author("Ann")
    story = await make_article(tag_names=["Rain"], byline=[{"author_id": author, "role": "photos"}])
    assert (await Revision.get(id=story.revision_id)).names is None
    await publish(story.article_id)
    names = (await Revision.get(id=story.revision_id)).names
    assert names == {"section": None, "tags": {str(story.tag_ids[0]): "Rain"}, "authors": {str(author): "Ann"}}


async def test_R20_fifty_publications_at_once_have_no_internal_error() -> None:
    stories = await asyncio.gather(*(make_article(headline="Same", tag_names=["a", "b"]) for _ in range(50)))
    assert len({each.slug for each in stories}) == 50
    await asyncio.gather(*(publish(each.article_id) for each in stories))
    assert await Live.all().count() == 50
    numbers = await Event.filter(type="article.published").order_by("number").values_list("at", flat=True)
    assert len(numbers) == 50


async def test_two_publications_of_one_story_at_once_are_one() -> None:
    story = await make_article()
    done: list[Any] = await asyncio.gather(*(publish(story.article_id) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Head) for each in done) == 1
    assert sum(isinstance(each, TransitionRefused) for each in done) == 4
    assert await Event.filter(type="article.published").count() == 1


async def test_the_transitions_of_the_api_answer_in_draft(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    made = await api.write("createArticle", {"headline": "One"}, "... on Article { id }", actor=editor)
    select = "... on Article { isLive perspective editorial { status version allowedTransitions } }"
    wanted = {"id": made["id"]}
    done = await api.write("submitArticle", wanted | {"expectedVersion": 1}, select, actor=editor)
    assert done["editorial"]["status"] == "IN_REVIEW"
    assert (done["isLive"], done["perspective"]) == (False, "DRAFT")
    stale = await api.write("approveArticle", wanted | {"expectedVersion": 1}, select, actor=editor)
    assert (stale["code"], stale["currentVersion"]) == ("CONFLICT", 2)
    done = await api.write("publishArticle", wanted, select, actor=editor)
    assert (done["isLive"], done["editorial"]["status"]) == (True, "PUBLISHED")
    refused = await api.write("withdrawArticle", wanted | {"notice": "n"}, select, actor=editor)
    assert (refused["__typename"], refused["code"]) == ("Problem", "FORBIDDEN")
    refused = await api.write("publishArticle", wanted, select)
    assert refused["code"] == "UNAUTHENTICATED"


async def test_two_mutations_of_one_operation_each_answer_what_stands_after_them(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    made = await api.write("createArticle", {"headline": "One"}, "... on Article { id }", actor=editor)
    shown = "{ ... on Article { isLive editorial { status version } } }"
    document = f"""mutation($id: ID!) {{
      a: submitArticle(input: {{id: $id}}) {shown} b: publishArticle(input: {{id: $id}}) {shown}
    }}"""
    done = await api(document, id=made["id"], actor=editor)
    assert done["a"] == {"isLive": False, "editorial": {"status": "IN_REVIEW", "version": 2}}
    assert done["b"] == {"isLive": True, "editorial": {"status": "PUBLISHED", "version": 3}}


async def test_a_contributors_publish_is_refused_and_changes_nothing(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    made = await api.write("createArticle", {"headline": "One"}, "... on Article { id }", actor=writer)
    before = await dump()
    assert (await api.write("publishArticle", {"id": made["id"]}, actor=writer))["code"] == "FORBIDDEN"
    assert await dump() == before


async def test_the_log_refuses_changes() -> None:
    await make_article(status=ArticleStatus.PUBLISHED)
    with pytest.raises(Exception, match="append-only"):
        await execute("delete from event")
