"""The database of the tests: one server for a run, a database for each of its processes, empty for each test.

`run_dir`       a directory of the whole run, which all its processes share
`db`            the models work, on an empty, migrated database
`database_url`  the url of that same database, for tests that start real processes
`server_url`    the url of a superuser, for tests that make databases of their own
`data_dir`      a new directory to run an embedded server in, which its unprivileged user can reach
`api`           asks the application, without a server: api(document, actor=…, **variables)
`configured`    sets variables of the environment for the time of a test: configured(CMS_PUBLIC_URL=…)
`serve`         starts `cms serve` as a process, with variables of the environment; it is stopped at the end
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
from argon2 import PasswordHasher

from cms import accounts, database, embedded
from cms.accounts import passwords
from cms.app import create_app
from cms.models import TokenScope, User
from cms.permissions import SYSTEM, Actor
from cms.settings import Settings, settings
from schema.front import Front
from tests import markers
from tests.ports import free_port

pytest_plugins = ["tests.library", "tests.streaming"]
pytest_runtest_makereport = markers.pytest_runtest_makereport

_DIRECTORY = pytest.StashKey[Path]()
_LOCK = pytest.StashKey[int]()
# Under /tmp itself: what pytest makes is closed to the user that PostgreSQL runs as when the tests run as root.
_PREFIX = "copydesk-tests-"


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[_DIRECTORY] = Path(config.workerinput["directory"])
        return
    for left in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        _remove_if_killed(left)
    directory = config.stash[_DIRECTORY] = Path(tempfile.mkdtemp(prefix=_PREFIX))
    directory.chmod(0o711)
    config.stash[_LOCK] = os.open(directory / "run.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(config.stash[_LOCK], fcntl.LOCK_EX)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: pytest.Item) -> None:
    """Tell a process of pytest-xdist where the run's directory is."""
    node.workerinput["directory"] = str(node.config.stash[_DIRECTORY])  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LOCK in config.stash:
        shutil.rmtree(config.stash[_DIRECTORY], ignore_errors=True)
        os.close(config.stash[_LOCK])


@pytest.fixture(scope="session")
def run_dir(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.stash[_DIRECTORY]


@pytest.fixture(scope="session")
def server_url(run_dir: Path) -> Iterator[str]:
    with embedded.running(run_dir, durable=False) as url:
        markers.keep_secret(url)
        yield url.replace("copydesk:", "postgres:", 1).replace("@/copydesk", "@/postgres")


@pytest.fixture(scope="session")
async def database_url(server_url: str, worker_id: str, run_dir: Path) -> str:
    with locked(run_dir / "template.lock"):
        if not await _exists(server_url, "template_cms"):
            await _execute(server_url, "drop database if exists making")
            await _execute(server_url, "create database making owner copydesk")
            async with database.open(Settings(database_url=_of_the_application(server_url, "making"))):
                await database.migrate()
            await _execute(_named(server_url, "making"), _KEEP_ROWS)
            await _execute(server_url, "alter database making rename to template_cms")
    await _execute(server_url, f"create database {worker_id} owner copydesk template template_cms")
    return _of_the_application(server_url, worker_id)


@pytest.fixture(scope="session")
async def _opened(database_url: str) -> AsyncIterator[None]:
    async with database.open(Settings(database_url=database_url)):
        yield


@pytest.fixture(scope="session")
async def _restorer(_opened: None, database_url: str, server_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(_named(server_url, urlsplit(database_url).path[1:]))
    yield connection
    await connection.close()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hashing that costs next to nothing. Processes that tests start hash in earnest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session", autouse=True)
def _searched_answers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Front, "__call__", markers.searched(Front.__call__))
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_files(run_dir: Path) -> Iterator[None]:
    """Files of the library go where the run's database is, not where this machine keeps its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMS_DATA_DIR", str(run_dir / "files"))
        settings.cache_clear()
        yield


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def configure(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield configure
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
async def db(_restorer: asyncpg.Connection) -> None:
    await _restorer.execute("call kept.restore()")


class Api:
    """The application, asked over HTTP without a server."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._tokens: dict[UUID, str] = {}

    async def answer(
        self,
        document: str,
        *,
        actor: Actor | None = None,
        token: str | None = None,
        accept: str = "application/json",
        **variables: Any,
    ) -> dict[str, Any]:
        """The whole answer. An actor asks with a token of its user's."""
        if actor is not None:
            token = await self._token(actor)
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = {"query": document, "variables": variables}
        response = await self._client.post("/graphql", json=request, headers=headers)
        if response.headers["content-type"].startswith("text/event-stream"):
            first, _, rest = response.text.partition("\n\n")
            assert rest == "event: complete\ndata:\n\n"
            return orjson.loads(first.removeprefix("event: next\ndata: "))  # type: ignore[no-any-return]
        return orjson.loads(response.content)  # type: ignore[no-any-return]

    async def __call__(self, document: str, **more: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.answer(document, **more)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]  # type: ignore[no-any-return]

    async def errors(self, document: str, **more: Any) -> list[str]:
        """The codes of the errors of an answer."""
        return [error["extensions"]["code"] for error in (await self.answer(document, **more)).get("errors", ())]

    async def write(self, name: str, input: dict[str, Any], select: str = "", **more: Any) -> dict[str, Any]:
        """What a mutation answers: fields of its result (select is a selection on it), or those of a Problem."""
        type = name[0].upper() + name[1:] + "Input"
        problem = "... on Problem { code message currentVersion issues { field code message } }"
        document = f"mutation($input: {type}!) {{ {name}(input: $input) {{ __typename {problem} {select} }} }}"
        return (await self(document, input=input, **more))[name]  # type: ignore[no-any-return]

    async def _token(self, actor: Actor) -> str:
        assert actor.user_id is not None
        if actor.user_id not in self._tokens:
            user = await User.get(id=actor.user_id)
            self._tokens[user.id] = await accounts.create_token(
                SYSTEM, name=user.name, scope=TokenScope.WRITE, user=user
            )
        return self._tokens[actor.user_id]


@pytest.fixture
async def api(db: None) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app()), base_url="http://newsroom.test"
    ) as client:
        yield Api(client)


@pytest.fixture
def data_dir(run_dir: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(dir=run_dir))
    directory.chmod(0o711)
    yield directory / "data"
    shutil.rmtree(directory)


@pytest.fixture
def unused_port() -> int:
    return free_port()


@dataclass
class Served:
    """A `cms serve` that answers at url."""

    url: str
    process: subprocess.Popen[str]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str, **variables: str) -> Served:
        port = int(variables.get("CMS_PORT") or free_port())
        command = [sys.executable, "-m", "cms.cli", "serve", *arguments]
        process = subprocess.Popen(command, env={**os.environ, "CMS_PORT": str(port), **variables}, text=True)
        started.append(Served(f"http://127.0.0.1:{port}", process))
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, f"it ended with {process.returncode}"
            assert time.monotonic() < deadline
            try:
                assert httpx.get(started[-1].url + "/health", timeout=5).status_code == 200
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.stop()


def as_unprivileged(*paths: Path) -> dict[str, Any]:
    """Arguments for subprocess to run PostgreSQL, which refuses root; the paths are given to that user."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    for path in paths:
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


# Deleting from empty tables is many times faster than truncating them, and the "replica" role, a superuser's, passes
# over foreign keys and the triggers that guard the log.
_KEEP_ROWS = """
create schema kept;
create table kept.columns as
    select relname, format('%I', relname) as name, string_agg(format('%I', attname), ', ' order by attnum) as columns
    from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
    where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'tortoise_migrations'
        and attgenerated = ''
    group by relname;
do $$
declare one record; rows bigint; clear text := ''; fill text := '';
begin
    for one in select * from kept.columns order by name loop
        clear := clear || format('delete from public.%s; ', one.name);
        execute format('select count(*) from public.%s', one.name) into rows;
        if rows > 0 then
            execute format('create table kept.%1$s as table public.%1$s', one.name);
            fill := fill
                || format('insert into public.%1$s (%2$s) select %2$s from kept.%1$s; ', one.name, one.columns);
        end if;
    end loop;
    execute format($make$
        create procedure kept.restore() language plpgsql set session_replication_role = replica
            set lock_timeout = '10s' as $body$
        begin
            %s %s
            perform setval(sequence, 1, false) from
                (select format('%%I.%%I', schemaname, sequencename)::regclass as sequence from pg_sequences
                 where schemaname = 'public' and last_value is not null
                 and sequencename <> 'tortoise_migrations_id_seq') as used;
        end $body$ $make$, clear, fill);
end $$;
"""


def _named(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _of_the_application(server_url: str, name: str) -> str:
    return _named(server_url, name).replace("postgres:", "copydesk:", 1)


async def _exists(server_url: str, name: str) -> bool:
    connection = await asyncpg.connect(server_url)
    try:
        return bool(await connection.fetchval("select exists(select from pg_database where datname = $1)", name))
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_if_killed(directory: Path) -> None:
    """Stop the server and remove the directory of a run that had no time to."""
    try:
        lock = os.open(directory / "run.lock", os.O_RDWR)
    except OSError:  # still being made, or somebody else's
        return
    with closing(os.fdopen(lock)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for home in directory.glob("**/postgres.users"):
            with embedded.running(home.parent):
                pass  # the last one out stops it
        shutil.rmtree(directory, ignore_errors=True)
