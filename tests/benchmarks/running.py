"""What the benchmarks run: a PostgreSQL that is filled once, and servers that have a core to themselves."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import parse_qs, urlsplit

import asyncpg

from cms import database, embedded, listings
from cms.settings import Settings
from tests.benchmarks import relational
from tests.benchmarks.newsroom import fill

# PostgreSQL's, for every column alike: 100,000 stories fit in memory.
_TUNED = (
    "shared_buffers = '2GB'\neffective_cache_size = '8GB'\nrandom_page_cost = 1.1\nmax_wal_size = '8GB'\n"
    "maintenance_work_mem = '1GB'\nmax_connections = 200\n"
)
_START_SECONDS = 60
# By the port it answers at, which process.
_pids: dict[int, int] = {}


@contextmanager
def newsroom(stories: int, keep: Path | None = None) -> Iterator[str]:
    """The url of a database with so many stories; keep: where it is found, or left for the next time."""
    if (os.cpu_count() or 1) > 1:  # PostgreSQL and the load, which we start, inherit it
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)))
    directory = keep or Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    marker = directory / "stories"
    try:
        _tune(directory / "data")
        with embedded.running(directory / "data", durable=False) as url:
            if not marker.exists():
                asyncio.run(_fill(url, stories))
                marker.write_text(str(stories))
            elif marker.read_text() != str(stories):
                raise SystemExit(f"{directory} holds {marker.read_text()} stories, not {stories}")
            asyncio.run(_migrated(url))
            yield url
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def _tune(data: Path) -> None:
    configuration = data / "postgres/data/postgresql.conf"
    if not configuration.exists():
        with embedded.running(data, durable=False):
            pass
    if _TUNED not in (told := configuration.read_text()):
        configuration.write_text(told + _TUNED)


async def _fill(url: str, stories: int) -> None:
    async with database.open(Settings(database_url=url)):
        await database.migrate()
        connection = await database.connect()
        async with _unindexed(connection):
            await fill(url, stories)
            async with database.transaction():
                await listings.rebuild()
        await relational.copy(url)
        await connection.execute("vacuum analyze")
        await connection.close()


@asynccontextmanager
async def _unindexed(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What is large is written faster while only its keys are there; the indexes are made when it ends."""
    found = await connection.fetch(
        "select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename = any($1) "
        "and indexdef like '% USING gin %'",
        ["article", "revision", "head", "live", "slug", "related", "live_term", "head_term"],
    )
    for index in found:
        await connection.execute(f'drop index "{index["indexname"]}"')
    yield
    for index in found:
        await connection.execute(index["indexdef"])


async def _migrated(url: str) -> None:
    async with database.open(Settings(database_url=url)):
        await database.migrate()


@contextmanager
def started(command: Sequence[str], port: int, variables: dict[str, str]) -> Iterator[None]:
    """A process on the first core, from when it answers at its port."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **variables},
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} … {command[-1]} does not answer")
            time.sleep(0.05)
        _pids[port] = process.pid
        yield
    finally:
        _pids.pop(port, None)
        process.terminate()
        process.wait(20)


@contextmanager
def serving(app: str, url: str, *arguments: str, **variables: str) -> Iterator[int]:
    """The port of one process of uvicorn."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.served", app, str(port)]
    with started([*command, *arguments], port, {"CMS_DATABASE_URL": url, **postgres(url), **variables}):
        yield port


def postgres(url: str) -> dict[str, str]:
    """The database as the variables say it that libpq, asyncpg and node's pg know."""
    parts = urlsplit(url)
    given = {"PGUSER": parts.username, "PGPASSWORD": parts.password, "PGDATABASE": parts.path.lstrip("/")}
    host = parse_qs(parts.query).get("host", [parts.hostname])[0]
    return {
        name: value for name, value in {**given, "PGHOST": host, "PGPORT": str(parts.port or 5432)}.items() if value
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def take_seats(urls: Iterable[str], turn: int) -> None:
    """Servers have the first core to themselves and PostgreSQL and the load the others, or, every other turn, servers
    the last one: cores of a machine that others share are not equally fast."""
    cores = list(range(os.cpu_count() or 1))
    alone = cores[-1 if turn % 2 else 0]
    shared = {each for each in cores if each != alone} or {alone}
    masters = {_postmaster(url) for url in urls}
    for process in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        if process in _pids.values():
            _seat(process, {alone})
        elif process in masters or process == os.getpid() or _stat(process)[0] in masters:
            _seat(process, shared)


def unevenness(seconds: float) -> float:
    """Of equal pieces of work of some tenths of a millisecond on the servers' core, with nothing else to do: how many
    times as long as the median the slowest hundredth take. No answer can be more even than that."""
    before, took = os.sched_getaffinity(0), []
    os.sched_setaffinity(0, {0})
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        number = 0
        for each in range(5_000):
            number += each
        took.append(time.perf_counter() - began)
    os.sched_setaffinity(0, before)
    return quantiles(took, n=100)[98] / median(took)


def _seat(process: int, cores: set[int]) -> None:
    with suppress(OSError):  # it has just ended
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), cores)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(port: int, url: str) -> tuple[float, float]:
    """What the server at this port has used so far, and what PostgreSQL has."""
    postmaster = _postmaster(url)
    processes = [_stat(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    postgres = sum(used for parent, used, _ in processes if parent == postmaster) + _stat(postmaster)[2]
    return _stat(_pids[port])[1], postgres


def _postmaster(url: str) -> int:
    socket_directory = Path(parse_qs(urlsplit(url).query)["host"][0])
    return int((socket_directory / ".s.PGSQL.5432.lock").read_text().split()[0])


def resident(port: int) -> int:
    """The memory of the server at this port, in bytes."""
    pages = Path("/proc", str(_pids[port]), "statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _stat(process: int) -> tuple[int, float, float]:
    """Its parent, and the seconds of CPU that it has used, and those that its children had when they ended; of one that
    has just ended itself, nothing."""
    try:
        fields = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0.0, 0.0
    own, children = (sum(map(int, each)) / os.sysconf("SC_CLK_TCK") for each in (fields[11:13], fields[13:15]))
    return int(fields[1]), own, children
