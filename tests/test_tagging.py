"""Merging tags and taking it back, kinds and outside ids of tags, and tags of many stories at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest

from cms import articles, ids, listings, routes, tagging, taxonomy, workflow
from cms.errors import CMSError, Conflict, Invalid, NotFound
from cms.models import ArticleStatus, Event, Head, Live, Revision, Slug, Tag, TagMerge, TagName
from cms.permissions import PUBLIC, SYSTEM, Perspective
from cms.workflow import Transition
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article, make_section, make_tag, publish

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED


async def last_merge() -> UUID:
    event = await Event.filter(type="tag.merged").order_by("-number").first()
    assert event is not None
    return event.id


async def derived() -> list[Any]:
    tables = ("live_term", "head_term", "term_count")
    return [sorted(tuple(row) for row in await execute(f"select * from {table}")) for table in tables]


async def test_merged_tags_are_one_in_head_live_and_pinned_content_and_history_keeps_its_own() -> None:
    rain, snow, weather, other = [await make_tag(name) for name in ("Rain", "Snow", "Weather", "Other")]
    live = await make_article(status=PUBLISHED, tag_ids=[snow, other, weather])
    await articles.update(SYSTEM, live.article_id, {"tag_ids": [other, rain, snow]})
    pinned = await make_article(status=ArticleStatus.SCHEDULED, tag_ids=[rain])
    await articles.update(SYSTEM, pinned.article_id, {"tag_ids": [other]})
    old = await make_article(tag_ids=[rain])
    await articles.update(SYSTEM, old.article_id, {"tag_ids": []})
    into = await tagging.merge(SYSTEM, [rain, snow], weather)
    assert into.id == weather
    assert (await Live.get(article_id=live.article_id)).tag_ids == [weather, other]
    assert (await Head.get(article_id=live.article_id)).tag_ids == [other, weather]
    assert (await Revision.get(id=live.revision_id)).tag_ids == [weather, other]
    assert (await Revision.get(id=pinned.revision_id)).tag_ids == [weather]
    assert (await Head.get(article_id=pinned.article_id)).tag_ids == [other]
    assert (await Revision.get(id=old.revision_id)).tag_ids == [rain]
    assert set(await Tag.all().values_list("name", flat=True)) == {"Weather", "Other"}
    before = await derived()
    await listings.rebuild()
    assert await derived() == before


async def test_names_of_merged_tags_find_the_one_and_their_paths_lead_to_it(api: Api) -> None:
    rain, weather = await make_tag("Rain"), await make_tag("Weather")
    hidden = await make_tag("Secret")
    await make_article(status=PUBLISHED, tag_ids=[rain])
    await taxonomy.update_tag(SYSTEM, rain, {"slug": "rainfall", "aliases": ["Pluie"]})
    await make_article(tag_ids=[hidden])
    editor = await make_actor()
    input = {"fromIds": [ids.encode("Tag", rain), ids.encode("Tag", hidden)], "intoId": ids.encode("Tag", weather)}
    done = await api.write("mergeTags", input, "... on Tag { name slug aliases articleCount }", actor=editor)
    assert done == {
        "__typename": "Tag",
        "name": "Weather",
        "slug": "weather",
        "aliases": ["Pluie", "Rain", "Secret"],
        "articleCount": 2,
    }
    for slug in ("rain", "rainfall"):
        assert await routes.route(PUBLIC, Perspective.PUBLISHED, f"/tag/{slug}") == routes.Redirect("/tag/weather")
    assert await routes.route(PUBLIC, Perspective.PUBLISHED, "/tag/secret") is None  # readers never saw it
    assert (await make_article(tag_names=["PLUIE", "secret"])).tag_ids == [weather]
    query = '{ articles(filter: {tags: {anyOf: ["rain"]}}) { totalCount } }'
    assert (await api(query))["articles"]["totalCount"] == 1


async def test_a_merge_is_told_of_once_and_of_each_story_that_readers_see_changed() -> None:
    rain, weather = await make_tag("Rain"), await make_tag("Weather")
    live, draft = await make_article(status=PUBLISHED, tag_ids=[rain]), await make_article(tag_ids=[rain])
    slug = await Slug.get(kind="TAG", slug="rain")
    last = (await Event.all().order_by("-number").first() or Event()).number
    await tagging.merge(SYSTEM, [rain], weather)
    told = await Event.filter(number__gt=last).order_by("number")
    assert [(event.type, event.article_id, event.public) for event in told] == [
        ("tag.merged", None, True),
        ("article.updated", live.article_id, True),
    ]
    assert told[0].detail["merged"] == [{"id": ids.encode("Tag", rain), "name": "Rain"}]
    assert told[0].effect == {
        "appeared": [f"RedirectRule:{slug.id}", f"Tag:{weather}"],
        "vanished": [f"Tag:{rain}"],
        "slugs": ["rain"],
    }
    assert told[1].effect == {"path": f"/{live.slug}", "tags": [str(weather), str(rain)]}
    assert draft


async def test_what_cannot_be_merged_is_refused_by_its_place_and_changes_nothing(api: Api) -> None:
    rain, weather = await make_tag("Rain"), await make_tag("Weather")
    editor, before = await make_actor(), await dump()
    for from_ids, into, field in (
        ([], weather, "fromIds"),
        ([rain] + [ids.new() for _ in range(20)], weather, "fromIds"),
        ([rain, weather], weather, "fromIds.1"),
        ([rain, ids.new()], weather, "fromIds.1"),
        ([rain], ids.new(), "intoId"),
    ):
        with pytest.raises(Invalid) as refused:
            await tagging.merge(SYSTEM, from_ids, into)
        assert refused.value.issues[0].field == tuple(field.split("."))
    input = {"fromIds": ["garbage"], "intoId": ids.encode("Tag", weather)}
    assert (await api.write("mergeTags", input, actor=editor))["code"] == "INVALID"
    assert {name for name, rows in (await dump()).items() if rows != before[name]} <= {"user"}


async def test_a_merge_taken_back_leaves_everything_as_it_was(api: Api) -> None:
    rain, weather, other = await make_tag("Rain"), await make_tag("Weather"), await make_tag("Other")
    await taxonomy.update_tag(SYSTEM, rain, {"aliases": ["Pluie"], "kind": "TOPIC", "external_id": "Q7925"})
    live = await make_article(status=PUBLISHED, tag_ids=[rain, other, weather])
    await articles.update(SYSTEM, live.article_id, {"tag_ids": [other, rain]})
    await make_article(status=ArticleStatus.SCHEDULED, tag_ids=[rain])
    await taxonomy.update_tag(SYSTEM, rain, {"slug": "rainfall"})
    await make_article(status=PUBLISHED, tag_ids=[weather])
    before, editor = await dump(), await make_actor()
    await tagging.merge(SYSTEM, [rain], weather)
    input = {"eventId": ids.encode("Event", await last_merge())}
    done = await api.write(
        "unmergeTags", input, "... on UnmergedTags { into { name } tags { name slug aliases } kept }", actor=editor
    )
    assert done == {
        "__typename": "UnmergedTags",
        "into": {"name": "Weather"},
        "tags": [{"name": "Rain", "slug": "rainfall", "aliases": ["Pluie"]}],
        "kept": 0,
    }
    after = await dump()
    assert {name for name, rows in after.items() if rows != before[name]} == {
        "event",
        "pgqueuer",
        "pgqueuer_log",
        "user",
    }
    again = await api.write("unmergeTags", input, actor=editor)
    assert again["code"] == "NOT_FOUND"
    assert await dump() == after


async def test_stories_whose_tags_were_changed_after_a_merge_stay_as_they_are() -> None:
    rain, weather, other = await make_tag("Rain"), await make_tag("Weather"), await make_tag("Other")
    changed = await make_article(tag_ids=[rain])
    edited = await make_article(tag_ids=[rain], status=PUBLISHED)
    await tagging.merge(SYSTEM, [rain], weather)
    await articles.update(SYSTEM, changed.article_id, {"tag_ids": [weather, other]})
    await articles.update(SYSTEM, edited.article_id, {"dek": "Words, not tags"})
    await publish(edited.article_id)
    done = await tagging.unmerge(SYSTEM, await last_merge())
    assert done.kept == 1
    assert (await Head.get(article_id=changed.article_id)).tag_ids == [weather, other]
    head, live = await Head.get(article_id=edited.article_id), await Live.get(article_id=edited.article_id)
    assert (head.tag_ids, live.tag_ids, (await Revision.get(id=head.revision_id)).tag_ids) == ([rain], [rain], [rain])


async def test_a_name_that_means_something_else_by_now_stands_against_taking_a_merge_back() -> None:
    rain, weather = await make_tag("Rain"), await make_tag("Weather")
    await tagging.merge(SYSTEM, [rain], weather)
    await taxonomy.update_tag(SYSTEM, weather, {"aliases": []})
    new = await make_tag("rain")
    before = await dump()
    with pytest.raises(Conflict, match="“Rain” means another tag by now"):
        await tagging.unmerge(SYSTEM, await last_merge())
    assert await dump() == before
    await taxonomy.update_tag(SYSTEM, new, {"name": "Rain dance", "aliases": []})
    done = await tagging.unmerge(SYSTEM, await last_merge())
    assert [(tag.id, tag.slug) for tag in done.tags] == [(rain, "rain-2")]


async def test_merges_of_merges_are_taken_back_from_the_last_one() -> None:
    a, b, c = [await make_tag(name) for name in "ABC"]
    story = await make_article(status=PUBLISHED, tag_ids=[a])
    await tagging.merge(SYSTEM, [a], b)
    first = await last_merge()
    await tagging.merge(SYSTEM, [b], c)
    with pytest.raises(Conflict):
        await tagging.unmerge(SYSTEM, first)
    await tagging.unmerge(SYSTEM, await last_merge())
    assert (await Live.get(article_id=story.article_id)).tag_ids == [b]
    await tagging.unmerge(SYSTEM, first)
    assert (await Live.get(article_id=story.article_id)).tag_ids == [a]
    assert await TagMerge.all().count() == 0
    assert {row.target_id for row in await Slug.filter(kind="TAG")} == {a, b, c}


async def test_merges_saves_and_publications_at_once_lose_no_tag() -> None:
    tags = [await make_tag(f"t{n}") for n in range(6)]
    stories = [await make_article(tag_ids=[tags[n % 6]]) for n in range(6)]
    done: list[Any] = await asyncio.gather(
        tagging.merge(SYSTEM, tags[:2], tags[5]),
        tagging.merge(SYSTEM, tags[2:4], tags[5]),
        tagging.merge(SYSTEM, [tags[5]], tags[4]),
        *(publish(story.article_id) for story in stories),
        *(articles.update(SYSTEM, story.article_id, {"dek": "again"}) for story in stories),
        return_exceptions=True,
    )
    assert [each for each in done if isinstance(each, Exception) and not isinstance(each, CMSError)] == []
    known = set(await Tag.all().values_list("id", flat=True))
    for row in [*await Head.all(), *await Live.all()]:
        assert len(row.tag_ids) == 1
        assert set(row.tag_ids) <= known
    before = await derived()
    await listings.rebuild()
    assert await derived() == before


async def test_a_save_that_read_a_tag_which_is_merged_meanwhile_saves_what_it_became(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = await make_tag("old"), await make_tag("new")
    story = await make_article(tag_ids=[old], headline="Before")
    outside, hold, merged = copy_context(), articles._hold_tags, []

    async def late(ids: Sequence[UUID]) -> None:
        if not merged:
            merged.append(await asyncio.create_task(tagging.merge(SYSTEM, [old], new), context=outside))
        await hold(ids)

    monkeypatch.setattr(articles, "_hold_tags", late)
    await articles.update(SYSTEM, story.article_id, {"headline": "After"})
    head = await Head.get(article_id=story.article_id)
    assert (head.headline, head.tag_ids) == ("After", [new])
    assert (await Revision.get(id=head.revision_id)).tag_ids == [new]
    assert await Revision.filter(article_id=story.article_id).count() == 2


# ---------------------------------------------------------------- kinds and outside ids


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Q42", "Q42"),
        (" q42 ", "Q42"),
        ("https://www.wikidata.org/wiki/Q42", "Q42"),
        ("http://www.wikidata.org/entity/Q42", "Q42"),
        ("medtop:20000717", "medtop:20000717"),
        ("http://cv.iptc.org/newscodes/mediatopic/20000717", "medtop:20000717"),
        ("Q0", None),
        ("Q", None),
        ("42", None),
        ("medtop:717", None),
        ("https://example.org/Q42", None),
        ("Q٤٢", None),
        ("Q42\n; drop", None),
    ],
)
def test_an_outside_id_has_one_spelling(given: str, kept: str | None) -> None:
    assert taxonomy.external_id(given) == kept


async def test_a_tag_has_a_kind_and_an_outside_id_that_find_it(api: Api) -> None:
    editor = await make_actor()
    select = "... on Tag { name kind externalId }"
    given = {"name": "Ursula Le Guin", "kind": "PERSON", "externalId": "https://www.wikidata.org/wiki/Q181659"}
    done = await api.write("createTag", given, select, actor=editor)
    assert done == {"__typename": "Tag", "name": "Ursula Le Guin", "kind": "PERSON", "externalId": "Q181659"}
    await make_article(status=PUBLISHED, tag_names=["Ursula Le Guin", "Books"])
    find = '{ tag(externalId: "wd:Q181659") { name } none: tag(externalId: "Q1") { name } }'
    assert await api(find) == {"tag": {"name": "Ursula Le Guin"}, "none": None}
    assert await api.errors('{ tag(externalId: "Q1", slug: "x") { name } }') == ["INVALID"]
    listed = await api("{ tags(kinds: [PERSON, PLACE]) { nodes { name } } all: tags { nodes { kind externalId } } }")
    assert listed["tags"]["nodes"] == [{"name": "Ursula Le Guin"}]
    assert listed["all"]["nodes"] == [
        {"kind": "TOPIC", "externalId": None},
        {"kind": "PERSON", "externalId": "Q181659"},
    ]
    before = await dump()
    for name, input, code in (
        ("createTag", {"name": "x", "externalId": "Q181659"}, "CONFLICT"),
        ("createTag", {"name": "x", "externalId": "nonsense"}, "INVALID"),
    ):
        refused = await api.write(name, input, actor=editor)
        assert (refused["code"], refused["issues"][0]["field"]) == (code, ["externalId"])
    assert await dump() == before


async def test_one_outside_id_given_to_several_tags_at_once_goes_to_one() -> None:
    tags = [await make_tag(f"t{n}") for n in range(8)]
    done: list[Any] = await asyncio.gather(
        *(taxonomy.update_tag(SYSTEM, tag, {"external_id": "Q5"}) for tag in tags), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Conflict"] * 7 + ["Tag"]
    assert await Tag.filter(external_id="Q5").count() == 1


# ---------------------------------------------------------------- sections


async def test_a_section_has_names_in_other_locales(api: Api) -> None:
    await execute("update site set locales = '{en,fr,de}'")
    editor, section = await make_actor(), await make_section("Conflict")
    id, select = ids.encode("Section", section), "... on Section { name names { locale name } }"
    names = [{"locale": "fr", "name": "Conflit"}, {"locale": "de", "name": "Konflikt"}]
    done = await api.write("updateSection", {"id": id, "names": names}, select, actor=editor)
    assert done["names"] == [{"locale": "de", "name": "Konflikt"}, {"locale": "fr", "name": "Conflit"}]
    shown = await api('{ section(slug: "conflict") { name names { locale name } } }')
    assert shown["section"] == {"name": "Conflict", "names": done["names"]}
    before = await dump()
    for bad, field in (
        ([{"locale": "en", "name": "x"}], "names.0.locale"),
        ([{"locale": "xx", "name": "x"}], "names.0.locale"),
        ([*names, names[0]], "names.2.locale"),
        ([{"locale": "fr", "name": " "}], "names.0.name"),
    ):
        refused = await api.write("updateSection", {"id": id, "names": bad}, actor=editor)
        assert (refused["code"], ".".join(refused["issues"][0]["field"])) == ("INVALID", field)
    assert await dump() == before


# ---------------------------------------------------------------- many stories


async def test_many_stories_get_tags_and_lose_tags_each_by_itself(api: Api) -> None:
    editor, old = await make_actor(), await make_tag("Old")
    first = await make_article(tag_ids=[old], tag_names=["kept"])
    withdrawn = await make_article(status=ArticleStatus.WITHDRAWN)
    second = await make_article(status=PUBLISHED)
    input = {
        "articleIds": [*(ids.encode("Article", s.article_id) for s in (first, withdrawn, second)), "garbage"],
        "addTagNames": ["New", "new"],
        "removeTagIds": [ids.encode("Tag", old)],
    }
    done: Any = await api.write("retagArticles", input, "... on Article { editorial { status } }", actor=editor)
    assert [each.get("code") for each in done] == [None, "TRANSITION_REFUSED", None, "NOT_FOUND"]
    names = {tag.id: tag.name for tag in await Tag.all()}
    assert [names[id] for id in (await Head.get(article_id=first.article_id)).tag_ids] == ["kept", "New"]
    assert [names[id] for id in (await Head.get(article_id=second.article_id)).tag_ids] == ["New"]
    assert (await Live.get(article_id=second.article_id)).tag_ids == []
    again = await Revision.all().count()
    await api.write("retagArticles", input, actor=editor)
    assert await Revision.all().count() == again  # nothing changes, nothing is saved


async def test_stories_of_a_filter_are_retagged_until_none_is_left(api: Api) -> None:
    editor = await make_actor()
    for _ in range(3):
        await make_article(tag_names=["Old"])
    await make_article(tag_names=["Other"])
    input = {"filter": {"tags": {"anyOf": ["old"], "noneOf": ["new"]}}, "addTagNames": ["New"]}
    assert [len(await api.write("retagArticles", input, actor=editor)) for _ in range(2)] == [3, 0]
    assert await Head.filter(tag_ids__contains=[(await TagName.get(key="new")).tag_id]).count() == 3
    before = await dump()
    for bad in ({}, {"articleIds": [], "filter": {}}, {"articleIds": ["x"] * 101}):
        refused: Any = await api.write("retagArticles", {"addTagNames": ["x"], **bad}, actor=editor)
        assert [each["code"] for each in refused] == ["INVALID"]
    assert await dump() == before


async def test_a_tag_that_a_schedule_holds_is_merged_and_published_under_the_one() -> None:
    rain, weather = await make_tag("Rain"), await make_tag("Weather")
    story = await make_article(status=ArticleStatus.SCHEDULED, tag_ids=[rain])
    await tagging.merge(SYSTEM, [rain], weather)
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
    assert (await Live.get(article_id=story.article_id)).tag_ids == [weather]
    with pytest.raises(NotFound):
        await taxonomy.delete_tag(SYSTEM, rain)
