"""What a feed holds: the newest stories of the site, a section, a tag or an author, and what was taken from readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from cms import clock, listings, paths, routes
from cms.feeds.stories import Entry, entries, on_site
from cms.keyset import Paging
from cms.models import Article, Author, Event, Section, Site, Tag
from cms.permissions import PUBLIC, Perspective
from cms.settings import settings

LENGTH = 50
# So long a feed says that a story is gone, for readers that come seldom.
REMEMBERED = timedelta(days=30)
FORMATS = {"rss.xml": "application/rss+xml", "atom.xml": "application/atom+xml", "feed.json": "application/feed+json"}


@dataclass(frozen=True, slots=True)
class Gone:
    """A story that readers lost, as its own path tells too."""

    article_id: UUID
    at: datetime
    notice: str | None


@dataclass(frozen=True, slots=True)
class Channel:
    """One feed. path is that of the site: feeds stand at the same one under /feeds."""

    site: Site
    title: str
    description: str | None
    path: str
    locale: str
    entries: list[Entry]
    gone: list[Gone]

    @property
    def home(self) -> str:
        return on_site(self.site, self.path or "/")

    def url(self, format: str) -> str:
        """Where this feed stands in one of FORMATS."""
        return feed_url(self.path, format)

    @property
    def updated_at(self) -> datetime:
        moments = [*(entry.live.updated_at for entry in self.entries), *(gone.at for gone in self.gone)]
        return max(moments, default=datetime(1970, 1, 1, tzinfo=UTC))


def feed_url(path: str, format: str) -> str:
    return f"{settings().base_url}/feeds{quote(path)}/{format}"


async def channel(path: str) -> Channel | routes.Redirect | None:
    """The feed of what stands at a path of the site: "" or the path of a section, tag or author. A locale in front, as
    in /fr or /fr/tag/x, leaves stories in it. A Redirect where it stands elsewhere now, None where nothing does."""
    site = await paths.site()
    first, _, rest = path.strip("/").partition("/")
    locale, inner = (first, f"/{rest}" if rest else "") if first in site.locales else (None, path.rstrip("/"))
    prefix = f"/{locale}" if locale else ""
    found = await routes.route(PUBLIC, Perspective.PUBLISHED, inner) if inner else None
    if isinstance(found, routes.Redirect):
        there = await routes.route(PUBLIC, Perspective.PUBLISHED, found.location)
        return routes.Redirect(prefix + found.location) if isinstance(there, Section | Tag | Author) else None
    if inner and not isinstance(found, Section | Tag | Author):
        return None
    filter = {"locale": {"eq": locale}} if locale else None
    term_id = found.id if isinstance(found, Section | Tag | Author) else None
    listing = await listings.articles(PUBLIC, Perspective.PUBLISHED, term_id=term_id, filter=filter)
    page = await listing.page(Paging.of(LENGTH, None))
    return Channel(
        site=site,
        title=f"{_name(found, locale)} – {site.name}" if found is not None else site.name,
        description=_about(found, site),
        path=prefix + inner,
        locale=locale or site.locale,
        entries=await entries([row[0] for row in page.rows]),
        gone=[] if found is not None or locale else await _gone(),
    )


async def changed_at() -> datetime | None:
    """When readers could last notice anything."""
    event = await Event.filter(place__isnull=False).order_by("-place").first().only("at")
    return event.at if event is not None else None


def _name(found: object, locale: str | None) -> str:
    assert isinstance(found, Section | Tag | Author)
    localized = found.names.get(locale or "") if isinstance(found, Section) else None
    return localized or str(found.name)


def _about(found: object, site: Site) -> str | None:
    if isinstance(found, Section | Tag):
        return found.description
    return found.bio if isinstance(found, Author) else site.tagline


async def _gone() -> list[Gone]:
    """Of the site's own feed alone: what a story was filed under is not told of one that is gone."""
    since = clock.now() - REMEMBERED
    rows = Article.filter(gone_at__gte=since).order_by("-gone_at", "-id").limit(LENGTH)
    return [Gone(row.id, row.gone_at, row.gone_notice) async for row in rows if row.gone_at is not None]
