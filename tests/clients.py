"""Clients of the API in this process: the whole application, without a server before it."""

from __future__ import annotations

from typing import Any

import httpx

from cms import logs
from cms.app import create_app

logs.configure()  # an unconfigured structlog prints local variables

BASE = "http://127.0.0.1:8000"


def client(token: str | None = None, **headers: str) -> httpx.AsyncClient:
    if token:
        headers["authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url=BASE, headers=headers)


async def ask(query: str, *, token: str | None = None, **variables: Any) -> dict[str, Any]:
    """The whole answer to a query."""
    async with client(token) as api:
        response = await api.post("/graphql", json={"query": query, "variables": variables})
    answer: dict[str, Any] = response.json()
    return answer


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors", ())]
