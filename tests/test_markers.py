"""That the search for secrets, which every test goes through, finds some (T7)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cms.accounts.credentials import Kind
from tests import markers
from tests.clients import ask

_CASES = """
import logging, os, pytest
from tests import markers
@pytest.mark.parametrize("token", {tokens})
def test_prints(token): print("a token: " + token)
def test_logs(): logging.getLogger().warning("the hash $argon2id$v=19$m=8")
def test_lets_a_process_say_it(): os.write(2, b"{tokens[0]}")
def test_tells_a_client(): markers._told.append("asyncpg")
def test_says_nothing(): print("cms_ is how they begin")
"""


def test_T7_a_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_case.py"
    file.write_text(_CASES.format(tokens=[kind + "x" * 32 for kind in Kind]))
    command = [sys.executable, "-m", "pytest", "-p", "tests.markers", "-p", "no:cacheprovider", "-c", os.devnull]
    command += [f"--rootdir={tmp_path}", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=markers.ROOT)
    assert f"{len(Kind) + 3} failed, 1 passed" in run.stdout, run.stdout


def test_what_no_client_may_be_told_is_found() -> None:
    told = f"{markers.ROOT}/cms/app.py; select id from article where id = 1; asyncpg; $argon2id$v=19"
    assert len(markers.answered(told)) == 4
    assert markers.answered('{"data":{"articles":{"nodes":[{"headline":"Select voters from Ohio"}]}}}') == []


def test_the_password_of_the_database_is_found(database_url: str) -> None:
    assert len(markers.printed(f"connecting to {database_url}")) == 1
    assert len(markers.answered(f"connecting to {database_url}")) == 1


def _telling(*messages: dict[str, Any]) -> markers.Ask:
    async def told(self: Any, scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return markers.searched(told)


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.start", "status": 200, "headers": [(b"location", b"/a/asyncpg")]}],
        [
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]},
            {"type": "http.response.body", "body": b"event: next asyn", "more_body": True},
            {"type": "http.response.body", "body": b"cpg"},
        ],
        [{"type": "websocket.send", "text": '{"type":"next","id":"1","payload":"asyncpg"}'}],
    ],
    ids=["a header", "an event in two parts", "a frame"],
)
async def test_T7_whatever_the_application_tells_is_searched(messages: list[dict[str, Any]]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await _telling(*messages)(None, {}, send, send)
    assert (markers.taken(), sent) == (["asyncpg"], messages)


async def test_T7_the_application_is_the_one_that_is_searched(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "answered", lambda text: ["secret"] if "viewer" in text else [])
    await ask("{ viewer { name } }")
    assert markers.taken() == ["secret"]
