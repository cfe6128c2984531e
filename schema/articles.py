"""The API of stories: what readers see of them, and writing them."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Annotated, Any

import strawberry

from cms import articles, ids, listings, models, related
from cms.articles import RelatedSource
from cms.errors import Invalid
from cms.keyset import Paging
from cms.models import Content as ContentRow
from cms.models import CorrectionKind
from cms.permissions import Perspective, query
from schema import listings as lists
from schema import media
from schema.accounts import User
from schema.body import Body, BodyInput, Reading
from schema.connection import Connection, Rows
from schema.context import Info
from schema.editorial import Editorial
from schema.inputs import given, maybe
from schema.node import Node
from schema.perspective import PerspectiveArg
from schema.problems import Problem, mutation
from schema.related import RelatedPost, posts
from schema.revisions import RevisionDiff, compared
from schema.scalars import After, Before, First, Last, described, key
from schema.seo import Seo, seo
from schema.taxonomy import Author, Section, Tag

UNSET = strawberry.UNSET
MAX_RELATED = 20

strawberry.enum(
    CorrectionKind,
    description="A RETRACTION is a public notice on a story that stays readable; withdrawing removes the story.",
)


@strawberry.type(description="An author of a story, with what they did.")
class BylineEntry:
    author: Author = strawberry.field(description="Who.")
    role: str | None = strawberry.field(description="What they did, e.g. photos; null for writing.")


@strawberry.type(description="A public notice on a story.")
class Correction:
    kind: CorrectionKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="What it says.")
    published_at: datetime = strawberry.field(description="Since when it stands there.")

    @strawberry.field(description="Opaque; the same for ever.")
    def id(root: strawberry.Parent[models.Correction]) -> strawberry.ID:
        return strawberry.ID(ids.encode("Correction", root.id))


_FIRST_RELATED = Annotated[int, described("How many; 0 to 20.")]


@strawberry.interface(
    description=(
        "What a reader sees of a story. Article (live) and Revision (any version) have the same fields, so that one "
        "fragment "
        "on Content serves the live site and previews."
    )
)
class Content(Node):
    headline: str = strawberry.field(description="The headline.")
    kicker: str | None = strawberry.field(description="The line above the headline.")
    dek: str | None = strawberry.field(description="The text under the headline.")
    slug: str = strawberry.field(description="The last part of its path, unique per locale.")
    locale: str = strawberry.field(description="Its language, e.g. en or pt-BR.")
    updated_at: datetime = strawberry.field(description="When the content shown here last changed.")

    @strawberry.field(
        description=(
            "The site path, e.g. /conflict/a-slug; for a locale that is not the site's own, /fr/conflict/un-slug."
        )
    )
    async def path(root: strawberry.Parent[ContentRow], info: Info) -> str:
        return await info.context.path(root)

    @strawberry.field(description="The site's url followed by path.")
    async def url(root: strawberry.Parent[ContentRow], info: Info) -> str:
        return (await info.context.site()).url + await info.context.path(root)

    @strawberry.field(description="The text of the story.")
    def body(root: strawberry.Parent[ContentRow], info: Info) -> Body:
        return Reading(root, info.context)  # type: ignore[return-value]

    @strawberry.field(description="The section it stands in.")
    async def section(root: strawberry.Parent[ContentRow], info: Info) -> Section | None:
        return (await info.context.tree()).by_id.get(root.section_id) if root.section_id else None  # type: ignore[return-value]

    @strawberry.field(description="Who made it, in order.")
    async def byline(root: strawberry.Parent[ContentRow], info: Info) -> list[BylineEntry]:
        found = await info.context.loaders.known_many(models.Author, list(root.author_ids))
        roles = dict(zip(root.author_ids, root.author_roles, strict=True))
        return [BylineEntry(author=author, role=roles[author.id]) for author in found]  # type: ignore[arg-type]

    @strawberry.field(description="The byline as printed: names joined, without 'By'.")
    async def byline_text(root: strawberry.Parent[ContentRow], info: Info) -> str | None:
        found = await info.context.loaders.known_many(models.Author, list(root.author_ids))
        return byline_text([author.name for author in found])

    @strawberry.field(description="Its tags, in the editor's order.")
    async def tags(root: strawberry.Parent[ContentRow], info: Info) -> list[Tag]:
        return await info.context.loaders.known_many(models.Tag, list(root.tag_ids))  # type: ignore[return-value]

    @strawberry.field(description="The picture, film or sound that stands for it.")
    async def lead_media(root: strawberry.Parent[ContentRow], info: Info) -> media.MediaUse | None:
        return await media.use(info, root.lead_media_id, root.lead_use)  # type: ignore[return-value]

    @strawberry.field(
        description=(
            "Curated ones in the editor's order, then automatic ones up to first. Only what this viewer may read."
        )
    )
    async def related_posts(
        root: strawberry.Parent[ContentRow], info: Info, first: _FIRST_RELATED = 3
    ) -> list[RelatedPost]:
        if not 0 <= first <= MAX_RELATED:
            raise Invalid.field("first", "range", f"first must be from 0 to {MAX_RELATED}.")
        curated = (await info.context.listed(list(root.related_ids)))[:first]
        found = [RelatedPost(article=row, source=RelatedSource.CURATED, score=None, why=None) for row in curated]
        if len(found) < first:
            likes = [each for each in await info.context.loaders.like(root) if each.article_id not in root.related_ids]
            found += await posts(info, likes, first - len(found))
        return found

    @strawberry.field(description="What search engines and other sites are told.")
    async def seo(root: strawberry.Parent[ContentRow], info: Info) -> Seo:
        return await seo(info, root)

    @strawberry.field(description="When the present publication began; null where it was never live.")
    async def published_at(root: strawberry.Parent[ContentRow], info: Info) -> datetime | None:
        return await dated(info, root, "published_at")

    @strawberry.field(description="Public notices, newest first.")
    async def corrections(root: strawberry.Parent[ContentRow], info: Info) -> list[Correction]:
        return await info.context.loaders.children(  # type: ignore[return-value]
            models.Correction, "article_id", root.article_id, "-published_at", "-id"
        )

    @strawberry.field(description="Other locales of the same story; for readers the live ones.")
    async def translations(root: strawberry.Parent[ContentRow], info: Info) -> list[Article]:
        return await translations(info, root)


async def dated(info: Info, row: ContentRow, column: str) -> datetime | None:
    """A date that live rows carry themselves and others have from their story."""
    if isinstance(row, models.Live):
        return getattr(row, column)  # type: ignore[no-any-return]
    story = await info.context.loaders.known(models.Article, row.article_id)
    return getattr(story, column) if story else None


async def translations(info: Info, row: ContentRow) -> list[Any]:
    loaders, context = info.context.loaders, info.context
    if isinstance(row, models.Live):
        group = row.translation_group
    else:
        story = await loaders.known(models.Article, row.article_id)
        if story is None:
            return []
        group = story.translation_group
    if context.stories is models.Live:
        found: list[Any] = await loaders.children(models.Live, "translation_group", group, "locale")
    else:
        siblings = await loaders.children(models.Article, "translation_group", group, "id")
        standing = [each.id for each in siblings if each.trashed_at is None]
        found = sorted(await loaders.visible_many(models.Head, standing), key=lambda each: each.locale)
    return [each for each in found if each.article_id != row.article_id]


def byline_text(names: list[str]) -> str | None:
    """Names as printed: A; A and B; A, B and C."""
    if not names:
        return None
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@strawberry.type(description="A story.")
class Article(Content):
    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Live | models.Head)

    @strawberry.field(description="When readers first saw it; null where they never did.")
    async def first_published_at(root: strawberry.Parent[ContentRow], info: Info) -> datetime | None:
        return await dated(info, root, "first_published_at")

    @strawberry.field(description="Readers can see it now.")
    async def is_live(root: strawberry.Parent[ContentRow], info: Info) -> bool:
        if isinstance(root, models.Live):
            return True
        return await info.context.loaders.known(models.Live, root.article_id) is not None

    @strawberry.field(
        description="Which content this object shows. Clients that normalise by id use [id, perspective] as the key."
    )
    def perspective(root: strawberry.Parent[ContentRow]) -> Perspective:
        return Perspective.PUBLISHED if isinstance(root, models.Live) else Perspective.DRAFT

    @strawberry.field(
        description=(
            "Null unless the viewer is a member of staff who may see this story's editorial data. PREVIEW tokens get "
            "null."
        )
    )
    async def editorial(root: strawberry.Parent[ContentRow], info: Info) -> Editorial | None:
        story = await info.context.loaders.visible(models.Article, root.article_id)
        if story is not None and isinstance(root, models.Head):
            story = copy(story)
            story.version = root.version  # that of the content shown here, whatever has been saved since
        return story  # type: ignore[return-value]


@strawberry.type(description="One version of a story, as it was saved.")
class Revision(Content):
    number: int = strawberry.field(description="1, 2, 3 … within the story.")
    created_at: datetime = strawberry.field(description="When it was saved first.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Revision)

    @strawberry.field(description="Readers see this version now.")
    async def is_live(root: strawberry.Parent[models.Revision], info: Info) -> bool:
        live = await info.context.loaders.known(models.Live, root.article_id)
        return live is not None and live.revision_id == root.id

    @strawberry.field(description="Who saved it; null for the system and for preview viewers.")
    async def created_by(root: strawberry.Parent[models.Revision], info: Info) -> User | None:
        if not info.context.actor.is_staff:
            return None
        return await info.context.loaders.known(models.User, root.created_by_id)  # type: ignore[return-value]

    @strawberry.field(description="The story; null for preview viewers.")
    async def article(root: strawberry.Parent[models.Revision], info: Info) -> Article | None:
        if not info.context.actor.is_staff:
            return None
        return await info.context.story(root.article_id)  # type: ignore[return-value]

    @strawberry.field(description="What the one who saved it said of it; null for preview viewers.")
    def message(root: strawberry.Parent[models.Revision], info: Info) -> str | None:
        return root.message if info.context.actor.is_staff else None

    @strawberry.field(
        description=(
            "What differs from another revision of the story, by default the one before; null for preview viewers."
        )
    )
    async def diff(
        root: strawberry.Parent[models.Revision],
        info: Info,
        against: Annotated[strawberry.ID | None, described("Another revision of the same story.")] = None,
    ) -> RevisionDiff | None:
        if not info.context.actor.is_staff:
            return None
        return await compared(info, root, against)  # type: ignore[return-value]


# ---------------------------------------------------------------- lists


@strawberry.type(description="How many stories of a list stand under a section.")
class SectionFacet:
    section: Section = strawberry.field(description="The section.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many stories of a list have a tag.")
class TagFacet:
    tag: Tag = strawberry.field(description="The tag.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many stories of a list have an author.")
class AuthorFacet:
    author: Author = strawberry.field(description="The author.")
    count: int = strawberry.field(description="How many.")


_FIRST_FACETS = Annotated[int, described("How many, the commonest first; 0 to 100.")]


async def _facets(rows: Rows, info: Info, kind: str, model: type[Any], first: int) -> list[tuple[Any, int]]:
    if not 0 <= first <= 100:
        raise Invalid.field("first", "range", "first must be from 0 to 100.")
    counts = await listings.facet(await rows.counted(), kind, first)
    found = {row.id: row for row in await info.context.loaders.known_many(model, [term for term, _ in counts])}
    return [(found[term], count) for term, count in counts if term in found]


@strawberry.type(description="What the whole list holds, counted. Costs nothing unless asked.")
class ArticleFacets:
    @strawberry.field(description="By the section that stories stand in.")
    async def sections(root: strawberry.Parent[Rows], info: Info) -> list[SectionFacet]:
        found = await _facets(root, info, "sections", models.Section, 100)
        return [SectionFacet(section=row, count=count) for row, count in found]

    @strawberry.field(description="By tag.")
    async def tags(root: strawberry.Parent[Rows], info: Info, first: _FIRST_FACETS = 10) -> list[TagFacet]:
        return [TagFacet(tag=row, count=count) for row, count in await _facets(root, info, "tags", models.Tag, first)]

    @strawberry.field(description="By author.")
    async def authors(root: strawberry.Parent[Rows], info: Info, first: _FIRST_FACETS = 10) -> list[AuthorFacet]:
        found = await _facets(root, info, "authors", models.Author, first)
        return [AuthorFacet(author=row, count=count) for row, count in found]


@strawberry.type(description="A page of stories.")
class ArticleConnection(Connection[Article]):
    @strawberry.field(description="What the whole list holds, counted; null where it cannot be.")
    def facets(root: strawberry.Parent[Rows]) -> ArticleFacets | None:
        return root  # type: ignore[return-value]


@strawberry.type
class ArticlesQuery:
    @strawberry.field(description="One story.")
    async def article(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, described("Its id. Give this or slug.")] = None,
        slug: Annotated[str | None, described("Its slug. Give this or id.")] = None,
        locale: Annotated[str | None, described("The slug's locale; by default the site's own.")] = None,
        perspective: PerspectiveArg = None,
    ) -> Article | None:
        if (id is None) == (slug is None):
            raise Invalid.field("id", "one_of", "Give exactly one of id and slug.")
        context = info.context
        if id is not None:
            return await context.story(key("Article", id))  # type: ignore[return-value]
        wanted = locale or (await context.site()).locale
        rows = query(context.actor, context.stories, context.perspective).filter(locale=wanted, slug=slug)
        if context.stories is models.Head:
            rows = rows.filter(article__trashed_at=None)
        return await rows.first()  # type: ignore[return-value]

    @strawberry.field(description="Stories, newest first.")
    async def articles(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: lists.FilterArg = None,
        order_by: lists.OrderArg = None,
        perspective: PerspectiveArg = None,
    ) -> ArticleConnection | None:
        return await lists.stories(  # type: ignore[no-any-return]
            info, Paging.of(first, after, last, before), filter=filter, order_by=order_by
        )


# ---------------------------------------------------------------- writing


@strawberry.input(description="An author of a story.")
class BylineInput:
    author_id: strawberry.ID = strawberry.field(description="Who.")
    role: str | None = strawberry.field(default=UNSET, description="What they did; by default, writing.")


@strawberry.input(description="What search engines and other sites are told; by default made of the story.")
class SeoInput:
    title: str | None = strawberry.field(default=UNSET, description="The title; by default the headline.")
    description: str | None = strawberry.field(
        default=UNSET, description="By default the dek, or the text's beginning."
    )
    canonical_url: str | None = strawberry.field(default=UNSET, description="Where the original stands, if elsewhere.")
    noindex: bool | None = strawberry.field(default=UNSET, description="Keep it out of search engines.")
    image: media.MediaUseInput | None = strawberry.field(default=UNSET, description="By default the lead picture.")


@strawberry.input
class _ContentInput:
    kicker: str | None = strawberry.field(default=UNSET, description="The line above the headline.")
    dek: str | None = strawberry.field(default=UNSET, description="The text under the headline.")
    slug: str | None = strawberry.field(default=UNSET, description="The slug; null makes one of the headline.")
    body: BodyInput | None = strawberry.field(default=UNSET, description="The text of the story.")
    section_id: strawberry.ID | None = strawberry.field(default=UNSET, description="The section it stands in.")
    byline: list[BylineInput] | None = strawberry.field(default=UNSET, description="Who made it, in order.")
    tag_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="Its tags, in order. Tags are set as a whole: these, then tagNames."
    )
    tag_names: list[str] | None = strawberry.field(
        default=UNSET, description="Finds tags by name or alias and makes those that do not exist."
    )
    lead_media: media.MediaUseInput | None = strawberry.field(default=UNSET, description="What stands for it.")
    related_post_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="Stories to read on with, in order."
    )
    seo: SeoInput | None = strawberry.field(default=UNSET, description="What search engines are told.")


@strawberry.input(description="A new story. tagNames finds tags by name or alias and makes those that do not exist.")
class CreateArticleInput(_ContentInput):
    headline: str = strawberry.field(description="The headline.")
    locale: str | None = strawberry.field(default=UNSET, description="Its language; by default the site's own.")
    translation_of_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The story that this is a translation of."
    )
    idempotency_key: str | None = strawberry.field(
        default=UNSET, description="Any text; a second call with the same one answers the first one's story."
    )


@strawberry.input(
    description=(
        "Saves a new head revision; what readers see does not change. Absent stays, null clears. autosave: may be "
        "folded into "
        "the revision before it."
    )
)
class UpdateArticleInput(_ContentInput):
    id: strawberry.ID = strawberry.field(description="The story.")
    expected_version: int | None = strawberry.field(
        default=UNSET, description="The version that this is a change of; a stale one is refused with CONFLICT."
    )
    autosave: bool | None = strawberry.field(default=UNSET, description="Saved by the machine, not by hand.")
    message: str | None = strawberry.field(default=UNSET, description="What changed, for colleagues.")
    headline: str | None = strawberry.field(default=UNSET, description="The headline; may not be null.")


@strawberry.input(description="A story that is not to stand among the automatic related ones of another.")
class ExcludeRelatedInput:
    article_id: strawberry.ID = strawberry.field(description="The story that it stood under.")
    related_id: strawberry.ID = strawberry.field(description="The story to leave out.")
    exclude: bool = strawberry.field(default=True, description="false lets it in again.")


ArticleResult = Annotated[Article | Problem, strawberry.union("ArticleResult", description="The story, or why not.")]


@strawberry.type
class ArticlesMutation:
    @mutation("Make a story, in DRAFT. CONTRIBUTOR.")
    async def create_article(self, info: Info, input: CreateArticleInput) -> ArticleResult:
        actor, own_key = info.context.actor, maybe(input.idempotency_key)
        return await articles.create(  # type: ignore[return-value]
            actor,
            given(input, leave_out=("idempotency_key",)),
            origin_key=articles.origin_key(actor, own_key) if own_key is not None else None,
        )

    @mutation("Leave a story out of what is found for another by itself, at once; or let it in again. EDITOR.")
    async def exclude_related(self, info: Info, input: ExcludeRelatedInput) -> ArticleResult:
        return await related.exclude(  # type: ignore[return-value]
            info.context.actor,
            key("Article", input.article_id),
            key("Article", input.related_id),
            excluded=input.exclude,
        )

    @mutation("Save a story. CONTRIBUTOR, own stories.")
    async def update_article(self, info: Info, input: UpdateArticleInput) -> ArticleResult:
        return await articles.update(  # type: ignore[return-value]
            info.context.actor,
            key("Article", input.id),
            given(input, leave_out=("id", "expected_version", "autosave", "message")),
            expected_version=maybe(input.expected_version),
            autosave=bool(maybe(input.autosave)),
            message=maybe(input.message),
        )
