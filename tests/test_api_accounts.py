"""Users, tokens and sessions through GraphQL. Row ids are those of docs/security.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cms import accounts, clock, ids
from cms.models import LinkPurpose, Role, Session, Token, TokenScope, User
from cms.permissions import SYSTEM
from schema import schema
from schema.scalars import print_instant
from tests.browser import Browser

pytestmark = pytest.mark.usefixtures("db")

PASSWORD, OTHER = "correct horse battery", "staple, staple, staple"
USER = "... on User { id name email role isActive }"
MADE = "... on CreatedToken { secret token { id name scope role user { name } expiresAt revokedAt lastUsedAt } }"


class Staff:
    """People who are signed in, each in a browser."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._browsers: dict[Role, Browser] = {}
        self.users: dict[Role, User] = {}

    async def __call__(self, role: Role) -> Browser:
        if role not in self._browsers:
            email = f"{role.lower()}@news.example"
            self.users[role] = await accounts.create_user(
                SYSTEM, email=email, name=role.title(), role=role, password=PASSWORD
            )
            self._browsers[role] = await self.browser(email)
        return self._browsers[role]

    async def browser(self, email: str) -> Browser:
        browser = await self._stack.enter_async_context(Browser())
        assert (await browser.sign_in(email, PASSWORD)).status_code == 200
        return browser

    def id(self, role: Role) -> str:
        return ids.encode("User", self.users[role].id)


@pytest.fixture
async def staff() -> AsyncIterator[Staff]:
    async with AsyncExitStack() as stack:
        yield Staff(stack)


class Program(Browser):
    """Asks with a token; `who` and `write` are those of a browser."""

    def __init__(self, token: str) -> None:
        super().__init__(Authorization=f"Bearer {token}")


# ---------------------------------------------------------------- users


async def test_staff_list_users_by_name_and_see_their_own_address_alone(staff: Staff) -> None:
    admin, editor = await staff(Role.ADMIN), await staff(Role.EDITOR)
    document = "query($q: String) { users(query: $q) { totalCount nodes { name email } } }"
    seen = (await admin.ask(document))["users"]
    assert seen["nodes"] == [
        {"name": "Admin", "email": "admin@news.example"},
        {"name": "Editor", "email": "editor@news.example"},
    ]
    assert [each["email"] for each in (await editor.ask(document))["users"]["nodes"]] == [None, "editor@news.example"]
    assert (await admin.ask(document, q="EDITOR@"))["users"]["totalCount"] == 1
    assert (await editor.ask(document, q="admin@"))["users"]["totalCount"] == 0  # L5
    assert (await editor.ask(document, q="adm"))["users"]["totalCount"] == 1
    assert (await editor.ask(document, q="%"))["users"]["totalCount"] == 0


async def test_users_come_in_pages(staff: Staff) -> None:
    admin = await staff(Role.ADMIN)
    for i in range(5):
        await accounts.create_user(SYSTEM, email=None, name=f"Wire {i}", role=Role.CONTRIBUTOR, password=None)
    document = (
        "query($after: String) { users(first: 4, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }"
    )
    first = (await admin.ask(document))["users"]
    second = (await admin.ask(document, after=first["pageInfo"]["endCursor"]))["users"]
    assert [each["name"] for each in first["nodes"] + second["nodes"]] == ["Admin", *(f"Wire {i}" for i in range(5))]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


@pytest.mark.parametrize("field", ["users { nodes { name } }", "tokens { nodes { name } }", "sessions { userAgent }"])
async def test_readers_see_nobody(field: str) -> None:
    async with Browser() as public:
        refusal = (await public.post("/graphql", {"query": f"{{ {field} }}"})).json()["errors"][0]
        assert refusal["extensions"]["code"] == "UNAUTHENTICATED"
    for scope in (TokenScope.READ, TokenScope.PREVIEW):
        token = await accounts.create_token(SYSTEM, name="site", scope=scope)
        async with Program(token) as program:
            refusal = (await program.post("/graphql", {"query": f"{{ {field} }}"})).json()["errors"][0]
            assert refusal["extensions"]["code"] == "FORBIDDEN"


async def test_an_invitation_leads_to_signing_in(staff: Staff) -> None:
    admin = await staff(Role.ADMIN)
    made = await admin.write(
        "inviteUser",
        {"email": "Carl@News.example", "name": "Carl", "role": "CHIEF"},
        f"... on Invitation {{ url user {{ {USER} }} }}",
    )
    assert made["user"]["email"] == "carl@news.example"
    secret = made["url"].partition("#")[2]
    async with Browser() as browser:
        assert (await browser.post("/password", {"token": secret, "password": PASSWORD})).status_code == 204
        assert (await browser.sign_in("carl@news.example", PASSWORD)).status_code == 200
        assert await browser.who() == "Carl"
    again = await admin.write("inviteUser", {"email": "carl@news.example", "name": "C", "role": "ADMIN"})
    assert again["code"] == "CONFLICT"


async def test_a_sent_invitation_shows_no_link(staff: Staff, configured: Callable[..., None]) -> None:
    admin = await staff(Role.ADMIN)
    configured(CMS_SMTP_URL="smtp://127.0.0.1:1")
    input = {"email": "carl@news.example", "name": "Carl", "role": "CHIEF"}
    assert (await admin.write("inviteUser", input, "... on Invitation { url }"))["url"] is None


async def test_admin_changes_a_user(staff: Staff) -> None:
    admin, editor = await staff(Role.ADMIN), await staff(Role.EDITOR)
    id = staff.id(Role.EDITOR)
    changed = await admin.write("updateUser", {"id": id, "email": "ed@news.example", "name": "Ed"}, USER)
    assert (changed["email"], changed["name"], changed["role"]) == ("ed@news.example", "Ed", "EDITOR")
    assert await editor.who() == "Ed"
    assert (await admin.write("updateUser", {"id": id, "role": "CHIEF"}, USER))["role"] == "CHIEF"
    assert await editor.who() == "refused"
    assert (await admin.write("updateUser", {"id": id, "isActive": False}, USER))["isActive"] is False
    assert (await admin.write("updateUser", {"id": id, "email": None}))["code"] == "INVALID"
    assert (await admin.write("updateUser", {"id": id, "email": "admin@news.example"}))["code"] == "CONFLICT"


async def test_the_last_admin_stays(staff: Staff) -> None:
    admin = await staff(Role.ADMIN)
    for change in ({"isActive": False}, {"role": "CHIEF"}):
        refused = await admin.write("updateUser", {"id": staff.id(Role.ADMIN), **change})
        assert refused["code"] == "FORBIDDEN"
    assert await admin.who() == "Admin"


@pytest.mark.parametrize("change", [{"role": "ADMIN"}, {"isActive": True}, {"email": "x@news.example"}])
async def test_a3_nobody_raises_themselves(staff: Staff, change: dict[str, Any]) -> None:
    for role in (Role.CONTRIBUTOR, Role.EDITOR, Role.CHIEF):
        browser = await staff(role)
        refused = await browser.write("updateUser", {"id": staff.id(role), "name": "X", **change})
        assert refused["code"] == "FORBIDDEN"
        assert (await browser.write("updateUser", {"id": staff.id(role), "name": "X"}, USER))["name"] == "X"


async def test_a3_what_decides_trust_is_no_input(staff: Staff) -> None:
    names = {
        field.name
        for definition in schema.schema_converter.type_map.values()
        for field in getattr(definition.definition, "fields", [])
        if getattr(definition.definition, "is_input", False)
    }
    assert not names & {"password_hash", "digest", "token_hash", "session_id", "revoked_at", "last_used_at"}


async def test_a_password_is_changed(staff: Staff) -> None:
    editor = await staff(Role.EDITOR)
    wrong = await editor.write("changePassword", {"oldPassword": OTHER, "newPassword": OTHER})
    assert (wrong["code"], wrong["issues"]) == ("INVALID", [{"field": ["oldPassword"], "code": "password"}])
    short = await editor.write("changePassword", {"oldPassword": PASSWORD, "newPassword": "short"})
    assert short["issues"] == [{"field": ["newPassword"], "code": "too_short"}]
    huge = await editor.write("changePassword", {"oldPassword": PASSWORD, "newPassword": "x" * 1_000_000})
    assert huge["issues"] == [{"field": ["newPassword"], "code": "too_long"}]
    assert (await editor.write("changePassword", {"oldPassword": PASSWORD, "newPassword": OTHER}, USER))[
        "name"
    ] == "Editor"
    assert await editor.who() == "refused"


async def test_a11_there_is_no_signing_in_through_graphql() -> None:
    fields = {field.graphql_name or field.name for field in schema.get_type_by_name("Mutation").fields}  # type: ignore[union-attr]
    assert not {name for name in fields if "sign" in name.lower() or "login" in name.lower() or "reset" in name.lower()}


async def test_a11_an_old_password_is_not_guessed_by_aliases(staff: Staff) -> None:
    editor = await staff(Role.EDITOR)
    guesses = " ".join(
        f'g{i}: changePassword(input: {{oldPassword: "guess {i}", newPassword: "{OTHER}"}}) '
        "{ ... on Problem { code } }"
        for i in range(10)
    )
    answer = await editor.ask(f"mutation {{ {guesses} }}")
    assert [each["code"] for each in answer.values()] == ["INVALID"] * 5 + ["RATE_LIMITED"] * 5


async def test_t8_admin_unlocks(staff: Staff) -> None:
    admin, editor = await staff(Role.ADMIN), await staff(Role.EDITOR)
    async with Browser(peer="198.51.100.1") as stranger:
        for _ in range(6):
            await stranger.sign_in("editor@news.example", OTHER)
        assert (await stranger.sign_in("editor@news.example", PASSWORD)).status_code == 429
        assert (await editor.write("unlockUser", {"id": staff.id(Role.EDITOR)}))["code"] == "FORBIDDEN"
        assert (await admin.write("unlockUser", {"id": staff.id(Role.EDITOR)}, USER))["name"] == "Editor"
        assert (await stranger.sign_in("editor@news.example", PASSWORD)).status_code == 200


# ---------------------------------------------------------------- tokens


async def test_a_token_is_shown_once_used_and_revoked(staff: Staff) -> None:
    admin = await staff(Role.ADMIN)
    soon = print_instant(clock.now() + timedelta(days=1))
    made = await admin.write(
        "createToken", {"name": "importer", "scope": "WRITE", "role": "CONTRIBUTOR", "expiresAt": soon}, MADE
    )
    assert made["token"]["user"]["name"] == "importer"
    assert made["token"]["expiresAt"] == soon
    async with Program(made["secret"]) as program:
        assert await program.who() == "importer"
        id = made["token"]["id"]
        listed = (await admin.ask("{ tokens { nodes { id name lastUsedAt } } }"))["tokens"]["nodes"]
        assert [each["id"] for each in listed] == [id]
        assert listed[0]["lastUsedAt"] is not None
        assert (await admin.ask("query($id: ID!) { node(id: $id) { id __typename } }", id=id))["node"][
            "__typename"
        ] == "Token"
        revoked = await admin.write("revokeToken", {"id": id}, "... on Token { revokedAt }")
        assert revoked["revokedAt"] is not None
        assert await program.who() == "refused"


async def test_one_makes_tokens_for_oneself(staff: Staff) -> None:
    editor, _ = await staff(Role.EDITOR), await staff(Role.ADMIN)
    mine = {"name": "mine", "scope": "WRITE", "userId": staff.id(Role.EDITOR)}
    made = await editor.write("createToken", mine, MADE)
    assert made["token"]["user"]["name"] == "Editor"
    assert (await editor.write("createToken", {**mine, "role": "ADMIN"}))["code"] == "INVALID"
    assert (await editor.write("createToken", {**mine, "userId": staff.id(Role.ADMIN)}))["code"] == "FORBIDDEN"
    for scope in ("READ", "PREVIEW", "WRITE"):
        assert (await editor.write("createToken", {"name": "x", "scope": scope, "role": None}))["code"] == "FORBIDDEN"
    await accounts.create_token(SYSTEM, name="other", scope=TokenScope.READ)
    assert (await editor.ask("{ tokens { totalCount nodes { name } } }"))["tokens"]["nodes"] == [{"name": "mine"}]
    assert (await editor.write("revokeToken", {"id": made["token"]["id"]}, "... on Token { name }"))["name"] == "mine"


@pytest.mark.parametrize("mutation", ["createToken", "inviteUser", "updateUser", "unlockUser", "changePassword"])
@pytest.mark.parametrize("token", ["READ", "PREVIEW", "CONTRIBUTOR", "EDITOR", "CHIEF"])
async def test_t3_a_token_makes_nothing_beyond_itself(staff: Staff, token: str, mutation: str) -> None:
    await staff(Role.ADMIN)
    if token in list(TokenScope):
        secret = await accounts.create_token(SYSTEM, name="x", scope=TokenScope(token))
    else:
        user = staff.users[Role.ADMIN]
        secret = await accounts.create_token(SYSTEM, name="x", scope=TokenScope.WRITE, user=user, role=Role(token))
    admin = staff.id(Role.ADMIN)
    input: dict[str, Any] = {
        "createToken": {"name": "x", "scope": "WRITE", "userId": admin},
        "inviteUser": {"email": "x@news.example", "name": "x", "role": "CONTRIBUTOR"},
        "updateUser": {"id": admin, "name": "x"},
        "unlockUser": {"id": admin},
        "changePassword": {"oldPassword": PASSWORD, "newPassword": OTHER},
    }[mutation]
    async with Program(secret) as program:
        assert (await program.write(mutation, input))["code"] == "FORBIDDEN"
    assert await User.all().count() == 1
    assert await Token.all().count() == 1


# ---------------------------------------------------------------- sessions


async def test_a_user_sees_and_ends_their_own_sessions(staff: Staff) -> None:
    here = await staff(Role.EDITOR)
    there, third = [await staff.browser("editor@news.example") for _ in range(2)]
    await staff(Role.ADMIN)
    sessions = (await here.ask("{ sessions { id isCurrent userAgent createdAt seenAt expiresAt } }"))["sessions"]
    assert [each["isCurrent"] for each in sessions] == [False, False, True]
    ended = await here.write("endSession", {"id": sessions[0]["id"]}, "... on EndedSessions { endedIds }")
    assert ended["endedIds"] == [sessions[0]["id"]]
    assert [await browser.who() for browser in (here, there, third)] == ["Editor", "Editor", "refused"]
    await here.write("endSessions", {}, "... on EndedSessions { endedIds }")
    assert [await browser.who() for browser in (here, there)] == ["Editor", "refused"]


async def test_admin_signs_somebody_out(staff: Staff) -> None:
    admin, editor = await staff(Role.ADMIN), await staff(Role.EDITOR)
    assert (await editor.write("endSessions", {"userId": staff.id(Role.ADMIN)}))["code"] == "FORBIDDEN"
    await admin.write("endSessions", {"userId": staff.id(Role.EDITOR)}, "... on EndedSessions { endedIds }")
    assert [await editor.who(), await admin.who()] == ["refused", "Admin"]


async def test_a_program_ends_no_sessions_of_its_user(staff: Staff) -> None:
    editor = await staff(Role.EDITOR)
    secret = await accounts.create_token(SYSTEM, name="x", scope=TokenScope.WRITE, user=staff.users[Role.EDITOR])
    id = ids.encode("Session", (await Session.get()).id)
    async with Program(secret) as program:
        assert (await program.write("endSession", {"id": id}))["code"] == "FORBIDDEN"
        assert (await program.write("endSessions", {}))["code"] == "FORBIDDEN"
    assert await editor.who() == "Editor"


# ---------------------------------------------------------------- hidden is absent


NOWHERE = UUID("01980000-0000-7000-8000-000000000000")


@pytest.mark.parametrize("role", [Role.CONTRIBUTOR, Role.EDITOR, Role.CHIEF])
async def test_l9_another_s_ids_are_as_unknown_as_none(staff: Staff, role: Role) -> None:
    browser, _ = await staff(role), await staff(Role.ADMIN)
    admin = staff.users[Role.ADMIN]
    await accounts.create_token(SYSTEM, name="x", scope=TokenScope.WRITE, user=admin)
    hidden = {
        "Token": (await Token.get()).id,
        "Session": (await Session.get(user_id=admin.id)).id,
        "User": admin.id,
    }
    asked = [
        ("Token", "mutation($id: ID!) { revokeToken(input: {id: $id}) { ... on Problem { code message } } }"),
        ("Token", "query($id: ID!) { node(id: $id) { id } }"),
        ("Session", "mutation($id: ID!) { endSession(input: {id: $id}) { ... on Problem { code message } } }"),
        ("Session", "query($id: ID!) { node(id: $id) { id } }"),
        ("User", 'mutation($id: ID!) { updateUser(input: {id: $id, name: "x"}) { ... on Problem { code message } } }'),
        ("User", "mutation($id: ID!) { unlockUser(input: {id: $id}) { ... on Problem { code message } } }"),
        ("User", "mutation($id: ID!) { endSessions(input: {userId: $id}) { ... on Problem { code message } } }"),
    ]
    for kind, document in asked:
        other = "Tag" if kind != "Tag" else "User"
        answers = [
            await browser.ask(document, id=id)
            for id in (
                ids.encode(kind, hidden[kind]),
                ids.encode(kind, NOWHERE),
                ids.encode(other, hidden[kind]) if "mutation" in document else ids.encode(kind, NOWHERE),
                "garbage",
            )
        ]
        assert all(answer == answers[0] for answer in answers), document
    admin = await accounts.authenticate_session(_cookie(await staff(Role.ADMIN)))
    assert await accounts.still_valid({admin}) == {admin}


async def test_l9_readers_find_no_user(staff: Staff) -> None:
    await staff(Role.EDITOR)
    async with Browser() as public:
        document = "query($id: ID!) { node(id: $id) { id } }"
        for id in (staff.id(Role.EDITOR), ids.encode("User", NOWHERE)):
            assert await public.ask(document, id=id) == {"node": None}


async def test_l10_no_type_has_a_secret_but_what_was_just_made() -> None:
    fields = {
        f"{type.name}.{field.name}"
        for converted in schema.schema_converter.type_map.values()
        if (type := converted.definition) is not None and not getattr(type, "is_input", False)
        for field in getattr(type, "fields", [])
    }
    secret = {each for each in fields if any(word in each.lower() for word in ("secret", "digest", "hash", "password"))}
    assert secret - {"Mutation.change_password"} == {"CreatedToken.secret"}


async def test_a_link_that_was_sent_is_not_told_again(staff: Staff) -> None:
    """What can be read of events has no part of a link or token."""
    admin = await staff(Role.ADMIN)
    url = await accounts.new_link(staff.users[Role.ADMIN], LinkPurpose.RESET)
    events = str(await admin.ask("{ events(first: 100) { nodes { type detail } } }"))
    assert "user.signed_in" in events
    assert url is not None
    assert url.partition("#")[2] not in events


def _cookie(browser: Browser) -> str:
    return str(browser.client.cookies["copydesk"])
