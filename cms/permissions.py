"""Who may do what (GRANTS, require) and who may see what (visible). No other module decides either."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from tortoise.expressions import RawSQL
from tortoise.models import Model
from tortoise.queryset import QuerySet

from cms.errors import Forbidden, Unauthenticated
from cms.models import (
    Article,
    Author,
    Event,
    Head,
    Live,
    Media,
    Revision,
    Role,
    Section,
    Session,
    Slug,
    StoryList,
    Tag,
    Token,
    TokenScope,
    User,
)


class Perspective(StrEnum):
    """Which content a read is about: PUBLISHED what readers see, DRAFT the newest revision of every story."""

    PUBLISHED = "PUBLISHED"
    DRAFT = "DRAFT"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a user, a token (with its user where it writes), the public or the system.

    A role makes one staff. scopes are those of the token, and all three for a user who signed in. token_id, session_id
    or link_id is the credential that was shown.
    """

    name: str
    user_id: UUID | None = None
    role: Role | None = None
    scopes: frozenset[TokenScope] = frozenset()
    is_system: bool = False
    token_id: UUID | None = None
    session_id: UUID | None = None
    link_id: UUID | None = None

    @property
    def is_staff(self) -> bool:
        return self.role is not None

    @property
    def owns_only(self) -> bool:
        """Of stories this actor sees and changes its own alone."""
        return self.role is Role.CONTRIBUTOR


PUBLIC = Actor("the public")
SYSTEM = Actor("the system", role=Role.ADMIN, scopes=frozenset(TokenScope), is_system=True)

RANK = {role: rank for rank, role in enumerate(Role)}


class Action(StrEnum):
    """What can be done to the newsroom. A story's transitions are actions too."""

    CREATE_ARTICLE = "create a story"
    EDIT_ARTICLE = "edit a story"
    READ_EDITORIAL = "see editorial data"
    ASSIGN = "change a story's owner"
    SET_EMBARGO = "set an embargo"
    CLEAR_EMBARGO = "shorten or clear an embargo"
    EXCLUDE_RELATED = "leave out related stories"
    CORRECT = "add a public notice"
    COMMENT = "comment on a story"
    PREVIEW = "share a preview of a story"
    PREVIEW_SITE = "share a preview of the whole site"
    SHOW_EMBARGOED = "share a preview of a story under embargo"
    SUBMIT = "submit a story"
    REQUEST_CHANGES = "ask for changes"
    APPROVE = "approve a story"
    SCHEDULE = "schedule a story"
    UNSCHEDULE = "unschedule a story"
    PUBLISH = "publish a story"
    UNPUBLISH = "unpublish a story"
    WITHDRAW = "withdraw a story"
    REINSTATE = "reinstate a story"
    TRASH = "trash a story"
    UNTRASH = "take a story out of the trash"
    EDIT_TAGS = "change tags"
    EDIT_SECTIONS = "change sections"
    EDIT_AUTHORS = "change authors"
    EDIT_LISTS = "change story lists"
    EDIT_MEDIA = "change the media library"
    EDIT_SITE = "change the site"
    EDIT_RULES = "change the rules of publication"
    MANAGE_PEOPLE = "manage people and tokens"
    TRUST_DOCUMENTS = "trust documents of clients"


# The least role for each action; each role may do what those before it may.
GRANTS: dict[Action, Role] = {
    Action.CREATE_ARTICLE: Role.CONTRIBUTOR,
    Action.EDIT_ARTICLE: Role.CONTRIBUTOR,
    Action.READ_EDITORIAL: Role.CONTRIBUTOR,
    Action.ASSIGN: Role.EDITOR,
    Action.SET_EMBARGO: Role.EDITOR,
    Action.CLEAR_EMBARGO: Role.CHIEF,
    Action.EXCLUDE_RELATED: Role.EDITOR,
    Action.CORRECT: Role.EDITOR,
    Action.COMMENT: Role.CONTRIBUTOR,
    Action.PREVIEW: Role.CONTRIBUTOR,
    Action.PREVIEW_SITE: Role.EDITOR,
    Action.SHOW_EMBARGOED: Role.EDITOR,
    Action.SUBMIT: Role.CONTRIBUTOR,
    Action.REQUEST_CHANGES: Role.EDITOR,
    Action.APPROVE: Role.EDITOR,
    Action.SCHEDULE: Role.EDITOR,
    Action.UNSCHEDULE: Role.EDITOR,
    Action.PUBLISH: Role.EDITOR,
    Action.UNPUBLISH: Role.EDITOR,
    Action.WITHDRAW: Role.CHIEF,
    Action.REINSTATE: Role.CHIEF,
    Action.TRASH: Role.CONTRIBUTOR,
    Action.UNTRASH: Role.CONTRIBUTOR,
    Action.EDIT_TAGS: Role.EDITOR,
    Action.EDIT_SECTIONS: Role.EDITOR,
    Action.EDIT_AUTHORS: Role.EDITOR,
    Action.EDIT_LISTS: Role.EDITOR,
    Action.EDIT_MEDIA: Role.CONTRIBUTOR,
    Action.EDIT_SITE: Role.ADMIN,
    Action.EDIT_RULES: Role.CHIEF,
    Action.MANAGE_PEOPLE: Role.ADMIN,
    Action.TRUST_DOCUMENTS: Role.ADMIN,
}


def may(actor: Actor, action: Action) -> bool:
    return actor.role is not None and RANK[actor.role] >= RANK[GRANTS[action]]


def require(actor: Actor, action: Action) -> None:
    """Raise Unauthenticated for the public, Forbidden for those who may not."""
    if may(actor, action):
        return
    if actor == PUBLIC:
        raise Unauthenticated(f"Sign in to {action}.")
    raise Forbidden(f"You may not {action}: that needs the role {GRANTS[action]} or higher.")


def may_read_drafts(actor: Actor) -> bool:
    return actor.is_staff or TokenScope.PREVIEW in actor.scopes


M = TypeVar("M", bound=Model)

# Read by a second statement, it could be newer than the content, and somebody's change be overwritten unseen.
_VERSION = RawSQL("(select a.version from article a where a.id = head.article_id)")


def visible(actor: Actor, model: type[Model], perspective: Perspective) -> str:
    """What of a table this actor may read, as an SQL condition on that table's own name. Never holds text of a user."""
    drafts = perspective is Perspective.DRAFT and may_read_drafts(actor)
    if model is Live:
        return "true"
    if model is Slug:
        return _OLD_SLUGS
    if model is Head:
        return _own_story(actor, "head.article_id") if drafts else "false"
    if model is Article:
        return _own_story(actor, "article.id") if actor.is_staff else "false"
    if model is Revision:
        return _own_story(actor, "revision.article_id") if actor.is_staff else "false"
    if model is Event:
        return _events(actor)
    if model is User:
        return "true" if actor.is_staff else "false"
    if model is Token:
        return "true" if actor.role is Role.ADMIN else _own(actor, "token")
    if model is Session:
        return _own(actor, "session")
    if drafts or model is Section:
        return "true"
    return _SHOWN_TO_READERS[model]


def query(actor: Actor, model: type[M], perspective: Perspective) -> QuerySet[M]:
    """The rows of a table that this actor may read. Those of Head carry their story's version at that very moment."""
    rows = model.annotate(visible=RawSQL(f"({visible(actor, model, perspective)})")).filter(visible=True)
    return rows.annotate(version=_VERSION) if model is Head else rows


def _own_story(actor: Actor, article_id: str) -> str:
    if actor.owns_only:
        return f"exists (select from article o where o.id = {article_id} and o.owner_id = '{actor.user_id}')"
    if not actor.is_staff:  # a preview token
        return (
            f"exists (select from article o where o.id = {article_id} and o.trashed_at is null"
            " and (o.embargoed_until is null or o.embargoed_until <= now()))"
        )
    return "true"


def _own(actor: Actor, table: str) -> str:
    return f"{table}.user_id = '{actor.user_id}'" if actor.user_id is not None else "false"


def _events(actor: Actor) -> str:
    if not actor.is_staff:
        return "false"
    if actor.role is Role.ADMIN:
        return "true"
    return f"(event.article_id is not null and {_own_story(actor, 'event.article_id')})"


# A name can be news itself: readers see a tag, an author or a list from its first live story on, a file while it is
# used.
_AUTHOR_SHOWN = "exists (select from live_term x where x.term_id = author.id)"
_SHOWN_TO_READERS: dict[type[Model], str] = {
    Tag: "exists (select from live_term x where x.term_id = tag.id)",
    Author: _AUTHOR_SHOWN,
    StoryList: "exists (select from live x where x.article_id = any(story_list.article_ids))",
    Media: (
        "((media.expires_at is null or media.expires_at > now()) and ("
        "exists (select from live x where x.lead_media_id = media.id)"
        # As "exists" it would be taken for something that some of the first stories have, and all be read if none has.
        " or array(select x.article_id from live x where x.body_media_ids @> array[media.id]) <> '{}'"
        " or exists (select from live x where x.seo ->> 'image_id' = media.id::text)"
        f" or exists (select from author where author.portrait_media_id = media.id and {_AUTHOR_SHOWN})"
        " or exists (select from site x where x.logo_media_id = media.id)))"
    ),
}
# As redirects, slugs are the same for everybody: readers have seen them, and they are no longer their owner's own.
_OLD_SLUGS = (
    "(slug.public and case slug.kind"
    " when 'ARTICLE' then exists (select from live x where x.article_id = slug.target_id and x.slug <> slug.slug)"
    " when 'SECTION' then exists (select from section x where x.id = slug.target_id and x.slug <> slug.slug)"
    " when 'TAG' then exists (select from tag x where x.id = slug.target_id and x.slug <> slug.slug)"
    " and exists (select from live_term x where x.term_id = slug.target_id)"
    " else exists (select from author x where x.id = slug.target_id and x.slug <> slug.slug)"
    " and exists (select from live_term x where x.term_id = slug.target_id) end)"
)
