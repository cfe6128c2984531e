"""Users, passwords, links, tokens and counted tries, below HTTP. T…, A… and L… are rows of docs/security.md."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import time_machine

from cms import accounts, clock, mail
from cms.accounts import Kind, Visit, passwords, throttle
from cms.errors import CMSError, Conflict, Forbidden, Invalid, NotFound, RateLimited, Unauthenticated
from cms.models import Event, Letter, Link, LinkPurpose, Role, Session, Token, TokenScope, Tries, User
from cms.permissions import SYSTEM, Actor

pytestmark = pytest.mark.usefixtures("db")

PASSWORD = "correct horse battery"
OTHER = "staple, staple, staple"
HOME = Visit("192.0.2.1")

Later = Callable[..., None]


@pytest.fixture
def later() -> Iterator[Later]:
    """Moves the time: later(minutes=…)."""
    with time_machine.travel(clock.now(), tick=False) as traveller:

        def move(**delta: float) -> None:
            traveller.shift(timedelta(**delta))

        yield move


@pytest.fixture
async def anna() -> User:
    return await person("anna@news.example")


async def person(email: str, role: Role = Role.EDITOR, password: str | None = PASSWORD) -> User:
    name = email.partition("@")[0].title()
    return await accounts.create_user(SYSTEM, email=email, name=name, role=role, password=password)


async def signed_in(user: User, password: str = PASSWORD, visit: Visit = HOME) -> Actor:
    opened = await accounts.sign_in(user.email or "", password, visit)
    return await accounts.authenticate_session(opened.secret)


async def token_of(user: User, **more: Any) -> str:
    return await accounts.create_token(SYSTEM, name="program", scope=TokenScope.WRITE, user=user, **more)


async def link(user: User, purpose: LinkPurpose = LinkPurpose.RESET) -> str:
    """The secret of a new one."""
    url = await accounts.new_link(user, purpose)
    assert url is not None
    return url.partition("#")[2]


async def refused(work: Any, error: type[CMSError]) -> CMSError:
    with pytest.raises(error) as caught:
        await work
    assert isinstance(caught.value, CMSError)
    return caught.value


# ---------------------------------------------------------------- passwords


@pytest.mark.parametrize("length", [passwords.MIN_PASSWORD - 1, passwords.MAX_PASSWORD + 1, 1_000_000])
async def test_t5_a_password_has_a_length(length: int) -> None:
    await refused(accounts.hash_password("x" * length), Invalid)


async def test_t5_every_character_counts_to_the_last() -> None:
    long = "a" * 72 + "b" * (passwords.MAX_PASSWORD - 72)
    hashed = await accounts.hash_password(long)
    assert hashed.startswith("$argon2id$")
    assert await accounts.verify_password(hashed, long)
    assert not await accounts.verify_password(hashed, "a" * 72 + "c" + long[73:])
    assert not await accounts.verify_password(hashed, long[:-1])
    assert not await accounts.verify_password(hashed, long + "b")


async def test_t5_keyboards_that_compose_differently_type_the_same_password() -> None:
    hashed = await accounts.hash_password("cafe\u0301 ouvert à midi")
    assert await accounts.verify_password(hashed, "café ouvert à midi")


async def test_a_hash_that_is_none_fits_nothing() -> None:
    assert not await accounts.verify_password("not a hash", PASSWORD)
    assert not await accounts.verify_password(None, PASSWORD)


async def test_many_sign_ins_at_once_leave_the_loop_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "hasher", passwords.PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1))
    hashed = await accounts.hash_password(PASSWORD)
    longest = 0.0

    async def probe() -> None:
        nonlocal longest
        while True:
            before = asyncio.get_running_loop().time()
            await asyncio.sleep(0)
            longest = max(longest, asyncio.get_running_loop().time() - before)
            await asyncio.sleep(0.001)

    probing = asyncio.create_task(probe())
    assert all(await asyncio.gather(*(accounts.verify_password(hashed, PASSWORD) for _ in range(50))))
    probing.cancel()
    assert longest < 0.2  # hashing on the loop would hold it for all fifty


async def test_more_than_can_wait_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 5)
    hashed = await accounts.hash_password(PASSWORD)
    done = await asyncio.gather(
        *(accounts.verify_password(hashed, PASSWORD) for _ in range(20)), return_exceptions=True
    )
    assert done.count(True) == 5
    assert sum(isinstance(each, RateLimited) for each in done) == 15


# ---------------------------------------------------------------- signing in


@pytest.mark.parametrize("spelling", ["ANNA@NEWS.EXAMPLE", " anna@news.example ", "ａｎｎａ＠news.example"])
async def test_an_address_is_the_same_in_every_spelling(anna: User, spelling: str) -> None:
    assert (await accounts.sign_in(spelling, PASSWORD, HOME)).user == anna
    await refused(person(spelling), Conflict)


@pytest.mark.parametrize(
    "email", ["", "anna", "anna@", "a\0b@news.example", "\ud800", "x" * 100_000, "nobody@news.example"]
)
async def test_l16_whatever_is_wrong_is_said_in_the_same_words(anna: User, email: str) -> None:
    unknown = await refused(accounts.sign_in(email, PASSWORD, HOME), Unauthenticated)
    wrong = await refused(accounts.sign_in("anna@news.example", OTHER, HOME), Unauthenticated)
    assert unknown.message == wrong.message


async def test_machines_invited_and_disabled_people_cannot_sign_in(anna: User) -> None:
    invited = await person("carl@news.example", password=None)
    await accounts.update_user(SYSTEM, anna.id, {"is_active": False})
    for user in (anna, invited):
        await refused(accounts.sign_in(user.email or "", PASSWORD, HOME), Unauthenticated)


@pytest.fixture
async def work(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], tuple[int, int]]:
    """(statements, verifications) since it was last asked."""
    verified = 0

    def counting(hashed: str, password: bytes) -> bool:
        nonlocal verified
        verified += 1
        return verify(hashed, password)

    verify = passwords._verified
    monkeypatch.setattr(passwords, "_verified", counting)
    caplog.set_level(logging.DEBUG, "tortoise.db_client")

    def since() -> tuple[int, int]:
        nonlocal verified
        done = len([each for each in caplog.records if each.name == "tortoise.db_client"]), verified
        caplog.clear()
        verified = 0
        return done

    return since


async def test_l15_an_unknown_address_costs_what_a_wrong_password_costs(
    anna: User, work: Callable[[], tuple[int, int]]
) -> None:
    work()
    await refused(accounts.sign_in("anna@news.example", OTHER, HOME), Unauthenticated)
    wrong = work()
    await refused(accounts.sign_in("nobody@news.example", OTHER, HOME), Unauthenticated)
    unknown = work()
    assert unknown == wrong
    assert unknown[1] == 1
    assert unknown[0] > 0


def test_l15_the_hash_of_nobody_costs_what_a_real_one_costs() -> None:
    real, nobodys = passwords.hasher.hash("x").split("$"), passwords._nobodys().split("$")
    assert nobodys[:4] == real[:4]
    assert [len(part) for part in nobodys] == [len(part) for part in real]


async def test_l16_a_reset_costs_the_same_for_everybody(
    anna: User, work: Callable[[], tuple[int, int]], configured: Callable[..., None]
) -> None:
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1")
    work()
    await accounts.ask_for_reset("anna@news.example", "192.0.2.1")
    known = work()
    await accounts.ask_for_reset("nobody@news.example", "192.0.2.1")
    assert work() == known


# ---------------------------------------------------------------- counted tries


async def fail(email: str = "anna@news.example", peer: str = "192.0.2.66", **more: Any) -> type[CMSError]:
    return type(await refused(accounts.sign_in(email, OTHER, Visit(peer, **more)), CMSError))


async def test_a10_an_account_makes_its_guesser_wait_twice_as_long_each_time(anna: User, later: Later) -> None:
    assert [await fail() for _ in range(6)] == [Unauthenticated] * 5 + [RateLimited]
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        limited = await refused(accounts.sign_in("anna@news.example", PASSWORD, Visit("192.0.2.66")), RateLimited)
        assert isinstance(limited, RateLimited)
        assert limited.retry_after == seconds
        later(seconds=seconds)
        assert await fail() is Unauthenticated


async def test_a10_spellings_of_an_address_are_one_account(anna: User) -> None:
    spellings = [
        "anna@news.example",
        "ANNA@news.example",
        "ａnna@news.example",
        " Anna@News.Example",
        "anna@NEWS.EXAMPLE\t",
    ]
    assert [await fail(each) for each in (*spellings, "aNNa@news.example")] == [Unauthenticated] * 5 + [RateLimited]


async def test_a10_rotating_addresses_are_blocked_by_where_they_come_from(anna: User) -> None:
    outcomes = [await fail(f"nobody{i}@news.example") for i in range(100)]
    assert outcomes == [Unauthenticated] * 20 + [RateLimited] * 80
    assert await fail("anna@news.example") is RateLimited


async def test_a10_one_subscriber_of_ipv6_is_one_peer(anna: User) -> None:
    peers = [f"2001:db8:0:{i:x}::{i:x}" for i in range(30)]
    assert [await fail(f"n{i}@news.example", peer) for i, peer in enumerate(peers)].count(Unauthenticated) == 20


async def test_a10_guesses_from_everywhere_are_limited_for_all_strangers(anna: User) -> None:
    outcomes = [await fail(peer=f"198.51.100.{i}") for i in range(60)]
    assert outcomes == [Unauthenticated] * 50 + [RateLimited] * 10


async def test_a10_fifty_at_once_are_counted_one_by_one(anna: User) -> None:
    outcomes = await asyncio.gather(*(fail() for _ in range(50)))
    assert outcomes.count(Unauthenticated) == 5


async def test_t8_nobody_is_locked_out_of_the_browser_they_use(anna: User) -> None:
    opened = await accounts.sign_in("anna@news.example", PASSWORD, HOME)
    for i in range(60):
        await fail(peer=f"198.51.100.{i}")
    for i in range(30):
        await fail(f"n{i}@news.example", HOME.peer)
    assert await fail(peer="203.0.113.9") is RateLimited
    again = await accounts.sign_in("anna@news.example", PASSWORD, Visit(HOME.peer, browser=opened.browser))
    assert again.user == anna


async def test_t8_a_known_browser_is_no_way_to_guess(anna: User) -> None:
    browser = (await accounts.sign_in("anna@news.example", PASSWORD, HOME)).browser
    bert = await person("bert@news.example")
    outcomes = [await fail(bert.email or "", "198.51.100.7", browser=browser) for _ in range(40)]
    assert outcomes.count(Unauthenticated) == 5  # it is known for Anna only
    outcomes = [await fail(browser=browser) for _ in range(40)]
    assert outcomes.count(Unauthenticated) == 15  # ten there, and then five as from any other


async def test_t8_an_own_account_does_not_reset_the_count_of_its_address(anna: User) -> None:
    await person("mallory@news.example")
    outcomes = []
    for i in range(100):
        outcomes.append(await fail(f"n{i}@news.example"))
        if i % 3 == 0 and outcomes[-1] is Unauthenticated:
            await accounts.sign_in("mallory@news.example", PASSWORD, Visit("192.0.2.66"))
    assert outcomes.count(Unauthenticated) == 20


async def test_t8_time_unlocks_and_admin_does_and_nobody_else(anna: User, later: Later) -> None:
    async def lock() -> None:
        while await fail() is Unauthenticated:
            pass

    await lock()
    boss = await signed_in(await person("boss@news.example", Role.ADMIN))
    editor = await signed_in(await person("bert@news.example"))
    await refused(accounts.unlock(editor, anna.id), Forbidden)
    await accounts.redeem(await link(anna), OTHER)
    await refused(accounts.sign_in("anna@news.example", OTHER, Visit("192.0.2.66")), RateLimited)
    await accounts.unlock(boss, anna.id)
    assert (await accounts.sign_in("anna@news.example", OTHER, Visit("192.0.2.66"))).user == anna
    await accounts.change_password(await signed_in(anna, OTHER), old=OTHER, new=PASSWORD)
    await lock()
    later(minutes=15)
    assert (await accounts.sign_in("anna@news.example", PASSWORD, Visit("192.0.2.66"))).user == anna


async def test_what_is_forgotten_is_deleted(anna: User, later: Later) -> None:
    await fail()
    session = await signed_in(anna)
    await link(anna)
    await accounts.forget_expired()
    assert await accounts.still_valid({session}) == {session}
    later(days=181)
    await accounts.forget_expired()
    assert [await model.all().count() for model in (Tries, Session, Link)] == [0, 0, 0]


# ---------------------------------------------------------------- how access ends


async def _sign_out(user: User, actor: Actor) -> None:
    await accounts.end_session(actor, actor.session_id)  # type: ignore[arg-type]


ENDINGS: dict[str, Callable[[User, Actor], Any]] = {
    "disabled": lambda user, actor: accounts.update_user(SYSTEM, user.id, {"is_active": False}),
    "promoted": lambda user, actor: accounts.update_user(SYSTEM, user.id, {"role": Role.CHIEF}),
    "demoted": lambda user, actor: accounts.update_user(SYSTEM, user.id, {"role": Role.CONTRIBUTOR}),
    "password changed": lambda user, actor: accounts.change_password(actor, old=PASSWORD, new=OTHER),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_t1_it_ends_every_session_and_token_at_once(anna: User, ending: str) -> None:
    session = await accounts.sign_in(anna.email or "", PASSWORD, HOME)
    token, bystander = await token_of(anna), await token_of(await person("bert@news.example"))
    actors = [await accounts.authenticate_session(session.secret), await accounts.authenticate(token)]
    await ENDINGS[ending](anna, actors[0])
    await refused(accounts.authenticate_session(session.secret), Unauthenticated)
    await refused(accounts.authenticate(token), Unauthenticated)
    other = await accounts.authenticate(bystander)
    assert await accounts.still_valid([*actors, other]) == {other}
    if ending == "disabled":
        await accounts.update_user(SYSTEM, anna.id, {"is_active": True})
        await refused(accounts.authenticate(token), Unauthenticated)


async def test_t1_a_password_chosen_by_link_ends_them_too(anna: User) -> None:
    actors = [await signed_in(anna), await accounts.authenticate(await token_of(anna))]
    await accounts.redeem(await link(anna), OTHER)
    assert await accounts.still_valid(actors) == set()


async def test_t1_signing_out_ends_one_session(anna: User) -> None:
    here, there = await signed_in(anna), await signed_in(anna)
    await accounts.end_session(here, there.session_id)  # type: ignore[arg-type]
    assert await accounts.still_valid({here, there}) == {here}


async def test_t1_a_session_ends_when_it_is_idle_or_old(anna: User, later: Later) -> None:
    idle = await accounts.sign_in(anna.email or "", PASSWORD, HOME)
    busy = await accounts.sign_in(anna.email or "", PASSWORD, HOME)
    for _ in range(29):
        later(days=1)
        await accounts.authenticate_session(busy.secret)
    await refused(accounts.authenticate_session(idle.secret), Unauthenticated)
    later(days=1)
    await refused(accounts.authenticate_session(busy.secret), Unauthenticated)


async def test_a_last_use_is_written_once_a_minute(anna: User, later: Later) -> None:
    async def seen() -> tuple[datetime | None, datetime | None]:
        await accounts.authenticate_session(opened.secret)
        await accounts.authenticate(token)
        return (await Session.get(id=opened.session.id)).seen_at, (await Token.get()).last_used_at

    opened, token = await accounts.sign_in(anna.email or "", PASSWORD, HOME), await token_of(anna)
    first = await seen()
    later(seconds=59)
    assert await seen() == first
    later(seconds=2)
    assert await seen() != first


async def test_a_password_that_changes_while_it_is_checked_opens_nothing(
    anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed_meanwhile(hashed: str | None, password: str) -> bool:
        await accounts.redeem(await link(anna), OTHER)
        return True

    monkeypatch.setattr("cms.accounts.sessions.verify_password", changed_meanwhile)
    await refused(accounts.sign_in(anna.email or "", PASSWORD, HOME), Unauthenticated)
    assert not await Session.all().exists()


# ---------------------------------------------------------------- links


async def test_a9_a_link_works_once_for_twenty_who_try_at_once(anna: User) -> None:
    secret = await link(anna)
    done = await asyncio.gather(
        *(accounts.redeem(secret, f"password number {i:02}") for i in range(20)), return_exceptions=True
    )
    assert sum(isinstance(each, User) for each in done) == 1
    assert sum(isinstance(each, Invalid) for each in done) == 19
    await refused(accounts.redeem(secret, OTHER), Invalid)


LINK_ENDINGS: dict[str, Callable[[User], Any]] = {
    "another link used": lambda user: _use_another(user),
    "password changed": lambda user: _change_password(user),
    "address changed": lambda user: accounts.update_user(SYSTEM, user.id, {"email": "anna.b@news.example"}),
    "disabled": lambda user: accounts.update_user(SYSTEM, user.id, {"is_active": False}),
    "role changed": lambda user: accounts.update_user(SYSTEM, user.id, {"role": Role.ADMIN}),
}


async def _use_another(user: User) -> None:
    await accounts.redeem(await link(user), OTHER)


async def _change_password(user: User) -> None:
    await accounts.change_password(await signed_in(user), old=PASSWORD, new=OTHER)


@pytest.mark.parametrize("purpose", LinkPurpose)
@pytest.mark.parametrize("ending", LINK_ENDINGS)
async def test_a9_a_link_ends_with_what_it_was_made_for(anna: User, ending: str, purpose: LinkPurpose) -> None:
    secret = await link(anna, purpose)
    await LINK_ENDINGS[ending](anna)
    await refused(accounts.redeem(secret, "yet another password"), Invalid)


@pytest.mark.parametrize(("purpose", "life"), [(LinkPurpose.RESET, 30), (LinkPurpose.INVITATION, 7 * 24 * 60)])
async def test_a9_a_link_ends_by_itself(anna: User, later: Later, purpose: LinkPurpose, life: int) -> None:
    first, second = await link(anna, purpose), await link(anna, purpose)
    later(minutes=life - 1)
    await accounts.redeem(first, OTHER)
    second = await link(anna, purpose)
    later(minutes=life)
    await refused(accounts.redeem(second, PASSWORD), Invalid)


async def test_a9_a_bad_password_does_not_use_the_link_up(anna: User) -> None:
    secret = await link(anna)
    await refused(accounts.redeem(secret, "short"), Invalid)
    await accounts.redeem(secret, OTHER)
    assert (await signed_in(anna, OTHER)).user_id == anna.id


async def test_an_invitation_makes_a_user_who_signs_in_after_it() -> None:
    user = await accounts.invite_user(SYSTEM, email="Carl@News.example", name="Carl", role=Role.CONTRIBUTOR)
    again = await accounts.invite_user(SYSTEM, email="carl@news.example", name="Carl B.", role=Role.EDITOR)
    assert (again.id, again.name, again.role) == (user.id, "Carl B.", Role.EDITOR)
    await accounts.redeem(await link(again, LinkPurpose.INVITATION), PASSWORD)
    assert (await signed_in(again)).role is Role.EDITOR
    await refused(accounts.invite_user(SYSTEM, email="carl@news.example", name="C", role=Role.ADMIN), Conflict)


async def test_t6_no_secret_passes_for_one_of_another_kind(anna: User) -> None:
    opened = await accounts.sign_in(anna.email or "", PASSWORD, HOME)
    secrets = {
        Kind.TOKEN: await token_of(anna),
        Kind.SESSION: opened.secret,
        Kind.BROWSER: opened.browser,
        Kind.RESET: await link(anna),
        Kind.INVITATION: await link(anna, LinkPurpose.INVITATION),
    }
    opens: dict[Kind, Callable[[str], Any]] = {
        Kind.TOKEN: accounts.authenticate,
        Kind.SESSION: accounts.authenticate_session,
        Kind.RESET: lambda secret: accounts.redeem(secret, OTHER),
    }
    assert all(secret.startswith(kind) for kind, secret in secrets.items())
    assert not any(a.startswith(b) for a, b in permutations(Kind, 2))
    for kind, secret in secrets.items():
        for door, enter in opens.items():
            if door is kind or {door, kind} == {Kind.RESET, Kind.INVITATION}:  # both choose a password, by one door
                continue
            await refused(enter(secret), CMSError)
            await refused(enter(door + secret.removeprefix(kind)), CMSError)


# ---------------------------------------------------------------- letters


@pytest.fixture
async def letters(configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """What was sent: "address subject text"."""
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1", CMS_PUBLIC_URL="https://desk.news.example")
    sent: list[str] = []
    monkeypatch.setattr(mail, "send", lambda to, subject, text: sent.append(f"{to} {subject} {text}"))
    yield sent


async def test_l16_a_letter_is_owed_to_whoever_was_asked_for_and_sent_to_whom_there_is(
    anna: User, letters: list[str]
) -> None:
    machine = await accounts.create_user(SYSTEM, email=None, name="wire", role=Role.EDITOR, password=None)
    gone = await person("gone@news.example")
    await accounts.update_user(SYSTEM, gone.id, {"is_active": False})
    for email in ("Anna@news.example", "nobody@news.example", "gone@news.example", "no address"):
        await accounts.ask_for_reset(email, "192.0.2.1")
    assert await Letter.all().count() == 4
    assert not await Link.all().exists()
    await accounts.send_due()
    assert [each.partition(" ")[0] for each in letters] == ["anna@news.example"]
    assert machine.email is None
    assert not await Letter.all().exists()
    url = next(word for word in letters[0].split() if word.startswith("http"))
    assert url.startswith("https://desk.news.example/desk/password#cmsr_")
    await accounts.redeem(url.partition("#")[2], OTHER)


async def test_a_letter_that_fails_is_sent_later(
    anna: User, letters: list[str], later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = mail.send

    def fail(to: str, subject: str, text: str) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(mail, "send", fail)
    assert await accounts.new_link(anna, LinkPurpose.RESET) is None
    assert await accounts.send_due() == 1
    assert await accounts.send_due() == 0
    assert not await Link.all().exists()
    monkeypatch.setattr(mail, "send", send)
    later(minutes=2)
    assert await accounts.send_due() == 1
    assert len(letters) == 1


async def test_nobody_s_mailbox_is_filled(anna: User, letters: list[str], later: Later) -> None:
    for i in range(20):
        await accounts.ask_for_reset("anna@news.example", f"198.51.100.{i}")
    await accounts.send_due()
    await accounts.send_due()
    assert len(letters) == 1
    limited = [await _limited(accounts.ask_for_reset("anna@news.example", "192.0.2.1")) for _ in range(4)]
    assert limited == [False, False, False, True]
    limited = [await _limited(accounts.ask_for_reset(f"n{i}@news.example", "192.0.2.2")) for i in range(11)]
    assert limited == [False] * 10 + [True]


async def _limited(work: Any) -> bool:
    try:
        await work
    except RateLimited:
        return True
    return False


# ---------------------------------------------------------------- users


async def test_the_last_admin_stays(anna: User) -> None:
    boss = await person("boss@news.example", Role.ADMIN)
    for change in ({"is_active": False}, {"role": Role.CHIEF}):
        await refused(accounts.update_user(SYSTEM, boss.id, change), Forbidden)
    machine = await accounts.create_user(SYSTEM, email=None, name="wire", role=Role.ADMIN, password=None)
    await refused(accounts.update_user(SYSTEM, boss.id, {"is_active": False}), Forbidden)
    await accounts.update_user(SYSTEM, machine.id, {"is_active": False})
    await person("second@news.example", Role.ADMIN)
    await accounts.update_user(SYSTEM, boss.id, {"is_active": False})


async def test_two_admins_who_demote_each_other_leave_one() -> None:
    users = [await person(f"boss{i}@news.example", Role.ADMIN) for i in range(2)]
    done = await asyncio.gather(
        *(accounts.update_user(SYSTEM, user.id, {"role": Role.EDITOR}) for user in users), return_exceptions=True
    )
    assert sum(isinstance(each, Forbidden) for each in done) == 1
    assert await User.filter(role=Role.ADMIN).count() == 1


@pytest.mark.parametrize(
    "change",
    [{"role": Role.ADMIN}, {"is_active": True}, {"email": "b@news.example"}, {"name": "A", "role": Role.EDITOR}],
)
async def test_a3_of_oneself_one_changes_the_name_alone(anna: User, change: dict[str, Any]) -> None:
    actor = await signed_in(anna)
    await refused(accounts.update_user(actor, anna.id, change), Forbidden)
    assert (await accounts.update_user(actor, anna.id, {"name": "Anna B."})).name == "Anna B."
    token = await accounts.authenticate(await token_of(anna))
    await refused(accounts.update_user(token, anna.id, {"name": "Robot"}), Forbidden)


@pytest.mark.parametrize(
    "change", [{"role": None}, {"is_active": None}, {"email": None}, {"email": "x"}, {"name": " "}]
)
async def test_what_a_user_must_have_is_not_taken_away(anna: User, change: dict[str, Any]) -> None:
    await refused(accounts.update_user(SYSTEM, anna.id, change), Invalid)


async def test_a_password_is_changed_by_who_knows_the_old_one(anna: User) -> None:
    actor = await signed_in(anna)
    for i in range(5):
        error = await refused(accounts.change_password(actor, old=f"guess {i}", new=OTHER), Invalid)
        assert error.issues[0].field == ("oldPassword",)
    await refused(accounts.change_password(actor, old=PASSWORD, new=OTHER), RateLimited)
    token = await accounts.authenticate(await token_of(anna))
    await refused(accounts.change_password(token, old=PASSWORD, new=OTHER), Forbidden)


async def test_l12_who_takes_over_a_name_and_an_address_inherits_nothing(anna: User) -> None:
    actor, token, secret = await signed_in(anna), await token_of(anna), await link(anna)
    await accounts.update_user(SYSTEM, anna.id, {"is_active": False, "email": "former@news.example"})
    heir = await person("anna@news.example", Role.CONTRIBUTOR, OTHER)
    assert heir.id != anna.id
    await refused(accounts.authenticate(token), Unauthenticated)
    await refused(accounts.redeem(secret, "yet another password"), Invalid)
    assert await accounts.still_valid({actor}) == set()
    session = await signed_in(heir, OTHER)
    assert (await accounts.own_sessions(session))[0].id == session.session_id
    assert await accounts.tokens_of(session) == []
    assert session.role is Role.CONTRIBUTOR


# ---------------------------------------------------------------- tokens


async def test_t3_a_token_makes_none_with_more_than_it_has(later: Later) -> None:
    boss = await person("boss@news.example", Role.ADMIN)
    soon = clock.now() + timedelta(hours=1)
    weak = await accounts.authenticate(await token_of(boss, role=Role.EDITOR))
    strong = await accounts.authenticate(await token_of(boss, expires_at=soon))
    for scope in TokenScope:
        await refused(accounts.issue_token(weak, name="child", scope=scope), Forbidden)
    await refused(accounts.issue_token(weak, name="child", scope=TokenScope.WRITE, user_id=boss.id), Forbidden)
    await refused(accounts.create_user(weak, email=None, name="x", role=Role.CONTRIBUTOR, password=None), Forbidden)
    for wanted in (None, soon + timedelta(days=1)):
        child, secret = await accounts.issue_token(
            strong, name="child", scope=TokenScope.WRITE, role=Role.ADMIN, expires_at=wanted
        )
        assert child.expires_at == soon
    later(hours=1)
    await refused(accounts.authenticate(secret), Unauthenticated)
    for scope in (TokenScope.READ, TokenScope.PREVIEW):
        reader = await accounts.authenticate(await accounts.create_token(SYSTEM, name="site", scope=scope))
        await refused(accounts.issue_token(reader, name="child", scope=TokenScope.READ), Forbidden)


async def test_t3_nobody_acts_as_somebody_else(anna: User) -> None:
    boss = await signed_in(await person("boss@news.example", Role.ADMIN))
    editor = await signed_in(anna)
    await refused(accounts.issue_token(boss, name="x", scope=TokenScope.WRITE, user_id=anna.id), Forbidden)
    await refused(accounts.issue_token(editor, name="x", scope=TokenScope.WRITE, user_id=boss.user_id), Forbidden)
    await refused(
        accounts.issue_token(editor, name="x", scope=TokenScope.WRITE, user_id=anna.id, role=Role.ADMIN), Invalid
    )
    for scope in TokenScope:
        await refused(accounts.issue_token(editor, name="x", scope=scope), Forbidden)
    token, secret = await accounts.issue_token(editor, name="x", scope=TokenScope.WRITE, user_id=anna.id)
    assert (await accounts.authenticate(secret)).user_id == anna.id
    assert await accounts.tokens_of(editor) == [token]


async def test_a_token_is_weaker_than_its_user_if_it_says_so(anna: User) -> None:
    actor = await accounts.authenticate(await token_of(anna, role=Role.CONTRIBUTOR))
    assert (actor.role, actor.user_id) == (Role.CONTRIBUTOR, anna.id)


async def test_l9_a_token_of_another_is_as_unknown_as_none(anna: User) -> None:
    await token_of(await person("bert@news.example"))
    theirs = await Token.get()
    editor = await signed_in(anna)
    hidden = await refused(accounts.revoke_token(editor, theirs.id), NotFound)
    absent = await refused(accounts.revoke_token(editor, anna.id), NotFound)
    assert hidden.message == absent.message
    assert (await Token.get()).revoked_at is None


async def test_a_token_ends_when_it_is_revoked_or_expires(anna: User, later: Later) -> None:
    secret = await token_of(anna)
    actor = await accounts.authenticate(secret)
    await accounts.revoke_token(await signed_in(anna), (await Token.get()).id)
    await refused(accounts.authenticate(secret), Unauthenticated)
    assert await accounts.still_valid({actor}) == set()
    secret = await token_of(anna, expires_at=clock.now() + timedelta(minutes=1))
    later(minutes=1)
    await refused(accounts.authenticate(secret), Unauthenticated)
    await refused(token_of(anna, expires_at=clock.now()), Invalid)


async def test_a_program_may_end_its_own_token_and_no_other_of_its_user(anna: User) -> None:
    first, second = [await accounts.authenticate(await token_of(anna)) for _ in range(2)]
    await refused(accounts.revoke_token(first, second.token_id), Forbidden)  # type: ignore[arg-type]
    await accounts.revoke_token(first, first.token_id)  # type: ignore[arg-type]
    assert await accounts.still_valid({first}) == set()


@pytest.mark.parametrize("secret", ["", "cms_", "cms_é", "cms_\ud800", "cms_" + "x" * 100_000, "x"])
async def test_what_is_no_token_opens_nothing(secret: str) -> None:
    await refused(accounts.authenticate(secret), Unauthenticated)
    await refused(accounts.authenticate_session(secret), Unauthenticated)
    await refused(accounts.redeem(secret, PASSWORD), Invalid)


async def test_what_was_done_to_accounts_is_logged(anna: User) -> None:
    actor = await signed_in(anna)
    token, _ = await accounts.issue_token(actor, name="mine", scope=TokenScope.WRITE, user_id=anna.id)
    await accounts.revoke_token(actor, token.id)
    await accounts.change_password(actor, old=PASSWORD, new=OTHER)
    await accounts.redeem(await link(anna), PASSWORD)
    types = await Event.all().order_by("number").values_list("type", flat=True)
    assert types == [
        "user.created",
        "user.signed_in",
        "token.created",
        "token.revoked",
        "user.password_changed",
        "user.password_reset",
    ]


def test_addresses_of_one_subscriber_are_one_block() -> None:
    assert throttle.block("192.0.2.1") == throttle.block("::ffff:192.0.2.1") != throttle.block("192.0.2.2")
    assert (
        throttle.block("2001:db8:0:1::1") == throttle.block("2001:db8:0:ff::1") != throttle.block("2001:db8:0:100::1")
    )
    assert throttle.block("fe80::1%eth0") == throttle.block("fe80::2")
    assert throttle.block("local") == "local"
