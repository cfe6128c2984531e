"""What stories are filed under: sections (a tree), tags, authors."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from cms import ids
from cms.models.media import Media


class AuthorKind(StrEnum):
    """Who a byline names."""

    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"


class TagKind(StrEnum):
    """What a tag stands for."""

    TOPIC = "TOPIC"
    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"
    PLACE = "PLACE"
    EVENT = "EVENT"


class Section(Model):
    """A department of the site; its path is the chain of slugs from the root."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    name = fields.TextField()
    slug = fields.CharField(200, unique=True)
    description: str | None = fields.TextField(null=True)
    position = fields.IntField(default=0)
    names: dict[str, str] = fields.JSONField(db_default={}, default=dict, description="in other locales, by locale")
    parent: fields.ForeignKeyNullableRelation[Section] = fields.ForeignKeyField(
        "cms.Section", related_name=False, null=True, on_delete=fields.RESTRICT
    )

    parent_id: UUID | None

    class Meta:
        table = "section"
        indexes = [Index(fields=("parent_id",), name="section_parent")]
        constraints = [CheckConstraint(check="parent_id <> id", name="section_not_its_parent")]


class Tag(Model):
    """A meaning that stories share."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    name = fields.TextField()
    slug = fields.CharField(200, unique=True)
    description: str | None = fields.TextField(null=True)
    kind = fields.CharEnumField(TagKind, max_length=16, default=TagKind.TOPIC, db_default=TagKind.TOPIC.value)
    external_id: str | None = fields.CharField(  # type: ignore[assignment]
        40, null=True, description="Q42 of Wikidata, or medtop:… of the IPTC"
    )

    class Meta:
        table = "tag"
        indexes = [
            Index(fields=("name", "id"), name="tag_name_order"),
            Index(fields=("kind", "name", "id"), name="tag_kind"),
        ]
        constraints = [UniqueConstraint(fields=("external_id",), name="tag_external_id")]


class TagName(Model):
    """A spelling that finds a tag, its own name among them. key is slugs.identity(name): one tag a meaning."""

    key = fields.CharField(400, primary_key=True)
    name = fields.TextField()
    tag: fields.ForeignKeyRelation[Tag] = fields.ForeignKeyField(
        "cms.Tag", related_name=False, on_delete=fields.CASCADE
    )

    tag_id: UUID

    class Meta:
        table = "tag_name"
        indexes = [Index(fields=("tag_id",), name="tag_name_tag")]


class TagMerge(Model):
    """What a merge of tags took away, for as long as it can be taken back: the tags as they were, [{id, name, slug,
    description, kind, external_id, names: [key], slugs: [slug]}]."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    into_id = fields.UUIDField()
    tags: list[dict[str, Any]] = fields.JSONField()

    class Meta:
        table = "tag_merge"


class Author(Model):
    """The person or organisation that a byline names; not a user."""

    id = fields.UUIDField(primary_key=True, default=ids.new)
    name = fields.TextField()
    key = fields.TextField(description="slugs.identity(name); two people may share one")
    slug = fields.CharField(200, unique=True)
    kind = fields.CharEnumField(AuthorKind, max_length=16, default=AuthorKind.PERSON)
    bio: str | None = fields.TextField(null=True)
    portrait_media: fields.ForeignKeyNullableRelation[Media] = fields.ForeignKeyField(
        "cms.Media", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    portrait: dict[str, Any] | None = fields.JSONField(null=True)

    portrait_media_id: UUID | None

    class Meta:
        table = "author"
        indexes = [
            Index(fields=("key",), name="author_key"),
            Index(fields=("name", "id"), name="author_name"),
            Index(fields=("portrait_media_id",), name="author_portrait"),
        ]
