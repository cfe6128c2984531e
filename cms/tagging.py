"""Tags of many stories at once: merging tags, taking a merge back, and adding tags to stories or removing them.

Owns the table tag_merge_story: which tags the stories had that a merge changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import articles, effects, events, ids, listings, paths, search, slugs, taxonomy
from cms.database import retrying, transaction
from cms.effects import Effect, Things
from cms.errors import Conflict, Invalid, NotFound
from cms.models import Event, Head, Live, Slug, SlugKind, Tag, TagKind, TagMerge, TagName
from cms.permissions import Action, Actor, Perspective, query, require
from cms.references import CURRENT

MAX_MERGED = 20
# What counts as current is rewritten; history only keeps names.
_HOMES = {"head": ("article_id", "true"), "live": ("article_id", "true"), "revision": ("id", f"id in ({CURRENT})")}
# The tags that a row had, with the merged ones as the one they became: each once, where it stood first. $2: the merged,
# $3: the one.
_MERGED = (
    "(select array_agg(tag order by place) from (select case when t = any($2::uuid[]) then $3::uuid else t end as tag,"
    " min(n) as place from unnest(s.before) with ordinality as x (t, n) group by 1) y)"
)


@dataclass(frozen=True, slots=True)
class Unmerged:
    """tags are there again; kept: how many stories are left as they are, since their tags changed after the merge."""

    into: Tag
    tags: list[Tag]
    kept: int


@retrying
async def merge(actor: Actor, from_ids: Sequence[UUID], into_id: UUID) -> Tag:
    """Make several tags one: stories as they stand get it in their place, their names find it, their paths lead to it.

    Raises Invalid, naming the id, for a tag that is not there or is the one itself. unmerge() takes it back.
    """
    require(actor, Action.EDIT_TAGS)
    wanted = list(dict.fromkeys(from_ids))
    if not 0 < len(wanted) <= MAX_MERGED:
        raise Invalid.field("fromIds", "length", f"Merge 1 to {MAX_MERGED} tags at once.")
    async with transaction():
        await events.lock_public()
        found = {tag.id: tag for tag in await _held([*wanted, into_id])}
        into = found.get(into_id)
        if into is None:
            raise Invalid.field("intoId", "not_found", "There is no tag with that id.")
        for i, id in enumerate(from_ids):
            if id not in found or id == into_id:
                raise Invalid.field(f"fromIds.{i}", "not_found", "There is no other tag with that id.")
        merged = [found[id] for id in wanted]
        made = TagMerge(id=ids.new(), into_id=into_id, tags=[await _described(tag) for tag in merged])
        await made.save(force_create=True)
        async with effects.watching(Things(tags=frozenset([into_id, *wanted]))) as effect:
            await _rewrite(made.id, wanted, into_id)
            await TagName.filter(tag_id__in=wanted).update(tag_id=into_id)
            for tag in merged:
                await paths.release(SlugKind.TAG, tag.id)
                await paths.release_all(SlugKind.TAG, tag.id, heir=into_id)
                await tag.delete()
        told = {"merge": str(made.id), "merged": [{"id": ids.encode("Tag", t.id), "name": t.name} for t in merged]}
        await _record(actor, "tag.merged", into, effect, made, **told)
        return into


@retrying
async def unmerge(actor: Actor, event_id: UUID) -> Unmerged:
    """Take a merge back, by the event that tells of it: the tags are there again with their names and paths, and the
    stories have the tags that they had, but for those whose tags were changed since.

    Raises NotFound for an event that is no merge, or one that was taken back; Conflict where a name means something
    else by now.
    """
    require(actor, Action.EDIT_TAGS)
    async with transaction():
        await events.lock_public()
        event = await Event.get_or_none(id=event_id, type="tag.merged")
        made = await TagMerge.get_or_none(id=event.detail["merge"]) if event is not None else None
        if made is None:
            raise NotFound("There is no merge of tags under that id that could be taken back.")
        held = await _held([made.into_id])
        if not held:
            raise Conflict("The tag that the others became is no more: take back its own merge first.")
        into = held[0]
        async with effects.watching(Things(tags=frozenset([into.id, *(UUID(t["id"]) for t in made.tags)]))) as effect:
            tags = [await _made_again(into, each) for each in made.tags]
            kept = await _restore(made.id, [tag.id for tag in tags], into.id)
        await _record(actor, "tag.unmerged", into, effect, made)
        await made.delete()
        return Unmerged(into, tags, kept)


async def retag(
    actor: Actor,
    id: UUID,
    *,
    add: Sequence[UUID] = (),
    add_names: Sequence[str] = (),
    remove: Sequence[UUID] = (),
) -> Head:
    """Add tags to a story and remove others: a save like any other, which readers see once it is published."""
    require(actor, Action.EDIT_ARTICLE)
    head = await query(actor, Head, Perspective.DRAFT).filter(article_id=id).first()
    if head is None:
        raise NotFound("There is no story with that id.")
    wanted = [tag for tag in dict.fromkeys([*head.tag_ids, *add]) if tag not in remove]
    changes = {"tag_ids": wanted, "tag_names": add_names}
    return await articles.update(actor, id, changes, expected_version=head.version)


async def heirs(tag_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """What tags that are gone have become by merges, one after another; those that were not merged are absent."""
    step = (
        "select {0}.old, m.into_id from {0} "
        "join tag_merge m on m.tags @> jsonb_build_array(jsonb_build_object('id', {0}.id))"
    )
    rows = await _fetch(
        "with recursive gone as (select id as old, id from unnest($1::uuid[]) id), "
        f"heir (old, id) as ({step.format('gone')} union {step.format('heir')}) "
        "select heir.old, heir.id from heir join tag on tag.id = heir.id",
        list(tag_ids),
    )
    return {row[0]: row[1] for row in rows}


# ---------------------------------------------------------------- merging


async def _held(tag_ids: Sequence[UUID]) -> list[Tag]:
    return await Tag.filter(id__in=list(tag_ids)).order_by("id").select_for_update()


async def _described(tag: Tag) -> dict[str, Any]:
    """What it takes to make a tag again."""
    return {
        "id": str(tag.id),
        "name": tag.name,
        "slug": tag.slug,
        "description": tag.description,
        "kind": tag.kind.value,
        "external_id": tag.external_id,
        "names": [name.key async for name in TagName.filter(tag_id=tag.id)],
        "slugs": [slug.slug async for slug in Slug.filter(kind=SlugKind.TAG, target_id=tag.id)],
    }


async def _rewrite(merge_id: UUID, old: list[UUID], new: UUID) -> None:
    for home, (key, current) in _HOMES.items():
        await _fetch(
            "insert into tag_merge_story (merge_id, home, row_id, before) "
            f"select $1, '{home}', {key}, tag_ids from {home} where tag_ids && $2::uuid[] and {current}",
            merge_id,
            old,
        )
    # From all that was noted, so that a revision counts as current while its head is written.
    for home, (key, _) in _HOMES.items():
        await _fetch(
            f"update {home} set tag_ids = {_MERGED} from tag_merge_story s "
            f"where s.merge_id = $1 and s.home = '{home}' and s.row_id = {home}.{key}",
            merge_id,
            old,
            new,
        )
    await listings.refile(await _stories(merge_id))


async def _restore(merge_id: UUID, old: list[UUID], new: UUID) -> int:
    """How many stories were left as they are."""
    kept = 0
    for home, (key, _) in _HOMES.items():
        noted = f"s.merge_id = $1 and s.home = '{home}' and s.row_id = {home}.{key}"
        if home != "revision":
            # A save or a publication that did not touch the tags has another revision by now.
            await _fetch(
                f"update revision set tag_ids = s.before from {home} join tag_merge_story s on {noted} "
                f"where revision.id = {home}.revision_id and revision.tag_ids = {home}.tag_ids "
                f"and {home}.tag_ids = {_MERGED}",
                merge_id,
                old,
                new,
            )
        rows = await _fetch(
            f"select count(*) from {home} join tag_merge_story s on {noted} where {home}.tag_ids <> {_MERGED}",
            merge_id,
            old,
            new,
        )
        kept += int(rows[0][0]) if home == "head" else 0
        await _fetch(
            f"update {home} set tag_ids = s.before from tag_merge_story s where {noted} and {home}.tag_ids = {_MERGED}",
            merge_id,
            old,
            new,
        )
    await listings.refile(await _stories(merge_id))
    return kept


async def _made_again(into: Tag, kept: dict[str, Any]) -> Tag:
    """The tag, with those of its names and paths that still lead to the one it became."""
    tag = Tag(id=UUID(kept["id"]), name=kept["name"], description=kept["description"], kind=TagKind(kept["kind"]))
    if kept["external_id"] and not await Tag.exists(external_id=kept["external_id"]):
        tag.external_id = kept["external_id"]
    own, now = slugs.identity(tag.name), slugs.identity(into.name)
    holder = await TagName.get_or_none(key=own)
    if own == now or (holder is not None and holder.tag_id != into.id):
        raise Conflict(f"“{tag.name}” means another tag by now: rename that one first.")
    leading = Slug.filter(kind=SlugKind.TAG, slug__in=kept["slugs"], target_id=into.id).exclude(slug=into.slug)
    await leading.update(target_id=tag.id)
    tag.slug = await paths.claim(SlugKind.TAG, tag.id, text=kept["slug"], explicit=None)
    await tag.save(force_create=True)
    await TagName.filter(key__in=[key for key in kept["names"] if key != now], tag_id=into.id).update(tag_id=tag.id)
    await taxonomy.take_name(tag.id, tag.name)
    return tag


async def _record(actor: Actor, type: str, into: Tag, effect: Effect, made: TagMerge, **detail: Any) -> None:
    """Tell of it, and of each story on which readers see other tags."""
    rewritten = await _fetch("select row_id from tag_merge_story where merge_id = $1 and home = 'live'", made.id)
    if rewritten:
        await paths.make_public(SlugKind.TAG, into.id, "", into.slug)
    for id in (into.id, *(UUID(tag["id"]) for tag in made.tags)):
        await search.names_changed(id)
    public = effect.toggles or bool(rewritten) or effect.shows(f"Tag:{into.id}")
    told = effect.json(slugs=[slug for tag in made.tags for slug in tag["slugs"]])
    await events.record(actor, type, subject_id=into.id, public=public, effect=told, name=into.name, **detail)
    tags = [str(into.id), *(tag["id"] for tag in made.tags)]
    tree, site = await paths.tree(), await paths.site()
    for story in await Live.filter(article_id__in=[row[0] for row in rewritten]):
        about = {"path": paths.article_path(story, tree, site), "tags": tags}
        await events.record(
            actor, "article.updated", article_id=story.article_id, public=True, effect=about, replaced="tag"
        )


async def _stories(merge_id: UUID) -> list[UUID]:
    sql = "select distinct row_id from tag_merge_story where merge_id = $1 and home <> 'revision'"
    return [row[0] for row in await _fetch(sql, merge_id)]


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])
