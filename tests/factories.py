"""What tests need to be there before they start: people, tokens, stories in any status, and the state of all tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import accounts, articles, clock, ids, taxonomy, workflow
from cms.models import ArticleStatus, Head, Media, MediaKind, Role, TokenScope, User
from cms.permissions import SYSTEM, Actor
from cms.workflow import Transition, Wish

_numbers = count(1)
_about = {"event": "type not like 'token.%'"}


async def make_user(role: Role = Role.EDITOR, name: str | None = None) -> User:
    return await User.create(name=name or f"{role.title()} {next(_numbers)}", role=role, created_at=clock.now())


async def make_actor(role: Role = Role.EDITOR, name: str | None = None) -> Actor:
    """A user, signed in."""
    user = await make_user(role, name)
    return Actor(user.name, user_id=user.id, role=role, scopes=frozenset(TokenScope))


async def make_token(scope: TokenScope = TokenScope.WRITE, user: User | None = None) -> str:
    return await accounts.create_token(SYSTEM, name=f"token {next(_numbers)}", scope=scope, user=user)


async def make_article(
    actor: Actor = SYSTEM, status: ArticleStatus = ArticleStatus.DRAFT, *, owner_id: UUID | None = None, **given: Any
) -> Head:
    """A story that was taken to this status by the transitions that lead there."""
    given = {"headline": f"Story {next(_numbers)}", **given}
    head = await articles.create(actor, given, owner_id=owner_id)
    for name in _WAYS[status]:
        head = await workflow.transition(SYSTEM, head.article_id, name, wish=_WISHES.get(name, Wish)())
    return head


async def publish(id: UUID, **wish: Any) -> Head:
    return await workflow.transition(SYSTEM, id, Transition.PUBLISH, wish=Wish(**wish))


async def make_media(**given: Any) -> Media:
    values = {"alt_text": "A picture", "filename": "a.png", "sha256": ids.new().bytes * 2} | given
    return await Media.create(
        kind=MediaKind.IMAGE, mime_type="image/png", byte_size=1, width=4, height=3, created_at=clock.now(), **values
    )


async def make_section(name: str, parent_id: UUID | None = None) -> UUID:
    return (await taxonomy.create_section(SYSTEM, name=name, parent_id=parent_id)).id


async def make_author(name: str) -> UUID:
    return (await taxonomy.create_author(SYSTEM, name=name)).id


async def make_tag(name: str) -> UUID:
    return (await taxonomy.create_tag(SYSTEM, name=name)).id


async def dump() -> dict[str, str]:
    """Every row of every table but about tokens, which tests make on the way: equal dumps, nothing has changed."""
    client = connections.get("default")
    tables = await client.execute_query_dict(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace "
        "and relname not in ('token', 'session', 'tortoise_migrations') order by 1"
    )
    parts = [
        f"select '{name}' as name, "
        "(select string_agg(t::text, e'\\n' order by t::text) "
        f'from "{name}" t where {_about.get(name, "true")}) as rows'
        for name in (row["relname"] for row in tables)
    ]
    return {row["name"]: row["rows"] for row in await client.execute_query_dict(" union all ".join(parts))}


async def execute(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])


def in_a_day() -> Wish:
    return Wish(publish_at=clock.now() + timedelta(days=1))


_WISHES: dict[Transition, Callable[[], Wish]] = {
    Transition.SCHEDULE: in_a_day,
    Transition.WITHDRAW: lambda: Wish(notice="It was wrong."),
}
_WAYS = {
    ArticleStatus.DRAFT: (),
    ArticleStatus.IN_REVIEW: (Transition.SUBMIT,),
    ArticleStatus.APPROVED: (Transition.SUBMIT, Transition.APPROVE),
    ArticleStatus.SCHEDULED: (Transition.SCHEDULE,),
    ArticleStatus.PUBLISHED: (Transition.PUBLISH,),
    ArticleStatus.UNPUBLISHED: (Transition.PUBLISH, Transition.UNPUBLISH),
    ArticleStatus.WITHDRAWN: (Transition.PUBLISH, Transition.WITHDRAW),
}
