"""Search: an index of words kept with every story, a query that no text can break, ranking, and what was meant."""

from cms.search.finding import Found, find
from cms.search.highlight import Shown, highlights
from cms.search.index import (
    FILE_LIVE,
    FILED_LIVE,
    byline_changed,
    drop_live,
    file_head,
    file_live,
    names_changed,
    rebuild,
    recount,
    refile,
    reindex,
)
from cms.search.query import quote

__all__ = [
    "FILED_LIVE",
    "FILE_LIVE",
    "Found",
    "Shown",
    "byline_changed",
    "drop_live",
    "file_head",
    "file_live",
    "find",
    "highlights",
    "names_changed",
    "quote",
    "rebuild",
    "recount",
    "refile",
    "reindex",
]
