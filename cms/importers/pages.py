"""Makes a story of a scraped page: section, authors, text and date, once, and as far as asked through the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tortoise import connections
from tortoise.expressions import Q

from cms import articles, clock, newsroom, paths, slugs, taxonomy, workflow
from cms.database import transaction
from cms.importers.page import Page, import_key
from cms.models import Article, ArticleStatus, Author, AuthorKind, Head, Section, User
from cms.permissions import Actor, Perspective, query
from cms.workflow import Transition

# Any constant does, as long as it is this one everywhere and for ever.
_LOCK = 0x70616765
_ON_THE_WAY = {
    ArticleStatus.DRAFT: (Transition.SUBMIT, Transition.APPROVE, Transition.PUBLISH),
    ArticleStatus.IN_REVIEW: (Transition.APPROVE, Transition.PUBLISH),
    ArticleStatus.APPROVED: (Transition.PUBLISH,),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """The page's story, where it stands, whether it was made just now, and what was not clear, one sentence each."""

    head: Head
    path: str
    status: ArticleStatus
    is_new: bool
    unclear: tuple[str, ...]


async def import_page(
    actor: Actor, page: Page, *, owner: User | None = None, site: bool = False, publish: bool = False
) -> Imported:
    """Make the page's story, or find the one that an earlier import made; all of it or, with a CMSError, nothing.

    site: take the site's name from the page. publish: take the story through the workflow, unless somebody else has
    begun to decide about it (it was live before, is scheduled or in the trash).
    """
    unclear = list(page.unclear)
    async with transaction():
        # One import at a time: two pages of a section that is new make it once.
        await connections.get("default").execute_query("select pg_advisory_xact_lock($1)", [_LOCK])
        if site:
            await _name_site(actor, page, unclear)
        key = f"page:{import_key(page)}"
        is_new = not await Article.exists(origin_key=key)
        if is_new:
            await _create(actor, page, key, owner, unclear)
        article = await Article.get(origin_key=key)
        if publish:
            await _publish(actor, article, unclear)
        return await _result(article.id, is_new, unclear)


async def _create(actor: Actor, page: Page, key: str, owner: User | None, unclear: list[str]) -> None:
    given: dict[str, Any] = {
        "headline": page.headline,
        "body": {"json": _body(page)},
        "section_id": await _section(actor, page.section, unclear) if page.section else None,
        "byline": [{"author_id": await _author(actor, page, name, unclear)} for name in page.byline],
        "related_post_ids": await _related(actor, page, unclear),
    }
    await articles.create(
        actor,
        given,
        origin_key=key,
        source_date=await _source_date(page, unclear),
        owner_id=owner.id if owner else None,
    )


async def _publish(actor: Actor, article: Article, unclear: list[str]) -> None:
    untouched = article.first_published_at is None and article.trashed_at is None
    steps = _ON_THE_WAY.get(article.status, ()) if untouched else ()
    if not steps and article.status is not ArticleStatus.PUBLISHED:
        unclear.append("The story was left as it is and not published, since somebody has decided about it.")
    for step in steps:
        await workflow.transition(actor, article.id, step)


async def _result(article_id: UUID, is_new: bool, unclear: list[str]) -> Imported:
    article, head = await Article.get(id=article_id), await Head.get(article_id=article_id)
    if article.trashed_at is not None:
        unclear.append("The story is in the trash.")
    path = paths.article_path(head, await paths.tree(), await paths.site())
    return Imported(head, path, article.status, is_new, tuple(unclear))


async def _name_site(actor: Actor, page: Page, unclear: list[str]) -> None:
    if not page.site_name:
        unclear.append("The site kept its name, since the page shows none.")
    elif page.site_name != (await paths.site()).name:
        await newsroom.update_site(actor, {"name": page.site_name})


def _body(page: Page) -> dict[str, Any]:
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]} for text in page.paragraphs]
    return {"type": "doc", "content": content}


async def _source_date(page: Page, unclear: list[str]) -> datetime | None:
    """Noon: of all hours the one that is on the same day for most readers."""
    if page.date is None:
        return None
    zone = ZoneInfo((await paths.site()).time_zone)
    if page.date > clock.now().astimezone(zone).date():
        unclear.append(f"The page's date, {page.date.isoformat()}, lies in the future; it was not taken.")
        return None
    return datetime.combine(page.date, time(12), zone).astimezone(UTC)


async def _section(actor: Actor, name: str, unclear: list[str]) -> UUID | None:
    """The section of this name or, without one, of the slug that the name would get; else a new one."""
    key, slug = slugs.identity(name), slugs.slugify(name, "section")
    known = await Section.all()
    found = [each for each in known if slugs.identity(each.name) == key] or [s for s in known if s.slug == slug]
    if not found:
        return (await taxonomy.create_section(actor, name=name)).id
    if len(found) > 1:
        unclear.append(f"{len(found)} sections are called “{name}”; the story was put into none of them.")
        return None
    return found[0].id


async def _author(actor: Actor, page: Page, name: str, unclear: list[str]) -> UUID:
    key = slugs.identity(name)
    found = await Author.filter(key=key).order_by("id")
    if len(found) > 1:
        unclear.append(f"{len(found)} authors are called “{name}”; the first of them, {found[0].slug}, was taken.")
    if found:
        return found[0].id
    is_site = key == slugs.identity(page.site_name)
    kind = AuthorKind.ORGANIZATION if is_site else AuthorKind.PERSON
    return (await taxonomy.create_author(actor, name=name, kind=kind)).id


async def _related(actor: Actor, page: Page, unclear: list[str]) -> list[UUID]:
    """The stories that the headlines below the page name, where one story alone has that headline."""
    found: list[UUID] = []
    for headline in page.related:
        ids = await _stories_called(actor, headline)
        if len(ids) == 1:
            found += ids
        else:
            why = "no story has" if not ids else f"{len(ids)} stories have"
            unclear.append(f"Related “{headline}” was left out: {why} that headline.")
    return found


async def _stories_called(actor: Actor, headline: str) -> list[UUID]:
    likely = query(actor, Head, Perspective.DRAFT).filter(
        Q(headline=headline) | Q(slug=slugs.slugify(headline, "article"))
    )
    key = slugs.identity(headline)
    ids = [head.article_id for head in await likely if slugs.identity(head.headline) == key]
    return [story.id for story in await Article.filter(id__in=ids, trashed_at=None)]
