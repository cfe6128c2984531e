from tortoise import migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("cms", "0014_cache_purge")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Site",
            name="former_locales",
            field=ArrayField(
                null=True,
                description="those that were the site's own before, the latest first; their paths lead on",
                element_type="TEXT",
            ),
        ),
    ]
