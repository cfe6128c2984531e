"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), with an extension for notices and for what is gone."""

from __future__ import annotations

from typing import Any

import orjson

from cms import paths
from cms.feeds.channels import Channel
from cms.feeds.stories import Entry, instant, on_site, urn
from cms.models import Site


def json_feed(channel: Channel) -> bytes:
    told: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": channel.title,
        "home_page_url": channel.home,
        "feed_url": channel.url("feed.json"),
        "description": channel.description,
        "language": channel.locale,
        "items": [_item(entry, channel.site) for entry in channel.entries],
        "_copydesk": _extension(channel),
    }
    return orjson.dumps(_without_nothing(told))


def _item(entry: Entry, site: Site) -> dict[str, Any]:
    live = entry.live
    notices = [
        {"kind": notice.kind.value, "text": notice.text, "date": instant(notice.published_at)}
        for notice in entry.corrections
    ]
    return _without_nothing(
        {
            "id": entry.urn,
            "url": entry.url,
            "title": live.headline,
            "content_html": entry.html,
            "summary": entry.summary,
            "image": entry.picture.url if entry.picture else None,
            "date_published": instant(live.published_at),
            "date_modified": instant(live.updated_at),
            "authors": [
                {"name": each.name, "url": on_site(site, paths.author_path(each.slug))} for each in entry.authors
            ],
            "tags": [tag.name for tag in entry.tags],
            "language": live.locale,
            "_copydesk": {"corrections": notices} if notices else None,
        }
    )


def _extension(channel: Channel) -> dict[str, Any] | None:
    gone = [
        _without_nothing({"id": urn(g.article_id), "date": instant(g.at), "notice": g.notice}) for g in channel.gone
    ]
    return {"gone": gone} if gone else None


def _without_nothing(told: dict[str, Any]) -> dict[str, Any]:
    """content_html may be empty, but an item needs it."""
    return {name: value for name, value in told.items() if value not in (None, []) or name == "items"}
