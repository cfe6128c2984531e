"""Writing stories: create, update, what colleagues need (update_editorial). Saving never changes what readers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
from tortoise import connections

from cms import body, clock, events, ids, listings, newsroom, paths, references, search, taxonomy
from cms.database import found, retrying, transaction
from cms.errors import Conflict, Invalid, Issue, NotFound, TransitionRefused
from cms.models import Article, ArticleStatus, Content, Head, Live, Revision, SlugKind, User
from cms.permissions import Action, Actor, Perspective, query, require, visible


class RelatedSource(StrEnum):
    """Who says that two stories belong together: an editor, or the machine."""

    CURATED = "CURATED"
    AUTOMATIC = "AUTOMATIC"


MAX_HEADLINE = 500
MAX_REFERENCES = 100
MAX_KEY = 200

# The columns that head, live and revision share: what copying one onto another copies.
CONTENT = tuple(sorted({*Content._meta.fields_db_projection, "section_id", "lead_media_id"} - {"id"}))


@retrying
async def create(
    actor: Actor,
    given: Mapping[str, Any],
    *,
    origin_key: str | None = None,
    source_date: datetime | None = None,
    owner_id: UUID | None = None,
) -> Head:
    """Make a story in DRAFT; its owner is the actor unless another is named.

    given: the fields of the API's CreateArticleInput in snake case, ids as keys; absent ones take their default.
    origin_key: a second call with the same one answers the first one's story. Raises Invalid.
    """
    require(actor, Action.CREATE_ARTICLE)
    async with transaction():
        if origin_key is not None and (made := await _made_before(actor, origin_key)):
            return made
        site = await paths.site()
        now = clock.now()
        article = Article(
            id=ids.new(),
            owner_id=owner_id or actor.user_id,
            created_at=now,
            origin_key=origin_key,
            source_date=source_date,
        )
        locale = given.get("locale") or site.locale
        if locale not in site.locales:
            raise Invalid.field(
                "locale", "locale", f"“{locale}” is not a locale of this site: {', '.join(site.locales)}."
            )
        article.translation_group = await _translation_group(actor, article.id, given.get("translation_of_id"), locale)
        await article.save(force_create=True)
        blank = _blank(locale)
        changes = {"headline": None, "slug": None, **given}
        content = blank | await _changed(actor, article.id, blank, changes)
        head = await _save(actor, article, content, number=1, message=None, autosave=False)
        await events.record(actor, "article.created", article_id=article.id, headline=head.headline)
        return head


def origin_key(actor: Actor, idempotency_key: str) -> str:
    """The origin_key of what this actor makes under a key of its own. Raises Invalid for one that is empty or long."""
    if not 0 < len(idempotency_key) <= MAX_KEY:
        raise Invalid.field("idempotencyKey", "length", f"idempotencyKey has 1 to {MAX_KEY} characters.")
    return f"{actor.user_id}:{idempotency_key}"


@retrying
async def update(
    actor: Actor,
    id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    autosave: bool = False,
    message: str | None = None,
) -> Head:
    """Save a new head revision; absent fields stay, None clears. A save that changes nothing makes none.

    An autosave folds into the revision before it where that is an autosave of the same hand and not sealed. A version
    that only autosaves of the same hand, with the same session or token, have made stale is none: saves overlap.
    """
    require(actor, Action.EDIT_ARTICLE)
    async with transaction():
        article = await fetch(actor, id)
        if not await _continues(actor, article, expected_version):
            check_version(article, expected_version)
        refuse_closed(article, "save")
        head = await newest(id)
        current = {column: getattr(head, column) for column in CONTENT}
        changed = await _changed(actor, id, current, changes)
        changed = {column: value for column, value in changed.items() if value != current[column]}
        if not changed:
            return head
        return await save_content(actor, article, current | changed, autosave=autosave, message=message)


async def save_content(
    actor: Actor, article: Article, content: dict[str, Any], *, autosave: bool = False, message: str | None = None
) -> Head:
    """Write content as the story's newest revision, inside the caller's transaction that holds the story."""
    await _hold_tags(content["tag_ids"])
    last = await _last_revision(article.id)
    message = taxonomy.text(message, "message")
    before = article.version
    article.version += 1
    keeps_review = article.status is ArticleStatus.IN_REVIEW and actor.role is not None and not actor.owns_only
    if not keeps_review:
        article.status = ArticleStatus.DRAFT
    await article.save(update_fields=["version", "status"])
    if autosave and last.autosave and last.sealed_at is None and last.created_by_id == actor.user_id:
        unbroken = last.autosaved_to == before and last.autosaved_by == _credential(actor)
        return await _fold(actor, article, last, content, since=last.autosaved_from if unbroken else before)
    head = await _save(actor, article, content, number=last.number + 1, message=message, autosave=autosave)
    await events.record(actor, "article.saved", article_id=article.id, revision=last.number + 1)
    return head


@retrying
async def update_editorial(
    actor: Actor,
    id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    reason: str | None = None,
) -> Head:
    """Makes no revision; only the embargo counts as a version.

    changes: any of owner_id, assignee_id, due_at, note, translation_checked, embargoed_until.
    """
    require(actor, Action.EDIT_ARTICLE)
    async with transaction():
        article = await fetch(actor, id, expected_version)
        fields = []
        for name, action in (("owner_id", Action.ASSIGN), ("assignee_id", Action.ASSIGN)):
            if name in changes and changes[name] != getattr(article, name):
                require(actor, action)
                await _check_user(changes[name], name)
                setattr(article, name, changes[name])
                fields.append(name)
        if "due_at" in changes and changes["due_at"] != article.due_at:
            require(actor, Action.ASSIGN)
            article.due_at = changes["due_at"]
            fields.append("due_at")
        if changes.get("translation_checked") and article.outdated_at is not None:
            article.outdated_at = None
            fields.append("outdated_at")
        if "note" in changes:
            article.note = taxonomy.text(changes["note"], "note")
            fields.append("note")
        if "embargoed_until" in changes and changes["embargoed_until"] != article.embargoed_until:
            _set_embargo(actor, article, changes["embargoed_until"], reason)
            article.schedule_retry_at = None
            fields += ["embargoed_until", "schedule_retry_at", "version"]
        if fields:
            await article.save(update_fields=fields)
            told = [field for field in fields if field not in ("version", "schedule_retry_at")]
            await _record_editorial(actor, id, told, reason)
        return await newest(id)


async def fetch(actor: Actor, id: UUID, expected_version: int | None = None, *, public: bool = False) -> Article:
    """The story, held until the transaction ends; public: so is then the lock of what is public (cms.events). Raises
    NotFound (hidden ones too), Conflict for a stale version."""
    # A statement within: the story is held first.
    held = f"(select * from article where id = $1 and {visible(actor, Article, Perspective.DRAFT)} for update) article"
    also: dict[str, Any] = {"locked": events.LOCK_PUBLIC} if public else {}
    rows = await found(Article, held, id, **also)
    if not rows:
        raise NotFound("There is no story with that id.")
    if public:
        events.locked_public()
    check_version(rows[0], expected_version)
    return rows[0]


async def newest(id: UUID) -> Head:
    """A story's working copy, with its version, for whoever holds the story."""
    held = "head join article a on a.id = head.article_id where head.article_id = $1"
    return (await found(Head, held, id, version="a.version"))[0]


def check_version(article: Article, expected_version: int | None) -> None:
    """Raise Conflict for a stale version."""
    if expected_version is not None and expected_version != article.version:
        raise Conflict(
            f"The story has changed: it is at version {article.version}, not {expected_version}. Load it again.",
            current_version=article.version,
        )


def refuse_closed(article: Article, verb: str) -> None:
    if article.trashed_at is not None:
        raise TransitionRefused(f"The story is in the trash: take it out before you {verb} it.")
    if article.status is ArticleStatus.WITHDRAWN:
        raise TransitionRefused(f"The story was withdrawn: it must be reinstated before you can {verb} it.")


def copying(table: str, *more: str) -> str:
    """SQL that copies the content of revision $1 onto the story's row in head or live; more: columns that these have
    beside it, or have another value in: $2 and on."""
    values = {column: column for column in CONTENT} | {column: f"${i}" for i, column in enumerate(more, 2)}
    updates = ", ".join(f"{column} = excluded.{column}" for column in (*values, "revision_id"))
    return (
        f"insert into {table} (article_id, revision_id, {', '.join(values)}) "
        f"select article_id, id, {', '.join(values.values())} from revision where id = $1 "
        f"on conflict (article_id) do update set {updates}"
    )


# ---------------------------------------------------------------- content from what was given


def _blank(locale: str) -> dict[str, Any]:
    return {
        "headline": "",
        "kicker": None,
        "dek": None,
        "slug": "",
        "locale": locale,
        "section_id": None,
        "author_ids": [],
        "author_roles": [],
        "tag_ids": [],
        "related_ids": [],
        "lead_media_id": None,
        "lead_use": None,
        "seo": {},
        **body_columns(body.empty()),
    }


async def _changed(
    actor: Actor, article_id: UUID, current: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns that these changes set. Raises Invalid; the slug comes last, so that nothing else fails after it."""
    columns: dict[str, Any] = {}
    if "headline" in changes:
        columns["headline"] = taxonomy.line(changes["headline"], "headline", limit=MAX_HEADLINE)
    for name, limit in (("kicker", 200), ("dek", 2_000)):
        if name in changes:
            columns[name] = taxonomy.text(changes[name], name, limit=limit)
    if "body" in changes:
        columns |= await _body(actor, changes["body"], current["body_article_ids"])
    if "section_id" in changes:
        columns["section_id"] = await _section(changes["section_id"])
    if "byline" in changes:
        columns |= await _byline(changes["byline"] or [])
    if "tag_ids" in changes or "tag_names" in changes:
        columns["tag_ids"] = await _tags(actor, changes.get("tag_ids"), changes.get("tag_names"))
    if "lead_media" in changes:
        columns["lead_media_id"], columns["lead_use"] = await taxonomy.media_use(changes["lead_media"], "leadMedia")
    if "related_post_ids" in changes:
        columns["related_ids"] = await _related(
            actor, article_id, changes["related_post_ids"] or [], current["related_ids"]
        )
    if "seo" in changes:
        columns["seo"] = await _seo(changes["seo"])
    if "slug" in changes:
        columns["slug"] = await paths.claim(
            SlugKind.ARTICLE,
            article_id,
            text=columns.get("headline", current["headline"]),
            explicit=changes["slug"],
            locale=current["locale"],
        )
    return columns


def body_columns(document: body.Document) -> dict[str, Any]:
    found = body.references(document)
    return {
        "body": document,
        "html": body.html(document),
        "text": body.text(document),
        "word_count": body.word_count(document),
        "body_media_ids": list(found.media),
        "body_article_ids": list(found.articles),
    }


async def _body(actor: Actor, given: Mapping[str, Any] | None, kept: Sequence[UUID]) -> dict[str, Any]:
    """kept: stories that the body links to already; somebody else may have put them there."""
    columns = body_columns(body.empty() if given is None else body.parse(**given))
    if await references.missing("media", columns["body_media_ids"]):
        raise Invalid.field("body", "not_found", "The body shows a picture that is not in the library.")
    linked = set(columns["body_article_ids"]) - set(kept)
    if linked - await _readable(actor, list(linked)):
        raise Invalid.field("body", "not_found", "The body links to a story that is not there.")
    return columns


async def _section(id: UUID | None) -> UUID | None:
    if id is not None and await references.missing("section", [id]):
        raise Invalid.field("sectionId", "not_found", "There is no section with that id.")
    return id


async def _byline(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Authors in order, each once: of two entries the first stays."""
    _cap(entries, "byline")
    _refuse_missing(
        await references.missing("author", [e["author_id"] for e in entries]),
        [e["author_id"] for e in entries],
        lambda i: ("byline", str(i), "authorId"),
        "author",
    )
    roles: dict[UUID, str | None] = {}
    for i, entry in enumerate(entries):
        roles.setdefault(entry["author_id"], taxonomy.text(entry.get("role"), f"byline.{i}.role", limit=100))
    return {"author_ids": list(roles), "author_roles": list(roles.values())}


async def _tags(actor: Actor, tag_ids: Sequence[UUID] | None, names: Sequence[str] | None) -> list[UUID]:
    tag_ids, names = tag_ids or [], names or []
    _cap(tag_ids, "tagIds")
    _cap(names, "tagNames")
    _refuse_missing(await references.missing("tag", tag_ids), tag_ids, lambda i: ("tagIds", str(i)), "tag")
    return list(dict.fromkeys([*tag_ids, *await taxonomy.tags_named(actor, names)]))


async def _related(actor: Actor, article_id: UUID, wanted: Sequence[UUID], kept: Sequence[UUID]) -> list[UUID]:
    _cap(wanted, "relatedPostIds")
    missing = set(wanted) - set(kept) - await _readable(actor, wanted)
    _refuse_missing(missing, wanted, lambda i: ("relatedPostIds", str(i)), "story")
    if article_id in wanted:
        field = f"relatedPostIds.{list(wanted).index(article_id)}"
        raise Invalid.field(field, "itself", "A story cannot be related to itself.")
    return list(dict.fromkeys(wanted))


async def _readable(actor: Actor, wanted: Sequence[UUID]) -> set[UUID]:
    """The stories among these that the actor may read: drafts it may see, and whatever is live."""
    if not wanted:
        return set()
    drafts = query(actor, Head, Perspective.DRAFT).filter(article_id__in=list(wanted))
    live = Live.filter(article_id__in=list(wanted))
    return {row.article_id async for row in drafts.only("article_id")} | {
        row.article_id async for row in live.only("article_id")
    }


async def _seo(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    image_id, image = await taxonomy.media_use(given.get("image"), "seo.image")
    canonical = given.get("canonical_url")
    seo = {
        "title": taxonomy.text(given.get("title"), "seo.title", limit=500),
        "description": taxonomy.text(given.get("description"), "seo.description", limit=2_000),
        "canonical_url": newsroom.web_address(canonical, "seo.canonicalUrl") if canonical else None,
        "noindex": given.get("noindex"),
        "image_id": str(image_id) if image_id else None,
        "image": image,
    }
    return {name: value for name, value in seo.items() if value is not None}


def _cap(given: Sequence[Any], field: str) -> None:
    if len(given) > MAX_REFERENCES:
        raise Invalid.field(field, "too_many", f"Give at most {MAX_REFERENCES}.")


def _refuse_missing(missing: set[UUID], wanted: Sequence[UUID], field: Any, noun: str) -> None:
    if missing:
        raise Invalid.all(
            [
                Issue(field(i), "not_found", f"There is no {noun} with that id.")
                for i, id in enumerate(wanted)
                if id in missing
            ]
        )


async def _translation_group(actor: Actor, own: UUID, original_id: UUID | None, locale: str) -> UUID:
    if original_id is None:
        return own
    original = await query(actor, Article, Perspective.DRAFT).filter(id=original_id).first()
    if original is None:
        raise Invalid.field("translationOfId", "not_found", "There is no story with that id.")
    group = await Article.filter(translation_group=original.translation_group, trashed_at=None).values_list(
        "id", flat=True
    )
    if await Head.filter(article_id__in=group, locale=locale).exists():
        raise Invalid.field("locale", "taken", f"The story has a version in {locale} already; edit that one.")
    return original.translation_group


# ---------------------------------------------------------------- revisions


async def _hold_tags(ids: Sequence[UUID]) -> None:
    """They cannot be merged away until the transaction ends. Where one of them was since the story was read, the save
    is tried again, and reads which tag it has become."""
    sql = "select id from tag where id = any($1) order by id for key share"
    _, held = await connections.get("default").execute_query(sql, [list(ids)])
    if len(held) < len(set(ids)):
        raise asyncpg.SerializationError("a tag of the story was merged into another one")


async def _save(
    actor: Actor, article: Article, content: dict[str, Any], *, number: int, message: str | None, autosave: bool
) -> Head:
    now = clock.now()
    revision = await Revision.create(
        article_id=article.id,
        number=number,
        created_at=now,
        created_by_id=actor.user_id,
        message=message,
        autosave=autosave,
        **(_run(actor, article, article.version - 1) if autosave else {}),
        **(content | {"updated_at": now}),
    )
    return await _renew_head(article, revision.id)


async def _fold(actor: Actor, article: Article, last: Revision, content: dict[str, Any], *, since: int | None) -> Head:
    run = _run(actor, article, since)
    await Revision.filter(id=last.id).update(**(content | run | {"updated_at": clock.now()}))
    return await _renew_head(article, last.id)


def _run(actor: Actor, article: Article, since: int | None) -> dict[str, Any]:
    """The versions that autosaves of one hand made, one after the other and nobody else between them."""
    return {"autosaved_from": since, "autosaved_to": article.version, "autosaved_by": _credential(actor)}


def _credential(actor: Actor) -> UUID | None:
    return actor.session_id or actor.token_id


async def _continues(actor: Actor, article: Article, expected_version: int | None) -> bool:
    """Whether only this hand's own autosaves came after the expected version."""
    if expected_version is None or expected_version >= article.version:
        return False
    last = await _last_revision(article.id)
    mine = (last.created_by_id, last.autosaved_by) == (actor.user_id, _credential(actor))
    run = last.autosave and mine and last.sealed_at is None and last.autosaved_to == article.version
    return run and last.autosaved_from is not None and last.autosaved_from <= expected_version


async def _renew_head(article: Article, revision_id: UUID) -> Head:
    await connections.get("default").execute_query(copying("head"), [revision_id])
    await listings.file_head(article.id)
    await search.file_head(article.id)
    head = await newest(article.id)
    await paths.release(SlugKind.ARTICLE, article.id, keep=await _slugs_in_use(article, head))
    return head


async def _slugs_in_use(article: Article, head: Head) -> list[tuple[str, str]]:
    kept = [(head.locale, head.slug)]
    if article.scheduled_revision_id:
        pinned = await Revision.get(id=article.scheduled_revision_id)
        kept.append((pinned.locale, pinned.slug))
    return kept


async def _last_revision(article_id: UUID) -> Revision:
    last = await Revision.filter(article_id=article_id).order_by("-number").first()
    assert last is not None
    return last


async def _made_before(actor: Actor, origin_key: str) -> Head | None:
    """Waits for whoever is making it."""
    await connections.get("default").execute_query(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))", [origin_key]
    )
    article = await Article.get_or_none(origin_key=origin_key)
    if article is None:
        return None
    if not await query(actor, Article, Perspective.DRAFT).filter(id=article.id).exists():
        raise Conflict("A story was made with this key before, and belongs to somebody else now.")
    return await newest(article.id)


# ---------------------------------------------------------------- editorial


async def _check_user(id: UUID | None, name: str) -> None:
    if id is not None and not await User.filter(id=id, is_active=True).exists():
        field = "ownerId" if name == "owner_id" else "assigneeId"
        raise Invalid.field(field, "not_found", "There is no active user with that id.")


def _set_embargo(actor: Actor, article: Article, until: datetime | None, reason: str | None) -> None:
    shortens = article.embargoed_until is not None and (until is None or until < article.embargoed_until)
    require(actor, Action.CLEAR_EMBARGO if shortens else Action.SET_EMBARGO)
    if shortens and not taxonomy.text(reason, "reason"):
        raise Invalid.field("reason", "required", "Say why the embargo is shortened or cleared.")
    if until is not None and article.publish_at is not None and until > article.publish_at:
        raise Invalid.field(
            "embargoedUntil",
            "schedule",
            f"The story is scheduled for {article.publish_at:%Y-%m-%dT%H:%M:%SZ}, before this embargo ends.",
        )
    article.embargoed_until = until
    article.version += 1


async def _record_editorial(actor: Actor, id: UUID, changed: list[str], reason: str | None) -> None:
    type = "article.embargo_changed" if "embargoed_until" in changed else "article.editorial_changed"
    detail: dict[str, Any] = {"changed": changed, **({"reason": reason} if reason else {})}
    await events.record(actor, type, article_id=id, **detail)
