"""Comments, edit locks, preview links, and what schedules, autosaves and checklists remember."""

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


class Migration(migrations.Migration):
    dependencies = [("cms", "0004_media_uploads")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Comment",
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
                    "author",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="author_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "reply_to",
                    fields.ForeignKeyField(
                        "cms.Comment",
                        source_field="reply_to_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("text", fields.TextField(unique=False)),
                ("anchor", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("mentions", ArrayField(element_type="UUID")),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("resolved_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "resolved_by",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="resolved_by_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
            ],
            options={
                "table": "comment",
                "app": "cms",
                "constraints": [
                    CheckConstraint(check="reply_to_id is null or resolved_at is null", name="comment_thread_resolved")
                ],
                "indexes": [
                    Index(fields=["article_id", "created_at"], name="comment_article"),
                    Index(fields=["author_id"], name="comment_author"),
                    Index(fields=["reply_to_id"], name="comment_reply_to"),
                    Index(fields=["resolved_by_id"], name="comment_resolved_by"),
                    GinIndex(fields=["mentions"], name="comment_mentions"),
                ],
                "pk_attr": "id",
                "table_description": "What a colleague said of a story.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="EditLock",
            fields=[
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
                    "user",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("session_id", fields.UUIDField(null=True, description="no key: the session may be gone")),
                ("since", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "edit_lock",
                "app": "cms",
                "indexes": [Index(fields=["user_id"], name="edit_lock_user")],
                "pk_attr": "article_id",
                "table_description": "Who is writing a story now. It counts until it expires, or until the session it was taken in ends.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PreviewLink",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
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
                    "user",
                    fields.ForeignKeyField(
                        "cms.User",
                        source_field="user_id",
                        description="who made it",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("digest", fields.BinaryField()),
                ("whole_site", fields.BooleanField(default=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "preview_link",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("digest",), name="preview_link_digest")],
                "indexes": [
                    Index(fields=["revision_id"], name="preview_link_revision"),
                    Index(fields=["user_id"], name="preview_link_user"),
                    Index(fields=["expires_at"], name="preview_link_expiry"),
                ],
                "pk_attr": "id",
                "table_description": "A link that shows one revision to who has it, or the whole site in DRAFT.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Article",
            name="due_at",
            field=fields.DatetimeField(
                null=True, description="when colleagues expect it", auto_now=False, auto_now_add=False
            ),
        ),
        ops.AddField(
            model_name="Article",
            name="outdated_at",
            field=fields.DatetimeField(
                null=True,
                description="since when a correction of the original awaits a look",
                auto_now=False,
                auto_now_add=False,
            ),
        ),
        ops.AddField(
            model_name="Article",
            name="schedule_problem",
            field=fields.JSONField(
                null=True,
                description="why what is due was not published: code, message, at",
                encoder=JSON_DUMPS,
                decoder=loads,
            ),
        ),
        ops.AddField(
            model_name="Article",
            name="schedule_retry_at",
            field=fields.DatetimeField(
                null=True, description="when to try again what was refused", auto_now=False, auto_now_add=False
            ),
        ),
        ops.AddField(
            model_name="Revision",
            name="autosaved_by",
            field=fields.UUIDField(null=True, description="the session or token that made them"),
        ),
        ops.AddField(
            model_name="Revision",
            name="autosaved_from",
            field=fields.IntField(null=True, description="the story's version before the first of these autosaves"),
        ),
        ops.AddField(
            model_name="Revision",
            name="autosaved_to",
            field=fields.IntField(null=True, description="and after the last, if nothing else came between them"),
        ),
        ops.AddField(
            model_name="Site",
            name="checklist",
            field=fields.JSONField(
                null=True,
                description="levels of checklist rules that are not the usual ones, by code",
                encoder=JSON_DUMPS,
                decoder=loads,
            ),
        ),
        # Constraints of a new model are not made by CreateModel.
        ops.RunSQL(
            "alter table comment add constraint comment_thread_resolved check (reply_to_id is null or resolved_at is null)"
        ),
        ops.RunSQL("alter table preview_link add constraint preview_link_digest unique (digest)"),
        ops.RunSQL(
            "create index article_embargoed_until on article (embargoed_until) where embargoed_until is not null"
        ),
        ops.RunSQL("create index article_due_at on article (due_at) where due_at is not null"),
        # Changes nothing in the database: how Tortoise spells a one-to-one primary key, in a new model and later.
        ops.AlterModelOptions(
            name="EditLock",
            options={
                "table": "edit_lock",
                "app": "cms",
                "indexes": [Index(fields=["user_id"], name="edit_lock_user")],
                "pk_attr": "article_id",
                "table_description": "Who is writing a story now. It counts until it expires, or until the session it was taken in ends.",
            },
        ),
    ]
