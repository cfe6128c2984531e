"""What has to be looked at before publication: the rules, how grave each is on this site, and what they find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from cms import body, clock, database, ids, slugs
from cms.errors import Invalid
from cms.models import Article, Content, Live, Media, Site, Slug, SlugKind

LONG_HEADLINE = 110
# How long before the rights to a picture end editors are told.
RIGHTS_SOON = timedelta(days=14)


class Level(StrEnum):
    """How grave a finding is: BLOCK refuses publication, WARN only says so, OFF is not looked for."""

    BLOCK = "BLOCK"
    WARN = "WARN"
    OFF = "OFF"


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One thing to look at before publication. level BLOCK refuses it."""

    code: str
    level: str
    message: str
    field: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Subject:
    """What is judged: the content that would be published, what it shows of the library, and whether its slug is
    reserved for it."""

    article: Article
    content: Content
    media: Mapping[UUID, Media]
    site: Site
    has_slug: bool

    @cached_property
    def pictures(self) -> list[tuple[Media, Mapping[str, Any], tuple[str, ...]]]:
        """Each use of a picture: the file, what is said of it there, and the field."""
        return list(self._pictures()) if self.media else []

    def _pictures(self) -> Iterator[tuple[Media, Mapping[str, Any], tuple[str, ...]]]:
        lead = self.media.get(self.content.lead_media_id) if self.content.lead_media_id else None
        if lead is not None:
            yield lead, self.content.lead_use or {}, ("leadMedia",)
        for node in body.images(self.content.body):
            key = ids.decode_as("Media", node["mediaId"])
            if key is not None and key in self.media:
                said = {"alt_text": node.get("altText"), "is_decorative": node.get("isDecorative")}
                yield self.media[key], said, ("body",)


Found = list[tuple[str, tuple[str, ...] | None]]
_RESERVED = "select from slug where kind = 'ARTICLE' and target_id = $2 and locale = $3 and slug = $4"


async def checklist(article: Article, content: Content) -> list[ChecklistItem]:
    """What blocks or warns before this content of the story can be published, in the order of RULES."""
    rows = await database.found(
        Site,
        "site left join media on media.id = any($1)",
        [*content.body_media_ids, *([content.lead_media_id] if content.lead_media_id else ())],
        *(article.id, content.locale, content.slug),
        joined={"media": Media},
        has_slug=f"exists ({_RESERVED})",
    )
    site, media = rows[0], [row.media for row in rows if row.media]  # type: ignore[attr-defined]
    subject = Subject(article, content, {each.id: each for each in media}, site, site.has_slug)  # type: ignore[attr-defined]
    levels = levels_of(site)
    return [
        ChecklistItem(code, levels[code], message, field)
        for code, rule in RULES.items()
        if levels[code] is not Level.OFF
        for message, field in await rule.find(subject)
    ]


def levels_of(site: Site) -> dict[str, Level]:
    """The level of every rule on this site, by code."""
    own = site.checklist or {}
    return {code: rule.level if rule.fixed else Level(own.get(code, rule.level)) for code, rule in RULES.items()}


def changed_levels(site: Site, given: Mapping[str, Level]) -> dict[str, str]:
    """The site's own levels after a change. Raises Invalid for what is no rule, or one whose level is fixed."""
    for i, code in enumerate(given):
        if code not in RULES or RULES[code].fixed:
            usable = ", ".join(code for code, rule in RULES.items() if not rule.fixed)
            raise Invalid.field(f"checklist.{i}.code", "unknown", f"“{code}” is none of the rules: {usable}.")
    return {**(site.checklist or {}), **{code: level.value for code, level in given.items()}}


# ---------------------------------------------------------------- the rules


async def _headline(subject: Subject) -> Found:
    empty = not subject.content.headline.strip()
    return [("The story has no headline.", ("headline",))] if empty else []


async def _long_headline(subject: Subject) -> Found:
    long = len(subject.content.headline) > LONG_HEADLINE
    return [(f"The headline is longer than {LONG_HEADLINE} characters.", ("headline",))] if long else []


async def _section(subject: Subject) -> Found:
    return [("The story stands in no section.", ("sectionId",))] if subject.content.section_id is None else []


async def _byline(subject: Subject) -> Found:
    return [] if subject.content.author_ids else [("The story has no byline.", ("byline",))]


async def _body(subject: Subject) -> Found:
    empty = not subject.content.text.strip() and not subject.content.body_media_ids
    return [("The body is empty.", ("body",))] if empty else []


async def _alt_text(subject: Subject) -> Found:
    missing = [
        field
        for media, said, field in subject.pictures
        if not (said.get("alt_text") or media.alt_text or said.get("is_decorative"))
    ]
    found: Found = []
    if ("leadMedia",) in missing:
        message = "The lead picture has no alternative text and is not marked as decorative."
        found.append((message, ("leadMedia", "altText")))
    if count := missing.count(("body",)):
        what = "A picture in the body has" if count == 1 else f"{count} pictures in the body have"
        found.append((f"{what} no alternative text and {'is' if count == 1 else 'are'} not decorative.", ("body",)))
    return found


async def _rights(subject: Subject) -> Found:
    now = clock.now()
    ended = {field for media, _, field in subject.pictures if media.expires_at is not None and media.expires_at <= now}
    messages = {
        ("leadMedia",): "The rights to the lead picture have ended.",
        ("body",): "The rights to a picture in the body have ended.",
    }
    return [(message, field) for field, message in messages.items() if field in ended]


async def _rights_soon(subject: Subject) -> Found:
    now = clock.now()
    found: Found = []
    for field, what in ((("leadMedia",), "the lead picture"), (("body",), "a picture in the body")):
        ends = [each.expires_at for each, _, where in subject.pictures if where == field and each.expires_at]
        if soon := [each for each in ends if now < each <= now + RIGHTS_SOON]:
            found.append((f"The rights to {what} end on {min(soon):%Y-%m-%d %H:%M} UTC.", field))
    return found


async def _embargo(subject: Subject) -> Found:
    until = subject.article.embargoed_until
    if until is None or until <= clock.now():
        return []
    return [(f"The story is under embargo until {until:%Y-%m-%d %H:%M} UTC.", None)]


async def _links(subject: Subject) -> Found:
    wanted = set(subject.content.body_article_ids)
    dead = len(wanted - await _live(wanted))
    what = "A link in the body leads to a story" if dead == 1 else f"{dead} links in the body lead to stories"
    told = [f"{what} that readers cannot see."] if dead else []
    told += [
        f"Nothing for readers is found at {address}, to which a link in the body leads."
        for address in await _dead_addresses(subject)
    ]
    return [(message, ("body",)) for message in told]


async def _dead_addresses(subject: Subject) -> list[str]:
    typed = _slugs_of_own_addresses(subject)
    if not typed:
        return []
    known = [row async for row in Slug.filter(slug__in=list(typed.values()), public=True)]
    live = await _live({row.target_id for row in known if row.kind is SlugKind.ARTICLE})
    found = {row.slug for row in known if row.kind is not SlugKind.ARTICLE or row.target_id in live}
    return [address for address, slug in typed.items() if slug not in found]


async def _live(article_ids: set[UUID]) -> set[UUID]:
    if not article_ids:
        return set()
    return {row.article_id async for row in Live.filter(article_id__in=list(article_ids)).only("article_id")}


def _slugs_of_own_addresses(subject: Subject) -> dict[str, str]:
    """The last part of each typed address that is a page of this site; files and the front page are no concern."""
    url = subject.site.url.rstrip("/")
    found = {}
    for address in body.addresses(subject.content.body):
        path = address.removeprefix(url) if address.startswith(f"{url}/") else address
        if path.startswith("/") and not path.startswith("//"):
            slug = unquote(path.partition("?")[0].partition("#")[0]).rstrip("/").rpartition("/")[2]
            if slugs.check_slug(slug) is None:
                found[address] = slug
    return found


async def _slug(subject: Subject) -> Found:
    slug = subject.content.slug
    if slugs.check_slug(slug) is None and subject.has_slug:
        return []
    return [(f"The slug “{slug}” is taken, or cannot be used; choose another.", ("slug",))]


@dataclass(frozen=True, slots=True)
class Rule:
    """level is the usual one; a fixed one is no matter of taste."""

    level: Level
    find: Callable[[Subject], Awaitable[Found]]
    fixed: bool = False


RULES: dict[str, Rule] = {
    "headline": Rule(Level.BLOCK, _headline, fixed=True),
    "headline_length": Rule(Level.WARN, _long_headline),
    "section": Rule(Level.WARN, _section),
    "byline": Rule(Level.WARN, _byline),
    "body": Rule(Level.WARN, _body),
    "alt_text": Rule(Level.WARN, _alt_text),
    "rights": Rule(Level.BLOCK, _rights),
    "rights_soon": Rule(Level.WARN, _rights_soon),
    "links": Rule(Level.WARN, _links),
    "slug": Rule(Level.BLOCK, _slug, fixed=True),
    "embargo": Rule(Level.BLOCK, _embargo, fixed=True),
}
