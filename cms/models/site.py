"""The site itself, and the lists of stories that are kept by hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from cms import ids
from cms.models.media import Media


class Site(Model):
    """The one row about the site. The first migration makes it."""

    single = fields.BooleanField(primary_key=True, default=True)
    name = fields.TextField()
    tagline: str | None = fields.TextField(null=True)
    url = fields.TextField(description="absolute, without a slash at its end")
    locale = fields.TextField(description="the site's own; its paths have no locale in front")
    locales: list[str] = ArrayField("text")
    former_locales: list[str] | None = ArrayField(
        "text",
        null=True,
        description="those that were the site's own before, the latest first; their paths lead on",
    )
    time_zone = fields.TextField()
    logo_media: fields.ForeignKeyNullableRelation[Media] = fields.ForeignKeyField(
        "cms.Media", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    logo: dict[str, Any] | None = fields.JSONField(null=True)
    social_links: list[dict[str, str]] = fields.JSONField()
    checklist: dict[str, str] | None = fields.JSONField(
        null=True, description="levels of checklist rules that are not the usual ones, by code"
    )

    logo_media_id: UUID | None

    class Meta:
        table = "site"
        indexes = [Index(fields=("logo_media_id",), name="site_logo")]
        constraints = [
            CheckConstraint(check="single", name="site_one_row"),
            CheckConstraint(check="locale = any(locales)", name="site_own_locale"),
        ]


class StoryList(Model):
    """An ordered list of stories: a front page, a package."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    slug = fields.CharField(200, unique=True)
    name = fields.TextField()
    article_ids: list[UUID] = ArrayField("uuid")

    class Meta:
        table = "story_list"
        indexes = [GinIndex(fields=("article_ids",), name="story_list_articles")]
