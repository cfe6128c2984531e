"""Pictures, sound, film and documents, and files on their way in."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
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
    address_key = fields.UUIDField(default=uuid4, description="secret: addresses of the file are signed with it")
    kind = fields.CharEnumField(MediaKind, max_length=16)
    mime_type = fields.TextField()
    byte_size = fields.BigIntField()
    sha256 = fields.BinaryField()
    width = fields.IntField(null=True)
    height = fields.IntField(null=True)
    frames = fields.IntField(default=1, description="more than one: an animation")
    alt_text = fields.TextField(null=True)
    caption = fields.TextField(null=True)
    credit = fields.TextField(null=True)
    creator = fields.TextField(null=True)
    keywords: list[str] = ArrayField("text", default=list)
    instructions = fields.TextField(null=True, description="of the agency to the desk; never for readers")
    copyright_holder = fields.TextField(null=True)
    usage_terms = fields.TextField(null=True)
    filename = fields.TextField()
    focal_x = fields.FloatField(null=True)
    focal_y = fields.FloatField(null=True)
    placeholder = fields.TextField(null=True)
    dominant_color = fields.TextField(null=True)
    expires_at = fields.DatetimeField(null=True, description="when the rights end")
    ended_at = fields.DatetimeField(null=True, description="when that was announced")
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
            Index(fields=("expires_at",), name="media_expiry"),
        ]
        constraints = [
            CheckConstraint(check="byte_size >= 0", name="media_byte_size"),
            CheckConstraint(check="(focal_x is null) = (focal_y is null)", name="media_focal_point"),
            CheckConstraint(check="focal_x between 0 and 1 and focal_y between 0 and 1", name="media_focal_range"),
        ]


class Upload(Model):
    """A file on its way in. The row stays for a day after it was finished: what a user sends is counted by it."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    address_key = fields.UUIDField(default=uuid4, description="secret: its address is signed with it")
    filename = fields.TextField()
    byte_size = fields.BigIntField(description="as announced")
    sha256 = fields.BinaryField(null=True, description="of the bytes that we have taken ourselves")
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    created_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    media_id = fields.UUIDField(null=True, description="what it became; not a key, as that may be deleted")

    created_by_id: UUID | None

    class Meta:
        table = "upload"
        indexes = [
            Index(fields=("created_by_id", "created_at"), name="upload_created_by"),
            Index(fields=("created_at",), name="upload_created"),
        ]
        constraints = [CheckConstraint(check="byte_size > 0", name="upload_byte_size")]
