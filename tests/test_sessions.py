"""Signing in and out and choosing passwords over HTTP, and what a cookie opens. T…, A… are rows of docs/security.md."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import pytest
from tortoise import connections

from cms import accounts, mail
from cms.models import Letter, LinkPurpose, Role, Session, TokenScope, User
from cms.permissions import SYSTEM
from tests.browser import SERVER, Browser

pytestmark = pytest.mark.usefixtures("db")

EMAIL, PASSWORD, OTHER = "anna@news.example", "correct horse battery", "staple, staple, staple"
HTTPS = "https://desk.news.example"

Configured = Callable[..., None]


@pytest.fixture
async def anna() -> User:
    return await accounts.create_user(SYSTEM, email=EMAIL, name="Anna", role=Role.EDITOR, password=PASSWORD)


@pytest.fixture
async def browser(anna: User) -> AsyncIterator[Browser]:
    """Anna's, who is signed in."""
    async with Browser() as browser:
        assert (await browser.sign_in(EMAIL, PASSWORD)).status_code == 200
        yield browser


def cookies(response: httpx.Response) -> dict[str, Morsel[str]]:
    jar: SimpleCookie = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return dict(jar.items())


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


async def reset_link(user: User) -> str:
    return (await accounts.new_link(user, LinkPurpose.RESET) or "").partition("#")[2]


# ---------------------------------------------------------------- in and out


async def test_a_user_signs_in_and_out(anna: User) -> None:
    async with Browser() as browser:
        response = await browser.sign_in(EMAIL, PASSWORD)
        assert response.status_code == 200
        assert response.json()["user"]["name"] == "Anna"
        assert await browser.who() == "Anna"
        kept = browser.client.cookies["copydesk"]
        assert (await browser.sign_out()).status_code == 204
        assert "copydesk" not in browser.client.cookies
        assert await browser.who() is None
        browser.client.cookies.set("copydesk", kept, domain="localhost.local")
        assert await browser.who() == "refused"
        assert (await browser.sign_out()).status_code == 204


async def test_t1_a_cookie_is_for_this_host_https_and_the_server_only(anna: User, configured: Configured) -> None:
    configured(CMS_PUBLIC_URL=HTTPS + "/")
    async with Browser(server=HTTPS) as browser:
        given = cookies(await browser.sign_in(EMAIL, PASSWORD))
        assert set(given) == {"__Host-copydesk", "__Host-copydesk-browser"}
        for morsel in given.values():
            assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "strict")
            assert (morsel["path"], morsel["domain"]) == ("/", "")
        assert await browser.who() == "Anna"
        assert cookies(await browser.sign_out())["__Host-copydesk"]["max-age"] == "0"


@pytest.mark.parametrize("url", ["http://desk.news.example", "http://0.0.0.0:8000", "http://192.0.2.1"])
async def test_t1_without_https_nobody_signs_in_from_another_machine(
    anna: User, configured: Configured, url: str
) -> None:
    configured(CMS_PUBLIC_URL=url)
    async with Browser(server=url) as browser:
        response = await browser.sign_in(EMAIL, PASSWORD)
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"])
async def test_on_this_machine_http_will_do(anna: User, configured: Configured, url: str) -> None:
    configured(CMS_PUBLIC_URL=url)
    async with Browser(server=url) as browser:
        assert set(cookies(await browser.sign_in(EMAIL, PASSWORD))) == {"copydesk", "copydesk-browser"}


async def test_signing_in_again_ends_the_session_before(browser: Browser) -> None:
    before = browser.client.cookies["copydesk"]
    assert (await browser.sign_in(EMAIL, PASSWORD)).status_code == 200
    assert browser.client.cookies["copydesk"] != before
    assert await Session.all().count() == 1


async def test_answers_are_nobody_else_s(browser: Browser) -> None:
    for response in (
        await browser.sign_in(EMAIL, PASSWORD),
        await browser.sign_in(EMAIL, OTHER),
        await browser.post("/graphql", {"query": "{ viewer { name } }"}),
        await browser.post("/password-reset", {"email": EMAIL}),
        await browser.sign_out(),
    ):
        assert response.headers["cache-control"] == "private, no-store"
        assert "Cookie" in response.headers["vary"]


ENDINGS: dict[str, Callable[[User], Any]] = {
    "disabled": lambda user: accounts.update_user(SYSTEM, user.id, {"is_active": False}),
    "role changed": lambda user: accounts.update_user(SYSTEM, user.id, {"role": Role.ADMIN}),
    "password reset": lambda user: _reset(user),
}


async def _reset(user: User) -> None:
    await accounts.redeem(await reset_link(user), OTHER)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_t1_the_next_request_knows(anna: User, browser: Browser, ending: str) -> None:
    token = await accounts.create_token(SYSTEM, name="program", scope=TokenScope.WRITE, user=anna)
    await ENDINGS[ending](anna)
    assert await browser.who() == "refused"
    async with Browser() as program:
        response = await program.post("/graphql", {"query": "{ viewer { name } }"}, Authorization=f"Bearer {token}")
    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")


async def test_one_credential_is_enough(anna: User, browser: Browser) -> None:
    token = await accounts.create_token(SYSTEM, name="program", scope=TokenScope.WRITE, user=anna)
    response = await browser.post("/graphql", {"query": "{ viewer { name } }"}, Authorization=f"Bearer {token}")
    assert response.status_code == 400


# ---------------------------------------------------------------- other sites


RENAME = 'mutation { updateUser(input: {id: "%s", name: "Mallory"}) { __typename } }'
ALIEN: dict[str, dict[str, str]] = {
    "no header": {"X-Requested-With": ""},
    "another header": {"X-Requested-With": "XMLHttpRequest"},
    "evil origin": {"Origin": "https://evil.example"},
    "null origin": {"Origin": "null"},
    "origin of another port": {"Origin": "http://localhost:8001"},
    "origin that begins alike": {"Origin": SERVER + ".evil.example"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "typed by hand": {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("alien", ALIEN)
async def test_h1_a_cookie_does_nothing_for_another_site(anna: User, browser: Browser, alien: str) -> None:
    id = (await browser.ask("{ viewer { user { id } } }"))["viewer"]["user"]["id"]
    done = [
        await browser.post("/graphql", {"query": RENAME % id}, **ALIEN[alien]),
        await browser.client.delete("/session", headers={**browser.page, **ALIEN[alien]}),
        await browser.sign_in(EMAIL, PASSWORD, **ALIEN[alien]),
    ]
    assert [response.status_code for response in done] == [403, 403, 403]
    assert {code(response) for response in done} == {"FORBIDDEN"}
    assert (await User.get()).name == "Anna"
    assert await browser.who() == "Anna"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("", 415),
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/session", "/password"])
async def test_h1_forms_do_nothing(browser: Browser, path: str, content_type: str, status: int) -> None:
    body = b'{"query": "mutation { createTag(input: {name: \\"x\\"}) { __typename } }", "email": "x", "password": "x"}'
    headers = {**browser.page, "Content-Type": content_type}
    assert (await browser.client.post(path, content=body, headers=headers)).status_code == status
    bare = await browser.client.post(path, content=body, headers={"Content-Type": content_type})
    assert bare.status_code in (403, 415)


async def test_h1_an_address_that_is_followed_writes_nothing(browser: Browser) -> None:
    mutation = 'mutation { createTag(input: {name: "x"}) { __typename } }'
    response = await browser.client.get("/graphql", params={"query": mutation}, headers=browser.page)
    assert response.status_code == 405
    for path in ("/session", "/password", "/password-reset"):
        assert (await browser.client.get(path)).status_code == 405


async def test_h1_nobody_is_signed_in_by_another_site(anna: User) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with Browser() as browser:
            body = {"email": EMAIL, "password": PASSWORD}
            response = await browser.client.post("/session", json=body, headers=headers)
            assert response.status_code == 403
            assert "set-cookie" not in response.headers


async def test_what_says_nothing_of_itself_may_sign_in_but_not_use_a_cookie(anna: User) -> None:
    async with Browser() as browser:
        response = await browser.client.post("/session", json={"email": EMAIL, "password": PASSWORD})
        assert response.status_code == 200
        headers = {"X-Requested-With": "copydesk"}
        assert (
            await browser.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        ).status_code == 403


# ---------------------------------------------------------------- guessing


async def test_a10_an_address_is_not_what_the_client_says(anna: User) -> None:
    statuses = []
    async with Browser() as browser:
        for i in range(40):
            said = {
                "X-Forwarded-For": f"198.51.100.{i}",
                "X-Real-IP": f"198.51.100.{i}",
                "Forwarded": f"for=198.51.100.{i}",
            }
            statuses.append((await browser.sign_in(f"nobody{i}@news.example", PASSWORD, **said)).status_code)
    assert statuses == [401] * 20 + [429] * 20


@pytest.mark.parametrize(
    ("hops", "peer"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("6.6.6.6, 203.0.113.5", "203.0.113.5"),
        ("6.6.6.6, 203.0.113.5, 10.1.2.3", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("6.6.6.6, nonsense, 10.1.2.3", "10.1.2.3"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
async def test_a10_of_what_proxies_say_the_nearest_stranger_counts(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, hops: str, peer: str
) -> None:
    configured(CMS_TRUSTED_PROXIES="10.0.0.0/8")
    asked: list[str] = []

    async def ask(email: str, peer: str) -> None:
        asked.append(peer)

    monkeypatch.setattr(accounts, "ask_for_reset", ask)
    async with Browser(peer="10.0.0.1") as browser:
        await browser.post("/password-reset", {"email": EMAIL}, **{"X-Forwarded-For": hops})
        await browser.client.post(
            "/password-reset", json={"email": EMAIL}, headers=[("X-Forwarded-For", each) for each in hops.split(",")]
        )
    assert asked == [peer, peer]


async def test_a10_who_has_to_wait_is_told_how_long(anna: User) -> None:
    async with Browser() as browser:
        for _ in range(5):
            await browser.sign_in(EMAIL, OTHER)
        response = await browser.sign_in(EMAIL, PASSWORD)
    assert (response.status_code, code(response), response.headers["retry-after"]) == (429, "RATE_LIMITED", "30")


async def test_t8_the_browser_one_uses_still_gets_in(browser: Browser) -> None:
    await browser.sign_out()
    async with Browser() as stranger:
        for i in range(30):
            await stranger.sign_in(f"n{i}@news.example", OTHER)
        assert (await stranger.sign_in(EMAIL, PASSWORD)).status_code == 429
    assert (await browser.sign_in(EMAIL, PASSWORD)).status_code == 200


async def test_t5_a_huge_password_is_refused_before_it_costs(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    async def verify(hashed: str | None, password: str) -> bool:
        raise AssertionError

    monkeypatch.setattr("cms.accounts.sessions.verify_password", verify)
    async with Browser() as browser:
        assert (await browser.sign_in(EMAIL, "x" * 1_000_000)).status_code == 413


BAD_BODIES = [b"", b"{", b"[]", b"1", b'"x"', b"null", b"\xff", b"[" * 10_000, b"{}", b'{"email": "x"}']


@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("path", ["/session", "/password"])
async def test_a_body_that_is_none_is_refused(path: str, body: bytes) -> None:
    async with Browser() as browser:
        headers = {**browser.page, "Content-Type": "application/json"}
        response = await browser.client.post(path, content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["errors"]


# ---------------------------------------------------------------- passwords by link


async def test_a_password_is_chosen_by_link(anna: User, browser: Browser) -> None:
    secret = await reset_link(anna)
    async with Browser() as other:
        short = await other.post("/password", {"token": secret, "password": "short"})
        assert (short.status_code, code(short)) == (400, "INVALID")
        assert short.json()["errors"][0]["extensions"]["issues"][0]["field"] == ["password"]
        assert (await other.post("/password", {"token": secret, "password": OTHER})).status_code == 204
        assert (await other.post("/password", {"token": secret, "password": PASSWORD})).status_code == 400
        assert await other.who() is None
        assert (await other.sign_in(EMAIL, PASSWORD)).status_code == 401
        assert (await other.sign_in(EMAIL, OTHER)).status_code == 200
    assert await browser.who() == "refused"


async def test_a9_twenty_at_once_and_one_gets_it(anna: User) -> None:
    secret = await reset_link(anna)
    async with Browser() as browser:
        done = await asyncio.gather(
            *(browser.post("/password", {"token": secret, "password": f"password number {i}"}) for i in range(20))
        )
    assert sorted(response.status_code for response in done) == [204] + [400] * 19


@pytest.mark.parametrize("token", [None, "", [], ["x"], {"$ne": None}, {}, 0, True, "x", "cmsr_", "cmsr_\u0000"])
async def test_a9_a_token_is_a_text(anna: User, token: Any) -> None:
    await reset_link(anna)
    async with Browser() as browser:
        response = await browser.post("/password", {"token": token, "password": OTHER})
    assert (response.status_code, code(response)) == (400, "INVALID")


async def test_l16_a_reset_answers_the_same_whoever_it_is_for(anna: User, configured: Configured) -> None:
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1")
    async with Browser() as browser:
        known = await browser.post("/password-reset", {"email": EMAIL})
        unknown = await browser.post("/password-reset", {"email": "nobody@news.example"})
    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content
    assert known.headers == unknown.headers
    assert await Letter.all().count() == 2


async def test_l16_signing_in_answers_the_same_whoever_it_is(anna: User) -> None:
    async with Browser() as browser:
        wrong = await browser.sign_in(EMAIL, OTHER)
        unknown = await browser.sign_in("nobody@news.example", OTHER)
    assert (wrong.status_code, wrong.content, wrong.headers) == (unknown.status_code, unknown.content, unknown.headers)


async def test_h5_a_link_leads_to_our_own_address_whatever_the_request_says(
    anna: User, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(mail, "send", lambda to, subject, text: sent.append(text))
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1", CMS_PUBLIC_URL=HTTPS)
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    async with Browser(server=HTTPS) as browser:
        await browser.post("/password-reset", {"email": EMAIL}, **evil)
    await accounts.send_due()
    assert f"{HTTPS}/desk/password#cmsr_" in sent[0]
    assert "evil" not in sent[0]


# ---------------------------------------------------------------- secrets


async def test_l10_t7_no_secret_is_kept_or_logged(
    anna: User,
    configured: Configured,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """All that is said in secret, looked for in every table and every line of log, as text and in hexadecimal."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("tortoise.db_client").setLevel(logging.INFO)  # prints parameters, which nobody sees in production
    password = "marker-of-a-password"
    sent: list[str] = []
    async with Browser() as browser:
        await browser.sign_in(EMAIL, PASSWORD)
        await browser.ask(
            "mutation($old: String!, $new: String!) "
            "{ changePassword(input: {oldPassword: $old, newPassword: $new}) { __typename } }",
            old=PASSWORD,
            new=password,
        )
        await browser.sign_in(EMAIL, password)
        id = (await browser.ask("{ viewer { user { id } } }"))["viewer"]["user"]["id"]
        made = await browser.write(
            "createToken", {"name": "x", "scope": "WRITE", "userId": id}, "... on CreatedToken { secret }"
        )
        await browser.post("/graphql", {"query": "{"}, Authorization=f"Bearer {made['secret']}")
        secrets = [password, made["secret"], *browser.client.cookies.values()]
        monkeypatch.setattr(mail, "send", lambda to, subject, text: sent.append(text))
        configured(CMS_SMTP_URL="smtp://marker:marker-of-smtp@127.0.0.1:1")
        await browser.post("/password-reset", {"email": EMAIL})
        await accounts.send_due()
    configured(CMS_SMTP_URL="")
    secrets.append(await reset_link(anna))
    secrets += [word.partition("#")[2] for text in sent for word in text.split() if "#" in word]
    out, err = capfd.readouterr()
    kept = await _all_rows() + caplog.text + out + err
    assert len(secrets) == 6
    for secret in [*secrets, "marker-of-smtp"]:
        assert secret not in kept
        assert secret.encode().hex() not in kept
    async with Browser() as browser:
        await browser.sign_in(EMAIL, password)
        assert made["secret"] not in str(
            await browser.ask("{ tokens { nodes { name scope } } sessions { userAgent } }")
        )


async def _all_rows() -> str:
    connection = connections.get("default")
    _, tables = await connection.execute_query(
        "select format('%I', relname) as name from pg_class "
        "where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    texts = []
    for table in tables:
        _, rows = await connection.execute_query(f"select t::text as row from {table['name']} t")
        texts += [row["row"] for row in rows]
    assert any("Anna" in text for text in texts)
    return "\n".join(texts)
