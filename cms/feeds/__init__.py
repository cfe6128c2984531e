"""What machines read of the site, all of it as the public sees it: RSS, Atom and JSON Feed, sitemaps, ninjs.

stories.py reads, with as many statements for one story as for fifty; the other modules print, one format each.
"""

from cms.feeds.channels import Channel, changed_at, channel, feed_url
from cms.feeds.json_feed import json_feed
from cms.feeds.ninjs import ninjs
from cms.feeds.sitemaps import news_sitemap, pages, robots, sitemap, stories_sitemap, terms_sitemap
from cms.feeds.syndication import atom, rss

__all__ = [
    "Channel",
    "atom",
    "changed_at",
    "channel",
    "feed_url",
    "json_feed",
    "news_sitemap",
    "ninjs",
    "pages",
    "robots",
    "rss",
    "sitemap",
    "stories_sitemap",
    "terms_sitemap",
]
