"""What answers a path of the site: a story, a section, a tag, an author, a redirect to where it stands now, or its
absence."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from cms import paths
from cms.models import Article, Author, GoneReason, Head, Live, Section, Site, Slug, SlugKind, Tag
from cms.permissions import Actor, Perspective, query

MAX_PATH = 2_000


@dataclass(frozen=True, slots=True)
class Redirect:
    """The thing stands at location now."""

    location: str
    permanent: bool = True


@dataclass(frozen=True, slots=True)
class Gone:
    """Was here for readers and is no more."""

    reason: GoneReason
    notice: str | None
    since: datetime


Route = Head | Live | Section | Tag | Author | Redirect | Gone


async def route(actor: Actor, perspective: Perspective, path: str) -> Route | None:
    """What answers this path; None where nothing does and nothing ever did. Queries and fragments do not count, nor
    does a slash at the end."""
    parts = _parts(path)
    if parts is None:
        return None
    site = await paths.site()
    if parts[0] in ("tag", "author"):
        return await _term(actor, perspective, parts) if len(parts) == 2 else None
    given = "/" + "/".join(parts)
    is_in_locale = parts[0] in site.locales
    locale, parts = (parts[0], parts[1:]) if is_in_locale else (site.locale, parts)
    if not parts:
        return None
    tree = await paths.tree()
    if locale == site.locale and (found := await _section(tree, parts[-1], given)):
        return found
    story = await _story(actor, perspective, tree, site, locale, parts[-1], given)
    for former in () if story or is_in_locale else site.former_locales or ():
        if isinstance(moved := await _story(actor, perspective, tree, site, former, parts[-1], given), Redirect):
            return Redirect(moved.location, permanent=False)  # a story in today's own locale may stand here one day
    return story


def _parts(path: str) -> list[str] | None:
    if len(path) > MAX_PATH:
        return None
    # Some systems take letters and their accents apart in what is typed or pasted; slugs never do.
    plain = unicodedata.normalize("NFC", unquote(path.split("?", 1)[0].split("#", 1)[0]))
    parts = [part for part in plain.split("/") if part]
    return parts if parts and "\0" not in plain else None


async def _term(actor: Actor, perspective: Perspective, parts: list[str]) -> Route | None:
    model: type[Tag] | type[Author] = Tag if parts[0] == "tag" else Author
    kind = SlugKind.TAG if model is Tag else SlugKind.AUTHOR
    reserved = await Slug.get_or_none(kind=kind, locale="", slug=parts[1])
    if reserved is None:
        return None
    row: Tag | Author | None = await query(actor, model, perspective).filter(id=reserved.target_id).first()
    if row is None or row.slug == parts[1]:
        return row
    return Redirect(paths.tag_path(row.slug) if model is Tag else paths.author_path(row.slug))


async def _section(tree: paths.Tree, slug: str, given: str) -> Section | Redirect | None:
    reserved = await Slug.get_or_none(kind=SlugKind.SECTION, locale="", slug=slug)
    section = tree.by_id.get(reserved.target_id) if reserved else None
    if section is None:
        return None
    path = tree.path(section)
    return section if path == given else Redirect(path)


async def _story(
    actor: Actor, perspective: Perspective, tree: paths.Tree, site: Site, locale: str, slug: str, given: str
) -> Route | None:
    reserved = await Slug.get_or_none(kind=SlugKind.ARTICLE, locale=locale, slug=slug)
    if reserved is None:
        return None
    model: type[Head] | type[Live] = Head if perspective is Perspective.DRAFT else Live
    row: Head | Live | None = await query(actor, model, perspective).filter(article_id=reserved.target_id).first()
    if row is None:
        return await _gone(reserved) if perspective is Perspective.PUBLISHED else None
    if perspective is Perspective.PUBLISHED and not reserved.public:
        return None  # the slug of a draft: readers know nothing of it
    path = paths.article_path(row, tree, site)
    return row if path == given else Redirect(path)


async def _gone(reserved: Slug) -> Gone | None:
    article = await Article.get_or_none(id=reserved.target_id)
    if article is None or article.gone_reason is None or article.gone_at is None or not reserved.public:
        return None
    return Gone(article.gone_reason, article.gone_notice, article.gone_at)
