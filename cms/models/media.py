"""Pictures, sound, film and documents."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from cms import ids
from cms.models.people import User


class MediaKind(StrEnum):
    """What a file is, read from its bytes."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    DOCUMENT = "DOCUMENT"


class Media(Model):
    """One file of the library. width and height are pixels as displayed; sha256 names the stored bytes."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    kind = fields.CharEnumField(MediaKind, max_length=16)
    mime_type = fields.TextField()
    byte_size = fields.BigIntField()
    sha256 = fields.BinaryField()
    width = fields.IntField(null=True)
    height = fields.IntField(null=True)
    alt_text = fields.TextField(null=True)
    caption = fields.TextField(null=True)
    credit = fields.TextField(null=True)
    copyright_holder = fields.TextField(null=True)
    usage_terms = fields.TextField(null=True)
    filename = fields.TextField()
    focal_x = fields.FloatField(null=True)
    focal_y = fields.FloatField(null=True)
    placeholder = fields.TextField(null=True)
    dominant_color = fields.TextField(null=True)
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    created_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )

    created_by_id: UUID | None

    class Meta:
        table = "media"
        indexes = [
            Index(fields=("sha256",), name="media_sha256"),
            Index(fields=("created_at", "id"), name="media_created"),
            Index(fields=("created_by_id",), name="media_created_by"),
        ]
        constraints = [
            CheckConstraint(check="byte_size >= 0", name="media_byte_size"),
            CheckConstraint(check="(focal_x is null) = (focal_y is null)", name="media_focal_point"),
            CheckConstraint(check="focal_x between 0 and 1 and focal_y between 0 and 1", name="media_focal_range"),
        ]
