"""What colleagues do around a story: comments, the lock of who is writing, links that show a version to outsiders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from cms import ids
from cms.models.article import Article, Revision
from cms.models.people import User


class Comment(Model):
    """What a colleague said of a story.

    Replies point at the comment that opened the thread; that one is resolved.
    """

    id = fields.UUIDField(primary_key=True, default=ids.new)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "cms.Article", related_name=False, on_delete=fields.RESTRICT
    )
    author: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    reply_to: fields.ForeignKeyNullableRelation[Comment] = fields.ForeignKeyField(
        "cms.Comment", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    text = fields.TextField()
    anchor: dict[str, Any] | None = fields.JSONField(null=True)
    mentions: list[UUID] = ArrayField("uuid")
    created_at = fields.DatetimeField()
    resolved_at = fields.DatetimeField(null=True)
    resolved_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )

    article_id: UUID
    author_id: UUID | None
    reply_to_id: UUID | None
    resolved_by_id: UUID | None

    class Meta:
        table = "comment"
        indexes = [
            Index(fields=("article_id", "created_at"), name="comment_article"),
            Index(fields=("author_id",), name="comment_author"),
            Index(fields=("reply_to_id",), name="comment_reply_to"),
            Index(fields=("resolved_by_id",), name="comment_resolved_by"),
            GinIndex(fields=("mentions",), name="comment_mentions"),
        ]
        constraints = [
            CheckConstraint(check="reply_to_id is null or resolved_at is null", name="comment_thread_resolved")
        ]


class EditLock(Model):
    """Who is writing a story now. It counts until it expires, or until the session it was taken in ends."""

    article: fields.OneToOneRelation[Article] = fields.OneToOneField(
        "cms.Article", related_name=False, primary_key=True, on_delete=fields.RESTRICT
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, on_delete=fields.RESTRICT
    )
    session_id = fields.UUIDField(null=True, description="no key: the session may be gone")
    since = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()

    article_id: UUID
    user_id: UUID

    class Meta:
        table = "edit_lock"
        indexes = [Index(fields=("user_id",), name="edit_lock_user")]


class PreviewLink(Model):
    """A link that shows one revision to who has it, or the whole site in DRAFT.

    Only its digest is kept. The row goes when it is revoked.
    """

    id = fields.UUIDField(primary_key=True, default=ids.new)
    revision: fields.ForeignKeyRelation[Revision] = fields.ForeignKeyField(
        "cms.Revision", related_name=False, on_delete=fields.RESTRICT
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, on_delete=fields.RESTRICT, description="who made it"
    )
    digest = fields.BinaryField()
    whole_site = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()

    revision_id: UUID
    user_id: UUID

    class Meta:
        table = "preview_link"
        indexes = [
            Index(fields=("revision_id",), name="preview_link_revision"),
            Index(fields=("user_id",), name="preview_link_user"),
            Index(fields=("expires_at",), name="preview_link_expiry"),
        ]
        constraints = [UniqueConstraint(fields=("digest",), name="preview_link_digest")]
