"""The story: Article is its identity; Head, Live and Revision are the three homes of its Content.

Head is the working copy (one row an article), Live what readers see (a row only while they see it), Revision history.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from cms import ids
from cms.models.media import Media
from cms.models.people import User
from cms.models.taxonomy import Section


class ArticleStatus(StrEnum):
    """Where the newest revision stands."""

    DRAFT = "DRAFT"
    IN_REVIEW = "IN_REVIEW"
    APPROVED = "APPROVED"
    SCHEDULED = "SCHEDULED"
    PUBLISHED = "PUBLISHED"
    UNPUBLISHED = "UNPUBLISHED"
    WITHDRAWN = "WITHDRAWN"


class GoneReason(StrEnum):
    """Why a story that readers saw is no more."""

    UNPUBLISHED = "UNPUBLISHED"
    WITHDRAWN = "WITHDRAWN"


class CorrectionKind(StrEnum):
    """What a public notice is; a RETRACTION stands on a story that stays readable."""

    CORRECTION = "CORRECTION"
    CLARIFICATION = "CLARIFICATION"
    UPDATE = "UPDATE"
    RETRACTION = "RETRACTION"


class Article(Model):
    """A story's identity and editorial state. It holds no content."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    status = fields.CharEnumField(ArticleStatus, max_length=16, default=ArticleStatus.DRAFT)
    version = fields.IntField(default=1, description="grows with content, status, schedule and embargo")
    owner: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    assignee: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    note: str | None = fields.TextField(null=True)
    translation_group = fields.UUIDField(description="the id of the story that the others are translations of")
    created_at = fields.DatetimeField()
    trashed_at = fields.DatetimeField(null=True)
    embargoed_until = fields.DatetimeField(null=True)
    publish_at = fields.DatetimeField(null=True)
    unpublish_at = fields.DatetimeField(null=True)
    scheduled_revision_id = fields.UUIDField(null=True, description="what a pending schedule will publish")
    schedule_problem: dict[str, Any] | None = fields.JSONField(
        null=True, description="why what is due was not published: code, message, at"
    )
    schedule_retry_at = fields.DatetimeField(null=True, description="when to try again what was refused")
    due_at = fields.DatetimeField(null=True, description="when colleagues expect it")
    outdated_at = fields.DatetimeField(null=True, description="since when a correction of the original awaits a look")
    first_published_at = fields.DatetimeField(null=True, description="null where it was never live")
    published_at = fields.DatetimeField(null=True, description="the date that is printed")
    source_date = fields.DatetimeField(null=True, description="an imported story's own date")
    gone_at = fields.DatetimeField(null=True, description="since when readers have lost it, until they have it again")
    gone_reason: GoneReason | None = fields.CharEnumField(  # type: ignore[assignment]
        GoneReason, max_length=16, null=True
    )
    gone_notice: str | None = fields.TextField(null=True)
    origin_key = fields.TextField(null=True, description="made once: an import's key, or USER:idempotencyKey")

    owner_id: UUID | None
    assignee_id: UUID | None

    class Meta:
        table = "article"
        indexes = [
            Index(fields=("owner_id",), name="article_owner"),
            Index(fields=("assignee_id",), name="article_assignee"),
            Index(fields=("translation_group",), name="article_translation_group"),
            Index(fields=("created_at", "id"), name="article_created"),
            Index(fields=("status", "id"), name="article_status"),
        ]
        constraints = [
            UniqueConstraint(fields=("origin_key",), name="article_origin_key"),
            CheckConstraint(check="version > 0", name="article_version"),
            CheckConstraint(check="(gone_at is null) = (gone_reason is null)", name="article_gone"),
            CheckConstraint(
                check="(publish_at is null) = (scheduled_revision_id is null)", name="article_pinned_schedule"
            ),
            CheckConstraint(check="publish_at < unpublish_at", name="article_schedule_order"),
        ]


class Content(Model):
    """What a reader sees of a story; the one shape of head, live and revision.

    author_ids and author_roles run side by side. Ids in arrays are ordered and distinct. lead_use and seo hold what is
    said of one use: {"alt_text", "is_decorative", "caption", "credit", "focal_point"} and {"title", "description",
    "canonical_url", "noindex", "image_id", "image"}. html and text are the body's views as saved; html is only right as
    it stands while body_media_ids and body_article_ids are empty.
    """

    headline = fields.TextField()
    kicker = fields.TextField(null=True)
    dek = fields.TextField(null=True)
    slug = fields.TextField()
    locale = fields.TextField()
    author_ids: list[UUID] = ArrayField("uuid")
    author_roles: list[str | None] = ArrayField("text")
    tag_ids: list[UUID] = ArrayField("uuid")
    related_ids: list[UUID] = ArrayField("uuid")
    lead_use: dict[str, Any] | None = fields.JSONField(null=True)
    seo: dict[str, Any] = fields.JSONField()
    body: dict[str, Any] = fields.JSONField()
    html = fields.TextField()
    text = fields.TextField()
    word_count = fields.IntField()
    body_media_ids: list[UUID] = ArrayField("uuid")
    body_article_ids: list[UUID] = ArrayField("uuid")
    updated_at = fields.DatetimeField(description="when the content shown here last changed")

    section_id: UUID | None
    lead_media_id: UUID | None
    article_id: UUID

    class Meta:
        abstract = True


class Revision(Content):
    """History. Sealed ones are immutable and keep the names of what they refer to beside the ids (no keys: what they
    name may be gone)."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "cms.Article", related_name=False, on_delete=fields.RESTRICT
    )
    number = fields.IntField()
    section_id = fields.UUIDField(null=True)
    lead_media_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField()
    created_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    message = fields.TextField(null=True)
    autosave = fields.BooleanField(default=False, description="later autosaves of the same hand fold into it")
    autosaved_from = fields.IntField(null=True, description="the story's version before the first of these autosaves")
    autosaved_to = fields.IntField(null=True, description="and after the last, if nothing else came between them")
    autosaved_by = fields.UUIDField(null=True, description="the session or token that made them")
    sealed_at = fields.DatetimeField(null=True)
    names: dict[str, Any] | None = fields.JSONField(null=True)

    created_by_id: UUID | None

    class Meta:
        table = "revision"
        indexes = [Index(fields=("created_by_id",), name="revision_created_by")]
        constraints = [
            UniqueConstraint(fields=("article_id", "number"), name="revision_number"),
            CheckConstraint(check="number > 0", name="revision_number_positive"),
        ]


class Head(Content):
    """The working copy: the newest revision of an article."""

    article: fields.OneToOneRelation[Article] = fields.OneToOneField(
        "cms.Article", related_name=False, primary_key=True, on_delete=fields.RESTRICT
    )
    revision: fields.ForeignKeyRelation[Revision] = fields.ForeignKeyField(
        "cms.Revision", related_name=False, on_delete=fields.RESTRICT
    )
    section: fields.ForeignKeyNullableRelation[Section] = fields.ForeignKeyField(
        "cms.Section", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    lead_media: fields.ForeignKeyNullableRelation[Media] = fields.ForeignKeyField(
        "cms.Media", related_name=False, null=True, on_delete=fields.RESTRICT
    )

    revision_id: UUID
    version: int  # of the story, where permissions.query read the row
    story: Article | None = None  # where it was read, or written, together with the head
    ground: Any = None  # the same of what its path is made of (cms.paths.Ground)

    class Meta:
        table = "head"
        indexes = [
            Index(fields=("updated_at", "article_id"), name="head_updated"),
            Index(fields=("headline", "article_id"), name="head_headline"),
            Index(fields=("revision_id",), name="head_revision"),
            Index(fields=("section_id",), name="head_section"),
            Index(fields=("lead_media_id",), name="head_lead_media"),
            GinIndex(fields=("author_ids",), name="head_authors"),
            GinIndex(fields=("tag_ids",), name="head_tags"),
            GinIndex(fields=("related_ids",), name="head_related"),
            GinIndex(fields=("body_media_ids",), name="head_body_media"),
            GinIndex(fields=("body_article_ids",), name="head_body_articles"),
        ]


class Live(Content):
    """What readers see; the row is deleted when the story is taken from them."""

    article: fields.OneToOneRelation[Article] = fields.OneToOneField(
        "cms.Article", related_name=False, primary_key=True, on_delete=fields.RESTRICT
    )
    revision: fields.ForeignKeyRelation[Revision] = fields.ForeignKeyField(
        "cms.Revision", related_name=False, on_delete=fields.RESTRICT
    )
    section: fields.ForeignKeyNullableRelation[Section] = fields.ForeignKeyField(
        "cms.Section", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    lead_media: fields.ForeignKeyNullableRelation[Media] = fields.ForeignKeyField(
        "cms.Media", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    published_at = fields.DatetimeField()
    first_published_at = fields.DatetimeField()
    translation_group = fields.UUIDField()

    revision_id: UUID

    class Meta:
        table = "live"
        indexes = [
            Index(fields=("published_at", "article_id"), name="live_published"),
            Index(fields=("updated_at", "article_id"), name="live_updated"),
            Index(fields=("headline", "article_id"), name="live_headline"),
            Index(fields=("translation_group",), name="live_translation_group"),
            Index(fields=("revision_id",), name="live_revision"),
            Index(fields=("section_id",), name="live_section"),
            Index(fields=("lead_media_id",), name="live_lead_media"),
            GinIndex(fields=("author_ids",), name="live_authors"),
            GinIndex(fields=("tag_ids",), name="live_tags"),
            GinIndex(fields=("related_ids",), name="live_related"),
            GinIndex(fields=("body_media_ids",), name="live_body_media"),
            GinIndex(fields=("body_article_ids",), name="live_body_articles"),
        ]
        constraints = [UniqueConstraint(fields=("locale", "slug"), name="live_slug")]


class Correction(Model):
    """A public notice on a story, kept for ever."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "cms.Article", related_name=False, on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(CorrectionKind, max_length=16)
    text = fields.TextField()
    published_at: datetime = fields.DatetimeField()

    article_id: UUID

    class Meta:
        table = "correction"
        indexes = [Index(fields=("article_id", "published_at"), name="correction_article")]
