"""How often a related story is of the same topic: ours, shared tags alone, full-text rank alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tortoise import connections

from cms import clock, ids, likeness, listings, search
from cms.database import transaction
from cms.models import Article, ArticleStatus, Author, Head, Live, Revision, Section, Tag, TagName
from tests.benchmarks.related.corpus import Made

Ranking = Callable[[UUID], Awaitable[list[UUID]]]


async def fill(made: Sequence[Made]) -> dict[UUID, int]:
    """Write these as live stories into a database that is migrated and has none; the topic of each."""
    now = clock.now()
    sections = [await Section.create(name=f"Section {n}", slug=f"section-{n}", position=n) for n in range(8)]
    authors = [
        await Author.create(id=ids.new(), name=f"Writer {n}", key=f"writer {n}", slug=f"writer-{n}") for n in range(40)
    ]
    names = sorted({tag for each in made for tag in each.tags})
    tags = {name: Tag(id=ids.new(), name=name, slug=name.replace(" ", "-")) for name in names}
    await Tag.bulk_create(tags.values())
    await TagName.bulk_create(TagName(key=name, name=name, tag_id=tag.id) for name, tag in tags.items())
    topics: dict[UUID, int] = {}
    rows: list[tuple[Article, Revision, Head, Live]] = []
    for number, each in enumerate(made):
        at = now - timedelta(days=each.days)
        article = Article(id=ids.new(), created_at=at, published_at=at, first_published_at=at)
        article.status, article.translation_group = ArticleStatus.PUBLISHED, article.id
        content = {
            "article_id": article.id,
            "headline": each.headline,
            "dek": each.dek,
            "slug": f"story-{number}",
            "locale": "en",
            "section_id": sections[each.section].id,
            "author_ids": [authors[each.author].id],
            "author_roles": [None],
            "tag_ids": [tags[tag].id for tag in each.tags],
            "related_ids": [],
            "seo": {},
            "body": {"type": "doc", "content": []},
            "html": "",
            "text": each.text,
            "word_count": len(each.text.split()),
            "body_media_ids": [],
            "body_article_ids": [],
            "updated_at": at,
        }
        revision = Revision(id=ids.new(), number=1, created_at=at, sealed_at=at, **content)
        dates = {"published_at": at, "first_published_at": at, "translation_group": article.id}
        head, live = Head(revision_id=revision.id, **content), Live(revision_id=revision.id, **content, **dates)
        rows.append((article, revision, head, live))
        topics[article.id] = each.topic
    async with transaction():
        for model, column in zip((Article, Revision, Head, Live), zip(*rows, strict=True), strict=True):
            await model.bulk_create(column, batch_size=200)  # type: ignore[arg-type]
        await listings.rebuild()
        await search.rebuild()
    await connections.get("default").execute_query("analyze")
    return topics


# ---------------------------------------------------------------- what is compared


async def ours(id: UUID) -> list[UUID]:
    (story,) = await likeness.live([id])
    return [each.article_id for each in await likeness.like(story)]


async def shared_tags(id: UUID) -> list[UUID]:
    """By how many tags are shared, the newest first among equals: what most systems do."""
    return await _ids(
        "select b.article_id from live a join live b on b.article_id <> a.article_id and b.tag_ids && a.tag_ids "
        "where a.article_id = $1 order by (select count(*) from unnest(a.tag_ids) t where t = any(b.tag_ids)) desc, "
        "b.published_at desc, b.article_id limit 5",
        id,
    )


async def full_text_rank(id: UUID) -> list[UUID]:
    """PostgreSQL's rank of all the words of headline and dek, any of them: what is left where there are no tags."""
    return await _ids(
        "with asked as (select (select string_agg(quote_literal(w), ' | ')::tsquery from "
        "(select distinct unnest(tsvector_to_array(to_tsvector('simple', a.headline || ' ' || a.dek))) w) x) q "
        "from live a where article_id = $1) "
        "select s.article_id from live_search s, asked where s.vector @@ q and s.article_id <> $1 "
        "order by ts_rank(s.vector, q) desc, s.article_id limit 5",
        id,
    )


async def full_text_rank_of_all(id: UUID) -> list[UUID]:
    """The same of all the words of the story."""
    return await _ids(
        "with asked as (select (select string_agg(quote_literal(w), ' | ')::tsquery "
        "from unnest(tsvector_to_array(a.vector)) w) q from live_search a where article_id = $1) "
        "select s.article_id from live_search s, asked where s.article_id <> $1 "
        "order by ts_rank(s.vector, q) desc, s.article_id limit 5",
        id,
    )


RANKINGS: dict[str, Ranking] = {
    "Copydesk": ours,
    "shared tags": shared_tags,
    "full-text rank, headline and dek": full_text_rank,
    "full-text rank, all words": full_text_rank_of_all,
}


@dataclass(frozen=True, slots=True)
class Precision:
    """Which share of the first three and five is of the same topic; fewer than asked for count as wrong."""

    at_3: float
    at_5: float


async def precision(ranking: Ranking, topics: dict[UUID, int], asked: Iterable[UUID]) -> Precision:
    hits_3 = hits_5 = count = 0
    for id in asked:
        right = [topics[other] == topics[id] for other in (await ranking(id))[:5]]
        hits_3 += sum(right[:3])
        hits_5 += sum(right)
        count += 1
    return Precision(hits_3 / (3 * count), hits_5 / (5 * count))


async def _ids(sql: str, id: UUID) -> list[UUID]:
    return [row[0] for row in (await connections.get("default").execute_query(sql, [id]))[1]]
