"""Uploads, and what the library has to know of a file to sign its addresses and to keep to its rights."""

from uuid import uuid4

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from cms.ids import new


class Migration(migrations.Migration):
    dependencies = [("cms", "0003_sessions")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Upload",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new, unique=True, db_index=True)),
                ("address_key", fields.UUIDField(default=uuid4, description="secret: its address is signed with it")),
                ("filename", fields.TextField(unique=False)),
                ("byte_size", fields.BigIntField(description="as announced")),
                ("sha256", fields.BinaryField(null=True, description="of the bytes that we have taken ourselves")),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
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
                (
                    "media_id",
                    fields.UUIDField(null=True, description="what it became; not a key, as that may be deleted"),
                ),
            ],
            options={
                "table": "upload",
                "app": "cms",
                "constraints": [CheckConstraint(check="byte_size > 0", name="upload_byte_size")],
                "indexes": [
                    Index(fields=["created_by_id", "created_at"], name="upload_created_by"),
                    Index(fields=["created_at"], name="upload_created"),
                ],
                "pk_attr": "id",
                "table_description": "A file on its way in. The row stays for a day after it was finished: what a user sends is counted by it.",
            },
            bases=["Model"],
        ),
        ops.AlterField(
            model_name="Media",
            name="expires_at",
            field=fields.DatetimeField(
                null=True, description="when the rights end", auto_now=False, auto_now_add=False
            ),
        ),
        ops.AddField(
            model_name="Media",
            name="address_key",
            field=fields.UUIDField(
                null=True, default=uuid4, description="secret: addresses of the file are signed with it"
            ),
        ),
        ops.RunSQL("update media set address_key = gen_random_uuid()"),
        ops.AlterField(
            model_name="Media",
            name="address_key",
            field=fields.UUIDField(default=uuid4, description="secret: addresses of the file are signed with it"),
        ),
        ops.AddField(
            model_name="Media",
            name="creator",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Media",
            name="ended_at",
            field=fields.DatetimeField(
                null=True, description="when that was announced", auto_now=False, auto_now_add=False
            ),
        ),
        ops.AddField(
            model_name="Media",
            name="frames",
            field=fields.IntField(default=1, description="more than one: an animation"),
        ),
        ops.AddField(
            model_name="Media",
            name="instructions",
            field=fields.TextField(null=True, description="of the agency to the desk; never for readers", unique=False),
        ),
        ops.AddField(
            model_name="Media",
            name="keywords",
            field=ArrayField(null=True, default=list, element_type="TEXT"),
        ),
        ops.RunSQL("update media set keywords = '{}'"),
        ops.AlterField(
            model_name="Media",
            name="keywords",
            field=ArrayField(default=list, element_type="TEXT"),
        ),
        ops.AddIndex(
            model_name="Media",
            index=Index(fields=["expires_at"], name="media_expiry"),
        ),
        # Constraints of a new model are not made by CreateModel.
        ops.RunSQL("alter table upload add constraint upload_byte_size check (byte_size > 0)"),
    ]
