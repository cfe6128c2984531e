"""API tokens: making them, never with more rights than their maker has, and revoking them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cms import clock, events, ids
from cms.accounts.credentials import Kind, digest, new_secret
from cms.accounts.users import create_user
from cms.database import transaction
from cms.errors import Forbidden, Invalid, NotFound, Unauthenticated
from cms.models import Role, Token, TokenScope, User
from cms.permissions import PUBLIC, RANK, Action, Actor, Perspective, query, require
from cms.taxonomy import line


async def create_token(
    actor: Actor,
    *,
    name: str,
    scope: TokenScope,
    user: User | None = None,
    role: Role | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new bearer token, readable this once. One that writes acts as user, with no more than the user's role; without
    a user it gets one of its own, a machine with that role."""
    require(actor, Action.MANAGE_PEOPLE)
    return (await _create(actor, name, scope, user, role, expires_at))[1]


async def issue_token(
    actor: Actor,
    *,
    name: str,
    scope: TokenScope,
    user_id: UUID | None = None,
    role: Role | None = None,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token and its secret. A user who signed in may make one that acts as that user; ADMIN may make any, but
    none that acts as another person."""
    if actor.session_id is None or user_id is None or user_id != actor.user_id or scope is not TokenScope.WRITE:
        require(actor, Action.MANAGE_PEOPLE)
    user = await User.get_or_none(id=user_id, is_active=True) if user_id is not None else None
    if user_id is not None and user is None:
        raise NotFound("There is no such user.")
    if user is not None and user.email is not None and user.id != actor.user_id:
        raise Forbidden("Nobody can act as another person: make a token for yourself, or for a machine.")
    return await _create(actor, name, scope, user, role, expires_at)


async def tokens_of(actor: Actor) -> list[Token]:
    """Those that this actor may see, the oldest first: for ADMIN all, else those that act as the actor's user."""
    return await query(actor, Token, Perspective.PUBLISHED).order_by("created_at", "id")


async def revoke_token(actor: Actor, id: UUID) -> Token:
    """The token ends at once. ADMIN, or the user as whom it acts."""
    if actor == PUBLIC:
        raise Unauthenticated("Sign in to revoke a token.")
    async with transaction():
        token = await query(actor, Token, Perspective.PUBLISHED).filter(id=id).select_for_update().first()
        if token is None:
            raise NotFound("There is no such token.")
        if token.id != actor.token_id and actor.session_id is None:
            require(actor, Action.MANAGE_PEOPLE)
        if token.revoked_at is None:
            token.revoked_at = clock.now()
            await token.save(update_fields=["revoked_at"])
            await events.record(actor, "token.revoked", subject_id=token.id, name=token.name)
        return token


async def _create(
    actor: Actor, name: str, scope: TokenScope, user: User | None, role: Role | None, expires_at: datetime | None
) -> tuple[Token, str]:
    name = line(name, "name")
    if scope is not TokenScope.WRITE and (role is not None or user is not None):
        raise Invalid.field("scope", "scope", f"A {scope} token has neither a role nor a user.")
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid.field("expiresAt", "past", "A token has to expire later than now.")
    secret = new_secret(Kind.TOKEN)
    async with transaction():
        if scope is TokenScope.WRITE and user is None:
            if role is None:
                raise Invalid.field("role", "required", "Give the token a role, a user to act as, or a scope.")
            user = await create_user(actor, email=None, name=name, role=role, password=None)
        if role is not None and user is not None and RANK[role] > RANK[user.role]:
            raise Invalid.field("role", "role", f"{user.name} is {user.role}: the token cannot be more.")
        token = await Token.create(
            id=ids.new(),
            name=name,
            digest=digest(secret),
            scope=scope,
            user_id=user.id if user else None,
            role=role,
            created_at=clock.now(),
            expires_at=await _no_longer_than(actor, expires_at),
        )
        await events.record(actor, "token.created", subject_id=token.id, name=name, scope=scope.value)
    return token, secret


async def _no_longer_than(actor: Actor, expires_at: datetime | None) -> datetime | None:
    """A token that makes another cannot outlive itself in it."""
    own = await Token.get_or_none(id=actor.token_id) if actor.token_id is not None else None
    if own is None or own.expires_at is None:
        return expires_at
    return min(own.expires_at, expires_at) if expires_at is not None else own.expires_at
