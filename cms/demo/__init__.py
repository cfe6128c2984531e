"""A small newsroom to look around in: made once, of newsroom.toml, by the same functions that the API calls."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cms import accounts, articles, clock, ids, media, newsroom, taxonomy, workflow
from cms.database import transaction
from cms.demo.pictures import Picture, png
from cms.errors import Conflict, Unauthenticated
from cms.models import Article, AuthorKind, CorrectionKind, Role, TokenScope, User
from cms.permissions import SYSTEM, Actor
from cms.settings import settings
from cms.workflow import Transition, Wish

_NEWSROOM = Path(__file__).with_name("newsroom.toml")
_ORIGIN = "demo:"
_DOMAIN = "courier.example"
_SIGN_IN = "demo.json"
_REFERENCE = re.compile(r"«(story|picture):([a-z-]+)»")
_SUBMIT, _APPROVE, _PUBLISH = Transition.SUBMIT, Transition.APPROVE, Transition.PUBLISH

# The steps to each state; _finish does what is not a step.
_STEPS: dict[str, tuple[Transition, ...]] = {
    "DRAFT": (),
    "IN_REVIEW": (_SUBMIT,),
    "APPROVED": (_SUBMIT, _APPROVE),
    "EMBARGOED": (_SUBMIT, _APPROVE),
    "SCHEDULED": (_SUBMIT, _APPROVE, Transition.SCHEDULE),
    "PUBLISHED": (_SUBMIT, _APPROVE, _PUBLISH),
    "REDRAFTED": (_SUBMIT, _APPROVE, _PUBLISH),
    "UNPUBLISHED": (_SUBMIT, _APPROVE, _PUBLISH, Transition.UNPUBLISH),
    "WITHDRAWN": (_SUBMIT, _APPROVE, _PUBLISH, Transition.WITHDRAW),
    "TRASHED": (Transition.TRASH,),
}
_WHO = {_SUBMIT: "contributor", Transition.WITHDRAW: "chief"}


@dataclass(frozen=True, slots=True)
class SignIn:
    """What opens the demo as its editor."""

    email: str
    password: str
    token: str


async def make() -> bool:
    """Make the newsroom, whole or not at all; False where it was made before.

    Raises Conflict in a database with stories of somebody else's: a demo has no business there.
    """
    async with transaction():
        if await Article.filter(origin_key__startswith=_ORIGIN).exists():
            return False
        if await Article.exists():
            raise Conflict(
                "The database holds stories that are not the demo's: give the demo a CMS_DATA_DIR of its own."
            )
        with _NEWSROOM.open("rb") as file:
            await _Making(tomllib.load(file), clock.now()).all()
        return True


async def sign_in() -> SignIn:
    """The editor's sign-in. It is kept in the data directory, for its owner's eyes only, and made anew where that one
    does not open this database."""
    path = settings().data_dir / _SIGN_IN
    if (kept := _read(path)) is not None and await _opens(kept):
        return kept
    editor = await User.get(email=f"editor@{_DOMAIN}")
    password = secrets.token_urlsafe(12)
    token = await accounts.create_token(SYSTEM, name="Demo", scope=TokenScope.WRITE, user=editor)
    await User.filter(id=editor.id).update(password_hash=await accounts.hash_password(password))
    made = SignIn(f"editor@{_DOMAIN}", password, token)
    _write(path, made)
    return made


async def _opens(kept: SignIn) -> bool:
    user = await User.get_or_none(email=kept.email)
    if user is None or user.password_hash is None:
        return False
    try:
        actor = await accounts.authenticate(kept.token)
    except Unauthenticated:
        return False
    return actor.user_id == user.id and await accounts.verify_password(user.password_hash, kept.password)


def _read(path: Path) -> SignIn | None:
    try:
        return SignIn(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, made: SignIn) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # its rights would stay as they are
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(made), file)


@dataclass
class _Making:
    """The newsroom as far as it is made: what was read, and the keys of what it has become."""

    plan: Mapping[str, Any]
    now: datetime
    people: dict[str, Actor] = field(default_factory=dict)
    sections: dict[str, UUID] = field(default_factory=dict)
    pictures: dict[str, UUID] = field(default_factory=dict)
    authors: dict[str, UUID] = field(default_factory=dict)
    stories: dict[str, UUID] = field(default_factory=dict)

    async def all(self) -> None:
        for each in self.plan["users"]:
            await self._user(**each)
        for each in self.plan["pictures"]:
            await self._picture(**each)
        await newsroom.update_site(SYSTEM, {**self.plan["site"], "logo": {"media_id": self.pictures["logo"]}})
        for each in self.plan["sections"]:
            await self._section(**each)
        for each in self.plan["authors"]:
            await self._author(**each)
        for each in self.plan["tags"]:
            await self._tag(**each)
        for each in self.plan["stories"]:
            await self._story(each)
        for each in self.plan["lists"]:
            wanted = [self.stories[key] for key in each["stories"]]
            await newsroom.set_story_list(
                self.people["editor"], slug=each["slug"], name=each["name"], article_ids=wanted
            )

    async def _user(self, key: str, name: str, role: str) -> None:
        user = await accounts.create_user(SYSTEM, email=f"{key}@{_DOMAIN}", name=name, role=Role(role), password=None)
        self.people[key] = Actor(name, user_id=user.id, role=user.role, scopes=frozenset(TokenScope))

    async def _picture(
        self, key: str, alt_text: str, caption: str | None = None, credit: str | None = None, **drawn: Any
    ) -> None:
        picture = Picture(**drawn)
        made = await media.add_image(
            self.people["editor"],
            png(picture),
            filename=f"{key}.png",
            alt_text=alt_text,
            caption=caption,
            credit=credit,
        )
        self.pictures[key] = made.id

    async def _section(self, name: str, description: str, parent: str | None = None) -> None:
        above = self.sections[parent] if parent else None
        made = await taxonomy.create_section(self.people["editor"], name=name, description=description, parent_id=above)
        self.sections[made.slug] = made.id

    async def _author(self, name: str, bio: str, kind: str = "PERSON", portrait: str | None = None) -> None:
        use = {"media_id": self.pictures[portrait]} if portrait else None
        made = await taxonomy.create_author(
            self.people["editor"], name=name, bio=bio, kind=AuthorKind(kind), portrait=use
        )
        self.authors[name] = made.id

    async def _tag(self, name: str, aliases: Sequence[str] = (), description: str | None = None) -> None:
        made = await taxonomy.create_tag(self.people["editor"], name=name, description=description)
        await taxonomy.update_tag(self.people["editor"], made.id, {"aliases": aliases})

    async def _story(self, plan: Mapping[str, Any]) -> None:
        contributor = self.people["contributor"]
        head = await articles.create(contributor, self._content(plan), origin_key=_ORIGIN + plan["key"])
        self.stories[plan["key"]] = head.article_id
        state = plan.get("state", "PUBLISHED")
        for step in _STEPS[state]:
            actor = self.people[_WHO.get(step, "editor")]
            await workflow.transition(actor, head.article_id, step, wish=self._wish(plan, step))
        await self._finish(plan, state, head.article_id)

    def _content(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        original = plan.get("translation_of")
        return {
            **{name: plan.get(name) for name in ("headline", "kicker", "dek", "locale")},
            "translation_of_id": self.stories[original] if original else None,
            "section_id": self.sections[plan["section"]] if "section" in plan else None,
            "byline": [{"author_id": self.authors[name], "role": (*role, None)[0]} for name, *role in plan["byline"]],
            "tag_names": plan["tags"],
            "lead_media": {"media_id": self.pictures[plan["picture"]]} if "picture" in plan else None,
            "related_post_ids": [self.stories[key] for key in plan.get("related", ())],
            "body": {"markdown": _REFERENCE.sub(self._id, plan["body"])},
        }

    def _id(self, reference: re.Match[str]) -> str:
        if reference[1] == "story":
            return ids.encode("Article", self.stories[reference[2]])
        return ids.encode("Media", self.pictures[reference[2]])

    def _wish(self, plan: Mapping[str, Any], step: Transition) -> Wish:
        wish = Wish(notice=plan.get("notice"))
        if step is _PUBLISH:
            return replace(wish, published_at=self.now - timedelta(days=plan["days"]))
        if step is Transition.SCHEDULE:
            return replace(wish, publish_at=self.now + timedelta(days=plan["in_days"]))
        return wish

    async def _finish(self, plan: Mapping[str, Any], state: str, id: UUID) -> None:
        for kind, text in plan.get("corrections", ()):
            await workflow.add_correction(self.people["editor"], id, kind=CorrectionKind(kind), text=text)
        if state == "REDRAFTED":
            await articles.update(self.people["contributor"], id, {"headline": plan["draft_headline"]})
        if state == "EMBARGOED":
            until = self.now + timedelta(days=plan["in_days"])
            await articles.update_editorial(self.people["editor"], id, {"embargoed_until": until})
