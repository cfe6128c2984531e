"""Trusted documents: the queries of clients of ours, pushed by an operator as their build tools write them, and the
only ones that the public is answered where CMS_TRUSTED_DOCUMENTS_ONLY says so.

Nobody adds one by asking: what the store holds was pushed. That a document is a good one for our schema is looked at
before (schema.trusted.check).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from tortoise import connections

from cms import clock, events
from cms.database import transaction
from cms.errors import Conflict, Invalid, Issue, NotFound
from cms.models import TrustedDocument
from cms.permissions import Action, Actor, require

PUSHED, REMOVED = "documents.pushed", "documents.removed"
# Every process has all of them in memory.
MOST = 10_000
MOST_BYTES = 32 * 1024 * 1024
SHA256 = "sha256:"

_APOLLO = "apollo-persisted-query-manifest"
_ID = re.compile(r"[!-~]{1,200}")
_FORMATS = (
    "This is no manifest: it is either an object of documents by id, as Relay and GraphQL Code Generator write it, or "
    f"has the format “{_APOLLO}”."
)


@dataclass(frozen=True, slots=True)
class Given:
    """A document of a manifest."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """How many documents a push added, and how many were there before."""

    added: int
    known: int


def digest(text: str) -> str:
    """The SHA-256 of a document, as clients spell it."""
    return sha256(text.encode()).hexdigest()


def read(manifest: bytes) -> list[Given]:
    """The documents of a manifest: {id: document} (Relay's compiler, GraphQL Code Generator, Hive), or Apollo's
    persisted query manifest, version 1. Raises Invalid with every mistake."""
    try:
        orjson.loads(manifest)  # which is strict; the other one tells of keys that stand twice
        found = json.loads(manifest, object_pairs_hook=_Object)
    except ValueError:
        raise Invalid.field("manifest", "invalid", "The manifest is not JSON in UTF-8.") from None
    pairs = _apollo(found) if isinstance(found, dict) and "format" in found else _by_id(found)
    if not pairs:
        raise Invalid.field("manifest", "empty", "The manifest has no documents.")
    texts: dict[str, str] = {}
    issues = []
    for id, text in pairs:
        if problem := _mistake(id, text) or (id in texts and texts[id] != text and "it has two texts") or None:
            issues.append(Issue(("manifest", str(id)[:80]), "invalid", f"The document {str(id)[:80]!r}: {problem}."))
        else:
            texts[id] = text
    if issues:
        raise Invalid.all(issues)
    return [Given(id, text) for id, text in texts.items()]


async def push(
    actor: Actor, documents: Sequence[Given], *, names: Mapping[str, str], seconds: Mapping[str, int]
) -> Pushed:
    """Trust these documents, all or none. names, seconds: of operations and for caches before us, by id; no seconds
    are as long as any other answer's. Those that are trusted already get them too.

    Raises Conflict for an id that means another text.
    """
    require(actor, Action.TRUST_DOCUMENTS)
    async with transaction():
        await _lock()
        known = {row.id: row for row in await TrustedDocument.all()}
        other = [each.id for each in documents if each.id in known and known[each.id].text != each.text]
        if other:
            raise Conflict(f"These ids mean other documents: {_list(other)}. Remove those first, if nobody needs them.")
        new = [each for each in documents if each.id not in known]
        _check_room([row.text for row in known.values()], [each.text for each in new])
        now = clock.now()
        await TrustedDocument.bulk_create(
            TrustedDocument(
                id=each.id,
                name=names.get(each.id, ""),
                text=each.text,
                shared_seconds=seconds.get(each.id),
                pushed_at=now,
            )
            for each in new
        )
        for each in documents:
            if each.id in known and known[each.id].shared_seconds != seconds.get(each.id):
                await TrustedDocument.filter(id=each.id).update(shared_seconds=seconds.get(each.id))
        await events.record(actor, PUSHED, added=len(new), known=len(documents) - len(new))
    return Pushed(len(new), len(documents) - len(new))


async def remove(actor: Actor, ids: Sequence[str]) -> None:
    """Trust these no more, all or none. Raises NotFound."""
    require(actor, Action.TRUST_DOCUMENTS)
    wanted = set(ids)
    async with transaction():
        await _lock()
        found = set(await TrustedDocument.filter(id__in=list(wanted)).values_list("id", flat=True))
        if missing := sorted(wanted - found):
            raise NotFound(f"There are no trusted documents with these ids: {_list(missing)}. Nothing was removed.")
        await TrustedDocument.filter(id__in=list(wanted)).delete()
        await events.record(actor, REMOVED, removed=len(wanted))


async def documents() -> list[TrustedDocument]:
    """All of them, the newest first."""
    return await TrustedDocument.all().order_by("-pushed_at", "name", "id")


class _Object(dict[str, Any]):
    """An object of JSON, with its pairs as they stand."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


async def _lock() -> None:
    """One push or removal at a time; nobody who reads waits."""
    await connections.get("default").execute_query("lock table trusted_document in exclusive mode")


def _apollo(manifest: dict[str, Any]) -> list[tuple[Any, Any]]:
    if manifest["format"] != _APOLLO or manifest.get("version") != 1:
        raise Invalid.field("manifest", "kind", f"Of manifests with a format, version 1 of “{_APOLLO}” is taken.")
    operations = manifest.get("operations")
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise Invalid.field("manifest.operations", "type", "The manifest's operations must be a list of objects.")
    return [(each.get("id"), each.get("body")) for each in operations]


def _by_id(manifest: Any) -> list[tuple[Any, Any]]:
    if not isinstance(manifest, _Object):
        raise Invalid.field("manifest", "kind", _FORMATS)
    return manifest.pairs


def _mistake(id: Any, text: Any) -> str | None:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        return "its id must be a text of 1 to 200 visible characters of ASCII"
    if not isinstance(text, str) or not text.strip():
        return "it must be a text, the source of the document"
    if id.startswith(SHA256) and id != SHA256 + digest(text):
        return "its id is not the SHA-256 of its text"
    return None


def _check_room(known: Sequence[str], new: Sequence[str]) -> None:
    if len(known) + len(new) > MOST or sum(map(len, known)) + sum(map(len, new)) > MOST_BYTES:
        raise Invalid.field(
            "manifest",
            "too_many",
            f"At most {MOST} documents of together {MOST_BYTES} characters are kept: remove those that no client "
            "sends any more.",
        )


def _list(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
