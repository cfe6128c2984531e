"""The API of accounts: who works here, who is asking, and what lets them in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from cms import accounts, ids, models
from cms.errors import Forbidden, Unauthenticated
from cms.keyset import Key, Listing, Paging, Where
from cms.models import LinkPurpose, Role, TokenScope
from cms.permissions import PUBLIC, Actor, visible
from schema.connection import Connection, Rows
from schema.context import Info
from schema.inputs import given, maybe
from schema.node import Node
from schema.problems import Problem, mutation
from schema.scalars import After, First, described, key

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


@strawberry.type(description="What lets a program in. The secret itself is shown once, when it is made.")
class Token(Node):
    name: str = strawberry.field(description="What it is for.")
    scope: TokenScope = strawberry.field(description="What it opens.")
    role: Role | None = strawberry.field(description="What it may do at most, where that is less than its user may.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it ends; null: never by itself.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to the minute.")
    revoked_at: datetime | None = strawberry.field(description="When it was ended by somebody.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Token)

    @strawberry.field(description="The user as whom it acts; null for READ and PREVIEW.")
    async def user(root: strawberry.Parent[models.Token], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.user_id)  # type: ignore[return-value]


@strawberry.type(description="A browser in which the viewer is signed in.")
class Session(Node):
    user_agent: str = strawberry.field(description="What the browser calls itself.")
    created_at: datetime = strawberry.field(description="When the viewer signed in there.")
    seen_at: datetime = strawberry.field(description="When it was last used, to the minute.")
    expires_at: datetime = strawberry.field(description="When it ends whatever happens; it ends sooner when unused.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Session)

    @strawberry.field(description="Whether this very request was made in it.")
    def is_current(root: strawberry.Parent[models.Session], info: Info) -> bool:
        return root.id == info.context.actor.session_id


# ---------------------------------------------------------------- queries


def _require_staff(info: Info) -> None:
    actor = info.context.actor
    if not actor.is_staff:
        raise (Unauthenticated if actor == PUBLIC else Forbidden)("This is for staff.")


def _rows(info: Info, model: type[Any], paging: Paging, where: Where, keys: tuple[Key, ...]) -> Rows:
    table = f'"{model._meta.db_table}"'
    where.add(visible(info.context.actor, model, info.context.perspective))

    async def load(found: list[UUID]) -> list[Any]:
        return list(await info.context.loaders.visible_each(model, found))

    return Rows(Listing(f"{table}.id", table, where, keys), paging, load)


def _named(info: Info, wanted: str) -> Where:
    """Users with a word in their name that starts so; ADMIN, who sees addresses, finds by them too."""
    where = Where()
    prefix = wanted.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    starts, inside = where.param(f"{prefix}%"), where.param(f"% {prefix}%")
    columns = ['lower("user".name)', *(['"user".email'] if info.context.actor.role is Role.ADMIN else [])]
    where.add("(" + " or ".join(f"{each} like {starts} or {each} like {inside}" for each in columns) + ")")
    return where


@strawberry.type
class AccountsQuery:
    @strawberry.field(description="Who is asking; null for the public.")
    def viewer(self, info: Info) -> Viewer | None:
        actor = info.context.actor
        return None if actor == PUBLIC else actor  # type: ignore[return-value]

    @strawberry.field(description="Who works here, by name. Staff.")
    def users(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        query: Annotated[
            str | None, described("Only those with a word in their name, or for ADMIN an address, that starts so.")
        ] = None,
    ) -> Connection[User] | None:
        _require_staff(info)
        where = Where() if query is None else _named(info, query)
        keys = (Key("NAME", '"user".name', str), Key("ID", '"user".id', UUID))
        return _rows(info, models.User, Paging.of(first, after), where, keys)  # type: ignore[return-value]

    @strawberry.field(description="Tokens, the newest first: for ADMIN all, for others those that act as them.")
    def tokens(self, info: Info, first: First = None, after: After = None) -> Connection[Token] | None:
        _require_staff(info)
        keys = (
            Key("CREATED_AT", "token.created_at", datetime, descending=True),
            Key("ID", "token.id", UUID, descending=True),
        )
        return _rows(info, models.Token, Paging.of(first, after), Where(), keys)  # type: ignore[return-value]

    @strawberry.field(description="Where the viewer is signed in, the newest first. Staff.")
    async def sessions(self, info: Info) -> list[Session] | None:
        _require_staff(info)
        return await accounts.own_sessions(info.context.actor)  # type: ignore[return-value]


# ---------------------------------------------------------------- mutations


@strawberry.input(description="Somebody who is to work here.")
class InviteUserInput:
    email: str = strawberry.field(description="What they will sign in with, and where the invitation goes.")
    name: str = strawberry.field(description="As colleagues will see it.")
    role: Role = strawberry.field(description="What they may do.")


@strawberry.input(description="Changes of a user; absent stays. One's own name, all else ADMIN.")
class UpdateUserInput:
    id: strawberry.ID = strawberry.field(description="The user.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="As colleagues see it.")
    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="What they sign in with. Links sent to the old one end."
    )
    role: Role | None = strawberry.field(
        default=strawberry.UNSET, description="What they may do. A change ends their sessions, tokens and links."
    )
    is_active: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether they can act at all. A change ends all that lets them in."
    )


@strawberry.input(description="A new password for oneself.")
class ChangePasswordInput:
    old_password: str = strawberry.field(description="The present one.")
    new_password: str = strawberry.field(description="The new one: 12 to 1,000 characters.")


@strawberry.input(description="A user whose failed sign-ins are to be forgotten.")
class UnlockUserInput:
    id: strawberry.ID = strawberry.field(description="The user.")


@strawberry.input(description="A new token.")
class CreateTokenInput:
    name: str = strawberry.field(description="What it is for.")
    scope: TokenScope = strawberry.field(description="What it opens. Other than WRITE: ADMIN.")
    user_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="As whom one that writes acts: oneself, or for ADMIN a machine; by default a new machine.",
    )
    role: Role | None = strawberry.field(
        default=strawberry.UNSET, description="What it may do at most; by default what its user may."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it ends; never later than a token that makes it."
    )


@strawberry.input(description="A token to end.")
class RevokeTokenInput:
    id: strawberry.ID = strawberry.field(description="The token.")


@strawberry.input(description="A session to end.")
class EndSessionInput:
    id: strawberry.ID = strawberry.field(description="One of the viewer's own sessions.")


@strawberry.input(description="Sessions to end.")
class EndSessionsInput:
    user_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whose, for ADMIN; by default all of the viewer's own but the present one.",
    )


@strawberry.type(description="Somebody who was invited.")
class Invitation:
    user: User = strawberry.field(description="The user, who cannot sign in before choosing a password.")
    url: str | None = strawberry.field(
        description="The link to pass on, shown this once; null where it was sent by e-mail. It works once, for 7 days."
    )


@strawberry.type(description="A token that was made.")
class CreatedToken:
    token: Token = strawberry.field(description="The token.")
    secret: str = strawberry.field(description="Send it as “Authorization: Bearer SECRET”. Shown this once.")


@strawberry.type(description="Sessions that are no more.")
class EndedSessions:
    ended_ids: list[strawberry.ID] = strawberry.field(description="Their ids.")


UserResult = Annotated[User | Problem, strawberry.union("UserResult", description="The user, or why not.")]
InvitationResult = Annotated[
    Invitation | Problem, strawberry.union("InvitationResult", description="Who was invited, or why not.")
]
TokenResult = Annotated[Token | Problem, strawberry.union("TokenResult", description="The token, or why not.")]
CreatedTokenResult = Annotated[
    CreatedToken | Problem, strawberry.union("CreatedTokenResult", description="The token with its secret, or why not.")
]
EndedSessionsResult = Annotated[
    EndedSessions | Problem, strawberry.union("EndedSessionsResult", description="What has ended, or why not.")
]


def _ended(gone: list[UUID]) -> EndedSessions:
    return EndedSessions(ended_ids=[strawberry.ID(ids.encode("Session", each)) for each in gone])


@strawberry.type
class AccountsMutation:
    @mutation("Add somebody, who chooses a password by a link; once more for a new link. ADMIN.")
    async def invite_user(self, info: Info, input: InviteUserInput) -> InvitationResult:
        user = await accounts.invite_user(info.context.actor, email=input.email, name=input.name, role=input.role)
        return Invitation(user=user, url=await accounts.new_link(user, LinkPurpose.INVITATION))  # type: ignore[arg-type]

    @mutation("Change a user. ADMIN; one's own name, everybody who signed in.")
    async def update_user(self, info: Info, input: UpdateUserInput) -> UserResult:
        changes = given(input, leave_out=("id",))
        return await accounts.update_user(info.context.actor, key("User", input.id), changes)  # type: ignore[return-value]

    @mutation("Change one's own password. Every session and token ends: sign in anew. Who signed in.")
    async def change_password(self, info: Info, input: ChangePasswordInput) -> UserResult:
        actor = info.context.actor
        return await accounts.change_password(actor, old=input.old_password, new=input.new_password)  # type: ignore[return-value]

    @mutation("Forget the failed sign-ins that make a user wait. ADMIN.")
    async def unlock_user(self, info: Info, input: UnlockUserInput) -> UserResult:
        return await accounts.unlock(info.context.actor, key("User", input.id))  # type: ignore[return-value]

    @mutation("Make a token. ADMIN; one that acts as oneself, everybody who signed in.")
    async def create_token(self, info: Info, input: CreateTokenInput) -> CreatedTokenResult:
        user_id = maybe(input.user_id)
        token, secret = await accounts.issue_token(
            info.context.actor,
            name=input.name,
            scope=input.scope,
            user_id=None if user_id is None else key("User", user_id),
            role=maybe(input.role),
            expires_at=maybe(input.expires_at),
        )
        return CreatedToken(token=token, secret=secret)  # type: ignore[arg-type]

    @mutation("End a token at once. ADMIN; one that acts as oneself, everybody who signed in.")
    async def revoke_token(self, info: Info, input: RevokeTokenInput) -> TokenResult:
        return await accounts.revoke_token(info.context.actor, key("Token", input.id))  # type: ignore[return-value]

    @mutation("Sign out one of one's own browsers. Who signed in.")
    async def end_session(self, info: Info, input: EndSessionInput) -> EndedSessionsResult:
        return _ended(await accounts.end_session(info.context.actor, key("Session", input.id)))

    @mutation("Sign out all of one's own other browsers; for ADMIN, all of somebody else's.")
    async def end_sessions(self, info: Info, input: EndSessionsInput) -> EndedSessionsResult:
        user_id = maybe(input.user_id)
        wanted = None if user_id is None else key("User", user_id)
        return _ended(await accounts.end_sessions(info.context.actor, wanted))
