from __future__ import annotations

import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cms import accounts, articles, clock, demo
from cms.demo.pictures import Picture, png
from cms.errors import Conflict, Unauthenticated
from cms.media import storage, uploads
from cms.models import (
    Article,
    Author,
    Correction,
    Event,
    Head,
    Live,
    Media,
    Role,
    Section,
    Site,
    Slug,
    StoryList,
    Tag,
    TagName,
    Token,
    User,
)
from cms.permissions import SYSTEM
from cms.settings import settings

ALL = (Article, Author, Correction, Event, Head, Live, Media, Section, Slug, StoryList, Tag, TagName, Token, User)


@pytest.fixture
def files(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CMS_DATA_DIR", str(data_dir))
    settings.cache_clear()
    yield data_dir
    settings.cache_clear()


async def counts() -> list[int]:
    return [await model.all().count() for model in ALL]


async def test_the_newsroom_has_stories_in_every_state(db: None, files: Path) -> None:
    assert await demo.make()
    stories = await Article.all()
    assert Counter(story.status.value for story in stories) == {
        "PUBLISHED": 25,
        "DRAFT": 6,
        "IN_REVIEW": 3,
        "APPROVED": 2,
        "SCHEDULED": 2,
        "UNPUBLISHED": 1,
        "WITHDRAWN": 1,
    }
    now = clock.now()
    assert sum(story.trashed_at is not None for story in stories) == 1
    assert sum(story.embargoed_until is not None and story.embargoed_until > now for story in stories) == 1
    assert all(story.publish_at > now for story in stories if story.publish_at is not None)
    live = await Live.all()
    assert len(live) == 26  # one of them has a newer draft
    assert max(story.published_at for story in live) < now
    assert len({story.published_at.date() for story in live}) > 15
    assert Counter(story.locale for story in live) == {"en": 21, "fr": 5}
    groups = Counter(story.translation_group for story in live)
    assert list(groups.values()).count(2) == 4
    assert set(await Correction.all().values_list("kind", flat=True)) == {
        "CORRECTION",
        "CLARIFICATION",
        "UPDATE",
        "RETRACTION",
    }
    assert {user.role for user in await User.all()} == set(Role)


async def test_bodies_refer_to_stories_and_pictures(db: None, files: Path) -> None:
    await demo.make()
    live = await Live.all()
    assert sum(bool(story.body_article_ids) for story in live) == 3
    assert sum(bool(story.body_media_ids) for story in live) == 1
    kinds = {node["type"] for story in live for node in story.body["content"]}
    assert {"paragraph", "heading", "bulletList", "orderedList", "blockquote", "table", "image", "articleLink"} <= kinds
    assert "«" not in "".join(story.text for story in live if story.locale == "en")


async def test_pictures_have_files_and_alternative_texts(db: None, files: Path) -> None:
    await demo.make()
    pictures = await Media.all()
    assert len(pictures) == 9
    for picture in pictures:
        assert picture.alt_text
        stored = await storage.find(uploads.key_of(picture))
        assert stored is not None
        assert stored.path is not None
        data = stored.path.read_bytes()
        assert struct.unpack(">II", data[16:24]) == (picture.width, picture.height)


async def test_started_twice_it_does_not_double(db: None, files: Path) -> None:
    assert await demo.make()
    before = await counts()
    assert not await demo.make()
    assert await counts() == before


async def test_it_stays_out_of_a_database_with_other_stories(db: None, files: Path) -> None:
    await articles.create(SYSTEM, {"headline": "A story of a real newsroom"})
    before, site = await counts(), await Site.get()
    with pytest.raises(Conflict, match="CMS_DATA_DIR"):
        await demo.make()
    assert await counts() == before
    assert (await Site.get()).name == site.name


async def test_the_sign_in_is_kept_for_its_owner_alone(db: None, files: Path) -> None:
    await demo.make()
    first = await demo.sign_in()
    assert (files / "demo.json").stat().st_mode & 0o777 == 0o600
    actor = await accounts.authenticate(first.token)
    assert actor.role is Role.EDITOR
    assert await demo.sign_in() == first
    assert await Token.all().count() == 1


@pytest.mark.parametrize("kept", ["", "{}", '{"email": "a@b", "password": "", "token": "x"}'])
async def test_a_sign_in_that_opens_nothing_is_made_anew(db: None, files: Path, kept: str) -> None:
    await demo.make()
    first = await demo.sign_in()
    (files / "demo.json").write_text(kept)
    second = await demo.sign_in()
    assert second.token != first.token
    assert (await accounts.authenticate(second.token)).role is Role.EDITOR
    assert json.loads((files / "demo.json").read_text())["password"] == second.password
    assert (files / "demo.json").stat().st_mode & 0o777 == 0o600


async def test_a_revoked_token_is_replaced(db: None, files: Path) -> None:
    await demo.make()
    first = await demo.sign_in()
    await Token.all().update(revoked_at=clock.now())
    with pytest.raises(Unauthenticated):
        await accounts.authenticate(first.token)
    second = await demo.sign_in()
    assert (await accounts.authenticate(second.token)).role is Role.EDITOR


def test_a_picture_is_a_png() -> None:
    data = png(Picture(("#000000", "#000000"), discs=[(0.5, 0.5, 0.25, "#ff8000")], width=8, height=8))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">IIBBBBB", data[16:29]) == (8, 8, 8, 2, 0, 0, 0)
    start = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[start - 4 : start])
    chunk = data[start : start + 4 + size]
    assert struct.unpack(">I", data[start + 4 + size : start + 8 + size])[0] == zlib.crc32(chunk)
    rows = zlib.decompress(chunk[4:])
    assert len(rows) == 8 * (1 + 3 * 8)
    middle = rows[4 * 25 : 5 * 25]
    assert middle == b"\x00" + b"\x00" * 6 + b"\xff\x80\x00" * 4 + b"\x00" * 6


def test_the_command_prints_a_query_that_works(db: None, database_url: str, data_dir: Path) -> None:
    environment = {**os.environ, "CMS_DATABASE_URL": database_url, "CMS_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "cms.cli", "demo"]
    made = subprocess.run([*command, "--no-serve"], env=environment, capture_output=True, text=True, timeout=120)
    assert (made.returncode, made.stderr) == (0, "")
    said, editor, token = made.stdout.splitlines()
    assert said == "The newsroom was made."
    assert re.fullmatch(r"Editor   editor@courier\.example, password \S{16}", editor)
    assert re.fullmatch(r"Token    cms_\S{43}", token)
    with subprocess.Popen([*command, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = []
        while not lines or "curl" not in lines[-1]:
            lines.append(server.stdout.readline())
            assert lines[-1], lines
        assert [line.rstrip("\n") for line in lines[:3]] == ["The newsroom is there already.", editor, token]
        _, _, url, _, header, _, body = shlex.split(lines[-1])
        name, value = header.split(": ")
        answer = httpx.post(url, content=body, headers={name: value}, timeout=30).json()
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert answer["data"]["site"] == {"name": "The Marrowby Courier"}
    front = answer["data"]["storyList"]["articles"]
    assert [story["bylineText"] for story in front] == [
        "Mara Lindqvist and Coast Wire",
        "Tobias Okafor and Mara Lindqvist",
        "Ruth Adeyemi and Jonas Weber",
    ]
