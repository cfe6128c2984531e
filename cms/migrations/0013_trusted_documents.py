"""Documents of clients that are trusted."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("cms", "0012_related")]

    initial = False

    operations = [
        ops.CreateModel(
            name="TrustedDocument",
            fields=[
                (
                    "id",
                    fields.CharField(
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="what clients ask for it by",
                        max_length=200,
                    ),
                ),
                ("name", fields.TextField(description="of its operation, for people; empty where it has none")),
                ("text", fields.TextField()),
                (
                    "shared_seconds",
                    fields.IntField(
                        null=True,
                        description="how long caches before us may keep its answers; null: as long as any other's",
                    ),
                ),
                ("pushed_at", fields.DatetimeField()),
            ],
            options={
                "table": "trusted_document",
                "app": "cms",
                "pk_attr": "id",
                "table_description": "One document. What an id means never changes: another text has another id.",
            },
            bases=["Model"],
        ),
    ]
