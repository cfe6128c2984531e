"""Public events get a place among themselves, and say what they are to readers; the database tells of every event."""

from __future__ import annotations

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops

# The log refuses changes: those who fill the new column are let through.
PLACES = """
alter table event disable trigger event_append_only;
update event set place = p.place, effect = '{}' from
    (select number, row_number() over (order by number) as place from event where public) p
    where p.number = event.number;
alter table event enable trigger event_append_only
"""
TELL = [
    """
    create function tell_event() returns trigger language plpgsql as $$
    begin
        perform pg_notify('copydesk_event', new.number::text);
        return null;
    end $$
    """,
    "create trigger event_told after insert on event for each row execute function tell_event()",
]


class Migration(migrations.Migration):
    dependencies = [("cms", "0007_counts")]
    initial = False

    operations = [
        ops.AddField(
            model_name="Event",
            name="effect",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name="Event",
            name="place",
            field=fields.BigIntField(
                null=True, unique=True, description="among public events; tells nothing of the others"
            ),
        ),
        *(ops.RunSQL(statement.strip()) for statement in PLACES.split(";\n")),
        *(ops.RunSQL(statement) for statement in TELL),
    ]
