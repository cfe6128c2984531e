"""The address that a request comes from, which proxies may say only if they are ours (CMS_TRUSTED_PROXIES), and how
many connections that stay open one address has (CMS_SOCKETS_PER_ADDRESS)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import HTTPConnection

from cms.errors import RateLimited
from cms.settings import settings

_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([\d.]+):\d+")
_staying: Counter[str] = Counter()


@contextmanager
def staying(request: HTTPConnection) -> Iterator[None]:
    """While inside, the connection counts as one that its address keeps open. Raises RateLimited for one too many."""
    address = peer(request)
    if _staying[address] >= settings().sockets_per_address:
        raise RateLimited("Too many connections from your address are open: close one.")
    _staying[address] += 1
    try:
        yield
    finally:
        _staying[address] -= 1
        if not _staying[address]:
            del _staying[address]


def peer(request: HTTPConnection) -> str:
    """The nearest address that is not a trusted proxy's: each hop of X-Forwarded-For is believed if the one behind it,
    to its right, is trusted. So whatever a client writes into that header itself is never reached."""
    address = request.client.host if request.client else "local"
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while hops and _is_trusted(address):
        before = _address(hops.pop().strip())
        if before is None:
            break
        address = str(before)
    return address


def _is_trusted(address: str) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in settings().trusted_proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
