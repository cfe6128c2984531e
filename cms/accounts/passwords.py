"""Passwords: what one has to be, argon2id, and how much of the machine that may take."""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from cms.errors import Invalid, RateLimited

T = TypeVar("T")

MIN_PASSWORD = 12
MAX_PASSWORD = 1_000  # more only costs time
# Threads that hash, and how many passwords may wait for one: each takes 64 MiB and some 50 ms of a processor.
THREADS = 2
WAITING = 100

hasher = PasswordHasher()
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
_waiting = 0


async def hash_password(password: str, field: str = "password") -> str:
    """argon2id of the password in NFKC, off the event loop. Raises Invalid for one that is too short or too long."""
    if len(password) < MIN_PASSWORD:
        raise Invalid.field(field, "too_short", f"A password has at least {MIN_PASSWORD} characters.")
    if len(password) > MAX_PASSWORD:
        raise Invalid.field(field, "too_long", f"A password has at most {MAX_PASSWORD} characters.")
    return await _in_thread(lambda: hasher.hash(_normal(password)))


async def verify_password(hashed: str | None, password: str) -> bool:
    """Whether it is the password. None, for nobody's, takes as long and is never right."""
    known = hashed or _nobodys()
    given = _normal(password[: MAX_PASSWORD + 1])
    return await _in_thread(lambda: _verified(known, given)) and hashed is not None


def _verified(hashed: str, password: bytes) -> bool:
    try:
        return hasher.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


def _nobodys() -> str:
    """A hash as of today's parameters, that no password has."""
    salt, tag = (base64.b64encode(secrets.token_bytes(n)).rstrip(b"=").decode() for n in (16, hasher.hash_len))
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${tag}"


def _normal(password: str) -> bytes:
    # The same password from keyboards that compose differently; a lone surrogate is no character, but no error either.
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")


async def _in_thread(work: Callable[[], T]) -> T:
    global _waiting
    if _waiting >= WAITING:
        raise RateLimited("Too many people sign in right now. Try again in a few seconds.", retry_after=5)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting -= 1
