"""How far caches before us were told what has changed."""

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("cms", "0013_trusted_documents")]

    initial = False

    operations = [
        ops.RunSQL(
            "create table cache_purge (single boolean primary key default true check (single), place bigint not null)"
        ),
        ops.RunSQL("insert into cache_purge (place) select coalesce(max(place), 0) from event"),
    ]
