"""How often something may be tried, counted in the database, so that all processes count together.

A sign-in is counted under three keys, in this order, and a refusal by one is not counted by the next:
the address block it comes from, whatever account it is for; the account from that block; the account from anywhere.
After some free tries each key makes the next one wait, twice as long each time. Only the last can be held against
somebody by strangers. So a browser in which the account has signed in before has a key of its own, and none of the
three counts there: whoever tries from outside cannot lock the newsroom out.

Keys are made of what the server knows and of the normalised address, and only their digests are stored.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from tortoise import connections

from cms import clock
from cms.errors import RateLimited
from cms.models import Tries


@dataclass(frozen=True, slots=True)
class Limit:
    """So many free tries; then wait seconds, doubled with each further one up to longest. All is forgotten after memory
    seconds without a try."""

    free: int
    wait: int
    longest: int
    memory: int


MINUTE, HOUR, DAY = 60, 3_600, 86_400
BLOCK = Limit(free=20, wait=10, longest=15 * MINUTE, memory=HOUR)
ACCOUNT_FROM_BLOCK = Limit(free=5, wait=30, longest=15 * MINUTE, memory=HOUR)
ACCOUNT = Limit(free=50, wait=30, longest=15 * MINUTE, memory=DAY)
BROWSER = Limit(free=10, wait=30, longest=15 * MINUTE, memory=180 * DAY)
OLD_PASSWORD = Limit(free=5, wait=30, longest=15 * MINUTE, memory=HOUR)
LETTERS_TO_BLOCK = Limit(free=10, wait=MINUTE, longest=HOUR, memory=2 * HOUR)
LETTERS_FROM_BLOCK = Limit(free=3, wait=5 * MINUTE, longest=HOUR, memory=2 * HOUR)

# Earlier than now, so that one of many at once is not refused for having looked at the clock a moment before another.
_FREE = "$2::timestamptz - interval '1 minute'"
# Of a row t: $1 key, $2 now, $3 when all is forgotten, $4 free tries, $5 first wait, $6 longest wait.
_ONE_MORE = f"""
    count = case when t.forgotten_at <= $2 then 1 else t.count + 1 end,
    free_at = case when t.forgotten_at <= $2 or t.count + 1 < $4 then {_FREE}
        else $2 + least($5 * 2.0 ^ least(t.count + 1 - $4, 20), $6) * interval '1 second' end,
    forgotten_at = $3
"""
# As common table expressions, because Tortoise gives back the rows of a select only.
_COUNT = f"""
with counted as (
    insert into tries as t (key, account, count, free_at, forgotten_at) values ($1, $7, 1, {_FREE}, $3)
    on conflict (key) do update set {_ONE_MORE} where t.free_at <= $2 returning 1
) select * from counted
"""  # noqa: S608
_COUNT_KNOWN = f"""
with counted as (
    update tries t set {_ONE_MORE} where t.key = $1 and t.free_at <= $2 and t.forgotten_at > $2 returning 1
) select * from counted
"""  # noqa: S608


def key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def block(peer: str) -> str:
    """What one subscriber has: an IPv4 address, or a /56 of IPv6."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 56), strict=False))
    return str(address)


async def count(key: str, limit: Limit, account: str | None = None) -> None:
    """Count one try. Raises RateLimited, and counts nothing, while the key has to wait."""
    rows = await _fetch(_COUNT, *_params(key, limit), account)
    if not rows:
        raise RateLimited("Too many tries. Wait, then try again.", retry_after=await _wait(key))


async def count_if_known(key: str, limit: Limit) -> bool:
    """The same for a key that was let in before; False where it was not, or has to wait."""
    return bool(await _fetch(_COUNT_KNOWN, *_params(key, limit)))


async def forgive(*keys: str) -> None:
    """Take one try back: it was a good one."""
    await _fetch(
        "update tries set count = greatest(count - 1, 0), free_at = least(free_at, $2) where key = any($1)",
        list(keys),
        clock.now(),
    )


async def clear(key: str) -> None:
    await Tries.filter(key=key).delete()


async def let_in(key: str, limit: Limit) -> None:
    """Make the key known, with nothing against it."""
    await _fetch(
        "insert into tries (key, count, free_at, forgotten_at) values ($1, 0, $2, $3) "
        "on conflict (key) do update set count = 0, free_at = $2, forgotten_at = $3",
        *_params(key, limit)[:3],
    )


async def clear_account(account: str) -> None:
    """Nothing that was tried for this account counts any more."""
    await Tries.filter(account=account).delete()


def _params(key: str, limit: Limit) -> tuple[Any, ...]:
    now = clock.now()
    return key, now, now + timedelta(seconds=limit.memory), limit.free, limit.wait, limit.longest


async def _wait(key: str) -> int:
    row = await Tries.get_or_none(key=key)
    return max(1, math.ceil((row.free_at - clock.now()).total_seconds())) if row else 1


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])
