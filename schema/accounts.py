"""The API of accounts: who works here, and who is asking."""

from __future__ import annotations

import strawberry

from cms import models
from cms.models import Role, TokenScope
from cms.permissions import PUBLIC, Actor
from schema.context import Info
from schema.node import Node

strawberry.enum(
    Role,
    description=(
        "CONTRIBUTOR: own stories and the library. EDITOR: all stories, taxonomy, lists. CHIEF: withdraw, embargo, "
        "rules. "
        "ADMIN: people, tokens, site. Each may do what those before may."
    ),
)
strawberry.enum(
    TokenScope, description="What a token opens: READ what is published, PREVIEW drafts read-only, WRITE all."
)


@strawberry.type(description="A member of staff, or a machine that works as one.")
class User(Node):
    name: str = strawberry.field(description="The name, as colleagues see it.")
    role: Role = strawberry.field(description="What this user may do.")
    is_active: bool = strawberry.field(description="Whether this user can act at all.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.User)

    @strawberry.field(description="For the user's own eyes and ADMIN's; null for others.")
    def email(root: strawberry.Parent[models.User], info: Info) -> str | None:
        actor = info.context.actor
        return root.email if actor.role is models.Role.ADMIN or actor.user_id == root.id else None


@strawberry.type(description="Who is asking.")
class Viewer:
    name: str = strawberry.field(description="The user's or the token's name.")

    @strawberry.field(description="What the viewer may do; null for READ and PREVIEW tokens.")
    def role(root: strawberry.Parent[Actor]) -> Role | None:
        return root.role

    @strawberry.field(description="The user who signed in, or as whom the token acts.")
    async def user(root: strawberry.Parent[Actor], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.user_id)  # type: ignore[return-value]

    @strawberry.field(description="What the token opens; all for a user who signed in.")
    def scopes(root: strawberry.Parent[Actor]) -> list[TokenScope]:
        return sorted(root.scopes)


@strawberry.type
class AccountsQuery:
    @strawberry.field(description="Who is asking; null for the public.")
    def viewer(self, info: Info) -> Viewer | None:
        actor = info.context.actor
        return None if actor == PUBLIC else actor  # type: ignore[return-value]
