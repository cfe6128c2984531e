"""Requests to addresses that somebody gave: none to the inside, and files of the library from the web (W1–W3, U11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from cms import outbound
from cms.models import Media, Upload
from tests import pictures
from tests.conftest import Api
from tests.factories import dump, make_actor
from tests.library import Sender, stored

INSIDE = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2130706433",
]


@dataclass
class Elsewhere:
    """A server on this machine, whose answers a test sets by path; asked: what was asked for, with the Host header."""

    port: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def url(self, path: str, host: str = "pictures.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def says(self, path: str, body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> str:
        lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
        lines += [f"Content-Length: {len(body)}"] if length else []
        self.answers[path] = "\r\n".join([*lines, "", ""]).encode() + body
        return self.url(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        self.asked.append((path, head.lower().split("host: ")[1].split("\r\n")[0]))
        writer.write(self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        try:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def listening() -> AsyncIterator[Elsewhere]:
    there = Elsewhere()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    yield there
    server.close()
    await server.wait_closed()


@pytest.fixture
async def elsewhere(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Elsewhere]:
    """pictures.example, which for the time of the test is on the public internet; nothing else changes."""
    resolve, is_public = outbound.resolve, outbound.is_public

    async def resolved(host: str, port: int) -> list[str]:
        return (
            ["127.0.0.1"]
            if host == "pictures.example"
            else ["127.0.0.2"]
            if host == "inside.example"
            else (await resolve(host, port))
        )

    monkeypatch.setattr(outbound, "resolve", resolved)
    monkeypatch.setattr(outbound, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    async with listening() as there:
        yield there


async def read(url: str) -> bytes:
    async with outbound.get(url) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


@pytest.mark.parametrize("address", INSIDE)
def test_W1_addresses_of_no_public_network_are_known(address: str) -> None:
    assert not outbound.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert outbound.is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_W1_what_is_not_of_the_public_internet_is_never_connected_to(host: str) -> None:
    async with listening() as there:
        there.says("/a", b"secret")
        with pytest.raises((outbound.Refused, outbound.Unanswered)):
            await read(there.url("/a", host))
        assert there.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://pictures.example/a",
        "gopher://pictures.example/a",
        "//pictures.example/a",
        "http:///a",
        "http://user:word@pictures.example/a",
        "http://pictures.example@127.0.0.1/a",
        "http://pictures.example:port/a",
        "http://pictures.example/\r\nHost: inside",
        "",
    ],
)
async def test_U11_only_addresses_of_the_web_are_asked(url: str) -> None:
    with pytest.raises(outbound.Refused):
        await read(url)


async def test_a_name_is_asked_under_its_name(elsewhere: Elsewhere) -> None:
    assert await read(elsewhere.says("/a", b"bytes")) == b"bytes"
    assert elsewhere.asked == [("/a", f"pictures.example:{elsewhere.port}")]


async def test_W2_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    async def flips(host: str, port: int) -> list[str]:
        return answers.pop(0)

    monkeypatch.setattr(outbound, "resolve", flips)
    assert await read(elsewhere.says("/a", b"bytes")) == b"bytes"
    assert answers == [["127.0.0.2"]]
    with pytest.raises(outbound.Refused):
        await read(elsewhere.url("/a"))
    assert len(elsewhere.asked) == 1


async def test_W2_one_inside_address_of_a_name_refuses_it(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "169.254.169.254"]

    monkeypatch.setattr(outbound, "resolve", both)
    with pytest.raises(outbound.Refused):
        await read(elsewhere.says("/a", b"bytes"))
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "target", ["http://inside.example:{port}/b", "http://127.0.0.3:{port}/b", "file:///etc/passwd"]
)
async def test_W3_every_redirect_is_checked_again(elsewhere: Elsewhere, target: str) -> None:
    elsewhere.says("/b", b"secret")
    url = elsewhere.says("/a", b"", f"Location: {target.format(port=elsewhere.port)}", status="302 Found")
    with pytest.raises(outbound.Refused):
        await read(url)
    assert [path for path, _ in elsewhere.asked] == ["/a"]


async def test_redirects_are_followed_and_not_for_ever(elsewhere: Elsewhere) -> None:
    elsewhere.says("/b", b"bytes")
    assert await read(elsewhere.says("/a", b"", "Location: /b", status="301 Moved")) == b"bytes"
    with pytest.raises(outbound.Unanswered):
        await read(elsewhere.says("/c", b"", "Location: /c", status="307 Again"))
    assert len(elsewhere.asked) == 2 + outbound.REDIRECTS + 1


async def test_who_takes_too_long_is_left(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(outbound, "resolve", never)
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.01)
    with pytest.raises(outbound.Unanswered):
        await read(elsewhere.url("/a"))


async def test_a_file_comes_from_the_web(sender: Sender, elsewhere: Elsewhere) -> None:
    data = pictures.encoded(pictures.quarters())
    for path, length in (("/harbour%20view.jpg", True), ("/b.jpg", False)):
        input = {"url": elsewhere.says(path, data, length=length), "altText": "A harbour"}
        found = await sender.api.write(
            "uploadFromUrl", input, "... on Media { kind width height filename altText byteSize }", actor=sender.actor
        )
        name = "harbour view.jpg" if length else "b.jpg"
        assert found == {
            "__typename": "Media",
            "kind": "IMAGE",
            "width": 120,
            "height": 80,
            "filename": name,
            "altText": "A harbour",
            "byteSize": len(data),
        }
    assert len(await stored()) == 1
    assert {upload.byte_size for upload in await Upload.all()} == {len(data)}


async def test_W1_a_file_from_inside_is_refused_and_nothing_stays(api: Api, elsewhere: Elsewhere) -> None:
    editor = await make_actor()
    await api.errors("{ viewer { name } }", actor=editor)
    before = await dump()
    found = await api.write(
        "uploadFromUrl", {"url": elsewhere.url("/a", "inside.example")}, "... on Media { id }", actor=editor
    )
    assert (found["code"], [issue["code"] for issue in found["issues"]]) == ("INVALID", ["refused"])
    assert {name for name, rows in (await dump()).items() if rows != before[name]} <= {"token"}


@pytest.mark.parametrize(
    ("body", "status", "length", "code"),
    [
        (b"<html></html>", "200 OK", True, "type"),
        (b"", "200 OK", True, "empty"),
        (b"x" * 5000, "200 OK", True, "too_large"),
        (b"x" * 5000, "200 OK", False, "too_large"),
        (b"no", "404 Not Found", True, "unanswered"),
    ],
    ids=["html", "empty", "large", "endless", "missing"],
)
async def test_what_the_library_does_not_take_leaves_nothing(
    sender: Sender, elsewhere: Elsewhere, configured: object, body: bytes, status: str, length: bool, code: str
) -> None:
    assert callable(configured)
    configured(CMS_UPLOAD_BYTES="4000")
    url = elsewhere.says("/a", body, status=status, length=length)
    found = await sender.api.write("uploadFromUrl", {"url": url}, "... on Media { id }", actor=sender.actor)
    assert [(issue["field"], issue["code"]) for issue in found["issues"]] == [(["url"], code)]
    assert await Media.all().count() == 0
    assert await stored() == []
