"""Requests over a few connections of one's own, as fast as they are answered."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import orjson


@dataclass(frozen=True)
class Measured:
    """Requests a second, and how long they took in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float
    bytes: int = 0  # of an answer, where that was looked at
    server: float = 0.0  # milliseconds of CPU a request, where that was looked at
    postgres: float = 0.0


def best(rounds: Sequence[Measured]) -> Measured:
    """Whatever else the machine does makes a round slower only."""
    return max(rounds, key=lambda each: each.per_second)


def times(ours: Sequence[Measured], others: Sequence[Measured]) -> float:
    """How many times as many requests a second as others, in the median of the rounds: who is measured in one round
    shares the speed that the machine has by then."""
    return median(one.per_second / other.per_second for one, other in zip(ours, others, strict=True))


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
    if b" 304 " in head[:20]:
        return 0
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if b" 200 " not in head[:20] or body.startswith(b'{"errors"'):
        raise RuntimeError(body[:500].decode())
    return length


@dataclass(frozen=True)
class Wish:
    """A request: GET, or POST where it has a body."""

    path: str
    body: str | None = None
    etag: str | None = None


# wrk asks for the requests in turn; it sees no difference between an answer and an error: all are looked at before.
_LUA = """
local requests, number = {}, 0
for line in io.lines("%s") do
  local method, path, etag, body = line:match("^(%%S+) (%%S+) (%%S+) ?(.*)$")
  local headers = {["Host"] = "bench", ["Content-Type"] = "application/json"}
  if etag ~= "-" then headers["If-None-Match"] = etag end
  requests[#requests + 1] = wrk.format(method, path, headers, method == "POST" and body or nil)
end
request = function() number = number %% #requests + 1; return requests[number] end
done = function(summary, latency)
  io.write(string.format("RESULT %%d %%d %%f %%f %%f %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), summary.errors.status))
end
"""


def ask_once(port: int, wishes: Sequence[Wish]) -> None:
    """Everything is asked for, and the first thrice, so that its document is known; raises for an error."""
    raw = [_raw(each) for each in wishes]
    asyncio.run(_all(port, [raw[0], raw[0], *raw]))


def load(port: int, wishes: Sequence[Wish], *, connections: int = 16, seconds: float = 4.0) -> Measured:
    """What wrk measures; without wrk, what `measure` does."""
    if shutil.which("wrk") is None:
        raw = [_raw(each) for each in wishes]
        return asyncio.run(measure(port, lambda n: raw[n % len(raw)], connections=connections, seconds=seconds))
    with tempfile.TemporaryDirectory() as directory:
        requests, script = Path(directory) / "requests", Path(directory) / "load.lua"
        requests.write_text("".join(_line(each) for each in wishes))
        script.write_text(_LUA % requests)
        command = ["wrk", "-t1", f"-c{connections}", "-s", str(script), f"http://127.0.0.1:{port}"]
        found = subprocess.run([*command, f"-d{seconds:.0f}s"], check=True, capture_output=True, text=True).stdout
    count, took, p50, p95, p99, errors = found.partition("RESULT ")[2].split()
    if int(errors):
        raise RuntimeError(f"{errors} of {count} answers were errors")
    return Measured(int(count) / (int(took) / 1e6), float(p50) / 1e3, float(p95) / 1e3, float(p99) / 1e3)


async def _all(port: int, raw: Sequence[bytes]) -> None:
    waiting = iter(raw)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            writer.write(each)
            await _answer(reader)
        writer.close()

    await asyncio.gather(*(client() for _ in range(8)))


def _line(wish: Wish) -> str:
    method = "GET" if wish.body is None else "POST"
    return f"{method} {wish.path} {wish.etag or '-'} {(wish.body or '')}\n"


def _raw(wish: Wish) -> bytes:
    etag = f"If-None-Match: {wish.etag}\r\n" if wish.etag else ""
    if wish.body is None:
        return f"GET {wish.path} HTTP/1.1\r\nHost: bench\r\n{etag}\r\n".encode()
    body = wish.body.encode()
    head = (
        f"POST {wish.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body
