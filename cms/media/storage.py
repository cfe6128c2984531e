"""Where bytes are kept: a directory, S3, Google Cloud Storage or Azure (CMS_MEDIA_URL), each under a key that is ours.

incoming/UPLOAD                     what is being sent
originals/SHA256.EXT                files as they came, once each
renditions/SHA256/VERSION-SPEC.EXT  pictures made of them
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import uuid4

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from cms.settings import settings

_CHUNK = 256 * 1024
_REMOTE = (S3Store, GCSStore, AzureStore)


@dataclass(frozen=True, slots=True)
class Stored:
    """path is set where the bytes lie on this machine's disk."""

    key: str
    size: int
    modified_at: datetime
    path: Path | None = None


class TooLong(Exception):
    """More bytes came than were to come."""


async def find(key: str) -> Stored | None:
    store = _store()
    if isinstance(store, LocalStore):  # many times faster than asking the library, and asked for each picture served
        return _on_disk(key)
    try:
        head = await obstore.head_async(store, key)
    except (NotFoundError, FileNotFoundError):
        return None
    return Stored(key, head["size"], head["last_modified"])


async def put(key: str, source: Path) -> None:
    """Keep a file of this disk under the key: whole, or not at all."""
    await obstore.put_async(_store(), key, source)


async def receive(key: str, chunks: AsyncIterator[bytes], limit: int) -> tuple[int, bytes]:
    """Keep what comes, in constant memory; (size, sha256). Raises TooLong past the limit: then nothing is kept."""
    digest, size = hashlib.sha256(), 0
    async with obstore.open_writer_async(_store(), key) as writer:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLong(key)
            digest.update(chunk)
            await writer.write(chunk)
    return size, digest.digest()


async def read(key: str, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from start up to end, not included. Raises FileNotFoundError."""
    try:
        result = await obstore.get_async(_store(), key, options={"range": (start, end)})
    except NotFoundError:
        raise FileNotFoundError(key) from None
    async for chunk in result.stream(min_chunk_size=_CHUNK):
        yield bytes(chunk)


@asynccontextmanager
async def local(key: str) -> AsyncIterator[Path]:
    """The file on this machine's disk, for a while. Raises FileNotFoundError."""
    stored = await find(key)
    if stored is None:
        raise FileNotFoundError(key)
    if stored.path is not None:
        yield stored.path
        return
    with scratch() as path:
        with path.open("wb") as file:
            async for chunk in read(key, 0, stored.size):
                file.write(chunk)
        yield path


async def move(source: str, target: str) -> None:
    """Let the bytes of source be found under target too: the first name goes with delete(), when nothing can fail any
    more. Raises FileNotFoundError."""
    try:
        await obstore.copy_async(_store(), source, target)
    except NotFoundError:
        raise FileNotFoundError(source) from None


async def delete(*keys: str) -> None:
    for key in keys:
        with suppress(NotFoundError, FileNotFoundError):
            await obstore.delete_async(_store(), key)


async def each(prefix: str) -> AsyncIterator[Stored]:
    async for batch in obstore.list(_store(), prefix, chunk_size=500):
        for entry in batch:
            yield Stored(entry["path"], entry["size"], entry["last_modified"])


def presigned(key: str, lasting: timedelta) -> tuple[str, dict[str, str]] | None:
    """Where a client may put these bytes itself, and with which headers; None where it has to send them to us."""
    store = _store()
    if not isinstance(store, _REMOTE):
        return None
    headers = {"x-ms-blob-type": "BlockBlob"} if isinstance(store, AzureStore) else {}
    return obstore.sign(store, "PUT", key, lasting), headers


def sweep_halves(before: datetime) -> list[str]:
    """Remove what a killed process left half-written on this disk, under names that no listing shows."""
    store, scratches = _store(), settings().data_dir / "scratch"
    halves = [*_root(store).rglob("*#*")] if isinstance(store, LocalStore) else []
    halves += [path for path in scratches.glob("*") if path.suffix != ".lock"]
    old = [path for path in halves if path.is_file() and path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]


@contextmanager
def scratch() -> Iterator[Path]:
    """A name on this machine's disk, whose file is gone afterwards."""
    directory = settings().data_dir / "scratch"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / uuid4().hex
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _on_disk(key: str) -> Stored | None:
    path = _root(_store()) / key
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Stored(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC), path)


def _root(store: ObjectStore) -> Path:
    assert isinstance(store, LocalStore) and store.prefix is not None
    return Path(store.prefix)


def _store() -> ObjectStore:
    """Keys and regions of S3, Google and Azure come from the usual variables of the environment."""
    return _opened(settings().media_url or (settings().data_dir.absolute() / "media").as_uri())


@cache
def _opened(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
    return from_url(url, client_options={"allow_http": os.environ.get("AWS_ALLOW_HTTP", "") == "true"})
