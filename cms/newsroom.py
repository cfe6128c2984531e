"""The site itself, and the lists of stories that are kept by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from tortoise import connections

from cms import effects, events, ids, slugs
from cms.checklist import changed_levels
from cms.database import retrying, transaction
from cms.effects import Things
from cms.errors import Invalid, Issue
from cms.models import Head, Site, Slug, SlugKind, StoryList
from cms.permissions import Action, Actor, Perspective, query, require
from cms.taxonomy import line, media_use, text

MAX_LIST = 200
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


@retrying
async def update_site(actor: Actor, changes: Mapping[str, Any]) -> Site:
    """changes: any of name, tagline, url, locale, locales, time_zone, logo, social_links, and checklist: levels by
    code."""
    require(actor, Action.EDIT_RULES if changes.keys() == {"checklist"} else Action.EDIT_SITE)
    async with transaction():
        await events.lock_public()
        site = await Site.all().select_for_update().get()
        before = (site.name, site.url, site.locale)
        pictures = {site.logo_media_id, (changes.get("logo") or {}).get("media_id")}
        async with effects.watching(Things(media=frozenset(each for each in pictures if each))) as effect:
            await _change_site(site, changes)
        moved = {"locale": before[2]} if site.locale != before[2] else {}
        told = effect.json(renamed=(site.name, site.url, site.locale) != before, **moved)
        public = changes.keys() != {"checklist"}
        await events.record(actor, "site.updated", public=public, effect=told, changed=sorted(changes))
        return site


async def _change_site(site: Site, changes: Mapping[str, Any]) -> None:
    if "name" in changes:
        site.name = line(changes["name"], "name")
    if "tagline" in changes:
        site.tagline = text(changes["tagline"], "tagline")
    if "url" in changes:
        site.url = web_address(changes["url"], "url").rstrip("/")
    if "time_zone" in changes:
        site.time_zone = _time_zone(changes["time_zone"])
    if "logo" in changes:
        site.logo_media_id, site.logo = await media_use(changes["logo"], "logo")
    if "social_links" in changes:
        site.social_links = [_social_link(i, each) for i, each in enumerate(changes["social_links"] or [])]
    if "checklist" in changes:
        site.checklist = changed_levels(site, changes["checklist"] or {})
    if "locale" in changes or "locales" in changes:
        await _set_locales(site, changes)
    await site.save()


def web_address(value: str | None, field: str) -> str:
    """An absolute http or https address, as given; raises Invalid."""
    address = (value or "").strip()
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or re.search(r"[\s\"'<>\\^`{|}\x00-\x1f\x7f]", address) or len(address) > 2_000:
        raise Invalid.field(field, "url", f"{field} must be a web address that starts with https:// or http://.")
    return address


@retrying
async def set_story_list(actor: Actor, *, slug: str, name: str | None, article_ids: Sequence[UUID]) -> StoryList:
    """Make or change the list; article_ids in order, each once."""
    require(actor, Action.EDIT_LISTS)
    problem = slugs.check_slug(slug)
    if problem:
        raise Invalid.field("slug", "slug", problem)
    if len(article_ids) > MAX_LIST:
        raise Invalid.field("articleIds", "too_many", f"A list holds at most {MAX_LIST} stories.")
    async with transaction():
        await _check_stories(actor, article_ids)
        await events.lock_public()
        wanted = list(dict.fromkeys(article_ids))
        found = await StoryList.filter(slug=slug).select_for_update().first()
        created = found is None
        story_list = found or StoryList(id=ids.new(), slug=slug, name=slug)
        before = await _seen(story_list)
        async with effects.watching(Things(lists=frozenset([story_list.id]))) as effect:
            if name is not None:
                story_list.name = line(name, "name")
            story_list.article_ids = wanted
            await story_list.save(force_create=created)
        public = before != await _seen(story_list)
        told = effect.json(slugs=[slug] if effect.toggles else [])
        await events.record(
            actor, "list.updated", subject_id=story_list.id, public=public, effect=told, slug=slug, name=story_list.name
        )
        return story_list


async def _seen(story_list: StoryList) -> tuple[str, list[UUID]] | None:
    """What readers see of a list: nothing, while none of its stories is live."""
    ids = list(story_list.article_ids or [])
    rows = await connections.get("default").execute_query(
        "select x.id from unnest($1::uuid[]) with ordinality x (id, n) join live on article_id = x.id order by n", [ids]
    )
    live = [row[0] for row in rows[1]]
    return (story_list.name, live) if live else None


async def _check_stories(actor: Actor, article_ids: Sequence[UUID]) -> None:
    known = set(
        await query(actor, Head, Perspective.DRAFT)
        .filter(article_id__in=list(article_ids))
        .values_list("article_id", flat=True)
    )
    issues = [
        Issue(("articleIds", str(i)), "not_found", "There is no story with that id.")
        for i, id in enumerate(article_ids)
        if id not in known
    ]
    if issues:
        raise Invalid.all(issues)


async def _set_locales(site: Site, changes: Mapping[str, Any]) -> None:
    locale = changes.get("locale", site.locale)
    locales = list(dict.fromkeys(changes.get("locales", site.locales) or []))
    for i, each in enumerate([locale, *locales]):
        if not each or not _LOCALE.fullmatch(each):
            field = "locale" if i == 0 else f"locales.{i - 1}"
            raise Invalid.field(field, "locale", f"“{each}” is not a language tag such as en or pt-BR.")
    if locale not in locales:
        if "locales" in changes:
            raise Invalid.field("locales", "locale", f"locales must contain the site's own, {locale}.")
        locales.append(locale)
    used = {row["locale"] for row in await Head.all().distinct().values("locale")}
    added = set(locales) - set(site.locales)
    if taken := await Slug.filter(kind__in=(SlugKind.ARTICLE, SlugKind.SECTION), slug__in=list(added)).first():
        raise Invalid.field("locales", "taken", f"“{taken.slug}” is the slug of a section or a story.")
    if lost := sorted(used - set(locales)):
        raise Invalid.field("locales", "in_use", f"There are stories in {', '.join(lost)}; keep it among the locales.")
    if locale != site.locale:
        site.former_locales = [each for each in (site.locale, *(site.former_locales or ())) if each != locale]
    site.locale, site.locales = locale, locales


def _time_zone(value: str | None) -> str:
    if value not in available_timezones():
        raise Invalid.field("timeZone", "time_zone", f"“{value}” is not a time zone such as Europe/Amsterdam.")
    return value


def _social_link(i: int, given: Mapping[str, Any]) -> dict[str, str]:
    field = f"socialLinks.{i}"
    return {
        "service": line(given.get("service"), f"{field}.service", limit=50),
        "url": web_address(given.get("url"), f"{field}.url"),
        "label": line(given.get("label"), f"{field}.label", limit=100),
    }
