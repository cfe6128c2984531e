"""The editorial workflow: TRANSITIONS says what may happen to a story, transition() does it. Nothing else changes a
status or touches what readers see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from tortoise import connections
from tortoise.exceptions import BaseORMException

from cms import articles, clock, events, listings, paths, revisions, taxonomy
from cms.database import retrying, transaction
from cms.errors import CMSError, Embargoed, Forbidden, Invalid, Issue, TransitionRefused
from cms.models import (
    Article,
    ArticleStatus,
    Correction,
    CorrectionKind,
    GoneReason,
    Head,
    Live,
    Media,
    Revision,
    Slug,
    SlugKind,
)
from cms.permissions import SYSTEM, Action, Actor, may, require
from cms.settings import settings

DRAFT, IN_REVIEW, APPROVED, SCHEDULED, PUBLISHED, UNPUBLISHED, WITHDRAWN = ArticleStatus

log = structlog.get_logger()


class Transition(StrEnum):
    """The only ways in which a story's status changes."""

    SUBMIT = "SUBMIT"
    REQUEST_CHANGES = "REQUEST_CHANGES"
    APPROVE = "APPROVE"
    SCHEDULE = "SCHEDULE"
    UNSCHEDULE = "UNSCHEDULE"
    PUBLISH = "PUBLISH"
    UNPUBLISH = "UNPUBLISH"
    WITHDRAW = "WITHDRAW"
    REINSTATE = "REINSTATE"
    TRASH = "TRASH"
    UNTRASH = "UNTRASH"


@dataclass(frozen=True, slots=True)
class Story:
    """What a transition is judged by: the story, and how its head and live content stand to each other."""

    article: Article
    head: Head
    live: Live | None
    head_author_id: UUID | None

    @property
    def head_is_live(self) -> bool:
        return self.live is not None and self.live.revision_id == self.head.revision_id


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table. needs: a condition beside the status, and what to say where it does not hold."""

    allowed_from: frozenset[ArticleStatus]
    needs: Callable[[Story], bool] = lambda story: True
    otherwise: str = ""
    trashed: bool = False


_ANY = frozenset(ArticleStatus)
_OPEN = _ANY - {WITHDRAWN}
_SEEN_ALREADY = "Readers see this version already."


def _head_is_new(story: Story) -> bool:
    return not story.head_is_live


TRANSITIONS: dict[Transition, Rule] = {
    Transition.SUBMIT: Rule(frozenset({DRAFT})),
    Transition.REQUEST_CHANGES: Rule(frozenset({IN_REVIEW, APPROVED, SCHEDULED})),
    Transition.APPROVE: Rule(frozenset({IN_REVIEW})),
    Transition.SCHEDULE: Rule(_OPEN),  # to publish, under the same condition as PUBLISH: see _schedule
    Transition.UNSCHEDULE: Rule(_ANY, lambda s: s.article.publish_at is not None, "No publication is scheduled."),
    Transition.PUBLISH: Rule(_OPEN, _head_is_new, _SEEN_ALREADY),
    Transition.UNPUBLISH: Rule(_ANY, lambda s: s.live is not None, "Readers do not see the story."),
    Transition.WITHDRAW: Rule(
        _OPEN,
        lambda s: s.article.first_published_at is not None,
        "It was never published: there is nothing to withdraw.",
    ),
    Transition.REINSTATE: Rule(frozenset({WITHDRAWN})),
    Transition.TRASH: Rule(_ANY, lambda s: s.live is None, "Readers see the story: unpublish it first."),
    Transition.UNTRASH: Rule(_ANY, trashed=True),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What comes with a transition; each transition reads what concerns it."""

    note: str | None = None
    published_at: datetime | None = None
    correction: Mapping[str, Any] | None = None
    publish_at: datetime | None = None
    unpublish_at: datetime | None = None
    notice: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@retrying
async def transition(
    actor: Actor, id: UUID, name: Transition, *, expected_version: int | None = None, wish: Wish | None = None
) -> Head:
    """Take a story from one status to the next, in one transaction: the rights, the table, the effect, the event.

    Raises Forbidden, NotFound, Conflict (stale version), TransitionRefused, Embargoed or Invalid, and changes nothing.
    """
    require(actor, Action[name])
    wish = wish or Wish()
    async with transaction():
        article = await articles.fetch(actor, id, expected_version)
        story = await _story(article)
        _refuse(actor, story, name)
        if name in _PUBLIC:
            await events.lock_public()
        await _EFFECTS[name](actor, story, wish)
        article.version += 1
        await article.save()
        await _record(actor, article, name, wish)
        return await Head.get(article_id=id)


async def allowed(actor: Actor, article: Article) -> list[Transition]:
    """The transitions that this actor could make now."""
    story = await _story(article)
    return [name for name in Transition if not _refusal(actor, story, name)]


@retrying
async def add_correction(actor: Actor, id: UUID, *, kind: CorrectionKind, text: str) -> Head:
    """Put a public notice on a live story without publishing a new version."""
    require(actor, Action.CORRECT)
    async with transaction():
        article = await articles.fetch(actor, id)
        live = await Live.get_or_none(article_id=id)
        if live is None:
            raise TransitionRefused("Readers do not see the story: only a live story can carry a notice.")
        await events.lock_public()
        await _correct(article, kind, text, "text")
        await Live.filter(article_id=id).update(updated_at=clock.now())
        await events.record(actor, "article.corrected", article_id=id, public=True, kind=kind.value)
        return await Head.get(article_id=id)


async def publish_due() -> int:
    """Publish and unpublish what is due by the database's clock, each story by itself; returns how many changed.

    A story that cannot be published keeps its schedule and does not stop the rest.
    """
    changed = 0
    for column, effect in (("publish_at", _fire_publish), ("unpublish_at", _fire_unpublish)):
        rows = (
            await connections.get("default").execute_query(
                f"select id from article where {column} <= now() order by {column}, id"
            )
        )[1]
        for row in rows:
            try:
                changed += await effect(row[0])
            except CMSError as error:
                log.warning("schedule.refused", article=str(row[0]), code=error.code, reason=error.message)
            except (BaseORMException, asyncpg.PostgresError):
                log.exception("schedule.failed", article=str(row[0]))
    return changed


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One thing to look at before publication. level BLOCK refuses it."""

    code: str
    level: str
    message: str
    field: tuple[str, ...] | None = None


async def checklist(article: Article, head: Head) -> list[ChecklistItem]:
    """What blocks or warns before the head revision can be published."""
    found = [item for rule in _CHECKS if (item := rule(article, head)) is not None]
    if head.lead_media_id is not None:
        found += _check_picture(head, await Media.get(id=head.lead_media_id))
    return found


# ---------------------------------------------------------------- what stands against a transition


async def _story(article: Article) -> Story:
    head = await Head.get(article_id=article.id)
    author = await Revision.filter(id=head.revision_id).values_list("created_by_id", flat=True)
    return Story(article, head, await Live.get_or_none(article_id=article.id), author[0])  # type: ignore[arg-type]


def _refuse(actor: Actor, story: Story, name: Transition) -> None:
    if refusal := _refusal(actor, story, name):
        raise refusal


def _refusal(actor: Actor, story: Story, name: Transition) -> CMSError | None:
    rule, article = TRANSITIONS[name], story.article
    if not may(actor, Action[name]):
        return Forbidden(f"You may not {Action[name]}.")
    if (article.trashed_at is not None) != rule.trashed:
        return TransitionRefused("The story is not in the trash." if rule.trashed else "The story is in the trash.")
    if article.status not in rule.allowed_from:
        return TransitionRefused(f"{_words(name)} is not possible while the story is {_words(article.status)}.")
    if not rule.needs(story):
        return TransitionRefused(rule.otherwise)
    if actor.owns_only and name in (Transition.TRASH, Transition.UNTRASH) and article.status is not DRAFT:
        return Forbidden("You may trash your own stories only while they are drafts.")
    if name in (Transition.APPROVE, Transition.SCHEDULE, Transition.PUBLISH) and _is_own(actor, story):
        return Forbidden("Somebody else must approve and publish your own story.")
    return None


def _is_own(actor: Actor, story: Story) -> bool:
    """By setting, a second pair of eyes: not for one's own story or words."""
    return (
        settings().four_eyes and actor.user_id in (story.article.owner_id, story.head_author_id) and not actor.is_system
    )


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


# ---------------------------------------------------------------- effects


async def _submit(actor: Actor, story: Story, wish: Wish) -> None:
    await revisions.seal(story.head.revision_id)
    story.article.status = IN_REVIEW


async def _request_changes(actor: Actor, story: Story, wish: Wish) -> None:
    _unplan(story)
    story.article.status = DRAFT


async def _approve(actor: Actor, story: Story, wish: Wish) -> None:
    story.article.status = APPROVED


async def _schedule(actor: Actor, story: Story, wish: Wish) -> None:
    article, now = story.article, clock.now()
    if wish.publish_at is None and wish.unpublish_at is None:
        raise Invalid.field("publishAt", "required", "Give publishAt, unpublishAt or both.")
    for name, moment in (("publishAt", wish.publish_at), ("unpublishAt", wish.unpublish_at)):
        if moment is not None and moment <= now:
            raise Invalid.field(name, "past", f"{name} must be in the future.")
    if wish.publish_at is not None:
        if story.head_is_live:
            raise TransitionRefused(_SEEN_ALREADY)
        _check_embargo(article, wish.publish_at)
        await _check(article, story.head)
        await revisions.seal(story.head.revision_id)
        article.publish_at, article.scheduled_revision_id = wish.publish_at, story.head.revision_id
        article.status = SCHEDULED
    elif story.live is None and article.publish_at is None:
        raise Invalid.field("publishAt", "required", "The story is not live: give publishAt too.")
    if wish.unpublish_at is not None:
        article.unpublish_at = wish.unpublish_at
    _check_order(article)


async def _unschedule(actor: Actor, story: Story, wish: Wish) -> None:
    if story.article.scheduled_revision_id == story.head.revision_id:
        story.article.status = APPROVED
    _unplan(story)


async def _publish(actor: Actor, story: Story, wish: Wish) -> None:
    _check_embargo(story.article, clock.now())
    await _check(story.article, story.head)
    if wish.correction is not None:
        await _correct(story.article, wish.correction["kind"], wish.correction["text"], "correction.text")
    _drop_pending_publish(story.article)
    await _go_live(story.article, story.head.revision_id, wish.published_at)
    story.article.status = PUBLISHED


async def _unpublish(actor: Actor, story: Story, wish: Wish) -> None:
    if story.head_is_live:
        story.article.status = UNPUBLISHED
    elif story.article.status is SCHEDULED:  # what it waits for is dropped
        story.article.status = APPROVED
    await _take_down(story.article, GoneReason.UNPUBLISHED, None)


async def _withdraw(actor: Actor, story: Story, wish: Wish) -> None:
    notice = taxonomy.text(wish.notice, "notice")
    if notice is None:
        raise Invalid.field("notice", "required", "Say publicly why the story is withdrawn.")
    story.article.status = WITHDRAWN
    await _take_down(story.article, GoneReason.WITHDRAWN, notice)


async def _reinstate(actor: Actor, story: Story, wish: Wish) -> None:
    story.article.status = DRAFT


async def _trash(actor: Actor, story: Story, wish: Wish) -> None:
    _drop_pending_publish(story.article)
    story.article.unpublish_at = None
    story.article.trashed_at = clock.now()
    await paths.release(SlugKind.ARTICLE, story.article.id)


async def _untrash(actor: Actor, story: Story, wish: Wish) -> None:
    article, head = story.article, story.head
    status = WITHDRAWN if article.status is WITHDRAWN else DRAFT
    article.trashed_at = None
    slug = await paths.claim(SlugKind.ARTICLE, article.id, text=head.slug, explicit=None, locale=head.locale)
    if slug != head.slug:  # taken meanwhile
        content = {column: getattr(head, column) for column in articles.CONTENT} | {"slug": slug}
        await articles.save_content(actor, article, content, message="The old slug was taken meanwhile.")
    article.status = status  # a withdrawn story needs more than this to come back


_EFFECTS: dict[Transition, Callable[[Actor, Story, Wish], Awaitable[None]]] = {
    Transition.SUBMIT: _submit,
    Transition.REQUEST_CHANGES: _request_changes,
    Transition.APPROVE: _approve,
    Transition.SCHEDULE: _schedule,
    Transition.UNSCHEDULE: _unschedule,
    Transition.PUBLISH: _publish,
    Transition.UNPUBLISH: _unpublish,
    Transition.WITHDRAW: _withdraw,
    Transition.REINSTATE: _reinstate,
    Transition.TRASH: _trash,
    Transition.UNTRASH: _untrash,
}
_PUBLIC = {Transition.PUBLISH, Transition.UNPUBLISH, Transition.WITHDRAW}
_EVENTS = {
    Transition.SUBMIT: "article.submitted",
    Transition.REQUEST_CHANGES: "article.changes_requested",
    Transition.APPROVE: "article.approved",
    Transition.SCHEDULE: "article.scheduled",
    Transition.UNSCHEDULE: "article.unscheduled",
    Transition.PUBLISH: "article.published",
    Transition.UNPUBLISH: "article.unpublished",
    Transition.WITHDRAW: "article.withdrawn",
    Transition.REINSTATE: "article.reinstated",
    Transition.TRASH: "article.trashed",
    Transition.UNTRASH: "article.untrashed",
}


async def _record(actor: Actor, article: Article, name: Transition, wish: Wish) -> None:
    note = taxonomy.text(wish.note, "note")
    moments = {"publish_at": wish.publish_at, "unpublish_at": wish.unpublish_at}
    detail: dict[str, Any] = {"note": note} if note else {}
    detail |= {key: moment.isoformat() for key, moment in moments.items() if moment is not None}
    await events.record(
        actor,
        _EVENTS[name],
        article_id=article.id,
        public=name in _PUBLIC,
        status=article.status.value,
        **detail,
        **wish.detail,
    )


# ---------------------------------------------------------------- what readers see


async def _go_live(article: Article, revision_id: UUID, published_at: datetime | None) -> None:
    now = clock.now()
    if published_at is not None and published_at > now:
        raise Invalid.field("publishedAt", "future", "publishedAt must be in the past; to publish later, schedule it.")
    # A source names a day, and its noon may be yet to come.
    source_date = min(article.source_date, now) if article.source_date else None
    article.published_at = published_at or article.published_at or source_date or now
    article.first_published_at = article.first_published_at or article.published_at
    article.gone_at = article.gone_reason = article.gone_notice = None
    await revisions.seal(revision_id)
    await articles.copy(
        revision_id,
        "live",
        published_at=article.published_at,
        first_published_at=article.first_published_at,
        translation_group=article.translation_group,
    )
    await Live.filter(article_id=article.id).update(updated_at=now)
    await listings.file_live(article.id)
    await _make_slugs_public(await Live.get(article_id=article.id))


async def _make_slugs_public(live: Live) -> None:
    await paths.make_public(SlugKind.ARTICLE, live.article_id, live.locale, live.slug)
    terms = [*live.tag_ids, *live.author_ids]
    await Slug.filter(target_id__in=terms, public=False).update(public=True)


async def _take_down(article: Article, reason: GoneReason, notice: str | None) -> None:
    await Live.filter(article_id=article.id).delete()
    _drop_pending_publish(article)
    article.unpublish_at = None
    article.gone_at, article.gone_reason, article.gone_notice = clock.now(), reason, notice


def _unplan(story: Story) -> None:
    """Drop a pending publish, and the end of what has not begun."""
    _drop_pending_publish(story.article)
    if story.live is None:
        story.article.unpublish_at = None


def _drop_pending_publish(article: Article) -> None:
    article.publish_at = article.scheduled_revision_id = None


@retrying
async def _fire_publish(id: UUID) -> int:
    async with transaction():
        article = await articles.fetch(SYSTEM, id)
        rows = (await connections.get("default").execute_query("select now()"))[1]
        if article.publish_at is None or article.publish_at > rows[0][0]:
            return 0  # another worker was faster, or it was put off
        _check_embargo(article, clock.now())
        pinned = article.scheduled_revision_id
        assert pinned is not None
        await events.lock_public()
        head = await Head.get(article_id=id)
        due = article.publish_at
        _drop_pending_publish(article)
        await _go_live(article, pinned, None)
        if head.revision_id == pinned:
            article.status = PUBLISHED
        article.version += 1
        await article.save()
        await _record(SYSTEM, article, Transition.PUBLISH, Wish(detail={"scheduled_for": due.isoformat()}))
        return 1


@retrying
async def _fire_unpublish(id: UUID) -> int:
    async with transaction():
        article = await articles.fetch(SYSTEM, id)
        rows = (await connections.get("default").execute_query("select now()"))[1]
        if article.unpublish_at is None or article.unpublish_at > rows[0][0]:
            return 0
        due = article.unpublish_at
        story = await _story(article)
        await events.lock_public()
        if story.live is None:
            article.unpublish_at = None
            await article.save()
            return 0
        await _unpublish(SYSTEM, story, Wish())
        article.version += 1
        await article.save()
        await _record(SYSTEM, article, Transition.UNPUBLISH, Wish(detail={"scheduled_for": due.isoformat()}))
        return 1


# ---------------------------------------------------------------- small rules


def _check_embargo(article: Article, moment: datetime) -> None:
    until = article.embargoed_until
    if until is not None and moment < until:
        raise Embargoed(f"The story is under embargo until {until:%Y-%m-%d %H:%M} UTC.")


async def _check(article: Article, head: Head) -> None:
    blocking = [item for item in await checklist(article, head) if item.level == "BLOCK"]
    if blocking:
        raise Invalid.all([Issue(item.field or (), item.code, item.message) for item in blocking])


def _check_order(article: Article) -> None:
    if article.publish_at and article.unpublish_at and article.publish_at >= article.unpublish_at:
        raise Invalid.field("unpublishAt", "order", "unpublishAt must be later than publishAt.")


async def _correct(article: Article, kind: CorrectionKind, text: str, field: str) -> None:
    cleaned = taxonomy.text(text, field)
    if cleaned is None:
        raise Invalid.field(field, "required", "A notice needs a text.")
    await Correction.create(article_id=article.id, kind=kind, text=cleaned, published_at=clock.now())


def _check_section(article: Article, head: Head) -> ChecklistItem | None:
    if head.section_id is None:
        return ChecklistItem("section", "WARN", "The story stands in no section.", ("sectionId",))
    return None


def _check_byline(article: Article, head: Head) -> ChecklistItem | None:
    if not head.author_ids:
        return ChecklistItem("byline", "WARN", "The story has no byline.", ("byline",))
    return None


def _check_body(article: Article, head: Head) -> ChecklistItem | None:
    if not head.text.strip() and not head.body_media_ids:
        return ChecklistItem("body", "WARN", "The body is empty.", ("body",))
    return None


def _check_headline(article: Article, head: Head) -> ChecklistItem | None:
    if len(head.headline) > 110:
        return ChecklistItem("headline", "WARN", "The headline is longer than 110 characters.", ("headline",))
    return None


_CHECKS = (_check_headline, _check_section, _check_byline, _check_body)


def _check_picture(head: Head, media: Media) -> list[ChecklistItem]:
    found = []
    use = head.lead_use or {}
    if not (use.get("alt_text") or media.alt_text or use.get("is_decorative")):
        message = "The lead picture has no alternative text and is not marked as decorative."
        found.append(ChecklistItem("alt_text", "WARN", message, ("leadMedia", "altText")))
    if media.expires_at is not None and media.expires_at <= clock.now():
        message = "The rights to the lead picture have ended."
        found.append(ChecklistItem("rights", "BLOCK", message, ("leadMedia",)))
    return found
