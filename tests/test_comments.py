"""Comments: threads, where they stand, mentions, resolving; and the queue and the calendar that colleagues work by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms import articles, clock, comments, ids, queue, workflow
from cms.errors import Invalid, NotFound
from cms.models import Article, ArticleStatus, Comment, Event, Role, TokenScope, User
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article, make_token, make_user

pytestmark = pytest.mark.usefixtures("db")

DAY = timedelta(days=1)


async def test_a_comment_changes_no_version_and_conflicts_with_nobody() -> None:
    ann, story = await make_actor(), await make_article()
    row = (await execute("select a::text from article a"))[0][0]
    comment = await comments.add(ann, story.article_id, text="  Too long.  ", anchor={"field": "headline"})
    assert (comment.text, comment.anchor, comment.author_id) == ("Too long.", {"field": "headline"}, ann.user_id)
    assert (await execute("select a::text from article a"))[0][0] == row
    await articles.update(SYSTEM, story.article_id, {"dek": "x"}, expected_version=1)
    event = await Event.get(type="article.commented")
    assert (event.actor_id, event.article_id, event.public) == (ann.user_id, story.article_id, False)
    assert event.detail == {"comment": ids.encode("Comment", comment.id), "mentions": [], "version": 1}


async def test_a_thread_is_resolved_as_one_and_a_reply_opens_it_again() -> None:
    ann, bob, story = await make_actor(), await make_actor(), await make_article()
    first = await comments.add(ann, story.article_id, text="Why?")
    reply = await comments.add(bob, story.article_id, text="Because.", reply_to_id=first.id)
    second = await comments.add(ann, story.article_id, text="I see.", reply_to_id=reply.id)
    assert (reply.reply_to_id, second.reply_to_id) == (first.id, first.id)
    resolved = await comments.resolve(bob, second.id)
    assert (resolved.id, resolved.resolved_by_id) == (first.id, bob.user_id)
    before = await dump()
    await comments.resolve(ann, first.id)
    assert await dump() == before
    await comments.add(ann, story.article_id, text="But …", reply_to_id=first.id)
    assert (await Comment.get(id=first.id)).resolved_at is None


PLACE = {"field": "body", "block": "a1-B_", "from": 3, "to": 9, "quote": "the text"}


@pytest.mark.parametrize("anchor", [None, {"field": "body"}, PLACE, {"field": "dek", "from": 0, "to": 0}])
async def test_an_anchor_is_kept_as_it_is(anchor: Any) -> None:
    story = await make_article()
    comment = await comments.add(SYSTEM, story.article_id, text="x", anchor=anchor)
    assert (await Comment.get(id=comment.id)).anchor == anchor


@pytest.mark.parametrize(
    "anchor",
    [
        {},
        [],
        "body",
        {"field": "note"},
        {"field": "body", "more": 1},
        PLACE | {"from": -1},
        PLACE | {"from": 10},
        PLACE | {"to": 1.5},
        PLACE | {"from": True},
        {"field": "body", "from": 1},
        PLACE | {"block": "x" * 65},
        PLACE | {"block": "a b"},
        PLACE | {"quote": "x" * 501},
        PLACE | {"quote": "\0"},
    ],
)
async def test_an_anchor_that_is_none_is_refused(anchor: Any) -> None:
    story = await make_article()
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await comments.add(SYSTEM, story.article_id, text="x", anchor=anchor)
    assert refused.value.issues[0].field == ("anchor",)
    assert await dump() == before


async def test_what_is_no_comment_is_refused() -> None:
    story, other = await make_article(), await make_article()
    elsewhere = await comments.add(SYSTEM, other.article_id, text="x")
    stranger = await make_actor(Role.CONTRIBUTOR)
    before = await dump()
    for text in ("", " \n ", "x" * 5_001):
        with pytest.raises(Invalid):
            await comments.add(SYSTEM, story.article_id, text=text)
    with pytest.raises(Invalid):
        await comments.add(SYSTEM, story.article_id, text="x", reply_to_id=elsewhere.id)
    for attempt in (comments.add(stranger, story.article_id, text="x"), comments.resolve(stranger, elsewhere.id)):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(NotFound):
        await comments.resolve(SYSTEM, ids.new())
    assert await dump() == before


async def test_a_mention_is_a_whole_name_or_an_address_behind_an_at_sign() -> None:
    ann, anna = await make_user(name="Ann"), await make_user(name="Ann Arbor")
    jose = await make_user(name="José")
    await User.filter(id=ann.id).update(email="ann@courier.example")
    gone = await make_user(name="Gone")
    await User.filter(id=gone.id).update(is_active=False)
    for text, wanted in {
        "@Ann, look": [ann.id],
        "@ann arbor and @JOSÉ and @Ann.": [anna.id, jose.id, ann.id],
        "write to @ann@courier.example": [ann.id],
        "mail@Ann, @Annabel, Ann, @ Ann, @Gone": [],
        "@Ann @ann": [ann.id],
    }.items():
        assert await comments.mentioned(text) == wanted, text


THREADS = """query($id: ID!, $all: Boolean!) { article(id: $id, perspective: DRAFT) { editorial {
  version comments(includeResolved: $all) {
    id text anchor author { name } mentions { name } resolvedAt resolvedBy { name } replies { text replies { text } }
  } } } }"""


async def test_the_api_shows_threads_without_the_settled_ones_unless_asked(api: Api) -> None:
    ann, bob = await make_actor(name="Ann"), await make_actor(name="Bob")
    id = ids.encode("Article", (await make_article()).article_id)
    place = {"field": "dek", "from": 1, "to": 2}
    made = await api.write(
        "addComment", {"articleId": id, "text": "@Bob?", "anchor": place}, "... on Comment { id }", actor=ann
    )
    await api.write("addComment", {"articleId": id, "text": "Yes.", "replyToId": made["id"]}, actor=bob)
    (shown,) = (await api(THREADS, id=id, all=False, actor=ann))["article"]["editorial"]["comments"]
    assert shown == {
        "id": made["id"],
        "text": "@Bob?",
        "anchor": place,
        "author": {"name": "Ann"},
        "mentions": [{"name": "Bob"}],
        "resolvedAt": None,
        "resolvedBy": None,
        "replies": [{"text": "Yes.", "replies": []}],
    }
    settled = await api.write("resolveComment", {"id": made["id"]}, "... on Comment { resolvedBy { name } }", actor=bob)
    assert settled["resolvedBy"] == {"name": "Bob"}
    assert (await api(THREADS, id=id, all=False, actor=ann))["article"]["editorial"] == {"version": 1, "comments": []}
    assert len((await api(THREADS, id=id, all=True, actor=ann))["article"]["editorial"]["comments"]) == 1


# ---------------------------------------------------------------- the queue

QUEUE = """{ myQueue { assigned { nodes { headline perspective } totalCount } toReview { nodes { headline } }
  mentions { nodes { headline } } outdatedTranslations { nodes { headline } } } }"""


def headlines(answer: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [node["headline"] for node in rows["nodes"]] for name, rows in answer["myQueue"].items()}


async def test_the_queue_holds_what_waits_for_the_viewer_and_nothing_else(api: Api) -> None:
    me, other = await make_actor(name="Me"), await make_actor()
    later, sooner, theirs, done, mine_to_review, others_review, free, mentioned, settled = [
        await make_article(headline=name)
        for name in ("later", "sooner", "theirs", "done", "my review", "others' review", "free", "mentioned", "settled")
    ]
    for story, user in ((later, me), (sooner, me), (theirs, other), (done, me), (mine_to_review, me)):
        await articles.update_editorial(SYSTEM, story.article_id, {"assignee_id": user.user_id})
    await articles.update_editorial(SYSTEM, others_review.article_id, {"assignee_id": other.user_id})
    for story, days in ((later, 2), (sooner, 1)):
        await articles.update_editorial(me, story.article_id, {"due_at": clock.now() + days * DAY})
    await workflow.transition(SYSTEM, done.article_id, Transition.PUBLISH)
    for story in (mine_to_review, others_review, free):
        await workflow.transition(SYSTEM, story.article_id, Transition.SUBMIT)
    await comments.add(other, mentioned.article_id, text="@Me, look")
    await comments.resolve(me, (await comments.add(other, settled.article_id, text="@Me")).id)
    answer = await api(QUEUE, actor=me)
    assert headlines(answer) == {
        "assigned": ["sooner", "later", "my review"],
        "toReview": ["my review", "free"],
        "mentions": ["mentioned"],
        "outdatedTranslations": [],
    }
    assert answer["myQueue"]["assigned"]["totalCount"] == 3
    assert answer["myQueue"]["assigned"]["nodes"][0]["perspective"] == "DRAFT"


async def test_a_contributor_reviews_nothing_and_is_not_shown_others_stories_by_a_mention(api: Api) -> None:
    writer = await make_actor(Role.CONTRIBUTOR, name="Writer")
    own = await make_article(writer, headline="own")
    hidden = await make_article(status=ArticleStatus.IN_REVIEW)
    for story in (own, hidden):
        await comments.add(SYSTEM, story.article_id, text="@Writer")
    assert headlines(await api(QUEUE, actor=writer)) == {
        "assigned": [],
        "toReview": [],
        "mentions": ["own"],
        "outdatedTranslations": [],
    }


async def test_the_queue_answers_in_draft_and_in_nothing_else(api: Api) -> None:
    editor = await make_actor()
    two = "{ myQueue { assigned { totalCount } } articles(perspective: PUBLISHED) { totalCount } }"
    assert await api.errors(two, actor=editor) == ["INVALID"]
    assert await api.errors("{ myQueue { assigned { totalCount } } }") == ["UNAUTHENTICATED"]
    assert await api.errors("{ myQueue { assigned { totalCount } } }", token=await make_token(TokenScope.READ)) == [
        "FORBIDDEN"
    ]


async def test_own_words_are_not_in_ones_own_review_queue_where_four_eyes_are_the_rule(configured: Any) -> None:
    configured(CMS_FOUR_EYES="true")
    me = await make_actor()
    await make_article(me, status=ArticleStatus.IN_REVIEW)
    written = await make_article()
    await articles.update(me, written.article_id, {"dek": "mine"})
    await workflow.transition(SYSTEM, written.article_id, Transition.SUBMIT)
    free = await make_article(status=ArticleStatus.IN_REVIEW)
    where = queue.to_review(me)
    rows = await execute(f"select {where.select} from {where.source} where {where.where.sql()}", *where.where.params)
    assert [row[0] for row in rows] == [free.article_id]


# ---------------------------------------------------------------- the calendar

CALENDAR = """query($from: DateTime!, $to: DateTime!) { calendar(from: $from, to: $to) {
  at kind article { headline } } }"""


async def test_the_calendar_is_what_is_scheduled_embargoed_and_due_between_two_times(api: Api) -> None:
    editor = await make_actor()
    scheduled, held, due, trashed = [await make_article(headline=name) for name in ("one", "two", "three", "four")]
    at = datetime(2100, 1, 1, tzinfo=UTC)
    wish = Wish(publish_at=at, unpublish_at=at + 10 * DAY)
    await workflow.transition(SYSTEM, scheduled.article_id, Transition.SCHEDULE, wish=wish)
    await articles.update_editorial(SYSTEM, held.article_id, {"embargoed_until": at + DAY})
    await articles.update_editorial(SYSTEM, due.article_id, {"due_at": at + 2 * DAY})
    await articles.update_editorial(SYSTEM, trashed.article_id, {"due_at": at + 2 * DAY})
    await workflow.transition(SYSTEM, trashed.article_id, Transition.TRASH)
    span = {"from": "2100-01-01T01:00:00+01:00", "to": "2100-01-11T00:00:00Z"}
    shown = (await api(CALENDAR, **span, actor=editor))["calendar"]
    assert [(each["at"], each["kind"], each["article"]["headline"]) for each in shown] == [
        ("2100-01-01T00:00:00Z", "PUBLISH", "one"),
        ("2100-01-02T00:00:00Z", "EMBARGO_ENDS", "two"),
        ("2100-01-03T00:00:00Z", "DUE", "three"),
    ]
    whole = await queue.calendar(editor, at, at + 11 * DAY)
    assert whole[-1] == queue.Moment(at + 10 * DAY, queue.CalendarKind.UNPUBLISH, scheduled.article_id)
    assert await queue.calendar(await make_actor(Role.CONTRIBUTOR), at, at + 11 * DAY) == []
    for end in (at, at - DAY, at + 401 * DAY):
        with pytest.raises(Invalid):
            await queue.calendar(editor, at, end)


async def test_a_due_time_is_no_version_and_for_editors_to_set() -> None:
    story = await make_article()
    at = datetime(2100, 1, 1, tzinfo=UTC)
    await articles.update_editorial(await make_actor(), story.article_id, {"due_at": at})
    article = await Article.get(id=story.article_id)
    assert (article.due_at, article.version) == (at, 1)
    assert (await Event.get(type="article.editorial_changed")).detail == {"changed": ["due_at"], "version": 1}
