from orjson import loads
from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from cms.ids import new
from cms.models.article import ArticleStatus, CorrectionKind, GoneReason
from cms.models.media import MediaKind
from cms.models.people import Role, TokenScope
from cms.models.slug import SlugKind
from cms.models.taxonomy import AuthorKind


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Section",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                ("slug", fields.CharField(unique=True, max_length=200)),
                ("description", fields.TextField(null=True, unique=False)),
                ("position", fields.IntField(default=0)),
                (
                    "parent",
                    fields.ForeignKeyField(
                        "cms.Section",
                        source_field="parent_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
            ],
            options={
                "table": "section",
                "app": "cms",
                "constraints": [CheckConstraint(check="parent_id <> id", name="section_not_its_parent")],
                "indexes": [Index(fields=["parent_id"], name="section_parent")],
                "pk_attr": "id",
                "table_description": "A department of the site; its path is the chain of slugs from the root.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Slug",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                (
                    "kind",
                    fields.CharEnumField(
                        description="ARTICLE: ARTICLE\nSECTION: SECTION\nTAG: TAG\nAUTHOR: AUTHOR",
                        enum_type=SlugKind,
                        max_length=16,
                    ),
                ),
                ("locale", fields.TextField(unique=False)),
                ("slug", fields.TextField(unique=False)),
                ("target_id", fields.UUIDField()),
                ("public", fields.BooleanField(default=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "slug",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("kind", "locale", "slug"), name="slug_once")],
                "indexes": [Index(fields=["target_id"], name="slug_target")],
                "pk_attr": "id",
                "table_description": "A reservation. One that readers have seen (public) is never given to another; it redirects once it is no longer",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="StoryList",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("slug", fields.CharField(unique=True, max_length=200)),
                ("name", fields.TextField(unique=False)),
                ("article_ids", ArrayField(element_type="UUID")),
            ],
            options={
                "table": "story_list",
                "app": "cms",
                "indexes": [GinIndex(fields=["article_ids"], name="story_list_articles")],
                "pk_attr": "id",
                "table_description": "An ordered list of stories: a front page, a package.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Tag",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                ("slug", fields.CharField(unique=True, max_length=200)),
                ("description", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "tag",
                "app": "cms",
                "indexes": [Index(fields=["name", "id"], name="tag_name_order")],
                "pk_attr": "id",
                "table_description": "A meaning that stories share.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TagName",
            fields=[
                ("key", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=400)),
                ("name", fields.TextField(unique=False)),
                (
                    "tag",
                    fields.ForeignKeyField(
                        "cms.Tag",
                        source_field="tag_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
            ],
            options={
                "table": "tag_name",
                "app": "cms",
                "indexes": [Index(fields=["tag_id"], name="tag_name_tag")],
                "pk_attr": "key",
                "table_description": "A spelling that finds a tag, its own name among them. key is slugs.identity(name): one tag a meaning.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                (
                    "email",
                    fields.CharField(
                        null=True, unique=True, description="lower case; null for machines", max_length=254
                    ),
                ),
                (
                    "password_hash",
                    fields.TextField(null=True, description="argon2id; null: cannot sign in", unique=False),
                ),
                (
                    "role",
                    fields.CharEnumField(
                        description="CONTRIBUTOR: CONTRIBUTOR\nEDITOR: EDITOR\nCHIEF: CHIEF\nADMIN: ADMIN",
                        enum_type=Role,
                        max_length=16,
                    ),
                ),
                ("is_active", fields.BooleanField(default=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "user",
                "app": "cms",
                "constraints": [CheckConstraint(check="email = lower(email)", name="user_email_lower")],
                "pk_attr": "id",
                "table_description": "A member of staff, or a machine that works as one (no e-mail, no password).",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Article",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                (
                    "status",
                    fields.CharEnumField(
                        default=ArticleStatus.DRAFT,
                        description="DRAFT: DRAFT\nIN_REVIEW: IN_REVIEW\nAPPROVED: APPROVED\nSCHEDULED: SCHEDULED\nPUBLISHED: PUBLISHED\nUNPUBLISHED: UNPUBLISHED\nWITHDRAWN: WITHDRAWN",
                        enum_type=ArticleStatus,
                        max_length=16,
                    ),
                ),
                ("version", fields.IntField(default=1, description="grows with content, status, schedule and embargo")),
                (
                    "owner",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="owner_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "assignee",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="assignee_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("note", fields.TextField(null=True, unique=False)),
                (
                    "translation_group",
                    fields.UUIDField(description="the id of the story that the others are translations of"),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("trashed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("embargoed_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("publish_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("unpublish_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "scheduled_revision_id",
                    fields.UUIDField(null=True, description="what a pending schedule will publish"),
                ),
                (
                    "first_published_at",
                    fields.DatetimeField(
                        null=True, description="null where it was never live", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "published_at",
                    fields.DatetimeField(
                        null=True, description="the date that is printed", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "source_date",
                    fields.DatetimeField(
                        null=True, description="an imported story's own date", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "gone_at",
                    fields.DatetimeField(
                        null=True,
                        description="since when readers have lost it, until they have it again",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "gone_reason",
                    fields.CharEnumField(
                        null=True,
                        description="UNPUBLISHED: UNPUBLISHED\nWITHDRAWN: WITHDRAWN",
                        enum_type=GoneReason,
                        max_length=16,
                    ),
                ),
                ("gone_notice", fields.TextField(null=True, unique=False)),
                (
                    "origin_key",
                    fields.TextField(
                        null=True, description="made once: an import's key, or USER:idempotencyKey", unique=False
                    ),
                ),
            ],
            options={
                "table": "article",
                "app": "cms",
                "constraints": [
                    UniqueConstraint(fields=("origin_key",), name="article_origin_key"),
                    CheckConstraint(check="version > 0", name="article_version"),
                    CheckConstraint(check="(gone_at is null) = (gone_reason is null)", name="article_gone"),
                    CheckConstraint(
                        check="(publish_at is null) = (scheduled_revision_id is null)", name="article_pinned_schedule"
                    ),
                    CheckConstraint(check="publish_at < unpublish_at", name="article_schedule_order"),
                ],
                "indexes": [
                    Index(fields=["owner_id"], name="article_owner"),
                    Index(fields=["assignee_id"], name="article_assignee"),
                    Index(fields=["translation_group"], name="article_translation_group"),
                    Index(fields=["created_at", "id"], name="article_created"),
                    Index(fields=["status", "id"], name="article_status"),
                ],
                "pk_attr": "id",
                "table_description": "A story's identity and editorial state. It holds no content.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Correction",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                (
                    "article",
                    fields.ForeignKeyField(
                        "cms.Article",
                        source_field="article_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "kind",
                    fields.CharEnumField(
                        description="CORRECTION: CORRECTION\nCLARIFICATION: CLARIFICATION\nUPDATE: UPDATE\nRETRACTION: RETRACTION",
                        enum_type=CorrectionKind,
                        max_length=16,
                    ),
                ),
                ("text", fields.TextField(unique=False)),
                ("published_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "correction",
                "app": "cms",
                "indexes": [Index(fields=["article_id", "published_at"], name="correction_article")],
                "pk_attr": "id",
                "table_description": "A public notice on a story, kept for ever.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Event",
            fields=[
                ("number", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("id", fields.UUIDField(default=new, unique=True)),
                ("type", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "actor",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="actor_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("article_id", fields.UUIDField(null=True)),
                (
                    "subject_id",
                    fields.UUIDField(null=True, description="a section, tag, author, media, list, user or token"),
                ),
                ("public", fields.BooleanField(default=False)),
                ("detail", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "event",
                "app": "cms",
                "indexes": [
                    Index(fields=["article_id", "number"], name="event_article"),
                    Index(fields=["type", "number"], name="event_type"),
                    Index(fields=["actor_id"], name="event_actor"),
                ],
                "pk_attr": "number",
                "table_description": "One thing that happened, written in its transaction; the database refuses to change or delete it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Media",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                (
                    "kind",
                    fields.CharEnumField(
                        description="IMAGE: IMAGE\nVIDEO: VIDEO\nAUDIO: AUDIO\nDOCUMENT: DOCUMENT",
                        enum_type=MediaKind,
                        max_length=16,
                    ),
                ),
                ("mime_type", fields.TextField(unique=False)),
                ("byte_size", fields.BigIntField()),
                ("sha256", fields.BinaryField()),
                ("width", fields.IntField(null=True)),
                ("height", fields.IntField(null=True)),
                ("alt_text", fields.TextField(null=True, unique=False)),
                ("caption", fields.TextField(null=True, unique=False)),
                ("credit", fields.TextField(null=True, unique=False)),
                ("copyright_holder", fields.TextField(null=True, unique=False)),
                ("usage_terms", fields.TextField(null=True, unique=False)),
                ("filename", fields.TextField(unique=False)),
                ("focal_x", fields.FloatField(null=True)),
                ("focal_y", fields.FloatField(null=True)),
                ("placeholder", fields.TextField(null=True, unique=False)),
                ("dominant_color", fields.TextField(null=True, unique=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "created_by",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="created_by_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
            ],
            options={
                "table": "media",
                "app": "cms",
                "constraints": [
                    CheckConstraint(check="byte_size >= 0", name="media_byte_size"),
                    CheckConstraint(check="(focal_x is null) = (focal_y is null)", name="media_focal_point"),
                    CheckConstraint(
                        check="focal_x between 0 and 1 and focal_y between 0 and 1", name="media_focal_range"
                    ),
                ],
                "indexes": [
                    Index(fields=["sha256"], name="media_sha256"),
                    Index(fields=["created_at", "id"], name="media_created"),
                    Index(fields=["created_by_id"], name="media_created_by"),
                ],
                "pk_attr": "id",
                "table_description": "One file of the library. width and height are pixels as displayed; sha256 names the stored bytes.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Author",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                ("key", fields.TextField(description="slugs.identity(name); two people may share one", unique=False)),
                ("slug", fields.CharField(unique=True, max_length=200)),
                (
                    "kind",
                    fields.CharEnumField(
                        default=AuthorKind.PERSON,
                        description="PERSON: PERSON\nORGANIZATION: ORGANIZATION",
                        enum_type=AuthorKind,
                        max_length=16,
                    ),
                ),
                ("bio", fields.TextField(null=True, unique=False)),
                (
                    "portrait_media",
                    fields.ForeignKeyField(
                        "cms.Media",
                        source_field="portrait_media_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("portrait", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "author",
                "app": "cms",
                "indexes": [
                    Index(fields=["key"], name="author_key"),
                    Index(fields=["name", "id"], name="author_name"),
                    Index(fields=["portrait_media_id"], name="author_portrait"),
                ],
                "pk_attr": "id",
                "table_description": "The person or organisation that a byline names; not a user.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Revision",
            fields=[
                ("headline", fields.TextField(unique=False)),
                ("kicker", fields.TextField(null=True, unique=False)),
                ("dek", fields.TextField(null=True, unique=False)),
                ("slug", fields.TextField(unique=False)),
                ("locale", fields.TextField(unique=False)),
                ("author_ids", ArrayField(element_type="UUID")),
                ("author_roles", ArrayField(element_type="TEXT")),
                ("tag_ids", ArrayField(element_type="UUID")),
                ("related_ids", ArrayField(element_type="UUID")),
                ("lead_use", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("seo", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("body", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("html", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("word_count", fields.IntField()),
                ("body_media_ids", ArrayField(element_type="UUID")),
                ("body_article_ids", ArrayField(element_type="UUID")),
                (
                    "updated_at",
                    fields.DatetimeField(
                        description="when the content shown here last changed", auto_now=False, auto_now_add=False
                    ),
                ),
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                (
                    "article",
                    fields.ForeignKeyField(
                        "cms.Article",
                        source_field="article_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("number", fields.IntField()),
                ("section_id", fields.UUIDField(null=True)),
                ("lead_media_id", fields.UUIDField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "created_by",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="created_by_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("message", fields.TextField(null=True, unique=False)),
                (
                    "autosave",
                    fields.BooleanField(default=False, description="later autosaves of the same hand fold into it"),
                ),
                ("sealed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("names", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "revision",
                "app": "cms",
                "constraints": [
                    UniqueConstraint(fields=("article_id", "number"), name="revision_number"),
                    CheckConstraint(check="number > 0", name="revision_number_positive"),
                ],
                "indexes": [Index(fields=["created_by_id"], name="revision_created_by")],
                "pk_attr": "id",
                "table_description": "History. Sealed ones are immutable and keep the names of what they refer to beside the ids (no keys: what they",
            },
            bases=["Content"],
        ),
        ops.CreateModel(
            name="Head",
            fields=[
                ("headline", fields.TextField(unique=False)),
                ("kicker", fields.TextField(null=True, unique=False)),
                ("dek", fields.TextField(null=True, unique=False)),
                ("slug", fields.TextField(unique=False)),
                ("locale", fields.TextField(unique=False)),
                ("author_ids", ArrayField(element_type="UUID")),
                ("author_roles", ArrayField(element_type="TEXT")),
                ("tag_ids", ArrayField(element_type="UUID")),
                ("related_ids", ArrayField(element_type="UUID")),
                ("lead_use", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("seo", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("body", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("html", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("word_count", fields.IntField()),
                ("body_media_ids", ArrayField(element_type="UUID")),
                ("body_article_ids", ArrayField(element_type="UUID")),
                (
                    "updated_at",
                    fields.DatetimeField(
                        description="when the content shown here last changed", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "article",
                    fields.OneToOneField(
                        "cms.Article",
                        source_field="article_id",
                        primary_key=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "revision",
                    fields.ForeignKeyField(
                        "cms.Revision",
                        source_field="revision_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "section",
                    fields.ForeignKeyField(
                        "cms.Section",
                        source_field="section_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "lead_media",
                    fields.ForeignKeyField(
                        "cms.Media",
                        source_field="lead_media_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
            ],
            options={
                "table": "head",
                "app": "cms",
                "indexes": [
                    Index(fields=["updated_at", "article_id"], name="head_updated"),
                    Index(fields=["headline", "article_id"], name="head_headline"),
                    Index(fields=["revision_id"], name="head_revision"),
                    Index(fields=["section_id"], name="head_section"),
                    Index(fields=["lead_media_id"], name="head_lead_media"),
                    GinIndex(fields=["author_ids"], name="head_authors"),
                    GinIndex(fields=["tag_ids"], name="head_tags"),
                    GinIndex(fields=["related_ids"], name="head_related"),
                    GinIndex(fields=["body_media_ids"], name="head_body_media"),
                    GinIndex(fields=["body_article_ids"], name="head_body_articles"),
                ],
                "pk_attr": "article",
                "table_description": "The working copy: the newest revision of an article.",
            },
            bases=["Content"],
        ),
        ops.CreateModel(
            name="Live",
            fields=[
                ("headline", fields.TextField(unique=False)),
                ("kicker", fields.TextField(null=True, unique=False)),
                ("dek", fields.TextField(null=True, unique=False)),
                ("slug", fields.TextField(unique=False)),
                ("locale", fields.TextField(unique=False)),
                ("author_ids", ArrayField(element_type="UUID")),
                ("author_roles", ArrayField(element_type="TEXT")),
                ("tag_ids", ArrayField(element_type="UUID")),
                ("related_ids", ArrayField(element_type="UUID")),
                ("lead_use", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("seo", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("body", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("html", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("word_count", fields.IntField()),
                ("body_media_ids", ArrayField(element_type="UUID")),
                ("body_article_ids", ArrayField(element_type="UUID")),
                (
                    "updated_at",
                    fields.DatetimeField(
                        description="when the content shown here last changed", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "article",
                    fields.OneToOneField(
                        "cms.Article",
                        source_field="article_id",
                        primary_key=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "revision",
                    fields.ForeignKeyField(
                        "cms.Revision",
                        source_field="revision_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "section",
                    fields.ForeignKeyField(
                        "cms.Section",
                        source_field="section_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "lead_media",
                    fields.ForeignKeyField(
                        "cms.Media",
                        source_field="lead_media_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("published_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("first_published_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("translation_group", fields.UUIDField()),
            ],
            options={
                "table": "live",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("locale", "slug"), name="live_slug")],
                "indexes": [
                    Index(fields=["published_at", "article_id"], name="live_published"),
                    Index(fields=["updated_at", "article_id"], name="live_updated"),
                    Index(fields=["headline", "article_id"], name="live_headline"),
                    Index(fields=["translation_group"], name="live_translation_group"),
                    Index(fields=["revision_id"], name="live_revision"),
                    Index(fields=["section_id"], name="live_section"),
                    Index(fields=["lead_media_id"], name="live_lead_media"),
                    GinIndex(fields=["author_ids"], name="live_authors"),
                    GinIndex(fields=["tag_ids"], name="live_tags"),
                    GinIndex(fields=["related_ids"], name="live_related"),
                    GinIndex(fields=["body_media_ids"], name="live_body_media"),
                    GinIndex(fields=["body_article_ids"], name="live_body_articles"),
                ],
                "pk_attr": "article",
                "table_description": "What readers see; the row is deleted when the story is taken from them.",
            },
            bases=["Content"],
        ),
        ops.CreateModel(
            name="Site",
            fields=[
                ("single", fields.BooleanField(primary_key=True, default=True, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                ("tagline", fields.TextField(null=True, unique=False)),
                ("url", fields.TextField(description="absolute, without a slash at its end", unique=False)),
                (
                    "locale",
                    fields.TextField(description="the site's own; its paths have no locale in front", unique=False),
                ),
                ("locales", ArrayField(element_type="TEXT")),
                ("time_zone", fields.TextField(unique=False)),
                (
                    "logo_media",
                    fields.ForeignKeyField(
                        "cms.Media",
                        source_field="logo_media_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("logo", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("social_links", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "site",
                "app": "cms",
                "constraints": [
                    CheckConstraint(check="single", name="site_one_row"),
                    CheckConstraint(check="locale = any(locales)", name="site_own_locale"),
                ],
                "indexes": [Index(fields=["logo_media_id"], name="site_logo")],
                "pk_attr": "single",
                "table_description": "The one row about the site. The first migration makes it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Token",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("name", fields.TextField(unique=False)),
                ("digest", fields.BinaryField()),
                (
                    "scope",
                    fields.CharEnumField(
                        description="READ: READ\nPREVIEW: PREVIEW\nWRITE: WRITE", enum_type=TokenScope, max_length=16
                    ),
                ),
                (
                    "user",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="user_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "role",
                    fields.CharEnumField(
                        null=True, description="less than the user's own, where given", enum_type=Role, max_length=16
                    ),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "token",
                "app": "cms",
                "constraints": [
                    UniqueConstraint(fields=("digest",), name="token_digest"),
                    CheckConstraint(check="(scope = 'WRITE') = (user_id is not null)", name="token_write_acts_as_user"),
                ],
                "indexes": [Index(fields=["user_id"], name="token_user")],
                "pk_attr": "id",
                "table_description": "A bearer token. Only its SHA-256 is kept: with 256 random bits "
                "nothing slower is needed.",
            },
            bases=["Model"],
        ),
    ]
