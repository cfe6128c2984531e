"""Kinds and outside ids of tags, names of sections in other locales, and what a merge of tags took away."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

from cms import ids
from cms.models.taxonomy import TagKind

# Whose tags a merge changed, and which they were: home is head, live or revision.
STORIES = """
create table tag_merge_story (
    merge_id uuid not null references tag_merge (id) on delete cascade,
    home text not null,
    row_id uuid not null,
    before uuid[] not null,
    primary key (merge_id, home, row_id)
)
"""


class Migration(migrations.Migration):
    dependencies = [("cms", "0009_search")]

    initial = False

    operations = [
        ops.CreateModel(
            name="TagMerge",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=ids.new, unique=True, db_index=True)),
                ("into_id", fields.UUIDField()),
                ("tags", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "tag_merge",
                "app": "cms",
                "pk_attr": "id",
                "table_description": "What a merge of tags took away, for as long as it can be taken back: the tags as they were, [{id, name, slug,",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Section",
            name="names",
            field=fields.JSONField(
                default=dict,
                description="in other locales, by locale",
                db_default={},
                encoder=JSON_DUMPS,
                decoder=loads,
            ),
        ),
        ops.AddField(
            model_name="Tag",
            name="external_id",
            field=fields.CharField(null=True, description="Q42 of Wikidata, or medtop:… of the IPTC", max_length=40),
        ),
        ops.AddField(
            model_name="Tag",
            name="kind",
            field=fields.CharEnumField(
                default=TagKind.TOPIC,
                description="TOPIC: TOPIC\nPERSON: PERSON\nORGANIZATION: ORGANIZATION\nPLACE: PLACE\nEVENT: EVENT",
                db_default="TOPIC",
                enum_type=TagKind,
                max_length=16,
            ),
        ),
        ops.AddIndex(
            model_name="Tag",
            index=Index(fields=["kind", "name", "id"], name="tag_kind"),
        ),
        ops.AddConstraint(
            model_name="Tag",
            constraint=UniqueConstraint(fields=("external_id",), name="tag_external_id"),
        ),
        ops.RunSQL(STORIES),
    ]
