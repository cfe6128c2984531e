"""Every way through the editorial workflow, against a model of a few dicts (R1, R6, R8, R26, R27).

After every step: readers see what the model says and nothing else; editors see what was saved; the derived tables equal
what is made anew from the stories; a takedown stays down until somebody with the right puts it back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tortoise import connections

from cms import accounts, articles, clock, ids, listings, schedules, workflow
from cms.errors import CMSError
from cms.models import Article, ArticleStatus, CorrectionKind, Head, Role, TokenScope
from cms.permissions import SYSTEM, Actor
from cms.workflow import Transition, Wish
from tests.factories import make_actor
from tests.worlds import World, world

T = TypeVar("T")
DRAFT, IN_REVIEW, APPROVED, SCHEDULED, PUBLISHED, UNPUBLISHED, WITHDRAWN = ArticleStatus
TAGS = ("peace", "war", "tide", "moon")


class Elsewhere:
    """A newsroom that lives in a thread of its own, so that a synchronous state machine can use it."""

    def __init__(self, url: str, admin_url: str) -> None:
        self._url, self._admin_url = url, admin_url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @contextmanager
    def open(self) -> Iterator[Elsewhere]:
        self._thread.start()
        manager = world(self._url)
        self.world: World = self._wait(manager.__aenter__())
        self._admin = self._wait(asyncpg.connect(self._admin_url))
        try:
            yield self
        finally:
            self._wait(self._admin.close())
            self._wait(manager.__aexit__(None, None, None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        return self._wait(self.world.run(work))

    def ask(self, document: str, viewer: str) -> Any:
        status, _, body = self._wait(self.world.ask(viewer, document))
        answer = orjson.loads(body)
        assert status == 200
        assert "errors" not in answer, answer
        return answer["data"]

    def empty(self) -> None:
        self._wait(self._admin.execute("call kept.restore()"))

    def _wait(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)


@dataclass(frozen=True)
class Words:
    """What a version of a story says."""

    headline: str
    tags: tuple[str, ...]
    related: tuple[int, ...]


@dataclass
class Story:
    """What the model knows of a story."""

    id: UUID
    owner: Role
    head: Words
    version_of_head: int = 1
    status: ArticleStatus = DRAFT
    live: Words | None = None
    version_of_live: int = 0
    pinned: tuple[int, Words] | None = None
    ever: bool = False
    gone: str | None = None
    trashed: bool = False
    notices: int = 0

    @property
    def head_is_live(self) -> bool:
        return self.live is not None and self.version_of_live == self.version_of_head


RANK = {role: rank for rank, role in enumerate(Role)}
LEAST = {
    Transition.SUBMIT: Role.CONTRIBUTOR,
    Transition.TRASH: Role.CONTRIBUTOR,
    Transition.UNTRASH: Role.CONTRIBUTOR,
    Transition.WITHDRAW: Role.CHIEF,
    Transition.REINSTATE: Role.CHIEF,
}


def is_possible(story: Story, name: Transition, role: Role) -> bool:
    """Design §2's table, said once more."""
    if RANK[role] < RANK[LEAST.get(name, Role.EDITOR)] or (role is Role.CONTRIBUTOR and story.owner is not role):
        return False
    if story.trashed != (name is Transition.UNTRASH):
        return False
    if role is Role.CONTRIBUTOR and name in (Transition.TRASH, Transition.UNTRASH) and story.status is not DRAFT:
        return False
    return {
        Transition.SUBMIT: story.status is DRAFT,
        Transition.REQUEST_CHANGES: story.status in (IN_REVIEW, APPROVED, SCHEDULED),
        Transition.APPROVE: story.status is IN_REVIEW,
        Transition.SCHEDULE: story.status is not WITHDRAWN and not story.head_is_live,
        Transition.UNSCHEDULE: story.pinned is not None,
        Transition.PUBLISH: story.status is not WITHDRAWN and not story.head_is_live,
        Transition.UNPUBLISH: story.live is not None,
        Transition.WITHDRAW: story.status is not WITHDRAWN and story.ever,
        Transition.REINSTATE: story.status is WITHDRAWN,
        Transition.TRASH: story.live is None,
        Transition.UNTRASH: True,
    }[name]


def go_live(story: Story, version: int, words: Words) -> None:
    story.live, story.version_of_live, story.ever, story.gone = words, version, True, None


def take_down(story: Story, reason: str) -> None:
    story.live, story.pinned, story.gone = None, None, reason


def apply(story: Story, name: Transition) -> None:
    match name:
        case Transition.SUBMIT:
            story.status = IN_REVIEW
        case Transition.REQUEST_CHANGES:
            story.status, story.pinned = DRAFT, None
        case Transition.APPROVE:
            story.status = APPROVED
        case Transition.SCHEDULE:
            story.status, story.pinned = SCHEDULED, (story.version_of_head, story.head)
        case Transition.UNSCHEDULE:
            if story.pinned and story.pinned[0] == story.version_of_head and story.status is SCHEDULED:
                story.status = APPROVED
            story.pinned = None
        case Transition.PUBLISH:
            go_live(story, story.version_of_head, story.head)
            story.status, story.pinned = PUBLISHED, None
        case Transition.UNPUBLISH:
            if story.head_is_live:
                story.status = UNPUBLISHED
            elif story.status is SCHEDULED:
                story.status = APPROVED
            take_down(story, "UNPUBLISHED")
        case Transition.WITHDRAW:
            take_down(story, "WITHDRAWN")
            story.status = WITHDRAWN
        case Transition.REINSTATE:
            story.status = DRAFT
        case Transition.TRASH:
            story.trashed, story.pinned = True, None
        case Transition.UNTRASH:
            story.trashed = False
            story.status = story.status if story.status is WITHDRAWN else DRAFT


@dataclass
class Newsroom:
    elsewhere: Elsewhere
    actors: dict[Role, Actor] = field(default_factory=dict)


def machine(newsroom: Newsroom) -> type[RuleBasedStateMachine]:
    there = newsroom.elsewhere

    class Workflow(RuleBasedStateMachine):
        stories = Bundle("stories")

        def __init__(self) -> None:
            super().__init__()
            there.empty()
            self.model: list[Story] = []
            there.run(self._hire)

        async def _hire(self) -> None:
            for role in (Role.CONTRIBUTOR, Role.EDITOR, Role.CHIEF):
                newsroom.actors[role] = await make_actor(role)
            there.world.tokens["public"] = None
            token = await accounts.create_token(SYSTEM, name="chief", scope=TokenScope.WRITE, role=Role.CHIEF)
            there.world.tokens["chief"] = token

        @rule(
            target=stories, owner=st.sampled_from([Role.CONTRIBUTOR, Role.EDITOR]), tags=st.sets(st.sampled_from(TAGS))
        )
        def create(self, owner: Role, tags: set[str]) -> int:
            words = Words(f"Story {len(self.model)}", tuple(sorted(tags)), ())
            head = there.run(lambda: articles.create(newsroom.actors[owner], self._given(words)))
            self.model.append(Story(head.article_id, owner, words))
            return len(self.model) - 1

        @rule(
            n=stories,
            others=st.lists(stories, max_size=3, unique=True),
            tags=st.sets(st.sampled_from(TAGS)),
            role=st.sampled_from([Role.CONTRIBUTOR, Role.EDITOR]),
            stale=st.booleans(),
        )
        def save(self, n: int, others: list[int], tags: set[str], role: Role, stale: bool) -> None:
            story = self.model[n]
            related = tuple(other for other in others if other != n and self._sees(role, other))
            words = Words(f"{story.head.headline}'", tuple(sorted(tags)), related)
            expected = there.run(lambda: Article.get(id=story.id)).version - (1 if stale else 0)
            done = self._try(
                lambda: articles.update(newsroom.actors[role], story.id, self._given(words), expected_version=expected)
            )
            allowed = self._sees(role, n) and not story.trashed and story.status is not WITHDRAWN and not stale
            assert done == allowed
            if done:
                keeps_review = story.status is IN_REVIEW and role is not Role.CONTRIBUTOR
                story.head, story.version_of_head = words, story.version_of_head + 1
                story.status = IN_REVIEW if keeps_review else DRAFT

        @rule(
            n=stories,
            name=st.sampled_from(
                [name for name in Transition if name is not Transition.WITHDRAW] * 2 + [Transition.WITHDRAW]
            ),
            role=st.sampled_from([Role.CONTRIBUTOR, Role.EDITOR, Role.EDITOR, Role.CHIEF, Role.CHIEF]),
        )
        def transition(self, n: int, name: Transition, role: Role) -> None:
            story = self.model[n]
            later = clock.now() + timedelta(days=1)
            wish = Wish(
                publish_at=later if name is Transition.SCHEDULE else None,
                notice="Wrong." if name is Transition.WITHDRAW else None,
            )
            done = self._try(lambda: workflow.transition(newsroom.actors[role], story.id, name, wish=wish))
            assert done == is_possible(story, name, role), (name, role, story)
            if done:
                apply(story, name)

        @rule()
        def time_passes(self) -> None:
            """All that is scheduled falls due, and four workers run at once."""
            due = "update article set publish_at = now() - interval '1 second' where publish_at is not null"
            there.run(lambda: connections.get("default").execute_query(due))

            async def workers() -> int:
                return sum(await asyncio.gather(*(schedules.publish_due() for _ in range(4))))

            fired = [story for story in self.model if story.pinned]
            assert there.run(workers) == len(fired)
            for story in fired:
                assert story.pinned is not None
                version, words = story.pinned
                go_live(story, version, words)
                story.pinned = None
                if version == story.version_of_head:
                    story.status = PUBLISHED

        @rule(n=stories)
        def correct(self, n: int) -> None:
            story = self.model[n]
            done = self._try(
                lambda: workflow.add_correction(SYSTEM, story.id, kind=CorrectionKind.UPDATE, text="More is known.")
            )
            assert done == (story.live is not None)
            story.notices += done

        @invariant()
        def readers_see_what_is_live(self) -> None:
            shown = there.ask(_PUBLIC, "public")
            live = {ids.encode("Article", s.id): s for s in self.model if s.live}
            assert {node["id"] for node in shown["articles"]["nodes"]} == live.keys()
            assert shown["articles"]["totalCount"] == len(live)
            for node in shown["articles"]["nodes"]:
                story = live[node["id"]]
                words = story.live
                assert words is not None
                assert node["headline"] == words.headline
                assert tuple(sorted(tag["name"] for tag in node["tags"])) == words.tags
                related = [ids.encode("Article", self.model[n].id) for n in words.related if self.model[n].live]
                assert [post["article"]["id"] for post in node["relatedPosts"]] == related
                assert len(node["corrections"]) == story.notices
            counts = {tag["name"]: tag["articleCount"] for tag in shown["tags"]["nodes"]}
            assert counts == {
                name: n for name in TAGS if (n := sum(name in s.live.tags for s in live.values() if s.live))
            }

        @invariant()
        def editors_see_what_was_saved(self) -> None:
            if not self.model:
                return
            for n, story in enumerate(self.model):
                id = ids.encode("Article", story.id)
                seen = there.ask(_EDITORIAL.replace("ID", id), "chief")["article"]
                assert seen["headline"] == story.head.headline
                assert tuple(sorted(tag["name"] for tag in seen["tags"])) == story.head.tags
                stored = there.run(lambda story=story: Head.get(article_id=story.id))  # type: ignore[misc]
                assert list(stored.related_ids) == [self.model[other].id for other in story.head.related], n
                assert seen["editorial"]["status"] == story.status, n
                assert seen["isLive"] == (story.live is not None)
                assert (seen["editorial"]["scheduledRevision"] is not None) == (story.pinned is not None)
                assert (seen["editorial"]["trashedAt"] is not None) == story.trashed

        @invariant()
        def what_is_derived_equals_what_is_made_anew(self) -> None:
            assert there.run(_terms) == there.run(_terms_anew)

        def _given(self, words: Words) -> dict[str, Any]:
            return {
                "headline": words.headline,
                "tag_names": list(words.tags),
                "related_post_ids": [self.model[n].id for n in words.related],
            }

        def _sees(self, role: Role, n: int) -> bool:
            return role is not Role.CONTRIBUTOR or self.model[n].owner is role

        def _try(self, work: Callable[[], Awaitable[Any]]) -> bool:
            async def tried() -> bool:
                try:
                    await work()
                except CMSError:
                    return False
                return True

            return there.run(tried)

    return Workflow


_PUBLIC = """{ articles(first: 100) { totalCount nodes { id headline tags { name } corrections { id }
    relatedPosts(first: 20) { article { id } } } } tags(first: 100) { nodes { name articleCount } } }"""
_EDITORIAL = """{ article(id: "ID", perspective: DRAFT) { headline isLive tags { name }
    editorial { status trashedAt scheduledRevision { number } } } }"""


async def _terms() -> list[Any]:
    sql = """select 'live', term_id, published_at, article_id from live_term
        union all select 'head', term_id, updated_at, article_id from head_term
        union all select n::text, term_id, null, null from term_count order by 1, 2, 3, 4"""
    return [tuple(row) for row in (await connections.get("default").execute_query(sql))[1]]


async def _terms_anew() -> list[Any]:
    await listings.rebuild()
    return await _terms()


@pytest.fixture
def newsroom(database_url: str, server_url: str) -> Iterator[Newsroom]:
    """Uses a database of its own."""
    name = f"{urlsplit(database_url).path[1:]}_machine"
    asyncio.run(_execute(server_url, f'drop database if exists "{name}" with (force)'))
    asyncio.run(_execute(server_url, f'create database "{name}" owner copydesk template template_cms'))
    url = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    admin = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with Elsewhere(url, admin).open() as elsewhere:
        yield Newsroom(elsewhere)
    asyncio.run(_execute(server_url, f'drop database "{name}" with (force)'))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


_SETTINGS = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True)


def test_any_way_through_the_workflow_keeps_its_promises(newsroom: Newsroom) -> None:
    run_state_machine_as_test(
        machine(newsroom), settings=settings(_SETTINGS, max_examples=6, stateful_step_count=15, derandomize=True)
    )


@pytest.mark.extended
def test_any_way_through_the_workflow_keeps_its_promises_in_the_long_run(newsroom: Newsroom) -> None:
    run_state_machine_as_test(machine(newsroom), settings=settings(_SETTINGS, max_examples=12, stateful_step_count=30))
