"""Files on their way in: what is taken, what is refused, and that nothing half-made stays (U1–U3, U7, BC-16–BC-18)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from typing import Any

import pytest

from cms import clock, media
from cms.models import Media, Role, Upload
from tests import pictures
from tests.factories import dump, make_actor
from tests.library import Sender, stored

WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + b"\0" * 900
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + b"\0" * 5000
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def docx() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return file.getvalue()


async def test_a_picture_comes_in(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    found = await sender.send(data, "Harbour.JPG", altText="A harbour")
    assert found["kind"] == "IMAGE"
    assert (found["width"], found["height"], found["byteSize"]) == (120, 80, len(data))
    assert (found["mimeType"], found["filename"], found["altText"]) == ("image/jpeg", "Harbour.JPG", "A harbour")
    assert await stored() == [f"originals/{hashlib.sha256(data).hexdigest()}.jpg"]
    original = await sender.fetch(found["originalUrl"])
    assert original.content == data
    assert original.headers["content-disposition"].startswith("attachment;")
    assert await sender.ask(found["id"], "placeholder") is not None
    assert await sender.ask(found["id"], "dominantColor") is not None


@pytest.mark.parametrize(
    ("data", "name", "mime_type", "kind"),
    [
        (pictures.encoded(pictures.quarters(), ".webp"), "photo.jpg", "image/webp", "IMAGE"),
        (pictures.encoded(pictures.quarters(), ".png"), "x.bin", "image/png", "IMAGE"),
        (pictures.encoded(pictures.quarters(), ".avif"), "x", "image/avif", "IMAGE"),
        (pictures.encoded(pictures.quarters(), ".tif"), "x.tif", "image/tiff", "IMAGE"),
        (pictures.encoded(pictures.quarters()), "PHOTO.JPG", "image/jpeg", "IMAGE"),
        (pictures.animated(), "x.gif", "image/gif", "IMAGE"),
        (WEBM, "film.mp4", "video/webm", "VIDEO"),
        (MP3, "talk.mp3", "audio/mpeg", "AUDIO"),
        (PDF, "page.html", "application/pdf", "DOCUMENT"),
        (docx(), "text.zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "DOCUMENT"),
    ],
    ids=["webp", "png", "avif", "tiff", "jpeg", "gif", "webm", "mp3", "pdf", "docx"],
)
async def test_BC18_the_bytes_say_what_a_file_is(
    sender: Sender, data: bytes, name: str, mime_type: str, kind: str
) -> None:
    upload = await sender.announce(data, name, mimeType="text/html")
    await sender.put(upload, data)
    found = await sender.finish(upload)
    assert (found["mimeType"], found["kind"]) == (mime_type, kind)
    served = await sender.fetch(found["url"])
    assert served.status_code == 200
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in served.headers["content-security-policy"]
    if kind != "IMAGE":
        assert served.headers["content-type"] == mime_type
        assert served.content == data
        use = "attachment" if kind == "DOCUMENT" else "inline"
        assert served.headers["content-disposition"].startswith(use + ";")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BAD = {
    "html": b"<!doctype html><script>alert(1)</script>",
    "html after space": b"\n\n   <html><body onload=alert(1)>",
    "svg": SVG,
    "svg with a prolog": b'<?xml version="1.0" encoding="utf-8"?>\n<!-- x -->' + SVG,
    "svg in gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\0" * 50,
    "xml": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
    "script": b"#!/bin/sh\necho\n",
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\nwhile(1){}",
    "fits": b"SIMPLE  =                    T" + b" " * 200,
    "truncated jpeg": pictures.encoded(pictures.quarters(400, 300))[:2000],
    "truncated png": pictures.encoded(pictures.quarters(400, 300), ".png")[:300],
    "truncated webp": pictures.encoded(pictures.quarters(400, 300), ".webp")[:100],
    "jpeg's first bytes": b"\xff\xd8\xff\xe0",
    "html that says to be a gif": b"GIF89a/*<script>alert(1)</script>*/=1;" + b"\0" * 100,
    "bomb": pictures.png_claiming(66_000, 66_000),
    "bomb within the edge": pictures.png_claiming(30_000, 30_000),
    "bomb of frames": pictures.animated(501),
}


@pytest.mark.parametrize("what", BAD)
async def test_U1_U3_bad_input_is_refused_and_leaves_nothing(sender: Sender, what: str) -> None:
    before = await dump()
    result = await sender.send(BAD[what], "innocent.png")
    assert result["code"] == "INVALID"
    assert result["issues"][0]["field"] == ["uploadId"]
    assert len(result["message"]) > 20
    assert await stored() == []
    await Upload.all().delete()
    assert await dump() == before


async def test_U1_nothing_that_is_refused_is_found_at_an_address(sender: Sender) -> None:
    upload = await sender.announce(SVG, "x.png")
    await sender.put(upload, SVG)
    assert (await sender.http.get(f"/media/{upload['uploadId']}")).status_code == 404


async def test_an_empty_file_is_refused(sender: Sender) -> None:
    assert (await sender.announce(b"", "x.jpg"))["issues"][0]["field"] == ["byteSize"]


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_BC16_a_picture_is_upright_once(sender: Sender, orientation: int) -> None:
    data = pictures.turned(orientation)
    found = await sender.send(data)
    assert (found["width"], found["height"]) == (120, 80)
    whole = await sender.fetch(await sender.ask(found["id"], "url(format: PNG)"))
    small = await sender.fetch(await sender.ask(found["id"], "url(width: 60, format: PNG)"))
    for served, size in ((whole.content, (120, 80)), (small.content, (60, 40))):
        assert pictures.size(served) == size
        assert pictures.seen(served, 0.25, 0.25) == pictures.RED
        assert pictures.seen(served, 0.75, 0.25) == pictures.GREEN
        assert pictures.seen(served, 0.75, 0.75) == pictures.BLUE
        assert pictures.read(served).get_typeof("orientation") == 0


NAMES = {
    "中文Marcação3.jpg": "中文Marcação3.jpg",
    "Cre\u0301mieux.tiff": "Cre\u0301mieux.tiff",
    "a b.jpg": "a b.jpg",
    "a#b.jpg": "a#b.jpg",
    "../../etc/x.jpg": "x.jpg",
    "..\\..\\x.jpg": "x.jpg",
    "C:\\x.jpg": "x.jpg",
    "..%2f..%2fx.jpg": "..%2f..%2fx.jpg",
    "CON.png": "CON.png",
    'quote".jpg': 'quote".jpg',
    "line\nbreak: x.jpg": "linebreak: x.jpg",
    "turned\u202egpj.exe.jpg": "turnedgpj.exe.jpg",
    "..": "file",
    "n" * 400 + ".jpg": "n" * 251 + ".jpg",
}


@pytest.mark.parametrize("name", NAMES)
async def test_BC17_U2_names_are_for_people_only(sender: Sender, name: str) -> None:
    data = pictures.encoded(pictures.quarters())
    found = await sender.send(data, name)
    assert found["filename"] == NAMES[name]
    assert await stored() == [f"originals/{hashlib.sha256(data).hexdigest()}.jpg"]
    for url in (found["originalUrl"], found["url"]):
        served = await sender.fetch(url)
        assert served.status_code == 200
        header = served.headers["content-disposition"]
        assert header.isascii()
        assert header.count('"') == 2
        assert "\n" not in header
        assert "filename*=UTF-8''" in header
        assert ".." not in header.partition("filename*")[2]
    if name.startswith("中"):
        assert "%E4%B8%AD%E6%96%87Marca%C3%A7%C3%A3o3.jpg" in header
    if name == "CON.png":
        assert 'filename="_CON.jpg"' in header


async def test_BC17_U10_every_upload_keeps_its_own_bytes(sender: Sender) -> None:
    files = [pictures.encoded(pictures.quarters(40 + number, 30)) for number in range(12)]
    found = await asyncio.gather(*(sender.send(data, "photo.jpg") for data in files))
    for data, each in zip(files, found, strict=True):
        assert (await sender.fetch(each["originalUrl"])).content == data


async def test_the_same_bytes_are_kept_once(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    first, second = await sender.send(data, "a.jpg"), await sender.send(data, "b.jpg")
    assert first["id"] != second["id"]
    assert len(await stored()) == 1
    deleted = await sender.api.write("deleteMedia", {"id": first["id"]}, actor=sender.actor)
    assert deleted["__typename"] == "Deleted"
    assert (await sender.fetch(second["originalUrl"])).content == data


async def test_finished_twice_it_is_the_same_file(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    await sender.put(upload, data)
    results = await asyncio.gather(*(sender.finish(upload, "... on Media { id }") for _ in range(4)))
    taken = [each["id"] for each in results if each["__typename"] == "Media"]
    assert taken
    assert len(set(taken)) == 1
    assert await Media.all().count() == 1
    assert (await sender.finish(upload))["id"] == taken[0]


async def test_what_was_not_sent_is_not_finished(sender: Sender) -> None:
    upload = await sender.announce(b"x" * 10)
    assert (await sender.finish(upload))["issues"][0]["code"] == "not_sent"


async def test_another_number_of_bytes_than_announced(sender: Sender, kept: str) -> None:
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    status = await sender.put(upload, data + b"x")
    if kept == "disk":
        assert status == 400
    assert (await sender.finish(upload))["code"] == "INVALID"
    assert await stored() == []


async def test_an_upload_is_its_maker_s(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    await sender.put(upload, data)
    other = Sender(sender.api, sender.http, await make_actor())
    assert (await other.finish(upload))["code"] == "NOT_FOUND"
    assert (await sender.finish(upload))["__typename"] == "Media"


async def test_an_address_of_ours_is_signed_and_ends(
    sender: Sender,
    kept: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kept == "s3":
        return
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    for url in (upload["url"][:-1] + "_", upload["url"].rpartition("/")[0] + "/x"):
        assert await sender.put({**upload, "url": url}, data) == 404
    await Upload.all().update(expires_at=clock.now())
    assert await sender.put(upload, data) == 404
    assert await stored() == []


async def test_U8_the_day_s_quota(sender: Sender, configured: Any) -> None:
    configured(CMS_UPLOAD_BYTES_A_DAY="1000", CMS_UPLOAD_BYTES="900")
    assert (await sender.announce(b"x" * 901))["code"] == "INVALID"
    assert (await sender.announce(b"x" * 900))["__typename"] == "Upload"
    assert (await sender.announce(b"x" * 101))["code"] == "RATE_LIMITED"
    assert (await sender.announce(b"x" * 100))["__typename"] == "Upload"


async def test_expired_uploads_are_forgotten(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    await sender.put(upload, data)
    assert len(await stored("incoming/")) == 1
    assert await media.forget_expired() == 0
    await Upload.all().update(created_at=clock.now().replace(year=2020))
    assert await media.forget_expired() == 1
    assert await stored() == []


async def test_contributors_change_what_they_brought_in(sender: Sender) -> None:
    contributor = Sender(sender.api, sender.http, await make_actor(Role.CONTRIBUTOR))
    theirs = await sender.send(pictures.encoded(pictures.quarters()))
    own = await contributor.send(pictures.encoded(pictures.quarters(50, 50)))
    for id, code in ((theirs["id"], "FORBIDDEN"), (own["id"], None)):
        result = await sender.api.write("updateMedia", {"id": id, "caption": "x"}, actor=contributor.actor)
        assert result.get("code") == code


@pytest.mark.extended
async def test_U10_two_hundred_at_once_each_keep_their_own_bytes(sender: Sender) -> None:
    files = {f"{n}.pdf": PDF + str(n).encode() * n for n in range(200)}
    found = await asyncio.gather(
        *(sender.send(data, name, "... on Media { id filename byteSize originalUrl }") for name, data in files.items())
    )
    assert {each["filename"]: each["byteSize"] for each in found} == {name: len(data) for name, data in files.items()}
    answers = await asyncio.gather(*(sender.fetch(each["originalUrl"]) for each in found))
    assert {each["filename"]: answer.content for each, answer in zip(found, answers, strict=True)} == files
    assert await stored() == sorted(f"originals/{hashlib.sha256(data).hexdigest()}.pdf" for data in files.values())
