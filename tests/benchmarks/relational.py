"""The same newsroom as others would store it: a schema `bench` of tables and join tables, which the other columns of the
benchmark read. Only stories that are live are there, with what their readers see."""

from __future__ import annotations

import asyncpg

_TABLES = """
drop schema if exists bench cascade;
create schema bench;
create table bench.section (id uuid primary key, name text not null, slug text not null unique, position int not null,
    parent_id uuid references bench.section);
create table bench.tag (id uuid primary key, name text not null, slug text not null unique);
create table bench.author (id uuid primary key, name text not null, slug text not null unique);
create table bench.media (id uuid primary key, alt_text text not null);
create table bench.article (id uuid primary key, status text not null, headline text not null, dek text not null,
    slug text not null, html text not null, published_at timestamptz not null, section_id uuid not null, lead_media_id uuid);
create table bench.article_tag (article_id uuid not null, position int not null, tag_id uuid not null);
create table bench.article_author (article_id uuid not null, position int not null, author_id uuid not null);
create table bench.article_related (article_id uuid not null, position int not null, related_id uuid not null);
"""
_COPY = """
insert into bench.section select id, name, slug, position, parent_id from section order by parent_id nulls first;
insert into bench.tag select id, name, slug from tag;
insert into bench.author select id, name, slug from author;
insert into bench.media select id, alt_text from media;
insert into bench.article select article_id, 'PUBLISHED', headline, dek, slug, html, published_at, section_id, lead_media_id
    from live order by published_at;
insert into bench.article_tag select article_id, n, id from live, unnest(tag_ids) with ordinality x (id, n) order by published_at;
insert into bench.article_author
    select article_id, n, id from live, unnest(author_ids) with ordinality x (id, n) order by published_at;
insert into bench.article_related
    select article_id, n, id from live, unnest(related_ids) with ordinality x (id, n) order by published_at;
"""
# `under_tag` and its like are what PostGraphile makes lists of with a count: PostgreSQL writes them out where they are used.
_INDEXES = """
alter table bench.article add unique (slug), add foreign key (section_id) references bench.section,
    add foreign key (lead_media_id) references bench.media;
alter table bench.article_tag add primary key (article_id, position), add foreign key (article_id) references bench.article,
    add foreign key (tag_id) references bench.tag;
alter table bench.article_author add primary key (article_id, position), add foreign key (article_id) references bench.article,
    add foreign key (author_id) references bench.author;
alter table bench.article_related add primary key (article_id, position),
    add foreign key (article_id) references bench.article, add foreign key (related_id) references bench.article;
create index on bench.section (parent_id, position);
create index on bench.section (position);
create index on bench.article (status, published_at desc, id desc);
create index on bench.article (section_id, status, published_at desc, id desc);
create index on bench.article_tag (tag_id, article_id);
create index on bench.article_author (author_id, article_id);
create index on bench.article_related (related_id);
create function bench.tag_articles(tag bench.tag) returns setof bench.article language sql stable as
    'select a.* from bench.article_tag x join bench.article a on a.id = x.article_id
     where x.tag_id = tag.id and a.status = ''PUBLISHED''';
create function bench.author_articles(author bench.author) returns setof bench.article language sql stable as
    'select a.* from bench.article_author x join bench.article a on a.id = x.article_id
     where x.author_id = author.id and a.status = ''PUBLISHED''';
comment on function bench.tag_articles(bench.tag) is '@behavior orderBy order';
comment on function bench.author_articles(bench.author) is '@behavior orderBy order';
"""


async def copy(url: str) -> None:
    """Make the schema anew of what is live. Keys and indexes are added last: so a million stories take minutes."""
    connection = await asyncpg.connect(url)
    for part in (_TABLES, _COPY, _INDEXES):
        await connection.execute(part)
    await connection.close()
