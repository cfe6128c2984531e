"""RSS 2.0 (https://www.rssboard.org/rss-specification) and Atom (RFC 4287, with deleted entries by RFC 6721)."""

from __future__ import annotations

from lxml import etree

from cms.feeds.channels import Channel
from cms.feeds.stories import Entry, http_date, instant, urn
from cms.feeds.xml import add, printed, root

_ATOM = "http://www.w3.org/2005/Atom"
_MEDIA = "http://search.yahoo.com/mrss/"
_RSS: dict[str | None, str] = {
    "atom": _ATOM,
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": _MEDIA,
}
_ATOMS: dict[str | None, str] = {None: _ATOM, "at": "http://purl.org/atompub/tombstones/1.0", "media": _MEDIA}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def rss(channel: Channel) -> bytes:
    document = root("rss", _RSS, version="2.0")
    top = add(document, "channel")
    add(top, "title", channel.title)
    add(top, "link", channel.home)
    add(top, "description", channel.description or channel.title)
    add(top, "language", channel.locale)
    add(top, "lastBuildDate", http_date(channel.updated_at))
    add(top, "atom:link", rel="self", type="application/rss+xml", href=channel.url("rss.xml"))
    for entry in channel.entries:
        _rss_item(add(top, "item"), entry)
    return printed(document)


def _rss_item(item: etree._Element, entry: Entry) -> None:
    add(item, "title", entry.live.headline)
    add(item, "link", entry.url)
    add(item, "guid", entry.urn, isPermaLink="false")
    add(item, "pubDate", http_date(entry.live.published_at))
    for author in entry.authors:
        add(item, "dc:creator", author.name)
    for name in _categories(entry):
        add(item, "category", name)
    if entry.summary:
        add(item, "description", entry.summary)
    if entry.html:
        add(item, "content:encoded", entry.html)
    _picture(item, entry)


def atom(channel: Channel) -> bytes:
    document = root("feed", _ATOMS)
    document.set(_LANG, channel.locale)
    add(document, "id", channel.url("atom.xml"))
    add(document, "title", channel.title)
    if channel.description:
        add(document, "subtitle", channel.description)
    add(document, "updated", instant(channel.updated_at))
    add(document, "link", rel="self", type="application/atom+xml", href=channel.url("atom.xml"))
    add(document, "link", rel="alternate", type="text/html", href=channel.home)
    add(add(document, "author"), "name", channel.site.name)
    for entry in channel.entries:
        _atom_entry(add(document, "entry"), entry)
    for gone in channel.gone:
        tombstone = add(document, "at:deleted-entry", ref=urn(gone.article_id), when=instant(gone.at))
        if gone.notice:
            add(tombstone, "at:comment", gone.notice)
    return printed(document)


def _atom_entry(element: etree._Element, entry: Entry) -> None:
    element.set(_LANG, entry.live.locale)
    add(element, "id", entry.urn)
    add(element, "title", entry.live.headline)
    add(element, "link", rel="alternate", type="text/html", href=entry.url)
    add(element, "published", instant(entry.live.published_at))
    add(element, "updated", instant(entry.live.updated_at))
    for author in entry.authors:
        add(add(element, "author"), "name", author.name)
    for name in _categories(entry):
        add(element, "category", term=name)
    if entry.summary:
        add(element, "summary", entry.summary)
    if entry.html:
        add(element, "content", entry.html, type="html")
    _picture(element, entry)


def _categories(entry: Entry) -> list[str]:
    section = [entry.section.name] if entry.section else []
    return list(dict.fromkeys([*section, *(tag.name for tag in entry.tags)]))


def _picture(element: etree._Element, entry: Entry) -> None:
    """https://www.rssboard.org/media-rss"""
    if entry.picture is None:
        return
    content = add(element, "media:content", url=entry.picture.url, medium="image")
    if entry.picture.title:
        add(content, "media:description", entry.picture.title)
    if entry.picture.credit:
        add(content, "media:credit", entry.picture.credit)
