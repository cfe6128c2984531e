"""Requests over a few connections of one's own, as fast as they are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles

import orjson


@dataclass(frozen=True)
class Measured:
    """Requests a second, and how long they took in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float
    bytes: int


def post(document: str, variables: dict[str, object] | None = None) -> bytes:
    body = orjson.dumps({"query": document, "variables": variables or {}})
    head = f"POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def measure(
    port: int, request: Callable[[int], bytes], *, connections: int = 16, warm_up: float = 1.0, seconds: float = 4.0
) -> Measured:
    """request(n) is the n-th request. Raises for an answer that is not 200 or holds errors."""
    took: list[float] = []
    size = 0
    start = time.perf_counter() + warm_up
    end = start + seconds
    number = iter(range(10**9))

    async def client() -> None:
        nonlocal size
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (before := time.perf_counter()) < end:
            writer.write(request(next(number)))
            size = await _answer(reader)
            if before >= start:
                took.append(time.perf_counter() - before)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    cuts = quantiles(took, n=100)
    return Measured(len(took) / seconds, cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000, size)


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if b" 200 " not in head[:20] or body.startswith(b'{"errors"'):
        raise RuntimeError(body[:500].decode())
    return length
