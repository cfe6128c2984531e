"""Secrets that open the newsroom: how they look, what is kept of them, who stands behind one, and how all of a user's
end. Nothing here is cached: each request asks the database."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from tortoise.expressions import Q

from cms import clock
from cms.errors import Unauthenticated
from cms.models import Link, PreviewLink, Session, Token, TokenScope, User
from cms.permissions import RANK, Action, Actor, may

IDLE = timedelta(days=3)
# What is only worth knowing roughly, such as a last use, is written at most this often.
WRITE_EVERY = timedelta(minutes=1)


class Kind(StrEnum):
    """What a secret is for. It begins with this, so that no kind passes for another and scanners of leaks know ours."""

    TOKEN = "cms_"  # noqa: S105
    SESSION = "cmss_"
    BROWSER = "cmsb_"
    INVITATION = "cmsi_"
    RESET = "cmsr_"
    PREVIEW = "cmsp_"


def new_secret(kind: Kind) -> str:
    return kind + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


async def authenticate(secret: str) -> Actor:
    """The actor behind a bearer token. Raises Unauthenticated for one that is unknown, expired or revoked, or whose
    user is disabled: all with the same words. The token of a preview link to the whole site is one too."""
    if secret.startswith(Kind.PREVIEW) and (link := await _whole_site_link(Q(digest=digest(secret)))):
        return _as_link(link)
    row = await _token(Q(digest=digest(secret))) if secret.startswith(Kind.TOKEN) else None
    if row is None:
        raise Unauthenticated("The token is not valid (any more).")
    now = clock.now()
    if row.last_used_at is None or now - row.last_used_at > WRITE_EVERY:
        await Token.filter(id=row.id).update(last_used_at=now)
    return _as_token(row)


async def authenticate_session(secret: str) -> Actor:
    """The actor behind a session's cookie. Raises Unauthenticated when it has ended, whatever ended it."""
    row = await _session(Q(digest=digest(secret))) if secret.startswith(Kind.SESSION) else None
    if row is None:
        raise Unauthenticated("The session has ended. Sign in again.")
    now = clock.now()
    if now - row.seen_at > WRITE_EVERY:
        await Session.filter(id=row.id).update(seen_at=now)
    return _as_session(row)


async def still_valid(actor: Actor) -> bool:
    """Whether what this actor showed still opens the same: for streams, which outlive the request that began them."""
    found: Actor | None = actor
    if actor.session_id is not None:
        session = await _session(Q(id=actor.session_id))
        found = _as_session(session) if session else None
    elif actor.token_id is not None:
        token = await _token(Q(id=actor.token_id))
        found = _as_token(token) if token else None
    elif actor.link_id is not None:
        link = await _whole_site_link(Q(id=actor.link_id))
        found = _as_link(link) if link else None
    return found is not None and (found.user_id, found.role, found.scopes) == (actor.user_id, actor.role, actor.scopes)


async def end_all(user_id: UUID) -> None:
    """Every session, token and link of a user ends with the transaction that calls this."""
    await Session.filter(user_id=user_id).delete()
    await Link.filter(user_id=user_id).delete()
    await Token.filter(user_id=user_id, revoked_at=None).update(revoked_at=clock.now())


async def _token(which: Q) -> Token | None:
    row = await Token.filter(which, revoked_at=None).select_related("user").first()
    if row is None or (row.expires_at is not None and row.expires_at <= clock.now()):
        return None
    return row if row.user_id is None or _user(row).is_active else None


async def _session(which: Q) -> Session | None:
    now = clock.now()
    found = Session.filter(which, expires_at__gt=now, seen_at__gt=now - IDLE, user__is_active=True)
    return await found.select_related("user").first()


async def _whole_site_link(which: Q) -> PreviewLink | None:
    """As long as its maker could make it again."""
    found = PreviewLink.filter(which, whole_site=True, expires_at__gt=clock.now(), user__is_active=True)
    link = await found.select_related("user").first()
    return link if link is not None and may(actor_of(_user(link)), Action.PREVIEW_SITE) else None


def actor_of(user: User) -> Actor:
    """What a user is, for rights alone: nobody has shown anything."""
    return Actor(user.name, user_id=user.id, role=user.role)


def _as_link(row: PreviewLink) -> Actor:
    return Actor("a preview", scopes=frozenset({TokenScope.PREVIEW}), link_id=row.id)


def _as_token(row: Token) -> Actor:
    if row.user_id is None:
        return Actor(row.name, scopes=frozenset({row.scope}), token_id=row.id)
    role = _user(row).role
    if row.role is not None and RANK[row.role] < RANK[role]:
        role = row.role
    return Actor(row.name, user_id=row.user_id, role=role, scopes=frozenset(TokenScope), token_id=row.id)


def _as_session(row: Session) -> Actor:
    user = _user(row)
    return Actor(user.name, user_id=user.id, role=user.role, scopes=frozenset(TokenScope), session_id=row.id)


def _user(row: Token | Session | PreviewLink) -> User:
    user = row.user  # both readers join it
    assert isinstance(user, User)
    return user
