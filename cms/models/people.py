"""Who works here: users, and the tokens that act for them or read."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from cms import ids


class Role(StrEnum):
    """What a member of staff may do; each may do what those before may."""

    CONTRIBUTOR = "CONTRIBUTOR"
    EDITOR = "EDITOR"
    CHIEF = "CHIEF"
    ADMIN = "ADMIN"


class TokenScope(StrEnum):
    """READ what is published, PREVIEW drafts read-only, WRITE as the token's user."""

    READ = "READ"
    PREVIEW = "PREVIEW"
    WRITE = "WRITE"


class User(Model):
    """A member of staff, or a machine that works as one (no e-mail, no password)."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    name = fields.TextField()
    email = fields.CharField(254, null=True, unique=True, description="lower case; null for machines")
    password_hash = fields.TextField(null=True, description="argon2id; null: cannot sign in")
    role = fields.CharEnumField(Role, max_length=16)
    is_active = fields.BooleanField(default=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "user"
        constraints = [CheckConstraint(check="email = lower(email)", name="user_email_lower")]


class Token(Model):
    """A bearer token. Only its SHA-256 is kept: with 256 random bits nothing slower is needed."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    name = fields.TextField()
    digest = fields.BinaryField()
    scope = fields.CharEnumField(TokenScope, max_length=16)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    role = fields.CharEnumField(Role, max_length=16, null=True, description="less than the user's own, where given")
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    user_id: UUID | None

    class Meta:
        table = "token"
        indexes = [Index(fields=("user_id",), name="token_user")]
        constraints = [
            UniqueConstraint(fields=("digest",), name="token_digest"),
            CheckConstraint(check="(scope = 'WRITE') = (user_id is not null)", name="token_write_acts_as_user"),
        ]
