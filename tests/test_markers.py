"""That the search for secrets, which every test goes through, finds some (T7)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cms.accounts.credentials import Kind
from tests import markers
from tests.conftest import Api

_CASES = """
import logging, os, pytest
@pytest.mark.parametrize("token", {tokens})
def test_prints(token): print("a token: " + token)
def test_logs(): logging.getLogger().warning("the hash $argon2id$v=19$m=8")
def test_lets_a_process_say_it(): os.write(2, b"{tokens[0]}")
def test_says_nothing(): print("cms_ is how they begin")
"""


def test_T7_a_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_case.py"
    file.write_text(_CASES.format(tokens=[kind + "x" * 32 for kind in Kind]))
    command = [sys.executable, "-m", "pytest", "-p", "tests.markers", "-p", "no:cacheprovider", "-c", os.devnull]
    command += [f"--rootdir={tmp_path}", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=markers.ROOT)
    assert f"{len(Kind) + 2} failed, 1 passed" in run.stdout, run.stdout


def test_what_no_client_may_be_told_is_found() -> None:
    told = f"{markers.ROOT}/cms/app.py; select id from article where id = 1; asyncpg; $argon2id$v=19"
    assert len(markers.answered(told)) == 4
    assert markers.answered('{"data":{"articles":{"nodes":[{"headline":"Select voters from Ohio"}]}}}') == []


def test_the_password_of_the_database_is_found(database_url: str) -> None:
    assert len(markers.printed(f"connecting to {database_url}")) == 1
    assert len(markers.answered(f"connecting to {database_url}")) == 1


async def test_T7_an_answer_that_tells_too_much_fails(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "answered", lambda text: ["secret"] if "viewer" in text else [])
    with pytest.raises(AssertionError, match="secret"):
        await api("{ viewer { name } }")
