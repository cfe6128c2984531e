"""Markdown to a body: CommonMark with tables and strikethrough; HTML in it is read like any other HTML."""

from __future__ import annotations

from markdown_it import MarkdownIt

from cms.body import from_html
from cms.body.schema import Node, Unfit

MAX_SOURCE = 500_000
MAX_BRACKETS = 10_000


class _Markdown(MarkdownIt):
    """Leaves addresses as they are written: which of them may be linked to is decided where HTML is read."""

    def validateLink(self, url: str) -> bool:
        return True

    def normalizeLink(self, url: str) -> str:
        return url


_MARKDOWN = _Markdown("commonmark", {"html": True, "maxNesting": 100}).enable(["table", "strikethrough"])


def blocks(source: str) -> list[Node]:
    """The blocks of a Markdown text."""
    if len(source) > MAX_SOURCE:
        raise Unfit(f"has more than {MAX_SOURCE:,} characters")
    # The parser looks for the end of each, and would take minutes over a million.
    if source.count("[") > MAX_BRACKETS:
        raise Unfit(f"has more than {MAX_BRACKETS:,} square brackets")
    return from_html.blocks(_MARKDOWN.render(source))
