"""The editorial workflow: TRANSITIONS says what may happen to a story, transition() does it. Nothing else changes a
status or touches what readers see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from tortoise import connections
from tortoise.exceptions import BaseORMException

from cms import articles, clock, effects, events, listings, paths, revisions, search, taxonomy, translations
from cms.checklist import checklist
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
    """A row of the table. needs: a condition beside the status, and what to say where it does not hold.

    when and then are the row as people read it in docs/editors.md; then is what the effect of the transition does.
    """

    allowed_from: frozenset[ArticleStatus]
    when: str
    then: str
    needs: Callable[[Story], bool] = lambda story: True
    otherwise: str = ""
    trashed: bool = False


_ANY = frozenset(ArticleStatus)
_OPEN = _ANY - {WITHDRAWN}
_SEEN_ALREADY = "Readers see this version already."


def _head_is_new(story: Story) -> bool:
    return not story.head_is_live


TRANSITIONS: dict[Transition, Rule] = {
    Transition.SUBMIT: Rule(frozenset({DRAFT}), "DRAFT", "IN_REVIEW"),
    Transition.REQUEST_CHANGES: Rule(
        frozenset({IN_REVIEW, APPROVED, SCHEDULED}),
        "IN_REVIEW, APPROVED, SCHEDULED",
        "DRAFT; a pending publication is dropped",
    ),
    Transition.APPROVE: Rule(frozenset({IN_REVIEW}), "IN_REVIEW", "APPROVED"),
    # To publish, under the same condition as PUBLISH: see _schedule.
    Transition.SCHEDULE: Rule(
        _OPEN,
        "the newest version is not live; to end alone, the story is live",
        "SCHEDULED, with this version; the status stays where only an end is set",
    ),
    Transition.UNSCHEDULE: Rule(
        _ANY,
        "a publication is pending",
        "APPROVED if the newest version was the one scheduled, else unchanged",
        needs=lambda s: s.article.publish_at is not None,
        otherwise="No publication is scheduled.",
    ),
    Transition.PUBLISH: Rule(
        _OPEN, "the newest version is not live", "PUBLISHED", needs=_head_is_new, otherwise=_SEEN_ALREADY
    ),
    Transition.UNPUBLISH: Rule(
        _ANY,
        "the story is live",
        "UNPUBLISHED if the newest version was the live one, APPROVED if it was scheduled, else unchanged",
        needs=lambda s: s.live is not None,
        otherwise="Readers do not see the story.",
    ),
    Transition.WITHDRAW: Rule(
        _OPEN,
        "it was live at any time; a public notice is required",
        "WITHDRAWN",
        needs=lambda s: s.article.first_published_at is not None,
        otherwise="It was never published: there is nothing to withdraw.",
    ),
    Transition.REINSTATE: Rule(frozenset({WITHDRAWN}), "WITHDRAWN", "DRAFT, with everything it had"),
    Transition.TRASH: Rule(
        _ANY,
        "the story is not live",
        "unchanged; hidden from all lists",
        needs=lambda s: s.live is None,
        otherwise="Readers see the story: unpublish it first.",
    ),
    Transition.UNTRASH: Rule(_ANY, "in the trash", "DRAFT; WITHDRAWN stays", trashed=True),
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
        if name in _PUBLIC:
            await events.lock_public()
        story = await _story(article)
        _refuse(actor, story, name)
        effect = None
        if name in _PUBLIC:
            async with effects.watching_story(id, story.head if name is Transition.PUBLISH else None) as effect:
                await _EFFECTS[name](actor, story, wish)
        else:
            await _EFFECTS[name](actor, story, wish)
        article.version += 1
        await article.save()
        await _record(actor, article, name, wish, effect)
        return await articles.newest(id)


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
        async with effects.watching_story(id, live) as effect:
            await _correct(article, kind, text, "text")
            await Live.filter(article_id=id).update(updated_at=clock.now())
        await article.save(update_fields=["outdated_at"])
        await events.record(
            actor, "article.corrected", article_id=id, public=True, effect=effect.json(), kind=kind.value
        )
        return await articles.newest(id)


async def publish_due() -> int:
    """Publish and unpublish what is due by the database's clock, each story by itself; returns how many changed.

    A story that cannot be published keeps its schedule, says why, and is tried again; it does not stop the rest.
    """
    changed = 0
    for condition, fire in ((_PUBLISH_DUE, _fire_publish), (_UNPUBLISH_DUE, _fire_unpublish)):
        sql = f"select id from article where {condition} order by publish_at, unpublish_at, id"
        for row in (await connections.get("default").execute_query(sql))[1]:
            try:
                changed += await fire(row[0])
            except CMSError as error:
                await _keep_refusal(row[0], error.code, error.message)
            except (BaseORMException, asyncpg.PostgresError):
                log.exception("schedule.failed", article=str(row[0]))
                await _keep_refusal(row[0], "INTERNAL", "It could not be published; the server's log says why.")
    return changed


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
        _drop_pending_publish(article)
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
    story.article.outdated_at = None
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


async def _record(actor: Actor, article: Article, name: Transition, wish: Wish, effect: effects.Effect | None) -> None:
    note = taxonomy.text(wish.note, "note")
    moments = {"publish_at": wish.publish_at, "unpublish_at": wish.unpublish_at}
    detail: dict[str, Any] = {"note": note} if note else {}
    detail |= {key: moment.isoformat() for key, moment in moments.items() if moment is not None}
    await events.record(
        actor,
        _EVENTS[name],
        article_id=article.id,
        public=effect is not None,
        effect=effect.json(corrected=wish.correction is not None) if effect else None,
        status=article.status.value,
        **detail,
        **wish.detail,
    )


# ---------------------------------------------------------------- what readers see


async def _go_live(
    article: Article, revision_id: UUID, published_at: datetime | None, *, now: datetime | None = None
) -> None:
    now = now or clock.now()
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
    await search.file_live(article.id)
    await _make_slugs_public(await Live.get(article_id=article.id))


async def _make_slugs_public(live: Live) -> None:
    await paths.make_public(SlugKind.ARTICLE, live.article_id, live.locale, live.slug)
    terms = [*live.tag_ids, *live.author_ids]
    await Slug.filter(target_id__in=terms, public=False).update(public=True)


async def _take_down(article: Article, reason: GoneReason, notice: str | None) -> None:
    await search.drop_live(article.id)
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
    article.schedule_problem = article.schedule_retry_at = None


# ---------------------------------------------------------------- schedules

RETRY_SECONDS = 15
_PUBLISH_DUE = "publish_at <= now() and (schedule_retry_at is null or schedule_retry_at <= now())"
# What is not live has nothing to lose; its end waits for its beginning.
_UNPUBLISH_DUE = "unpublish_at <= now() and exists (select from live where live.article_id = article.id)"


@retrying
async def _fire_publish(id: UUID) -> int:
    async with transaction():
        now = await _claim(id, _PUBLISH_DUE)
        if now is None:
            return 0
        article = await articles.fetch(SYSTEM, id)
        due, pinned = article.publish_at, article.scheduled_revision_id
        assert due is not None
        assert pinned is not None
        _check_embargo(article, now)
        await events.lock_public()
        revision = await Revision.get(id=pinned)
        await _check(article, revision)
        async with effects.watching_story(id, revision) as effect:
            head = await Head.get(article_id=id)
            _drop_pending_publish(article)
            await _go_live(article, pinned, None, now=now)
            if head.revision_id == pinned:
                article.status = PUBLISHED
        await _fired(article, Transition.PUBLISH, due, now, effect)
        return 1


@retrying
async def _fire_unpublish(id: UUID) -> int:
    async with transaction():
        now = await _claim(id, _UNPUBLISH_DUE)
        if now is None:
            return 0
        article = await articles.fetch(SYSTEM, id)
        due = article.unpublish_at
        assert due is not None
        async with effects.watching_story(id, None) as effect:
            await _unpublish(SYSTEM, await _story(article), Wish())
        await _fired(article, Transition.UNPUBLISH, due, now, effect)
        return 1


async def _claim(id: UUID, condition: str) -> datetime | None:
    """The database's time, if the story is still due and nobody else is at it."""
    sql = f"select now() from article where id = $1 and {condition} for update skip locked"
    rows = (await connections.get("default").execute_query(sql, [id]))[1]
    return rows[0][0] if rows else None


async def _fired(article: Article, name: Transition, due: datetime, now: datetime, effect: effects.Effect) -> None:
    article.version += 1
    await article.save()
    late = round((now - due).total_seconds(), 3)
    detail = {"scheduled_for": due.isoformat(), "late_seconds": late}
    await _record(SYSTEM, article, name, Wish(detail=detail), effect)


@retrying
async def _keep_refusal(id: UUID, code: str, message: str) -> None:
    """Say at the story why it was not published; once in its history."""
    log.warning("schedule.refused", article=str(id), code=code, reason=message)
    async with transaction():
        article = await Article.filter(id=id, publish_at__not_isnull=True).select_for_update().first()
        if article is None:
            return
        now = (await connections.get("default").execute_query("select now()"))[1][0][0]
        known = article.schedule_problem or {}
        if (known.get("code"), known.get("message")) != (code, message):
            article.schedule_problem = {"code": code, "message": message, "at": now.isoformat()}
            await events.record(SYSTEM, "article.schedule_refused", article_id=id, code=code, message=message)
        article.schedule_retry_at = now + timedelta(seconds=RETRY_SECONDS)
        await article.save(update_fields=["schedule_problem", "schedule_retry_at"])


# ---------------------------------------------------------------- small rules


def _check_embargo(article: Article, moment: datetime) -> None:
    until = article.embargoed_until
    if until is not None and moment < until:
        raise Embargoed(f"The story is under embargo until {until:%Y-%m-%d %H:%M} UTC.")


async def _check(article: Article, content: Head | Revision) -> None:
    """The embargo is checked by itself: a schedule may end after it."""
    items = await checklist(article, content)
    blocking = [item for item in items if item.level == "BLOCK" and item.code != "embargo"]
    if blocking:
        raise Invalid.all([Issue(item.field or (), item.code, item.message) for item in blocking])


def _check_order(article: Article) -> None:
    if article.publish_at and article.unpublish_at and article.publish_at >= article.unpublish_at:
        raise Invalid.field("unpublishAt", "order", "unpublishAt must be later than publishAt.")


async def _correct(article: Article, kind: CorrectionKind, text: str, field: str) -> None:
    cleaned = taxonomy.text(text, field)
    if cleaned is None:
        raise Invalid.field(field, "required", "A notice needs a text.")
    now = clock.now()
    await Correction.create(article_id=article.id, kind=kind, text=cleaned, published_at=now)
    article.outdated_at = None  # whoever corrects a translation has looked at it
    await translations.owe_alert(article, now)
