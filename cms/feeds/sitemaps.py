"""Sitemaps (https://www.sitemaps.org/protocol.html), that of news (the last two days) among them, and robots.txt.

What is kept out of search engines is not in them, nor is what says that its original stands elsewhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tortoise import connections

from cms import clock, listings, paths
from cms.feeds.stories import instant, on_site
from cms.feeds.xml import add, printed, root
from cms.models import Author, Live, Tag
from cms.permissions import PUBLIC, Perspective, query, visible
from cms.settings import settings

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
# Of a sitemap; the protocol allows five times as many.
PAGE = 10_000
MOST_NEWS = 1_000
NEWS_FOR = timedelta(days=2)
_SHOWN = (
    f"{visible(PUBLIC, Live, Perspective.PUBLISHED)} and (live.seo ->> 'noindex') is distinct from 'true' "
    "and live.seo ->> 'canonical_url' is null"
)
_COLUMNS = "live.locale, live.section_id, live.slug, live.updated_at, live.published_at, live.headline"


async def sitemap() -> bytes:
    """The index of the others."""
    document = root("sitemapindex", {None: _SITEMAP})
    count = await pages()
    for name in ("news", "terms", *(f"stories-{number}" for number in range(1, count + 1))):
        add(add(document, "sitemap"), "loc", f"{settings().base_url}/sitemap/{name}.xml")
    return printed(document)


async def pages() -> int:
    """How many sitemaps of stories there are."""
    rows = await _fetch("select coalesce((select n from term_count where term_id = $1), 0)", listings.EVERY)
    return -(-int(rows[0][0]) // PAGE)


async def stories_sitemap(number: int) -> bytes | None:
    """By when stories were made, so that only the last sitemap grows. None for one that there is not."""
    if not 1 <= number <= await pages():
        return None
    page = f"select article_id from live order by article_id offset $1 limit {PAGE}"
    rows = await _fetch(
        f"select {_COLUMNS} from live join ({page}) p using (article_id) where {_SHOWN} order by article_id",
        (number - 1) * PAGE,
    )
    site, tree = await paths.site(), await paths.tree()
    document = root("urlset", {None: _SITEMAP})
    for locale, section_id, slug, updated_at, *_ in rows:
        url = add(document, "url")
        add(url, "loc", on_site(site, paths.story_path(locale, section_id, slug, tree, site)))
        add(url, "lastmod", instant(updated_at))
    return printed(document)


async def news_sitemap() -> bytes:
    rows = await _fetch(
        f"select {_COLUMNS} from live where published_at >= $1 and {_SHOWN} "
        f"order by published_at desc, article_id desc limit {MOST_NEWS}",
        clock.now() - NEWS_FOR,
    )
    site, tree = await paths.site(), await paths.tree()
    document = root("urlset", {None: _SITEMAP, "news": _NEWS})
    for locale, section_id, slug, _, published_at, headline in rows:
        url = add(document, "url")
        add(url, "loc", on_site(site, paths.story_path(locale, section_id, slug, tree, site)))
        told = add(url, "news:news")
        publication = add(told, "news:publication")
        add(publication, "news:name", site.name)
        add(publication, "news:language", locale if locale.startswith("zh") else locale.partition("-")[0])
        add(told, "news:publication_date", instant(published_at))
        add(told, "news:title", headline)
    return printed(document)


async def terms_sitemap() -> bytes:
    """The pages of sections, tags and authors."""
    site, tree = await paths.site(), await paths.tree()
    found = [tree.path(section) for section in tree.by_id.values()]
    tags = await query(PUBLIC, Tag, Perspective.PUBLISHED).order_by("id").limit(2 * PAGE)
    authors = await query(PUBLIC, Author, Perspective.PUBLISHED).order_by("id").limit(2 * PAGE)
    found += [*(paths.tag_path(tag.slug) for tag in tags), *(paths.author_path(author.slug) for author in authors)]
    document = root("urlset", {None: _SITEMAP})
    for each in found:
        add(add(document, "url"), "loc", on_site(site, each))
    return printed(document)


def robots() -> bytes:
    base = settings().base_url
    return f"User-agent: *\nAllow: /\n\nSitemap: {base}/sitemap.xml\nSitemap: {base}/sitemap/news.xml\n".encode()


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return [tuple(row) for row in (await connections.get("default").execute_query(sql, list(params)))[1]]
