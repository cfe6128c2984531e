"""Who may do what: every mutation and root field, as every kind of viewer, against a table (A2, A7, T3). Over HTTP,
with answers as JSON and as events, and over WebSockets.

A field that the tables below do not name fails; so does a table that names a field that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from cms import clock, comments, ids, previews, tagging, worker, workflow
from cms.models import ArticleStatus, Event, Role, Token, TokenScope, Upload, User
from cms.permissions import SYSTEM, Actor
from cms.workflow import Transition
from schema import access, schema
from tests.conftest import Api
from tests.factories import (
    dump,
    in_a_day,
    make_actor,
    make_article,
    make_author,
    make_media,
    make_section,
    make_tag,
    make_token,
    make_user,
)
from tests.streaming import Server, connected, events, is_listening, nobody_is_listening

# What each viewer gets: "." an answer, "u" UNAUTHENTICATED, "f" FORBIDDEN, "n" NOT_FOUND.
VIEWERS = ("public", "READ", "PREVIEW", "CONTRIBUTOR", "EDITOR", "CHIEF", "ADMIN")
QUERIES = {
    "article": ".......",
    "articles": ".......",
    "author": ".......",
    "authors": ".......",
    "calendar": "uff....",
    "changes": ".......",
    "events": "uff....",
    "myQueue": "uff....",
    "mediaLibrary": "uff....",
    "node": ".......",
    "nodes": ".......",
    "preview": ".......",
    "redirects": ".......",
    "route": ".......",
    "search": ".......",
    "section": ".......",
    "sections": ".......",
    "sessions": "uff....",
    "site": ".......",
    "storyList": ".......",
    "tag": ".......",
    "tags": ".......",
    "tokens": "uff....",
    "users": "uff....",
    "viewer": ".......",
}
MUTATIONS = {
    "addComment": "uff....",
    "addCorrection": "ufff...",
    "approveArticle": "ufff...",
    "changePassword": "uffffff",  # nobody by token: who signed in with the old one
    "createArticle": "uff....",
    "createAuthor": "ufff...",
    "createPreviewLink": "uff....",
    "createSection": "ufff...",
    "createTag": "ufff...",
    "createToken": "ufffff.",
    "createUpload": "uff....",
    "deleteAuthor": "ufff...",
    "deleteMedia": "uff....",
    "deleteSection": "ufff...",
    "deleteTag": "ufff...",
    "endSession": "uffffff",  # nobody by token: a browser of one's own
    "endSessions": "ufffff.",
    "excludeRelated": "ufff...",
    "finishUpload": "uff....",
    "inviteUser": "ufffff.",
    "lockArticle": "uff....",
    "mergeTags": "ufff...",
    "publishArticle": "ufff...",
    "reinstateArticle": "uffff..",
    "replaceMedia": "uff....",
    "requestChanges": "ufff...",
    "resolveComment": "uff....",
    "restoreRevision": "uff....",
    "retagArticles": "uff....",
    "revokeToken": "unnfff.",  # by token: itself, or ADMIN any; READ and PREVIEW see none
    "revokePreviewLink": "uff....",
    "scheduleArticle": "ufff...",
    "setStoryList": "ufff...",
    "submitArticle": "uff....",
    "transitionArticles": "uff....",
    "trashArticle": "uff....",
    "unlockArticle": "uff....",
    "unlockUser": "ufffff.",
    "unmergeTags": "ufff...",
    "unpublishArticle": "ufff...",
    "unscheduleArticle": "ufff...",
    "untrashArticle": "uff....",
    "updateArticle": "uff....",
    "updateAuthor": "ufff...",
    "updateEditorial": "uff....",
    "updateMedia": "uff....",
    "updateSection": "ufff...",
    "updateSite": "ufffff.",
    "updateTag": "ufff...",
    "updateUser": "ufffff.",
    "uploadFromUrl": "uff....",
    "withdrawArticle": "uffff..",
}
SUBSCRIPTIONS = {"articleChanged": ".......", "editorialEvents": "uff...."}
ACCEPTED = {"json": "application/json", "events": "text/event-stream"}
ENDED = ("disabled", "expired", "revoked")
_LETTERS = {"UNAUTHENTICATED": "u", "FORBIDDEN": "f", "NOT_FOUND": "n"}


# ---------------------------------------------------------------- something to try each mutation on

Subject = Callable[[Actor], Awaitable[dict[str, Any]]]


def _story(status: ArticleStatus, **more: Any) -> Subject:
    """A story of the viewer's own, in a status."""

    async def made(viewer: Actor) -> dict[str, Any]:
        head = await make_article(status=status, owner_id=viewer.user_id)
        return {"id": ids.encode("Article", head.article_id), **more}

    return made


def _thing(kind: str, make: Callable[[str], Awaitable[Any]], **more: Any) -> Subject:
    async def made(viewer: Actor) -> dict[str, Any]:
        return {"id": ids.encode(kind, await make(f"Thing {ids.new().hex}")), **more}

    return made


def _plain(**input: Any) -> Subject:
    async def made(viewer: Actor) -> dict[str, Any]:
        return {
            name: value.format(new=ids.new().hex) if isinstance(value, str) else value for name, value in input.items()
        }

    return made


async def _correction(viewer: Actor) -> dict[str, Any]:
    story = await _story(ArticleStatus.PUBLISHED)(viewer)
    return {"articleId": story["id"], "kind": "UPDATE", "text": "More is known."}


async def _pair(viewer: Actor) -> dict[str, Any]:
    story, other = await _story(ArticleStatus.PUBLISHED)(viewer), await _story(ArticleStatus.PUBLISHED)(viewer)
    return {"articleId": story["id"], "relatedId": other["id"]}


async def _trashed(viewer: Actor) -> dict[str, Any]:
    head = await make_article(owner_id=viewer.user_id)
    await workflow.transition(SYSTEM, head.article_id, Transition.TRASH)
    return {"id": ids.encode("Article", head.article_id)}


async def _scheduled(viewer: Actor) -> dict[str, Any]:
    head = await make_article(owner_id=viewer.user_id)
    await workflow.transition(SYSTEM, head.article_id, Transition.SCHEDULE, wish=in_a_day())
    return {"id": ids.encode("Article", head.article_id)}


async def _user(viewer: Actor) -> dict[str, Any]:
    return {"id": ids.encode("User", (await make_user()).id)}


async def _sessions_of_another(viewer: Actor) -> dict[str, Any]:
    return {"userId": (await _user(viewer))["id"]}


async def _own_token(viewer: Actor) -> dict[str, Any]:
    user = await User.get(id=viewer.user_id) if viewer.user_id else await make_user()
    await make_token(user=user)
    row = await Token.filter(user_id=user.id).order_by("-created_at").first()
    assert row is not None
    return {"id": ids.encode("Token", row.id)}


async def _revision(viewer: Actor) -> dict[str, Any]:
    head = await make_article(owner_id=viewer.user_id)
    return {"articleId": ids.encode("Article", head.article_id), "revisionId": ids.encode("Revision", head.revision_id)}


def _media(**more: Any) -> Subject:
    """A file that the viewer brought in."""

    async def made(viewer: Actor) -> dict[str, Any]:
        return {"id": ids.encode("Media", (await make_media(created_by_id=viewer.user_id)).id), **more}

    return made


async def _upload(viewer: Actor) -> dict[str, Any]:
    """The viewer's own, whose bytes have not come: who may finish it is told so."""
    now = clock.now()
    row = await Upload.create(
        filename="a.png", byte_size=1, created_at=now, expires_at=now + timedelta(hours=1), created_by_id=viewer.user_id
    )
    return {"uploadId": ids.encode("Upload", row.id)}


async def _replacement(viewer: Actor) -> dict[str, Any]:
    return {**await _media()(viewer), **await _upload(viewer)}


async def _comment(viewer: Actor) -> dict[str, Any]:
    return {"articleId": (await _story(ArticleStatus.DRAFT)(viewer))["id"], "text": "Why?"}


async def _several(viewer: Actor) -> dict[str, Any]:
    return {"transition": "SUBMIT", "items": [await _story(ArticleStatus.DRAFT)(viewer)]}


async def _thread(viewer: Actor) -> dict[str, Any]:
    head = await make_article(owner_id=viewer.user_id)
    return {"id": ids.encode("Comment", (await comments.add(SYSTEM, head.article_id, text="Why?")).id)}


async def _preview(viewer: Actor) -> dict[str, Any]:
    return {"revisionId": (await _revision(viewer))["revisionId"]}


async def _link(viewer: Actor) -> dict[str, Any]:
    head = await make_article(owner_id=viewer.user_id)
    maker = viewer if viewer.user_id else await make_actor()
    return {"id": ids.encode("PreviewLink", (await previews.create(maker, head.revision_id))[0].id)}


async def _tags_to_merge(viewer: Actor) -> dict[str, Any]:
    one, other = [ids.encode("Tag", await make_tag(f"Tag {ids.new().hex}")) for _ in range(2)]
    return {"fromIds": [one], "intoId": other}


async def _merged(viewer: Actor) -> dict[str, Any]:
    one, other = [await make_tag(f"Tag {ids.new().hex}") for _ in range(2)]
    await tagging.merge(SYSTEM, [one], other)
    event = await Event.filter(type="tag.merged").order_by("-number").first()
    assert event is not None
    return {"eventId": ids.encode("Event", event.id)}


async def _retagged(viewer: Actor) -> dict[str, Any]:
    return {"articleIds": [(await _story(ArticleStatus.DRAFT)(viewer))["id"]], "addTagNames": ["A tag"]}


SUBJECTS: dict[str, Subject] = {
    "addComment": _comment,
    "addCorrection": _correction,
    "approveArticle": _story(ArticleStatus.IN_REVIEW),
    "changePassword": _plain(oldPassword="not the old one", newPassword="a new pass phrase"),
    "createArticle": _plain(headline="A headline"),
    "createAuthor": _plain(name="Author {new}"),
    "createPreviewLink": _preview,
    "createSection": _plain(name="Section {new}"),
    "createTag": _plain(name="Tag {new}"),
    "createToken": _plain(name="Token {new}", scope="READ"),
    "createUpload": _plain(filename="a.png", byteSize=1),
    "deleteAuthor": _thing("Author", make_author),
    "deleteMedia": _media(),
    "deleteSection": _thing("Section", make_section),
    "deleteTag": _thing("Tag", make_tag),
    "endSession": _plain(id=ids.encode("Session", ids.new())),
    "endSessions": _sessions_of_another,
    "excludeRelated": _pair,
    "finishUpload": _upload,
    "inviteUser": _plain(email="{new}@example.org", name="Somebody", role="EDITOR"),
    "lockArticle": _story(ArticleStatus.DRAFT),
    "mergeTags": _tags_to_merge,
    "publishArticle": _story(ArticleStatus.APPROVED),
    "reinstateArticle": _story(ArticleStatus.WITHDRAWN),
    "replaceMedia": _replacement,
    "requestChanges": _story(ArticleStatus.IN_REVIEW),
    "resolveComment": _thread,
    "restoreRevision": _revision,
    "retagArticles": _retagged,
    "revokeToken": _own_token,
    "revokePreviewLink": _link,
    "scheduleArticle": _story(ArticleStatus.APPROVED, publishAt="2100-01-01T00:00:00Z"),
    "setStoryList": _plain(slug="front", articleIds=[]),
    "submitArticle": _story(ArticleStatus.DRAFT),
    "transitionArticles": _several,
    "trashArticle": _story(ArticleStatus.DRAFT),
    "unlockArticle": _story(ArticleStatus.DRAFT),
    "unlockUser": _user,
    "unmergeTags": _merged,
    "unpublishArticle": _story(ArticleStatus.PUBLISHED),
    "unscheduleArticle": _scheduled,
    "untrashArticle": _trashed,
    "updateArticle": _story(ArticleStatus.DRAFT, headline="Another headline"),
    "updateAuthor": _thing("Author", make_author, bio="A few words"),
    "updateEditorial": _story(ArticleStatus.DRAFT, note="A note"),
    "updateMedia": _media(caption="A caption"),
    "updateSection": _thing("Section", make_section, description="About it"),
    "updateSite": _plain(name="The Paper"),
    "updateTag": _thing("Tag", make_tag, description="About it"),
    "updateUser": _user,
    "uploadFromUrl": _plain(url="http://127.0.0.1/a.png"),
    "withdrawArticle": _story(ArticleStatus.PUBLISHED, notice="It was wrong."),
}
_ARGUMENTS = {
    "article": '(slug: "x")',
    "calendar": '(from: "2100-01-01T00:00:00Z", to: "2100-01-02T00:00:00Z")',
    "author": '(slug: "x")',
    "node": '(id: "x")',
    "nodes": "(ids: [])",
    "preview": '(token: "x")',
    "route": '(path: "/x")',
    "search": '(query: "x")',
    "section": '(slug: "x")',
    "storyList": '(slug: "x")',
    "tag": '(slug: "x")',
}


async def _viewer(name: str) -> tuple[Actor, str | None]:
    if name == "public":
        return Actor("the public"), None
    if name in ("READ", "PREVIEW"):
        return Actor(name), await make_token(TokenScope(name))
    actor = await make_actor(Role(name))
    return actor, await make_token(user=await User.get(id=actor.user_id))


def _query(field: str) -> str:
    return f"{{ {field}{_ARGUMENTS.get(field, '')} {{ __typename }} }}"


def _mutation(field: str) -> str:
    type = field[0].upper() + field[1:] + "Input"
    return f"mutation($input: {type}!) {{ {field}(input: $input) {{ __typename }} }}"


def _subscription(field: str) -> str:
    return f"subscription {{ {field} {{ __typename }} }}"


def _code(answer: dict[str, Any], field: str) -> str | None:
    if errors := answer.get("errors"):
        return str(errors[0]["extensions"]["code"])
    result = answer["data"][field]
    return result.get("code") if isinstance(result, dict) else None


def test_the_tables_name_every_field() -> None:
    query, mutation = schema._schema.query_type, schema._schema.mutation_type
    subscription = schema._schema.subscription_type
    assert query is not None
    assert mutation is not None
    assert subscription is not None
    assert QUERIES.keys() == query.fields.keys()
    assert MUTATIONS.keys() == mutation.fields.keys() == SUBJECTS.keys()
    assert SUBSCRIPTIONS.keys() == subscription.fields.keys() == access.SUBSCRIPTIONS.keys()


def test_a_field_without_a_rule_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(access.MUTATIONS, "publishArticle")
    with pytest.raises(RuntimeError, match="no rule for \\['publishArticle'\\]"):
        access.check(schema._schema)


@pytest.mark.parametrize("over", ACCEPTED)
@pytest.mark.parametrize("field", QUERIES)
async def test_root_field_answers_whom_it_should(api: Api, field: str, over: str) -> None:
    got = ""
    for name in VIEWERS:
        _, token = await _viewer(name)
        answer = await api.answer(_query(field), token=token, accept=ACCEPTED[over])
        code = _code(answer, field)
        got += _LETTERS[code] if code else "."
    assert got == QUERIES[field]


@pytest.mark.parametrize("over", ACCEPTED)
@pytest.mark.parametrize("field", MUTATIONS)
async def test_mutation_obeys_whom_it_should(api: Api, field: str, over: str) -> None:
    got = ""
    for name in VIEWERS:
        viewer, token = await _viewer(name)
        input = await SUBJECTS[field](viewer)
        before = await dump()
        result = await api.write(field, input, token=token, accept=ACCEPTED[over])
        result = result[0] if isinstance(result, list) else result
        letter = _LETTERS.get(result.get("code") or "", ".")
        assert letter == "." or await dump() == before, f"{name} was refused and changed something"
        got += letter
    assert got == MUTATIONS[field]


async def _ended(kind: str) -> str:
    user = await make_user(Role.ADMIN)
    token = await make_token(user=user)
    if kind == "disabled":
        await User.filter(id=user.id).update(is_active=False)
    elif kind == "expired":
        await Token.filter(user_id=user.id).update(expires_at=clock.now() - timedelta(seconds=1))
    else:
        await Token.filter(user_id=user.id).update(revoked_at=clock.now())
    return token


@pytest.mark.parametrize("over", ACCEPTED)
@pytest.mark.parametrize("kind", ENDED)
async def test_a_credential_that_has_ended_opens_nothing(api: Api, kind: str, over: str) -> None:
    token = await _ended(kind)
    before = await dump()
    answers = []
    for field in QUERIES:
        answers.append(await api.answer(_query(field), token=token, accept=ACCEPTED[over]))
    for field in MUTATIONS:
        answers.append(await api.answer(_mutation(field), token=token, accept=ACCEPTED[over], input={}))
    for field in SUBSCRIPTIONS:
        answers.append(await api.answer(_subscription(field), token=token, accept=ACCEPTED[over]))
    assert {_code(answer, "") for answer in answers} == {"UNAUTHENTICATED"}
    assert len({str(answer) for answer in answers}) == 1
    assert await dump() == before


async def test_A7_a_credential_that_has_ended_opens_no_websocket(server: Server) -> None:
    for kind in ENDED:
        async with connected(server, init=False) as socket:
            token = await _ended(kind)
            await socket.say(type="connection_init", payload={"Authorization": f"Bearer {token}"})
            assert await socket.closed() == (4403, "Forbidden"), kind


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started after this does no jobs beside."""
    monkeypatch.setattr(worker, "_TICKS", ())


@pytest.mark.parametrize("name", VIEWERS)
async def test_A7_queries_and_mutations_are_refused_over_websockets(no_work: None, server: Server, name: str) -> None:
    """Whoever asks, whatever it is, in the same words."""
    viewer, token = await _viewer(name)
    inputs = {field: await SUBJECTS[field](viewer) for field in MUTATIONS}
    before, refusals = await dump(), []
    async with connected(server, token) as socket:
        for field in QUERIES:
            await socket.subscribe(_query(field))
            refusals.append(await socket.hear())
        for field in MUTATIONS:
            await socket.subscribe(_mutation(field), input=inputs[field])
            refusals.append(await socket.hear())
    error = {
        "message": "Only subscriptions are answered here: send the others by HTTP.",
        "extensions": {"code": "BAD_REQUEST"},
    }
    assert refusals == [{"type": "error", "id": "1", "payload": [error]}] * len(QUERIES.keys() | MUTATIONS.keys())
    assert await dump() == before


async def test_A7_who_may_subscribe_is_who_may_over_websockets(server: Server) -> None:
    for field, expected in SUBSCRIPTIONS.items():
        got = ""
        for name in VIEWERS:
            _, token = await _viewer(name)
            async with connected(server, token) as socket:
                await socket.subscribe(_subscription(field))
                hearing = asyncio.create_task(socket.hear())
                listening = asyncio.create_task(is_listening(server))
                await asyncio.wait({hearing, listening}, return_when=asyncio.FIRST_COMPLETED)
                # It may hear what happened just before: that its own viewer was made.
                heard = hearing.result() if hearing.done() else {"type": "next"}
                got += "." if heard["type"] == "next" else _LETTERS[heard["payload"][0]["extensions"]["code"]]
                hearing.cancel()
                listening.cancel()
            await nobody_is_listening(server)
        assert got == expected, field


async def test_A7_who_may_subscribe_is_who_may_over_server_sent_events(server: Server) -> None:
    for field, expected in SUBSCRIPTIONS.items():
        got = ""
        for name in VIEWERS:
            _, token = await _viewer(name)
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            async with events(server, _subscription(field), **credential) as answer:
                if answer.headers["content-type"].startswith("text/event-stream"):
                    await is_listening(server)
                    got += "."
                else:
                    got += _LETTERS[orjson.loads(await answer.aread())["errors"][0]["extensions"]["code"]]
            await nobody_is_listening(server)
        assert got == expected, field


@pytest.mark.parametrize("field", SUBSCRIPTIONS)
async def test_a_subscription_is_no_answer_as_json_whoever_asks(api: Api, field: str) -> None:
    answers = [await api.answer(_subscription(field), token=(await _viewer(name))[1]) for name in VIEWERS]
    assert answers == [answers[0]] * len(VIEWERS)
    assert _code(answers[0], field) == "BAD_REQUEST"


@pytest.mark.parametrize(
    "field", sorted({"submitArticle", "trashArticle", "untrashArticle", "updateArticle", "updateEditorial"})
)
async def test_L9_a_hidden_story_and_no_story_give_the_same_answer(api: Api, field: str) -> None:
    _, token = await _viewer("CONTRIBUTOR")
    hidden = ids.encode("Article", (await make_article()).article_id)
    nobody = ids.encode("Article", ids.new())
    extra = {"headline": "Mine now"} if field == "updateArticle" else {}
    before = await dump()
    answers = [await api.write(field, {"id": id, **extra}, token=token) for id in (hidden, nobody, "garbage")]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "NOT_FOUND"
    assert await dump() == before
