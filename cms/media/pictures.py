"""Asks the processes that read pictures (cms.vips): a few at a time, each within limits of memory and time.

A process is started when it is first needed, serves many pictures, and is replaced when one of them killed it. What
waits for a free one waits in a queue of QUEUE at most: so many pictures at once need no more memory than a few.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import selectors
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

from cms.errors import Invalid, RateLimited
from cms.settings import settings

QUEUE = 200
FRAMES = 500
_TASKS = 200  # then a process makes room for a fresh one

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Examined:
    """What a picture is: width and height in pixels as displayed, and what its IPTC and XMP say."""

    width: int
    height: int
    frames: int
    placeholder: str
    dominant_color: str
    said: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """A rendition: its exact size, format (jpeg, webp, avif, png) and quality (1..100), what of the picture has to stay
    in view where its shape changes (0..1), and what is written into it."""

    width: int
    height: int
    format: str
    quality: int
    focal: tuple[float, float]
    credit: str | None = None
    copyright: str | None = None


async def examine(path: Path) -> Examined:
    """Decode the whole picture. Raises Invalid for one that is not to be taken."""
    return Examined(**(await _ask({"do": "examine", "path": str(path)}))["examined"])


async def render(path: Path, target: Path, wish: Wish) -> None:
    """Write the rendition of a picture that was examined once."""
    await _ask({"do": "render", "path": str(path), "target": str(target), "wish": asdict(wish)})


async def _ask(task: dict[str, Any]) -> dict[str, Any]:
    pool = _pool()
    if pool.asked >= QUEUE:
        raise RateLimited("Too many pictures are waiting to be made: try again in a few seconds.", retry_after=5)
    pool.asked += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(pool.threads, pool.run, task)
    finally:
        pool.asked -= 1


class Died(Exception):
    """A process ended, or took too long, over a picture."""


@dataclass
class _Pool:
    """As many threads as there may be processes; each waits for one of them."""

    size: int
    idle: list[_Process] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    asked: int = 0

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(self.size, thread_name_prefix="pictures")

    def run(self, task: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            process = self.idle.pop() if self.idle else None
        process = process or _Process()
        try:
            outcome = process.do(task)
        except Died as died:
            process.stop()
            log.warning("picture.failed", task=task["do"], reason=str(died))
            raise Invalid.field("uploadId", "too_large", "The picture takes too much memory or time.") from None
        self._give_back(process)
        return _judged(outcome)

    def _give_back(self, process: _Process) -> None:
        if process.tasks >= _TASKS:
            process.stop()
            return
        with self.lock:
            self.idle.append(process)

    def stop(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        for process in self.idle:
            process.stop()


def _judged(outcome: dict[str, Any]) -> dict[str, Any]:
    if "refused" in outcome:
        raise Invalid.field("uploadId", *outcome["refused"])
    if "failed" in outcome:
        log.warning("picture.failed", reason=outcome["failed"])
        raise Invalid.field("uploadId", "unreadable", "The picture is damaged or of a variety that cannot be read.")
    return outcome


class _Process:
    def __init__(self) -> None:
        limits = (settings().picture_memory, settings().picture_pixels, FRAMES)
        self.tasks = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "cms.vips", *map(str, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Nothing of our own environment: the process that reads what strangers send knows no secret.
            env={
                "PATH": os.defpath,
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "MALLOC_ARENA_MAX": "2",
                "VIPS_CONCURRENCY": "2",
            },
            start_new_session=True,  # Ctrl-C is for us: we let it finish or stop it
        )

    def do(self, task: dict[str, Any]) -> dict[str, Any]:
        self.tasks += 1
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Died("it had ended") from None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(settings().picture_seconds):
                raise Died("it took too long")
        line = self._process.stdout.readline()
        if not line:
            raise Died("it ended")
        return json.loads(line)  # type: ignore[no-any-return]

    def stop(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


@cache
def _pool() -> _Pool:
    pool = _Pool(settings().picture_processes)
    atexit.register(pool.stop)
    return pool
