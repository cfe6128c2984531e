from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine

from cms import accounts, articles, newsroom, taxonomy, workflow
from cms.errors import Forbidden, Invalid
from cms.importers.page import Page
from cms.importers.pages import import_page
from cms.models import (
    Article,
    ArticleStatus,
    Author,
    AuthorKind,
    Event,
    Head,
    Live,
    Role,
    Section,
    Site,
    TokenScope,
    User,
)
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.conftest import Served

PARAGRAPHS = (
    "Two islands that share a lagoon have broken off talks about a bridge which neither of them has begun to build.",
    "The northern island says the bridge would end in its only orchard. The southern one says that's what bridges do.",
    'An envoy carried a letter across on Monday. "We shall not be moved," it said, "and neither will the trees."',
    "Fishers on both shores have kept working together; they tie up at the same raft and eat at the same long table.",
    "A first plan, drawn eleven years ago, had the bridge land on the beach – and the beach has since moved elsewhere.",
    "The two mayors last met in March. Each brought a map, and the maps did not agree on where the lagoon begins.",
    "Engineers from the mainland have offered to measure it. Their offer stands until autumn, and costs nothing.",
    "On the ferry nobody hurries. It takes 20 minutes, it has taken 20 minutes since 1961, and it serves warm bread.",
    "The northern council meets on Friday. It has put the bridge last on its agenda, behind the goats and the clock.",
    "Older islanders remember the winter in which the lagoon froze, and everyone simply walked over for the dances.",
    "A new round of talks is planned for July. It will be held on the raft, which belongs to both sides and to none.",
)
HEADLINE = "Two Islands Quarrel over a Bridge That Nobody Has Built"
RELATED = "Ferry Captains Offer to Carry the Argument Across"
PAGE = "\n\n".join(
    [
        "The Sandpiper Post",
        "SOCIAL MEDIA",
        "18th June 2024 By The Sandpiper Post Conflict",
        HEADLINE,
        *PARAGRAPHS,
        "Related Posts",
        f"{RELATED}\nGoats Elect a Clock as Mayor",
    ]
)
SLUG = "two-islands-quarrel-over-a-bridge-that-nobody-has-built"


def page(**changed: Any) -> Page:
    return Page(
        **{
            "site_name": "The Sandpiper Post",
            "date": date(2024, 6, 18),
            "byline": ("The Sandpiper Post",),
            "section": "Conflict",
            "headline": HEADLINE,
            "paragraphs": PARAGRAPHS,
            **changed,
        }
    )


# ---------------------------------------------------------------- the whole way, over HTTP


def cms(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cms.cli", *arguments],
        env={**os.environ, "CMS_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def token_of(name: str, role: Role) -> str:
    user = await accounts.create_user(SYSTEM, email=f"{name}@post.example", name=name, role=role, password=None)
    return await accounts.create_token(SYSTEM, name=name, scope=TokenScope.WRITE, user=user)


def ask(url: str, query: str, *, token: str | None = None, **variables: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.post(
        f"{url}/graphql", json={"query": query, "variables": variables}, headers=headers, timeout=30
    ).json()
    assert "errors" not in answer, answer
    return dict(answer["data"])


def change(url: str, token: str, field: str, **input: Any) -> dict[str, Any]:
    """Run a mutation; a story answers with its status, a refusal with its code."""
    kind = field[0].upper() + field[1:]
    document = (
        f"mutation ($input: {kind}Input!) {{ done: {field}(input: $input) {{ __typename "
        "... on Article { id isLive editorial { status version } } ... on Problem { code } } }"
    )
    return dict(ask(url, document, token=token, input=input)["done"])


STORY = """
query Story($path: String!) {
  site { name socialLinks { service url label } }
  route(path: $path) {
    ... on Article {
      headline publishedAt bylineText byline { author { name kind } }
      section { name path }
      tags { name }
      body { blocks { __typename ... on ParagraphBlock { text } } }
      relatedPosts { source article { headline path } }
    }
  }
}
"""
EVERYWHERE = """
query Everywhere($id: ID!, $slug: String!, $path: String!) {
  node(id: $id) { id }
  nodes(ids: [$id]) { id }
  byId: article(id: $id) { id }
  bySlug: article(slug: $slug) { id }
  route(path: $path) { __typename }
  storyList(slug: "front") { articles { id } }
  articles { totalCount nodes { id } facets { sections { count } tags { count } authors { count } } }
  filtered: articles(filter: {section: {eq: "conflict"}}) { totalCount nodes { id } }
  tag(slug: "lagoon") { id }
  tags { totalCount nodes { id } }
  author(slug: "the-sandpiper-post") { id }
  section(slug: "conflict") { articleCount articles { totalCount nodes { id } } }
}
"""
NOTHING = {"totalCount": 0, "nodes": []}
NOWHERE = {
    "node": None,
    "nodes": [None],
    "byId": None,
    "bySlug": None,
    "route": None,
    "storyList": None,
    "articles": {**NOTHING, "facets": {"sections": [], "tags": [], "authors": []}},
    "filtered": NOTHING,
    "tag": None,
    "tags": NOTHING,
    "author": None,
    "section": {"articleCount": 0, "articles": NOTHING},
}


async def test_a_page_goes_through_an_editors_hands_to_a_readers_query(
    db: None, database_url: str, serve: Callable[..., Served], tmp_path: Path
) -> None:
    file = tmp_path / "page.txt"
    file.write_text(PAGE)
    cora = await token_of("cora", Role.CONTRIBUTOR)
    erin = await token_of("erin", Role.EDITOR)
    ada = await token_of("ada", Role.ADMIN)
    url = serve(CMS_DATABASE_URL=database_url).url
    links = [{"service": "mastodon", "url": "https://social.example/@post", "label": "The Post"}]
    named = "mutation ($links: [SocialLinkInput!]) { updateSite(input: {socialLinks: $links}) { __typename } }"
    assert ask(url, named, token=ada, links=links) == {"updateSite": {"__typename": "Site"}}
    related = change(url, erin, "createArticle", headline=RELATED)["id"]
    imported = cms(database_url, "import", "page", str(file), "--site", "--owner", "cora@post.example")
    story, path, status = imported.split()
    assert (path, status) == (f"/conflict/{SLUG}", "DRAFT")
    listed = 'mutation ($ids: [ID!]!) { setStoryList(input: {slug: "front", articleIds: $ids}) { __typename } }'
    assert ask(url, listed, token=erin, ids=[story]) == {"setStoryList": {"__typename": "StoryList"}}
    tagged = change(url, cora, "updateArticle", id=story, tagNames=["Lagoon"])
    assert tagged["editorial"] == {"status": "DRAFT", "version": 2}
    submitted = change(url, cora, "submitArticle", id=story)
    assert submitted["editorial"] == {"status": "IN_REVIEW", "version": 3}

    history = (
        "query ($id: ID!) { article(id: $id, perspective: DRAFT) { editorial { version history { totalCount } } } }"
    )
    before = ask(url, history, token=erin, id=story)
    assert change(url, cora, "publishArticle", id=story) == {"__typename": "Problem", "code": "FORBIDDEN"}
    assert ask(url, history, token=erin, id=story) == before
    assert ask(url, EVERYWHERE, id=story, slug=SLUG, path=path) == NOWHERE

    assert change(url, erin, "approveArticle", id=story)["editorial"] == {"status": "APPROVED", "version": 4}
    assert ask(url, EVERYWHERE, id=story, slug=SLUG, path=path) == NOWHERE
    published = change(url, erin, "publishArticle", id=story)
    assert published == {
        "__typename": "Article",
        "id": story,
        "isLive": True,
        "editorial": {"status": "PUBLISHED", "version": 5},
    }
    without_related = ask(url, STORY, path=path)["route"]
    assert without_related["relatedPosts"] == []
    change(url, erin, "publishArticle", id=related)

    assert ask(url, STORY, path=path) == {
        "site": {"name": "The Sandpiper Post", "socialLinks": links},
        "route": {
            "headline": HEADLINE,
            "publishedAt": "2024-06-18T12:00:00Z",
            "bylineText": "The Sandpiper Post",
            "byline": [{"author": {"name": "The Sandpiper Post", "kind": "ORGANIZATION"}}],
            "section": {"name": "Conflict", "path": "/conflict"},
            "tags": [{"name": "Lagoon"}],
            "body": {"blocks": [{"__typename": "ParagraphBlock", "text": text} for text in PARAGRAPHS]},
            "relatedPosts": [
                {
                    "source": "CURATED",
                    "article": {
                        "headline": RELATED,
                        "path": "/ferry-captains-offer-to-carry-the-argument-across",
                    },
                }
            ],
        },
    }
    everywhere = ask(url, EVERYWHERE, id=story, slug=SLUG, path=path)
    assert everywhere["section"] == {"articleCount": 1, "articles": {"totalCount": 1, "nodes": [{"id": story}]}}
    assert everywhere["storyList"] == {"articles": [{"id": story}]}
    assert everywhere["articles"]["totalCount"] == 2


# ---------------------------------------------------------------- what an import makes


async def test_a_page_imported_twice_is_one_story(db: None) -> None:
    first = await import_page(SYSTEM, page())
    second = await import_page(SYSTEM, page(section="Other", byline=("Jane Doe",)))
    assert (first.is_new, second.is_new) == (True, False)
    assert second.head.article_id == first.head.article_id
    assert await Article.all().count() == 1
    assert [section.name for section in await Section.all()] == ["Conflict"]
    assert [author.name for author in await Author.all()] == ["The Sandpiper Post"]


async def test_the_date_is_noon_where_the_site_is(db: None) -> None:
    await newsroom.update_site(SYSTEM, {"time_zone": "America/New_York"})
    done = await import_page(SYSTEM, page(), publish=True)
    assert done.status is ArticleStatus.PUBLISHED
    live = await Live.get(article_id=done.head.article_id)
    assert live.published_at == datetime(2024, 6, 18, 16, tzinfo=UTC)
    assert live.text == "\n\n".join(PARAGRAPHS)


async def test_publication_before_noon_of_the_pages_day_is_not_in_the_future(db: None) -> None:
    with time_machine.travel(datetime(2024, 6, 18, 7, 30, tzinfo=UTC), tick=False):
        done = await import_page(SYSTEM, page(), publish=True)
    assert (await Live.get(article_id=done.head.article_id)).published_at == datetime(2024, 6, 18, 7, 30, tzinfo=UTC)


async def test_a_date_in_the_future_is_reported_and_not_taken(db: None) -> None:
    done = await import_page(SYSTEM, page(date=date(2999, 1, 1)))
    assert done.unclear == ("The page's date, 2999-01-01, lies in the future; it was not taken.",)
    assert (await Article.get(id=done.head.article_id)).source_date is None


async def test_what_is_there_is_found_by_its_name_in_any_spelling(db: None) -> None:
    section = await taxonomy.create_section(SYSTEM, name="CONFLICT", slug="war-and-peace")
    author = await taxonomy.create_author(SYSTEM, name="Jane O’Neill")
    done = await import_page(SYSTEM, page(byline=("Jane O'Neill", "Sam Roe")))
    assert done.head.section_id == section.id
    assert done.head.author_ids[0] == author.id
    assert [(a.name, a.kind) for a in await Author.all().order_by("id")] == [
        ("Jane O’Neill", AuthorKind.PERSON),
        ("Sam Roe", AuthorKind.PERSON),
    ]
    assert await Section.all().count() == 1


async def test_names_that_several_bear_are_reported(db: None) -> None:
    first = await taxonomy.create_author(SYSTEM, name="Jane Doe")
    await taxonomy.create_author(SYSTEM, name="Jane Doe", slug="jane-doe-2")
    await taxonomy.create_section(SYSTEM, name="Conflict")
    await taxonomy.create_section(SYSTEM, name="Conflict", slug="old-conflicts")
    done = await import_page(SYSTEM, page(byline=("Jane Doe",)))
    assert done.head.author_ids == [first.id]
    assert done.head.section_id is None
    assert sorted(done.unclear) == [
        "2 authors are called “Jane Doe”; the first of them, jane-doe, was taken.",
        "2 sections are called “Conflict”; the story was put into none of them.",
    ]


async def test_related_headlines_are_stories_where_one_alone_has_them(db: None) -> None:
    ferry = await articles.create(SYSTEM, {"headline": RELATED})
    for _ in range(2):
        await articles.create(SYSTEM, {"headline": "Morning Briefing"})
    trashed = await articles.create(SYSTEM, {"headline": "Thrown Away"})
    await workflow.transition(SYSTEM, trashed.article_id, Transition.TRASH)
    done = await import_page(
        SYSTEM, page(related=(RELATED.upper(), "Morning Briefing", "Thrown Away", "Goats Elect a Clock"))
    )
    assert done.head.related_ids == [ferry.article_id]
    assert done.unclear == (
        "Related “Morning Briefing” was left out: 2 stories have that headline.",
        "Related “Thrown Away” was left out: no story has that headline.",
        "Related “Goats Elect a Clock” was left out: no story has that headline.",
    )


async def test_the_owner_is_who_was_named_and_the_actor_the_system(db: None) -> None:
    user = await accounts.create_user(SYSTEM, email="c@post.example", name="C", role=Role.CONTRIBUTOR, password=None)
    done = await import_page(SYSTEM, page(), owner=user)
    assert (await Article.get(id=done.head.article_id)).owner_id == user.id
    assert (await Event.get(type="article.created")).actor_id is None


@pytest.mark.parametrize("site", [True, False])
async def test_the_sites_name_is_taken_when_asked(db: None, site: bool) -> None:
    before = (await Site.get()).name
    done = await import_page(SYSTEM, page(), site=site)
    assert (await Site.get()).name == ("The Sandpiper Post" if site else before)
    assert done.unclear == ()


async def test_without_a_name_on_the_page_the_site_keeps_its_own(db: None) -> None:
    before = (await Site.get()).name
    done = await import_page(SYSTEM, page(site_name=""), site=True)
    assert (await Site.get()).name == before
    assert done.unclear == ("The site kept its name, since the page shows none.",)


async def test_nothing_is_half_made(db: None) -> None:
    before = await Site.get()
    with pytest.raises(Invalid, match="headline has 501 characters"):
        await import_page(SYSTEM, page(headline="x" * 501), site=True, publish=True)
    assert (await Site.get()).name == before.name
    for model in (Article, Head, Live, Section, Author, Event):
        assert await model.all().count() == 0


async def test_who_may_not_make_sections_imports_nothing(db: None) -> None:
    token = await accounts.create_token(SYSTEM, name="c", scope=TokenScope.WRITE, role=Role.CONTRIBUTOR)
    contributor = await accounts.authenticate(token)
    with pytest.raises(Forbidden):
        await import_page(contributor, page())
    assert await Article.all().count() == await Author.all().count() == await Section.all().count() == 0
    assert await User.all().count() == 1


async def test_publishing_twice_changes_nothing(db: None) -> None:
    await import_page(SYSTEM, page(), publish=True)
    events = await Event.all().count()
    done = await import_page(SYSTEM, page(), publish=True)
    assert (done.status, done.is_new, done.unclear) == (ArticleStatus.PUBLISHED, False, ())
    assert await Event.all().count() == events


async def test_an_import_goes_on_from_where_the_story_stands(db: None) -> None:
    first = await import_page(SYSTEM, page())
    await workflow.transition(SYSTEM, first.head.article_id, Transition.SUBMIT)
    done = await import_page(SYSTEM, page(), publish=True)
    assert (done.status, done.unclear) == (ArticleStatus.PUBLISHED, ())


@pytest.mark.parametrize("step", [Transition.UNPUBLISH, Transition.TRASH])
async def test_what_somebody_took_away_is_not_published_again(db: None, step: Transition) -> None:
    first = await import_page(SYSTEM, page(), publish=step is Transition.UNPUBLISH)
    await workflow.transition(SYSTEM, first.head.article_id, step)
    done = await import_page(SYSTEM, page(), publish=True)
    assert "The story was left as it is and not published, since somebody has decided about it." in done.unclear
    assert ("The story is in the trash." in done.unclear) == (step is Transition.TRASH)
    assert not await Live.all().exists()
