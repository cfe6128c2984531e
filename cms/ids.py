"""Ids: UUIDv7 inside, opaque outside (Relay's global object identification).

An opaque id is the base64url of one byte for the kind and the sixteen of the key: 23 characters, one spelling each.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

import uuid_utils.compat as uuid_utils

# A kind's byte is part of every id that clients have stored: never reuse or change one.
_BYTES = {
    "Article": b"a",
    "Author": b"u",
    "Comment": b"c",
    "Correction": b"k",
    "Event": b"e",
    "Media": b"m",
    "PreviewLink": b"p",
    "RedirectRule": b"d",
    "Revision": b"r",
    "Section": b"s",
    "Session": b"n",
    "StoryList": b"l",
    "Tag": b"t",
    "Token": b"o",
    "Upload": b"b",
    "User": b"w",
}
_KINDS = {byte: kind for kind, byte in _BYTES.items()}


def new() -> UUID:
    """A new key, in order of time."""
    return uuid_utils.uuid7()


def encode(kind: str, key: UUID) -> str:
    return base64.urlsafe_b64encode(_BYTES[kind] + key.bytes).rstrip(b"=").decode()


def decode(id: str) -> tuple[str, UUID] | None:
    """The kind and key of an opaque id; None for anything else, another spelling of a valid one included."""
    if len(id) != 23 or not id.isascii():
        return None
    try:
        raw = base64.b64decode(id + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    kind = _KINDS.get(raw[:1])
    if kind is None:
        return None
    key = UUID(bytes=raw[1:])
    return (kind, key) if encode(kind, key) == id else None


def decode_as(kind: str, id: str) -> UUID | None:
    """The key of an id of that kind; None for another kind, or for what is no id."""
    found = decode(id)
    return found[1] if found and found[0] == kind else None
