"""Accounts by command, and what a running server makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from typer.exceptions import TyperException

from cms import accounts, ids
from cms.accounts import throttle
from cms.cli import app
from cms.errors import Conflict, NotFound
from cms.models import Letter, LinkPurpose, Role, Token, TokenScope, User
from cms.permissions import SYSTEM
from tests.conftest import Served

pytestmark = pytest.mark.usefixtures("db")

EMAIL, PASSWORD = "mara@post.example", "correct horse battery"


Command = Callable[..., Any]


@pytest.fixture
def cms(database_url: str, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> Command:
    """A command in this process, and what it prints. It has a loop of its own."""
    configured(CMS_DATABASE_URL=database_url)

    async def run(*arguments: str) -> str:
        await asyncio.to_thread(app, arguments, prog_name="cms", standalone_mode=False)
        return capsys.readouterr().out

    return run


async def test_a_user_is_invited_reset_and_disabled(cms: Command) -> None:
    who = ["--name", "Mara", "--role", "EDITOR"]
    url = urlsplit((await cms("user", "invite", EMAIL, *who)).strip())
    assert (url.netloc, url.path) == ("127.0.0.1:8000", "/desk/password")
    await accounts.redeem(url.fragment, PASSWORD)
    assert (await accounts.sign_in(EMAIL, PASSWORD, accounts.Visit("192.0.2.1"))).user.role is Role.EDITOR
    with pytest.raises(Conflict):
        await cms("user", "invite", EMAIL, *who)
    await accounts.redeem(urlsplit((await cms("user", "reset", EMAIL)).strip()).fragment, PASSWORD + "!")
    assert await cms("user", "disable", EMAIL) == ""
    assert not (await User.get()).is_active
    with pytest.raises(NotFound):
        await cms("user", "reset", EMAIL)


async def test_with_a_mail_server_the_link_is_sent_and_not_shown(cms: Command, configured: Callable[..., None]) -> None:
    await accounts.create_user(SYSTEM, email=EMAIL, name="Mara", role=Role.EDITOR, password=None)
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1")
    assert await cms("user", "reset", EMAIL) == ""
    assert (await Letter.get()).purpose is LinkPurpose.RESET


async def test_tokens_are_listed_and_revoked(cms: Command) -> None:
    secret = await accounts.create_token(SYSTEM, name="web site", scope=TokenScope.READ)
    await accounts.authenticate(secret)
    id = ids.encode("Token", (await Token.get()).id)
    listed = await cms("token", "list")
    assert listed.startswith(f"{id}\tREAD\t")
    assert listed.endswith("\tfor ever\tweb site\n")
    assert secret not in listed
    await cms("token", "revoke", id)
    assert (await Token.get()).revoked_at is not None
    with pytest.raises(TyperException, match="not the id of a token"):
        await cms("token", "revoke", ids.encode("User", (await Token.get()).id))


async def test_a10_t1_a_server_believes_no_client_and_forgets_nobody(
    database_url: str, serve: Callable[..., Served]
) -> None:
    """Two processes answer; what one counts or ends, the other knows."""
    user = await accounts.create_user(SYSTEM, email=EMAIL, name="Mara", role=Role.EDITOR, password=PASSWORD)
    served = await asyncio.to_thread(serve, "--workers", "2", CMS_DATABASE_URL=database_url)
    page = {"X-Requested-With": "copydesk", "Origin": served.url}
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        signed_in = await client.post("/session", json={"email": EMAIL, "password": PASSWORD}, headers=page)
        assert signed_in.status_code == 200

        async def who() -> int:
            query = {"query": "{ viewer { name } }"}
            return (await client.post("/graphql", json=query, headers={**page, "Connection": "close"})).status_code

        assert {await who() for _ in range(6)} == {200}
        await accounts.update_user(SYSTEM, user.id, {"is_active": False})
        assert {await who() for _ in range(6)} == {401}
    for _ in range(throttle.BLOCK.free - 1):
        await throttle.count(throttle.key("block", "127.0.0.1"), throttle.BLOCK)
    statuses = []
    for i in range(4):
        body = {"email": f"n{i}@post.example", "password": PASSWORD}
        headers = {"X-Forwarded-For": f"198.51.100.{i}", "Connection": "close"}
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            statuses.append((await client.post("/session", json=body, headers=headers)).status_code)
    assert statuses == [401, 429, 429, 429]
