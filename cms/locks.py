"""Who is writing a story now. A lock advises: it refuses no save, which expectedVersion guards, and is no version.

A lock ends when its holder gives it up, two minutes after it was last renewed, or with the session it was taken in.
Taking it over loses nothing: what the holder had saved is sealed first, and what they save later is theirs as before.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cms import articles, clock, events, revisions
from cms.database import retrying, transaction
from cms.errors import Conflict, Forbidden
from cms.models import Article, EditLock, Head, Revision, Session, User
from cms.permissions import Action, Actor, require

LASTS = timedelta(minutes=2)


@retrying
async def lock(actor: Actor, id: UUID, *, take_over: bool = False) -> Head:
    """Take the story's lock, or renew one's own. Raises Conflict while it is somebody else's and not taken over."""
    require(actor, Action.EDIT_ARTICLE)
    if actor.user_id is None:
        raise Forbidden("Only a user can lock a story.")
    async with transaction():
        article = await articles.fetch(actor, id)
        articles.refuse_closed(article, "edit")
        held = await of(id)
        if held is not None and held.user_id != actor.user_id:
            if not take_over:
                raise await _taken(held)
            await _take_over(actor, held)
            held = None
        await _hold(actor, id, held)
        return await articles.newest(id)


@retrying
async def unlock(actor: Actor, id: UUID) -> Head:
    """Give the story's lock up; without one nothing happens. Raises Conflict where it is somebody else's."""
    require(actor, Action.EDIT_ARTICLE)
    async with transaction():
        await articles.fetch(actor, id)
        held = await of(id)
        if held is not None and held.user_id != actor.user_id:
            raise await _taken(held)
        await EditLock.filter(article_id=id).delete()
        return await articles.newest(id)


async def of(id: UUID) -> EditLock | None:
    """The story's lock, if it still counts."""
    held = await EditLock.filter(article_id=id, expires_at__gt=clock.now(), user__is_active=True).first()
    if held is not None and held.session_id is not None and not await Session.exists(id=held.session_id):
        return None
    return held


async def _hold(actor: Actor, id: UUID, own: EditLock | None) -> None:
    now = clock.now()
    since = own.since if own is not None else now
    await EditLock.update_or_create(
        article_id=id,
        defaults={
            "user_id": actor.user_id,
            "session_id": actor.session_id,
            "since": since,
            "expires_at": now + LASTS,
        },
    )


async def _take_over(actor: Actor, held: EditLock) -> None:
    """What the holder's machine saved last becomes a revision that nothing folds into and nobody prunes."""
    head = await Head.get(article_id=held.article_id)
    last = await Revision.get(id=head.revision_id)
    if last.created_by_id == held.user_id:
        await revisions.seal(last.id)
    holder = await User.get(id=held.user_id)
    await events.record(
        actor,
        "article.lock_taken_over",
        article_id=held.article_id,
        holder=holder.name,
        since=held.since.isoformat(),
        revision=last.number,
    )


async def _taken(held: EditLock) -> Conflict:
    holder, article = await User.get(id=held.user_id), await Article.get(id=held.article_id)
    return Conflict(
        f"{holder.name} is editing the story since {held.since:%H:%M} UTC: wait, or take it over.",
        current_version=article.version,
    )
