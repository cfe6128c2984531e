"""A browser that has the desk open, without a server: it keeps cookies, and says what pages of the desk say."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from cms.app import create_app

SERVER = "http://localhost:8000"
PAGE = {"X-Requested-With": "copydesk", "Origin": SERVER, "Sec-Fetch-Site": "same-origin"}


class Browser:
    """`async with Browser() as browser`: peer is the address it comes from, headers are sent each time."""

    def __init__(self, peer: str = "192.0.2.1", server: str = SERVER, **headers: str) -> None:
        transport = httpx.ASGITransport(app=create_app(), client=(peer, 50_000))
        self.page = {**PAGE, "Origin": server}
        self.client = httpx.AsyncClient(transport=transport, base_url=server, headers=headers)

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers={**self.page, **headers})

    async def sign_in(self, email: str, password: str, **headers: str) -> httpx.Response:
        return await self.post("/session", {"email": email, "password": password}, **headers)

    async def sign_out(self) -> httpx.Response:
        return await self.client.delete("/session", headers=self.page)

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        answer = (await self.post("/graphql", {"query": document, "variables": variables})).json()
        assert "errors" not in answer, answer
        return answer["data"]  # type: ignore[no-any-return]

    async def write(self, name: str, input: dict[str, Any], select: str = "") -> dict[str, Any]:
        """What a mutation answers: what is selected of its result, or a Problem."""
        type = name[0].upper() + name[1:] + "Input"
        problem = "... on Problem { code message issues { field code } }"
        document = f"mutation($input: {type}!) {{ {name}(input: $input) {{ __typename {problem} {select} }} }}"
        return (await self.ask(document, input=input))[name]  # type: ignore[no-any-return]

    async def who(self) -> str | None:
        """The name that the server knows this browser by; "refused" for a session that has ended."""
        response = await self.post("/graphql", {"query": "{ viewer { name } }"})
        if response.status_code == 401:
            return "refused"
        viewer = response.json()["data"]["viewer"]
        return viewer and viewer["name"]  # type: ignore[no-any-return]
