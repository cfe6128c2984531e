"""Lists of stories: pages, orders, filters, counts and facets, and what they cost."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tortoise.backends.asyncpg.client import AsyncpgDBClient

from cms import articles, database, listings, taxonomy, workflow
from cms.keyset import Listing, Paging
from cms.listings import ArticleOrderField, Order
from cms.models import ArticleStatus, Head, Live, Role
from cms.permissions import PUBLIC, SYSTEM, Perspective
from cms.workflow import Transition
from tests.conftest import Api
from tests.factories import (
    execute,
    make_actor,
    make_article,
    make_author,
    make_media,
    make_section,
    publish,
)

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED
MOMENT = datetime(2027, 3, 29, 1, 30, tzinfo=UTC)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements that are run inside."""
    seen: list[str] = []
    plain, past_tortoise = AsyncpgDBClient.execute_query, database.rows

    async def noted(self: AsyncpgDBClient, query: str, values: list[Any] | None = None) -> Any:
        seen.append(query)
        return await plain(self, query, values)

    async def rows(query: str, *params: Any) -> Any:
        seen.append(query)
        return await past_tortoise(query, *params)

    with patch.object(AsyncpgDBClient, "execute_query", noted), patch.object(database, "rows", rows):
        yield seen


async def walk(listing: Listing, size: int, *, backward: bool = False) -> list[UUID]:
    """All rows, page by page; every edge of every page is checked."""
    found: list[UUID] = []
    cursor: str | None = None
    while True:
        paging = Paging.of(None, None, size, cursor) if backward else Paging.of(size, cursor)
        page = await listing.page(paging)
        rows = [row[0] for row in page.rows]
        found = rows + found if backward else found + rows
        before, after = (await page.has_previous(), await page.has_next())
        start = cursor is None
        assert (after if backward else before) is (not start)
        if not (before if backward else after):
            return found
        cursor = page.cursors[0] if backward else page.cursors[-1]


async def live(*order: Order, **more: Any) -> Listing:
    return await listings.articles(PUBLIC, Perspective.PUBLISHED, order=order, **more)


@pytest.mark.parametrize("count", [28, 30])
async def test_thirty_stories_of_one_moment_each_come_once_both_ways(count: int) -> None:
    stories = [await make_article(status=PUBLISHED, headline=f"Title {n // 5}") for n in range(count)]
    await execute("update live set published_at = $1", MOMENT)
    ids = {story.article_id for story in stories}
    for order in ((), (Order(ArticleOrderField.HEADLINE, False),), (Order(ArticleOrderField.UPDATED_AT, True),)):
        listing = await live(*order)
        forward, backward = await walk(listing, 7), await walk(listing, 7, backward=True)
        assert len(forward) == count and set(forward) == ids
        assert backward == forward
    assert await walk(await live(), 7) == sorted(ids, reverse=True)


async def test_late_and_taken_stories_lose_and_repeat_nothing() -> None:
    stories = [(await make_article()).article_id for _ in range(8)]
    for id in (*stories[:4], *stories[5:]):
        await publish(id)
    listing = await live()
    page = await listing.page(Paging.of(3, None))
    seen = [row[0] for row in page.rows]
    assert seen == [stories[7], stories[6], stories[5]]
    await publish(stories[4])
    await workflow.transition(SYSTEM, stories[5], Transition.UNPUBLISH)
    rest = await listing.page(Paging.of(10, page.cursors[-1]))
    assert [row[0] for row in rest.rows] == [stories[3], stories[2], stories[1], stories[0]]
    first = await listing.page(Paging.of(1, None))
    assert first.rows[0][0] == stories[4]
    assert [row[0] for row in (await listing.page(Paging.of(9, first.cursors[0]))).rows][:2] == stories[7:5:-1]


@pytest.mark.parametrize("descending", [True, False])
async def test_stories_without_a_date_come_last_both_ways_and_once(descending: bool) -> None:
    stories = [(await make_article()).article_id for _ in range(10)]
    for id in stories[:5]:
        await publish(id)
    listing = await listings.articles(
        SYSTEM, Perspective.DRAFT, order=[Order(ArticleOrderField.PUBLISHED_AT, descending)]
    )
    forward = await walk(listing, 3)
    dated, undated = stories[:5], stories[5:]
    assert forward == (dated[::-1] + undated[::-1] if descending else dated + undated)
    assert await walk(listing, 3, backward=True) == forward


ORDERS = st.lists(st.tuples(st.sampled_from(list(ArticleOrderField)), st.booleans()), max_size=4)
MOMENTS = st.lists(st.integers(0, 2), min_size=12, max_size=12)


async def test_walking_either_way_gives_each_story_once() -> None:
    stories = [(await make_article(headline=f"H{n % 3}")).article_id for n in range(12)]
    for id in stories[::2]:
        await publish(id)

    async def check(order: list[tuple[ArticleOrderField, bool]], size: int, moments: list[int]) -> None:
        await execute(
            "update article set created_at = at, published_at = case when m > 0 then at end from "
            "(select id, m, $1::timestamptz + m * interval '1 s' as at from unnest($2::uuid[], $3::int[]) y (id, m)) x "
            "where article.id = x.id",
            MOMENT,
            stories,
            moments,
        )
        orders = [Order(field, descending) for field, descending in order]
        listing = await listings.articles(SYSTEM, Perspective.DRAFT, order=orders)
        forward = await walk(listing, size)
        assert sorted(forward) == stories
        assert await walk(listing, size, backward=True) == forward

    # Hypothesis calls what is not a coroutine: the examples are drawn first, and checked in this test's own loop.
    examples: list[Any] = []

    @settings(max_examples=15, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(ORDERS, st.integers(1, 13), MOMENTS)
    def draw(order: list[tuple[ArticleOrderField, bool]], size: int, moments: list[int]) -> None:
        examples.append((order, size, moments))

    draw()
    for example in examples:
        await check(*example)


# ---------------------------------------------------------------- filters


async def names(filter: dict[str, Any], *, drafts: bool = False) -> list[str]:
    perspective, actor = (Perspective.DRAFT, SYSTEM) if drafts else (Perspective.PUBLISHED, PUBLIC)
    listing = await listings.articles(
        actor, perspective, filter=filter, order=[Order(ArticleOrderField.HEADLINE, False)]
    )
    model = Head if drafts else Live
    rows = [row[0] for row in (await listing.page(Paging.of(100, None))).rows]
    found = {row.article_id: row.headline for row in await model.filter(article_id__in=rows)}
    assert await listing.count() == len(rows) == len(set(rows))
    return [found[id] for id in rows]


async def test_filters_by_tag_author_and_section() -> None:
    ann, bob = await make_author("Ann"), await make_author("Bob")
    world = await make_section("World")
    europe = await make_section("Europe", world)
    sport = await make_section("Sport")
    await make_article(
        status=PUBLISHED,
        headline="P",
        tag_names=["news", "sponsored", "x"],
        byline=[{"author_id": ann}, {"author_id": bob}],
        section_id=europe,
    )
    await make_article(
        status=PUBLISHED, headline="Q", tag_names=["news"], byline=[{"author_id": bob}], section_id=sport
    )
    await make_article(status=PUBLISHED, headline="R", section_id=world)
    await make_article(status=PUBLISHED, headline="S")
    news = (await Live.get(headline="Q")).tag_ids[0]
    await taxonomy.update_tag(SYSTEM, news, {"aliases": ["Nouvelles"]})
    for filter, expected in (
        ({"tags": {"any_of": ["news", "sponsored", "x"]}}, "PQ"),
        ({"tags": {"any_of": ["nouvelles"]}}, "PQ"),
        ({"tags": {"all_of": ["news", "sponsored"]}}, "P"),
        ({"tags": {"all_of": ["news", "unknown"]}}, ""),
        ({"tags": {"none_of": ["sponsored"]}}, "QRS"),
        ({"tags": {"any_of": ["news"], "none_of": ["sponsored"]}}, "Q"),
        ({"tags": {"none_of": ["unknown"]}}, "PQRS"),
        ({"tags": {"any_of": []}}, ""),
        ({"tags": {"all_of": []}}, "PQRS"),
        ({"tags": {"none_of": []}}, "PQRS"),
        ({"tags": {}}, "PQRS"),
        ({"authors": {"any_of": ["ann", "bob"]}}, "PQ"),
        ({"authors": {"none_of": ["ann"]}}, "QRS"),
        ({"section": {"eq": "world"}}, "PR"),
        ({"section": {"eq": "unknown"}}, ""),
        ({"section": {"in": ["europe", "sport"]}}, "PQ"),
        ({"section": {"in": []}}, ""),
        ({"section": {"not_in": ["world"]}}, "QS"),
        ({"section": {"not_in": []}}, "PQRS"),
        ({"section": {"is_null": True}}, "S"),
        ({"section": {"is_null": False}}, "PQR"),
        ({"not": {"section": {"eq": "world"}}}, "QS"),
        ({"not": {"tags": {"any_of": ["news"]}}}, "RS"),
        ({"and": [{"section": {"eq": "world"}}, {"tags": {"any_of": ["news"]}}]}, "P"),
        ({"or": [{"section": {"is_null": True}}, {"tags": {"any_of": ["sponsored"]}}]}, "PS"),
        ({"or": []}, ""),
        ({"and": []}, "PQRS"),
        ({}, "PQRS"),
    ):
        assert "".join(await names(filter)) == expected, filter
        assert "".join(await names(filter, drafts=True)) == expected, filter


async def test_filters_by_id_locale_instant_picture_status_and_trash() -> None:
    picture = await make_media()
    a = await make_article(status=PUBLISHED, headline="A", lead_media={"media_id": picture.id})
    b = await make_article(headline="B")
    c = await make_article(status=ArticleStatus.SCHEDULED, headline="C")
    d = await make_article(headline="D")
    await workflow.transition(SYSTEM, d.article_id, Transition.TRASH)
    for table, column in (("live", "article_id"), ("article", "id")):
        await execute(f"update {table} set published_at = $1 where {column} = $2", MOMENT, a.article_id)
    second = timedelta(seconds=1)
    for filter, drafts, live_ in (
        ({"id": {"in": [a.article_id, b.article_id]}}, "AB", "A"),
        ({"id": {"in": []}}, "", ""),
        ({"id": {"not_in": []}}, "ABC", "A"),
        ({"id": {"not_in": [a.article_id]}}, "BC", ""),
        ({"locale": {"eq": "en"}}, "ABC", "A"),
        ({"locale": {"not_in": ["en"]}}, "", ""),
        ({"published_at": {"eq": MOMENT}}, "A", "A"),
        ({"published_at": {"gt": MOMENT}}, "", ""),
        ({"published_at": {"gte": MOMENT, "lte": MOMENT}}, "A", "A"),
        ({"published_at": {"lt": MOMENT + second, "gt": MOMENT - second}}, "A", "A"),
        ({"published_at": {"is_null": True}}, "BC", ""),
        ({"not": {"published_at": {"lt": MOMENT}}}, "ABC", "A"),
        ({"has_lead_media": True}, "A", "A"),
        ({"has_lead_media": False}, "BC", ""),
        ({"status": {"in": ["SCHEDULED", "PUBLISHED"]}}, "AC", None),
        ({"status": {"in": []}}, "", None),
        ({"status": {"not_in": ["SCHEDULED"]}}, "AB", None),
        ({"publish_at": {"is_null": False}}, "C", None),
        ({"trashed": True}, "D", None),
        ({"trashed": False}, "ABC", None),
    ):
        assert "".join(await names(filter, drafts=True)) == drafts, filter
        if live_ is not None:
            assert "".join(await names(filter)) == live_, filter
    assert c.headline == "C"


async def publish_again(id: UUID) -> None:
    await articles.update(SYSTEM, id, {"dek": "again"})
    await publish(id)


ASK = """query($filter: ArticleFilter, $orderBy: [ArticleOrder!], $first: Int, $last: Int, $after: String,
  $p: Perspective) {
  articles(filter: $filter, orderBy: $orderBy, first: $first, last: $last, after: $after, perspective: $p) {
    totalCount nodes { headline } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


@pytest.mark.parametrize(
    "filter",
    [
        {"status": {"in": ["DRAFT"]}},
        {"publishAt": {"isNull": True}},
        {"trashed": True},
        {"not": {"or": [{"and": [{"trashed": False}]}]}},
    ],
)
async def test_what_only_staff_may_filter_by_is_an_error_for_readers(api: Api, filter: dict[str, Any]) -> None:
    answer = await api.answer(ASK, filter=filter)
    assert answer["data"] == {"articles": None}
    assert answer["errors"][0]["extensions"]["issues"][0]["code"] == "staff_only"
    staff = await make_actor(Role.CONTRIBUTOR)
    assert (await api(ASK, filter=filter, p="DRAFT", actor=staff))["articles"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("filter", "field"),
    [
        ({"section": None}, "section"),
        ({"tags": {"anyOf": None}}, "anyOf"),
        ({"id": {"in": None}}, "in"),
        ({"and": None}, "and"),
        ({"or": [{"hasLeadMedia": None}]}, "hasLeadMedia"),
        ({"not": None}, "not"),
        ({"publishedAt": {"gt": None}}, "gt"),
    ],
)
async def test_null_in_a_filter_is_an_error_that_names_it(api: Api, filter: dict[str, Any], field: str) -> None:
    answer = await api.answer(ASK, filter=filter)
    issue = answer["errors"][0]["extensions"]["issues"][0]
    assert (issue["code"], issue["field"][-1]) == ("null", field)


async def test_a_filter_that_is_too_large_is_refused(api: Api) -> None:
    deep: dict[str, Any] = {}
    for _ in range(6):
        deep = {"not": deep}
    for filter in (deep, {"or": [{}] * 51}, {"id": {"in": ["x"] * 501}}):
        assert await api.errors(ASK, filter=filter) == ["INVALID"]


async def test_numbers_of_a_page(api: Api) -> None:
    for _ in range(3):
        await make_article(status=PUBLISHED)
    for wish, count in (({}, 3), ({"first": None}, 3), ({"first": 100}, 3), ({"first": 2}, 2), ({"last": 1}, 1)):
        assert len((await api(ASK, **wish))["articles"]["nodes"]) == count
    nothing = (await api(ASK, first=0))["articles"]
    assert (nothing["nodes"], nothing["totalCount"]) == ([], 3)
    assert nothing["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    for bad in ({"first": -1}, {"first": 101}, {"last": -1}, {"last": 101}, {"first": 1, "last": 1}):
        assert await api.errors(ASK, **bad) == ["INVALID"], bad
    assert len((await api(ASK, orderBy=None))["articles"]["nodes"]) == 3


async def test_a_page_between_two_cursors_knows_what_stands_on_either_side() -> None:
    for _ in range(5):
        await make_article(status=PUBLISHED)
    listing = await live()
    cursors = (await listing.page(Paging.of(5, None))).cursors
    inside = await listing.page(Paging(10, False, cursors[0], cursors[4]))
    assert len(inside.rows) == 3
    assert (await inside.has_previous(), await inside.has_next()) == (True, True)
    inside = await listing.page(Paging(10, True, cursors[0], cursors[4]))
    assert (await inside.has_previous(), await inside.has_next()) == (True, True)


def cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).rstrip(b"=").decode()


NIL = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "é",
        "====",
        "A" * 10_000,
        cursor(),
        cursor("-PUBLISHED_AT,-ID"),
        cursor("-PUBLISHED_AT,-ID", "2027-01-01T00:00:00", NIL),
        cursor("-PUBLISHED_AT,-ID", None, NIL),
        cursor("-PUBLISHED_AT,-ID", "2027-01-01T00:00:00+00:00", "x"),
        cursor("-PUBLISHED_AT,-ID", 5, NIL),
        cursor("-PUBLISHED_AT,-ID", "2027-01-01T00:00:00+00:00", NIL, "more"),
        cursor("-HEADLINE,-ID", "x", NIL),
        cursor("PUBLISHED_AT,ID", "2027-01-01T00:00:00+00:00", NIL),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"5").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
async def test_a_cursor_that_is_forged_or_of_another_order_is_refused(api: Api, forged: str) -> None:
    answer = await api.answer(ASK, after=forged)
    assert answer["data"] == {"articles": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert answer["errors"][0]["extensions"]["issues"][0]["field"] == ["after"]


async def test_created_at_orders_drafts_only(api: Api) -> None:
    editor = await make_actor()
    await make_article(headline="A")
    order = [{"field": "CREATED_AT"}]
    assert await api.errors(ASK, orderBy=order) == ["INVALID"]
    assert (await api(ASK, orderBy=order, p="DRAFT", actor=editor))["articles"]["totalCount"] == 1


# ---------------------------------------------------------------- counts


async def test_counts_and_facets_are_those_of_the_filtered_list(api: Api) -> None:
    world = await make_section("World")
    europe = await make_section("Europe", world)
    ann = await make_author("Ann")
    for n, section in enumerate((world, europe, europe, None)):
        await make_article(
            status=PUBLISHED,
            tag_names=["all", f"t{n % 2}"],
            section_id=section,
            byline=[{"author_id": ann}] if n else [],
        )
    await make_article(tag_names=["all", "hidden"], section_id=world, byline=[{"author_id": ann}])
    query = """query($f: ArticleFilter) { articles(filter: $f, first: 1) { totalCount facets {
      sections { section { slug } count } tags(first: 2) { tag { slug } count } authors { author { slug } count }
    } } tag(slug: "all") { articleCount } author(slug: "ann") { articleCount }
      sections { articleCount articles { totalCount } children { articleCount } } }"""
    found = await api(query)
    assert found["articles"] == {
        "totalCount": 4,
        "facets": {
            "sections": [{"section": {"slug": "europe"}, "count": 2}, {"section": {"slug": "world"}, "count": 1}],
            "tags": [{"tag": {"slug": "all"}, "count": 4}, {"tag": {"slug": "t0"}, "count": 2}],
            "authors": [{"author": {"slug": "ann"}, "count": 3}],
        },
    }
    assert (found["tag"]["articleCount"], found["author"]["articleCount"]) == (4, 3)
    assert found["sections"] == [{"articleCount": 3, "articles": {"totalCount": 3}, "children": [{"articleCount": 2}]}]
    found = (await api(query, f={"section": {"eq": "world"}}))["articles"]
    assert (found["totalCount"], found["facets"]["authors"][0]["count"]) == (3, 2)


async def test_counts_and_facets_cost_nothing_unless_asked(api: Api) -> None:
    await make_article(status=PUBLISHED, tag_names=["a"])
    with statements() as plain:
        await api("{ articles { nodes { headline } } }")
    assert not [each for each in plain if "count(*)" in each]
    with statements() as counted:
        await api("{ articles { totalCount } }")
    assert not [each for each in counted if "count(*)" in each]
    assert len([each for each in counted if "from term_count" in each]) == 1
    assert len(counted) <= len(plain)
    with statements() as faceted:
        await api("{ articles { nodes { headline } facets { tags { count } } } }")
    assert len([each for each in faceted if "count(*)" in each]) == 1


async def test_a_list_under_a_term_is_read_from_the_derived_table() -> None:
    story = await make_article(status=PUBLISHED, tag_names=["a"])
    with statements() as seen:
        listing = await live(term_id=story.tag_ids[0])
        assert [row[0] for row in (await listing.page(Paging.of(20, None))).rows] == [story.article_id]
    assert len(seen) == 1
    assert "live_term" in seen[0] and "order by t.published_at desc, t.article_id desc" in seen[0]


async def test_the_derived_tables_follow_every_change_and_a_rebuild_changes_nothing() -> None:
    world = await make_section("World")
    europe, sport = await make_section("Europe", world), await make_section("Sport")
    story = await make_article(status=PUBLISHED, tag_names=["a"], section_id=europe)
    await make_article(status=PUBLISHED, tag_names=["a", "c"], section_id=europe)
    await articles.update(SYSTEM, story.article_id, {"tag_names": ["b"], "section_id": sport})

    async def rows(table: str) -> set[UUID]:
        return {row[0] for row in await execute(f"select term_id from {table} where article_id = $1", story.article_id)}

    head = await Head.get(article_id=story.article_id)
    assert await rows("live_term") == {story.tag_ids[0], europe, world}
    assert await rows("head_term") == {head.tag_ids[0], sport}
    await taxonomy.update_section(SYSTEM, europe, {"parent_id": sport})
    assert await rows("live_term") == {story.tag_ids[0], europe, sport}
    tables = ("live_term", "head_term", "term_count")

    async def derived() -> list[list[tuple[Any, ...]]]:
        return [[tuple(row) for row in await execute(f"select * from {table} order by 1, 2")] for table in tables]

    before = await derived()
    assert sorted(n for _, n in before[2]) == [1, 2, 2, 2, 2]  # c; a, Europe, Sport, and all
    await listings.rebuild()
    assert await derived() == before
    await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
    after = await derived()
    assert sorted(n for _, n in after[2]) == [1, 1, 1, 1, 1]
    await listings.rebuild()
    assert await derived() == after


async def test_a_count_under_a_term_or_of_all_is_kept_and_is_that_of_a_recount(api: Api) -> None:
    world = await make_section("World")
    ann = await make_author("Ann")
    stories = [
        await make_article(status=PUBLISHED, tag_names=["a"], section_id=world, byline=[{"author_id": ann}])
        for _ in range(3)
    ]
    await publish_again(stories[0].article_id)
    await workflow.transition(SYSTEM, stories[1].article_id, Transition.WITHDRAW, wish=workflow.Wish(notice="wrong"))
    query = """{ articles { totalCount } tag(slug: "a") { articleCount articles { totalCount } }
      author(slug: "ann") { articles { totalCount } } section(slug: "world") { articles { totalCount } }
      byTag: articles(filter: {tags: {anyOf: ["a"]}}) { totalCount } }"""
    with statements() as seen:
        found = await api(query)
    assert found == {
        "articles": {"totalCount": 2},
        "tag": {"articleCount": 2, "articles": {"totalCount": 2}},
        "author": {"articles": {"totalCount": 2}},
        "section": {"articles": {"totalCount": 2}},
        "byTag": {"totalCount": 2},
    }
    assert not [each for each in seen if "count(" in each]
    counted = "select term_id, count(*) from live_term group by 1 union all select $1, count(*) from live order by 1"
    assert [tuple(row) for row in await execute(counted, listings.EVERY)] == [
        tuple(row) for row in await execute("select term_id, n from term_count order by 1")
    ]


async def test_a_list_under_any_of_several_terms_is_a_page_under_each(api: Api) -> None:
    world = await make_section("World")
    europe = await make_section("Europe", world)
    for n in range(12):
        tags = [name for name, every in (("two", 2), ("three", 3), ("four", 4)) if n % every == 0]
        await make_article(status=PUBLISHED, headline=f"{n:02}", tag_names=tags, section_id=europe if n % 2 else world)
    ask = """query($f: ArticleFilter, $after: String) { articles(filter: $f, first: 3, after: $after) {
      totalCount nodes { headline } pageInfo { hasNextPage hasPreviousPage endCursor }
      facets { sections { section { slug } count } } } }"""

    async def walk(filter: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        found, after, first = [], None, {}
        while True:
            page = (await api(ask, f=filter, after=after))["articles"]
            first = first or page
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            found += [node["headline"] for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                return found, first
            after = page["pageInfo"]["endCursor"]

    any_of = {"tags": {"anyOf": ["two", "three", "four", "unknown"]}}
    with statements() as seen:
        found, first = await walk(any_of)
    assert found == ["10", "09", "08", "06", "04", "03", "02", "00"]
    assert first["totalCount"] == 8
    assert first["facets"]["sections"] == [
        {"section": {"slug": "world"}, "count": 6},
        {"section": {"slug": "europe"}, "count": 2},
    ]
    assert [each for each in seen if "cross join lateral" in each]
    for filter, expected in (
        ({"tags": {"anyOf": ["two", "three"], "noneOf": ["four", "two"]}}, ["09", "03"]),
        ({"tags": {"anyOf": ["four", "three"]}, "section": {"eq": "europe"}}, ["09", "03"]),
        ({"and": [{"tags": {"anyOf": ["four", "three"]}}, {"section": {"in": ["europe"]}}]}, ["09", "03"]),
        ({"section": {"in": ["world", "europe"]}, "tags": {"allOf": ["four"]}}, ["08", "04", "00"]),
        ({"tags": {"anyOf": ["unknown", "nowhere"]}}, []),
        ({"tags": {"anyOf": []}}, []),
    ):
        found, first = await walk(filter)
        assert (found, first["totalCount"]) == (expected, len(expected)), filter
