from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from tortoise import connections

from cms import database, embedded
from cms.database import DatabaseUnavailable
from cms.models import Tag
from cms.settings import Settings
from tests.test_listings import statements

SECONDS = 60
# <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36

USE = """
import sys
from pathlib import Path
from cms import embedded
with embedded.running(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as url:
    print(url, flush=True)
    sys.stdin.read()
"""

MIGRATE = """
import asyncio, json, sys
from cms import database
from cms.settings import Settings
async def main():
    async with database.open(Settings(database_url=sys.argv[1])):
        print(json.dumps(await database.migrate(sys.argv[2])))
asyncio.run(main())
"""


class User:
    """Another process that uses the embedded server until it is told to leave, or killed."""

    def __init__(self, data_dir: Path, durable: bool) -> None:
        command = [sys.executable, "-c", USE, str(data_dir), "durable" if durable else "quick"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def url(self) -> str:
        assert self.process.stdout
        url = self.process.stdout.readline().strip()
        assert url, "it failed to start"
        return url

    def leave(self) -> None:
        self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


@pytest.fixture
def user(data_dir: Path) -> Iterator[Callable[..., User]]:
    made: list[User] = []

    def start(durable: bool = False) -> User:
        made.append(User(data_dir, durable))
        return made[-1]

    yield start
    for one in made:
        if one.process.returncode is None:
            one.kill()
    if (data_dir / "postgres").exists() and alive(data_dir):
        with running(data_dir):
            pass


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    with embedded.running(data_dir, durable=False) as url:
        yield url


def alive(data_dir: Path) -> bool:
    """Whether any process of the server lives."""
    return locked(data_dir / "postgres.alive")


def locked(path: Path) -> bool:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def pid_file(data_dir: Path) -> Path:
    return data_dir / "postgres" / "data" / "postmaster.pid"


def postmaster(data_dir: Path) -> int:
    return int(pid_file(data_dir).read_text().split()[0])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(url: str, statement: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(answer())


# The embedded server


def test_processes_share_one_server_and_the_last_one_stops_it(user: Callable[..., User], data_dir: Path) -> None:
    first, second = user(), user()
    assert first.url() == second.url()
    server = postmaster(data_dir)
    first.leave()
    assert alive(data_dir)
    assert postmaster(data_dir) == server
    second.leave()
    assert not alive(data_dir)
    assert not pid_file(data_dir).exists()


def test_a_first_start_by_many_processes_at_once_makes_one_server(user: Callable[..., User], data_dir: Path) -> None:
    users = [user() for _ in range(4)]
    assert len({one.url() for one in users}) == 1
    for one in users:
        one.leave()
    assert not alive(data_dir)


def test_a_killed_user_leaves_a_server_that_the_next_one_takes_over(user: Callable[..., User], data_dir: Path) -> None:
    first = user()
    first.url()
    server = postmaster(data_dir)
    first.kill()
    assert alive(data_dir)
    second = user()
    second.url()
    assert postmaster(data_dir) == server
    second.leave()
    assert not alive(data_dir)


def test_a_killed_server_is_started_again_with_all_that_was_committed(
    user: Callable[..., User], data_dir: Path
) -> None:
    first = user(durable=True)
    url = first.url()
    ask(url, "create table kept (n int)")
    ask(url, "insert into kept select generate_series(1, 1000)")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    second = user(durable=True)  # while the first one is still there
    assert ask(second.url(), "select count(*) from kept") == 1000
    first.leave()
    assert ask(url, "select count(*) from kept") == 1000
    second.leave()
    assert not alive(data_dir)


@contextmanager
def adopting() -> Iterator[None]:
    """While inside, this process is given what has lost its parents and, as a container's first one often does, does
    not reap it."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
    try:
        yield
    finally:
        assert prctl(PR_SET_CHILD_SUBREAPER, 0) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reaping for others is Linux")
def test_the_last_one_leaves_a_server_that_is_being_killed(user: Callable[..., User], data_dir: Path) -> None:
    with adopting():
        last = user()
        url = last.url()
        server = postmaster(data_dir)

        async def killed() -> int:
            connection = await asyncpg.connect(url)
            backend = connection.get_server_pid()
            os.kill(backend, signal.SIGSTOP)
            os.kill(server, signal.SIGKILL)
            connection.terminate()
            return int(backend)

        backend = asyncio.run(killed())
    until(lambda: Path(f"/proc/{server}/stat").read_text().rsplit(")")[-1].split()[0] == "Z")
    try:
        assert alive(data_dir)
        leaving = threading.Thread(target=last.leave)
        leaving.start()
        until(lambda: locked(data_dir / "postgres.start"))
    finally:
        os.kill(backend, signal.SIGCONT)
    leaving.join(SECONDS)
    os.waitpid(server, 0)
    assert last.process.returncode == 0
    assert not alive(data_dir)


def test_a_stale_pid_that_belongs_to_somebody_else_by_now(user: Callable[..., User], data_dir: Path) -> None:
    first = user()
    first.url()
    owner = pid_file(data_dir).stat()
    os.kill(postmaster(data_dir), signal.SIGKILL)
    first.kill()
    until(lambda: not alive(data_dir))
    as_root = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "600"], **as_root)  # type: ignore[call-overload]
    try:
        lines = pid_file(data_dir).read_text().splitlines(keepends=True)
        pid_file(data_dir).write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        second = user()
        assert ask(second.url(), "select 1") == 1
        assert postmaster(data_dir) != stranger.pid
        second.leave()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_killed_while_the_data_directory_is_made(user: Callable[..., User], data_dir: Path) -> None:
    first = user()
    until(lambda: list(data_dir.glob("postgres.new-*/data/base")))
    first.kill()
    assert not (data_dir / "postgres").exists()
    second = user()
    assert ask(second.url(), "select 1") == 1
    second.leave()


@pytest.mark.parametrize("name", ["d" * 150, 'it\'s a "new" $HOME, 100 % ours'])
def test_paths_that_sockets_or_shells_cannot_take(data_dir: Path, name: str) -> None:
    with running(data_dir / name) as url:
        assert ask(url, "select 1") == 1
        (directory,) = parse_qs(urlsplit(url).query)["host"]
        assert directory.startswith("/tmp/copydesk-")
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    os.rmdir(directory)  # it is empty now


def test_nobody_else_can_connect(data_dir: Path) -> None:
    with running(data_dir) as url:
        directory = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres" / "password").stat().st_mode) == 0o600
        assert ask(url, "show listen_addresses") == ""
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(urlsplit(url).password or "", "guess"), "select 1")
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace("copydesk:", "postgres:", 1).replace(urlsplit(url).password or "", ""), "select 1")
        assert ask(url, "select rolsuper from pg_roles where rolname = current_user") is False
        assert ask(url, "select lower('ÄДΣ')") == "äдσ"
        server = os.stat(f"/proc/{postmaster(data_dir)}").st_uid if sys.platform == "linux" else os.geteuid() or 1
        assert server != 0
        assert server == directory.stat().st_uid
        assert os.geteuid() in (0, server)


def test_a_socket_directory_of_somebody_else_is_refused(data_dir: Path) -> None:
    with running(data_dir):
        pass
    (data_dir / "postgres" / "run").chmod(0o755)
    with pytest.raises(DatabaseUnavailable, match="not a private directory"), running(data_dir):
        pass


def test_data_of_another_major_version_is_refused_with_the_way_out(data_dir: Path) -> None:
    with running(data_dir):
        pass
    marker = data_dir / "postgres" / "data" / "PG_VERSION"
    marker.write_text("17\n")
    with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL 17.*runs 18.*pg_dump"), running(data_dir):
        pass
    assert marker.read_text() == "17\n"


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    with running(data_dir):
        pass
    with (data_dir / "postgres" / "data" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'plenty'\n")
    with pytest.raises(DatabaseUnavailable, match=r"did not start: .*FATAL"), running(data_dir):
        pass


def test_binaries_that_the_server_cannot_reach_are_copied(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may = embedded._Server._may
    monkeypatch.setattr(embedded._Server, "_may", lambda self, test, path: test != "-x" and may(self, test, path))
    for _ in range(2):
        with running(data_dir) as url:
            assert ask(url, "select 1") == 1
            command = (data_dir / "postgres" / "data" / "postmaster.opts").read_text()
            (copy,) = data_dir.glob("postgresql-*")
            assert command.startswith(str(copy))


def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match="cannot be used"), running(tmp_path / "file"):
        pass


# The connection


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss@db.example:6432/news", ("db.example", 6432, "u", "p@ss", "news", None)),
        ("postgres://u@db/news?sslmode=require", ("db", 5432, "u", None, "news", "require")),
        ("postgresql://u:p@/news?host=/run/pg&port=5433", ("/run/pg", 5433, "u", "p", "news", None)),
        ("postgresql://", (None, 5432, None, None, None, None)),
        ("postgresql://u@[::1]/news", ("::1", 5432, "u", None, "news", None)),
    ],
)
def test_urls(url: str, expected: tuple[object, ...]) -> None:
    found = database._credentials(url)
    assert tuple(found.get(key) for key in ("host", "port", "user", "password", "database", "ssl")) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:secret@db/news", "must look like"),
        ("postgresql://u:secret@db:none/news", "port"),
        ("postgresql://u:secret@db/news?speed=high", "speed"),
    ],
)
def test_urls_that_are_refused_are_not_repeated(url: str, words: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=words) as refused:
        database._credentials(url)
    assert "secret" not in str(refused.value)


async def test_a_server_that_is_not_there(unused_port: int) -> None:
    settings = Settings(database_url=f"postgresql://u:secret@127.0.0.1:{unused_port}/news")
    with pytest.raises(DatabaseUnavailable, match=f"cannot connect.*{unused_port}") as refused:
        async with database.open(settings):
            pass
    assert "secret" not in str(refused.value)


async def test_a_server_that_is_too_old(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST", 99)
    with pytest.raises(DatabaseUnavailable, match="99 or newer"):
        async with database.open(Settings(database_url=database_url)):
            pass


async def test_the_session_of_a_connection(db: None) -> None:
    connection = await database.connect()
    try:
        assert await connection.fetchval("show timezone") == "UTC"
        assert await connection.fetchval("show jit") == "off"
    finally:
        await connection.close()


# Transactions


async def test_a_transaction_is_all_or_nothing_and_a_nested_one_a_savepoint(db: None) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await Tag.create(name="one", slug="one", folded="one")
            raise ZeroDivisionError
    assert await Tag.all().count() == 0
    async with database.transaction():
        await Tag.create(name="kept", slug="kept", folded="kept")
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                await Tag.create(name="lost", slug="lost", folded="lost")
                raise ZeroDivisionError
    assert [tag.name for tag in await Tag.all()] == ["kept"]


async def test_victims_of_a_deadlock_try_again(db: None) -> None:
    for name in "ab":
        await Tag.create(name=name, slug=name, folded=name)
    both_hold_one = asyncio.Barrier(2)
    tries = 0

    @database.retrying
    async def rename(first: str, second: str) -> None:
        nonlocal tries
        tries += 1
        async with database.transaction():
            await Tag.filter(slug=first).update(description=first)
            if tries <= 2:
                await both_hold_one.wait()
            await Tag.filter(slug=second).update(description=first)

    await asyncio.gather(rename("a", "b"), rename("b", "a"))
    assert tries == 3


async def test_a_deadlock_inside_a_transaction_is_its_owners_affair(db: None) -> None:
    tries = 0

    @database.retrying
    async def fail() -> None:
        nonlocal tries
        tries += 1
        raise asyncpg.DeadlockDetectedError("deadlock")

    with pytest.raises(asyncpg.DeadlockDetectedError):
        async with database.transaction():
            await fail()
    assert tries == 1
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await fail()
    assert tries == 1 + database.TRIES


async def test_cancelled_tasks_give_their_connections_back_clean(db: None, database_url: str) -> None:
    async def write(number: int) -> None:
        async with database.transaction():
            await database.lock("select pg_advisory_xact_lock(1), set_config('work_mem', '1MB', true)")
            await Tag.create(name=str(number), slug=str(number), folded=str(number))
            await asyncio.sleep(0.002)
            raise ZeroDivisionError

    chance = random.Random(7)
    async with database.open(Settings(database_url=database_url, database_pool_size=3)):
        for number in range(300):
            task = asyncio.create_task(write(number))
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(10):  # all three are there
            await asyncio.gather(*(hold(0.05) for _ in range(3)))
    assert await Tag.all().count() == 0


async def hold(seconds: float) -> None:
    left = (
        "select pg_sleep($1), current_setting('work_mem'), (select count(*) from pg_locks where pid = pg_backend_pid() "
    )
    async with database.transaction() as connection:
        found = await connection.execute_query(left + "and locktype = 'advisory')", [seconds])
    assert tuple(found[1][0])[1:] == ("4MB", 0)


async def test_a_lock_is_asked_for_once_in_a_transaction_and_again_where_its_savepoint_was_undone(db: None) -> None:
    statement = "select pg_advisory_xact_lock(1)"
    held = "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'"

    async def count() -> int:
        return int((await connections.get("default").execute_query(held))[1][0][0])

    async with database.transaction():
        with statements() as seen:
            await database.lock(statement)
            async with database.transaction():
                await database.lock(statement)
        assert (seen.count(statement), await count()) == (1, 1)
    async with database.transaction():
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                await database.lock(statement)
                raise ZeroDivisionError
        assert await count() == 0
        await database.lock(statement)
        assert await count() == 1


# Migrations

FIRST = """
from tortoise import migrations
from tortoise.migrations import operations as ops
class Migration(migrations.Migration):
    operations = [ops.RunSQL("create table one (n int)")]
"""
# Waits for as long as the table "pause" says.
SECOND = """
from tortoise import migrations
from tortoise.migrations import operations as ops
class Migration(migrations.Migration):
    dependencies = [("cms", "0001_first")]
    operations = [ops.RunSQL("create table two (n int)"), ops.RunSQL("select pg_sleep(seconds) from pause")]
"""


@pytest.fixture
async def empty(server_url: str) -> AsyncIterator[str]:
    """The url of a database of one's own, without a table of ours."""
    name = f"empty_{uuid4().hex}"
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"create database {name} owner copydesk")
    url = urlsplit(server_url.replace("postgres:", "copydesk:", 1))._replace(path=f"/{name}").geturl()
    yield url
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package with two migrations, for this process and those it starts."""
    name = f"migrations_{uuid4().hex}"
    directory = tmp_path / name
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "0001_first.py").write_text(FIRST)
    (directory / "0002_second.py").write_text(SECOND)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


@contextmanager
def migrating(url: str, package: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", MIGRATE, url, package]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def state(url: str) -> tuple[set[str], set[str]]:
    """Tables, and recorded migrations."""
    connection = await asyncpg.connect(url)
    try:
        tables = {
            row["tablename"]
            for row in await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        }
        recorded = set()
        if "tortoise_migrations" in tables:
            recorded = {row["name"] for row in await connection.fetch("select name from tortoise_migrations")}
        return tables, recorded
    finally:
        await connection.close()


async def pause(url: str, seconds: int | None) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("create table if not exists pause (seconds int); truncate pause")
    if seconds:
        await connection.execute("insert into pause values ($1)", seconds)
    await connection.close()


async def test_concurrent_migrations_all_succeed_and_one_of_them_does_it(empty: str, package: str) -> None:
    await pause(empty, 1)  # so that the others come while one is at it
    with migrating(empty, package) as one, migrating(empty, package) as two, migrating(empty, package) as three:
        done = []
        for process in (one, two, three):
            output, errors = await asyncio.to_thread(process.communicate, timeout=SECONDS)
            assert process.returncode == 0, errors
            done.append(json.loads(output))
    assert sorted(done) == [[], [], ["0001_first", "0002_second"]]
    tables, recorded = await state(empty)
    assert {"one", "two"} <= tables
    assert recorded == {"0001_first", "0002_second"}


async def test_a_migration_killed_in_the_middle_leaves_the_old_state(empty: str, package: str) -> None:
    await pause(empty, 600)
    watch = await asyncpg.connect(empty)
    here = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    try:
        with migrating(empty, package) as process:
            async with asyncio.timeout(SECONDS):
                while not await watch.fetchval(f"select count(*) {here} and query like '%pg_sleep(seconds)%'"):
                    await asyncio.sleep(0.01)
            process.kill()
        await pause_is_over(watch, here)
        assert await state(empty) == ({"pause"}, set())
        await watch.execute("truncate pause")
    finally:
        await watch.close()
    with migrating(empty, package) as again:
        output, errors = await asyncio.to_thread(again.communicate, timeout=SECONDS)
        assert json.loads(output) == ["0001_first", "0002_second"], errors
    assert (await state(empty))[1] == {"0001_first", "0002_second"}


async def pause_is_over(watch: asyncpg.Connection, here: str) -> None:
    """The server has noticed, long before the statement would have ended."""
    async with asyncio.timeout(30):
        while await watch.fetchval(f"select count(*) {here}"):
            await asyncio.sleep(0.01)


async def test_a_failing_migration_undoes_those_before_it(empty: str, package: str) -> None:
    async with database.open(Settings(database_url=empty)):  # there is no table "pause"
        with pytest.raises(Exception, match="pause"):
            await database.migrate(package)
        assert await database.pending(package) == ["0001_first", "0002_second"]
    assert await state(empty) == (set(), set())


async def test_what_is_pending_is_asked_for(empty: str, package: str) -> None:
    await pause(empty, None)
    async with database.open(Settings(database_url=empty)):
        with pytest.raises(DatabaseUnavailable, match=r"0001_first, 0002_second.*cms migrate"):
            await database.check_migrations(package)
        assert await database.migrate(package) == ["0001_first", "0002_second"]
        assert await database.pending(package) == []
        await database.check_migrations(package)
        assert await database.migrate(package) == []


async def test_a_newer_release_may_leave_a_database_that_this_one_can_use_or_not(empty: str, package: str) -> None:
    await pause(empty, None)
    async with database.open(Settings(database_url=empty)):
        await database.migrate(package)
        connection = await database.connect()
        record = "insert into tortoise_migrations (app, name, applied_at) values ('cms', $1, now())"
        await connection.execute(record, "0003_added")
        await database.check_migrations(package)
        assert await database.migrate(package) == []
        await connection.execute(record, "0004_dropped_incompatible")
        await connection.close()
        for refuse in (database.check_migrations, database.migrate):
            with pytest.raises(DatabaseUnavailable, match=r"newer release.*0004_dropped_incompatible"):
                await refuse(package)
