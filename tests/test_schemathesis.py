"""Thousands of operations that nobody wrote, made from the schema: none may be a failure of ours."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from cms.models import Role
from schema import schema
from schema.errors import INTERNAL, TIMEOUT, UNAVAILABLE
from tests.clients import client, codes
from tests.factories import make_article, make_token, make_user

pytestmark = pytest.mark.extended

CASES = 2_000


@cache
def _operations() -> list[str]:
    """Each root field in turn, with arguments and selections at random."""
    found: list[str] = []
    given_by = schemathesis.graphql.from_file(schema.as_str())
    strategies = [each.ok().as_strategy() for each in given_by.get_all_operations()]
    each = settings(
        max_examples=CASES // len(strategies) * 2,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for strategy in strategies:
        seed(1)(each(given(strategy)(lambda case: found.append(case.body))))()
    return found


@pytest.mark.parametrize("role", [None, Role.EDITOR, Role.ADMIN], ids=["anonymous", "editor", "admin"])
async def test_no_operation_is_a_failure_of_ours(role: Role | None, db: None) -> None:
    await make_article()
    token = await make_token(user=await make_user(role)) if role else None
    operations = _operations()
    assert len(operations) >= CASES
    failures: dict[str, Any] = {}
    async with client(token) as api:
        for operation in operations:
            response = await api.post("/graphql", json={"query": operation})
            if response.status_code >= 500 or {INTERNAL, TIMEOUT, UNAVAILABLE} & set(codes(response.json())):
                failures[operation] = response.json()["errors"]
    assert not failures, next(iter(failures.items()))
