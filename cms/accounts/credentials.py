"""Secrets that open the newsroom: how they look, what is kept of them, who stands behind one, and how all of a user's
end. Nothing here is cached: each request asks the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from tortoise.expressions import Q

from cms import clock
from cms.database import found
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
    if secret.startswith(Kind.PREVIEW) and (links := await _whole_site_links(Q(digest=digest(secret)))):
        return _as_link(links[0])
    rows = await _tokens("token.digest = $1", digest(secret)) if secret.startswith(Kind.TOKEN) else []
    if not rows:
        raise Unauthenticated("The token is not valid (any more).")
    row = rows[0]
    now = clock.now()
    if row.last_used_at is None or now - row.last_used_at > WRITE_EVERY:
        await Token.filter(id=row.id).update(last_used_at=now)
    return _as_token(row)


async def authenticate_session(secret: str) -> Actor:
    """The actor behind a session's cookie. Raises Unauthenticated when it has ended, whatever ended it."""
    rows = await _sessions("session.digest = $1", digest(secret)) if secret.startswith(Kind.SESSION) else []
    if not rows:
        raise Unauthenticated("The session has ended. Sign in again.")
    row = rows[0]
    now = clock.now()
    if now - row.seen_at > WRITE_EVERY:
        await Session.filter(id=row.id).update(seen_at=now)
    return _as_session(row)


async def still_valid(actors: Collection[Actor]) -> set[Actor]:
    """Those of them for whom what they showed still opens the same: for streams, which outlive the request that began
    them."""
    now: dict[UUID, Actor] = {}
    if sessions := {actor.session_id for actor in actors if actor.session_id is not None}:
        now |= {row.id: _as_session(row) for row in await _sessions("session.id = any($1)", list(sessions))}
    if tokens := {actor.token_id for actor in actors if actor.token_id is not None}:
        now |= {row.id: _as_token(row) for row in await _tokens("token.id = any($1)", list(tokens))}
    if links := {actor.link_id for actor in actors if actor.link_id is not None}:
        now |= {row.id: _as_link(row) for row in await _whole_site_links(Q(id__in=links))}
    return {actor for actor in actors if _is_as(actor, now)}


def _is_as(actor: Actor, now: Mapping[UUID, Actor]) -> bool:
    shown = actor.session_id or actor.token_id or actor.link_id
    same = actor if shown is None else now.get(shown)
    return same is not None and (same.user_id, same.role, same.scopes) == (actor.user_id, actor.role, actor.scopes)


async def end_all(user_id: UUID) -> None:
    """Every session, token and link of a user ends with the transaction that calls this."""
    await Session.filter(user_id=user_id).delete()
    await Link.filter(user_id=user_id).delete()
    await Token.filter(user_id=user_id, revoked_at=None).update(revoked_at=clock.now())


async def _tokens(which: str, value: object) -> list[Token]:
    """which: a condition, with $1 for the value."""
    now, user = clock.now(), 'token left join "user" on "user".id = token.user_id'
    rows = await found(Token, f"{user} where token.revoked_at is null and {which}", value, joined={"user": User})
    return [
        row
        for row in rows
        if (row.expires_at is None or row.expires_at > now) and (row.user_id is None or _user(row).is_active)
    ]


async def _sessions(which: str, value: object) -> list[Session]:
    now, user = clock.now(), 'session join "user" on "user".id = session.user_id'
    lasts = 'session.expires_at > $2 and session.seen_at > $3 and "user".is_active'
    return await found(Session, f"{user} where {lasts} and {which}", value, now, now - IDLE, joined={"user": User})


async def _whole_site_links(which: Q) -> list[PreviewLink]:
    """As long as their makers could make them again."""
    found = PreviewLink.filter(which, whole_site=True, expires_at__gt=clock.now(), user__is_active=True)
    return [link for link in await found.select_related("user") if may(actor_of(_user(link)), Action.PREVIEW_SITE)]


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
