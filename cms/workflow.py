"""The editorial workflow: TRANSITIONS says what may happen to a story, transition() does it. Nothing else changes a
status, but for schedules that fire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from cms import articles, clock, effects, events, paths, publication, revisions, taxonomy
from cms.database import found, retrying, transaction
from cms.errors import CMSError, Forbidden, Invalid, TransitionRefused
from cms.models import Article, ArticleStatus, CorrectionKind, GoneReason, Head, Live, SlugKind
from cms.permissions import Action, Actor, may, require
from cms.settings import settings

DRAFT, IN_REVIEW, APPROVED, SCHEDULED, PUBLISHED, UNPUBLISHED, WITHDRAWN = ArticleStatus


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
    """What comes with a transition; each transition reads what concerns it.

    at: when it happens, where the database's clock has decided that and not this process's.
    """

    note: str | None = None
    published_at: datetime | None = None
    correction: Mapping[str, Any] | None = None
    publish_at: datetime | None = None
    unpublish_at: datetime | None = None
    notice: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None


@retrying
async def transition(
    actor: Actor, id: UUID, name: Transition, *, expected_version: int | None = None, wish: Wish | None = None
) -> Head:
    """Take a story from one status to the next, in one transaction: the rights, the table, the effect, the event.

    The head that is given back has its story at hand. Raises Forbidden, NotFound, Conflict (stale version),
    TransitionRefused, Embargoed or Invalid, and changes nothing.
    """
    require(actor, Action[name])
    wish = wish or Wish()
    async with transaction():
        article = await articles.fetch(actor, id, expected_version, public=name in _PUBLIC)
        story = await story_of(article)
        _refuse(actor, story, name)
        effect = None
        if name in _PUBLIC:
            after = story.head if name is Transition.PUBLISH else None
            async with effects.watching_story(story.live, after) as effect:
                head = await _EFFECTS[name](actor, story, wish)
        else:
            head = await _EFFECTS[name](actor, story, wish)
        await record(actor, article, name, wish, effect)
        head = head or story.head
        head.version, head.story, head.ground = article.version, article, effect.ground if effect else None
        return head


async def allowed(actor: Actor, article: Article) -> list[Transition]:
    """The transitions that this actor could make now."""
    story = await story_of(article)
    return [name for name in Transition if not _refusal(actor, story, name)]


@retrying
async def add_correction(actor: Actor, id: UUID, *, kind: CorrectionKind, text: str) -> Head:
    """Put a public notice on a live story without publishing a new version."""
    require(actor, Action.CORRECT)
    async with transaction():
        article = await articles.fetch(actor, id, public=True)
        live = (await story_of(article)).live
        if live is None:
            raise TransitionRefused("Readers do not see the story: only a live story can carry a notice.")
        async with effects.watching_story(live, live) as effect:
            await publication.correct(article, kind, text, "text")
            await Live.filter(article_id=id).update(updated_at=clock.now())
        await article.save(update_fields=["outdated_at"])
        await events.record(
            actor,
            "article.corrected",
            article_id=id,
            public=True,
            effect=effect.json(),
            kind=kind.value,
        )
        return await articles.newest(id)


# ---------------------------------------------------------------- what stands against a transition


async def story_of(article: Article) -> Story:
    newest = "head join revision r on r.id = head.revision_id left join live on live.article_id = head.article_id"
    rows = await found(
        Head, f"{newest} where head.article_id = $1", article.id, joined={"live": Live}, saved_by_id="r.created_by_id"
    )
    return Story(article, rows[0], rows[0].live, rows[0].saved_by_id)  # type: ignore[attr-defined]


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
        publication.check_embargo(article, wish.publish_at)
        await publication.check(article, story.head)
        await revisions.seal(story.head.revision_id)
        publication.drop_pending(article)
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
    publication.check_embargo(story.article, clock.now())
    await publication.check(story.article, story.head)
    if wish.correction is not None:
        await publication.correct(story.article, wish.correction["kind"], wish.correction["text"], "correction.text")
    publication.drop_pending(story.article)
    await publication.go_live(story.article, story.head, wish.published_at)
    story.article.outdated_at = None
    story.article.status = PUBLISHED


async def unpublish(actor: Actor, story: Story, wish: Wish) -> None:
    if story.head_is_live:
        story.article.status = UNPUBLISHED
    elif story.article.status is SCHEDULED:  # what it waits for is dropped
        story.article.status = APPROVED
    await publication.take_down(story.article, GoneReason.UNPUBLISHED, None, now=wish.at)


async def _withdraw(actor: Actor, story: Story, wish: Wish) -> None:
    notice = taxonomy.text(wish.notice, "notice")
    if notice is None:
        raise Invalid.field("notice", "required", "Say publicly why the story is withdrawn.")
    story.article.status = WITHDRAWN
    await publication.take_down(story.article, GoneReason.WITHDRAWN, notice)


async def _reinstate(actor: Actor, story: Story, wish: Wish) -> None:
    story.article.status = DRAFT


async def _trash(actor: Actor, story: Story, wish: Wish) -> None:
    publication.drop_pending(story.article)
    story.article.unpublish_at = None
    story.article.trashed_at = clock.now()
    await paths.release(SlugKind.ARTICLE, story.article.id)


async def _untrash(actor: Actor, story: Story, wish: Wish) -> Head:
    article, head = story.article, story.head
    status = WITHDRAWN if article.status is WITHDRAWN else DRAFT
    article.trashed_at = None
    slug = await paths.claim(SlugKind.ARTICLE, article.id, text=head.slug, explicit=None, locale=head.locale)
    if slug != head.slug:  # taken meanwhile
        content = {column: getattr(head, column) for column in articles.CONTENT} | {"slug": slug}
        head = await articles.save_content(actor, article, content, message="The old slug was taken meanwhile.")
    article.status = status  # a withdrawn story needs more than this to come back
    return head


# What each does to the story; its head is given back where it is a new one.
_EFFECTS: dict[Transition, Callable[[Actor, Story, Wish], Awaitable[Head | None]]] = {
    Transition.SUBMIT: _submit,
    Transition.REQUEST_CHANGES: _request_changes,
    Transition.APPROVE: _approve,
    Transition.SCHEDULE: _schedule,
    Transition.UNSCHEDULE: _unschedule,
    Transition.PUBLISH: _publish,
    Transition.UNPUBLISH: unpublish,
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


async def record(actor: Actor, article: Article, name: Transition, wish: Wish, effect: effects.Effect | None) -> None:
    """Write the story as it has become, and what happened to it."""
    article.version += 1
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
        at=wish.at,
        story=article,
        status=article.status.value,
        **detail,
        **wish.detail,
    )


# ---------------------------------------------------------------- small rules


def _unplan(story: Story) -> None:
    """Drop a pending publish, and the end of what has not begun."""
    publication.drop_pending(story.article)
    if story.live is None:
        story.article.unpublish_at = None


def _check_order(article: Article) -> None:
    if article.publish_at and article.unpublish_at and article.publish_at >= article.unpublish_at:
        raise Invalid.field("unpublishAt", "order", "unpublishAt must be later than publishAt.")
