"""Preview links: what one shows to whom, for how long, and that it opens nothing else (T4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cms import articles, clock, ids, previews, workflow
from cms.accounts import authenticate, still_valid
from cms.errors import Embargoed, Forbidden, Invalid, NotFound, Unauthenticated
from cms.models import ArticleStatus, Event, Head, PreviewLink, Role, TokenScope, User
from cms.permissions import SYSTEM, Actor
from cms.workflow import Transition, Wish
from tests.clients import client
from tests.conftest import Api
from tests.factories import dump, execute, make_actor, make_article, make_media, make_token

pytestmark = pytest.mark.usefixtures("db")

DAY = timedelta(days=1)
LIVE = ArticleStatus.PUBLISHED
SHOWN = """query($token: String!) { preview(token: $token) {
  headline dek createdBy { name } article { id } message diff { to { number } } relatedPosts { article { headline } }
  tags { name } leadMedia { media { filename } } body { references { media { filename } } }
} }"""


async def make_link(actor: Actor, story: Head, **wish: Any) -> str:
    return (await previews.create(actor, story.revision_id, **wish))[1]


async def test_T4_a_link_shows_one_revision_with_its_pictures_and_nothing_that_is_for_staff(api: Api) -> None:
    editor, lead, inside = await make_actor(), await make_media(filename="l.png"), await make_media(filename="b.png")
    hidden, public = await make_article(headline="Hidden"), await make_article(headline="Public", status=LIVE)
    picture = {"type": "image", "attrs": {"mediaId": ids.encode("Media", inside.id)}}
    story = await make_article(
        headline="Shown",
        dek="d",
        tag_names=["Rain"],
        lead_media={"media_id": lead.id},
        body={"json": {"type": "doc", "content": [picture]}},
        related_post_ids=[hidden.article_id, public.article_id],
    )
    token = await make_link(editor, story)
    await articles.update(SYSTEM, story.article_id, {"headline": "Newer"})
    async with client() as outsider:
        response = await outsider.post("/graphql", json=asked(token))
    assert response.json() == {
        "data": {
            "preview": {
                "headline": "Shown",
                "dek": "d",
                "createdBy": None,
                "article": None,
                "message": None,
                "diff": None,
                "relatedPosts": [{"article": {"headline": "Public"}}],
                "tags": [{"name": "Rain"}],
                "leadMedia": {"media": {"filename": None}},
                "body": {"references": {"media": [{"filename": None}]}},
            }
        }
    }
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-robots-tag"] == "noindex"
    assert response.headers["cache-control"] == "private, no-store"


async def test_T4_only_the_hash_is_kept_and_the_token_is_in_the_fragment(api: Api) -> None:
    editor, story = await make_actor(), await make_article()
    made = await api.write(
        "createPreviewLink",
        {"revisionId": ids.encode("Revision", story.revision_id)},
        "... on PreviewLink { id token url expiresAt }",
        actor=editor,
    )
    assert made["token"].startswith("cmsp_")
    assert made["url"] == f"http://localhost:8000/preview#{made['token']}"
    assert made["token"] not in str(await dump())
    link = await PreviewLink.get()
    assert ids.encode("PreviewLink", link.id) == made["id"]
    assert link.expires_at == link.created_at + DAY
    gone = await api.write("revokePreviewLink", {"id": made["id"]}, "... on Deleted { deletedId }", actor=editor)
    assert gone["deletedId"] == made["id"]
    assert await previews.shown(made["token"]) is None
    events = await Event.filter(type__startswith="preview_link").order_by("number").values_list("type", flat=True)
    assert events == ["preview_link.created", "preview_link.revoked"]


async def test_T4_what_opens_nothing_is_not_told_apart() -> None:
    maker, other = await make_actor(Role.CONTRIBUTOR), await make_actor()
    story = await make_article(maker)
    tokens = [await make_link(maker, story) for _ in range(4)]
    assert all([await previews.shown(each) for each in tokens])
    await execute(
        "update preview_link set expires_at = now() where id = (select min(id::text)::uuid from preview_link)"
    )
    await execute("delete from preview_link where id = (select max(id::text)::uuid from preview_link)")
    opened = [each for each in tokens if await previews.shown(each)]
    assert len(opened) == 2
    bearer = await make_token(TokenScope.PREVIEW)
    answers = []
    for token in ("", "cmsp_x", bearer, *(set(tokens) - set(opened))):
        async with client() as outsider:
            answers.append((await outsider.post("/graphql", json=asked(token))).json())
    assert answers == [{"data": {"preview": None}}] * 5
    for end in (
        f"update article set owner_id = '{other.user_id}'",  # not the maker's to see any more
        f"update \"user\" set is_active = false where id = '{maker.user_id}'",
        "update article set trashed_at = now()",
        "update article set status = 'WITHDRAWN'",
    ):
        before = await dump()
        await execute(end)
        assert [await previews.shown(each) for each in opened] == [None, None], end
        await execute(f"update article set trashed_at = null, status = 'DRAFT', owner_id = '{maker.user_id}'")
        await execute('update "user" set is_active = true')
        assert await dump() == before


def asked(token: str) -> dict[str, Any]:
    return {"query": SHOWN, "variables": {"token": token}}


async def test_a_story_under_embargo_is_shown_only_by_an_editors_link() -> None:
    writer, editor = await make_actor(Role.CONTRIBUTOR), await make_actor()
    story = await make_article(writer)
    old = await make_link(writer, story)
    await articles.update_editorial(SYSTEM, story.article_id, {"embargoed_until": clock.now() + DAY})
    before = await dump()
    with pytest.raises(Embargoed):
        await make_link(writer, story)
    assert await dump() == before
    assert await previews.shown(old) is None
    assert await previews.shown(await make_link(editor, story)) is not None
    demoted = await make_link(editor, story)
    await User.filter(id=editor.user_id).update(role=Role.CONTRIBUTOR)
    assert await previews.shown(demoted) is None
    await execute("update article set embargoed_until = now()")
    assert await previews.shown(old) is not None


async def test_a_link_of_the_whole_site_reads_drafts_and_writes_nothing(api: Api) -> None:
    editor, story = await make_actor(), await make_article(headline="Draft")
    embargoed = await make_article(headline="Embargoed", tag_names=["Secret"])
    await articles.update_editorial(SYSTEM, embargoed.article_id, {"embargoed_until": clock.now() + DAY})
    token = await make_link(editor, story, whole_site=True)
    drafts = (
        "{ articles(perspective: DRAFT) { nodes { headline editorial { note } } totalCount } viewer { scopes role } }"
    )
    assert await api(drafts, token=token) == {
        "articles": {"nodes": [{"headline": "Draft", "editorial": None}], "totalCount": 1},
        "viewer": {"scopes": ["PREVIEW"], "role": None},
    }
    by_id = "query($id: ID!) { article(id: $id, perspective: DRAFT) { headline } }"
    assert (await api(by_id, token=token, id=ids.encode("Article", embargoed.article_id)))["article"] is None
    before = await dump()
    refused = await api.write("createArticle", {"headline": "x"}, token=token)
    assert refused["code"] == "FORBIDDEN"
    assert await dump() == before
    actor = await authenticate(token)
    assert await still_valid({actor}) == {actor}
    await User.filter(id=editor.user_id).update(role=Role.CONTRIBUTOR)
    assert await still_valid({actor}) == set()
    with pytest.raises(Unauthenticated):
        await authenticate(token)


async def test_a_link_of_one_revision_is_no_bearer() -> None:
    token = await make_link(await make_actor(), await make_article())
    with pytest.raises(Unauthenticated):
        await authenticate(token)


async def test_who_may_not_make_or_end_a_link() -> None:
    writer, story = await make_actor(Role.CONTRIBUTOR), await make_article()
    own = await make_article(writer)
    link, _ = await previews.create(await make_actor(), story.revision_id)
    withdrawn = await make_article(status=ArticleStatus.WITHDRAWN)
    before = await dump()
    with pytest.raises(NotFound):
        await make_link(writer, story)
    with pytest.raises(Forbidden):
        await make_link(writer, own, whole_site=True)
    with pytest.raises(Forbidden):
        await make_link(SYSTEM, own)
    with pytest.raises(Invalid):
        await make_link(await make_actor(), withdrawn)
    for minutes in (0, -1, 43_201):
        with pytest.raises(Invalid):
            await make_link(writer, own, minutes=minutes)
    with pytest.raises(NotFound):
        await previews.revoke(writer, link.id)
    after = await dump()
    assert {name: rows for name, rows in after.items() if name != "user"} == {
        name: rows for name, rows in before.items() if name != "user"
    }
    await make_link(writer, own, minutes=43_200)
    await previews.revoke(await make_actor(), link.id)
    assert await PreviewLink.all().count() == 1


async def test_expired_links_are_forgotten_and_a_shown_revision_is_kept() -> None:
    story = await make_article()
    await make_link(await make_actor(), story)
    assert await previews.forget_expired() == 0
    await execute("update preview_link set expires_at = now()")
    assert await previews.forget_expired() == 1
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH, wish=Wish())


async def test_editors_see_the_links_that_still_open_and_end_them(api: Api) -> None:
    editor, story = await make_actor(), await make_article()
    await make_link(editor, story)
    await make_link(editor, story, minutes=5, whole_site=True)
    links = "previewLinks { id wholeSite expiresAt revision { number } createdBy { name } }"
    document = f"query($id: ID!) {{ article(id: $id, perspective: DRAFT) {{ editorial {{ {links} }} }} }}"

    async def shown() -> list[dict[str, Any]]:
        answer = await api(document, id=ids.encode("Article", story.article_id), actor=editor)
        return answer["article"]["editorial"]["previewLinks"]  # type: ignore[no-any-return]

    found = await shown()
    assert [each["wholeSite"] for each in found] == [True, False]
    assert [each["revision"] for each in found] == [{"number": 1}, {"number": 1}]
    assert {each["createdBy"]["name"] for each in found} == {(await User.get(id=editor.user_id)).name}
    await api.write("revokePreviewLink", {"id": found[1]["id"]}, "... on Deleted { deletedId }", actor=editor)
    assert await shown() == found[:1]
    await PreviewLink.all().update(expires_at=clock.now())
    assert await shown() == []
