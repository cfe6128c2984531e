"""What editors do with the library, what stands in the way of deleting, and what interruptions leave (R11, U7)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cms import clock, ids, media, taxonomy, workflow
from cms.media import library, storage, uploads
from cms.models import Event, Media, MediaKind, Role, Site, Upload
from cms.permissions import SYSTEM
from cms.workflow import Transition
from tests import pictures
from tests.conftest import Api
from tests.factories import dump, execute, in_a_day, make_actor, make_article, make_media, publish
from tests.library import Sender, stored
from tests.test_media_uploads import PDF

LIBRARY = """query($first: Int, $after: String, $query: String, $kind: MediaKind) {
    mediaLibrary(first: $first, after: $after, query: $query, kind: $kind) {
        totalCount nodes { filename } pageInfo { hasNextPage endCursor } } }"""


def media_id(id: UUID) -> str:
    return ids.encode("Media", id)


async def names(api: Api, actor: Any, **variables: Any) -> list[str]:
    found = (await api(LIBRARY, actor=actor, **variables))["mediaLibrary"]
    return [each["filename"] for each in found["nodes"]]


async def test_the_library_is_searched(api: Api) -> None:
    actor = await make_actor()
    await make_media(filename="harbour.png", caption="Ships at noon", keywords=["Port", "100%"])
    await make_media(filename="forest.png", credit="Ida Berg")
    await make_media(filename="report_1.pdf")
    await Media.filter(filename="report_1.pdf").update(kind=MediaKind.DOCUMENT)
    assert await names(api, actor) == ["report_1.pdf", "forest.png", "harbour.png"]
    for query, wanted in {
        "ships": ["harbour.png"],
        "NOON harb": ["harbour.png"],
        "port": ["report_1.pdf", "harbour.png"],
        "ida berg": ["forest.png"],
        "ida ships": [],
        "100%": ["harbour.png"],
        "_": ["report_1.pdf"],
        "'; drop table media; --": [],
    }.items():
        assert await names(api, actor, query=query) == wanted, query
    assert await names(api, actor, kind="DOCUMENT") == ["report_1.pdf"]


async def test_the_library_has_pages(api: Api) -> None:
    actor = await make_actor()
    for number in range(5):
        await make_media(filename=f"{number}.png")
    seen, after = [], None
    while True:
        page = (await api(LIBRARY, actor=actor, first=2, after=after))["mediaLibrary"]
        assert page["totalCount"] == 5
        seen += [each["filename"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["4.png", "3.png", "2.png", "1.png", "0.png"]


async def test_update_and_its_limits(api: Api) -> None:
    actor = await make_actor()
    row = await make_media()
    id = media_id(row.id)
    fields = "altText caption credit creator copyrightHolder usageTerms keywords expiresAt focalPoint { x y }"
    changes = {
        "altText": " A ship ",
        "caption": "Noon",
        "credit": "Ida",
        "creator": "Ida Berg",
        "copyrightHolder": "The Paper",
        "usageTerms": "Online",
        "keywords": ["sea", "sea", " ship "],
        "expiresAt": "2100-01-01T00:00:00Z",
        "focalPoint": {"x": 0.25, "y": 1},
    }
    got = await api.write("updateMedia", {"id": id, **changes}, f"... on Media {{ {fields} }}", actor=actor)
    assert got == {"__typename": "Media", **changes, "altText": "A ship", "keywords": ["sea", "ship"]}
    cleared = await api.write(
        "updateMedia", {"id": id, **dict.fromkeys(changes)}, f"... on Media {{ {fields} }}", actor=actor
    )
    assert cleared == {"__typename": "Media", **dict.fromkeys(changes), "keywords": []}
    before = await dump()
    for bad in ({"focalPoint": {"x": 1.1, "y": 0}}, {"caption": "x" * 100_000}, {"keywords": ["x"] * 50 + ["y" * 300]}):
        assert (await api.write("updateMedia", {"id": id, **bad}, actor=actor))["code"] == "INVALID"
    assert await dump() == before
    assert [each.public for each in await Event.filter(type="media.updated")] == [False, False]  # unused


async def _used(how: str, id: Any) -> None:
    if how == "lead of a draft":
        await make_article(headline="The user", lead_media={"media_id": id})
    elif how == "lead of a live story":
        head = await make_article(headline="The user", lead_media={"media_id": id})
        await publish(head.article_id)
        await execute("update head set lead_media_id = null where article_id = $1", head.article_id)
    elif how == "body":
        body = f'<figure><img data-media-id="{media_id(id)}" alt="x"></figure>'
        await make_article(headline="The user", body={"html": body})
    elif how == "card":
        await make_article(headline="The user", seo={"image": {"media_id": id}})
    elif how == "schedule":
        head = await make_article(headline="The user", lead_media={"media_id": id})
        await workflow.transition(SYSTEM, head.article_id, Transition.SCHEDULE, wish=in_a_day())
        await execute("update head set lead_media_id = null where article_id = $1", head.article_id)
    elif how == "portrait":
        await taxonomy.create_author(SYSTEM, name="The user", portrait={"media_id": id})
    else:
        await execute("update site set logo_media_id = $1", id)


@pytest.mark.parametrize(
    "how", ["lead of a draft", "lead of a live story", "body", "card", "schedule", "portrait", "site"]
)
async def test_R11_what_is_used_is_not_deleted(api: Api, how: str) -> None:
    actor = await make_actor()
    row = await make_media()
    await _used(how, row.id)
    before = await dump()
    got = await api.write("deleteMedia", {"id": media_id(row.id)}, actor=actor)
    assert got["code"] == "IN_USE"
    who = "the site" if how == "site" else "The user"
    assert who in got["message"]
    assert who in got["issues"][0]["message"]
    assert await dump() == before


async def test_the_list_of_users_names_only_what_one_may_see(api: Api) -> None:
    actor = await make_actor(Role.CONTRIBUTOR)
    row = await make_media(created_by_id=actor.user_id)
    await make_article(headline="Secret", lead_media={"media_id": row.id})
    got = await api.write("deleteMedia", {"id": media_id(row.id)}, actor=actor)
    assert got["code"] == "IN_USE"
    assert "Secret" not in str(got)
    assert "1 more story" in got["message"]


async def test_used_in(api: Api) -> None:
    actor, contributor = await make_actor(), await make_actor(Role.CONTRIBUTOR)
    row = await make_media()
    live = await make_article(headline="Live", lead_media={"media_id": row.id})
    await publish(live.article_id)
    await make_article(headline="Draft", seo={"image": {"media_id": row.id}})
    await make_article(headline="Other")
    document = """query($perspective: Perspective) { mediaLibrary(perspective: $perspective) {
        nodes { usedIn { totalCount nodes { headline } } } } }"""

    async def users(perspective: str | None, who: Any) -> list[str]:
        answer = await api(document, actor=who, perspective=perspective)
        used = answer["mediaLibrary"]["nodes"][0]["usedIn"]
        assert used["totalCount"] == len(used["nodes"])
        return [each["headline"] for each in used["nodes"]]

    assert await users("DRAFT", actor) == ["Draft", "Live"]
    assert await users(None, actor) == ["Live"]
    assert await users("DRAFT", contributor) == []


async def test_deleting_takes_the_bytes_along(sender: Sender) -> None:
    found = await sender.send(pictures.encoded(pictures.quarters()))
    await sender.fetch(found["url"])
    assert len(await stored()) == 2
    url = found["originalUrl"]
    assert (await sender.api.write("deleteMedia", {"id": found["id"]}, actor=sender.actor))["__typename"] == "Deleted"
    assert await stored() == []
    assert (await sender.fetch(url)).status_code == 404
    assert (await sender.fetch(found["url"])).status_code == 404


async def test_replacing_keeps_words_and_uses(sender: Sender) -> None:
    first, second = pictures.encoded(pictures.quarters()), pictures.encoded(pictures.quarters(200, 100), ".png")
    found = await sender.send(first, "first.jpg", caption="Noon")
    row = await Media.get()
    await make_article(lead_media={"media_id": row.id})
    old = found["url"]
    assert (await sender.fetch(old)).status_code == 200
    upload = await sender.announce(second, "second.png")
    await sender.put(upload, second)
    input = {"id": found["id"], "uploadId": upload["uploadId"]}
    select = "... on Media { id caption filename width url mimeType }"
    got = await sender.api.write("replaceMedia", input, select, actor=sender.actor)
    assert (got["id"], got["caption"], got["filename"]) == (found["id"], "Noon", "second.png")
    assert (got["width"], got["mimeType"]) == (200, "image/png")
    assert got["url"] != old
    assert pictures.size((await sender.fetch(got["url"])).content) == (200, 100)
    assert (await sender.fetch(old)).headers["cache-control"] == "public, max-age=60"
    assert await stored("originals/") == [f"originals/{hashlib.sha256(second).hexdigest()}.png"]
    assert (await Media.get()).caption == "Noon"


async def test_U7_a_forbidden_replacement_changes_nothing(sender: Sender) -> None:
    data = pictures.encoded(pictures.quarters())
    found = await sender.send(data)
    contributor = Sender(sender.api, sender.http, await make_actor(Role.CONTRIBUTOR))
    upload = await contributor.announce(data + b"x")
    await contributor.put(upload, data + b"x")
    before, kept = await dump(), await stored()
    input = {"id": found["id"], "uploadId": upload["uploadId"]}
    got = await sender.api.write("replaceMedia", input, actor=contributor.actor)
    assert got["code"] == "FORBIDDEN"
    assert (await dump(), await stored()) == (before, kept)
    assert (await sender.fetch(found["originalUrl"])).content == data


async def test_a_picture_becomes_no_document(sender: Sender) -> None:
    found = await sender.send(pictures.encoded(pictures.quarters()))
    upload = await sender.announce(PDF, "x.pdf")
    await sender.put(upload, PDF)
    got = await sender.api.write(
        "replaceMedia", {"id": found["id"], "uploadId": upload["uploadId"]}, actor=sender.actor
    )
    assert got["issues"][0]["code"] == "kind"


async def test_the_end_of_rights_is_an_event_once(db: None) -> None:
    now = clock.now()
    ended = await make_media(expires_at=now - timedelta(seconds=1))
    await Site.all().update(logo_media_id=ended.id)
    await make_media(expires_at=now + timedelta(hours=1))
    await make_media()
    assert await media.end_due() == 1
    assert await media.end_due() == 0
    event = await Event.get(type="media.ended")
    assert (event.subject_id, event.public) == (ended.id, True)
    await library.update(SYSTEM, ended.id, {"expires_at": now - timedelta(seconds=2)})
    assert await media.end_due() == 1


# ---------------------------------------------------------------- what interruptions leave


async def _crash_at(sender: Sender, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Send a picture and stop where a killed process would have stopped."""

    class Killed(BaseException):
        pass

    async def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    where: Any = {"delete": storage, "move": storage, "_lock": uploads}[step]
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    await sender.put(upload, data)
    with monkeypatch.context() as patch:
        patch.setattr(where, step, killed)
        with pytest.raises(Killed):
            await media.finish(sender.actor, (await Upload.get(media_id=None)).id, {})


@pytest.mark.parametrize("step", ["move", "_lock", "delete"])
async def test_R11_after_a_crash_it_can_be_finished_or_is_swept(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await _crash_at(sender, monkeypatch, step)
    upload = await Upload.get()
    rows = await Media.all().count()
    assert rows == (1 if step == "delete" else 0)
    finished = await media.finish(sender.actor, upload.id, {})
    assert await Media.all().count() == 1
    assert await storage.find(uploads.key_of(finished)) is not None


async def test_R11_the_reconciler_finds_both_sides(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await sender.send(pictures.encoded(pictures.quarters()))
    await sender.fetch(kept["url"])
    await _crash_at(sender, monkeypatch, "_lock")
    lost = await sender.send(pictures.encoded(pictures.quarters(30, 30)))
    row = await Media.get(width=30)
    await storage.delete(uploads.key_of(row))
    await Upload.filter(media_id=None).delete()
    before = await stored()
    young = await media.reconcile()
    assert young.removed == []
    old = await media.reconcile(grace=timedelta(0))
    assert old.removed
    assert old.missing == [lost["id"]]
    assert set(await stored()) == set(before) - set(old.removed)
    assert (await sender.fetch(kept["url"])).status_code == 200


async def test_R11_halves_on_a_disk_are_swept(sender: Sender, kept: str, tmp_path: Path) -> None:
    if kept == "s3":
        return
    half = tmp_path / "media" / "incoming" / "abc#1"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"x")
    assert (await media.reconcile()).removed == []
    os.utime(half, (time.time() - 90_000,) * 2)
    assert (await media.reconcile()).removed == ["abc#1"]
    assert not half.exists()


async def test_a_storage_that_loses_what_it_is_given_ends_in_an_error_and_nothing_is_lost(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures.encoded(pictures.quarters())
    upload = await sender.announce(data)
    await sender.put(upload, data)
    find = storage.find

    async def forgetful(key: str) -> Any:
        return None if key.startswith("originals/") else await find(key)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "find", forgetful)
        with pytest.raises(FileNotFoundError):
            await media.finish(sender.actor, (await Upload.get()).id, {})
    assert await Media.all().count() == 0
    finished = await sender.finish(upload)
    assert (await sender.fetch(finished["originalUrl"])).content == data


async def test_the_last_copy_goes_and_a_new_one_comes_at_once(sender: Sender) -> None:
    """Deleting sweeps the bytes while another upload of the same bytes is finished: that one keeps them."""
    data = pictures.encoded(pictures.quarters())
    for _ in range(5):
        first = await sender.send(data)
        upload = await sender.announce(data)
        await sender.put(upload, data)
        _, second = await asyncio.gather(
            sender.api.write("deleteMedia", {"id": first["id"]}, actor=sender.actor), sender.finish(upload)
        )
        assert (await sender.fetch(second["originalUrl"])).content == data
        await sender.api.write("deleteMedia", {"id": second["id"]}, actor=sender.actor)
        assert await stored("originals/") == []
