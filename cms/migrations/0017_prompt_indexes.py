"""What a story names is put into its index at once: what waited to be put there later was read by every publication that
asks who points at a story, and by the one in which it had become too much it was all put in its place."""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = [
    f"{table}_{what}"
    for table in ("live", "head")
    for what in ("authors", "tags", "related", "body_media", "body_articles")
]


class Migration(migrations.Migration):
    dependencies = [("cms", "0016_live_images")]

    initial = False

    operations = [
        ops.RunSQL(statement)
        for index in INDEXES
        for statement in (
            f"alter index {index} set (fastupdate = off)",
            f"select gin_clean_pending_list('{index}')",  # what waits still
        )
    ]
