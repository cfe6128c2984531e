"""What readers lost lately is found without looking at all stories."""

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("cms", "0010_tags")]
    initial = False

    operations = [ops.RunSQL("create index article_gone_at on article (gone_at) where gone_at is not null")]
