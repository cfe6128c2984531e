"""Requests to addresses that somebody gave us: never to the inside, whatever a name resolves to or a redirect says.

A name is resolved once for each connection, all that it resolves to has to be public, and what was checked is what is
connected to. Proxies of the environment are not used: behind one nobody could check.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from socket import SOCK_STREAM, gaierror
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 15.0, 300.0
REDIRECTS = 5
# What is assigned to the public internet; addresses that stand for IPv4 ones (mapped, NAT64) lie elsewhere.
_PUBLIC_V6 = IPv6Network("2000::/3")
# Public by its number, and answered by the host that we run on: Azure's agent.
_AGENTS = IPv4Network("168.63.129.16/32")
_MOVED = (301, 302, 303, 307, 308)


class Refused(Exception):
    """This address is not asked; the message is for who gave it."""


class Unanswered(Exception):
    """It was asked, and gave nothing usable."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came from url, which is where redirects led. length: as announced, None where it was not."""

    url: str
    length: int | None
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def get(url: str) -> AsyncIterator[Answer]:
    """Fetch an address; the caller reads as much as it wants, for TOTAL_SECONDS at most. Raises Refused, Unanswered."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS), httpcore.AsyncConnectionPool(**_POOL) as pool:
            for _ in range(REDIRECTS + 1):
                async with pool.stream("GET", check(url), headers=_HEADERS, extensions=_TIMEOUTS) as response:
                    headers = {name.lower(): value for name, value in response.headers}
                    if response.status in _MOVED and b"location" in headers:
                        url = urljoin(url, headers[b"location"].decode("latin-1"))
                        continue
                    if response.status != 200:
                        raise Unanswered(f"It answers with status {response.status}.")
                    length = headers.get(b"content-length", b"")
                    async with aclosing(response.aiter_stream()) as chunks:  # type: ignore[type-var]
                        yield Answer(url, int(length) if length.isdigit() else None, chunks)
                    return
            raise Unanswered(f"It redirects more than {REDIRECTS} times.")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
        raise Unanswered("It cannot be reached, or breaks off.") from error
    except TimeoutError as error:
        raise Unanswered("It takes too long.") from error


def check(url: str) -> str:
    """The address, if it is of a form that is asked at all; what its name stands for is looked at on connecting."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        raise Refused("This is no address.") from None
    if parts.scheme not in ("http", "https"):
        raise Refused("The address has to begin with https:// or http://.")
    if not parts.hostname or not url.isascii() or any(character <= " " for character in url):
        raise Refused("This is no address.")
    if parts.username is not None or parts.password is not None:
        raise Refused("An address with a name or password in it is not asked.")
    return parts._replace(fragment="").geturl()


def is_public(address: str) -> bool:
    """Whether this IP address is of the internet, and of nobody's inside."""
    try:
        found = ip_address(address)
    except ValueError:  # with a scope: of a local network
        return False
    if found.is_multicast or not found.is_global:
        return False
    if isinstance(found, IPv4Address):
        return found not in _AGENTS
    return found in _PUBLIC_V6 and found.sixtofour is None and found.teredo is None


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses that a name stands for."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Guarded(httpcore.AnyIOBackend):
    """Connects to what was checked, and to nothing else; the name stays for TLS and the Host header."""

    async def connect_tcp(  # type: ignore[override]
        self, host: str, port: int, timeout: float | None = None, **more: Any
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await resolve(host, port)
        except (gaierror, UnicodeError):
            raise httpcore.ConnectError("The name is not known.") from None
        if not addresses or not all(map(is_public, addresses)):
            raise Refused("The address leads into a network that is not public.")
        return await self._first(addresses, port, timeout, more)

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise Refused("The address leads into this machine.")

    async def _first(
        self, addresses: Iterable[str], port: int, timeout: float | None, more: dict[str, Any]
    ) -> httpcore.AsyncNetworkStream:
        last: Exception | None = None
        for address in addresses:
            try:
                return await super().connect_tcp(address, port, timeout, **more)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        assert last is not None
        raise last


_POOL: dict[str, Any] = {"network_backend": _Guarded(), "max_keepalive_connections": 0}
_HEADERS = [("User-Agent", "Copydesk"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
_TIMEOUTS = {"timeout": {"connect": CONNECT_SECONDS, "read": READ_SECONDS, "write": READ_SECONDS, "pool": READ_SECONDS}}
