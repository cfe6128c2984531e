"""Several stories at once: each by itself, in order, with results in place."""

from __future__ import annotations

import pytest

from cms import articles, ids
from cms.models import ArticleStatus, Event, Role
from cms.permissions import SYSTEM
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article

pytestmark = pytest.mark.usefixtures("db")

LIVE = ArticleStatus.PUBLISHED
SEVERAL = """mutation($input: TransitionArticlesInput!) { transitionArticles(input: $input) {
  ... on Article { headline isLive editorial { status version } }
  ... on Problem { code currentVersion issues { field } } } }"""


async def test_several_stories_go_on_each_by_itself_with_results_in_place(api: Api) -> None:
    editor = await make_actor()
    one, live, two = await make_article(headline="1"), await make_article(status=LIVE), await make_article(headline="2")
    items = [
        {"id": ids.encode("Article", one.article_id), "expectedVersion": 1},
        {"id": ids.encode("Article", live.article_id)},
        {"id": "garbage"},
        {"id": ids.encode("Article", two.article_id), "expectedVersion": 7},
        {"id": ids.encode("Article", two.article_id)},
    ]
    input = {"transition": "PUBLISH", "items": items, "note": "Evening."}
    done = (await api(SEVERAL, input=input, actor=editor))["transitionArticles"]
    assert done == [
        {"headline": "1", "isLive": True, "editorial": {"status": "PUBLISHED", "version": 2}},
        {"code": "TRANSITION_REFUSED", "currentVersion": None, "issues": []},
        {"code": "NOT_FOUND", "currentVersion": None, "issues": []},
        {"code": "CONFLICT", "currentVersion": 1, "issues": []},
        {"headline": "2", "isLive": True, "editorial": {"status": "PUBLISHED", "version": 2}},
    ]
    published = await Event.filter(type="article.published", article_id__in=[one.article_id, two.article_id])
    assert [event.detail["note"] for event in published] == ["Evening.", "Evening."]


@pytest.mark.parametrize(("name", "count"), [("SCHEDULE", 1), ("WITHDRAW", 2), ("PUBLISH", 101)])
async def test_what_cannot_be_done_to_several_is_refused_in_each_place(api: Api, name: str, count: int) -> None:
    chief, story = await make_actor(Role.CHIEF), await make_article(status=LIVE)
    await articles.update(SYSTEM, story.article_id, {"dek": "new"})
    state = await execute("select a::text from article a")
    items = [{"id": ids.encode("Article", story.article_id)}] * count
    done = (await api(SEVERAL, input={"transition": name, "items": items}, actor=chief))["transitionArticles"]
    field = "items" if count > 100 else "transition"
    assert done == [{"code": "INVALID", "currentVersion": None, "issues": [{"field": [field]}]}] * count
    assert await execute("select a::text from article a") == state


async def test_of_no_stories_nothing_happens(api: Api) -> None:
    done = await api(SEVERAL, input={"transition": "PUBLISH", "items": []}, actor=await make_actor())
    assert done == {"transitionArticles": []}
