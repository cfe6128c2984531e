"""Who works here: users with their passwords, tokens, and how a credential becomes an Actor."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from tortoise.exceptions import IntegrityError

from cms import clock, events, ids
from cms.database import transaction
from cms.errors import Conflict, Invalid, Unauthenticated
from cms.models import Role, Token, TokenScope, User
from cms.permissions import RANK, Action, Actor, require
from cms.taxonomy import line

MIN_PASSWORD = 12
MAX_PASSWORD = 1_000  # more only costs time
TOKEN_PREFIX = "cms_"  # noqa: S105 - lets a scanner of leaked secrets know ours
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)*")
_hasher = PasswordHasher()


async def create_user(actor: Actor, *, email: str | None, name: str, role: Role, password: str | None) -> User:
    """A person with an e-mail address and a password, or without both a machine. Raises Invalid or Conflict."""
    require(actor, Action.MANAGE_PEOPLE)
    address = normal_email(email) if email is not None else None
    hashed = await hash_password(password) if password is not None else None
    try:
        async with transaction():
            user = await User.create(
                id=ids.new(),
                email=address,
                name=line(name, "name"),
                role=role,
                password_hash=hashed,
                created_at=clock.now(),
            )
            await events.record(actor, "user.created", subject_id=user.id, name=user.name, role=role.value)
            return user
    except IntegrityError:
        raise Conflict(f"There is a user with the address {address} already.") from None


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
    name = line(name, "name")
    if scope is not TokenScope.WRITE and (role is not None or user is not None):
        raise Invalid.field("scope", "scope", f"A {scope} token has neither a role nor a user.")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    async with transaction():
        if scope is TokenScope.WRITE and user is None:
            if role is None:
                raise Invalid.field("role", "required", "Give the token a role, a user to act as, or a scope.")
            user = await create_user(actor, email=None, name=name, role=role, password=None)
        if role is not None and user is not None and RANK[role] > RANK[user.role]:
            raise Invalid.field("role", "role", f"{user.name} is {user.role}: the token cannot be more.")
        row = await Token.create(
            name=name,
            digest=digest(token),
            scope=scope,
            user_id=user.id if user else None,
            role=role,
            created_at=clock.now(),
            expires_at=expires_at,
        )
        await events.record(actor, "token.created", subject_id=row.id, name=name, scope=scope.value)
    return token


async def authenticate(token: str) -> Actor:
    """The actor behind a bearer token. Raises Unauthenticated for one that is unknown, expired or revoked, or whose
    user is disabled: all with the same words."""
    row = await Token.filter(digest=digest(token), revoked_at=None).first() if token.isascii() else None
    now = clock.now()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise Unauthenticated("The token is not valid (any more).")
    user = await User.get_or_none(id=row.user_id, is_active=True) if row.user_id else None
    if row.user_id is not None and user is None:
        raise Unauthenticated("The token is not valid (any more).")
    if row.last_used_at is None or (now - row.last_used_at).total_seconds() > 60:
        await Token.filter(id=row.id).update(last_used_at=now)
    if user is None:
        return Actor(row.name, scopes=frozenset({row.scope}))
    role = row.role if row.role is not None and RANK[row.role] < RANK[user.role] else user.role
    return Actor(row.name, user_id=user.id, role=role, scopes=frozenset(TokenScope))


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def normal_email(email: str) -> str:
    address = email.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise Invalid.field("email", "email", f"“{email}” is not an e-mail address.")
    return address


async def hash_password(password: str) -> str:
    """argon2id, off the event loop. Raises Invalid for a password that is too short or absurdly long."""
    if len(password) < MIN_PASSWORD:
        raise Invalid.field("password", "too_short", f"A password has at least {MIN_PASSWORD} characters.")
    if len(password) > MAX_PASSWORD:
        raise Invalid.field("password", "too_long", f"A password has at most {MAX_PASSWORD} characters.")
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(hashed: str, password: str) -> bool:
    try:
        return await asyncio.to_thread(_hasher.verify, hashed, password)
    except Argon2Error:
        return False
