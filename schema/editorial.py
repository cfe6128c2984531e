"""The API of a story's editorial side: what colleagues know of it and readers never see."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from cms import ids, locks, models, previews, related, tag_suggestions, workflow
from cms.checklist import ChecklistItem as Item
from cms.checklist import checklist
from cms.errors import Invalid
from cms.keyset import Key, Listing, Paging, Where
from cms.models import ArticleStatus
from cms.workflow import Transition
from schema import events
from schema.accounts import User
from schema.comments import Comment
from schema.connection import Connection, Rows
from schema.context import Info
from schema.events import Event
from schema.related import RelatedPost, posts
from schema.scalars import After, Before, First, Last, described
from schema.taxonomy import Tag

if TYPE_CHECKING:
    from schema.articles import Revision

strawberry.enum(Transition, description="The only ways in which a story's status changes.")

_Revision = Annotated["Revision", strawberry.lazy("schema.articles")]


@strawberry.enum(description="Whether a checklist item stands in the way.")
class ChecklistLevel(StrEnum):
    BLOCK = "BLOCK"
    WARN = "WARN"


@strawberry.type(description="One thing to look at before publication.")
class ChecklistItem:
    code: str = strawberry.field(description="What it is about, for programs.")
    message: str = strawberry.field(description="What is missing, for people.")
    field: list[str] | None = strawberry.field(description="The path of the field in UpdateArticleInput.")

    @strawberry.field(description="BLOCK refuses publication, WARN only says so.")
    def level(root: strawberry.Parent[Item]) -> ChecklistLevel:
        return ChecklistLevel(root.level)


@strawberry.type(description="Who is writing a story. It ends two minutes after it was last renewed.")
class EditLock:
    since: datetime = strawberry.field(description="Since when.")
    expires_at: datetime = strawberry.field(description="When it ends unless it is renewed.")

    @strawberry.field(description="Who.")
    async def user(root: strawberry.Parent[models.EditLock], info: Info) -> User:
        return await info.context.loaders.known(models.User, root.user_id)  # type: ignore[return-value]


@strawberry.type(description="A preview link that still opens. Its token was shown to who made it, once.")
class OpenPreviewLink:
    whole_site: bool = strawberry.field(description="It opens the DRAFT perspective of everything too.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends.")

    @strawberry.field(description="What revokePreviewLink takes.")
    def id(root: strawberry.Parent[models.PreviewLink]) -> strawberry.ID:
        return strawberry.ID(ids.encode("PreviewLink", root.id))

    @strawberry.field(description="What it shows.")
    async def revision(root: strawberry.Parent[models.PreviewLink], info: Info) -> _Revision | None:
        return await info.context.loaders.known(models.Revision, root.revision_id)  # type: ignore[return-value]

    @strawberry.field(description="Who made it.")
    async def created_by(root: strawberry.Parent[models.PreviewLink], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.user_id)  # type: ignore[return-value]


@strawberry.type(description="A tag that would fit a story.")
class TagSuggestion:
    tag: Tag = strawberry.field(description="The tag.")
    score: float = strawberry.field(description="How well it fits, 0 to 1.")
    mentions: int = strawberry.field(
        description="How often the story has one of its names; 0 where only others like it have the tag."
    )


_FIRST_SUGGESTED = Annotated[int, described("How many; 0 to 20.")]
MAX_SUGGESTED = 20


def _suggested(first: int) -> int:
    if not 0 <= first <= MAX_SUGGESTED:
        raise Invalid.field("first", "range", f"first must be from 0 to {MAX_SUGGESTED}.")
    return first


async def _head(info: Info, story: models.Article) -> models.Head:
    head = await info.context.loaders.known(models.Head, story.id)
    assert head is not None
    return head


@strawberry.type(description="What colleagues know of a story and readers never see. Staff.")
class Editorial:
    status: ArticleStatus = strawberry.field(
        description="Where the newest revision stands; whether readers see the story is Article.isLive."
    )
    version: int = strawberry.field(
        description=(
            "Grows with every change of content, status, schedule or embargo (not with locks, comments, assignment "
            "or note). "
            "Give it back as expectedVersion."
        )
    )
    publish_at: datetime | None = strawberry.field(description="When the scheduled revision will be published.")
    unpublish_at: datetime | None = strawberry.field(description="When readers will lose the story.")
    embargoed_until: datetime | None = strawberry.field(description="It cannot be published before.")
    trashed_at: datetime | None = strawberry.field(description="Since when it lies in the trash.")
    created_at: datetime = strawberry.field(description="When the story was made.")
    note: str | None = strawberry.field(description="For colleagues, never for readers.")
    due_at: datetime | None = strawberry.field(description="When colleagues expect it.")
    outdated_at: datetime | None = strawberry.field(
        name="translationOutdatedAt",
        description="Since when a correction of the story that this translates awaits a look; null where none does.",
    )

    @strawberry.field(description="The newest revision.")
    async def head(root: strawberry.Parent[models.Article], info: Info) -> _Revision:
        head = await info.context.loaders.known(models.Head, root.id)
        assert head is not None
        return await info.context.loaders.known(models.Revision, head.revision_id)  # type: ignore[return-value]

    @strawberry.field(description="The revision that readers see.")
    async def live(root: strawberry.Parent[models.Article], info: Info) -> _Revision | None:
        live = await info.context.loaders.known(models.Live, root.id)
        return await info.context.loaders.known(models.Revision, live.revision_id) if live else None  # type: ignore[return-value]

    @strawberry.field(description="All revisions, newest first.")
    def revisions(
        root: strawberry.Parent[models.Article],
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[_Revision] | None:
        where = Where()
        where.add(f"revision.article_id = {where.param(root.id)}")
        listing = Listing("revision.id", "revision", where, (Key("NUMBER", "revision.number", int, descending=True),))

        async def load(keys: list[UUID]) -> list[Any]:
            return list(await info.context.loaders.known_each(models.Revision, keys))

        return Rows(listing, Paging.of(first, after, last, before), load)  # type: ignore[return-value]

    @strawberry.field(description="Why the pending publication did not happen when it was due; it is tried again.")
    def schedule_problem(root: strawberry.Parent[models.Article]) -> str | None:
        return root.schedule_problem["message"] if root.schedule_problem else None

    @strawberry.field(description="What this viewer could do with it now.")
    async def allowed_transitions(root: strawberry.Parent[models.Article], info: Info) -> list[Transition]:
        return await workflow.allowed(info.context.actor, root)

    @strawberry.field(description="What blocks or warns before the head revision can be published.")
    async def checklist(root: strawberry.Parent[models.Article], info: Info) -> list[ChecklistItem]:
        head = await info.context.loaders.known(models.Head, root.id)
        return await checklist(root, head)  # type: ignore[arg-type, return-value]

    @strawberry.field(
        description="The revision that a pending schedule will publish; a newer draft does not change it."
    )
    async def scheduled_revision(root: strawberry.Parent[models.Article], info: Info) -> _Revision | None:
        return await info.context.loaders.known(models.Revision, root.scheduled_revision_id)  # type: ignore[return-value]

    @strawberry.field(description="Who holds the story.")
    async def owner(root: strawberry.Parent[models.Article], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.owner_id)  # type: ignore[return-value]

    @strawberry.field(description="Who is to work on it next.")
    async def assignee(root: strawberry.Parent[models.Article], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.assignee_id)  # type: ignore[return-value]

    @strawberry.field(description="What colleagues say of it: the threads, oldest first.")
    async def comments(
        root: strawberry.Parent[models.Article],
        info: Info,
        include_resolved: Annotated[bool, described("Settled threads too.")] = False,
    ) -> list[Comment]:
        found = await info.context.loaders.children(models.Comment, "article_id", root.id, "created_at", "id")
        threads = [each for each in found if each.reply_to_id is None]
        return [each for each in threads if include_resolved or each.resolved_at is None]  # type: ignore[misc]

    @strawberry.field(description="Who is writing it now; advice, which refuses no save. lockArticle takes it.")
    async def lock(root: strawberry.Parent[models.Article], info: Info) -> EditLock | None:
        return await locks.of(root.id)  # type: ignore[return-value]

    @strawberry.field(description="The links to its revisions that still open, newest first.")
    async def preview_links(root: strawberry.Parent[models.Article]) -> list[OpenPreviewLink]:
        return await previews.links_to(root.id)  # type: ignore[return-value]

    @strawberry.field(description="Tags that would fit the newest revision and that it does not have, the best first.")
    async def suggested_tags(
        root: strawberry.Parent[models.Article], info: Info, first: _FIRST_SUGGESTED = 10
    ) -> list[TagSuggestion]:
        found = (await tag_suggestions.suggested(await _head(info, root)))[: _suggested(first)]
        rows = await info.context.loaders.known_each(models.Tag, [each.tag_id for each in found])
        return [
            TagSuggestion(tag=row, score=each.score, mentions=each.mentions)  # type: ignore[arg-type]
            for each, row in zip(found, rows, strict=True)
            if row is not None
        ]

    @strawberry.field(
        description="Live stories that are like the newest revision and that it does not have, the likest first."
    )
    async def suggested_related(
        root: strawberry.Parent[models.Article], info: Info, first: _FIRST_SUGGESTED = 10
    ) -> list[RelatedPost]:
        return await posts(info, await related.suggested(await _head(info, root)), _suggested(first))

    @strawberry.field(description="What happened to it, newest first.")
    def history(
        root: strawberry.Parent[models.Article],
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Event] | None:
        listing = events.listing(info, article_id=root.id)
        return events.connection(info, Paging.of(first, after, last, before), listing)  # type: ignore[return-value]
