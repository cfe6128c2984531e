"""Search: what is found by which words, in which order, and by whom; that no query breaks it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tortoise import connections

from cms import articles, clock, newsroom, related, schedules, search, taxonomy, workflow
from cms.database import transaction
from cms.models import ArticleStatus, Role
from cms.permissions import PUBLIC, SYSTEM, Perspective
from cms.search import finding
from cms.search.finding import distance
from cms.search.index import MAX_POSITION, MAX_POSITIONS, Vector, spellings
from cms.search.query import parse
from cms.search.words import fold, words
from cms.worker import HANDLERS
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import execute, make_actor, make_article, make_author, make_section, publish

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED


async def story(headline: str, **given: Any) -> UUID:
    return (await make_article(status=PUBLISHED, headline=headline, **given)).article_id


async def found(query: str, perspective: Perspective = Perspective.PUBLISHED, actor: Any = PUBLIC) -> list[str]:
    """Headlines, the best first."""
    result = await search.find(actor, perspective, query)
    return await headlines(result, "live" if perspective is Perspective.PUBLISHED else "head")


async def headlines(result: search.Found, table: str) -> list[str]:
    rows = await execute(
        f"select f.article_id, h.headline from (select {result.ranked.select}, score from {result.ranked.source}) f "
        f"join {table} h on h.article_id = f.article_id "
        "order by f.score desc, f.article_id desc",
        *result.ranked.where.params,
    )
    return [row[1] for row in rows]


async def index() -> list[tuple[Any, ...]]:
    """All of the index, as comparable rows."""
    rows = await execute(
        "select 'live', article_id::text, published_at::text, vector::text from live_search union all "
        "select 'head', article_id::text, updated_at::text, vector::text from head_search union all "
        "select 'word', word, stories::text, '' from live_word where stories > 0 order by 1, 2"
    )
    return [tuple(row) for row in rows]


async def do_jobs() -> None:
    for kind, payload in await execute("select entrypoint, payload from pgqueuer order by id"):
        await HANDLERS[kind](orjson.loads(payload))
    await execute("delete from pgqueuer")


# ---------------------------------------------------------------- words (BC-09)


@pytest.mark.parametrize("place", ["headline", "body", "tag"])
async def test_bc09_case_and_accents_do_not_count_in_any_script(place: str) -> None:
    titles = ["Москва не спит", "ΑΘΗΝΑ 2004", "École en grève", "Straße gesperrt", "İstanbul", "深度優先搜尋入門"]
    for number, title in enumerate(titles):
        if place == "headline":
            await story(title)
        elif place == "body":
            await story(f"Number {number}", body={"html": f"<p>{title}</p>"})
        else:
            await story(f"Number {number}", tag_names=[title])
    names = titles if place == "headline" else [f"Number {number}" for number in range(len(titles))]
    for query, expected in (
        ("москва", 0),
        ("МОСКВА", 0),
        ("αθηνα", 1),
        ("αθήνα", 1),
        ("ecole", 2),
        ("e\u0301cole", 2),
        ("GREVE", 2),
        ("STRASSE", 3),
        ("strasse", 3),
        ("istanbul", 4),
        ("ISTANBUL", 4),
        ("優先", 5),
        ("入門 優先", 5),
        ("優", 5),
        ("門", 5),
    ):
        assert await found(query) == [names[expected]], query


async def test_bc09_composed_and_decomposed_are_one() -> None:
    await story("서울의 봄")
    await story("ガソリン")
    await story("Une soirée d'été à Orléans")
    assert await found("서울") == ["서울의 봄"]  # as macOS types file names
    assert await found("ｶﾞｿﾘﾝ") == ["ガソリン"]
    assert await found("ÉTÉ orleans") == ["Une soirée d'été à Orléans"]


async def test_words_are_stemmed_in_the_language_of_their_story() -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr", "de"]})
    await story("Councils were debating")
    await story("Les conseillères débattent", locale="fr")
    await story("Häuser am Hafen", locale="de")
    assert await found("council debate") == ["Councils were debating"]
    assert await found("conseiller") == ["Les conseillères débattent"]
    assert await found("haus hafens") == ["Häuser am Hafen"]


# ---------------------------------------------------------------- queries (BC-10)


async def test_bc10_punctuation_is_looked_for_as_it_stands_and_breaks_nothing() -> None:
    titles = ["Driver’s strike", "100% renewable", "file_name leak", "C++ at 40", '"Quoted" words']
    for title in titles:
        await story(title)
    expected = {
        "driver's": [0],
        "driver’s": [0],
        "drivers": [0],
        "100%": [1],
        "100 %": [1],
        "_": [2],
        "file_name": [2],
        "filename": [2],
        "%": [1],
        '"': [],
        "\\": [],
        "C++": [3],
        "c+": [3],
        "AND": [],
        "-strike": [],
        "(": [],
        "leak*": [2],
        "ren*": [1],
        '"quoted words"': [4],
        '"quoted': [4],
        '"words quoted"': [],
        "": [],
        "   ": [],
        "words -quoted": [],
        "words -strike": [4],
        "renewable OR leak": [],
        "'": [],
        ":*": [],
        "strike & !driver": [],
        "foo <-> bar": [],
        "\0": [],
        "\ud83d strike": [0],
    }
    for query, numbers in expected.items():
        assert await found(query) == [titles[n] for n in numbers], query


async def test_bc10_a_query_is_refused_where_it_is_too_long_and_says_so(api: Api) -> None:
    await story("One")
    document = "query($q: String!) { search(query: $q) { totalCount } }"
    assert await api(document, q="one " * 250) == {"search": {"totalCount": 1}}
    answer = await api.answer(document, q="a" * 5_000)
    assert answer["data"] == {"search": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert "at most 1000 characters" in answer["errors"][0]["message"]


async def test_emoji_and_symbols_are_words() -> None:
    await story("🗳️ Election night")
    await story("A dollar is $1.10")
    assert await found("🗳") == ["🗳️ Election night"]
    assert await found("$1.10") == ["A dollar is $1.10"]
    assert await found("🎉") == []


_SETTINGS = settings(
    max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
_ODD = st.text(st.sampled_from("ab ‘’'\"“-−*&|!():<>\\%_\0\ud800é\u0301優先ทีे🎉\u200d\n0.9"), max_size=60)


async def test_no_query_breaks_it() -> None:
    await story("ab 優先 9 é")
    connection = connections.get("default")

    @_SETTINGS
    @given(st.lists(st.one_of(_ODD, st.text(max_size=200)), min_size=20, max_size=20))
    def collect(queries: list[str]) -> None:
        collected.extend(queries)

    collected: list[str] = []
    collect()
    assert len(collected) > 1_000
    asked = {parse(query).as_tsquery({}) for query in collected} - {None}
    assert len(asked) > 200
    for query in asked:
        await connection.execute_query("select count(*) from live_search where vector @@ $1::tsquery", [query])
    for query in collected[:300]:
        await found(query)


@_SETTINGS
@given(st.one_of(_ODD, st.text(max_size=200)))
def test_every_word_of_a_text_is_found_in_it(text: str) -> None:
    every = {word.text for word in words(text)}
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)
    query = parse(text)
    for part in query.parts:
        if not part.excluded and not part.is_open:
            assert {word.text for word in part.words} <= every


@_SETTINGS
@given(
    st.lists(
        st.tuples(st.one_of(_ODD, st.text(max_size=200)), st.integers(1, 40), st.sampled_from("ABCD")), max_size=4
    ),
    st.sampled_from([0, 2, 5]),
)
def test_a_story_is_found_by_each_word_at_each_place_however_often_it_comes(
    texts: list[tuple[str, int, str]], cut: int
) -> None:
    written = [(f"{text} " * often, weight) for text, often, weight in texts]
    stems = {word.text: word.text[:cut] or None for text, _ in written for word in words(text)}
    vector = Vector(stems)
    for text, weight in written:
        vector.add(text.split(), weight)
    places: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    begin = 1
    for text, weight in written:
        last = begin - 2
        for word in words(text):
            last = max(last, begin + word.position)
            if begin + word.position > MAX_POSITION:
                break
            for lexeme in {word.text: 1, stems[word.text] or word.text: 1}:
                if len(places.setdefault(lexeme, [])) < MAX_POSITIONS:
                    places[lexeme].append(f"{begin + word.position}{weight}")
        begin = last + 2
    assert list(vector.places.items()) == list(places.items())
    # What is spelled need not be indexed: a text may be longer than the index is.
    for text, _ in written:
        for word in words(text):
            plain = not (word.is_dense or word.is_joined or word.is_symbol)
            if plain and word.text.isalpha() and 4 <= len(word.text) <= 30:
                spelled.setdefault(word.text, text[word.start : word.end].lower())
    assert spellings([run for text, _ in written for run in text.split()]) == spelled


def test_a_long_query_is_cut_and_not_refused_by_its_parser() -> None:
    assert len(parse("word " * 5_000).parts) == 24
    assert len(parse("優" * 5_000).parts[0].words) == 40
    assert parse("a" * 5_000).parts[0].words[0].text == "a" * 100
    assert fold("ŁÓDŹ Ærø Đorđe ﬁn") == "lodz aero dorde fin"


# ---------------------------------------------------------------- what readers find


async def test_readers_find_live_text_only_and_staff_find_drafts(api: Api) -> None:
    editor = await make_actor(Role.EDITOR)
    id = await story("Tunnel opens", body={"html": "<p>Ferries.</p>"})
    await articles.update(SYSTEM, id, {"headline": "Viaduct opens", "body": {"html": "<p>Secretive.</p>"}})
    draft = await make_article(headline="Tunnel memo")
    assert await found("tunnel") == ["Tunnel opens"]
    assert await found("viaduct") == await found("secretive") == await found("memo") == []
    assert sorted(await found("opens", Perspective.DRAFT, editor)) == ["Viaduct opens"]
    assert await found("tunnel", Perspective.DRAFT, editor) == ["Tunnel memo"]
    stranger = await make_actor(Role.CONTRIBUTOR)
    assert await found("tunnel", Perspective.DRAFT, stranger) == []
    await publish(id)
    assert await found("tunnel") == [] and await found("viaduct secretive") == ["Viaduct opens"]
    await workflow.transition(SYSTEM, draft.article_id, Transition.TRASH)
    assert await found("memo", Perspective.DRAFT, editor) == []
    await workflow.transition(SYSTEM, id, Transition.UNPUBLISH)
    assert await found("viaduct") == []
    assert await execute("select * from live_word where stories <> 0") == []
    await publish((await make_article(headline="Viaduct again")).article_id)
    assert await found("viaduct") == ["Viaduct again"]


async def test_l5_words_of_what_is_not_public_are_not_found(api: Api) -> None:
    id = await story("Plain")
    await articles.update_editorial(SYSTEM, id, {"note": "zanzibar"})
    await make_article(status=ArticleStatus.SCHEDULED, headline="Zanzibar")
    gone = await story("Zanzibar too")
    await workflow.transition(SYSTEM, gone, Transition.WITHDRAW, wish=Wish(notice="Wrong about Zanzibar."))
    data = await api('{ search(query: "zanzibar") { totalCount nodes { id } didYouMean } }')
    assert data == {"search": {"totalCount": 0, "nodes": [], "didYouMean": None}}
    data = await api('{ search(query: "zanzibra") { totalCount nodes { id } didYouMean } }')
    assert data == {"search": {"totalCount": 0, "nodes": [], "didYouMean": None}}


async def test_a_headline_counts_more_than_a_dek_and_a_dek_more_than_a_text() -> None:
    tag = await story("Tagged", tag_names=["Harbour"])
    await story("Bodied", body={"html": "<p>The harbour.</p>"})
    await story("Dekked", dek="At the harbour")
    await story("The harbour")
    await execute("update live_search set published_at = now()")
    assert await found("harbour") == ["The harbour", "Dekked", "Tagged", "Bodied"]
    assert tag


async def test_of_two_that_fit_alike_the_fresher_comes_first_and_a_much_better_fit_beats_freshness() -> None:
    old = await story("Harbour report")
    await story("Harbour story")
    await story("Other", body={"html": "<p>harbour</p>"})
    await execute("update live_search set published_at = now() - interval '400 days' where article_id = $1", old)
    assert await found("harbour") == ["Harbour story", "Harbour report", "Other"]


async def test_the_last_word_may_be_unfinished_and_a_phrase_stands_together() -> None:
    await story("Climate change in the north")
    await story("A change of climate")
    assert sorted(await found("clim")) == ["A change of climate", "Climate change in the north"]
    assert await found("nor") == ["Climate change in the north"]
    assert await found("nort climate") == []
    assert await found('"climate change"') == ["Climate change in the north"]
    assert await found("change -north") == ["A change of climate"]
    assert sorted(await found("the climate")) == ["A change of climate", "Climate change in the north"]


async def test_names_of_authors_tags_and_their_aliases_find_stories_and_follow_a_change() -> None:
    ann = await make_author("Zoë Núñez")
    one = await story("One", byline=[{"author_id": ann}], tag_names=["Ferries"])
    live = (await articles.newest(one)).tag_ids[0]
    assert await found("zoe nunez") == ["One"] and await found("ferry") == ["One"]
    await taxonomy.update_tag(SYSTEM, live, {"name": "Boats", "aliases": ["Ferries", "Ships"]})
    await taxonomy.update_author(SYSTEM, ann, {"name": "Zoe Miller"})
    await do_jobs()
    for query in ("boat", "ships", "ferries", "miller"):
        assert await found(query) == ["One"], query
        assert await found(query, Perspective.DRAFT, SYSTEM) == ["One"], query
    assert await found("nunez") == []


async def test_pages_filters_counts_and_facets_fit_together(api: Api) -> None:
    world, sport = await make_section("World"), await make_section("Sport")
    for number in range(7):
        await story(f"Harbour {number}", section_id=(world, sport)[number % 2], tag_names=["a"] if number < 3 else [])
    document = """query($after: String, $filter: ArticleFilter) { search(query: "harbour", first: 3, after: $after,
        filter: $filter) { totalCount nodes { headline } edges { cursor score highlight }
        pageInfo { hasNextPage endCursor }
        facets { sections { section { name } count } tags { tag { name } count } } } }"""
    seen: list[str] = []
    after = None
    for size, more in ((3, True), (3, True), (1, False)):
        page = (await api(document, after=after))["search"]
        assert (page["totalCount"], len(page["nodes"]), page["pageInfo"]["hasNextPage"]) == (7, size, more)
        assert all(0 < edge["score"] <= 1 for edge in page["edges"])
        seen += [node["headline"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert sorted(seen) == [f"Harbour {number}" for number in range(7)]
    assert page["facets"] == {
        "sections": [{"section": {"name": "World"}, "count": 4}, {"section": {"name": "Sport"}, "count": 3}],
        "tags": [{"tag": {"name": "a"}, "count": 3}],
    }
    page = (await api(document, filter={"section": {"eq": "sport"}, "tags": {"anyOf": ["a"]}}))["search"]
    assert [node["headline"] for node in page["nodes"]] == ["Harbour 1"] and page["totalCount"] == 1
    assert await api.errors(document, after="x") == ["INVALID"]
    assert await api.errors(document, filter={"status": {"in": ["DRAFT"]}}) == ["INVALID"]


async def test_both_ways_of_looking_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        await story(
            f"{'Harbour' if number % 4 else 'Airport'} {number}",
            body={"html": f"<p>{'A tunnel. ' * (number % 3)}Ferries.</p>"},
        )
    queries = {
        "harbour": (True, 9),
        "harb": (False, 9),  # a word that is not finished may be any
        "ferries tunnel ": (True, 8),
        "airport tunnel ": (True, 2),  # one story in six
        "airport zeppelin ": (False, 0),
        "ferries -tunnel": (False, 4),
        '"ferries"': (False, 12),
        "nothing": (False, 0),
    }
    for query, (_, count) in queries.items():
        result = await search.find(PUBLIC, Perspective.PUBLISHED, query)
        assert (result.is_common, await (await result.newest()).count()) == (False, count), query
    gathered = {query: await found(query) for query in queries}
    monkeypatch.setattr(finding, "RANKED", 1)
    ways = {query: await search.find(PUBLIC, Perspective.PUBLISHED, query) for query in queries}
    monkeypatch.setattr(finding, "RANKED", 1_000)
    for query, (is_common, count) in queries.items():
        assert (ways[query].is_common, await (await ways[query].newest()).count()) == (is_common, count), query
        assert await headlines(ways[query], "live") == gathered[query], query
        assert len(gathered[query]) == count
    monkeypatch.setattr(finding, "RANKED", 1)
    assert not (await search.find(SYSTEM, Perspective.DRAFT, "harbour")).is_common


async def test_of_very_many_the_newest_are_ranked_counted_and_grouped(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = [await make_section("World"), await make_section("Sport")]
    for number in range(9):
        await story(f"Harbour {number}", section_id=sections[number // 5])
    monkeypatch.setattr(finding, "RANKED", 5)
    document = """query($q: String!, $after: String) { search(query: $q, first: 3, after: $after) { totalCount
        nodes { headline } pageInfo { hasNextPage endCursor } facets { sections { section { name } count } } } }"""
    for query in ("harbour", "harbour -zeppelin"):  # from the newest on, and all that match
        first = (await api(document, q=query))["search"]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (5, True)
        assert first["facets"] == {
            "sections": [{"section": {"name": "Sport"}, "count": 4}, {"section": {"name": "World"}, "count": 1}]
        }
        rest = (await api(document, q=query, after=first["pageInfo"]["endCursor"]))["search"]
        assert (rest["totalCount"], rest["pageInfo"]["hasNextPage"]) == (5, False)
        shown = [node["headline"] for node in first["nodes"] + rest["nodes"]]
        assert sorted(shown) == [f"Harbour {number}" for number in range(4, 9)]
        end = (await api(document, q=query, after=rest["pageInfo"]["endCursor"]))["search"]
        assert (end["nodes"], end["totalCount"]) == ([], 5)


async def test_a_highlight_is_safe_html_of_the_passage_that_fits(api: Api) -> None:
    text = "Nothing here. " * 40 + "At last the <b>councillors</b> & the <i>Café</i> owners met. " + "More. " * 60
    await story("Meeting", body={"markdown": text.replace("<b>", "**").replace("</b>", "**")})
    await story("深度優先搜尋", dek="關於深度優先搜尋的入門")
    await story("Council <script>", tag_names=["Zebra"])

    async def shown(query: str) -> list[str | None]:
        data = await api("query($q: String!) { search(query: $q) { edges { highlight } } }", q=query)
        return [edge["highlight"] for edge in data["search"]["edges"]]

    (passage,) = await shown("cafe councillor")
    assert passage is not None
    assert "<mark>councillors</mark> &amp;" in passage and "<mark>Café</mark>" in passage
    assert passage.startswith("… ") and passage.endswith(" …") and len(passage) < 300
    assert await shown("優先") == ["關於深度<mark>優先</mark>搜尋的入門"]
    assert await shown("script") == ["Council &lt;<mark>script</mark>&gt;"]
    assert await shown("zebra") == [None]
    await story("Plain", body={"html": "<p>An <i>e-mail</i>, O’Brien’s; हिन्दी में ÉCOLES, tests-e-mails.</p>"})
    for query, marked in (
        ("email ", "<mark>e-mail</mark>"),
        ("obrien ", "<mark>O’Brien’s</mark>"),
        ("हिन्दी ", "<mark>हिन्दी</mark>"),
        ("ecole ", "<mark>ÉCOLES</mark>"),
        ("testing ", "<mark>tests</mark>-e-mails"),
        ('"e mail" testing', "<mark>tests</mark>"),
    ):
        (passage,) = await shown(query)
        assert passage is not None and marked in passage, query


async def test_did_you_mean_offers_words_of_live_stories_as_they_are_spelled(api: Api) -> None:
    await story("The harbour tunnel opens")
    await story("École fermée")
    await make_article(headline="Harbinger of harbors")

    async def meant(query: str, **more: Any) -> str | None:
        data = await api("query($q: String!) { search(query: $q) { didYouMean } }", q=query, **more)
        return data["search"]["didYouMean"]  # type: ignore[no-any-return]

    assert await meant("harbuor tunel") == "harbour tunnel"
    assert await meant("the Harbor tunnel") == "the harbour tunnel"
    assert await meant("ecolle") == "école"
    assert await meant("harbinger") is None
    assert await meant("harbour") is None and await meant("harb") is None
    assert await meant("harbuor zeppelin") is None  # it would find nothing either
    assert (distance("harbuor", "harbour"), distance("", "abc"), distance("kitten", "sitting")) == (1, 3, 3)


# ---------------------------------------------------------------- the index


async def test_the_index_follows_every_change_and_making_it_again_changes_nothing() -> None:
    one = await story("One harbour", tag_names=["a"], body={"html": "<p>Ferries and ferries.</p>"})
    await story("Two harbours", locale="en")
    await articles.update(SYSTEM, one, {"headline": "One ferry", "tag_names": ["b"]})
    await publish(one)
    gone = await story("Gone harbour")
    await workflow.transition(SYSTEM, gone, Transition.UNPUBLISH)
    before = await index()
    assert ("word", "harbour", "1", "") in before and ("word", "harbours", "1", "") in before
    await search.reindex()
    assert await index() == before
    await execute("delete from live_search")
    await execute("delete from head_search")
    await execute("delete from live_word")
    await search.refile({})  # what a database owes that is older than the index
    assert await index() == before


async def test_words_are_spelled_as_they_stand_in_texts_and_names_and_stems_are_not() -> None:
    async def spelled() -> dict[str, str | None]:
        return dict(await execute("select word, spelling from live_word where word ~ '^(eco|zoo|ferr)'"))

    await story("École", tag_names=["Zoölogy"], body={"html": "<p>Ferries.</p>"})
    known = {"ecole": "école", "ecol": None, "zoology": "zoölogy", "zoolog": None, "ferries": "ferries", "ferri": None}
    assert await spelled() == known
    await story("Mr Ferri")
    assert await spelled() == known | {"ferri": "ferri"}


_WAITING = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


async def test_a_story_that_becomes_live_while_a_name_is_changed_has_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = await make_article(headline="Ferry", tag_names=["Boats"])
    await taxonomy.update_tag(SYSTEM, draft.tag_ids[0], {"name": "Vessels"})
    filed, go_on = asyncio.Event(), asyncio.Event()

    async def wait(id: UUID) -> None:
        filed.set()
        await go_on.wait()

    monkeypatch.setattr(related, "owe", wait)
    publishing = asyncio.create_task(publish(draft.article_id))
    await filed.wait()
    indexing = asyncio.create_task(do_jobs())
    async with asyncio.timeout(20):
        while not await execute(_WAITING):
            pass
    go_on.set()
    await asyncio.gather(publishing, indexing)
    assert await found("vessels") == ["Ferry"]


async def test_a_story_of_any_length_is_indexed() -> None:
    long = " ".join(f"word{number}" for number in range(40_000))
    await story("Long", body={"markdown": long})
    await story("Repeated", body={"markdown": "again " * 20_000})
    assert await found("word100 long") == ["Long"] and await found("again") == ["Repeated"]


async def test_matches_are_found_through_indexes_without_reading_stories(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await story(f"Harbour tunnel {number}")
    for ranked, index in ((1_000, "Bitmap Index Scan on live_search_vector"), (1, "live_search_newest")):
        monkeypatch.setattr(finding, "RANKED", ranked)
        result = await search.find(PUBLIC, Perspective.PUBLISHED, "harbour tunnel")
        assert result.is_common is (ranked == 1)
        async with transaction():
            await execute("set local enable_seqscan = off")
            await execute("set local enable_sort = off")
            plan = "\n".join(
                row[0]
                for row in await execute(
                    f"explain select {result.ranked.select} from {result.ranked.source}", *result.ranked.where.params
                )
            )
        assert index in plan
        assert " on live " not in plan


async def test_a_schedule_is_absent_before_and_found_once_it_fires() -> None:
    head = await make_article(headline="Later")
    at = clock.now() + timedelta(days=1)
    await workflow.transition(SYSTEM, head.article_id, Transition.SCHEDULE, wish=Wish(publish_at=at))
    assert await found("later") == []
    await execute("update article set publish_at = now() - interval '1 second' where id = $1", head.article_id)
    assert await schedules.publish_due() == 1
    assert await found("later") == ["Later"]
