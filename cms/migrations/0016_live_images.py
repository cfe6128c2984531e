"""Live stories by the picture that they show to other sites: whether readers may see a file is asked at each publication.
Few stories have one of their own."""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEX = "create index live_seo_image on live ((seo ->> 'image_id')) where seo ->> 'image_id' is not null"


class Migration(migrations.Migration):
    dependencies = [("cms", "0015_former_locales")]

    initial = False

    operations = [ops.RunSQL(INDEX)]
