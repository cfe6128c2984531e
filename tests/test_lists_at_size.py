"""Lists of 200,000 stories: pages, counts and what follows them are read from indexes, however the plan is made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cms import effects, listings
from cms.keyset import Listing, Paging
from cms.permissions import PUBLIC, Perspective
from tests.factories import execute, make_author, make_media, make_section, make_tag
from tests.test_listings import statements

pytestmark = [pytest.mark.extended, pytest.mark.usefixtures("db")]
STORIES = 200_000
# The n-th tag stands on every n-th story, the n-th author too; sections take turns.
_FILL = """
with made as (
    select gen_random_uuid() as article, gen_random_uuid() as revision, n,
        timestamptz '2020-01-01' + n * interval '1 minute' as at
    from generate_series(1, $1) n
), article as (
    insert into article (id, status, version, translation_group, created_at, published_at, first_published_at)
    select article, 'PUBLISHED', 1, article, at, at, at from made
), content as (
    select made.*, ($2::uuid[])[1 + n % array_length($2::uuid[], 1)] as section_id,
        array(select t from unnest($3::uuid[]) with ordinality x (t, every) where n % every = 0) as tag_ids,
        array(select t from unnest($4::uuid[]) with ordinality x (t, every) where n % every = 0) as author_ids
    from made
), revision as (
    insert into revision (id, article_id, number, created_at, autosave, headline, slug, locale, section_id, author_ids,
        author_roles, tag_ids, related_ids, seo, body, html, text, word_count, body_media_ids, body_article_ids,
        updated_at)
    select revision, article, 1, at, false, 'Story ' || n, 'story-' || n, 'en', section_id, author_ids, '{}', tag_ids,
        '{}', '{}', '{}', '', '', 0, '{}', '{}', at from content
)
insert into live (article_id, revision_id, headline, slug, locale, section_id, author_ids, author_roles, tag_ids,
    related_ids, seo, body, html, text, word_count, body_media_ids, body_article_ids, updated_at, published_at,
    first_published_at, translation_group)
select article, revision, 'Story ' || n, 'story-' || n, 'en', section_id, author_ids, '{}', tag_ids, '{}', '{}', '{}',
    '', '', 0, '{}', '{}', at, at, at, article from content
"""


async def plan(sql: str, mode: str, params: list[Any]) -> str:
    """How PostgreSQL would run a statement, with everything it reads."""
    literals = ", ".join([_literal(value) for value in params])
    await execute(f"set plan_cache_mode = {mode}")
    await execute(f"prepare planned as {sql}")
    rows = await execute(f"explain execute planned{f' ({literals})' if params else ''}")
    await execute("deallocate planned")
    await execute("reset plan_cache_mode")
    return "\n".join(row[0] for row in rows)


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "'{" + ",".join(map(str, value)) + "}'"
    return f"'{value}'"


async def read(listing: Listing) -> list[tuple[str, list[Any]]]:
    """The statements of a page, the page behind it, and whether something stands before that one."""
    page = await listing.page(Paging.of(20, None))
    after = Paging.of(20, page.cursors[-1])
    assert len(page.rows) == 20
    assert len((await listing.page(after)).rows) == 20
    return [listing.statement(paging, listing.select) for paging in (Paging.of(20, None), after)]


async def test_lists_of_200_000_stories_and_what_publishing_asks_are_read_by_indexes() -> None:
    sections = [await make_section(f"Section {n}") for n in range(20)]
    tags = [await make_tag(f"Tag {n}") for n in range(1, 301)]
    authors = [await make_author(f"Author {n}") for n in range(1, 41)]
    await execute(_FILL, STORIES, sections, tags, authors)
    await listings.rebuild()
    for table in ("live", "live_term", "term_count"):
        await execute(f"analyze {table}")
    wanted: list[dict[str, Any]] = [{}, *({"term_id": id} for id in (sections[7], tags[0], tags[250], authors[30]))]
    filters: list[dict[str, Any]] = [
        {"tags": {"any_of": ["tag-250"]}},
        {"tags": {"any_of": ["tag-1", "tag-290", "tag-300"]}},
        {"tags": {"any_of": [f"tag-{n}" for n in range(250, 300)], "none_of": ["tag-2"]}},
        {"authors": {"any_of": ["author-30", "author-31"]}},
        {"section": {"in": ["section-7", "section-8"]}},
        {"section": {"eq": "section-7"}, "tags": {"any_of": ["tag-97"]}},
    ]
    for given in [*wanted, *({"filter": filter} for filter in filters)]:
        listing = await listings.articles(PUBLIC, Perspective.PUBLISHED, **given)
        for sql, params in await read(listing):
            for mode in ("force_custom_plan", "force_generic_plan"):
                found = await plan(sql, mode, params)
                assert "Seq Scan" not in found, (given, mode, found)
                assert "live" in found
    for term, count in ((tags[0], STORIES), (tags[249], STORIES // 250), (sections[7], STORIES // 20)):
        listing = await listings.articles(PUBLIC, Perspective.PUBLISHED, term_id=term)
        with statements() as seen:
            assert await listing.count() == count
        assert [each for each in seen if "count(" in each] == []
    assert await (await listings.articles(PUBLIC, Perspective.PUBLISHED)).count() == STORIES

    # Each publication asks what readers see of a story and of what it points at: also of a picture that is new.
    story, picture = (await execute("select article_id from live limit 1"))[0][0], (await make_media()).id
    things = [story, *tags[290:293], authors[30], sections[7]]
    given = [[story], tags[290:293], [authors[30]], [picture], [], things, [sections[7]]]
    found = await execute(f"explain (analyze, format json) {effects._SHOWN}", *given)
    assert most_read(json.loads(found[0][0])[0]["Plan"]) < STORIES / 100, found[0][0]


def most_read(node: dict[str, Any]) -> float:
    """The most rows that one part of an executed plan has looked at."""
    own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return max([own, *(most_read(each) for each in node.get("Plans", ()))])
