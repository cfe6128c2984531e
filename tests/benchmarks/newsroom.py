"""A newsroom of any size, made by PostgreSQL itself: what the benchmarks read."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from cms import ids

# Ids are made of numbers, so that relations need no look-up: kind in the first group, number in the last.
_ID = "(lpad(to_hex({kind}), 8, '0') || '-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"
ARTICLE, REVISION, TAG, AUTHOR, MEDIA, SECTION, USER = range(1, 8)
_NAMES = {ARTICLE: "Article", TAG: "Tag", AUTHOR: "Author", MEDIA: "Media", SECTION: "Section"}


def _id(kind: int, number: str) -> str:
    return _ID.format(kind=kind, number=number)


def id_of(kind: int, number: int) -> str:
    """The same, as the API has it."""
    return ids.encode(_NAMES[kind], UUID(f"{kind:08x}-0000-7000-8000-{number:012x}"))


_PARAGRAPH = "repeat('The harbour council met again on Tuesday to hear what the engineers had found. ', 4)"
_FILL = f"""
insert into "user" (id, name, role, is_active, created_at) values ({_id(USER, "1")}, 'Bench', 'EDITOR', true, now());
insert into section (id, name, slug, position, parent_id)
select {_id(SECTION, "n")}, 'Section ' || n, 'section-' || n, n, case when n > 8 then {_id(SECTION, "1 + n % 8")} end
from generate_series(1, 40) n order by n;
insert into tag (id, name, slug) select {_id(TAG, "n")}, 'Tag ' || n, 'tag-' || n from generate_series(1, 2000) n;
insert into author (id, name, key, slug, kind)
select {_id(AUTHOR, "n")}, 'Author ' || n, 'author ' || n, 'author-' || n, 'PERSON' from generate_series(1, 300) n;
insert into media (id, address_key, kind, mime_type, byte_size, sha256, width, height, frames, keywords, alt_text, credit, filename, created_at)
select {_id(MEDIA, "n")}, gen_random_uuid(), 'IMAGE', 'image/jpeg', 200000, decode(md5(n::text) || md5(n::text), 'hex'), 1600, 900, 1, array[]::text[],
    'Picture ' || n, 'Photographer ' || n, n || '.jpg', now() from generate_series(1, 5000) n;
insert into article (id, status, version, owner_id, translation_group, created_at, first_published_at, published_at)
select {_id(ARTICLE, "n")}, 'PUBLISHED', 4, {_id(USER, "1")}, {_id(ARTICLE, "n")}, at, at, at
from (select n, now() - n * interval '53 minutes' as at from generate_series(1, $STORIES) n) x;
insert into revision (id, article_id, number, headline, dek, slug, locale, section_id, author_ids, author_roles, tag_ids,
    related_ids, lead_media_id, lead_use, seo, body, html, text, word_count, body_media_ids, body_article_ids, updated_at,
    created_at, created_by_id, autosave, sealed_at)
select {_id(REVISION, "n")}, {_id(ARTICLE, "n")}, 1, 'Headline number ' || n || ' of the day', 'What it is about, in a line',
    'story-' || n, 'en', {_id(SECTION, "1 + n % 40")},
    case when n % 3 = 0 then array[{_id(AUTHOR, "1 + n % 300")}, {_id(AUTHOR, "1 + (n + 7) % 300")}]
        else array[{_id(AUTHOR, "1 + n % 300")}] end,
    case when n % 3 = 0 then array[null, null]::text[] else array[null]::text[] end,
    array[{_id(TAG, "1 + n % 20")}, {_id(TAG, "21 + n % 180")}, {_id(TAG, "201 + n % 1800")}],
    case when n > 3 then array[{_id(ARTICLE, "n - 1")}, {_id(ARTICLE, "n - 2")}, {_id(ARTICLE, "n - 3")}]
        else array[{_id(ARTICLE, "n + 1")}, {_id(ARTICLE, "n + 2")}, {_id(ARTICLE, "n + 3")}] end,
    {_id(MEDIA, "1 + n % 5000")}, '{{}}', '{{}}', b.body, b.html, b.text, 1300, array[]::uuid[], array[]::uuid[],
    now() - n * interval '53 minutes', now() - n * interval '53 minutes', {_id(USER, "1")}, false, now()
from generate_series(1, $STORIES) n cross join (
    select jsonb_build_object('type', 'doc', 'content', jsonb_agg(jsonb_build_object('type', 'paragraph',
            'attrs', jsonb_build_object('id', 'p' || p),
            'content', jsonb_build_array(jsonb_build_object('type', 'text', 'text', {_PARAGRAPH}))))) as body,
        string_agg('<p>' || {_PARAGRAPH} || '</p>', '') as html, string_agg({_PARAGRAPH}, e'\\n\\n') as text
    from generate_series(1, $PARAGRAPHS) p) b;
insert into slug (id, kind, locale, slug, target_id, public, created_at)
select gen_random_uuid(), 'ARTICLE', 'en', 'story-' || n, {_id(ARTICLE, "n")}, true, now()
from generate_series(1, $STORIES) n;
insert into slug (id, kind, locale, slug, target_id, public, created_at)
select gen_random_uuid(), 'TAG', '', 'tag-' || n, {_id(TAG, "n")}, true, now() from generate_series(1, 2000) n;
"""
_CONTENT = (
    "headline, kicker, dek, slug, locale, section_id, author_ids, author_roles, tag_ids, related_ids, lead_media_id, "
    "lead_use, seo, body, html, text, word_count, body_media_ids, body_article_ids, updated_at"
)
_HOMES = f"""
insert into head (article_id, revision_id, {_CONTENT}) select article_id, id, {_CONTENT} from revision;
insert into live (article_id, revision_id, published_at, first_published_at, translation_group, {_CONTENT})
select article_id, id, created_at, created_at, article_id, {_CONTENT} from revision;
insert into related (article_id, related_ids, scores, reasons)
select {_id(ARTICLE, "n")}, array[{_id(ARTICLE, "1 + n % $STORIES")}, {_id(ARTICLE, "1 + (n + 1) % $STORIES")}, {_id(ARTICLE, "1 + (n + 2) % $STORIES")}],
    array[0.5, 0.4, 0.3], '[{{}}, {{}}, {{}}]' from generate_series(1, $STORIES) n
"""


async def fill(url: str, stories: int, *, paragraphs: int = 25) -> None:
    """Write that many live stories into an empty, migrated database; derived tables are for `listings.rebuild`."""
    connection = await asyncpg.connect(url)
    given = {"$STORIES": str(stories), "$PARAGRAPHS": str(paragraphs)}
    for statement in (_FILL + _HOMES).split(";\n"):
        for name, value in given.items():
            statement = statement.replace(name, value)
        await connection.execute(statement)
    await connection.execute("analyze")
    await connection.close()
