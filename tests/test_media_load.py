"""Many large pictures, and very large files, at once: memory stays flat and the API answers (U4, U8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cms.models import User
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
