"""Who works here: users, what opens the newsroom to them (tokens, sessions, links), and how often somebody tried."""

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


class LinkPurpose(StrEnum):
    """Why somebody may choose a password without knowing the old one."""

    INVITATION = "INVITATION"
    RESET = "RESET"


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


class Session(Model):
    """One browser in which a user signed in; the row goes when it ends. Only the digest of its cookie is kept."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, on_delete=fields.RESTRICT
    )
    digest = fields.BinaryField()
    user_agent = fields.CharField(200, description="as the browser calls itself")
    created_at = fields.DatetimeField()
    seen_at = fields.DatetimeField(description="written at most once a minute")
    expires_at = fields.DatetimeField(description="whatever is done with it; it also ends when it is idle")

    user_id: UUID

    class Meta:
        table = "session"
        indexes = [
            Index(fields=("user_id",), name="session_user"),
            Index(fields=("expires_at",), name="session_expiry"),
        ]
        constraints = [UniqueConstraint(fields=("digest",), name="session_digest")]


class Link(Model):
    """A link by which a user chooses a password, once; the row goes when it is used. Only its digest is kept."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "cms.User", related_name=False, on_delete=fields.RESTRICT
    )
    purpose = fields.CharEnumField(LinkPurpose, max_length=16)
    digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    user_id: UUID

    class Meta:
        table = "link"
        indexes = [Index(fields=("user_id",), name="link_user")]
        constraints = [UniqueConstraint(fields=("digest",), name="link_digest")]


class Letter(Model):
    """An e-mail that is owed. Its link is made when it is sent, so that no secret waits here."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    address = fields.CharField(254, description="as it was asked for, known or not")
    purpose = fields.CharEnumField(LinkPurpose, max_length=16)
    created_at = fields.DatetimeField()
    due_at = fields.DatetimeField(description="when to try (again)")
    tries = fields.IntField(default=0)

    class Meta:
        table = "letter"
        indexes = [Index(fields=("due_at",), name="letter_due")]


class Tries(Model):
    """How often something was tried by or for somebody, and from when on it may be tried again. Keys are digests."""

    key = fields.CharField(64, primary_key=True)
    account = fields.CharField(64, null=True, description="digest of the address that was tried, where one was")
    count = fields.IntField()
    free_at = fields.DatetimeField(description="no further try before")
    forgotten_at = fields.DatetimeField(description="the row counts for nothing after")

    class Meta:
        table = "tries"
        indexes = [
            Index(fields=("account",), name="tries_account"),
            Index(fields=("forgotten_at",), name="tries_forgotten"),
        ]
