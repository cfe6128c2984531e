"""Streams of several servers beside each other: what happens at one is told at all, and what ends there ends at all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from cms import ids
from cms.cli import GRACE_SECONDS
from cms.models import ArticleStatus, Role, Token
from tests.conftest import Served
from tests.factories import execute, make_article, make_token, make_user
from tests.streaming import CARRIERS, Listener, listening, reading_nothing, until

pytestmark = pytest.mark.usefixtures("db")

CHANGED = "subscription { articleChanged { kind article { headline } } }"
EDITORIAL = "subscription { editorialEvents { type article { headline } } }"


class Newsroom:
    """A server, as an editor or an administrator uses it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def write(self, name: str, select: str, **input: Any) -> dict[str, Any]:
        type = name[0].upper() + name[1:] + "Input"
        document = f"mutation($input: {type}!) {{ {name}(input: $input) {{ __typename ... on {select} }} }}"
        response = await self._client.post("/graphql", json={"query": document, "variables": {"input": input}})
        written: dict[str, Any] = response.json()["data"][name]
        assert written["__typename"] == select.partition(" ")[0], written
        return written

    async def publish(self, headline: str) -> None:
        story = await self.write("createArticle", "Article { id }", headline=headline)
        await self.write("publishArticle", "Article { id }", id=story["id"])


@asynccontextmanager
async def newsroom(server: Served, role: Role = Role.EDITOR) -> AsyncIterator[Newsroom]:
    headers = {"Authorization": f"Bearer {await make_token(user=await make_user(role))}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        yield Newsroom(client)


def headlines(listener: Listener) -> list[str]:
    """Of stories that were published. That one is alike another published since is told as an update."""
    told = [result["data"]["articleChanged"] for result in listener.results]
    return [each["article"]["headline"] for each in told if each["kind"] == "PUBLISHED"]


async def all_listen(listeners: Sequence[Listener]) -> None:
    """When each is told of something; until then it may not have subscribed yet."""
    async with asyncio.timeout(60):
        while not all(each.results for each in listeners):
            await make_article(headline="Anybody?", status=ArticleStatus.PUBLISHED)
            await asyncio.sleep(0.1)
    await make_article(headline="Everybody", status=ArticleStatus.PUBLISHED)
    await until(lambda: all("Everybody" in headlines(each) for each in listeners))


def secrets(listener: Listener) -> list[tuple[str, str]]:
    """What was told of stories that those were not to hear of who had lost the right to."""
    told = [result["data"]["editorialEvents"] for result in listener.results if "data" in result]
    found = [(each["type"], each["article"]["headline"]) for each in told if each["article"]]
    return [(type, headline) for type, headline in found if "SECRET" in headline and type != "article.related"]


async def staff_listen(listeners: Sequence[Listener]) -> None:
    async with asyncio.timeout(60):
        while not all(each.results for each in listeners):
            await make_article(headline="Anybody?")
            await asyncio.sleep(0.1)


async def test_what_is_published_through_one_is_told_at_all_once_and_in_order(
    serve: Callable[..., Served], database_url: str
) -> None:
    servers = [serve(CMS_DATABASE_URL=database_url) for _ in range(3)]
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(server, CHANGED, over=carrier))
            for server in servers
            for carrier in CARRIERS
        ]
        first = await stack.enter_async_context(newsroom(servers[0]))
        await all_listen(listeners)
        expected = ["Everybody"]

        async def publish(how: str) -> None:
            for number in range(5):
                await first.publish(f"{how} {number}")
                expected.append(f"{how} {number}")
            await until(lambda: all(expected[-1] in headlines(each) for each in listeners))

        await publish("Notified")
        # Notifications are lost: the log is looked at all the same.
        await execute("alter table event disable trigger event_told")
        try:
            await publish("Silent")
        finally:
            await execute("alter table event enable trigger event_told")
        # The connections that listen break: what happens meanwhile is told once they are back.
        await execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and (query ilike 'listen%' or query like '%from event where (place%')"
        )
        await publish("Broken")
        told = [headlines(each) for each in listeners]
        assert [each[each.index("Everybody") :] for each in told] == [expected] * 6


async def test_L18_rights_that_end_at_one_end_the_streams_at_all_and_nothing_is_told_after_them(
    serve: Callable[..., Served], database_url: str
) -> None:
    servers = [serve(CMS_DATABASE_URL=database_url) for _ in range(2)]
    users = [await make_user() for _ in range(3)]
    tokens = [await make_token(user=user) for user in users]
    colleague = await make_token(user=await make_user())
    async with AsyncExitStack() as stack:

        async def listen(token: str) -> list[Listener]:
            return [
                await stack.enter_async_context(listening(server, EDITORIAL, token, over=carrier))
                for server in servers
                for carrier in CARRIERS
            ]

        theirs, others = [await listen(token) for token in tokens], await listen(colleague)
        editor = await stack.enter_async_context(newsroom(servers[0]))
        admin = await stack.enter_async_context(newsroom(servers[0], Role.ADMIN))
        await staff_listen([listener for each in (*theirs, others) for listener in each])
        await execute("alter table event disable trigger event_told")  # it does not hang on notifications
        try:
            demoted, disabled, revoked = [ids.encode("User", user.id) for user in users[:2]] + [
                ids.encode("Token", (await Token.get(user_id=users[2].id)).id)
            ]
            await admin.write("updateUser", "User { id }", id=demoted, role="CONTRIBUTOR")
            await admin.write("updateUser", "User { id }", id=disabled, isActive=False)
            await admin.write("revokeToken", "Token { id }", id=revoked)
            for number in range(5):
                await editor.publish(f"SECRET {number}")
            await until(lambda: all(listener.end is not None for each in theirs for listener in each))
            await until(lambda: all(len(secrets(each)) >= 10 for each in others))
        finally:
            await execute("alter table event enable trigger event_told")
        told = [listener for each in theirs for listener in each]
        assert [each.end for each in told] == [4403, "complete"] * 6
        assert [each.results[-1]["errors"][0]["extensions"]["code"] for each in told[1::2]] == ["UNAUTHENTICATED"] * 6
        assert not any("SECRET" in str(each.results) for each in told)
        stories = [(f"article.{type}", f"SECRET {number}") for number in range(5) for type in ("created", "published")]
        assert [secrets(each) for each in others] == [stories] * 4


async def test_a_server_that_is_told_to_stop_tells_clients_to_connect_again(
    serve: Callable[..., Served], database_url: str
) -> None:
    server = serve(CMS_DATABASE_URL=database_url)
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(server, CHANGED, over=carrier))
            for carrier in CARRIERS
            for _ in range(5)
        ]
        await all_listen(listeners)
        server.process.send_signal(signal.SIGTERM)
        await until(lambda: all(each.end is not None for each in listeners))
        assert [each.end for each in listeners] == [1012] * 5 + ["hung up"] * 5
        await until(lambda: server.process.poll() is not None)
        assert server.process.returncode == 0


@pytest.mark.extended  # it waits for them as long as it may
async def test_a_server_stops_although_some_read_nothing(serve: Callable[..., Served], database_url: str) -> None:
    server = serve(CMS_DATABASE_URL=database_url)
    wide = (
        f"subscription {{ articleChanged {{ article {{ {' '.join(f'a{n}: body {{ text }}' for n in range(30))} }} }} }}"
    )
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(listening(server, CHANGED, over=carrier)) for carrier in CARRIERS]
        for carrier in CARRIERS:
            await stack.enter_async_context(reading_nothing(server, wide, carrier))
        await all_listen(readers)
        for number in range(10):  # 1.5 MB each: more than the system takes for them
            await make_article(
                headline=f"Long {number}", body={"html": f"<p>{'x' * 50_000}</p>"}, status=ArticleStatus.PUBLISHED
            )
        await until(lambda: all("Long 9" in headlines(each) for each in readers))
        server.process.send_signal(signal.SIGTERM)
        await until(lambda: all(each.end is not None for each in readers))
        assert [each.end for each in readers] == [1012, "hung up"]
        await until(lambda: server.process.poll() is not None, seconds=GRACE_SECONDS + 20)
        assert server.process.returncode == 0


@pytest.mark.extended
async def test_a_thousand_connections_of_one_process_are_told_once_each(
    serve: Callable[..., Served], database_url: str
) -> None:
    server = serve(CMS_DATABASE_URL=database_url, CMS_SOCKETS_PER_ADDRESS="1000")
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(server, CHANGED, over=carrier))
            for carrier in CARRIERS
            for _ in range(500)
        ]
        await all_listen(listeners)
        await make_article(headline="For all", status=ArticleStatus.PUBLISHED)
        await make_article(headline="The last", status=ArticleStatus.PUBLISHED)
        await until(lambda: all("The last" in headlines(each) for each in listeners))
        assert [headlines(each).count("For all") for each in listeners] == [1] * 1000
