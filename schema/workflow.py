"""The API of the editorial workflow: the mutations that take a story on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry

from cms import articles, ids, listings, locks, revisions, tagging, workflow
from cms.errors import CMSError, Invalid
from cms.keyset import Paging
from cms.models import CorrectionKind
from cms.permissions import Perspective
from cms.workflow import Transition
from schema import listings as lists
from schema.articles import ArticleResult
from schema.context import Info
from schema.inputs import given, maybe
from schema.problems import mutation, problem
from schema.scalars import key

UNSET = strawberry.UNSET
MAX_ITEMS = 100
_VERSION = "The version that this is about; a stale one is refused with CONFLICT."
_NOTE = "For colleagues, kept in the story's history."


def _version() -> Any:
    return strawberry.field(default=UNSET, description=_VERSION)


def _note() -> Any:
    return strawberry.field(default=UNSET, description=_NOTE)


def _story() -> Any:
    return strawberry.field(description="The story.")


@strawberry.input(
    description=(
        "What colleagues need and readers never see; makes no revision and changes no status. Absent stays, null "
        "clears. "
        "reason is required to clear or shorten an embargo."
    )
)
class UpdateEditorialInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    owner_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Who holds the story. EDITOR.")
    assignee_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Who works on it next. EDITOR.")
    note: str | None = strawberry.field(default=UNSET, description="For colleagues, never for readers.")
    due_at: datetime | None = strawberry.field(default=UNSET, description="When colleagues expect it. EDITOR.")
    translation_checked: bool | None = strawberry.field(
        default=UNSET, description="true: this translation needs no look any more after its original was corrected."
    )
    embargoed_until: datetime | None = strawberry.field(
        default=UNSET, description="It cannot be published before. EDITOR sets it; CHIEF clears or shortens it."
    )
    reason: str | None = strawberry.field(default=UNSET, description="Why the embargo is cleared or shortened.")


@strawberry.input(description="A draft to hand in for review.")
class SubmitArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A story to send back to its author.")
class RequestChangesInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A story that is fit to publish.")
class ApproveArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="Give publishAt, unpublishAt or both; any live story takes unpublishAt alone.")
class ScheduleArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    publish_at: datetime | None = strawberry.field(default=UNSET, description="When readers get this revision.")
    unpublish_at: datetime | None = strawberry.field(default=UNSET, description="When readers lose the story.")
    note: str | None = _note()


@strawberry.input(description="A pending publication to drop.")
class UnscheduleArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A public notice that comes with a publication.")
class CorrectionInput:
    kind: CorrectionKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="What it says.")


@strawberry.input(
    description=(
        "publishedAt: a past instant to print as the date (archives); default: now, or the source's date for imported "
        "stories, at first publication; unchanged later."
    )
)
class PublishArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()
    published_at: datetime | None = strawberry.field(default=UNSET, description="A past instant to print as the date.")
    correction: CorrectionInput | None = strawberry.field(default=UNSET, description="What readers are told with it.")


@strawberry.input(description="A notice on a live story without publishing a new version.")
class AddCorrectionInput:
    article_id: strawberry.ID = _story()
    kind: CorrectionKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="What it says.")


@strawberry.input(description="A story to take from readers.")
class UnpublishArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A story to take from readers for good, with a notice in its place.")
class WithdrawArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    notice: str = strawberry.field(description="What readers find in its place.")
    note: str | None = _note()


@strawberry.input(description="A withdrawn story to work on again.")
class ReinstateArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A story to put into the trash.")
class TrashArticleInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()
    note: str | None = _note()


@strawberry.input(description="A story to take out of the trash.")
class UntrashArticleInput:
    id: strawberry.ID = _story()


@strawberry.input(description="An old version to go on with.")
class RestoreRevisionInput:
    article_id: strawberry.ID = _story()
    revision_id: strawberry.ID = strawberry.field(description="The revision whose content becomes the newest.")
    expected_version: int | None = _version()


@strawberry.input(description="A story to write in.")
class LockArticleInput:
    id: strawberry.ID = _story()
    take_over: bool | None = strawberry.field(
        default=UNSET, description="Take the lock even from somebody else, who keeps all that was saved."
    )


@strawberry.input(description="A story that is written in no more.")
class UnlockArticleInput:
    id: strawberry.ID = _story()


@strawberry.input(description="One of several stories.")
class TransitionItemInput:
    id: strawberry.ID = _story()
    expected_version: int | None = _version()


@strawberry.input(
    description="Each item by itself, in order; at most 100. SCHEDULE and WITHDRAW need their own mutations."
)
class TransitionArticlesInput:
    transition: Transition = strawberry.field(description="What happens to each.")
    items: list[TransitionItemInput] = strawberry.field(description="The stories, in order.")
    note: str | None = _note()


@strawberry.input(
    description=(
        "Tags to add to and remove from stories, each by itself, in order. Give articleIds, at most 100, or filter: "
        "the newest 100 drafts that match; again until nothing matches, where the filter asks for what is changed."
    )
)
class RetagArticlesInput:
    article_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description="The stories, in order.")
    filter: lists.ArticleFilter | None = strawberry.field(default=UNSET, description="Which stories.")
    add_tag_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description="Tags to add.")
    add_tag_names: list[str] | None = strawberry.field(
        default=UNSET, description="Tags to add by name or alias; those that do not exist are made."
    )
    remove_tag_ids: list[strawberry.ID] | None = strawberry.field(default=UNSET, description="Tags to remove.")


async def _stories_of(info: Info, input: RetagArticlesInput) -> list[str]:
    """Their ids, as a client gives them."""
    wanted, filter = maybe(input.article_ids), maybe(input.filter)
    if (wanted is None) == (filter is None):
        raise Invalid.field("articleIds", "one_of", "Give exactly one of articleIds and filter.")
    if filter is None:
        if len(wanted) > MAX_ITEMS:
            raise Invalid.field("articleIds", "too_many", f"Give at most {MAX_ITEMS} stories; none was changed.")
        return list(wanted)
    listing = await listings.articles(info.context.actor, Perspective.DRAFT, filter=lists.plain(filter))
    return [ids.encode("Article", row[0]) for row in (await listing.page(Paging.of(MAX_ITEMS, None))).rows]


async def _retag(info: Info, id: str, input: RetagArticlesInput) -> Any:
    changes = given(input, leave_out=("article_ids", "filter"))
    return await tagging.retag(
        info.context.actor,
        key("Article", id),
        add=changes.get("add_tag_ids") or (),
        add_names=changes.get("add_tag_names") or (),
        remove=changes.get("remove_tag_ids") or (),
    )


def _refuse_bulk(input: TransitionArticlesInput) -> None:
    if len(input.items) > MAX_ITEMS:
        raise Invalid.field("items", "too_many", f"Give at most {MAX_ITEMS} stories; none of these was changed.")
    if input.transition in (Transition.SCHEDULE, Transition.WITHDRAW):
        raise Invalid.field("transition", "alone", f"{input.transition} needs more than this: use its own mutation.")


async def _transition(info: Info, name: workflow.Transition, input: Any, **more: Any) -> Any:
    wish = given(input, leave_out=("id", "expected_version")) | more
    return await workflow.transition(
        info.context.actor,
        key("Article", input.id),
        name,
        expected_version=maybe(getattr(input, "expected_version", None)),
        wish=workflow.Wish(**wish),
    )


@strawberry.type
class WorkflowMutation:
    @mutation("Change what colleagues need. EDITOR; note also for the story's owner.")
    async def update_editorial(self, info: Info, input: UpdateEditorialInput) -> ArticleResult:
        return await articles.update_editorial(  # type: ignore[return-value]
            info.context.actor,
            key("Article", input.id),
            given(input, leave_out=("id", "expected_version", "reason")),
            expected_version=maybe(input.expected_version),
            reason=maybe(input.reason),
        )

    @mutation("DRAFT → IN_REVIEW. CONTRIBUTOR, own stories.")
    async def submit_article(self, info: Info, input: SubmitArticleInput) -> ArticleResult:
        return await _transition(info, Transition.SUBMIT, input)  # type: ignore[no-any-return]

    @mutation("IN_REVIEW, APPROVED or SCHEDULED → DRAFT. EDITOR.")
    async def request_changes(self, info: Info, input: RequestChangesInput) -> ArticleResult:
        return await _transition(info, Transition.REQUEST_CHANGES, input)  # type: ignore[no-any-return]

    @mutation("IN_REVIEW → APPROVED. EDITOR.")
    async def approve_article(self, info: Info, input: ApproveArticleInput) -> ArticleResult:
        return await _transition(info, Transition.APPROVE, input)  # type: ignore[no-any-return]

    @mutation("Pin the head revision to be published at a time, or set when readers lose it. EDITOR.")
    async def schedule_article(self, info: Info, input: ScheduleArticleInput) -> ArticleResult:
        return await _transition(info, Transition.SCHEDULE, input)  # type: ignore[no-any-return]

    @mutation("Drop a pending publication. EDITOR.")
    async def unschedule_article(self, info: Info, input: UnscheduleArticleInput) -> ArticleResult:
        return await _transition(info, Transition.UNSCHEDULE, input)  # type: ignore[no-any-return]

    @mutation("Show the head revision to readers. EDITOR.")
    async def publish_article(self, info: Info, input: PublishArticleInput) -> ArticleResult:
        return await _transition(info, Transition.PUBLISH, input)  # type: ignore[no-any-return]

    @mutation("Put a public notice on a live story. EDITOR.")
    async def add_correction(self, info: Info, input: AddCorrectionInput) -> ArticleResult:
        return await workflow.add_correction(  # type: ignore[return-value]
            info.context.actor, key("Article", input.article_id), kind=input.kind, text=input.text
        )

    @mutation("Take a story from readers. EDITOR.")
    async def unpublish_article(self, info: Info, input: UnpublishArticleInput) -> ArticleResult:
        return await _transition(info, Transition.UNPUBLISH, input)  # type: ignore[no-any-return]

    @mutation("Take a story from readers for good, with a public notice in its place. CHIEF.")
    async def withdraw_article(self, info: Info, input: WithdrawArticleInput) -> ArticleResult:
        return await _transition(info, Transition.WITHDRAW, input)  # type: ignore[no-any-return]

    @mutation("WITHDRAWN → DRAFT, with everything it had. CHIEF.")
    async def reinstate_article(self, info: Info, input: ReinstateArticleInput) -> ArticleResult:
        return await _transition(info, Transition.REINSTATE, input)  # type: ignore[no-any-return]

    @mutation("Put a story that is not live into the trash. EDITOR, or CONTRIBUTOR on an own draft.")
    async def trash_article(self, info: Info, input: TrashArticleInput) -> ArticleResult:
        return await _transition(info, Transition.TRASH, input)  # type: ignore[no-any-return]

    @mutation("Take a story out of the trash. EDITOR, or CONTRIBUTOR on an own draft.")
    async def untrash_article(self, info: Info, input: UntrashArticleInput) -> ArticleResult:
        return await _transition(info, Transition.UNTRASH, input)  # type: ignore[no-any-return]

    @mutation(
        "Take several stories on, each by itself: what one is refused does not stop the next. Results in the order of "
        "items. The role that the transition needs."
    )
    async def transition_articles(self, info: Info, input: TransitionArticlesInput) -> list[ArticleResult]:
        done: list[Any] = []
        for item in input.items:
            try:
                _refuse_bulk(input)
                done.append(await _transition(info, input.transition, item, note=maybe(input.note)))
            except CMSError as error:
                done.append(problem(error))
        return done

    @mutation(
        "Add tags to several stories and remove tags from them: a save of each, which readers see once it is "
        "published. What one is refused does not stop the next. CONTRIBUTOR, own stories."
    )
    async def retag_articles(self, info: Info, input: RetagArticlesInput) -> list[ArticleResult]:
        done: list[Any] = []
        try:
            wanted = await _stories_of(info, input)
        except CMSError as error:
            return [problem(error)]
        for id in wanted:
            try:
                done.append(await _retag(info, id, input))
            except CMSError as error:
                done.append(problem(error))
        return done

    @mutation("Make an old revision's content the newest revision, but for what is gone. CONTRIBUTOR, own stories.")
    async def restore_revision(self, info: Info, input: RestoreRevisionInput) -> ArticleResult:
        return await revisions.restore(  # type: ignore[return-value]
            info.context.actor,
            key("Article", input.article_id),
            key("Revision", input.revision_id),
            expected_version=maybe(input.expected_version),
        )

    @mutation("Say that one is writing a story, for two minutes; again renews it. It is no version. CONTRIBUTOR, own.")
    async def lock_article(self, info: Info, input: LockArticleInput) -> ArticleResult:
        take_over = bool(maybe(input.take_over))
        return await locks.lock(info.context.actor, key("Article", input.id), take_over=take_over)  # type: ignore[return-value]

    @mutation("Give one's lock up. CONTRIBUTOR, own stories.")
    async def unlock_article(self, info: Info, input: UnlockArticleInput) -> ArticleResult:
        return await locks.unlock(info.context.actor, key("Article", input.id))  # type: ignore[return-value]
