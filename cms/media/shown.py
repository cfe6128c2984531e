"""Rows of files that are being served, for a moment each: a page asks for a picture in many sizes at once."""

from __future__ import annotations

from time import monotonic
from uuid import UUID

from cms.models import Media

SECONDS, MOST = 2.0, 2000

_rows: dict[UUID, tuple[float, Media | None]] = {}


async def get(id: UUID) -> Media | None:
    """The row, at most SECONDS old; what this process changed itself it forgets at once."""
    known = _rows.get(id)
    if known is not None and monotonic() - known[0] < SECONDS:
        return known[1]
    if len(_rows) >= MOST:
        _rows.clear()
    row = await Media.get_or_none(id=id)
    _rows[id] = (monotonic(), row)
    return row


def forget(id: UUID) -> None:
    _rows.pop(id, None)
