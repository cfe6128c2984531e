from tortoise import migrations
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("cms", "0002_rules")]

    initial = False

    operations = [
        ops.AlterModelOptions(
            name="Head",
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
                "pk_attr": "article_id",
                "table_description": "The working copy: the newest revision of an article.",
            },
        ),
        ops.AlterModelOptions(
            name="Live",
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
                "pk_attr": "article_id",
                "table_description": "What readers see; the row is deleted when the story is taken from them.",
            },
        ),
    ]
