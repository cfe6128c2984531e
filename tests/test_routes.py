"""What answers a path: stories, sections, terms, redirects in one step, and what is gone."""

from __future__ import annotations

from typing import Any

import pytest

from cms import articles, newsroom, paths, routes, taxonomy, workflow
from cms.errors import Invalid
from cms.models import Article, ArticleStatus, GoneReason, Head, Live, Section, Slug
from cms.permissions import PUBLIC, SYSTEM, Perspective
from cms.routes import Gone, Redirect, Route
from cms.workflow import Transition, Wish
from schema.loaders import Loaders
from tests.conftest import Api
from tests.factories import dump, make_article, make_author, make_section, make_token, make_user, publish

PUBLISHED = ArticleStatus.PUBLISHED


async def answer(path: str) -> Route | None:
    return await routes.route(PUBLIC, Perspective.PUBLISHED, path)


@pytest.fixture(autouse=True)
async def _locales(db: None) -> None:
    await newsroom.update_site(SYSTEM, {"locales": ["en", "fr"]})


@pytest.mark.parametrize(
    ("locale", "in_section", "path"),
    [
        ("en", False, "/rain"),
        ("en", True, "/europe/rain"),
        ("fr", False, "/fr/rain"),
        ("fr", True, "/fr/europe/rain"),
    ],
)
async def test_a_story_answers_its_path_and_redirects_from_others(locale: str, in_section: bool, path: str) -> None:
    world = await make_section("World")
    section = await make_section("Europe", world) if in_section else None
    story = await make_article(status=PUBLISHED, headline="Rain", locale=locale, section_id=section)
    found = await answer(path)
    assert isinstance(found, Live) and found.article_id == story.article_id
    for same in (f"{path}/", f"{path}?utm=1", f"{path}#top", f"/{path}"):
        assert isinstance(await answer(same), Live), same
    prefix = "" if locale == "en" else "/fr"
    for other in ("/elsewhere/rain", "/world/europe/rain", "/world/rain"):
        assert await answer(prefix + other) == Redirect(path), other


async def test_the_own_locale_in_front_redirects_to_the_path_without_it() -> None:
    await make_section("World")
    await make_article(status=PUBLISHED, headline="Rain")
    assert await answer("/en/rain") == Redirect("/rain")
    assert await answer("/en/world") == Redirect("/world")


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/tag/nothing", "/author/nothing", "/fr", "/a%00b", "/tag", "/%ff"]
)
async def test_what_never_was_answers_nothing(path: str) -> None:
    assert await answer(path) is None


async def test_a_path_in_decomposed_letters_is_the_same_path() -> None:
    await make_article(status=PUBLISHED, headline="Москва Йод")
    assert isinstance(await answer("/москва-и\u0306од"), Live)
    assert isinstance(await answer("/%D0%BC%D0%BE%D1%81%D0%BA%D0%B2%D0%B0-%D0%B9%D0%BE%D0%B4"), Live)


async def test_old_slugs_redirect_in_one_step_after_two_renames() -> None:
    story = await make_article(status=PUBLISHED, headline="One", slug="one")
    for slug in ("two", "three"):
        await articles.update(SYSTEM, story.article_id, {"slug": slug})
        assert isinstance(await answer("/one"), Live if slug == "two" else Redirect)
        await publish(story.article_id)
    assert await answer("/one") == Redirect("/three")
    assert await answer("/two") == Redirect("/three")
    assert isinstance(await answer("/three"), Live)


async def test_a_renamed_story_gets_its_old_slug_back() -> None:
    story = await make_article(status=PUBLISHED, headline="One", slug="one")
    for slug in ("two", "one"):
        await articles.update(SYSTEM, story.article_id, {"slug": slug})
        await publish(story.article_id)
    assert isinstance(await answer("/one"), Live)
    assert await answer("/two") == Redirect("/one")


async def test_a_slug_that_readers_saw_is_given_to_nobody_else() -> None:
    story = await make_article(status=PUBLISHED, headline="One", slug="one")
    await articles.update(SYSTEM, story.article_id, {"slug": "two"})
    await publish(story.article_id)
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await make_article(headline="x", slug="one")
    assert refused.value.issues[0].field == ("slug",)
    assert await dump() == before
    assert (await make_article(headline="One")).slug == "one-2"


async def test_the_slug_of_a_draft_tells_readers_nothing() -> None:
    draft = await make_article(headline="Secret merger")
    assert await answer("/secret-merger") is None
    story = await make_article(status=PUBLISHED, headline="Public")
    await articles.update(SYSTEM, story.article_id, {"slug": "not-yet"})
    assert await answer("/not-yet") is None
    assert isinstance(await answer("/public"), Live)
    found = await routes.route(SYSTEM, Perspective.DRAFT, "/secret-merger")
    assert isinstance(found, Head) and found.article_id == draft.article_id
    assert await routes.route(SYSTEM, Perspective.DRAFT, "/public") == Redirect("/not-yet")


async def test_a_story_that_was_taken_away_is_gone_with_its_notice_until_it_is_back() -> None:
    story = await make_article(status=ArticleStatus.UNPUBLISHED, headline="One", slug="one")
    gone = await answer("/one")
    assert isinstance(gone, Gone) and (gone.reason, gone.notice) == (GoneReason.UNPUBLISHED, None)
    await workflow.transition(SYSTEM, story.article_id, Transition.WITHDRAW, wish=Wish(notice="Invented."))
    gone = await answer("/one")
    assert isinstance(gone, Gone) and (gone.reason, gone.notice) == (GoneReason.WITHDRAWN, "Invented.")
    await workflow.transition(SYSTEM, story.article_id, Transition.REINSTATE)
    assert await answer("/one") == gone
    await publish(story.article_id)
    assert isinstance(await answer("/one"), Live)
    article = await Article.get(id=story.article_id)
    assert (article.gone_at, article.gone_reason, article.gone_notice) == (None, None, None)


async def test_a_story_that_is_gone_and_in_the_trash_is_still_gone() -> None:
    story = await make_article(status=ArticleStatus.UNPUBLISHED, headline="One", slug="one")
    await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    assert isinstance(await answer("/one"), Gone)


async def test_the_new_slug_of_a_story_that_is_gone_tells_readers_nothing() -> None:
    story = await make_article(status=ArticleStatus.UNPUBLISHED, headline="One", slug="one")
    await articles.update(SYSTEM, story.article_id, {"slug": "two"})
    assert await answer("/two") is None
    assert isinstance(await answer("/one"), Gone)


@pytest.mark.parametrize("slug", ["graphql", "tag", "author", "media", "feeds", "fr"])
async def test_words_of_our_own_routes_are_refused_with_the_reason(slug: str) -> None:
    before = await dump()
    with pytest.raises(Invalid, match="another path of the site") as refused:
        await make_article(headline="x", slug=slug)
    assert refused.value.issues[0].field == ("slug",)
    with pytest.raises(Invalid, match="another path of the site"):
        await taxonomy.create_section(SYSTEM, name="x", slug=slug)
    assert await dump() == before
    assert (await make_article(headline=slug)).slug == f"{slug}-2"


async def test_stories_and_sections_do_not_take_each_others_slugs() -> None:
    await make_section("World")
    story = await make_article(headline="Sport")
    before = await dump()
    with pytest.raises(Invalid, match="slug of a section"):
        await make_article(headline="x", slug="world")
    with pytest.raises(Invalid, match="slug of a story"):
        await taxonomy.create_section(SYSTEM, name="x", slug="sport")
    assert await dump() == before
    assert (await make_article(headline="World")).slug == "world-2"
    await workflow.transition(SYSTEM, story.article_id, Transition.TRASH)
    assert (await taxonomy.create_section(SYSTEM, name="Sport")).slug == "sport"


async def test_a_slug_may_be_taken_in_each_locale_and_by_a_tag_and_an_author() -> None:
    assert (await make_article(headline="Rain")).slug == "rain"
    assert (await make_article(headline="Rain", locale="fr")).slug == "rain"
    assert (await taxonomy.create_tag(SYSTEM, name="Rain")).slug == "rain"
    assert (await taxonomy.create_author(SYSTEM, name="Rain")).slug == "rain"


async def test_tags_and_authors_answer_from_their_first_live_story_on() -> None:
    author = await make_author("Ann Lee")
    story = await make_article(headline="x", tag_names=["Spring rain"], byline=[{"author_id": author}])
    assert (await answer("/tag/spring-rain"), await answer("/author/ann-lee")) == (None, None)
    await publish(story.article_id)
    tag, person = await answer("/tag/spring-rain"), await answer("/author/ann-lee")
    assert (getattr(tag, "name", None), getattr(person, "name", None)) == ("Spring rain", "Ann Lee")
    await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
    assert (await answer("/tag/spring-rain"), await answer("/author/ann-lee")) == (None, None)


async def test_old_slugs_of_tags_authors_and_sections_redirect() -> None:
    author, section = await make_author("Ann"), await make_section("World")
    story = await make_article(
        status=PUBLISHED, headline="x", tag_names=["Rain"], byline=[{"author_id": author}], section_id=section
    )
    for slug in ("b", "c"):
        await taxonomy.update_tag(SYSTEM, story.tag_ids[0], {"slug": slug})
        await taxonomy.update_author(SYSTEM, author, {"slug": slug})
        await taxonomy.update_section(SYSTEM, section, {"slug": slug})
    for old in ("rain", "b"):
        assert await answer(f"/tag/{old}") == Redirect("/tag/c")
    for old in ("ann", "b"):
        assert await answer(f"/author/{old}") == Redirect("/author/c")
    for old in ("world", "b"):
        assert await answer(f"/{old}") == Redirect("/c")
    assert await answer("/world/x") == Redirect("/c/x")


async def test_a_sections_path_is_its_chain_and_moves_with_it() -> None:
    world = await make_section("World")
    europe = await make_section("Europe", world)
    east = await make_section("East", europe)
    assert paths.Tree.of(await Section.all()).path(await Section.get(id=east)) == "/world/europe/east"
    assert isinstance(await answer("/world/europe/east"), Section)
    assert await answer("/east") == Redirect("/world/europe/east")
    await taxonomy.update_section(SYSTEM, europe, {"parent_id": None})
    assert await answer("/world/europe/east") == Redirect("/europe/east")
    await taxonomy.delete_section(SYSTEM, east)
    assert await answer("/europe/east") is None


async def test_the_paths_of_a_section_that_gave_its_stories_to_another_lead_there() -> None:
    old, new = await make_section("Old"), await make_section("New")
    await make_article(status=PUBLISHED, headline="x", section_id=old)
    await taxonomy.delete_section(SYSTEM, old, reassign_to=new)
    assert await answer("/old") == Redirect("/new")
    assert await answer("/old/x") == Redirect("/new/x")


async def test_a_locale_may_not_be_a_slug_that_is_taken() -> None:
    await make_section("De")
    before = await dump()
    with pytest.raises(Invalid) as refused:
        await newsroom.update_site(SYSTEM, {"locales": ["en", "fr", "de"]})
    assert refused.value.issues[0].field == ("locales",)
    assert await dump() == before


ROUTE = """query($path: String!) { route(path: $path) {
  __typename
  ... on Article { headline path url } ... on Section { name path } ... on Tag { name path } ... on Author { name path }
  ... on Redirect { location permanent } ... on Gone { reason notice since }
} }"""


async def test_each_kind_of_route_is_answered_by_the_api(api: Api) -> None:
    section, author = await make_section("World"), await make_author("Ann")
    story = await make_article(
        status=PUBLISHED, headline="Rain", section_id=section, tag_names=["Wet"], byline=[{"author_id": author}]
    )
    await make_article(status=ArticleStatus.WITHDRAWN, headline="Wrong")

    async def route(path: str) -> Any:
        return (await api(ROUTE, path=path))["route"]

    assert await route("/world/rain") == {
        "__typename": "Article",
        "headline": "Rain",
        "path": "/world/rain",
        "url": "http://localhost:8000/world/rain",
    }
    assert await route("/rain") == {"__typename": "Redirect", "location": "/world/rain", "permanent": True}
    assert await route("/world") == {"__typename": "Section", "name": "World", "path": "/world"}
    assert await route("/tag/wet") == {"__typename": "Tag", "name": "Wet", "path": "/tag/wet"}
    assert await route("/author/ann") == {"__typename": "Author", "name": "Ann", "path": "/author/ann"}
    gone = await route("/wrong")
    assert (gone["__typename"], gone["reason"], gone["notice"]) == ("Gone", "WITHDRAWN", "It was wrong.")
    assert await route("/never") is None
    assert story.slug == "rain"


async def test_redirects_lists_what_readers_saw_and_no_more(api: Api) -> None:
    story = await make_article(status=PUBLISHED, headline="One", slug="one")
    await articles.update(SYSTEM, story.article_id, {"slug": "two"})
    await make_article(headline="draft")
    section = await make_section("World")
    query = "{ redirects(first: 10) { totalCount nodes { id path location permanent } pageInfo { hasNextPage } } }"
    assert (await api(query))["redirects"]["nodes"] == []
    await publish(story.article_id)
    await taxonomy.update_section(SYSTEM, section, {"slug": "globe"})
    found = (await api(query))["redirects"]
    assert found["totalCount"] == 2
    assert {(each["path"], each["location"]) for each in found["nodes"]} == {("/one", "/two"), ("/world", "/globe")}
    node = await api("query($id: ID!) { node(id: $id) { __typename id } }", id=found["nodes"][0]["id"])
    assert node["node"] == {"__typename": "RedirectRule", "id": found["nodes"][0]["id"]}


async def test_an_old_path_whose_story_goes_while_it_is_read_is_left_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the statement that finds the old path and the one that finds the story."""
    for name in ("one", "two"):
        story = await make_article(status=PUBLISHED, headline=name)
        await articles.update(SYSTEM, story.article_id, {"slug": f"{name}-more"})
        await publish(story.article_id)
    found = (await api("{ redirects { nodes { id path } } }"))["redirects"]["nodes"]
    assert [each["path"] for each in found] == ["/two", "/one"]
    seen = Loaders.visible_each

    async def then_unpublished(self: Loaders, model: Any, keys: Any) -> Any:
        rows = await seen(self, model, keys)
        if model is Slug:
            await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
        return rows

    monkeypatch.setattr(Loaders, "visible_each", then_unpublished)
    token = await make_token(user=await make_user())
    answer = await api.answer("{ redirects { nodes { path location } } }", token=token)
    assert answer == {"data": {"redirects": {"nodes": [{"path": "/one", "location": "/one-more"}]}}}
    monkeypatch.undo()
    document = "query($id: ID!) { node(id: $id) { ... on RedirectRule { location } } }"
    answers = [await api.answer(document, token=token, id=each["id"]) for each in found]
    assert [each["data"]["node"] for each in answers] == [None, {"location": "/one-more"}]


async def test_when_the_site_has_another_locale_of_its_own_old_paths_lead_on(api: Api) -> None:
    europe = await make_section("Europe")
    await make_article(status=PUBLISHED, headline="Rain", locale="en", section_id=europe)
    await make_article(status=PUBLISHED, headline="Neige", locale="fr")
    await make_article(status=PUBLISHED, headline="Sun", locale="en")
    await make_article(status=PUBLISHED, headline="Sun", locale="fr")
    await make_article(headline="Draft", locale="en")
    assert await answer("/neige") is None
    await newsroom.update_site(SYSTEM, {"locale": "fr"})
    assert await answer("/europe/rain") == Redirect("/en/europe/rain", permanent=False)
    assert await answer("/fr/neige") == Redirect("/neige")
    found = await answer("/sun")
    assert isinstance(found, Live) and found.locale == "fr"
    assert await answer("/draft") is None
    await newsroom.update_site(SYSTEM, {"locale": "en"})
    assert isinstance(await answer("/europe/rain"), Live)
    assert await answer("/neige") == Redirect("/fr/neige", permanent=False)
    assert await answer("/en/europe/rain") == Redirect("/europe/rain")
