"""Users: the people and machines that work here, what of them can be changed by whom, and what that ends."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tortoise.exceptions import IntegrityError

from cms import clock, events, ids
from cms.accounts import throttle
from cms.accounts.credentials import end_all
from cms.accounts.passwords import hash_password, verify_password
from cms.database import retrying, transaction
from cms.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from cms.models import Link, Role, User
from cms.permissions import PUBLIC, RANK, Action, Actor, require
from cms.taxonomy import line

MAX_EMAIL = 254
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)*")


async def create_user(actor: Actor, *, email: str | None, name: str, role: Role, password: str | None) -> User:
    """A person with an e-mail address and a password, or without both a machine. Raises Invalid or Conflict."""
    require(actor, Action.MANAGE_PEOPLE)
    _no_more_than_own(actor, role)
    address = normal_email(email) if email is not None else None
    hashed = await hash_password(password) if password is not None else None
    name = line(name, "name")
    try:
        async with transaction():
            user = await User.create(
                id=ids.new(), email=address, name=name, role=role, password_hash=hashed, created_at=clock.now()
            )
            await events.record(actor, "user.created", subject_id=user.id, name=user.name, role=role.value)
            return user
    except IntegrityError:
        raise _taken(address) from None


async def invite_user(actor: Actor, *, email: str, name: str, role: Role) -> User:
    """A person who has yet to choose a password; for one who has not yet done so, name and role are set anew."""
    require(actor, Action.MANAGE_PEOPLE)
    found = await by_email(email)
    if found is None:
        return await create_user(actor, email=email, name=name, role=role, password=None)
    if found.password_hash is not None or not found.is_active:
        raise _taken(found.email)
    return await update_user(actor, found.id, {"name": name, "role": role})


@retrying
async def update_user(actor: Actor, id: UUID, changes: Mapping[str, Any]) -> User:
    """changes: any of name, role, is_active, email; what is absent stays. ADMIN, or one's own name.

    A new role, or none at all, ends every session, token and link; a new address ends the links sent to the old one.
    """
    if not (actor.session_id is not None and actor.user_id == id and set(changes) <= {"name"}):
        require(actor, Action.MANAGE_PEOPLE)
    _check(changes)
    try:
        async with transaction():
            admins = await User.filter(role=Role.ADMIN, is_active=True).order_by("id").select_for_update()
            user = await User.filter(id=id).select_for_update().first()
            if user is None:
                raise NotFound("There is no such user.")
            return await _change(actor, user, changes, admins)
    except IntegrityError:
        raise _taken(changes.get("email")) from None


async def change_password(actor: Actor, *, old: str, new: str) -> User:
    """One's own, by who knows the old one. Every session and token ends, the present session too."""
    if actor == PUBLIC:
        raise Unauthenticated("Sign in first.")
    user = await User.get_or_none(id=actor.user_id, is_active=True) if actor.session_id is not None else None
    if user is None:
        raise Forbidden("Only a person who has signed in can do this: a token cannot.")
    tries = throttle.key("old password", str(user.id))
    await throttle.count(tries, throttle.OLD_PASSWORD, throttle.key("account", user.email or ""))
    if not await verify_password(user.password_hash, old):
        raise Invalid.field("oldPassword", "password", "This is not your present password.")
    hashed = await hash_password(new, "newPassword")
    async with transaction():
        # Two changes at once, each knowing the old password: the second no longer does.
        if not await User.filter(id=user.id, password_hash=user.password_hash).update(password_hash=hashed):
            raise Conflict("Your password has been changed meanwhile.")
        await end_all(user.id)
        await events.record(actor, "user.password_changed", subject_id=user.id)
    await throttle.clear(tries)
    return user


async def unlock(actor: Actor, id: UUID) -> User:
    """What was tried in vain for this user's address no longer makes anybody wait."""
    require(actor, Action.MANAGE_PEOPLE)
    user = await User.get_or_none(id=id)
    if user is None:
        raise NotFound("There is no such user.")
    async with transaction():
        await throttle.clear_account(throttle.key("account", user.email or ""))
        await events.record(actor, "user.unlocked", subject_id=user.id)
    return user


async def by_email(email: str) -> User | None:
    """The user with this address, in any spelling of it."""
    return await User.get_or_none(email=loose_email(email))


def normal_email(email: str) -> str:
    """The one spelling of an address that is kept. Raises Invalid for what is none."""
    address = loose_email(email)
    if not _EMAIL.fullmatch(address):
        raise Invalid.field("email", "email", f"“{email[:MAX_EMAIL]}” is not an e-mail address.")
    return address


def loose_email(email: str) -> str:
    """The same for what may be anything: whoever signs in is not told whether it could be an address."""
    address = unicodedata.normalize("NFKC", email[:1_000]).strip().lower().replace("\0", "")
    return address.encode(errors="replace").decode() if len(address) <= MAX_EMAIL else ""


def _check(changes: Mapping[str, Any]) -> None:
    for name, field in (("role", "role"), ("is_active", "isActive"), ("email", "email")):
        if name in changes and changes[name] is None:
            raise Invalid.field(field, "required", f"{field} may not be empty.")


async def _change(actor: Actor, user: User, changes: Mapping[str, Any], admins: list[User]) -> User:
    role, active = changes.get("role", user.role), changes.get("is_active", user.is_active)
    _no_more_than_own(actor, role)
    if user in admins and not (role is Role.ADMIN and active):
        _keep_an_admin(user, [each for each in admins if each.id != user.id])
    ends = (role, active) != (user.role, user.is_active)
    if "email" in changes and (address := normal_email(changes["email"])) != user.email:
        user.email = address
        await Link.filter(user_id=user.id).delete()
    if "name" in changes:
        user.name = line(changes["name"], "name")
    user.role, user.is_active = role, active
    await user.save(update_fields=["name", "email", "role", "is_active"])
    if ends:
        await end_all(user.id)
    await events.record(
        actor, "user.updated", subject_id=user.id, changed=sorted(changes), role=role.value, active=active
    )
    return user


def _keep_an_admin(user: User, others: list[User]) -> None:
    """One has to be left who can sign in, or where this one cannot, one at all."""
    if not any(other.password_hash is not None or user.password_hash is None for other in others):
        raise Forbidden(f"{user.name} is the last ADMIN: make another one first.")


def _no_more_than_own(actor: Actor, role: Role) -> None:
    if actor.role is None or RANK[role] > RANK[actor.role]:
        raise Forbidden(f"You may not make anybody {role}: you are not that yourself.")


def _taken(address: str | None) -> Conflict:
    return Conflict(f"There is a user with the address {address} already.")
