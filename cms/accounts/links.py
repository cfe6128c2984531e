"""Links by which a user chooses a password without an old one: made for invitations and resets, sent by e-mail where
there is a mail server, used once.

A letter that is owed is written down without its link, and for any address, known or not: whoever asks learns nothing
from the answer or its time. Whether there is somebody to write to is found out when it is sent.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from smtplib import SMTPException
from uuid import UUID

import structlog
from tortoise.expressions import F, Q

from cms import clock, events, ids, mail
from cms.accounts import throttle
from cms.accounts.credentials import IDLE, Kind, digest, end_all, new_secret
from cms.accounts.passwords import hash_password
from cms.accounts.users import by_email, loose_email
from cms.database import transaction
from cms.errors import Invalid
from cms.models import Letter, Link, LinkPurpose, Session, Tries, User
from cms.permissions import Actor
from cms.settings import settings

LIFE = {LinkPurpose.INVITATION: timedelta(days=7), LinkPurpose.RESET: timedelta(minutes=30)}
KINDS = {LinkPurpose.INVITATION: Kind.INVITATION, LinkPurpose.RESET: Kind.RESET}
# A mailbox is not filled by somebody who keeps asking.
RESET_EVERY = timedelta(minutes=5)
LETTER_TRIES = 8
LETTER_LEASE = timedelta(minutes=1)

log = structlog.get_logger()

_SUBJECTS = {
    LinkPurpose.INVITATION: "Your invitation to the newsroom",
    LinkPurpose.RESET: "Choose a new password",
}
_TEXTS = {
    LinkPurpose.INVITATION: "Hello {name},\n\nyou are invited to the newsroom. Choose a password here, "
    "within 7 days:\n\n{url}\n",
    LinkPurpose.RESET: "Hello {name},\n\nsomebody asked to choose a new password for you. If it was you, do so here, "
    "within 30 minutes:\n\n{url}\n\nIf not, leave this letter alone: your password has not been changed.\n",
}


async def ask_for_reset(email: str, peer: str) -> None:
    """Owe a letter to this address. Raises RateLimited; else the same happens for every address."""
    address, block = loose_email(email), throttle.block(peer)
    account = throttle.key("account", address)
    await throttle.count(throttle.key("letters to", block), throttle.LETTERS_TO_BLOCK)
    await throttle.count(throttle.key("letters", account, block), throttle.LETTERS_FROM_BLOCK, account)
    if not settings().smtp_url:
        log.warning("reset.unsent", advice="set CMS_SMTP_URL, or run `cms user reset EMAIL`")
        return
    await _owe(address, LinkPurpose.RESET)


async def new_link(user: User, purpose: LinkPurpose) -> str | None:
    """Send the user a link; without a mail server, the link itself, for whoever asked to pass on."""
    if not settings().smtp_url or user.email is None:
        return (await _make(user, purpose))[1]
    await _owe(user.email, purpose)
    return None


async def redeem(secret: str, password: str) -> User:
    """Set the password of whom the link was for. It works once; every session, token and link of that user ends."""
    link = await _find(secret)
    hashed = await hash_password(password)
    async with transaction():
        user = await User.filter(id=link.user_id, is_active=True).select_for_update().first()
        if user is None or not await Link.filter(id=link.id).delete():
            raise _not_valid()
        first = user.password_hash is None
        user.password_hash = hashed
        await user.save(update_fields=["password_hash"])
        await end_all(user.id)
        actor = Actor(user.name, user_id=user.id, role=user.role)
        await events.record(actor, "user.joined" if first else "user.password_reset", subject_id=user.id)
    return user


async def send_due() -> int:
    """Send the letters that are owed; how many were tried. One that fails is tried again later, up to a limit."""
    if not settings().smtp_url:
        return 0
    now = clock.now()
    async with transaction():
        due = await Letter.filter(due_at__lte=now).order_by("due_at").limit(10).select_for_update(skip_locked=True)
        # Whoever dies over a letter leaves it to be tried again.
        await Letter.filter(id__in=[each.id for each in due]).update(due_at=now + LETTER_LEASE, tries=F("tries") + 1)
    for letter in due:
        await _send(letter)
    return len(due)


async def forget_expired() -> None:
    """Delete what is over: sessions, links, counted tries."""
    now = clock.now()
    await Session.filter(Q(expires_at__lte=now) | Q(seen_at__lte=now - IDLE)).delete()
    await Link.filter(expires_at__lte=now).delete()
    await Tries.filter(forgotten_at__lte=now).delete()


async def _owe(address: str, purpose: LinkPurpose) -> None:
    now = clock.now()
    await Letter.create(id=ids.new(), address=address, purpose=purpose, created_at=now, due_at=now)


async def _send(letter: Letter) -> None:
    user = await by_email(letter.address)
    if user is None or letter.tries >= LETTER_TRIES or not await _wanted(user, letter.purpose):
        await Letter.filter(id=letter.id).delete()
        return
    link_id, url = await _make(user, letter.purpose)
    text = _TEXTS[letter.purpose].format(name=user.name, url=url)
    try:
        await asyncio.to_thread(mail.send, letter.address, _SUBJECTS[letter.purpose], text)
    except (SMTPException, OSError, ValueError) as error:
        await Link.filter(id=link_id).delete()
        later = clock.now() + LETTER_LEASE * 2**letter.tries
        await Letter.filter(id=letter.id).update(due_at=later)
        log.error("mail.failed", letter=str(letter.id), error=type(error).__name__, tries=letter.tries + 1)
    else:
        await Letter.filter(id=letter.id).delete()


async def _wanted(user: User, purpose: LinkPurpose) -> bool:
    if not user.is_active:
        return False
    if purpose is LinkPurpose.INVITATION:
        return user.password_hash is None
    recent = clock.now() - RESET_EVERY
    return not await Link.filter(user_id=user.id, purpose=purpose, created_at__gt=recent).exists()


async def _make(user: User, purpose: LinkPurpose) -> tuple[UUID, str]:
    secret, now = new_secret(KINDS[purpose]), clock.now()
    link = await Link.create(
        id=ids.new(),
        user_id=user.id,
        purpose=purpose,
        digest=digest(secret),
        created_at=now,
        expires_at=now + LIFE[purpose],
    )
    # In the fragment, which browsers send to nobody: not in logs, not in Referer.
    return link.id, f"{settings().base_url}/desk/password#{secret}"


async def _find(secret: str) -> Link:
    known = secret.startswith(tuple(KINDS.values()))
    link = await Link.get_or_none(digest=digest(secret), expires_at__gt=clock.now()) if known else None
    if link is None:
        raise _not_valid()
    return link


def _not_valid() -> Invalid:
    return Invalid.field("token", "token", "The link is not valid (any more). Ask for a new one.")
