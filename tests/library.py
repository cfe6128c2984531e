"""The library as tests use it: a place to keep files, on a disk or a real S3 server, and one who sends and fetches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from cms.app import create_app
from cms.media import storage
from cms.permissions import Actor
from cms.settings import settings
from tests.conftest import Api
from tests.factories import make_actor
from tests.ports import free_port

_S3 = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "a secret of the tests", "AWS_REGION": "us-east-1"}
MEDIA = "... on Media { id kind mimeType byteSize width height url originalUrl filename altText caption credit }"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SeaweedFS; its address."""
    directory = tmp_path_factory.mktemp("s3")
    port = free_port()
    ports = {f"{part}.port{kind}": str(free_port()) for part in ("master", "volume", "filer") for kind in ("", ".grpc")}
    command = [str(Path(sys.executable).with_name("weed")), "server", f"-dir={directory}", "-ip=127.0.0.1", "-s3"]
    command += [f"-{name}={value}" for name, value in ports.items()]
    command += [
        f"-s3.port={port}",
        f"-s3.port.grpc={free_port()}",
        "-s3.autoCreateBucket",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=200",
    ]
    process = subprocess.Popen(command, env={**os.environ, **_S3}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()  # nothing of it is kept
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the S3 server does not answer")


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.extended)])
def kept(request: pytest.FixtureRequest, tmp_path: Path, configured: Callable[..., None]) -> str:
    """Where the library keeps its files, empty: CMS_MEDIA_URL says so."""
    if request.param == "disk":
        configured(CMS_MEDIA_URL=(tmp_path / "media").as_uri(), CMS_DATA_DIR=str(tmp_path))
        return "disk"
    variables = {**_S3, "AWS_ENDPOINT_URL": request.getfixturevalue("s3_server"), "AWS_ALLOW_HTTP": "true"}
    configured(CMS_MEDIA_URL=f"s3://files/{uuid4().hex}", CMS_DATA_DIR=str(tmp_path), **variables)
    return "s3"


@dataclass
class Sender:
    """Somebody who sends files, and fetches what came of them."""

    api: Api
    http: httpx.AsyncClient
    actor: Actor

    async def announce(self, data: bytes, name: str = "a.jpg", **more: Any) -> dict[str, Any]:
        input = {"filename": name, "byteSize": len(data)} | more
        select = "... on Upload { uploadId method url headers expiresAt }"
        return await self.api.write("createUpload", input, select, actor=self.actor)

    async def put(self, upload: dict[str, Any], data: bytes) -> int:
        if upload["url"].startswith(settings().base_url):
            path = upload["url"].removeprefix(settings().base_url)
            response = await self.http.request(upload["method"], path, content=data, headers=upload["headers"])
        else:
            async with httpx.AsyncClient() as direct:
                response = await direct.put(upload["url"], content=data, headers=upload["headers"])
        return response.status_code

    async def finish(self, upload: dict[str, Any], select: str = MEDIA, **more: Any) -> dict[str, Any]:
        input = {"uploadId": upload["uploadId"], **more}
        return await self.api.write("finishUpload", input, select, actor=self.actor)

    async def send(self, data: bytes, name: str = "a.jpg", select: str = MEDIA, **more: Any) -> dict[str, Any]:
        """The file, or the Problem that came of it."""
        upload = await self.announce(data, name)
        assert await self.put(upload, data) in (200, 204)
        return await self.finish(upload, select, **more)

    async def fetch(self, url: str, **headers: str) -> httpx.Response:
        assert url.startswith(settings().base_url + "/media/")
        path = urlsplit(url).path
        return await self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def ask(self, id: str, field: str, actor: Actor | None = None) -> Any:
        """One field of a file, as staff sees it."""
        document = f"query($id: ID!) {{ node(id: $id, perspective: DRAFT) {{ ... on Media {{ x: {field} }} }} }}"
        return (await self.api(document, actor=actor or self.actor, id=id))["node"]["x"]


@pytest.fixture
async def sender(api: Api, kept: str) -> AsyncIterator[Sender]:
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://newsroom.test") as http:
        yield Sender(api, http, await make_actor())


async def stored(prefix: str = "") -> list[str]:
    return sorted([each.key async for each in storage.each(prefix)])
