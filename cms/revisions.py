"""A story's history: sealing revisions, bringing an old one back, comparing two, and dropping what nobody needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tortoise import connections

from cms import articles, body, clock, events, ids, paths, references, slugs, tagging
from cms.database import retrying, transaction
from cms.errors import NotFound
from cms.models import Article, Author, Head, Media, Revision, Section, SlugKind, Tag, TagName
from cms.permissions import Action, Actor, Perspective, query, require

# Of autosaves older than this, the last of each hour and each hand stays.
KEEP_HOURS = 24
PRUNED_AT_ONCE = 1_000
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, by its name in the API. html marks <ins> and <del> where the field is text."""

    field: str
    before: Any
    after: Any
    html: str | None = None


async def seal(revision_id: UUID) -> None:
    """Make a revision immutable, with the names of what it refers to."""
    await connections.get("default").execute_query(SEAL, [revision_id, clock.now()])


# Makes revision $1 immutable, at $2, with the names of what it refers to.
SEAL = """
update revision r set sealed_at = $2, names = jsonb_build_object(
    'section', (select name from section where id = r.section_id),
    'tags', (select coalesce(jsonb_object_agg(id, name), '{}') from tag where id = any(r.tag_ids)),
    'authors', (select coalesce(jsonb_object_agg(id, name), '{}') from author where id = any(r.author_ids)))
where id = $1 and sealed_at is null
"""


@retrying
async def restore(actor: Actor, id: UUID, revision_id: UUID, *, expected_version: int | None = None) -> Head:
    """Make an old revision's content the newest revision. What it refers to and is gone is left out, and named in the
    new one's message. Where the head is the same already, none is made."""
    require(actor, Action.EDIT_ARTICLE)
    async with transaction():
        article = await articles.fetch(actor, id, expected_version)
        articles.refuse_closed(article, "restore")
        revision = await find(actor, id, revision_id)
        head = await articles.newest(id)
        content, lost = await _standing(revision)
        content["slug"] = await _slug(article, head, revision.slug)
        if content == {column: getattr(head, column) for column in content}:
            return head
        content["updated_at"] = head.updated_at  # the save sets it
        head = await articles.save_content(actor, article, content, message=_message(revision, lost))
        await events.record(actor, "article.restored", article_id=id, revision=revision.number, left_out=lost)
        return head


async def find(actor: Actor, article_id: UUID, revision_id: UUID) -> Revision:
    """A revision of that story; NotFound where it is another's, or hidden."""
    rows = query(actor, Revision, Perspective.DRAFT).filter(id=revision_id, article_id=article_id)
    revision = await rows.first()
    if revision is None:
        raise NotFound("The story has no revision with that id.")
    return revision


async def before(revision: Revision) -> Revision | None:
    """The one before it, of those that are still there."""
    rows = Revision.filter(article_id=revision.article_id, number__lt=revision.number)
    return await rows.order_by("-number").first()


async def diff(old: Revision | None, new: Revision, links: body.Links | None = None) -> list[Change]:
    """What differs, in the order of the fields; old is None for a story's beginning. Things are told by their names,
    which are the sealed ones where the thing is gone."""
    was, now = await _shown(old) if old else {}, await _shown(new)
    return [
        Change(field, was.get(field), value, _html(field, was.get(field), value, links))
        for field, value in now.items()
        if was.get(field) != value and not (old is None and value in (None, [], {}))
    ]


async def prune() -> int:
    """Delete autosaves that nobody needs; how many. What was saved by hand, is sealed, head, live, scheduled
    or shown by a link stays, and of other autosaves of a day ago the last of each hour and each hand."""
    total = 0
    while gone := (await connections.get("default").execute_query(_PRUNE, [KEEP_HOURS, PRUNED_AT_ONCE]))[0]:
        total += gone
    return total


_PRUNE = """
delete from revision where id in (
    select r.id from revision r
    where r.autosave and r.sealed_at is null and r.updated_at < now() - make_interval(hours => $1)
    and not exists (select from head where head.revision_id = r.id)
    and not exists (select from live where live.revision_id = r.id)
    and not exists (select from article where article.scheduled_revision_id = r.id)
    and not exists (select from preview_link where preview_link.revision_id = r.id)
    and exists (
        select from revision later
        where later.article_id = r.article_id and later.number > r.number and later.autosave
        and later.created_by_id is not distinct from r.created_by_id
        and date_trunc('hour', later.updated_at) = date_trunc('hour', r.updated_at)
    )
    limit $2
)
"""


# ---------------------------------------------------------------- bringing back


async def _standing(revision: Revision) -> tuple[dict[str, Any], list[str]]:
    """The revision's content without what is gone, and what that was."""
    content = {column: getattr(revision, column) for column in articles.CONTENT if column not in ("slug", "updated_at")}
    names, lost = revision.names or {}, []
    if content["section_id"] and await references.missing("section", [content["section_id"]]):
        content["section_id"] = None
        lost.append(_named("section", names.get("section")))
    content["tag_ids"], gone = await _standing_tags(list(revision.tag_ids), names.get("tags", {}))
    lost += gone
    absent = await references.missing("author", list(revision.author_ids))
    kept = [(a, r) for a, r in zip(revision.author_ids, revision.author_roles, strict=True) if a not in absent]
    content["author_ids"], content["author_roles"] = [a for a, _ in kept], [r for _, r in kept]
    lost += [_named("author", names.get("authors", {}).get(str(a))) for a in revision.author_ids if a in absent]
    return content | await _standing_media(revision, lost), lost


async def _standing_tags(wanted: list[UUID], names: Mapping[str, str]) -> tuple[list[UUID], list[str]]:
    """For a tag that is gone stands what it was merged into, or else one that has its name by now."""
    absent = await references.missing("tag", wanted)
    keys = {id: slugs.identity(names[str(id)]) for id in absent if str(id) in names}
    named = {row.key: row.tag_id for row in await TagName.filter(key__in=list(keys.values()))}
    heirs = await tagging.heirs(list(absent))
    found = {id: heirs.get(id) or named.get(keys.get(id, "")) for id in absent}
    lost = [_named("tag", names.get(str(id))) for id in wanted if id in absent and found[id] is None]
    kept = [found[id] if id in absent else id for id in wanted]
    return list(dict.fromkeys(id for id in kept if id is not None)), lost


async def _standing_media(revision: Revision, lost: list[str]) -> dict[str, Any]:
    wanted = {*revision.body_media_ids, *filter(None, [revision.lead_media_id])}
    if image_id := revision.seo.get("image_id"):
        wanted.add(UUID(image_id))
    absent = await references.missing("media", list(wanted))
    if not absent:
        return {}
    columns: dict[str, Any] = {}
    lost += ["a picture" if len(absent) == 1 else f"{len(absent)} pictures"]
    if revision.lead_media_id in absent:
        columns |= {"lead_media_id": None, "lead_use": None}
    if image_id and UUID(image_id) in absent:
        columns["seo"] = {name: each for name, each in revision.seo.items() if name not in ("image_id", "image")}
    if absent & set(revision.body_media_ids):
        columns |= articles.body_columns(body.without_media(revision.body, absent))
    return columns


async def _slug(article: Article, head: Head, wanted: str) -> str:
    """The old slug, or one like it where somebody else has it now."""
    if wanted == head.slug:
        return wanted
    return await paths.claim(SlugKind.ARTICLE, article.id, text=wanted, explicit=None, locale=head.locale)


def _named(kind: str, name: str | None) -> str:
    return f"{kind} “{name}”" if name else f"a {kind}" if kind != "author" else "an author"


def _message(revision: Revision, lost: Collection[str]) -> str:
    if not lost:
        return f"Restored revision {revision.number}."
    named = ", ".join(list(lost)[:MAX_NAMED]) + (f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else "")
    return f"Restored revision {revision.number} without what is gone: {named}."


# ---------------------------------------------------------------- comparing

_SAID = {"alt_text": "altText", "is_decorative": "isDecorative", "focal_point": "focalPoint"}


async def _shown(revision: Revision) -> dict[str, Any]:
    """The fields of a revision as a person reads them, body last."""
    names = revision.names or {}
    sections = {str(revision.section_id): names.get("section")} if revision.section_id else {}
    section = await _names(Section, [revision.section_id] if revision.section_id else [], sections)
    authors = await _names(Author, list(revision.author_ids), names.get("authors", {}))
    return {
        "headline": revision.headline,
        "kicker": revision.kicker,
        "dek": revision.dek,
        "slug": revision.slug,
        "section": section[0] if section else None,
        "byline": [{"name": n, "role": r} for n, r in zip(authors, revision.author_roles, strict=True)],
        "tags": await _names(Tag, list(revision.tag_ids), names.get("tags", {})),
        "leadMedia": await _lead(revision),
        "relatedPosts": [ids.encode("Article", id) for id in revision.related_ids],
        "seo": {name: value for name, value in revision.seo.items() if name != "image_id"},
        "body": revision.body,
    }


async def _names(
    model: type[Section | Author | Tag], wanted: list[UUID], sealed: Mapping[str, Any]
) -> list[str | None]:
    today = {row.id: row.name for row in await model.filter(id__in=wanted)} if wanted else {}
    return [today.get(id) or sealed.get(str(id)) for id in wanted]


async def _lead(revision: Revision) -> dict[str, Any] | None:
    if revision.lead_media_id is None:
        return None
    media = await Media.get_or_none(id=revision.lead_media_id)
    said = {_SAID.get(name, name): value for name, value in (revision.lead_use or {}).items()}
    return {"id": ids.encode("Media", revision.lead_media_id), "filename": media.filename if media else None, **said}


def _html(field: str, old: Any, new: Any, links: body.Links | None) -> str | None:
    if field in ("headline", "kicker", "dek"):
        marked = body.diff(body.of_line(old or ""), body.of_line(new or ""))
        return marked.removeprefix("<p>").removesuffix("</p>")
    return body.diff(old or body.empty(), new, links or body.Links()) if field == "body" else None
