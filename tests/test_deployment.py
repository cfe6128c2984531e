"""No container engine runs here: the files are read, and what they would run is run by hand, with their variables."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import yaml

from tests.conftest import as_unprivileged

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PASSWORD = "Pencil1879"


def interpolated(text: str, variables: dict[str, str]) -> str:
    """As compose does it: ${NAME:?message} is required, ${NAME:-default} is not."""

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if name in variables:
            return variables[name]
        assert operator == ":-", f"{name}: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(?:(:[?-])([^}]*))?\}", value, text)


def environment(service: str, **changed: str) -> dict[str, str]:
    """Only what the container would see, of Compose and of the image, and where to find Python."""
    image = dict(
        pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", DOCKERFILE, re.M) for pair in shlex.split(line)
    )
    compose = {
        name: interpolated(value, {"CMS_DATABASE_PASSWORD": PASSWORD})
        for name, value in SERVICES[service]["environment"].items()
    }
    bin = str(Path(sys.executable).parent)
    passed = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"PATH": f"{bin}:/usr/local/bin:/usr/bin:/bin", **passed, **image, **compose, **changed}


def run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def served_as_described(url: str, port: int, files: Path) -> None:
    """Migrate, serve, ask for health and stop: each as docker-compose.yml says, on another database and port."""
    changed = {"CMS_DATABASE_URL": url, "CMS_PORT": str(port), "CMS_DATA_DIR": str(files)}
    early = run(SERVICES["api"]["command"], environment("api", **changed))
    assert early.returncode == 1
    assert "cms migrate" in early.stderr
    migrated = run(SERVICES["migrate"]["command"], environment("migrate", **changed))
    assert migrated.returncode == 0, migrated.stderr
    variables = environment("api", **changed)
    check = SERVICES["api"]["healthcheck"]["test"]
    assert check[0] == "CMD"
    with subprocess.Popen(SERVICES["api"]["command"], env=variables, cwd="/") as server:
        try:
            deadline = time.monotonic() + 60
            while run(check[1:], variables).returncode != 0:
                assert server.poll() is None
                assert time.monotonic() < deadline
        finally:
            server.terminate()
    assert server.returncode == 0
    assert not (files / "postgres").exists()


def test_the_variables_are_settings_and_lead_to_the_database() -> None:
    assert environment("api")["CMS_DATABASE_URL"] == f"postgresql://cms:{PASSWORD}@database:5432/cms"
    assert environment("api") == environment("migrate")
    database = SERVICES["database"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("cms", "cms")
    assert environment("api")["CMS_HOST"] == "0.0.0.0"
    with pytest.raises(AssertionError, match="choose one"):
        interpolated(database["POSTGRES_PASSWORD"], {})


def test_the_order_of_things() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["api"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "restart" not in SERVICES["migrate"]
    for service in ("database", "api"):
        assert {"test", "interval", "timeout", "start_period"} <= SERVICES[service]["healthcheck"].keys()


def test_data_outlives_the_containers() -> None:
    mounted = {
        volume.split(":")[0]: volume.split(":")[1]
        for name in ("database", "api")
        for volume in SERVICES[name]["volumes"]
    }
    assert mounted == {"database": "/var/lib/postgresql", "files": environment("api")["CMS_DATA_DIR"]}
    assert COMPOSE["volumes"].keys() == mounted.keys()


@pytest.mark.parametrize("service", ["migrate", "api"])
def test_our_containers_may_do_little(service: str) -> None:
    described = SERVICES[service]
    (user,) = re.findall(r"^USER (\d+)$", DOCKERFILE, re.M)
    assert int(user) > 0
    assert described["user"] == user
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in described["security_opt"]
    assert "privileged" not in described


def test_the_image_is_made_of_what_is_there() -> None:
    copied = [shlex.split(line)[:-1] for line in re.findall(r"^COPY (?!--)(.*)$", DOCKERFILE, re.M)]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for source in [source for sources in copied for source in sources]:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed
    assert 'CMD ["cms", "serve"]' in DOCKERFILE
    assert f"EXPOSE {environment('api')['CMS_PORT']}" in DOCKERFILE


def test_what_compose_runs_works(server_url: str, unused_port: int, data_dir: Path) -> None:
    name = f"deployed_{os.getpid()}"
    asyncio.run(execute(server_url, f"create database {name} owner copydesk"))
    url = server_url.replace("postgres:", "copydesk:", 1).replace("@/postgres", f"@/{name}")
    served_as_described(url, unused_port, data_dir)


@pytest.mark.extended
def test_the_same_on_debians_postgresql_15(unused_port: int) -> None:
    with postgresql_15() as url:
        served_as_described(url, unused_port, Path("/nonexistent"))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@contextmanager
def postgresql_15() -> Iterator[str]:
    """The url of an empty database on a server of our own, from Debian's binaries."""
    bin = Path("/usr/lib/postgresql/15/bin")
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        (home / "password").write_text(PASSWORD)
        user = as_unprivileged(home, home / "password")

        def command(program: str, *arguments: str) -> None:
            subprocess.run(
                [bin / program, *arguments], cwd=home, check=True, stdout=subprocess.DEVNULL, timeout=120, **user
            )

        command(
            "initdb", "-D", "data", "-U", "cms", "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8", "-N"
        )
        options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
        command("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)
        try:
            url = f"postgresql://cms:{PASSWORD}@/postgres?host={quote(str(home))}"
            asyncio.run(execute(url, "create database news"))
            yield url.replace("@/postgres", "@/news")
        finally:
            command("pg_ctl", "stop", "-m", "fast", "-D", "data")
