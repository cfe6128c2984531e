"""Compares what is stored with what the library says, after interruptions and restored backups."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from cms import clock, ids
from cms.media import storage, uploads
from cms.models import Media, Upload

# What is younger may belong to an upload that is going on.
GRACE = timedelta(hours=24)


@dataclass
class Findings:
    """removed: keys of bytes that nothing says anything of. missing: files of the library without their bytes."""

    removed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def reconcile(grace: timedelta = GRACE) -> Findings:
    """Remove bytes without a row, and name rows without bytes, which only a backup of the files brings back."""
    findings, before = Findings(), clock.now() - grace
    async for stored in storage.each("originals/"):
        if stored.modified_at < before and await uploads.forget_bytes(stored.key):
            findings.removed.append(stored.key)
    await _sweep_renditions(findings)
    async for stored in storage.each("incoming/"):
        if stored.modified_at < before and not await Upload.exists(id=UUID(stored.key.rpartition("/")[2])):
            await storage.delete(stored.key)
            findings.removed.append(stored.key)
    findings.removed += storage.sweep_halves(before)
    async for media in Media.all():
        if await storage.find(uploads.key_of(media)) is None:
            findings.missing.append(ids.encode("Media", media.id))
    return findings


async def _sweep_renditions(findings: Findings) -> None:
    """They can be made again: those of files that are no more go at once."""
    known: dict[str, bool] = {}
    async for stored in storage.each("renditions/"):
        digest = stored.key.split("/")[1]
        if digest not in known:
            known[digest] = await Media.exists(sha256=bytes.fromhex(digest))
        if not known[digest]:
            await storage.delete(stored.key)
            findings.removed.append(stored.key)
