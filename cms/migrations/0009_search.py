"""The index of search, and names without accents."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# A story's words are long: out of the row, so that looking for the newest of many matches reads only short rows.
INDEX = """
create table live_search (
    article_id uuid primary key references live (article_id) on delete cascade,
    published_at timestamptz not null,
    vector tsvector not null
);
alter table live_search alter column vector set storage external;
alter table live_search set (toast_tuple_target = 128);
create index live_search_vector on live_search using gin (vector) with (fastupdate = off);
create index live_search_newest on live_search (published_at, article_id);
create table head_search (
    article_id uuid primary key references head (article_id) on delete cascade,
    updated_at timestamptz not null,
    vector tsvector not null
);
alter table head_search alter column vector set storage external;
alter table head_search set (toast_tuple_target = 128);
create index head_search_vector on head_search using gin (vector) with (fastupdate = off);
create index head_search_newest on head_search (updated_at, article_id);
create table live_word (
    word text collate "C" primary key,
    stories integer not null,
    spelling text,
    near integer[]
);
create index live_word_near on live_word using gin (near) with (fastupdate = off)
"""

# As cms/search/words.py folds; names are kept under keys of one case already.
FOLDED = """
create function without_accents(text) returns text language sql immutable strict parallel safe
return normalize(
    replace(replace(translate(
        regexp_replace(
            normalize(lower($1), nfkd),
            '[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]',
            '', 'g'
        ),
        'øłđðħŧı’ʼ', 'olddhti'''''
    ), 'æ', 'ae'), 'œ', 'oe'),
    nfc
);
alter table tag_name add column folded text generated always as (without_accents(key)) stored;
alter table author add column folded text generated always as (without_accents(key)) stored
"""

# What is there already is indexed by the first worker.
OWED = """
insert into pgqueuer (priority, status, entrypoint, payload)
select 0, 'queued', 'index', '{}' where exists (select from head)
"""


class Migration(migrations.Migration):
    dependencies = [("cms", "0008_public_events")]

    initial = False

    operations = [ops.RunSQL(statement.strip()) for statement in (INDEX + ";" + FOLDED + ";" + OWED).split(";")]
