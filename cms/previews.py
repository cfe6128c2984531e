"""Links that show what is not published to people without an account: one revision, or the whole site in DRAFT.

A link opens no more than its maker may see when it is opened, and nothing of a story that is withdrawn or in the trash.
A story under embargo is shown by a link of its own that an editor made, and never with the whole site.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from cms import clock, events, ids
from cms.accounts import Kind, actor_of, digest, new_secret
from cms.database import transaction
from cms.errors import Embargoed, Forbidden, Invalid, NotFound
from cms.models import Article, ArticleStatus, PreviewLink, Revision
from cms.permissions import Action, Actor, Perspective, may, query, require

DEFAULT_MINUTES = 24 * 60
MAX_MINUTES = 30 * 24 * 60


async def create(
    actor: Actor, revision_id: UUID, *, minutes: int | None = None, whole_site: bool = False
) -> tuple[PreviewLink, str]:
    """A new link and its token, which is shown this once. Raises Embargoed where only an editor may show the story."""
    require(actor, Action.PREVIEW_SITE if whole_site else Action.PREVIEW)
    if actor.user_id is None:
        raise Forbidden("Only a user can make a preview link.")
    minutes = DEFAULT_MINUTES if minutes is None else minutes
    if not 1 <= minutes <= MAX_MINUTES:
        raise Invalid.field("expiresInMinutes", "range", f"A link lasts from 1 to {MAX_MINUTES} minutes (30 days).")
    secret, now = new_secret(Kind.PREVIEW), clock.now()
    async with transaction():
        article = await _article(actor, revision_id)
        if _is_closed(article):
            raise Invalid.field("revisionId", "closed", "A story that is withdrawn or in the trash is not previewed.")
        if is_embargoed(article) and not may(actor, Action.SHOW_EMBARGOED):
            raise Embargoed("The story is under embargo: only an editor may show it to others.")
        link = await PreviewLink.create(
            id=ids.new(),
            revision_id=revision_id,
            user_id=actor.user_id,
            digest=digest(secret),
            whole_site=whole_site,
            created_at=now,
            expires_at=now + timedelta(minutes=minutes),
        )
        await events.record(actor, "preview_link.created", article_id=article.id, subject_id=link.id, **_told(link))
    return link, secret


async def revoke(actor: Actor, id: UUID) -> UUID:
    """End a link at once: one's own, or for an editor that of a story it may see. Its id."""
    require(actor, Action.PREVIEW)
    async with transaction():
        link = await PreviewLink.filter(id=id).select_for_update().first()
        revision = await Revision.get(id=link.revision_id) if link else None
        if link is None or revision is None or not await _may_revoke(actor, link, revision.article_id):
            raise NotFound("There is no preview link with that id.")
        await link.delete()
        await events.record(actor, "preview_link.revoked", article_id=revision.article_id, subject_id=id)
        return id


async def links_to(article_id: UUID) -> list[PreviewLink]:
    """Those to the story's revisions that still open, the newest first."""
    rows = PreviewLink.filter(revision__article_id=article_id, expires_at__gt=clock.now())
    return await rows.order_by("-created_at")


async def shown(token: str) -> Revision | None:
    """The revision that a link shows; None for a token that opens nothing (any more), whatever the reason."""
    if not token.startswith(Kind.PREVIEW):
        return None
    rows = PreviewLink.filter(digest=digest(token), expires_at__gt=clock.now(), user__is_active=True)
    link = await rows.select_related("user").first()
    if link is None:
        return None
    maker = actor_of(link.user)
    revision = await query(maker, Revision, Perspective.DRAFT).filter(id=link.revision_id).first()
    article = await Article.get(id=revision.article_id) if revision else None
    if article is None or _is_closed(article) or (is_embargoed(article) and not may(maker, Action.SHOW_EMBARGOED)):
        return None
    return revision


def pictures(revision: Revision) -> set[UUID]:
    """What of the library a link to this revision shows."""
    lead, image = revision.lead_media_id, revision.seo.get("image_id")
    return {*revision.body_media_ids, *([lead] if lead else ()), *([UUID(image)] if image else ())}


async def forget_expired() -> int:
    """Delete links that have expired; how many."""
    return await PreviewLink.filter(expires_at__lte=clock.now()).delete()


def is_embargoed(article: Article) -> bool:
    return article.embargoed_until is not None and article.embargoed_until > clock.now()


def _is_closed(article: Article) -> bool:
    return article.trashed_at is not None or article.status is ArticleStatus.WITHDRAWN


async def _article(actor: Actor, revision_id: UUID) -> Article:
    revision = await query(actor, Revision, Perspective.DRAFT).filter(id=revision_id).first()
    if revision is None:
        raise NotFound("There is no revision with that id.")
    return await Article.get(id=revision.article_id)


async def _may_revoke(actor: Actor, link: PreviewLink, article_id: UUID) -> bool:
    if link.user_id == actor.user_id:
        return True
    return not actor.owns_only and await query(actor, Article, Perspective.DRAFT).filter(id=article_id).exists()


def _told(link: PreviewLink) -> dict[str, Any]:
    return {"whole_site": link.whole_site, "expires_at": link.expires_at.isoformat()}
