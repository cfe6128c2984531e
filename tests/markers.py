"""Every test is also one that no secret is logged or answered: what it printed and what clients were told is searched.

A plugin of pytest. Digests of passwords, credentials and the password of the database are secrets wherever they show up
in what was printed; in answers, so are our own paths and the words of the database and its driver. A new credential is
answered once, to who asked for it: its own tests look after that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cms.accounts.credentials import Kind

ROOT = Path(__file__).parents[1]
_KINDS = "|".join(sorted((re.escape(kind) for kind in Kind), key=len, reverse=True))
_PRINTED = re.compile(rf"\$argon2id\$v=|\b(?:{_KINDS})[A-Za-z0-9_-]{{20,}}")
_ANSWERED = re.compile(
    rf"\$argon2id\$v=|{re.escape(str(ROOT))}|Traceback \(most recent|asyncpg|tortoise\.|\bselect .+ from \w+ where\b",
    re.I,
)
_passwords: set[str] = set()


def keep_secret(url: str) -> None:
    """The password in this url of a database is a secret from now on."""
    if password := urlsplit(url).password:
        _passwords.add(password)


def printed(text: str) -> list[str]:
    """Secrets in what was printed or logged."""
    return _PRINTED.findall(text) + [password for password in _passwords if password in text]


def answered(text: str) -> list[str]:
    """What no client may be told."""
    return _ANSWERED.findall(text) + [password for password in _passwords if password in text]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    found = [secret for _, text in report.sections for secret in printed(text)]
    if found and report.passed and call.when != "setup":
        report.outcome = "failed"
        report.longrepr = f"it printed {len(found)} secrets, the first of which begins with {found[0][:12]}"
    return report
