"""The API of feeds: where they are."""

from __future__ import annotations

import strawberry

from cms.feeds import feed_url


@strawberry.type(description="Where the newest stories are for feed readers.")
class FeedLinks:
    rss: str = strawberry.field(description="RSS 2.0.")
    atom: str = strawberry.field(description="Atom.")
    json: str = strawberry.field(description="JSON Feed 1.1.")


def feed_links(path: str) -> FeedLinks:
    """Of what stands at a path of the site; "" is the site itself."""
    return FeedLinks(rss=feed_url(path, "rss.xml"), atom=feed_url(path, "atom.xml"), json=feed_url(path, "feed.json"))
