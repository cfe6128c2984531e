"""The files of the library: where their bytes are kept, and at which address they are served."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cms import clock
from cms.models import Media, MediaKind
from cms.permissions import Action, Actor, require
from cms.settings import settings

# What the API serves by itself, by the type that was read from the bytes.
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif", "image/avif": "avif"}


async def add_image(
    actor: Actor,
    data: bytes,
    *,
    mime_type: str,
    width: int,
    height: int,
    filename: str,
    alt_text: str | None = None,
    caption: str | None = None,
    credit: str | None = None,
) -> Media:
    """Keep a picture whose type and size in pixels the caller knows for sure; the same bytes are kept once."""
    require(actor, Action.EDIT_MEDIA)
    digest = hashlib.sha256(data).digest()
    _write(path(digest, mime_type), data)
    return await Media.create(
        kind=MediaKind.IMAGE,
        mime_type=mime_type,
        byte_size=len(data),
        sha256=digest,
        width=width,
        height=height,
        filename=filename,
        alt_text=alt_text,
        caption=caption,
        credit=credit,
        created_at=clock.now(),
        created_by_id=actor.user_id,
    )


def path(digest: bytes, mime_type: str) -> Path:
    return settings().data_dir / "media" / f"{digest.hex()}.{EXTENSIONS[mime_type]}"


def url(media: Media) -> str | None:
    """Where the file is served; None where its rights have ended."""
    if media.expires_at is not None and media.expires_at <= clock.now():
        return None
    extension = EXTENSIONS.get(media.mime_type)
    return f"{settings().base_url}/media/{bytes(media.sha256).hex()}.{extension}" if extension else None


def _write(target: Path, data: bytes) -> None:
    """Whole or not at all: the name appears when the bytes are there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(f".{os.getpid()}.part")
    half.write_bytes(data)
    half.replace(target)
