"""What colleagues say to each other of a story: threads at a field or a place, mentions, and their being resolved.

Comments are no part of a story's version. A thread is one comment and the replies to it; resolving and replying act on
the thread, and a reply opens a resolved one again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cms import clock, events, ids, taxonomy
from cms.database import transaction
from cms.errors import Invalid, NotFound
from cms.models import Article, Comment, User
from cms.permissions import Action, Actor, Perspective, query, require

MAX_TEXT = 5_000
MAX_QUOTE = 500
MAX_OFFSET = 1_000_000
FIELDS = frozenset(
    ("headline", "kicker", "dek", "slug", "body", "section", "byline", "tags", "leadMedia", "relatedPosts", "seo")
)
_BLOCK = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ANCHOR = {"field", "block", "from", "to", "quote"}


async def add(
    actor: Actor, article_id: UUID, *, text: str, anchor: object = None, reply_to_id: UUID | None = None
) -> Comment:
    """anchor: {"field"} of Article, and for a place in its text {"block", "from", "to", "quote"}, of which each may be
    absent. A reply stands where its thread does. @ before a name or an address mentions that colleague."""
    require(actor, Action.COMMENT)
    written = taxonomy.text(text, "text", limit=MAX_TEXT)
    if written is None:
        raise Invalid.field("text", "required", "A comment needs a text.")
    async with transaction():
        await _story(actor, article_id)
        thread = await _thread(article_id, reply_to_id)
        comment = await Comment.create(
            id=ids.new(),
            article_id=article_id,
            author_id=actor.user_id,
            reply_to_id=thread.id if thread else None,
            text=written,
            anchor=_anchor(anchor, reply=thread is not None),
            mentions=await mentioned(written),
            created_at=clock.now(),
        )
        if thread is not None and thread.resolved_at is not None:
            await Comment.filter(id=thread.id).update(resolved_at=None, resolved_by_id=None)
        await events.record(
            actor,
            "article.commented",
            article_id=article_id,
            comment=ids.encode("Comment", comment.id),
            mentions=[ids.encode("User", each) for each in comment.mentions],
        )
        return comment


async def resolve(actor: Actor, id: UUID) -> Comment:
    """Settle the thread that this comment opened or belongs to; again, nothing happens. The thread's first comment."""
    require(actor, Action.COMMENT)
    async with transaction():
        found = await Comment.get_or_none(id=id)
        if found is None or not await query(actor, Article, Perspective.DRAFT).filter(id=found.article_id).exists():
            raise NotFound("There is no comment with that id.")
        thread = await Comment.filter(id=found.reply_to_id or found.id).select_for_update().get()
        if thread.resolved_at is None:
            thread.resolved_at, thread.resolved_by_id = clock.now(), actor.user_id
            await thread.save(update_fields=["resolved_at", "resolved_by_id"])
            comment = ids.encode("Comment", thread.id)
            await events.record(actor, "article.comment_resolved", article_id=thread.article_id, comment=comment)
        return thread


async def mentioned(text: str) -> list[UUID]:
    """The active users whose address or whole name stands behind an @; of two names the longer counts."""
    if "@" not in text:
        return []
    known: list[tuple[str, UUID]] = []
    async for user in User.filter(is_active=True).only("id", "name", "email"):
        known += [(spelled.casefold(), user.id) for spelled in (user.name, user.email) if spelled]
    known.sort(key=lambda each: (-len(each[0]), each[1]))
    found: list[UUID] = []
    rest = text.casefold()
    for at in re.finditer(r"(?<!\w)@", rest):
        found += next(([id] for name, id in known if _stands(rest, at.end(), name)), [])
    return list(dict.fromkeys(found))


def _stands(text: str, start: int, name: str) -> bool:
    following = text[start + len(name) : start + len(name) + 1]
    return text.startswith(name, start) and not (following.isalnum() or following == "_")


async def _story(actor: Actor, id: UUID) -> None:
    if not await query(actor, Article, Perspective.DRAFT).filter(id=id).exists():
        raise NotFound("There is no story with that id.")


async def _thread(article_id: UUID, reply_to_id: UUID | None) -> Comment | None:
    if reply_to_id is None:
        return None
    replied = await Comment.get_or_none(id=reply_to_id, article_id=article_id)
    if replied is None:
        raise Invalid.field("replyToId", "not_found", "The story has no comment with that id.")
    return await Comment.filter(id=replied.reply_to_id or replied.id).select_for_update().get()


def _anchor(given: object, *, reply: bool) -> dict[str, Any] | None:
    if given is None:
        return None
    if reply:
        raise Invalid.field("anchor", "reply", "A reply stands where its thread does: leave anchor out.")
    if not isinstance(given, Mapping) or not given.keys() <= _ANCHOR or given.get("field") not in FIELDS:
        raise Invalid.field("anchor", "anchor", f"anchor needs a field, one of {', '.join(sorted(FIELDS))}.")
    if problem := _place_problem(given):
        raise Invalid.field("anchor", "anchor", problem)
    return dict(given)


def _place_problem(given: Mapping[str, Any]) -> str | None:
    block, quote = given.get("block", "x"), given.get("quote", "")
    if not isinstance(block, str) or not _BLOCK.fullmatch(block):
        return "anchor.block must be the id of a block."
    if not isinstance(quote, str) or len(quote) > MAX_QUOTE or "\0" in quote:
        return f"anchor.quote must be a text of at most {MAX_QUOTE} characters."
    if ("from" in given) != ("to" in given):
        return "anchor.from and anchor.to belong together."
    start, end = given.get("from", 0), given.get("to", 0)
    if not all(type(each) is int and 0 <= each <= MAX_OFFSET for each in (start, end)) or start > end:
        return f"anchor.from and anchor.to must be whole numbers from 0 to {MAX_OFFSET:,}, in order."
    return None
