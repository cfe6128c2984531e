from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeAlias, cast
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from cms.cli import main
from cms.settings import settings
from tests.conftest import Served
from tests.test_database import alive

Ended: TypeAlias = "subprocess.CompletedProcess[str]"

COMMANDS = ["serve", "migrate", "schema"]


def cms(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "cms.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """The same within this process, which is much faster."""

    def run(*arguments: str, **variables: str) -> Ended:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["cms", *arguments])
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, cast(int, ended.value.code), output.out, output.err)

    yield run
    settings.cache_clear()


@pytest.fixture
async def empty(server_url: str) -> AsyncIterator[str]:
    """The url of a database without a table."""
    name = f"empty_{uuid4().hex}"
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"create database {name} owner copydesk")
    yield urlsplit(server_url.replace("postgres:", "copydesk:", 1))._replace(path=f"/{name}").geturl()
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["publish-everything"], "No such command"),
        (["serve", "--port", "seventy"], "--port"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--workers", "0"], "--workers"),
        (["migrate", "now"], "now"),
    ],
)
def test_a_wrong_call_is_one_line(call: Callable[..., Ended], arguments: list[str], words: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("cms: ")
    assert words in done.stderr
    assert "--help" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(call: Callable[..., Ended], command: str) -> None:
    done = call(command, "--help")
    assert done.returncode == 0
    assert f"Usage: cms {command}" in done.stdout
    assert "Example" in done.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CMS_PORT": "seventy"}, "CMS_PORT"),
        ({"CMS_DATABASE_URL": "sqlite://news.db"}, "CMS_DATABASE_URL"),
        ({"CMS_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/news"}, "cannot connect"),
        ({"CMS_DATA_DIR": "/dev/null/here"}, "/dev/null/here"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_what_the_environment_has_wrong_is_one_line(
    call: Callable[..., Ended], command: str, variables: dict[str, str], words: str
) -> None:
    done = call(command, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


async def test_an_external_database_is_migrated_first_and_served_then(empty: str, serve: Callable[..., Served]) -> None:
    refused = await asyncio.to_thread(cms, "serve", CMS_DATABASE_URL=empty)
    assert refused.returncode == 1
    assert "0001_initial" in refused.stderr
    assert "cms migrate" in refused.stderr
    assert refused.stderr.count("\n") == 1
    first, second = [await asyncio.to_thread(cms, "migrate", CMS_DATABASE_URL=empty) for _ in range(2)]
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, "0001_initial")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    served = await asyncio.to_thread(serve, CMS_DATABASE_URL=empty)
    assert await asyncio.to_thread(served.stop) == 0


async def test_an_external_database_that_a_newer_release_changed_is_refused(empty: str) -> None:
    await asyncio.to_thread(cms, "migrate", CMS_DATABASE_URL=empty)
    connection = await asyncpg.connect(empty)
    await connection.execute(
        "insert into tortoise_migrations (app, name, applied_at) values ('cms', '9999_next_incompatible', now())"
    )
    await connection.close()
    for command in ("serve", "migrate"):
        refused = await asyncio.to_thread(cms, command, CMS_DATABASE_URL=empty)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "9999_next_incompatible" in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_runs_and_stops_the_embedded_database(
    data_dir: Path, serve: Callable[..., Served], number: signal.Signals
) -> None:
    served = serve(CMS_DATA_DIR=str(data_dir))
    answer = httpx.get(served.url + "/health")
    assert answer.headers["content-type"] == "application/json"
    assert "server" not in answer.headers
    assert alive(data_dir)
    assert served.stop(number) == 0
    assert not alive(data_dir)


def test_many_workers_and_many_servers_share_the_embedded_database(
    data_dir: Path, serve: Callable[..., Served]
) -> None:
    first = serve("--workers", "2", CMS_DATA_DIR=str(data_dir))
    second = serve(CMS_DATA_DIR=str(data_dir))
    assert first.stop() == 0
    assert alive(data_dir)
    assert httpx.get(second.url + "/health").status_code == 200
    assert second.stop() == 0
    assert not alive(data_dir)


def test_a_port_that_is_taken_stops_serve_and_the_database(data_dir: Path, serve: Callable[..., Served]) -> None:
    served = serve(CMS_DATA_DIR=str(data_dir))
    taken = cms("serve", "--port", str(urlsplit(served.url).port), CMS_DATA_DIR=str(data_dir))
    assert taken.returncode == 1
    assert "address already in use" in taken.stderr
    assert served.stop() == 0
    assert not alive(data_dir)


def test_the_schema_is_printed(call: Callable[..., Ended]) -> None:
    done = call("schema", CMS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 0
    assert "type Query" in done.stdout
