"""Sections, tags and authors: making, changing and removing what stories are filed under."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from tortoise import connections

from cms import effects, events, ids, listings, paths, references, search, slugs
from cms.database import retrying, transaction
from cms.effects import Things
from cms.errors import Conflict, Invalid, Issue, NotFound
from cms.models import Author, AuthorKind, Live, Section, SlugKind, Tag, TagKind, TagName
from cms.permissions import Action, Actor, require

T = TypeVar("T", Section, Tag, Author)

MAX_NAME = 200
MAX_TEXT = 5_000
MAX_KEY = 400
MAX_ALIASES = 100
_EXTERNAL_ID = re.compile(
    r"(?:(?:https?://(?:www\.)?wikidata\.org/(?:wiki|entity)/|wd:|wikidata:)?Q(?P<item>[1-9][0-9]{0,14}))"
    r"|(?:(?:https?://cv\.iptc\.org/newscodes/mediatopic/|medtop:)(?P<topic>[0-9]{8})/?)",
    re.IGNORECASE | re.ASCII,
)


def line(value: str | None, field: str, *, limit: int = MAX_NAME) -> str:
    """A one-line text that may not be empty, cleaned; raises Invalid."""
    text = slugs.clean_line(value or "")
    if not text:
        raise Invalid.field(field, "required", f"{field} may not be empty.")
    return within(text, field, limit)


def text(value: str | None, field: str, *, limit: int = MAX_TEXT) -> str | None:
    """An optional text, cleaned; nothing but white space is none."""
    cleaned = "\n".join(slugs.clean_line(each) for each in (value or "").splitlines()).strip()
    return within(cleaned, field, limit) if cleaned else None


def within(value: str, field: str, limit: int) -> str:
    if len(value) > limit:
        raise Invalid.field(field, "too_long", f"{field} has {len(value)} characters; at most {limit} are allowed.")
    return value


def keyed_name(value: str | None, field: str) -> str:
    """A name whose key fits as well: some characters fold into many."""
    name = line(value, field)
    within(slugs.identity(name), field, MAX_KEY)
    return name


# ---------------------------------------------------------------- tags


@retrying
async def create_tag(
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    description: str | None = None,
    kind: TagKind | None = None,
    external_id: str | None = None,
) -> Tag:
    """The tag of that name, in any spelling, where there is one and it is as it is wished; else a new one.

    Raises Conflict where one of this meaning is something else: by its alias, its external id, or what was given.
    """
    require(actor, Action.EDIT_TAGS)
    name = keyed_name(name, "name")
    wish = {
        "slug": slug,
        "description": text(description, "description"),
        "kind": kind,
        "external_id": _external_id(external_id),
    }
    async with transaction():
        if (there := await _tag_of(slugs.identity(name))) and _is(there, wish):
            return there
        tag = Tag(id=ids.new(), name=name, description=wish["description"], kind=kind or TagKind.TOPIC)
        tag.external_id = await _claim_external_id(tag.id, external_id)
        tag.slug = await paths.claim(SlugKind.TAG, tag.id, text=name, explicit=slug)
        await tag.save(force_create=True)
        await _claim_name(tag, name, "name")
        await events.record(actor, "tag.created", subject_id=tag.id, name=name)
        return tag


@retrying
async def update_tag(actor: Actor, id: UUID, changes: Mapping[str, Any]) -> Tag:
    """changes: any of name, slug, description, aliases, kind, external_id; what is absent stays."""
    require(actor, Action.EDIT_TAGS)
    async with transaction():
        async with effects.watching(Things(tags=frozenset([id]))) as effect:
            tag = await _for_update(Tag, id)
            before, shown = (tag.name, tag.slug), f"Tag:{id}" in effect.before
            if "name" in changes:
                await _rename_tag(tag, keyed_name(changes["name"], "name"))
            if "description" in changes:
                tag.description = text(changes["description"], "description")
            if "slug" in changes:
                tag.slug = await _change_slug(SlugKind.TAG, tag.id, tag.slug, changes["slug"], tag.name, shown)
            if "kind" in changes:
                if changes["kind"] is None:
                    raise Invalid.field("kind", "required", "kind may not be null.")
                tag.kind = changes["kind"]
            if "external_id" in changes:
                tag.external_id = await _claim_external_id(tag.id, changes["external_id"])
            if "aliases" in changes:
                await _set_aliases(tag, changes["aliases"] or [])
            await tag.save()
        if "name" in changes or "aliases" in changes:
            await search.names_changed(id)
        moved = effects.changed_path(paths.tag_path(before[1]), paths.tag_path(tag.slug))
        told = effect.json(**moved, renamed=tag.name != before[0])
        await events.record(actor, "tag.updated", subject_id=id, public=shown, effect=told, changed=sorted(changes))
        return tag


@retrying
async def delete_tag(actor: Actor, id: UUID) -> UUID:
    require(actor, Action.EDIT_TAGS)
    async with transaction():
        tag = await _for_update(Tag, id)
        await references.refuse_use("tag", id, tag.name)
        await tag.delete()
        await paths.release_all(SlugKind.TAG, id)
        await events.record(actor, "tag.deleted", subject_id=id, name=tag.name)
        return id


def external_id(given: str) -> str | None:
    """The one spelling of an id of Wikidata (Q42) or of the IPTC's media topics (medtop:20000717), which may be given
    as an address too; None for anything else."""
    if found := _EXTERNAL_ID.fullmatch(given.strip()):
        return f"Q{found['item']}" if found["item"] else f"medtop:{found['topic']}"
    return None


def same_as(tag: Tag) -> str | None:
    """The address that means the same as the tag, for machines."""
    if tag.external_id is None:
        return None
    if topic := tag.external_id.partition("medtop:")[2]:
        return f"http://cv.iptc.org/newscodes/mediatopic/{topic}"
    return f"http://www.wikidata.org/entity/{tag.external_id}"


def _external_id(given: str | None) -> str | None:
    if given is None or not given.strip():
        return None
    if wanted := external_id(given):
        return wanted
    raise Invalid.field(
        "externalId",
        "external_id",
        "externalId is an item of Wikidata, such as Q42, or a media topic of the IPTC, such as medtop:20000717.",
    )


async def _claim_external_id(tag_id: UUID, given: str | None) -> str | None:
    wanted = _external_id(given)
    if wanted is None:
        return None
    await _one_at_a_time(3, wanted)
    if other := await Tag.filter(external_id=wanted).exclude(id=tag_id).first():
        issue = Issue(("externalId",), "taken", f"The tag “{other.name}” has it.")
        raise Conflict(f"{wanted} is the tag “{other.name}” already; use or merge that one.", issue)
    return wanted


async def tags_named(actor: Actor, names: Sequence[str]) -> list[UUID]:
    """The tags that these names or aliases find, in order, each once; those that do not exist are made.

    They cannot be deleted until the transaction ends.
    """
    wanted: dict[str, str] = {}
    for i, name in enumerate(names):
        cleaned = keyed_name(name, f"tagNames.{i}")
        wanted.setdefault(slugs.identity(cleaned), cleaned)
    found = {row.key: row.tag_id async for row in TagName.filter(key__in=list(wanted))}
    # In one order everywhere, so that two stories with the same new tags do not wait for each other.
    for key in sorted(wanted.keys() - found.keys()):
        found[key] = await _find_or_make_tag(actor, key, wanted[key])
    if await references.missing("tag", list(found.values())):
        raise Conflict("A tag was deleted while the story was saved: save it again.")
    return list(dict.fromkeys(found[key] for key in wanted))


async def _tag_of(key: str) -> Tag | None:
    """The tag whose own name it is. Until the transaction ends nobody else makes one of it."""
    await _one_at_a_time(1, key)
    found = await TagName.filter(key=key).select_related("tag").first()
    return found.tag if found and slugs.identity(found.tag.name) == key else None


async def _find_or_make_tag(actor: Actor, key: str, name: str) -> UUID:
    await _one_at_a_time(1, key)
    known = await TagName.get_or_none(key=key)
    if known:  # another request made it meanwhile
        return known.tag_id
    tag = Tag(id=ids.new(), name=name)
    tag.slug = await paths.claim(SlugKind.TAG, tag.id, text=name, explicit=None)
    await tag.save(force_create=True)
    await _claim_name(tag, name, "tagNames")
    await events.record(actor, "tag.created", subject_id=tag.id, name=name)
    return tag.id


async def take_name(tag_id: UUID, name: str) -> bool:
    """Make this spelling find this tag; False where it finds another. Waits for a transaction that is taking it."""
    key = slugs.identity(name)
    await connections.get("default").execute_query(
        "insert into tag_name (key, name, tag_id) values ($1, $2, $3) on conflict (key) do nothing", [key, name, tag_id]
    )
    return await TagName.exists(key=key, tag_id=tag_id)


async def _claim_name(tag: Tag, name: str, field: str) -> None:
    if await take_name(tag.id, name):
        return
    found = await TagName.filter(key=slugs.identity(name)).select_related("tag").first()
    other = f"the tag “{found.tag.name}”" if found else "another tag"
    issue = Issue((field,), "taken", f"It finds {other}.")
    raise Conflict(f"“{name}” already finds {other}; use that one.", issue)


async def _rename_tag(tag: Tag, name: str) -> None:
    """The old name goes on finding it, unless it is the same meaning in another spelling."""
    old_key, new_key = slugs.identity(tag.name), slugs.identity(name)
    await _claim_name(tag, name, "name")
    if old_key == new_key:
        await TagName.filter(key=new_key).update(name=name)
    tag.name = name


async def _set_aliases(tag: Tag, aliases: Sequence[str]) -> None:
    if len(aliases) > MAX_ALIASES:
        raise Invalid.field("aliases", "too_many", f"Give at most {MAX_ALIASES}.")
    cleaned = [keyed_name(alias, f"aliases.{i}") for i, alias in enumerate(aliases)]
    wanted = {slugs.identity(alias): alias for alias in cleaned}
    own = slugs.identity(tag.name)
    for alias in await TagName.filter(tag_id=tag.id):
        if alias.key != own and alias.key not in wanted:
            await alias.delete()
    for name in wanted.values():
        await _claim_name(tag, name, "aliases")


# ---------------------------------------------------------------- sections


@retrying
async def create_section(
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    description: str | None = None,
    parent_id: UUID | None = None,
    position: int | None = None,
    names: Sequence[Mapping[str, Any]] | None = None,
) -> Section:
    """names: in other locales of the site, as {locale, name}."""
    require(actor, Action.EDIT_SECTIONS)
    name = line(name, "name")
    async with transaction():
        await _lock_tree()
        if parent_id is not None:
            await _parent(parent_id)
        section = Section(id=ids.new(), name=name, description=text(description, "description"), parent_id=parent_id)
        async with effects.watching(Things(sections=frozenset([section.id]))) as effect:
            section.position = await _next_position(parent_id) if position is None else position
            section.names = await _localized(names or ())
            section.slug = await paths.claim(SlugKind.SECTION, section.id, text=name, explicit=slug)
            await section.save(force_create=True)
            await paths.make_public(SlugKind.SECTION, section.id, "", section.slug)
        told = effect.json(slugs=[section.slug])
        await events.record(actor, "section.created", subject_id=section.id, public=True, effect=told, name=name)
        return section


@retrying
async def update_section(actor: Actor, id: UUID, changes: Mapping[str, Any]) -> Section:
    """changes: any of name, slug, description, parent_id, position, names (all of them)."""
    require(actor, Action.EDIT_SECTIONS)
    async with transaction():
        await _lock_tree()
        section = await _for_update(Section, id)
        called, before = (section.name, section.slug, section.names), await paths.tree()
        async with effects.watching(Things(sections=frozenset([id]))) as effect:
            moved = await _change_section(section, changes)
        after = await paths.tree()
        told = effect.json(
            **effects.changed_path(before.path(before.by_id[id]), after.path(section)),
            renamed=(section.name, section.slug, section.names) != called,
            sections=sorted({str(each.id) for tree in (before, after) for each in tree.chain(id)}) if moved else [],
        )
        await events.record(actor, "section.updated", subject_id=id, public=True, effect=told, changed=sorted(changes))
        return section


async def _change_section(section: Section, changes: Mapping[str, Any]) -> bool:
    """Whether it stands under another one now."""
    if "name" in changes:
        section.name = line(changes["name"], "name")
    if "description" in changes:
        section.description = text(changes["description"], "description")
    if "names" in changes:
        section.names = await _localized(changes["names"] or ())
    if "position" in changes:
        section.position = 0 if changes["position"] is None else changes["position"]
    if "slug" in changes:
        section.slug = await _change_slug(
            SlugKind.SECTION, section.id, section.slug, changes["slug"], section.name, True
        )
    moved = "parent_id" in changes and changes["parent_id"] != section.parent_id
    if moved:
        await listings.lock()
        await _move(section, changes["parent_id"])
    await section.save()
    if moved:
        await listings.refile_section(section.id)
    return moved


@retrying
async def delete_section(actor: Actor, id: UUID, *, reassign_to: UUID | None = None) -> UUID:
    """Stories go to reassign_to; without it, a section in use is refused, as is one with sections under it."""
    require(actor, Action.EDIT_SECTIONS)
    async with transaction():
        await _lock_tree()
        section = await _for_update(Section, id)
        if await Section.exists(parent_id=id):
            raise Invalid.field(
                "id", "has_children", f"“{section.name}” has sections under it: move or delete them first."
            )
        path = (await paths.tree()).path(section)
        async with effects.watching(Things(sections=frozenset(filter(None, [id, reassign_to])))) as effect:
            await _reassign(actor, "section", id, section.name, reassign_to)
            await section.delete()
            await paths.release_all(SlugKind.SECTION, id, heir=reassign_to)
        told = effect.json(path=path, slugs=[section.slug], heir=reassign_to and str(reassign_to))
        await events.record(actor, "section.deleted", subject_id=id, public=True, effect=told, name=section.name)
        return id


async def _localized(names: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    site, found = await paths.site(), dict[str, str]()
    for i, each in enumerate(names):
        locale = each["locale"]
        if locale not in site.locales or locale == site.locale or locale in found:
            others = ", ".join(sorted(set(site.locales) - {site.locale})) or "none"
            raise Invalid.field(
                f"names.{i}.locale", "locale", f"Give one name for each other locale of the site ({others})."
            )
        found[locale] = line(each["name"], f"names.{i}.name")
    return found


async def _lock_tree() -> None:
    """One change of the tree at a time: a cycle can be made of two moves that are each fine."""
    await events.lock_public()
    await connections.get("default").execute_query("lock table section in share row exclusive mode")


async def _parent(id: UUID) -> Section:
    parent = await Section.get_or_none(id=id)
    if parent is None:
        raise Invalid.field("parentId", "not_found", "There is no section with that id to put this one under.")
    return parent


async def _next_position(parent_id: UUID | None) -> int:
    last = await Section.filter(parent_id=parent_id).order_by("-position").first()
    return last.position + 1 if last else 0


async def _move(section: Section, parent_id: UUID | None) -> None:
    if parent_id is not None:
        await _parent(parent_id)
        above = {each.id for each in (await paths.tree()).chain(parent_id)}
        if section.id in above:
            raise Invalid.field("parentId", "cycle", f"“{section.name}” cannot stand under itself.")
    section.parent_id = parent_id


# ---------------------------------------------------------------- authors


@retrying
async def create_author(
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    kind: AuthorKind | None = None,
    bio: str | None = None,
    portrait: Mapping[str, Any] | None = None,
) -> Author:
    """The author of that name, in any spelling, who is as it is wished, where there is one; else a new one.

    So whoever makes a second person of one name says so, by another slug.
    """
    require(actor, Action.EDIT_AUTHORS)
    name = keyed_name(name, "name")
    key = slugs.identity(name)
    async with transaction():
        media_id, picture = await media_use(portrait, "portrait")
        wish = {"slug": slug, "kind": kind, "bio": text(bio, "bio"), "portrait_media_id": media_id, "portrait": picture}
        await _one_at_a_time(4, key)
        for there in await Author.filter(key=key).order_by("id"):
            if _is(there, wish):
                return there
        author = Author(id=ids.new(), name=name, key=key, kind=kind or AuthorKind.PERSON, bio=wish["bio"])
        author.portrait_media_id, author.portrait = media_id, picture
        author.slug = await paths.claim(SlugKind.AUTHOR, author.id, text=name, explicit=slug)
        await author.save(force_create=True)
        await events.record(actor, "author.created", subject_id=author.id, name=name)
        return author


@retrying
async def update_author(actor: Actor, id: UUID, changes: Mapping[str, Any]) -> Author:
    """changes: any of name, slug, kind, bio, portrait."""
    require(actor, Action.EDIT_AUTHORS)
    async with transaction():
        await events.lock_public()
        author = await _for_update(Author, id)
        name, slug = author.name, author.slug
        pictures = {author.portrait_media_id, (changes.get("portrait") or {}).get("media_id")}
        things = Things(authors=frozenset([id]), media=frozenset(each for each in pictures if each))
        async with effects.watching(things) as effect:
            shown = f"Author:{id}" in effect.before
            await _change_author(author, changes, shown)
        if "name" in changes:
            await search.names_changed(id)
        told = effect.json(
            **effects.changed_path(paths.author_path(slug), paths.author_path(author.slug)),
            renamed=author.name != name,
        )
        await events.record(actor, "author.updated", subject_id=id, public=shown, effect=told, changed=sorted(changes))
        return author


async def _change_author(author: Author, changes: Mapping[str, Any], shown: bool) -> None:
    if "name" in changes:
        author.name = keyed_name(changes["name"], "name")
        author.key = slugs.identity(author.name)
    if "kind" in changes:
        if changes["kind"] is None:
            raise Invalid.field("kind", "required", "kind may not be null.")
        author.kind = changes["kind"]
    if "bio" in changes:
        author.bio = text(changes["bio"], "bio")
    if "portrait" in changes:
        author.portrait_media_id, author.portrait = await media_use(changes["portrait"], "portrait")
    if "slug" in changes:
        author.slug = await _change_slug(SlugKind.AUTHOR, author.id, author.slug, changes["slug"], author.name, shown)
    await author.save()


@retrying
async def delete_author(actor: Actor, id: UUID, *, reassign_to: UUID | None = None) -> UUID:
    """Bylines go to reassign_to, with their roles; without it, an author in use is refused."""
    require(actor, Action.EDIT_AUTHORS)
    async with transaction():
        await events.lock_public()
        author = await _for_update(Author, id)
        async with effects.watching(Things(authors=frozenset(filter(None, [id, reassign_to])))) as effect:
            await _reassign(actor, "author", id, author.name, reassign_to)
            await author.delete()
            await paths.release_all(SlugKind.AUTHOR, id, heir=reassign_to)
        told = effect.json(
            path=paths.author_path(author.slug), slugs=[author.slug], heir=reassign_to and str(reassign_to)
        )
        public = effect.toggles
        await events.record(actor, "author.deleted", subject_id=id, public=public, effect=told, name=author.name)
        return id


# ---------------------------------------------------------------- shared by the three


async def media_use(given: Mapping[str, Any] | None, field: str) -> tuple[UUID | None, dict[str, Any] | None]:
    """One use of a media, as (media id, what is said of it here). given: media_id, alt_text, is_decorative, caption,
    credit, focal_point {x, y}. Raises Invalid."""
    if given is None:
        return None, None
    media_id = given["media_id"]
    if media_id is None or await references.missing("media", [media_id]):
        raise Invalid.field(f"{field}.mediaId", "not_found", "There is no media with that id.")
    point = given.get("focal_point")
    if point is not None and not (0 <= point["x"] <= 1 and 0 <= point["y"] <= 1):
        raise Invalid.field(f"{field}.focalPoint", "range", "x and y of a focal point are from 0 to 1.")
    return media_id, {
        "alt_text": text(given.get("alt_text"), f"{field}.altText"),
        "is_decorative": bool(given.get("is_decorative")),
        "caption": text(given.get("caption"), f"{field}.caption"),
        "credit": text(given.get("credit"), f"{field}.credit"),
        "focal_point": point,
    }


async def _one_at_a_time(number: int, key: str) -> None:
    """Whoever asks for the same goes on when this transaction has ended."""
    await connections.get("default").execute_query(
        f"select pg_advisory_xact_lock(hashtextextended($1, {number}))", [key]
    )


def _is(there: Tag | Author, wish: Mapping[str, Any]) -> bool:
    """Whether it has all that was wished; None wishes nothing."""
    return all(value is None or getattr(there, name) == value for name, value in wish.items())


async def _for_update(model: type[T], id: UUID) -> T:
    row = await model.filter(id=id).select_for_update().first()
    if row is None:
        raise NotFound(f"There is no {model.__name__.lower()} with that id.")
    return row


async def _change_slug(kind: SlugKind, id: UUID, old: str, wanted: str | None, name: str, shown: bool) -> str:
    """null makes one of the name. The old one redirects where readers saw it, else it is free."""
    if shown:
        await paths.make_public(kind, id, "", old)
    slug = await paths.claim(kind, id, text=name, explicit=wanted)
    if shown:
        await paths.make_public(kind, id, "", slug)
    await paths.release(kind, id, keep=[("", slug)])
    return slug


async def _reassign(actor: Actor, kind: str, id: UUID, name: str, to: UUID | None) -> None:
    """Point every story at another one instead, or raise InUse."""
    if to is None:
        await references.refuse_use(kind, id, name)
        return
    if to == id or await references.missing(kind, [to]):
        raise Invalid.field("reassignToId", "not_found", f"There is no other {kind} with that id.")
    await listings.lock()
    tree, site = await paths.tree(), await paths.site()
    live, changed = await references.replace(kind, id, to)
    await listings.refile(changed)
    if kind == "author":
        await search.byline_changed(changed)
    for story in await Live.filter(article_id__in=live):
        path = paths.article_path(story, tree, site)
        if kind == "section":
            before = paths.story_path(story.locale, id, story.slug, tree, site)
            sections = {str(each.id) for one in (id, to) for each in tree.chain(one)}
            told = {**effects.changed_path(before, path), "sections": sorted(sections)}
        else:
            told = {"path": path, f"{kind}s": [str(id), str(to)]}
        await events.record(
            actor, "article.updated", article_id=story.article_id, public=True, effect=told, replaced=kind
        )
