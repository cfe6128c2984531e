"""Every test is also one that no secret is logged or answered: what it printed and what clients were told is searched.

A plugin of pytest. Digests of passwords, credentials and the password of the database are secrets wherever they show up
in what was printed; in answers, so are our own paths and the words of the database and its driver. A new credential is
answered once, to who asked for it: its own tests look after that.

Answers are searched where the application sends them, so whoever asks it in this process, and however: over HTTP, as
events, or over a WebSocket.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from cms.accounts.credentials import Kind

ROOT = Path(__file__).parents[1]
_KINDS = "|".join(sorted((re.escape(kind) for kind in Kind), key=len, reverse=True))
_PRINTED = re.compile(rf"\$argon2id\$v=|\b(?:{_KINDS})[A-Za-z0-9_-]{{20,}}")
_ANSWERED = re.compile(
    rf"\$argon2id\$v=|{re.escape(str(ROOT))}|Traceback \(most recent|asyncpg|tortoise\.|\bselect .+ from \w+ where\b",
    re.I,
)
# So much of one part of an answer is looked at again with the next.
_OVERLAP = 200
_WORDS = (b"text/", b"json", b"xml", b"javascript")
_passwords: set[str] = set()
_told: list[str] = []
Ask = Callable[[Any, Scope, Receive, Send], Awaitable[None]]


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


def taken() -> list[str]:
    """What clients were told and should not have been, since this was asked the last time."""
    found, _told[:] = list(_told), []
    return found


def searched(ask: Ask) -> Ask:
    """An ASGI application's __call__, that remembers what it tells clients and should not: its test fails by it."""

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        before, of_words = b"", True

        async def sending(message: Message) -> None:
            nonlocal before, of_words
            if headers := message.get("headers"):
                type_ = dict(headers).get(b"content-type", b"text/")
                of_words = any(each in type_ for each in _WORDS)
                _told.extend(answered(repr(headers)))
            body = message.get("body", b"") or message.get("bytes") or (message.get("text") or "").encode()
            if body and of_words:
                _told.extend(answered((before + body).decode(errors="replace")))
                before = body[-_OVERLAP:] if message["type"] == "http.response.body" else b""
            await send(message)

        await ask(self, scope, receive, sending)

    return call


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    found = [secret for _, text in report.sections for secret in printed(text)]
    if call.when != "setup":
        found += taken()
        if found and report.passed:
            report.outcome = "failed"
            report.longrepr = f"it told {len(found)} secrets, the first of which begins with {found[0][:12]}"
    return report
