"""Sessions, links by which a password is chosen, letters that carry them, and counted tries."""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

from cms.ids import new
from cms.models.people import LinkPurpose


class Migration(migrations.Migration):
    dependencies = [("cms", "0002_rules")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Letter",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("address", fields.CharField(description="as it was asked for, known or not", max_length=254)),
                (
                    "purpose",
                    fields.CharEnumField(
                        description="INVITATION: INVITATION\nRESET: RESET", enum_type=LinkPurpose, max_length=16
                    ),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(description="when to try (again)", auto_now=False, auto_now_add=False)),
                ("tries", fields.IntField(default=0)),
            ],
            options={
                "table": "letter",
                "app": "cms",
                "indexes": [Index(fields=["due_at"], name="letter_due")],
                "pk_attr": "id",
                "table_description": "An e-mail that is owed. Its link is made when it is sent, so that no secret waits here.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Link",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
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
                (
                    "purpose",
                    fields.CharEnumField(
                        description="INVITATION: INVITATION\nRESET: RESET", enum_type=LinkPurpose, max_length=16
                    ),
                ),
                ("digest", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "link",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("digest",), name="link_digest")],
                "indexes": [Index(fields=["user_id"], name="link_user")],
                "pk_attr": "id",
                "table_description": "A link by which a user chooses a password, once; the row goes when it is used. Only its digest is kept.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
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
                ("digest", fields.BinaryField()),
                ("user_agent", fields.CharField(description="as the browser calls itself", max_length=200)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "seen_at",
                    fields.DatetimeField(
                        description="written at most once a minute", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "expires_at",
                    fields.DatetimeField(
                        description="whatever is done with it; it also ends when it is idle",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
            ],
            options={
                "table": "session",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("digest",), name="session_digest")],
                "indexes": [
                    Index(fields=["user_id"], name="session_user"),
                    Index(fields=["expires_at"], name="session_expiry"),
                ],
                "pk_attr": "id",
                "table_description": "One browser in which a user signed in; the row goes when it ends. Only the digest of its cookie is kept.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Tries",
            fields=[
                ("key", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                (
                    "account",
                    fields.CharField(
                        null=True, description="digest of the address that was tried, where one was", max_length=64
                    ),
                ),
                ("count", fields.IntField()),
                (
                    "free_at",
                    fields.DatetimeField(description="no further try before", auto_now=False, auto_now_add=False),
                ),
                (
                    "forgotten_at",
                    fields.DatetimeField(
                        description="the row counts for nothing after", auto_now=False, auto_now_add=False
                    ),
                ),
            ],
            options={
                "table": "tries",
                "app": "cms",
                "indexes": [
                    Index(fields=["account"], name="tries_account"),
                    Index(fields=["forgotten_at"], name="tries_forgotten"),
                ],
                "pk_attr": "key",
                "table_description": "How often something was tried by or for somebody, and from when on it may be tried again. Keys are digests.",
            },
            bases=["Model"],
        ),
        # Constraints of a new model are not made by CreateModel.
        ops.RunSQL("alter table session add constraint session_digest unique (digest)"),
        ops.RunSQL("alter table link add constraint link_digest unique (digest)"),
    ]
