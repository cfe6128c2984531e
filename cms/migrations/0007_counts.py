"""How many live stories stand under each term, kept by triggers, so that no way to publish can forget it."""

from __future__ import annotations

from tortoise import migrations
from tortoise.migrations import operations as ops

# A term has a row while it has a story; the nil id counts all live stories. What is published is published by one
# transaction at a time, so that nobody waits here who did not wait before.
TABLE = """
create table term_count (
    term_id uuid primary key,
    n integer not null constraint term_count_positive check (n > 0)
) with (fillfactor = 50)
"""

COUNT = """
create function count_terms() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into term_count as kept (term_id, n)
        select term_id, count(*) from changed group by term_id order by term_id
        on conflict (term_id) do update set n = kept.n + excluded.n;
    else
        delete from term_count kept using (select term_id, count(*) as n from changed group by term_id) gone
        where kept.term_id = gone.term_id and kept.n <= gone.n;
        update term_count kept set n = kept.n - gone.n
        from (select term_id, count(*) as n from changed group by term_id) gone where kept.term_id = gone.term_id;
    end if;
    return null;
end $$
"""

COUNT_ALL = """
create function count_live() returns trigger language plpgsql as $$
declare
    every constant uuid := '00000000-0000-0000-0000-000000000000';
    many constant bigint := (select count(*) from changed);
begin
    if tg_op = 'INSERT' and many > 0 then
        insert into term_count as kept (term_id, n) values (every, many)
        on conflict (term_id) do update set n = kept.n + excluded.n;
    elsif tg_op = 'DELETE' then
        delete from term_count where term_id = every and n <= many;
        update term_count set n = n - many where term_id = every;
    end if;
    return null;
end $$
"""

TRIGGERS = [
    f"create trigger {table}_counted_{event} after {event} on {table} referencing {rows} table as changed "
    f"for each statement execute function {function}()"
    for table, function in (("live_term", "count_terms"), ("live", "count_live"))
    for event, rows in (("insert", "new"), ("delete", "old"))
]

FILL = """
insert into term_count (term_id, n)
select term_id, count(*) from live_term group by term_id
union all
select '00000000-0000-0000-0000-000000000000', count(*) from live having count(*) > 0
"""


class Migration(migrations.Migration):
    dependencies = [("cms", "0006_jobs")]
    initial = False

    operations = [ops.RunSQL(statement) for statement in (TABLE, COUNT, COUNT_ALL, *TRIGGERS, FILL)]
