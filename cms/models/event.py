"""What happened: the audit log, a story's history, and the source of everything that is told to others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from cms import ids
from cms.models.people import User


class Event(Model):
    """One thing that happened, written in its transaction; the database refuses to change or delete it.

    type is e.g. "article.published". Public events are those that readers can notice: they are numbered once more among
    themselves (place), without gaps and in the order of their commits, and say in effect what they are to readers
    (cms.effects). The database tells whoever listens of each (cms.live).
    """

    number = fields.BigIntField(primary_key=True, generated=True)
    id = fields.UUIDField(unique=True, default=ids.new)
    type = fields.TextField()
    at = fields.DatetimeField()
    actor: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    article_id = fields.UUIDField(null=True)
    subject_id = fields.UUIDField(null=True, description="a section, tag, author, media, list, user or token")
    public = fields.BooleanField(default=False)
    detail: dict[str, Any] = fields.JSONField()
    place = fields.BigIntField(null=True, unique=True, description="among public events; tells nothing of the others")
    effect: dict[str, Any] | None = fields.JSONField(null=True)

    actor_id: UUID | None

    class Meta:
        table = "event"
        indexes = [
            Index(fields=("article_id", "number"), name="event_article"),
            Index(fields=("type", "number"), name="event_type"),
            Index(fields=("actor_id",), name="event_actor"),
        ]
