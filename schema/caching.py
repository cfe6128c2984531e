"""What caches before us are told of an answer to readers, and the encodings that answers travel in."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

import brotli  # type: ignore[import-untyped]

VARY = "Accept, Accept-Encoding, Authorization, Cookie"
# Smaller bodies fit into a packet as they are.
COMPRESSED = 1_400
# Caches cut or refuse heads that are longer; an answer of more things goes when anything changes.
_MOST_KEYS = 4_000
_MOST_ACCEPTED = 200
# The keys of an answer of which it is not said what it shows.
ANY = b"site public"


@lru_cache(1_000)
def control(seconds: int) -> bytes:
    """Cache-Control for what anybody may be given. seconds: in shared caches, without asking; they can be purged,
    browsers cannot."""
    return b"public, max-age=0, s-maxage=%d" % seconds if seconds > 0 else b"public, no-cache"


def keys(tags: Iterable[str]) -> bytes:
    """The keys of an answer (cms.purge), with spaces between."""
    found = " ".join(tags).encode()
    return found if len(found) <= _MOST_KEYS else ANY


def key_headers(keys: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"surrogate-key", keys), (b"cache-tag", keys.replace(b" ", b","))]


def etag(body: bytes) -> bytes:
    # SHA-256 because processors have it built in: a fourth of the time of what is fast without.
    return b'"%s"' % sha256(body).hexdigest()[:24].encode()


def etag_of_encoded(etag: bytes, encoding: bytes) -> bytes:
    return etag[:-1] + b"-" + encoding + b'"'


def encoding(accepted: bytes) -> bytes:
    """The best of what an Accept-Encoding takes, or nothing."""
    return _encoding(accepted) if len(accepted) <= _MOST_ACCEPTED else b""


def encoded(body: bytes, encoding: bytes) -> bytes:
    if encoding == b"br":
        found: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=5)
        return found
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


@lru_cache(1_000)
def _encoding(accepted: bytes) -> bytes:
    weights: dict[bytes, float] = {}
    for part in accepted.lower().split(b","):
        name, *parameters = (each.strip() for each in part.split(b";"))
        weights[name] = _weight(parameters)
    default = weights.get(b"*", 0.0)
    offered = [(weights.get(name, default), name) for name in (b"br", b"gzip")]
    weight, name = max(offered, key=lambda each: each[0])  # the first of equals
    return name if weight > 0 else b""


def _weight(parameters: list[bytes]) -> float:
    """The q of a coding; one that is no number is none."""
    for each in parameters:
        if each.startswith(b"q="):
            try:
                return float(each[2:])
            except ValueError:
                return 0.0
    return 1.0
