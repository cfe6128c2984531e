"""Live stories in full, as any format needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from tortoise.models import Model

from cms import body, media, paths
from cms.models import Author, Correction, Live, Media, Section, Site, Tag
from cms.permissions import PUBLIC, Perspective, query

M = TypeVar("M", bound=Model)

SUMMARY_LENGTH = 300
PICTURE_WIDTH = 1200


@dataclass(frozen=True, slots=True)
class Picture:
    url: str
    title: str | None
    credit: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One story. html is the whole body with absolute links, and the public notices behind it."""

    live: Live
    url: str
    summary: str | None
    html: str
    authors: list[Author]
    tags: list[Tag]
    section: Section | None
    picture: Picture | None
    corrections: list[Correction]

    @property
    def urn(self) -> str:
        return urn(self.live.article_id)


def urn(article_id: UUID) -> str:
    """What a story is called for ever (RFC 9562)."""
    return f"urn:uuid:{article_id}"


def on_site(site: Site, path: str) -> str:
    """The address of a path, as a URI: other scripts than Latin in percents (RFC 3986)."""
    return site.url + quote(path)


def instant(moment: datetime) -> str:
    """RFC 3339, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(moment: datetime) -> str:
    """RFC 9110's, which RSS takes too."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


async def entries(article_ids: Sequence[UUID]) -> list[Entry]:
    """Those of these stories that are live, in this order."""
    found = {row.article_id: row for row in await _rows(Live, "article_id", article_ids)}
    stories = [found[id] for id in article_ids if id in found]
    site, tree = await paths.site(), await paths.tree()
    authors = await _by_id(Author, [id for story in stories for id in story.author_ids])
    tags = await _by_id(Tag, [id for story in stories for id in story.tag_ids])
    files = await _by_id(Media, [id for story in stories for id in (story.lead_media_id, *story.body_media_ids) if id])
    linked = await _rows(Live, "article_id", [id for story in stories for id in story.body_article_ids])
    links = _links(linked, files, site, tree)
    notices: dict[UUID, list[Correction]] = {}
    for notice in await Correction.filter(article_id__in=list(found)).order_by("published_at"):
        notices.setdefault(notice.article_id, []).append(notice)
    return [
        Entry(
            live=story,
            url=on_site(site, paths.article_path(story, tree, site)),
            summary=story.dek or body.excerpt(story.text, SUMMARY_LENGTH) or None,
            html=_html(story, links, notices.get(story.article_id, [])),
            authors=[authors[id] for id in story.author_ids if id in authors],
            tags=[tags[id] for id in story.tag_ids if id in tags],
            section=tree.by_id.get(story.section_id) if story.section_id else None,
            picture=_picture(story, files),
            corrections=notices.get(story.article_id, []),
        )
        for story in stories
    ]


async def _rows(model: type[M], key: str, ids: Sequence[UUID]) -> list[M]:
    return await query(PUBLIC, model, Perspective.PUBLISHED).filter(**{f"{key}__in": list(set(ids))})


async def _by_id(model: type[M], ids: Sequence[UUID]) -> dict[UUID, M]:
    return {row.pk: row for row in await _rows(model, "id", ids)}


def _links(linked: list[Live], files: dict[UUID, Media], site: Site, tree: paths.Tree) -> body.Links:
    targets = {
        row.article_id: body.ArticleTarget(on_site(site, paths.article_path(row, tree, site)), row.headline)
        for row in linked
    }
    pictures = {
        row.id: body.MediaTarget(url, row.alt_text, row.caption, row.credit, row.width, row.height)
        for row in files.values()
        if (url := media.url(row)) is not None
    }
    return body.Links(articles=targets, media=pictures)


def _html(story: Live, links: body.Links, notices: list[Correction]) -> str:
    refers = story.body_media_ids or story.body_article_ids
    html = body.html(story.body, links) if refers else story.html
    return html + "".join(_notice(notice) for notice in notices)


def _notice(notice: Correction) -> str:
    head = f"{notice.kind.value.capitalize()}, {notice.published_at:%Y-%m-%d}"
    lines = "".join(f"<p>{escape(line)}</p>" for line in notice.text.splitlines() if line)
    return f"<aside><p><strong>{head}</strong></p>{lines}</aside>"


def _picture(story: Live, files: dict[UUID, Media]) -> Picture | None:
    row, said = files.get(story.lead_media_id) if story.lead_media_id else None, story.lead_use or {}
    url = media.url(row, width=min(PICTURE_WIDTH, row.width or PICTURE_WIDTH)) if row is not None else None
    if row is None or url is None:
        return None
    return Picture(url, said.get("caption") or row.caption, said.get("credit") or row.credit)
