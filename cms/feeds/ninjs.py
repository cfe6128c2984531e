"""ninjs 3.0, the IPTC's news in JSON (https://www.iptc.org/std/ninjs/): one story, or that it is canceled."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from cms import paths, taxonomy
from cms.feeds.stories import Entry, entries, instant, on_site, urn
from cms.models import Article, Author, AuthorKind, Site, Tag, TagKind

_STANDARD = {"name": "ninjs", "version": "3.0", "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.0.json"}
# Where tags of each kind go.
_CONCEPTS = {
    TagKind.TOPIC: "subjects",
    TagKind.PERSON: "people",
    TagKind.ORGANIZATION: "organisations",
    TagKind.PLACE: "places",
    TagKind.EVENT: "events",
}


async def ninjs(article_id: UUID) -> bytes | None:
    """None for what readers never saw."""
    found = await entries([article_id])
    if found:
        return orjson.dumps(_item(found[0], await paths.site()))
    gone = await Article.get_or_none(id=article_id, gone_at__isnull=False)
    if gone is None or gone.gone_at is None:
        return None
    told: dict[str, Any] = {
        "standard": _STANDARD,
        "uri": urn(article_id),
        "type": "text",
        "pubStatus": "canceled",
        "versionCreated": instant(gone.gone_at),
    }
    return orjson.dumps(told | ({"edNote": gone.gone_notice} if gone.gone_notice else {}))


def _item(entry: Entry, site: Site) -> dict[str, Any]:
    live = entry.live
    told: dict[str, Any] = {
        "standard": _STANDARD,
        "uri": entry.urn,
        "type": "text",
        "representationType": "full",
        "version": instant(live.updated_at),
        "firstCreated": instant(live.first_published_at),
        "versionCreated": instant(live.updated_at),
        "contentCreated": instant(live.published_at),
        "pubStatus": "usable",
        "language": live.locale,
        "by": ", ".join(author.name for author in entry.authors) or None,
        "headlines": [{"role": "main", "value": live.headline}]
        + ([{"role": "kicker", "value": live.kicker}] if live.kicker else []),
        "descriptions": [{"role": "summary", "value": entry.summary}] if entry.summary else [],
        "bodies": _bodies(entry),
        "infoSources": [_source(author, site) for author in entry.authors],
        "altIds": [{"role": "url", "value": entry.url}],
        "edNote": "\n".join(f"{notice.kind.value.capitalize()}: {notice.text}" for notice in entry.corrections) or None,
        "associations": _associations(entry),
    }
    for tag in entry.tags:
        told.setdefault(_CONCEPTS[tag.kind], []).append(_concept(tag, site))
    if entry.section is not None:
        told.setdefault("subjects", []).append({"name": entry.section.name, "rel": "section"})
    return {name: value for name, value in told.items() if value not in (None, [])}


def _bodies(entry: Entry) -> list[dict[str, Any]]:
    text, words = entry.live.text, entry.live.word_count
    found = [("text/html", entry.html, {}), ("text/plain", text, {"charCount": len(text), "wordCount": words})]
    return [{"role": "main", "contentType": kind, "value": value, **more} for kind, value, more in found if value]


def _source(author: Author, site: Site) -> dict[str, str]:
    # Roles are URIs there.
    role = f"https://schema.org/{'author' if author.kind is AuthorKind.PERSON else 'provider'}"
    return {"name": author.name, "role": role, "uri": on_site(site, paths.author_path(author.slug))}


def _concept(tag: Tag, site: Site) -> dict[str, str]:
    page = on_site(site, paths.tag_path(tag.slug))
    return {"name": tag.name, "rel": "about", "uri": taxonomy.same_as(tag) or page}


def _associations(entry: Entry) -> list[dict[str, Any]]:
    picture = entry.picture
    if picture is None:
        return []
    told: dict[str, Any] = {"name": "lead", "uri": picture.url, "type": "picture"}
    if picture.title:
        told["descriptions"] = [{"role": "caption", "value": picture.title}]
    if picture.credit:
        told["by"] = picture.credit
    return [told | {"renditions": [{"name": "main", "href": picture.url}]}]
