"""Many large pictures, and very large files, at once: memory stays flat and the API answers (U4, U8). Several servers,
and one that is killed (R11)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cms.models import Media, User
from tests import pictures
from tests.benchmarks.media import memory_of
from tests.conftest import Served
from tests.factories import make_actor, make_token

CREATE = """mutation($input: CreateUploadInput!) { createUpload(input: $input) {
    ... on Upload { uploadId url } ... on Problem { message } } }"""
FINISH = """mutation($input: FinishUploadInput!) { finishUpload(input: $input) {
    ... on Media { id width url(width: 1280) } ... on Problem { message } } }"""


class Client:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, document: str, **input: Any) -> dict[str, Any]:
        answer = (await self._http.post("/graphql", json={"query": document, "variables": {"input": input}})).json()
        return next(iter(answer["data"].values()))  # type: ignore[no-any-return]

    async def send(self, data: bytes) -> dict[str, Any]:
        upload = await self.ask(CREATE, filename="a.jpg", byteSize=len(data))
        assert (await self._http.put(upload["url"], content=data)).status_code == 204
        return await self.ask(FINISH, uploadId=upload["uploadId"])


async def _watched(http: httpx.AsyncClient, pid: int, work: asyncio.Future[Any]) -> tuple[int, list[float]]:
    """The most memory while the work went on, and how long readers waited meanwhile."""
    most, waits = 0, []
    while not work.done():
        start = time.perf_counter()
        assert (await http.post("/graphql", json={"query": "{ site { name } }"})).status_code == 200
        waits.append(time.perf_counter() - start)
        most = max(most, memory_of(pid))
        await asyncio.sleep(0.02)
    return most, sorted(waits)


@pytest.fixture
async def client(
    db: None, database_url: str, tmp_path: Path, serve: Callable[..., Served]
) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    served = serve(CMS_DATABASE_URL=database_url, CMS_DATA_DIR=str(tmp_path))
    actor = await make_actor()
    token = await make_token(user=await User.get(id=actor.user_id))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=300) as http:
        yield http, served.process.pid


@pytest.mark.extended
async def test_U4_twenty_large_pictures_at_once(client: tuple[httpx.AsyncClient, int]) -> None:
    http, pid = client
    photo = pictures.large(24)
    idle = memory_of(pid)
    sender = Client(http)
    work = asyncio.gather(*(sender.send(photo + bytes([number])) for number in range(20)))
    most, waits = await _watched(http, pid, work)
    assert [each.get("width") for each in work.result()] == [6000] * 20
    assert most - idle < 512 * 1024**2
    assert waits[int(len(waits) * 0.95)] < 1.0


@pytest.mark.extended
async def test_U8_what_is_more_than_announced_is_cut_off(client: tuple[httpx.AsyncClient, int], tmp_path: Path) -> None:
    http, pid = client
    upload = await Client(http).ask(CREATE, filename="film.mp4", byteSize=200 * 1024**2)
    idle = memory_of(pid)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield bytes(1024**2)

    async def put() -> int:
        try:
            return (await http.put(upload["url"], content=endless())).status_code
        except httpx.TransportError:  # it was cut off before it had sent all
            return 400

    work = asyncio.ensure_future(put())
    most, _ = await _watched(http, pid, work)
    assert work.result() == 400
    assert most - idle < 64 * 1024**2
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []


@pytest.mark.extended
async def test_two_servers_hand_out_the_same_bytes_of_a_rendition_and_keep_it_once(
    client: tuple[httpx.AsyncClient, int], database_url: str, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    http, _ = client
    other = serve(CMS_DATABASE_URL=database_url, CMS_DATA_DIR=str(tmp_path))
    url = httpx.URL((await Client(http).send(pictures.encoded(pictures.quarters(1600, 900))))["url"])
    elsewhere = url.copy_with(port=httpx.URL(other.url).port)
    answers = await asyncio.gather(*(http.get(each) for _ in range(50) for each in (url, elsewhere)))
    assert [answer.status_code for answer in answers] == [200] * 100
    assert len({answer.content for answer in answers}) == 1
    assert len([path for path in (tmp_path / "media" / "renditions").rglob("*") if path.is_file()]) == 1


@pytest.mark.extended
async def test_R11_a_server_that_is_killed_in_the_middle_of_an_upload_leaves_nothing_half_made(
    db: None, database_url: str, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    def files() -> list[str]:
        return sorted(path.name for path in (tmp_path / "media").rglob("*") if path.is_file())

    variables = {"CMS_DATABASE_URL": database_url, "CMS_DATA_DIR": str(tmp_path)}
    served = serve(**variables)
    actor = await make_actor()
    token = await make_token(user=await User.get(id=actor.user_id))
    data = pictures.large(24)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=300) as http:
        http.base_url = httpx.URL(served.url)
        upload = await Client(http).ask(CREATE, filename="a.jpg", byteSize=len(data))

        async def half() -> AsyncIterator[bytes]:
            yield data[: len(data) // 2]
            served.process.send_signal(signal.SIGKILL)
            served.process.wait()
            yield data[len(data) // 2 :]

        with pytest.raises(httpx.TransportError):
            await http.put(upload["url"], content=half(), headers={"Content-Length": str(len(data))})
        assert await Media.all().count() == 0
        assert all("#" in name for name in files())  # what the reconciler takes for a half
        again = serve(**variables)
        http.base_url = httpx.URL(again.url)
        place = httpx.URL(upload["url"]).copy_with(port=httpx.URL(again.url).port)
        assert (await http.put(place, content=data)).status_code == 204
        found = await Client(http).ask(FINISH, uploadId=upload["uploadId"])
        assert (await http.get(httpx.URL(found["url"]).copy_with(port=place.port))).status_code == 200
    assert await Media.all().count() == 1
    assert len([name for name in files() if "#" not in name]) == 2  # the original, and the rendition
