"""Signing in with e-mail address and password, and the sessions that this opens: each lives in one browser, ends when
it is idle, and can be ended by its owner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from cms import clock, events, ids
from cms.accounts import throttle
from cms.accounts.credentials import IDLE, Kind, digest, new_secret
from cms.accounts.passwords import verify_password
from cms.accounts.users import loose_email
from cms.database import transaction
from cms.errors import Forbidden, NotFound, Unauthenticated
from cms.models import Session, User
from cms.permissions import PUBLIC, Action, Actor, Perspective, query, require

LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a request to sign in comes from. browser is the secret of one in which somebody signed in before."""

    peer: str
    user_agent: str = ""
    browser: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just begun, with the secrets for its two cookies."""

    user: User
    session: Session
    secret: str
    browser: str


async def sign_in(email: str, password: str, visit: Visit) -> Opened:
    """Raises RateLimited, or Unauthenticated in the same words, after the same work, whatever was wrong."""
    address = loose_email(email)
    account, block = throttle.key("account", address), throttle.block(visit.peer)
    known = _browser_key(address, visit.browser)
    counted = await _count(account, block, known)
    user = await User.get_or_none(email=address)
    fits = await verify_password(user.password_hash if user else None, password)
    if user is None or not user.is_active or not fits:
        raise Unauthenticated("The e-mail address or the password is wrong.")
    opened = await _open(user, visit)
    await throttle.forgive(*counted)
    await throttle.let_in(_browser_key(address, opened.browser) or "", throttle.BROWSER)
    return opened


async def sign_out(secret: str) -> None:
    """The session behind this cookie ends, if it has not yet."""
    await Session.filter(digest=digest(secret)).delete()


async def own_sessions(actor: Actor) -> list[Session]:
    """Where the user is signed in, the newest first."""
    live = query(actor, Session, Perspective.PUBLISHED).filter(
        expires_at__gt=clock.now(), seen_at__gt=clock.now() - IDLE
    )
    return await live.order_by("-created_at", "-id")


async def end_session(actor: Actor, id: UUID) -> list[UUID]:
    """One of the actor's own."""
    require_signed_in(actor)
    if not await query(actor, Session, Perspective.PUBLISHED).filter(id=id).exists():
        raise NotFound("There is no such session.")
    await Session.filter(id=id, user_id=actor.user_id).delete()
    return [id]


async def end_sessions(actor: Actor, user_id: UUID | None = None) -> list[UUID]:
    """All of a user's: the actor's own but the present one, or for ADMIN all of another's."""
    if user_id is None or user_id == actor.user_id:
        require_signed_in(actor)
        ended = Session.filter(user_id=actor.user_id).exclude(id=actor.session_id)
    else:
        require(actor, Action.MANAGE_PEOPLE)
        if not await User.filter(id=user_id).exists():
            raise NotFound("There is no such user.")
        ended = Session.filter(user_id=user_id)
    async with transaction():
        gone = await ended.values_list("id", flat=True)
        await Session.filter(id__in=gone).delete()
        if user_id is not None and user_id != actor.user_id:
            await events.record(actor, "user.signed_out", subject_id=user_id)
    return [UUID(str(id)) for id in gone]


def require_signed_in(actor: Actor) -> None:
    """What is a person's own business is done by that person, not by a token."""
    if actor == PUBLIC:
        raise Unauthenticated("Sign in first.")
    if actor.session_id is None:
        raise Forbidden("Only a person who has signed in can do this: a token cannot.")


async def _count(account: str, block: str, browser: str | None) -> tuple[str, ...]:
    """Count a try to sign in; the keys it was counted under. See throttle for why these, and in this order."""
    if browser is not None and await throttle.count_if_known(browser, throttle.BROWSER):
        return ()
    pair = throttle.key("account and block", account, block)
    everybody = throttle.key("block", block)
    await throttle.count(everybody, throttle.BLOCK)
    await throttle.count(pair, throttle.ACCOUNT_FROM_BLOCK, account)
    await throttle.count(account, throttle.ACCOUNT, account)
    return everybody, pair, account


def _browser_key(address: str, browser: str | None) -> str | None:
    return throttle.key("browser", address, browser) if browser and browser.startswith(Kind.BROWSER) else None


async def _open(user: User, visit: Visit) -> Opened:
    now = clock.now()
    secret = new_secret(Kind.SESSION)
    actor = Actor(user.name, user_id=user.id, role=user.role)
    async with transaction():
        # The password was checked against what may have been changed, or disabled, meanwhile.
        same = await User.filter(id=user.id, is_active=True, password_hash=user.password_hash).select_for_update()
        if not same:
            raise Unauthenticated("The e-mail address or the password is wrong.")
        session = await Session.create(
            id=ids.new(),
            user_id=user.id,
            digest=digest(secret),
            user_agent=visit.user_agent[:200],
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
        )
        await events.record(replace(actor, session_id=session.id), "user.signed_in", subject_id=session.id)
    return Opened(user, session, secret, new_secret(Kind.BROWSER))
