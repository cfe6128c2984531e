"""What a write is to readers: which things come and go with it, and where else it shows. Public events carry it.

Whoever changes what readers see does so inside `watching(…)`, which looks before and after; what it found goes into the
event (`events.record(…, effect=…)`) and from there to cms.purge and cms.changes. An effect has, each left out where it
is empty:

    appeared, vanished          things that readers see from now on, or no more, as "Tag:UUID"
    path                        where the event's own subject stood before, where readers saw it
    moved                       its path is another one now
    renamed                     the stories under it say something else of it, or stand elsewhere
    locale                      the site's own before, where it has another one now
    sections, tags, authors     what a story of the event is filed under, or was; sections with those above them
    heir                        to what the old paths of what was deleted lead now
    slugs                       last parts of paths at which something else is found now
    lists                       kept lists that show the story, or did
    site                        the site shows it
    pointing                    live stories that show something of the subject: related, linked, translated
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import events, paths
from cms.models import Author, Content, Live, Media, Slug, StoryList, Tag
from cms.permissions import PUBLIC, Perspective, visible


@dataclass(frozen=True, slots=True)
class Things:
    """What a write may make visible or hide."""

    stories: frozenset[UUID] = frozenset()
    tags: frozenset[UUID] = frozenset()
    authors: frozenset[UUID] = frozenset()
    media: frozenset[UUID] = frozenset()
    lists: frozenset[UUID] = frozenset()
    sections: frozenset[UUID] = frozenset()

    @classmethod
    def of(cls, *contents: Content | None) -> Things:
        """These contents of stories, and what they show."""
        found = [each for each in contents if each is not None]
        media = {id for each in found for id in (*each.body_media_ids, each.lead_media_id, each.seo.get("image_id"))}
        return cls(
            stories=frozenset(each.article_id for each in found),
            tags=frozenset(id for each in found for id in each.tag_ids),
            authors=frozenset(id for each in found for id in each.author_ids),
            media=frozenset(UUID(str(id)) for id in media if id is not None),
            sections=frozenset(each.section_id for each in found if each.section_id is not None),
        )

    def __or__(self, other: Things) -> Things:
        return Things(*(getattr(self, name) | getattr(other, name) for name in self.__slots__))


@dataclass(slots=True)
class Effect:
    """Complete when the write that is watched is done: what readers saw of the things before, and see after. ground: of
    a story's paths."""

    before: set[str]
    after: set[str] = field(default_factory=set)
    around: dict[str, Any] = field(default_factory=dict)
    ground: paths.Ground | None = None

    @property
    def toggles(self) -> bool:
        """Whether something comes or goes."""
        return self.before != self.after

    def shows(self, thing: str) -> bool:
        """Whether readers saw this before, or see it after."""
        return thing in self.before or thing in self.after

    def json(self, **more: Any) -> dict[str, Any]:
        """What the event says; more: what only the caller knows."""
        both = {"appeared": sorted(self.after - self.before), "vanished": sorted(self.before - self.after)}
        return {name: value for name, value in {**both, **self.around, **more}.items() if value}


@asynccontextmanager
async def watching(things: Things) -> AsyncIterator[Effect]:
    """Look at these things before and after what is done inside, in the caller's transaction, in which nobody else
    changes what readers see."""
    await events.lock_public()
    effect = Effect(await _shown(things))
    yield effect
    effect.after = await _shown(things)


@asynccontextmanager
async def watching_story(before: Live | None, content: Content | None) -> AsyncIterator[Effect]:
    """The same for a story that readers see like this, or not, and is to have this content, or to be taken down. before
    was read under the lock of what is public."""
    things = Things.of(before, content)
    await events.lock_public()
    effect = Effect(await _shown(things))
    yield effect
    after, slugs, pointing, sections, *ground = (await _fetch(_AROUND, *_given(things)))[0]
    effect.after, effect.ground = set(after), paths.Ground.of(*ground)
    moved = _moved(before, content, effect.ground)
    told = _told(before) != _told(content)
    effect.around = {
        "sections": sorted(map(str, sections)),
        "tags": sorted(map(str, things.tags)),
        "authors": sorted(map(str, things.authors)),
        "lists": sorted(_ids(effect.before | effect.after, "StoryList")),
        "pointing": sorted(set(map(str, pointing))) if told or moved.get("moved") else [],
        **moved,
        **({"slugs": slugs} if (before is None) != (content is None) else {}),
    }


def _moved(before: Content | None, after: Content | None, ground: paths.Ground) -> dict[str, Any]:
    """Where readers saw a story, and whether they see it elsewhere now."""
    if before is None:
        return {}
    path = ground.path(before)
    return changed_path(path, ground.path(after)) if after is not None else {"path": path}


def changed_path(before: str, after: str | None) -> dict[str, Any]:
    """What an effect says of a thing that stood here and stands there."""
    if after is None or before == after:
        return {"path": before}
    return {"path": before, "moved": True, "slugs": sorted({path.rpartition("/")[2] for path in (before, after)})}


def _told(content: Content | None) -> str | None:
    """What other stories say of one."""
    return content.headline if content is not None else None


def _ids(things: set[str], kind: str) -> list[str]:
    return [each.partition(":")[2] for each in things if each.startswith(kind + ":")]


async def _shown(things: Things) -> set[str]:
    return {row[0] for row in await _fetch(_SHOWN, *_given(things))}


def _given(things: Things) -> list[list[UUID]]:
    terms = things.stories | things.tags | things.authors | things.sections
    given = (things.stories, things.tags, things.authors, things.media, things.lists, terms, things.sections)
    return [list(ids) for ids in given]


def _public(model: Any) -> str:
    return f"({visible(PUBLIC, model, Perspective.PUBLISHED)})"


# Each by keys that are few: PostgreSQL looks each of them up then, instead of all live stories once.
_SHOWN = f"""
select 'Article:' || article_id from live where article_id = any($1)
union all select 'Tag:' || id from tag where id = any($2) and {_public(Tag)}
union all select 'Author:' || id from author where id = any($3) and {_public(Author)}
union all select 'Media:' || id from media
    where id = any($4 || array(select portrait_media_id from author where id = any($3))) and {_public(Media)}
union all select 'StoryList:' || id from story_list
    where (id = any($5) or article_ids && $1::uuid[]) and {_public(StoryList)}
union all select 'Section:' || id from section where id = any($7)
union all select 'RedirectRule:' || id from slug where target_id = any($6) and {_public(Slug)}
"""
# One look-up in an index each: as one condition with "or" it would read every live story.
_POINTING = """
select article_id from (
    select article_id from live where related_ids && $1::uuid[]
    union all select article_id from live where body_article_ids && $1::uuid[]
    union all select article_id from live join related r using (article_id) where r.related_ids && $1::uuid[]
    union all select live.article_id from live join article a using (translation_group) where a.id = any($1)
) pointing where article_id <> all($1)
"""
# What readers see of the things, and what stands around them.
_AROUND = f"""
select array({_SHOWN}),
    array(select distinct slug from slug where kind = 'ARTICLE' and target_id = any($1) and public order by slug),
    array({_POINTING}),
    array(with recursive above (id, parent_id) as (
        select id, parent_id from section where id = any($7)
        union select s.id, s.parent_id from section s join above on s.id = above.parent_id
    ) select id from above),
    {paths.GROUND}
"""


async def _fetch(sql: str, *params: Any) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, list(params)))[1])
