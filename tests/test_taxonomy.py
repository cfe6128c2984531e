"""Sections, tags and authors: identity, renames, moves, and deleting what is in use."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from cms import articles, ids, references, routes, taxonomy, workflow
from cms.errors import CMSError, Conflict, Forbidden, InUse, Invalid, NotFound
from cms.models import (
    ArticleStatus,
    Author,
    AuthorKind,
    Event,
    Head,
    Live,
    Revision,
    Role,
    Section,
    Slug,
    Tag,
    TagKind,
    TagName,
)
from cms.permissions import PUBLIC, SYSTEM, Perspective
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
    publish,
)

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED


# ---------------------------------------------------------------- tags


async def test_spellings_of_one_meaning_are_one_tag_with_the_first_spelling() -> None:
    spellings = ["siècle", "sie\u0300cle", "Siècle", " siècle "]
    for name in spellings:
        await make_article(tag_names=[name])
    await make_article(tag_names=["Test1234", "TEST1234"])
    assert sorted(await Tag.all().values_list("name", flat=True)) == ["Test1234", "siècle"]
    before = await dump()
    for name in spellings:
        assert (await taxonomy.create_tag(SYSTEM, name=name)).name == "siècle"
        for other in ({"kind": TagKind.EVENT}, {"description": "A hundred years"}, {"slug": "century"}):
            with pytest.raises(Conflict, match="already finds the tag “siècle”"):
                await taxonomy.create_tag(SYSTEM, name=name, **other)
    assert await dump() == before


async def test_names_of_symbols_are_tags_of_their_own_that_open_by_their_slug(api: Api) -> None:
    names = ["C", "C++", "C#", "🗳️", "中国"]
    await make_article(status=PUBLISHED, tag_names=names)
    tags = await Tag.all()
    assert sorted(tag.name for tag in tags) == sorted(names)
    assert len({tag.slug for tag in tags}) == len(names)
    for tag in tags:
        found = await api("query($slug: String!) { tag(slug: $slug) { name path } }", slug=tag.slug)
        assert found["tag"] == {"name": tag.name, "path": f"/tag/{tag.slug}"}
        assert isinstance(await routes.route(PUBLIC, Perspective.PUBLISHED, f"/tag/{tag.slug}"), Tag)


async def test_the_same_new_tags_from_twenty_saves_at_once_are_made_once() -> None:
    names = ["alpha", "beta", "gamma"]
    heads = await asyncio.gather(*(make_article(tag_names=names[n % 3 :] + names[: n % 3]) for n in range(20)))
    assert await Tag.all().count() == 3
    assert await Slug.filter(kind="TAG").count() == 3
    assert {frozenset(head.tag_ids) for head in heads} == {frozenset(await Tag.all().values_list("id", flat=True))}


async def test_the_same_new_tag_or_author_from_twenty_requests_at_once_is_one_without_an_error(api: Api) -> None:
    editor = await make_actor()
    spellings = ["Zoë Rain", "Zoe\u0308 Rain", "ZOË RAIN", " zoë rain "]
    for kind in ("Tag", "Author"):
        done = await asyncio.gather(
            *(
                api.write(f"create{kind}", {"name": spellings[n % 4]}, f"... on {kind} {{ id }}", actor=editor)
                for n in range(20)
            )
        )
        assert [each["__typename"] for each in done] == [kind] * 20
        assert len({each["id"] for each in done}) == 1
        assert await Slug.filter(kind=kind.upper()).values_list("slug", flat=True) == ["zoe-rain"]
        assert await Event.filter(type=f"{kind.lower()}.created").count() == 1


async def test_a_renamed_tag_is_found_by_its_old_name_and_keeps_its_slug() -> None:
    tag = await make_tag("Rain")
    await taxonomy.update_tag(SYSTEM, tag, {"name": "Weather"})
    story = await make_article(tag_names=["rain", "weather"])
    assert story.tag_ids == [tag]
    row = await Tag.get(id=tag)
    assert (row.name, row.slug) == ("Weather", "rain")
    await taxonomy.update_tag(SYSTEM, tag, {"name": "WEATHER"})
    assert (await Tag.get(id=tag)).name == "WEATHER"
    assert sorted(await TagName.all().values_list("name", flat=True)) == ["Rain", "WEATHER"]


async def test_aliases_are_set_as_a_whole_and_find_one_tag_each(api: Api) -> None:
    editor = await make_actor()
    tag, other = await make_tag("Rain"), await make_tag("Snow")
    id = ids.encode("Tag", tag)
    select = "... on Tag { name aliases }"
    done = await api.write("updateTag", {"id": id, "aliases": ["Pluie", "Regen", "rain"]}, select, actor=editor)
    assert done == {"__typename": "Tag", "name": "Rain", "aliases": ["Pluie", "Regen"]}
    done = await api.write("updateTag", {"id": id, "aliases": ["Regen"]}, select, actor=editor)
    assert done["aliases"] == ["Regen"]
    before = await dump()
    for changes in ({"aliases": ["snow"]}, {"name": "SNOW"}):
        refused = await api.write("updateTag", {"id": id} | changes, actor=editor)
        assert refused["code"] == "CONFLICT"
    assert await dump() == before
    done = await api.write("updateTag", {"id": id, "aliases": None}, select, actor=editor)
    assert done["aliases"] == []
    assert other


@pytest.mark.parametrize("status", [ArticleStatus.DRAFT, PUBLISHED, ArticleStatus.SCHEDULED])
async def test_a_tag_in_use_is_not_deleted(status: ArticleStatus) -> None:
    story = await make_article(status=status, tag_names=["Rain"])
    (tag,) = story.tag_ids
    if status is not ArticleStatus.DRAFT:
        await articles.update(SYSTEM, story.article_id, {"tag_names": []})
    before = await dump()
    with pytest.raises(InUse, match="1 story uses"):
        await taxonomy.delete_tag(SYSTEM, tag)
    assert await dump() == before
    await articles.update(SYSTEM, story.article_id, {"tag_names": [], "dek": "x"})
    if status is PUBLISHED:
        await publish(story.article_id)
    if status is ArticleStatus.SCHEDULED:
        await workflow.transition(SYSTEM, story.article_id, Transition.UNSCHEDULE)
    await taxonomy.delete_tag(SYSTEM, tag)
    assert (await Tag.all().count(), await TagName.all().count(), await Slug.filter(kind="TAG").count()) == (0, 0, 0)
    assert await Revision.filter(tag_ids__contains=[tag]).count() == 1


async def test_a_tag_is_not_deleted_while_a_save_is_taking_it() -> None:
    for _ in range(5):
        tag = await make_tag("Rain")
        done: list[Any] = await asyncio.gather(
            make_article(tag_names=["Rain"]), taxonomy.delete_tag(SYSTEM, tag), return_exceptions=True
        )
        assert not [each for each in done if isinstance(each, Exception) and not isinstance(each, CMSError)]
        for head in await Head.all():
            assert await references.missing("tag", head.tag_ids) == set()
            await articles.update(SYSTEM, head.article_id, {"tag_names": []})
        for left in await Tag.all():
            await taxonomy.delete_tag(SYSTEM, left.id)


async def test_tags_are_listed_by_name_and_found_by_the_beginning_of_a_word(api: Api) -> None:
    await make_article(status=PUBLISHED, tag_names=["Heavy rain", "Rainbow", "Terrain", "100% wool"])
    await make_article(tag_names=["Rain in secret"])

    async def found(query: str | None, **more: Any) -> list[str]:
        ask = "query($q: String, $p: Perspective) { tags(query: $q, perspective: $p) { totalCount nodes { name } } }"
        tags = (await api(ask, q=query, **more))["tags"]
        assert tags["totalCount"] == len(tags["nodes"])
        return [tag["name"] for tag in tags["nodes"]]

    assert await found("rain") == ["Heavy rain", "Rainbow"]
    assert await found("%") == []
    assert await found("100%") == ["100% wool"]
    assert await found(None) == ["100% wool", "Heavy rain", "Rainbow", "Terrain"]
    assert await found("RAIN", p="DRAFT", actor=await make_actor()) == ["Heavy rain", "Rain in secret", "Rainbow"]


# ---------------------------------------------------------------- sections


async def test_sections_stand_in_order_under_each_other(api: Api) -> None:
    world, sport = await make_section("World"), await make_section("Sport")
    for name in ("Asia", "Europe"):
        await make_section(name, world)
    await taxonomy.update_section(SYSTEM, sport, {"position": -1})
    found = await api("{ sections { name position parent { name } children { name path parent { name } } } }")
    assert found["sections"] == [
        {"name": "Sport", "position": -1, "parent": None, "children": []},
        {
            "name": "World",
            "position": 0,
            "parent": None,
            "children": [
                {"name": "Asia", "path": "/world/asia", "parent": {"name": "World"}},
                {"name": "Europe", "path": "/world/europe", "parent": {"name": "World"}},
            ],
        },
    ]


async def test_a_section_never_stands_under_itself() -> None:
    a = await make_section("A")
    b = await make_section("B", a)
    c = await make_section("C", b)
    before = await dump()
    for parent in (a, b, c):
        with pytest.raises(Invalid) as refused:
            await taxonomy.update_section(SYSTEM, a, {"parent_id": parent})
        assert (refused.value.issues[0].field, refused.value.issues[0].code) == (("parentId",), "cycle")
    with pytest.raises(Invalid):
        await taxonomy.update_section(SYSTEM, a, {"parent_id": ids.new()})
    assert await dump() == before


async def test_two_moves_at_once_make_no_cycle() -> None:
    a, b = await make_section("A"), await make_section("B")
    done: list[Any] = await asyncio.gather(
        taxonomy.update_section(SYSTEM, a, {"parent_id": b}),
        taxonomy.update_section(SYSTEM, b, {"parent_id": a}),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == ["Invalid", "Section"]


async def test_a_section_in_use_is_deleted_only_when_its_stories_go_elsewhere() -> None:
    old, new = await make_section("Old"), await make_section("New")
    under = await make_section("Under", old)
    live = await make_article(status=PUBLISHED, section_id=old)
    draft = await make_article(section_id=old)
    pinned = await make_article(status=ArticleStatus.SCHEDULED, section_id=old)
    await articles.update(SYSTEM, pinned.article_id, {"section_id": None})
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await taxonomy.delete_section(SYSTEM, old, reassign_to=new)
    assert refused.value.issues[0].code == "has_children"
    assert await dump() == before
    await taxonomy.delete_section(SYSTEM, under)
    before = await dump()
    with pytest.raises(InUse, match="3 stories use"):
        await taxonomy.delete_section(SYSTEM, old)
    for bad in (old, ids.new()):
        with pytest.raises(Invalid) as refused:
            await taxonomy.delete_section(SYSTEM, old, reassign_to=bad)
        assert refused.value.issues[0].field == ("reassignToId",)
    assert await dump() == before
    await taxonomy.delete_section(SYSTEM, old, reassign_to=new)
    assert (await Live.get(article_id=live.article_id)).section_id == new
    assert (await Head.get(article_id=draft.article_id)).section_id == new
    assert (await Head.get(article_id=pinned.article_id)).section_id is None
    assert (await Revision.get(id=pinned.revision_id)).section_id == new
    assert await Section.all().count() == 1


async def test_deleting_touches_the_lists_of_the_stories_that_change_alone() -> None:
    old, new, ann, ben = (
        await make_section("Old"),
        await make_section("New"),
        await make_author("A"),
        await make_author("B"),
    )
    await publish((await make_article(section_id=new, byline=[{"author_id": ben}], tag_names=["x"])).article_id)
    there = "select 'live', ctid::text, * from live_term union all select 'head', ctid::text, * from head_term"
    before = [tuple(row) for row in await execute(there)]
    assert len(before) == 6
    await publish((await make_article(headline="Moved", section_id=old, byline=[{"author_id": ann}])).article_id)
    top, under = await make_section("Top"), await make_section("Under", old)
    await taxonomy.update_section(SYSTEM, old, {"parent_id": top})
    assert set(before) <= {tuple(row) for row in await execute(there)}
    assert await articles.listings.count_under(PUBLIC, Perspective.PUBLISHED, [top, old]) == {top: 1, old: 1}
    await taxonomy.delete_section(SYSTEM, under)
    await taxonomy.delete_section(SYSTEM, old, reassign_to=new)
    await taxonomy.delete_author(SYSTEM, ann, reassign_to=ben)
    after = [tuple(row) for row in await execute(there)]
    assert set(before) <= set(after) and len(after) == 10
    counts = await articles.listings.count_under(PUBLIC, Perspective.PUBLISHED, [old, new, ann, ben])
    assert counts == {new: 2, ben: 2}
    owed = [orjson.loads(row[0]) for row in await execute("select payload from pgqueuer where entrypoint = 'index'")]
    moved = await Head.get(headline="Moved")
    assert owed == [{"stories": [str(moved.article_id)]}]


async def test_publications_and_a_move_of_their_section_at_once_leave_the_lists_right() -> None:
    top, other = await make_section("Top"), await make_section("Other")
    section = await make_section("Moved", top)
    stories = await asyncio.gather(*(make_article(section_id=section) for _ in range(10)))
    await asyncio.gather(
        *(publish(each.article_id) for each in stories), taxonomy.update_section(SYSTEM, section, {"parent_id": other})
    )
    from_lists = await articles.listings.count_under(PUBLIC, Perspective.PUBLISHED, [top, other, section])
    assert from_lists == {other: 10, section: 10}


# ---------------------------------------------------------------- authors


async def test_a_deleted_author_leaves_stories_and_colleagues_as_they_are(api: Api) -> None:
    m, n = await make_author("M"), await make_author("N")
    for headline, byline in (("a", [m]), ("b", [m, n]), ("c", [n, m])):
        entries = [{"author_id": id, "role": f"role {headline}"} for id in byline]
        await make_article(status=PUBLISHED, headline=headline, byline=entries)
    before = await dump()
    with pytest.raises(InUse, match="3 stories use"):
        await taxonomy.delete_author(SYSTEM, m)
    assert await dump() == before
    await taxonomy.delete_author(SYSTEM, m, reassign_to=n)
    query = """{ articles(orderBy: {field: HEADLINE, direction: ASC}) { nodes {
      bylineText byline { author { name } role } } } }"""
    assert (await api(query))["articles"]["nodes"] == [
        {"bylineText": "N", "byline": [{"author": {"name": "N"}, "role": f"role {headline}"}]} for headline in "abc"
    ]
    assert (await api('{ author(slug: "n") { articleCount } }'))["author"]["articleCount"] == 3
    assert await Author.all().count() == 1


async def test_an_author_in_history_only_may_be_deleted_and_history_reads(api: Api) -> None:
    author = await make_author("M")
    story = await make_article(byline=[{"author_id": author}])
    await articles.update(SYSTEM, story.article_id, {"byline": []})
    await taxonomy.delete_author(SYSTEM, author)
    query = """query($id: ID!) { article(id: $id, perspective: DRAFT) {
      editorial { revisions { nodes { number byline { author { name } } bylineText } } } } }"""
    found = await api(query, id=ids.encode("Article", story.article_id), actor=await make_actor())
    assert [each["number"] for each in found["article"]["editorial"]["revisions"]["nodes"]] == [2, 1]


async def test_an_author_is_a_person_or_an_organisation_with_a_picture(api: Api) -> None:
    editor, picture = await make_actor(), await make_media()
    select = "... on Author { name slug kind bio portrait { altText } path }"
    portrait = {"mediaId": ids.encode("Media", picture.id), "altText": "Their logo"}
    done = await api.write(
        "createAuthor", {"name": "The Wire", "kind": "ORGANIZATION", "portrait": portrait}, select, actor=editor
    )
    assert done == {
        "__typename": "Author",
        "name": "The Wire",
        "slug": "the-wire",
        "kind": "ORGANIZATION",
        "bio": None,
        "portrait": {"altText": "Their logo"},
        "path": "/author/the-wire",
    }
    there = await dump()
    assert (await taxonomy.create_author(SYSTEM, name="the wire")).name == "The Wire"
    assert await dump() == there
    twin = await taxonomy.create_author(SYSTEM, name="The Wire", kind=AuthorKind.PERSON)
    assert (twin.slug, twin.kind) == ("the-wire-2", AuthorKind.PERSON)
    before = await dump()
    for changes, field in (({"kind": None}, "kind"), ({"name": None}, "name"), ({"bio": "x" * 5_001}, "bio")):
        refused = await api.write("updateAuthor", {"id": ids.encode("Author", twin.id)} | changes, actor=editor)
        assert (refused["code"], refused["issues"][0]["field"]) == ("INVALID", [field])
    assert await dump() == before


async def test_taxonomy_is_an_editors_to_change() -> None:
    writer = await make_actor(Role.CONTRIBUTOR)
    tag, section, author = await make_tag("t"), await make_section("s"), await make_author("a")
    before = await dump()
    for write in (
        taxonomy.create_tag(writer, name="x"),
        taxonomy.update_tag(writer, tag, {"name": "x"}),
        taxonomy.delete_tag(writer, tag),
        taxonomy.create_section(writer, name="x"),
        taxonomy.update_section(writer, section, {"name": "x"}),
        taxonomy.delete_section(writer, section),
        taxonomy.create_author(writer, name="x"),
        taxonomy.update_author(writer, author, {"name": "x"}),
        taxonomy.delete_author(writer, author),
    ):
        with pytest.raises(Forbidden):
            await write
    with pytest.raises(NotFound):
        await taxonomy.delete_tag(SYSTEM, ids.new())
    assert await dump() == before
