"""Files on their way in: announced, sent, and finished, which is when they become part of the library.

Nothing half-made is ever seen: bytes wait under a name of their own until they are known to be what the library takes,
and the row of the library is made when they lie where it says. What an interruption leaves behind, reconcile.py finds.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from tortoise import connections

from cms import clock, database, events, ids, outbound
from cms.errors import Invalid, Issue, NotFound, RateLimited
from cms.media import names, pictures, storage, types
from cms.media.addresses import is_signed, sign
from cms.media.storage import TooLong
from cms.models import Media, MediaKind, Upload
from cms.permissions import Action, Actor, require
from cms.settings import settings

LASTING = timedelta(hours=1)
_DAY = timedelta(days=1)
_TRIES = 5
_TEXTS = ("caption", "creator", "credit", "copyright_holder", "instructions", "usage_terms")


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how the bytes of an upload are to be sent."""

    upload: Upload
    url: str
    headers: dict[str, str]
    method: str = "PUT"


@dataclass(frozen=True, slots=True)
class File:
    """What was found out about bytes: the columns of Media that come from them."""

    type: types.Type
    sha256: bytes
    size: int
    picture: pictures.Examined | None = None

    @property
    def key(self) -> str:
        return _key(self.sha256, self.type)

    def columns(self) -> dict[str, Any]:
        found = self.picture
        return {
            "kind": self.type.kind,
            "mime_type": self.type.mime_type,
            "byte_size": self.size,
            "sha256": self.sha256,
            "width": found.width if found else None,
            "height": found.height if found else None,
            "frames": found.frames if found else 1,
            "placeholder": found.placeholder if found else None,
            "dominant_color": found.dominant_color if found else None,
        }


async def create(actor: Actor, *, filename: str, byte_size: int, mime_type: str | None = None) -> Target:
    """Announce a file. Raises Invalid for one that is too large, RateLimited when the day's quota is used up. What type
    the sender takes it for is of no use to us: the bytes tell."""
    require(actor, Action.EDIT_MEDIA)
    if byte_size < 1:
        raise Invalid.field("byteSize", "empty", "The file is empty.")
    if byte_size > settings().upload_bytes:
        raise _too_large("byteSize")
    await _keep_to_quota(actor, byte_size)
    upload = await _announce(actor, filename, byte_size)
    url, headers = storage.presigned(_incoming(upload.id), LASTING) or (_address(upload), {})
    return Target(upload, url, headers)


async def fetch(actor: Actor, url: str, said: dict[str, Any]) -> Media:
    """Take the file at a public address into the library, by the rules of an upload. said: as for finish. Raises
    Invalid for an address that is not asked or does not answer, and for what the library does not take; RateLimited."""
    require(actor, Action.EDIT_MEDIA)
    try:
        async with outbound.get(url) as answer:
            upload = await _fetched(actor, answer)
    except outbound.Refused as error:
        raise Invalid.field("url", "refused", str(error)) from None
    except outbound.Unanswered as error:
        raise Invalid.field("url", "unanswered", f"The file cannot be had from there: {error}") from None
    try:
        return await finish(actor, upload.id, said)
    except Invalid as error:
        raise Invalid.all([Issue(("url",), each.code, each.message) for each in error.issues]) from None


async def _fetched(actor: Actor, answer: outbound.Answer) -> Upload:
    """An upload that was sent. Until its length is known it counts as the longest that may be."""
    most = settings().upload_bytes
    if answer.length is not None and answer.length > most:
        raise _too_large("url")
    await _keep_to_quota(actor, answer.length or most)
    upload = await _announce(actor, unquote(urlsplit(answer.url).path.rpartition("/")[2]), answer.length or most)
    key = _incoming(upload.id)
    try:
        size, sha256 = await storage.receive(key, answer.chunks, upload.byte_size)
        if not size:
            raise Invalid.field("url", "empty", "The file is empty.")
    except BaseException as error:  # noqa: BLE001 - nothing stays, whatever happened
        await upload.delete()
        await storage.delete(key)
        raise _too_large("url") if isinstance(error, TooLong) else error from None
    await Upload.filter(id=upload.id).update(byte_size=size, sha256=sha256)
    return upload


def _too_large(field: str) -> Invalid:
    return Invalid.field(field, "too_large", f"A file may weigh {settings().upload_bytes} bytes at most.")


async def sendable(id: UUID, signature: str) -> Upload:
    """The upload that bytes may be sent for at this address of ours. Raises NotFound."""
    upload = await Upload.get_or_none(id=id)
    if (
        upload is None
        or not is_signed(signature, upload.address_key, "upload", str(id))
        or upload.media_id is not None
        or upload.expires_at <= clock.now()
    ):
        raise NotFound("There is no such upload (any more): announce the file again.")
    return upload


async def receive(upload: Upload, chunks: AsyncIterator[bytes]) -> None:
    """Keep the bytes, no more than were announced. Raises Invalid, and keeps nothing, when it is another number."""
    key = _incoming(upload.id)
    try:
        size, sha256 = await storage.receive(key, chunks, upload.byte_size)
    except TooLong:
        raise Invalid(f"More than the {upload.byte_size} bytes came that were announced.") from None
    if size != upload.byte_size:
        await storage.delete(key)
        raise Invalid(f"{upload.byte_size} bytes were announced, and {size} came.")
    await Upload.filter(id=upload.id).update(sha256=sha256)


async def finish(actor: Actor, id: UUID, said: dict[str, Any]) -> Media:
    """Make the bytes that were sent a file of the library. said: alt_text, caption, credit, which win over what the
    file says of itself. Finished twice, it is the same file. Raises Invalid for what the library does not take: then
    nothing of it stays."""
    upload = await own(actor, id)
    if upload.media_id is not None:
        return await _finished(upload.media_id)
    file = await examined(upload)

    async def make(locked: Upload) -> Media:
        if locked.media_id is not None:
            return await _finished(locked.media_id)
        media = await Media.create(**file.columns(), **_described(file, said), filename=upload.filename, **_by(actor))
        await events.record(actor, "media.created", subject_id=media.id)
        return media

    return await keep(upload, file, make)


async def add_image(actor: Actor, data: bytes, *, filename: str, **said: Any) -> Media:
    """Take a picture from this process. said: alt_text, caption, credit."""
    require(actor, Action.EDIT_MEDIA)
    with storage.scratch() as path:
        path.write_bytes(data)
        file = await examine(path, hashlib.sha256(data).digest())
        await storage.put(file.key, path)
    return await Media.create(**file.columns(), **_described(file, said), filename=filename, **_by(actor))


async def examine(path: Path, sha256: bytes) -> File:
    """What a file on this disk is. Raises Invalid for what the library does not take."""
    found, size = types.read(path), path.stat().st_size
    if found is None:
        raise Invalid.field("uploadId", "type", types.why_not(path))
    if found.kind is not MediaKind.IMAGE:
        return File(found, sha256, size)
    if size > settings().picture_bytes:
        raise Invalid.field("uploadId", "too_large", f"A picture may weigh {settings().picture_bytes} bytes at most.")
    return File(found, sha256, size, await pictures.examine(path))


def _described(file: File, said: dict[str, Any]) -> dict[str, Any]:
    """The words of a new file: what was said of it, and else what it says of itself."""
    found = file.picture.said if file.picture else {}
    own = {name: found.get(name) for name in _TEXTS}
    return {**own, "keywords": found.get("keywords", []), **{name: text for name, text in said.items() if text}}


def _by(actor: Actor) -> dict[str, Any]:
    return {"created_at": clock.now(), "created_by_id": actor.user_id}


def key_of(media: Media) -> str:
    """Where the file lies as it came."""
    return _key(bytes(media.sha256), types.BY_MIME[media.mime_type])


async def forget_bytes(key: str) -> bool:
    """Remove an original, and what was made of it, unless the library has it; whether it did."""
    sha256 = bytes.fromhex(key.rpartition("/")[2].partition(".")[0])
    async with database.transaction():
        await _lock(sha256)
        if await Media.exists(sha256=sha256):
            return False
        renditions = [stored.key async for stored in storage.each(f"renditions/{sha256.hex()}/")]
        await storage.delete(key, *renditions)
    return True


async def forget_expired() -> int:
    """Remove the rows of uploads that count for nothing any more, and their bytes; how many."""
    old = await Upload.filter(created_at__lt=clock.now() - _DAY).limit(1000)
    for upload in old:
        await storage.delete(_incoming(upload.id))
        await upload.delete()
    return len(old)


async def keep(upload: Upload, file: File, write: Callable[[Upload], Awaitable[Media]]) -> Media:
    """The bytes first, then the row that says they are there, then their first name goes.

    The lock keeps them from being swept away in between, by one who has seen no row with them yet; who swept them just
    before makes another try. Raises FileNotFoundError where the storage keeps nothing.
    """
    incoming = _incoming(upload.id)
    for _ in range(_TRIES):
        try:
            await storage.move(incoming, file.key)
        except FileNotFoundError:  # somebody has finished it meanwhile
            return await _finished((await Upload.get(id=upload.id)).media_id)
        async with database.transaction():
            locked = await Upload.filter(id=upload.id).select_for_update().get()
            await _lock(file.sha256)
            if await storage.find(file.key) is not None:
                media = await write(locked)
                await Upload.filter(id=upload.id).update(media_id=media.id)
                break
    else:
        raise FileNotFoundError(file.key)
    await storage.delete(incoming)
    return media


async def examined(upload: Upload) -> File:
    """What was sent. What is refused is removed at once."""
    key = _incoming(upload.id)
    stored = await storage.find(key)
    if stored is None:
        raise Invalid.field("uploadId", "not_sent", "Nothing has arrived: send the bytes first.")
    try:
        if stored.size != upload.byte_size:
            message = f"{upload.byte_size} bytes were announced, and {stored.size} came."
            raise Invalid.field("uploadId", "size", message)
        async with storage.local(key) as path:
            return await examine(path, bytes(upload.sha256) if upload.sha256 else await _hash(path))
    except FileNotFoundError:
        raise Invalid.field("uploadId", "not_sent", "Nothing has arrived: send the bytes first.") from None
    except Invalid:
        await storage.delete(key)
        raise


async def own(actor: Actor, id: UUID) -> Upload:
    require(actor, Action.EDIT_MEDIA)
    upload = await Upload.get_or_none(id=id)
    if upload is None or upload.created_by_id != actor.user_id:
        raise NotFound("There is no such upload.")
    return upload


async def _finished(id: UUID | None) -> Media:
    media = await Media.get_or_none(id=id) if id else None
    if media is None:
        raise NotFound("The file is not there any more: send it again.")
    return media


async def _announce(actor: Actor, filename: str, byte_size: int) -> Upload:
    now = clock.now()
    return await Upload.create(
        filename=names.displayed(filename),
        byte_size=byte_size,
        created_at=now,
        expires_at=now + LASTING,
        created_by_id=actor.user_id,
    )


async def _keep_to_quota(actor: Actor, byte_size: int) -> None:
    rows = await connections.get("default").execute_query(
        "select coalesce(sum(byte_size), 0) from upload where created_by_id = $1 and created_at > $2",
        [actor.user_id, clock.now() - _DAY],
    )
    if int(rows[1][0][0]) + byte_size > settings().upload_bytes_a_day:
        raise RateLimited("You have uploaded as much as may be within 24 hours.", retry_after=3600)


async def _lock(sha256: bytes) -> None:
    """Until the transaction ends nobody else makes a row with these bytes, or removes them for want of one."""
    number = int.from_bytes(sha256[:8], "big", signed=True)
    await connections.get("default").execute_query("select pg_advisory_xact_lock($1)", [number])


async def _hash(path: Path) -> bytes:
    def digest() -> bytes:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    return await asyncio.to_thread(digest)


def _key(sha256: bytes, type: types.Type) -> str:
    return f"originals/{sha256.hex()}.{type.extension}"


def _incoming(id: UUID) -> str:
    return f"incoming/{id.hex}"


def _address(upload: Upload) -> str:
    signature = sign(upload.address_key, "upload", str(upload.id))
    return f"{settings().base_url}/media/uploads/{ids.encode('Upload', upload.id)}/{signature}"
