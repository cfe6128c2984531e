"""Who owns which slug, now and before: uniqueness, and redirects from old ones."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint
from tortoise.models import Model

from cms import ids


class SlugKind(StrEnum):
    """What a slug leads to."""

    ARTICLE = "ARTICLE"
    SECTION = "SECTION"
    TAG = "TAG"
    AUTHOR = "AUTHOR"


class Slug(Model):
    """A reservation. One that readers have seen (public) is never given to another; it redirects once it is no longer
    the owner's own. locale is '' for what has none."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    kind = fields.CharEnumField(SlugKind, max_length=16)
    locale = fields.TextField()
    slug = fields.TextField()
    target_id = fields.UUIDField()
    public = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()

    class Meta:
        table = "slug"
        indexes = [Index(fields=("target_id",), name="slug_target")]
        constraints = [UniqueConstraint(fields=("kind", "locale", "slug"), name="slug_once")]
