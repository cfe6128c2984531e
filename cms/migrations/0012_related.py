"""Automatic related stories, and which of them editors do not want."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# One row a live story, the best first: what a page shows is one look-up. Ids of stories that are not live (any more)
# may stand in it: they are left out where it is read, and are back when they are.
TABLES = """
create table related (
    article_id uuid primary key references live (article_id) on delete cascade,
    related_ids uuid[] not null,
    scores double precision[] not null,
    reasons jsonb not null
);
create index related_related_ids on related using gin (related_ids) with (fastupdate = off);
create table unrelated (
    article_id uuid not null references article (id),
    other_id uuid not null references article (id),
    primary key (article_id, other_id)
);
create index unrelated_other on unrelated (other_id)
"""

# What is live already is done by the first worker.
OWED = """
insert into pgqueuer (priority, status, entrypoint, payload)
select 0, 'queued', 'relate', '{}' where exists (select from live)
"""


class Migration(migrations.Migration):
    dependencies = [("cms", "0011_gone")]

    initial = False

    operations = [ops.RunSQL(statement.strip()) for statement in (TABLES + ";" + OWED).split(";")]
