from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from cms import accounts, clock
from cms.errors import RateLimited, Unauthenticated
from cms.models import Role, User
from cms.permissions import SYSTEM

pytestmark = pytest.mark.usefixtures("db")
PASSWORD = "correct horse battery"


async def anna() -> User:
    return await accounts.create_user(SYSTEM, email="anna@news.example", name="Anna", role=Role.EDITOR, password=PASSWORD)


async def test_smoke() -> None:
    user = await anna()
    opened = await accounts.sign_in("ANNA@news.example", PASSWORD, accounts.Visit("192.0.2.1"))
    actor = await accounts.authenticate_session(opened.secret)
    assert actor.user_id == user.id and await accounts.still_valid(actor)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await accounts.sign_in("anna@news.example", "nope", accounts.Visit("192.0.2.2"))
    with pytest.raises(RateLimited) as refused:
        await accounts.sign_in("anna@news.example", PASSWORD, accounts.Visit("192.0.2.2"))
    assert refused.value.retry_after == 30
    with time_machine.travel(clock.now() + timedelta(seconds=31)):
        await accounts.sign_in("anna@news.example", PASSWORD, accounts.Visit("192.0.2.2"))
    await accounts.change_password(actor, old=PASSWORD, new="another long one")
    assert not await accounts.still_valid(actor)
