"""What waits for whom, and when what is due: a colleague's own queue and the newsroom's calendar, both over drafts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from tortoise import connections

from cms.errors import Invalid
from cms.keyset import Key, Listing, Where
from cms.models import Head
from cms.permissions import Action, Actor, Perspective, may, visible
from cms.settings import settings

MAX_DAYS = 400
MAX_ENTRIES = 2_000
_HEADS = "head join article on article.id = head.article_id"
_BY_DUE = (Key("DUE_AT", "article.due_at", datetime, nullable=True), Key("ID", "article.id", UUID))
_BY_AGE = (Key("UPDATED_AT", "head.updated_at", datetime), Key("ID", "article.id", UUID))


class CalendarKind(StrEnum):
    """What happens at a moment of the calendar."""

    PUBLISH = "PUBLISH"
    UNPUBLISH = "UNPUBLISH"
    EMBARGO_ENDS = "EMBARGO_ENDS"
    DUE = "DUE"


@dataclass(frozen=True, slots=True)
class Moment:
    at: datetime
    kind: CalendarKind
    article_id: UUID


_COLUMNS = {
    CalendarKind.PUBLISH: "publish_at",
    CalendarKind.UNPUBLISH: "unpublish_at",
    CalendarKind.EMBARGO_ENDS: "embargoed_until",
    CalendarKind.DUE: "due_at",
}


def assigned(actor: Actor) -> Listing:
    """Stories that the actor is to work on, what is due first."""
    where = _open(actor)
    where.add(f"article.assignee_id = {where.param(actor.user_id)}")
    where.add("article.status in ('DRAFT', 'IN_REVIEW', 'APPROVED', 'SCHEDULED')")
    return Listing("head.article_id", _HEADS, where, _BY_DUE)


def to_review(actor: Actor) -> Listing:
    """Stories in review that the actor may approve and nobody else is assigned to, what waits longest first."""
    where = _open(actor)
    if not may(actor, Action.APPROVE):
        where.add("false")
    me = where.param(actor.user_id)
    where.add(f"article.status = 'IN_REVIEW' and (article.assignee_id is null or article.assignee_id = {me})")
    if settings().four_eyes:
        where.add(f"article.owner_id is distinct from {me}")
        own = f"exists (select from revision r where r.id = head.revision_id and r.created_by_id = {me})"
        where.add(f"not {own}")
    return Listing("head.article_id", _HEADS, where, _BY_AGE)


def mentions(actor: Actor) -> Listing:
    """Stories with an open thread in which the actor is mentioned."""
    where = _open(actor)
    where.add(
        "exists (select from comment c join comment t on t.id = coalesce(c.reply_to_id, c.id) "
        f"where c.article_id = article.id and c.mentions @> array[{where.param(actor.user_id)}::uuid] "
        "and t.resolved_at is null)"
    )
    return Listing("head.article_id", _HEADS, where, _BY_AGE)


def outdated(actor: Actor) -> Listing:
    """Translations to look at, since their original was corrected: of one's own, or that are nobody's."""
    where = _open(actor)
    me = where.param(actor.user_id)
    mine = f"{me} in (article.owner_id, article.assignee_id)"
    nobodys = "article.owner_id is null and article.assignee_id is null" if may(actor, Action.APPROVE) else "false"
    where.add(f"article.outdated_at is not null and (({mine}) is true or ({nobodys}))")
    return Listing("head.article_id", _HEADS, where, _BY_AGE)


async def calendar(actor: Actor, start: datetime, end: datetime) -> list[Moment]:
    """What is scheduled, ends, may be published or is due from start on and before end, in order of time."""
    if not timedelta() < end - start <= timedelta(days=MAX_DAYS):
        raise Invalid.field("to", "range", f"to must be later than from, by at most {MAX_DAYS} days.")
    shown = visible(actor, Head, Perspective.DRAFT)
    parts = [
        f"select article.{column} as at, '{kind}' as kind, article.id from {_HEADS} "
        f"where article.{column} >= $1 and article.{column} < $2 and article.trashed_at is null and {shown}"
        for kind, column in _COLUMNS.items()
    ]
    sql = f"select * from ({' union all '.join(parts)}) x order by at, kind, id limit {MAX_ENTRIES}"
    rows = (await connections.get("default").execute_query(sql, [start, end]))[1]
    return [Moment(row[0], CalendarKind(row[1]), row[2]) for row in rows]


def _open(actor: Actor) -> Where:
    return Where([visible(actor, Head, Perspective.DRAFT), "article.trashed_at is null"])
