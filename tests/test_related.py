"""Related stories: what editors picked, then what the machine finds, never anything that is not live."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
import pytest

from cms import articles, database, ids, newsroom, related, taxonomy, workflow
from cms.models import ArticleStatus, Event, Live, Role
from cms.permissions import SYSTEM
from cms.worker import HANDLERS
from cms.workflow import Transition
from tests.benchmarks.related.corpus import corpus
from tests.benchmarks.related.quality import RANKINGS, fill, precision
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article, make_author, make_section, publish

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED
POSTS = """query($id: ID!, $first: Int = 3, $perspective: Perspective) { article(id: $id, perspective: $perspective) {
    relatedPosts(first: $first) { article { headline } source reason score } } }"""


async def do_jobs() -> None:
    while owed := await execute("select id, entrypoint, payload from pgqueuer order by id"):
        for id, kind, payload in owed:
            await HANDLERS[kind](orjson.loads(payload))
            await execute("delete from pgqueuer where id = $1", id)


async def shown(api: Api, id: UUID, **more: Any) -> list[dict[str, Any]]:
    data = await api(POSTS, id=ids.encode("Article", id), **more)
    return data["article"]["relatedPosts"]  # type: ignore[no-any-return]


async def headlines(api: Api, id: UUID, **more: Any) -> list[str]:
    return [each["article"]["headline"] for each in await shown(api, id, **more)]


def text(words: str) -> dict[str, Any]:
    return {"body": {"html": f"<p>{words}</p>"}}


FILLER = "The council met on Tuesday and heard what officers had to say about a matter of some weight. "


async def stories(*names: str, **given: Any) -> list[UUID]:
    return [(await make_article(status=PUBLISHED, headline=name, **given)).article_id for name in names]


async def kept() -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await execute("select * from related order by article_id")]


@pytest.mark.parametrize("looked", [False, True])
async def test_curated_ones_come_first_then_those_with_the_rarest_tags_in_common(api: Api, looked: bool) -> None:
    picked, rare = await stories("Picked", "Rare", tag_names=["broad", "rare"])
    (broad,) = await stories("Broad", tag_names=["broad"])
    await stories("Other", tag_names=["other"])
    (own,) = await stories("Own", tag_names=["rare", "broad"], related_post_ids=[picked])
    if looked:
        await do_jobs()
    found = await shown(api, own)
    assert [(each["article"]["headline"], each["source"]) for each in found] == [
        ("Picked", "CURATED"),
        ("Rare", "AUTOMATIC"),
        ("Broad", "AUTOMATIC"),
    ]
    assert found[0]["reason"] is None and found[0]["score"] is None
    assert found[1]["reason"] in ("Both are about rare and broad", "Both are about rare and broad")
    assert found[2]["reason"] == "Both are about broad"
    assert 0 < found[2]["score"] < found[1]["score"] <= 1
    assert await headlines(api, own, first=1) == ["Picked"] and await headlines(api, own, first=0) == []
    assert rare and broad


async def test_r1_a_related_story_is_hidden_while_it_is_not_live_and_back_when_it_is(api: Api) -> None:
    a, b, c = await stories("A", "B", "C", tag_names=["one"])
    await articles.update(SYSTEM, a, {"related_post_ids": [b]})
    await publish(a)
    await do_jobs()
    editor = await make_actor(Role.EDITOR)
    for _ in range(2):
        assert await headlines(api, a) == ["B", "C"]
        for id, rest in ((b, ["C"]), (c, ["B"])):
            await workflow.transition(SYSTEM, id, Transition.UNPUBLISH)
            assert await headlines(api, a) == rest
            assert await headlines(api, a, actor=editor, perspective="DRAFT") == ["B", "C"]
            await do_jobs()
            assert await headlines(api, a) == rest
            await publish_again(id)
        assert (await articles.newest(a)).related_ids == [b]
    await do_jobs()
    await workflow.transition(SYSTEM, a, Transition.UNPUBLISH)
    assert await headlines(api, b) == ["C"]
    await publish_again(a)
    assert sorted(await headlines(api, b)) == ["A", "C"]  # before and after its job
    await do_jobs()
    assert sorted(await headlines(api, b)) == ["A", "C"]


async def publish_again(id: UUID) -> None:
    await articles.update(SYSTEM, id, {"dek": f"Again {ids.new().hex[-6:]}"})
    await publish(id)


async def test_never_itself_a_translation_of_it_a_near_copy_or_another_language(api: Api) -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr"]})
    words = "Engineers found cracks in the harbour tunnel near Kessler Point, where ferries used to dock."
    (own,) = await stories("Tunnel cracks", tag_names=["tunnel"], **text(words))
    await stories("Tunnel cracks again", tag_names=["tunnel"], **text(words + " More soon."))
    await make_article(
        status=PUBLISHED, headline="Tunnel", locale="fr", translation_of_id=own, tag_names=["tunnel"], **text(words)
    )
    await stories("Tunnel autre", locale="fr", tag_names=["tunnel"], **text(words))
    await stories("Ferries", tag_names=["tunnel"], **text("Where ferries go is another story altogether."))
    await do_jobs()
    assert await headlines(api, own) == ["Ferries"]


async def test_words_that_few_stories_share_tell_without_any_tag(api: Api) -> None:
    for number in range(6):
        await stories(f"Filler {number}", **text(FILLER * 3 + f"Word{number}x counts{number}x."))
    one, two = [
        (await stories(name, **text(FILLER * 3 + rest)))[0]
        for name, rest in (
            ("Dredging", "Kessler wants to dredge the estuary."),
            ("Silt", "The estuary silts up, says Kessler, and boats wait."),
        )
    ]
    await do_jobs()
    found = (await shown(api, one, first=1))[0]
    assert found["article"]["headline"] == "Silt" and found["reason"] == "Both mention estuary and kessler"
    assert (await headlines(api, two, first=1)) == ["Dredging"]


async def test_a_publication_is_told_to_the_others_and_back_again(api: Api) -> None:
    a, b = await stories("A", "B", tag_names=["one"])
    await do_jobs()
    assert await headlines(api, a) == ["B"]
    (c,) = await stories("C", tag_names=["one"])
    await do_jobs()
    assert sorted(await headlines(api, a)) == ["B", "C"] and sorted(await headlines(api, c)) == ["A", "B"]
    await articles.update(SYSTEM, c, {"tag_names": ["two"], "headline": "Something else"})
    await publish(c)
    await do_jobs()
    assert await headlines(api, a) == ["B"] and await headlines(api, c) == []
    event = await Event.filter(type="article.related").order_by("-number").first()
    assert event is not None and event.public
    assert event.effect == {"pointing": sorted([str(a), str(b)])}
    before = await kept()
    await related.relate({"article": str(c)})
    assert await kept() == before
    await execute("delete from related")
    await related.relate({})  # what a database owes that is older than this
    assert [row[:2] for row in await kept()] == [row[:2] for row in before]


async def test_ties_stand_in_one_order(api: Api) -> None:
    many = await stories(*(f"Story {n}" for n in range(8)), tag_names=["one"])
    await execute("update live set published_at = now()")
    await do_jobs()
    first = await headlines(api, many[0], first=20)
    assert len(first) == 7
    for id in reversed(many):
        await related.relate({"article": str(id)})
    assert await headlines(api, many[0], first=20) == first


@pytest.mark.parametrize("looked", [False, True])
async def test_an_editor_leaves_one_out_at_once_and_lets_it_in_again(api: Api, looked: bool) -> None:
    a, b, c = await stories("A", "B", "C", tag_names=["one"])
    if looked:
        await do_jobs()
    editor, contributor = await make_actor(Role.EDITOR), await make_actor(Role.CONTRIBUTOR)
    wish = {"articleId": ids.encode("Article", a), "relatedId": ids.encode("Article", b)}
    before = await dump()
    refused = await api.write("excludeRelated", wish, actor=contributor)
    assert refused["code"] == "FORBIDDEN"
    for wrong in (wish["articleId"], ids.encode("Article", ids.new()), "x"):
        refused = await api.write("excludeRelated", wish | {"relatedId": wrong}, actor=editor)
        assert refused["code"] == "INVALID" and refused["issues"][0]["field"] == ["relatedId"]
    assert await dump() == before
    assert "code" not in await api.write("excludeRelated", wish, actor=editor)
    assert await headlines(api, a) == ["C"]
    assert sorted(await headlines(api, b)) == ["A", "C"]  # it is one way
    for id in (a, b, c):
        await related.relate({"article": str(id)})
    assert await headlines(api, a) == ["C"]
    await api.write("excludeRelated", wish | {"exclude": False}, actor=editor)
    await do_jobs()
    assert sorted(await headlines(api, a)) == ["B", "C"]


async def test_drafts_are_neither_shown_nor_counted(api: Api) -> None:
    a, b = await stories("A", "B", tag_names=["one"])
    await make_article(headline="Draft", tag_names=["one"])
    await articles.update(SYSTEM, b, {"tag_names": ["two"], "headline": "B in secret"})
    await do_jobs()
    assert await headlines(api, a) == ["B"]
    before = await kept()
    for number in range(5):
        await make_article(headline=f"Draft {number}", tag_names=["one"])
    await related.relate({"article": str(a)})
    assert await kept() == before


async def test_what_is_kept_is_read_by_one_look_up_for_all_of_a_page(api: Api) -> None:
    many = await stories(*(f"Story {n}" for n in range(5)), tag_names=["one"])
    await do_jobs()
    rows = await Live.filter(article_id__in=many)
    assert [len(each) for each in await related.automatic(rows)] == [4] * 5
    async with database.transaction():  # on one connection
        await execute("set local enable_seqscan = off")
        plan = await execute("explain select related_ids from related where article_id = any($1)", many)
    assert any("related_pkey" in row[0] for row in plan)


# ---------------------------------------------------------------- for editors


async def test_tags_and_stories_are_suggested_for_a_draft(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    harbour = await taxonomy.create_tag(SYSTEM, name="Harbour Tunnel")
    await taxonomy.update_tag(SYSTEM, harbour.id, {"aliases": ["the tube"]})
    near = text("Kessler wants to dredge the estuary.")
    await stories("Dredging", tag_names=["Estuary plan", "Kept"], **near)
    (picked,) = await stories("Silt", tag_names=["Estuary plan"], **text("Kessler and the estuary again."))
    await stories("Football", tag_names=["Sport"], **text("Two goals were scored."))
    draft = await make_article(
        headline="Estuary",
        tag_names=["Kept"],
        related_post_ids=[picked],
        **text("Kessler, who built The Tube, dredges the estuary. The harbour tunnel’s walls hold."),
    )
    document = """query($id: ID!) { article(id: $id, perspective: DRAFT) { editorial {
        suggestedTags { tag { name } mentions score }
        suggestedRelated { article { headline } source reason score } } } }"""
    id = ids.encode("Article", draft.article_id)
    found = (await api(document, id=id, actor=editor))["article"]["editorial"]
    tags = [(each["tag"]["name"], each["mentions"]) for each in found["suggestedTags"]]
    assert tags[:2] == [("Harbour Tunnel", 2), ("Estuary plan", 0)] and "Kept" not in dict(tags)
    assert [each["article"]["headline"] for each in found["suggestedRelated"]][:1] == ["Dredging"]
    assert "Silt" not in {each["article"]["headline"] for each in found["suggestedRelated"]}
    assert all(0 < each["score"] <= 1 for each in found["suggestedTags"] + found["suggestedRelated"])
    wrong = (
        "query($id: ID!) { article(id: $id, perspective: DRAFT) { editorial { suggestedTags(first: 21) { score } } } }"
    )
    assert await api.errors(wrong, id=id, actor=editor) == ["INVALID"]
    live = document.replace(", perspective: DRAFT", "")
    assert (await api(live, id=ids.encode("Article", picked)))["article"]["editorial"] is None


# ---------------------------------------------------------------- how good they are


@pytest.mark.parametrize("untagged", [0.0, 0.5])
async def test_related_stories_are_of_the_same_topic_more_often_than_by_tags_or_text_alone(untagged: float) -> None:
    topics = await fill(corpus(20, 8, untagged=untagged))
    asked = _each_fourth(topics)
    found = {name: await precision(ranking, topics, asked) for name, ranking in RANKINGS.items()}
    own = found.pop("Copydesk")
    assert own.at_3 > 0.8 and own.at_5 > 0.7
    for name, other in found.items():
        assert own.at_3 > other.at_3 + 0.2 and own.at_5 > other.at_5 + 0.2, name


def _each_fourth(topics: Iterable[UUID]) -> list[UUID]:
    return list(topics)[::4]


async def test_a_section_and_a_byline_say_a_little(api: Api) -> None:
    section, ann = await make_section("Harbour"), await make_author("Ann")
    (one,) = await stories("One", section_id=section, byline=[{"author_id": ann}])
    await stories("Two", section_id=section)
    await stories("Three", byline=[{"author_id": ann}])
    await stories("Four")
    await do_jobs()
    assert [(each["article"]["headline"], each["reason"]) for each in await shown(api, one)] == [
        ("Two", "Also in Harbour"),
        ("Three", "Also by Ann"),
    ]
