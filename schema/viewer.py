"""Who is asking: how the credential of a request becomes an Actor."""

from __future__ import annotations

from starlette.requests import Request

from cms import accounts
from cms.errors import Unauthenticated
from cms.permissions import PUBLIC, Actor
from schema.errors import BadRequest


async def viewer(request: Request) -> Actor:
    """The actor of a request. Raises Unauthenticated for a credential that is not valid, BadRequest for two of them."""
    given = request.headers.getlist("authorization")
    if not given:
        return PUBLIC
    if len(given) > 1:
        raise BadRequest(400, "Send one Authorization header.")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("Send the token as “Authorization: Bearer TOKEN”.")
    return await accounts.authenticate(token.strip())
