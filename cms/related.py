"""Stories to read on with: those that editors picked, and behind them those that the machine finds.

Owns related, which a job writes after each publication, in both directions, so that reading is one look-up by the
story's id; and unrelated, what editors do not want to see under a story. What is not live (any more) stays in both, and
is left out by whoever reads.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from tortoise import connections

from cms import articles, events, jobs, likeness
from cms.database import retrying, transaction
from cms.errors import Invalid
from cms.likeness import Like, Why
from cms.models import Article, Content, Head, Live
from cms.permissions import SYSTEM, Action, Actor, Perspective, query, require

# More than a page shows: some will not be live when it is read.
KEPT = 30
BATCH = 50
AFTER = timedelta(milliseconds=300)


async def owe(article_id: UUID) -> None:
    """A story was published, in the transaction that this runs in: what it is like will be found, once who published it
    has the answer."""
    await jobs.enqueue(jobs.RELATE, {"article": str(article_id)}, after=AFTER)


async def relate(payload: Mapping[str, Any]) -> None:
    """The job: of one story, or of every live one that was never looked at, a few at a time."""
    if "article" in payload:
        await _relate(UUID(payload["article"]))
        return
    sql = (
        "select article_id from live where article_id > $1 and not exists "
        f"(select from related r where r.article_id = live.article_id) order by article_id limit {BATCH}"
    )
    rows = await _fetch(sql, UUID(payload.get("after", str(UUID(int=0)))))
    for row in rows:
        await _relate(row[0])
    if len(rows) == BATCH:
        await jobs.enqueue(jobs.RELATE, {"after": str(rows[-1][0])})


async def automatic(contents: Sequence[Content]) -> list[list[Like]]:
    """For each content what the machine found for its story, the best first; what is near until it has looked."""
    known = await kept([each.article_id for each in contents])
    missing = [each for each in contents if each.article_id not in known]
    quick = dict(zip(map(id, missing), await near(missing), strict=True)) if missing else {}
    return [known[each.article_id] if each.article_id in known else quick[id(each)] for each in contents]


async def kept(ids: Sequence[UUID]) -> dict[UUID, list[Like]]:
    """What the machine found, of those stories that it has looked at."""
    rows = await _fetch(
        "select article_id, related_ids, scores, reasons from related where article_id = any($1)", list(ids)
    )
    return {row[0]: likes_of(row) for row in rows}


async def suggested(head: Head) -> list[Like]:
    """Live stories that are like a story as it is being written, and that it does not have yet."""
    story = await likeness.draft(head.article_id)
    if story is None:
        return []
    return await likeness.like(story, leave_out=[*head.related_ids, *await _unwanted(head.article_id)])


@retrying
async def exclude(actor: Actor, id: UUID, other_id: UUID, *, excluded: bool = True) -> Head:
    """Never show the other story under this one by itself (excluded=False: again), at once. What an editor picks is
    shown anyhow. Raises NotFound, or Invalid for another story that is not there."""
    require(actor, Action.EXCLUDE_RELATED)
    async with transaction():
        await events.lock_public()
        await articles.fetch(actor, id)
        if id == other_id or not await query(actor, Article, Perspective.DRAFT).filter(id=other_id).exists():
            raise Invalid.field("relatedId", "not_found", "There is no other story with that id.")
        if excluded:
            await _fetch("insert into unrelated values ($1, $2) on conflict do nothing", id, other_id)
            await _rewrite(id, [each for each in (await kept([id])).get(id, []) if each.article_id != other_id])
        else:
            await _fetch("delete from unrelated where article_id = $1 and other_id = $2", id, other_id)
            await owe(id)
        await events.record(
            actor,
            "article.related_excluded",
            article_id=id,
            public=await Live.exists(article_id=id),
            other=str(other_id),
            excluded=excluded,
        )
        return await articles.newest(id)


# ---------------------------------------------------------------- the job


@retrying
async def _relate(id: UUID) -> None:
    async with transaction():
        await events.lock_public()
        found = {each.id: each for each in await likeness.live([id])}
        if id not in found:
            return  # it is live no more
        likes = (await likeness.like(found[id], leave_out=await _unwanted(id)))[:KEPT]
        before = (await kept([id])).get(id, [])
        await _fetch(
            "insert into related (article_id, related_ids, scores, reasons) values ($1, $2, $3, $4) "
            "on conflict (article_id) do update set related_ids = excluded.related_ids, scores = excluded.scores, "
            "reasons = excluded.reasons",
            id,
            *_columns(likes),
        )
        changed = await _tell_others(id, likes)
        if changed or likes != before:
            effect = {"pointing": sorted(map(str, changed))}
            await events.record(SYSTEM, "article.related", article_id=id, public=True, effect=effect)


async def _tell_others(id: UUID, likes: Sequence[Like]) -> list[UUID]:
    """Put the story at its place among what is kept for those that it is like, and out of where it was otherwise."""
    scores = {each.article_id: each for each in likes}
    rows = await _fetch(
        "select article_id, related_ids, scores, reasons from related r where article_id <> $1 "
        "and (article_id = any($2) or related_ids @> array[$1::uuid]) order by article_id",
        id,
        list(scores),
    )
    unwanted = {row[0] for row in await _fetch("select article_id from unrelated where other_id = $1", id)}
    changed = []
    for row in rows:
        before = likes_of(row)
        after = [each for each in before if each.article_id != id]
        like = scores.get(row[0])
        if like is not None and row[0] not in unwanted:
            place = bisect([(-each.score, each.article_id.bytes) for each in after], (-like.score, id.bytes))
            after.insert(place, Like(id, like.score, like.why))
        if after[:KEPT] != before:
            await _rewrite(row[0], after[:KEPT])
            changed.append(row[0])
    return changed


async def _rewrite(id: UUID, likes: Sequence[Like]) -> None:
    await _fetch(
        "update related set related_ids = $2, scores = $3, reasons = $4 where article_id = $1",
        id,
        *_columns(likes),
    )


async def _unwanted(id: UUID) -> list[UUID]:
    return [row[0] for row in await _fetch("select other_id from unrelated where article_id = $1", id)]


def _columns(likes: Sequence[Like]) -> tuple[list[UUID], list[float], str]:
    reasons = orjson.dumps([each.why.json() for each in likes]).decode()
    return [each.article_id for each in likes], [each.score for each in likes], reasons


def likes_of(row: Any) -> list[Like]:
    """Of a row of related: article_id, related_ids, scores, reasons."""
    reasons = orjson.loads(row[3])
    return [Like(id, score, Why.of(why)) for id, score, why in zip(row[1], row[2], reasons, strict=True)]


# ---------------------------------------------------------------- until the job has run

_PER_TERM, TAGS_LOOKED_AT = 12, 5
# The newest under each tag and in the section: a short look into an index for each.
_QUICK = f"""
select x.place, t.article_id, sum(t.points) as points, array_agg(t.tag) filter (where t.tag is not null) as tags
from jsonb_to_recordset($1::jsonb) x (place int, article_id uuid, locale text, section_id uuid, tag_ids jsonb)
cross join lateral (
    (select g.article_id, 2 as points, n.tag from jsonb_array_elements_text(x.tag_ids) with ordinality e (id, nth)
        cross join lateral (select e.id::uuid as tag) n
        cross join lateral (select article_id from live_term where term_id = n.tag
            order by published_at desc, article_id desc limit {_PER_TERM}) g
        where e.nth <= {TAGS_LOOKED_AT})
    union all
    (select article_id, 1, null from live_term where term_id = x.section_id
        order by published_at desc, article_id desc limit {_PER_TERM})
) t
join live on live.article_id = t.article_id
where t.article_id <> x.article_id and live.locale = x.locale
    and live.translation_group is distinct from (select a.translation_group from article a where a.id = x.article_id)
    and not exists (select from unrelated u where u.article_id = x.article_id and u.other_id = t.article_id)
group by x.place, t.article_id, live.published_at
order by x.place, points desc, live.published_at desc, t.article_id
"""


async def near(contents: Sequence[Content]) -> list[list[Like]]:
    """Live stories with the same tags, the first few of them, then of the same section, the newest first."""
    asked = [
        {
            "place": place,
            "article_id": str(each.article_id),
            "locale": each.locale,
            "section_id": str(each.section_id) if each.section_id else None,
            "tag_ids": [str(id) for id in each.tag_ids],
        }
        for place, each in enumerate(contents)
    ]
    found: list[list[Like]] = [[] for _ in contents]
    for place, id, points, tags in await _fetch(_QUICK, orjson.dumps(asked).decode()):
        tag_ids = contents[place].tag_ids
        shared = sorted(tags or (), key=tag_ids.index)[:2]
        why = Why(tags=tuple(shared), section=None if shared else contents[place].section_id)
        found[place].append(Like(id, round(points / (2 * max(len(tag_ids), 1) + 1) / 2, 6), why))
    return [each[:KEPT] for each in found]


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])
