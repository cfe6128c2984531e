"""kill -9 at every statement of a publication, a save, a withdrawal and a run of schedules (R3, R4): afterwards it has
happened wholly or not at all, and can be done again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tortoise import connections

from cms import articles, database, embedded, listings
from cms.database import transaction
from cms.models import Article, ArticleStatus, Event, Head, Revision, Slug
from cms.permissions import SYSTEM
from cms.settings import Settings
from tests import crashing
from tests.conftest import Api
from tests.factories import dump, execute, make_article, make_author, make_section
from tests.test_database import postmaster

# The operation, and what of a second version it needs to find saved before.
NEW = {
    "headline": "New",
    "slug": "new",
    "dek": "Newer",
    "body": {"html": "<p>New words.</p>"},
    "tag_names": ["Kept", "Added"],
}
SAVED = {"headline": "Newest", "slug": "newest", "tag_names": ["Kept", "Another"], "body": {"html": "<p>Newest.</p>"}}


@dataclass
class Scene:
    """The stories that an operation is about, and what it is given."""

    operation: str
    stories: list[UUID]
    given: dict[str, Any] = field(default_factory=dict)


async def one(operation: str, **given: Any) -> Scene:
    """A live story with everything, and a newer draft of it."""
    section, other_section = await make_section("World"), await make_section("Sport")
    ann, ben = await make_author("Ann"), await make_author("Ben")
    others = [await make_article(headline=name, status=ArticleStatus.PUBLISHED) for name in ("First", "Second")]
    story = await make_article(
        headline="Old",
        section_id=section,
        byline=[{"author_id": ann}],
        tag_names=["Kept", "Dropped"],
        related_post_ids=[others[0].article_id],
        body={"html": "<p>Old words.</p>"},
        status=ArticleStatus.PUBLISHED,
    )
    newer = {"section_id": other_section, "byline": [{"author_id": ben}, {"author_id": ann}]}
    related = [others[1].article_id, others[0].article_id]
    await articles.update(SYSTEM, story.article_id, {**NEW, **newer, "related_post_ids": related})
    return Scene(operation, [story.article_id], {"id": str(story.article_id), **given})


async def due() -> Scene:
    """Three stories whose time has come, one of them live already; and one whose time is yet to come."""
    live = await make_article(headline="Live", tag_names=["T"], status=ArticleStatus.PUBLISHED)
    await articles.update(SYSTEM, live.article_id, {"headline": "Live again", "slug": "again"})
    stories = [live, await make_article(headline="B", tag_names=["T"]), await make_article(headline="C")]
    later = await make_article(headline="Later")
    for story in (*stories, later):
        sql = """update article set status = 'SCHEDULED', publish_at = now() + interval '1 hour',
            scheduled_revision_id = (select revision_id from head where article_id = $1) where id = $1"""
        await execute(sql, story.article_id)
    for late, story in enumerate(stories, start=1):
        sql = "update article set publish_at = now() - make_interval(mins => 10 - $2) where id = $1"
        await execute(sql, story.article_id, late)
    return Scene("publish_due", [story.article_id for story in (*stories, later)])


SCENES: dict[str, Callable[[], Awaitable[Scene]]] = {
    "publish": lambda: one("publish"),
    "save": lambda: one("save", **SAVED),
    "autosave": lambda: one("autosave", **SAVED),
    "withdraw": lambda: one("withdraw"),
    "publish_due": due,
}

PUBLIC = """{
  articles(first: 100) { totalCount nodes { headline dek path body { html } section { name }
    byline { author { name } } tags { name } relatedPosts { article { headline } } } }
  sections { name articleCount } tags(first: 100) { nodes { name articleCount } }
  authors(first: 100) { nodes { name articleCount } }
  ROUTES
}"""
ROUTE = "{ __typename ... on Article { headline } ... on Redirect { location } ... on Gone { notice } }"
PATHS = ("/world/old", "/sport/new", "/sport/newest", "/live", "/again", "/b", "/c", "/later")


async def public(api: Api) -> dict[str, Any]:
    """What readers see, in lists and at addresses."""
    routes = " ".join(f'at{n}: route(path: "{path}") {ROUTE}' for n, path in enumerate(PATHS))
    return await api(PUBLIC.replace("ROUTES", routes))


async def observed(id: UUID) -> dict[str, Any]:
    """All that an operation may change of one story, without ids and times."""
    article, head = await Article.get(id=id), await Head.get(article_id=id)
    sql = "select headline, slug, revision_id = $2 from live where article_id = $1"
    return {
        "status": article.status,
        "version": article.version,
        "pending": article.publish_at is not None,
        "gone": (article.gone_reason, article.gone_notice),
        "head": (head.headline, head.slug, head.html, len(head.tag_ids), len(head.author_ids)),
        "live": [tuple(row) for row in await execute(sql, id, head.revision_id)],
        "revisions": await Revision.filter(article_id=id).order_by("number").values_list("number", "headline"),
        "sealed": await Revision.filter(article_id=id, sealed_at__not_isnull=True).count(),
        "slugs": await Slug.filter(target_id=id).order_by("slug").values_list("slug", "public"),
        "events": await Event.filter(article_id=id).order_by("id").values_list("type", flat=True),
    }


async def check_derived() -> None:
    """What is derived equals what is made anew from nothing but the stories; and every slug is somebody's."""
    found = await terms()

    class Enough(Exception):
        pass

    try:
        async with transaction():
            await listings.rebuild()
            assert await terms() == found
            raise Enough
    except Enough:
        pass
    lost = """select 'live', slug from live where not exists (select from slug where kind = 'ARTICLE'
        and slug.locale = live.locale and slug.slug = live.slug and target_id = article_id and public)
        union all select 'head', slug from head where not exists (select from slug where kind = 'ARTICLE'
        and slug.locale = head.locale and slug.slug = head.slug and target_id = article_id)"""
    assert await execute(lost) == []


async def terms() -> list[Any]:
    sql = """select 'live', term_id, published_at, article_id from live_term
        union all select 'head', term_id, updated_at, article_id from head_term
        union all select n::text, term_id, null, null from term_count order by 1, 2, 4"""
    return [tuple(row) for row in (await connections.get("default").execute_query(sql))[1]]


async def crash(url: str, scene: Scene, die_at: int | None) -> int:
    started = crashing.start(url, scene.operation, die_at=die_at, **scene.given)
    return await asyncio.to_thread(started.wait)


async def every(scene: Scene) -> list[dict[str, Any]]:
    return [await observed(id) for id in scene.stories]


class Happened(Enum):
    """What became of an operation that was killed."""

    NOT = auto()
    TO_SOME = auto()
    WHOLLY = auto()


@dataclass
class Told:
    """How a scene looks before its operation and after the whole of it."""

    before: list[dict[str, Any]]
    public_before: dict[str, Any]
    wholly: list[dict[str, Any]]
    public_wholly: dict[str, Any]
    statements: int

    @classmethod
    async def of(cls, url: str, scene: Scene, api: Api) -> Told:
        before, public_before = await every(scene), await public(api)
        started = crashing.start(url, scene.operation, **scene.given)
        assert await asyncio.to_thread(started.wait) == 0
        told = cls(before, public_before, await every(scene), await public(api), started.sent)
        assert told.wholly != before
        return told

    async def check(self, scene: Scene, api: Api, untouched: dict[str, str]) -> Happened:
        """To each story, that is: wholly or not at all."""
        seen = await every(scene)
        for one, before, wholly in zip(seen, self.before, self.wholly, strict=True):
            assert one in (before, wholly)
        await check_derived()
        if seen == self.before:
            assert await dump() == untouched
            assert await public(api) == self.public_before
            return Happened.NOT
        if seen != self.wholly:
            return Happened.TO_SOME
        assert await public(api) == self.public_wholly
        return Happened.WHOLLY


@dataclass
class Crashes:
    """An operation that is killed again and again in one newsroom."""

    operation: str
    api: Api
    url: str
    empty: Callable[[], Awaitable[None]]

    async def begin(self) -> None:
        self.told = await Told.of(self.url, await SCENES[self.operation](), self.api)
        await self.anew()

    async def anew(self) -> None:
        await self.empty()
        self.scene = await SCENES[self.operation]()
        self.untouched = await dump()

    async def at(self, statement: int) -> Happened:
        code = await crash(self.url, self.scene, statement)
        assert code == -signal.SIGKILL
        await crashing.gone(self.url)
        happened = await self.told.check(self.scene, self.api, self.untouched)
        if happened is not Happened.NOT:
            await self.again()
            await self.anew()
        return happened

    async def again(self) -> None:
        """What is left of it; or it is refused, since it has happened."""
        assert await crash(self.url, self.scene, None) in (0, crashing.REFUSED)
        assert await every(self.scene) == self.told.wholly
        assert await public(self.api) == self.told.public_wholly
        await check_derived()

    async def run(self, step: int) -> None:
        """At each step-th statement, and each of the last ones, with which it is committed."""
        await self.begin()
        last = self.told.statements
        assert last > 8
        for statement in range(1, last, step):
            await self.at(statement)
        assert await self.at(last) is Happened.WHOLLY
        while await self.at(last - 1) is Happened.WHOLLY:
            last -= 1
        await self.again()


@pytest.fixture
def empty(_restorer: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
    """Empties the database once more."""

    async def make_empty() -> None:
        await _restorer.execute("call kept.restore()")

    return make_empty


@pytest.mark.parametrize("operation", SCENES)
async def test_R3_what_is_killed_at_a_statement_happens_wholly_or_not_and_can_be_done_again(
    operation: str, api: Api, database_url: str, empty: Callable[[], Awaitable[None]]
) -> None:
    await Crashes(operation, api, database_url, empty).run(15 if operation == "publish_due" else 6)


@pytest.mark.extended
@pytest.mark.parametrize("operation", SCENES)
async def test_R3_the_same_at_each_statement(
    operation: str, api: Api, database_url: str, empty: Callable[[], Awaitable[None]]
) -> None:
    await Crashes(operation, api, database_url, empty).run(1)


@pytest.mark.extended
@pytest.mark.parametrize("operation", ["publish", "publish_due"])
async def test_R3_a_database_that_is_killed_at_a_statement_has_done_it_wholly_or_not(
    operation: str, api: Api, database_url: str, data_dir: Path
) -> None:
    told = await Told.of(database_url, await SCENES[operation](), api)
    with embedded.running(data_dir) as url:
        for statement in range(2, 100, 9):
            async with database.open(Settings(database_url=url)):
                if statement == 2:
                    await database.migrate()
                scene = await SCENES[operation]()
                untouched = await dump()
                server = postmaster(data_dir)
                killing = crashing.start(url, scene.operation, die_at=statement, kill=server, **scene.given)
                await asyncio.to_thread(killing.wait)
            if killing.sent < statement:
                return
            with embedded.running(data_dir):  # starts it again
                async with database.open(Settings(database_url=url)):
                    await crashing.gone(url)
                    happened = await told.check(scene, api, untouched)
                    codes = (0,) if happened is Happened.NOT else (0, crashing.REFUSED)
                    assert await crash(url, scene, None) in codes
                    assert await every(scene) == told.wholly
                    await execute("truncate article, slug, section, author, tag, tag_name, term_count cascade")
