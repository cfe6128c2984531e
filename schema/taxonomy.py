"""The API of sections, tags and authors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from cms import models, paths, slugs, tagging, taxonomy
from cms.errors import Invalid
from cms.keyset import Key, Listing, Paging, Where
from cms.models import AuthorKind, TagKind
from cms.permissions import query, visible
from schema import listings, media
from schema.connection import Connection, Rows
from schema.context import Info
from schema.feeds import FeedLinks, feed_links
from schema.inputs import given, maybe
from schema.node import Node
from schema.perspective import PerspectiveArg
from schema.problems import Problem, mutation
from schema.scalars import After, Before, First, Last, described, key

if TYPE_CHECKING:
    from schema.articles import ArticleConnection

strawberry.enum(AuthorKind, description="Who a byline names.")
strawberry.enum(TagKind, description="What a tag stands for.")

_Stories = Annotated["ArticleConnection", strawberry.lazy("schema.articles")]
_FEEDS = "Where its newest stories are for feed readers."
_COUNT = "How many stories articles has; counts only what this viewer may list."


async def _articles(
    root: strawberry.Parent[Any],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    filter: listings.FilterArg = None,
    order_by: listings.OrderArg = None,
) -> _Stories | None:
    return await listings.stories(  # type: ignore[no-any-return]
        info, Paging.of(first, after, last, before), term_id=root.id, filter=filter, order_by=order_by
    )


async def _article_count(root: strawberry.Parent[Any], info: Info) -> int | None:
    return await info.context.loaders.stories_in(root.id)


@strawberry.type(description="What something is called in one locale.")
class LocalizedName:
    locale: str = strawberry.field(description="The locale.")
    name: str = strawberry.field(description="The name.")


@strawberry.type(description="A department of the site.")
class Section(Node):
    name: str = strawberry.field(description="The name.")
    slug: str = strawberry.field(description="The last part of its path, unique among sections.")
    description: str | None = strawberry.field(description="What it is about.")
    position: int = strawberry.field(description="Its place among its siblings; ties by name.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Section)

    @strawberry.field(description="The site path: the slugs from the root to here.")
    async def path(root: strawberry.Parent[models.Section], info: Info) -> str:
        return (await info.context.tree()).path(root)

    @strawberry.field(description=_FEEDS)
    async def feeds(root: strawberry.Parent[models.Section], info: Info) -> FeedLinks:
        return feed_links((await info.context.tree()).path(root))

    @strawberry.field(description="What it is called in other locales of the site, by locale.")
    def names(root: strawberry.Parent[models.Section]) -> list[LocalizedName]:
        return [LocalizedName(locale=locale, name=name) for locale, name in sorted(root.names.items())]

    @strawberry.field(description="The section above.")
    async def parent(root: strawberry.Parent[models.Section], info: Info) -> Section | None:
        return (await info.context.tree()).by_id.get(root.parent_id) if root.parent_id else None  # type: ignore[return-value]

    @strawberry.field(description="The sections right under it, by position.")
    async def children(root: strawberry.Parent[models.Section], info: Info) -> list[Section]:
        return (await info.context.tree()).children.get(root.id, [])  # type: ignore[return-value]

    articles = strawberry.field(resolver=_articles, description="Its stories, those of the sections under it included.")
    article_count = strawberry.field(resolver=_article_count, description=_COUNT)


@strawberry.type(description="A meaning that stories share.")
class Tag(Node):
    name: str = strawberry.field(description="The name.")
    slug: str = strawberry.field(description="The last part of its path, unique among tags.")
    description: str | None = strawberry.field(description="What it means.")
    kind: TagKind = strawberry.field(description="What it stands for.")
    external_id: str | None = strawberry.field(
        description="The same elsewhere: an item of Wikidata (Q42) or a media topic of the IPTC (medtop:20000717)."
    )

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Tag)

    @strawberry.field(description="The site path.")
    def path(root: strawberry.Parent[models.Tag]) -> str:
        return paths.tag_path(root.slug)

    @strawberry.field(description=_FEEDS)
    def feeds(root: strawberry.Parent[models.Tag]) -> FeedLinks:
        return feed_links(paths.tag_path(root.slug))

    @strawberry.field(description="Other spellings that find this tag, names of tags merged into it among them.")
    async def aliases(root: strawberry.Parent[models.Tag], info: Info) -> list[str]:
        names = await info.context.loaders.children(models.TagName, "tag_id", root.id, "name")
        own = slugs.identity(root.name)
        return [each.name for each in names if each.key != own]

    articles = strawberry.field(resolver=_articles, description="Its stories.")
    article_count = strawberry.field(resolver=_article_count, description=_COUNT)


@strawberry.type(description="The person or organisation that a byline names.")
class Author(Node):
    name: str = strawberry.field(description="The name, as printed.")
    slug: str = strawberry.field(description="The last part of its path, unique among authors.")
    kind: AuthorKind = strawberry.field(description="A person or an organisation.")
    bio: str | None = strawberry.field(description="A few words about them.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Author)

    @strawberry.field(description="Their picture.")
    async def portrait(root: strawberry.Parent[models.Author], info: Info) -> media.MediaUse | None:
        return await media.use(info, root.portrait_media_id, root.portrait)  # type: ignore[return-value]

    @strawberry.field(description="The site path.")
    def path(root: strawberry.Parent[models.Author]) -> str:
        return paths.author_path(root.slug)

    @strawberry.field(description=_FEEDS)
    def feeds(root: strawberry.Parent[models.Author]) -> FeedLinks:
        return feed_links(paths.author_path(root.slug))

    articles = strawberry.field(resolver=_articles, description="Stories with their byline.")
    article_count = strawberry.field(resolver=_article_count, description=_COUNT)


# ---------------------------------------------------------------- queries

_IdArg = Annotated[strawberry.ID | None, described("Its id. Give this or slug.")]
_SlugArg = Annotated[str | None, described("Its slug. Give this or id.")]
_ExternalIdArg = Annotated[
    str | None, described("Its id in Wikidata or among the IPTC's media topics, in place of id and slug.")
]
_KindsArg = Annotated[list[TagKind] | None, described("Only tags of these kinds.")]
_QueryArg = Annotated[
    str | None, described("Only those whose name has a word that starts so; case and accents do not count.")
]


async def one(info: Info, model: type[Any], id: str | None, slug: str | None) -> Any:
    """The one row of a kind with this id or this slug; raises Invalid unless exactly one of the two is given."""
    if (id is None) == (slug is None):
        raise Invalid.field("id", "one_of", "Give exactly one of id and slug.")
    if id is not None:
        return await info.context.loaders.visible(model, key(model.__name__, id))
    return await info.context.loaders.with_slug(model, slug or "")


def _named(
    info: Info, model: type[Any], paging: Paging, wanted: str | None, kinds: Sequence[TagKind] | None = None
) -> Rows:
    """Rows of tag or author by name."""
    table = model._meta.db_table
    where = Where([visible(info.context.actor, model, info.context.perspective)])
    if kinds is not None:
        where.add(f"tag.kind = any({where.param([kind.value for kind in kinds])}::text[])")
    if wanted is not None:
        prefix = slugs.identity(wanted).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        starts = f"without_accents({where.param(f'{prefix}%')})"
        inside = f"without_accents({where.param(f'% {prefix}%')})"
        if model is models.Tag:
            where.add(
                "exists (select from tag_name n where n.tag_id = tag.id "
                f"and (n.folded like {starts} or n.folded like {inside}))"
            )
        else:
            where.add(f"(author.folded like {starts} or author.folded like {inside})")
    keys = (Key("NAME", f"{table}.name", str), Key("ID", f"{table}.id", UUID))

    async def load(found: list[UUID]) -> list[Any]:
        return list(await info.context.loaders.visible_each(model, found))

    return Rows(Listing(f"{table}.id", table, where, keys), paging, load)


@strawberry.type
class TaxonomyQuery:
    @strawberry.field(description="One section.")
    async def section(
        self, info: Info, id: _IdArg = None, slug: _SlugArg = None, perspective: PerspectiveArg = None
    ) -> Section | None:
        return await one(info, models.Section, id, slug)  # type: ignore[no-any-return]

    @strawberry.field(description="The roots of the tree, by position.")
    async def sections(self, info: Info, perspective: PerspectiveArg = None) -> list[Section] | None:
        return (await info.context.tree()).children.get(None, [])  # type: ignore[return-value]

    @strawberry.field(description="One tag.")
    async def tag(
        self,
        info: Info,
        id: _IdArg = None,
        slug: _SlugArg = None,
        perspective: PerspectiveArg = None,
        external_id: _ExternalIdArg = None,
    ) -> Tag | None:
        if external_id is None:
            return await one(info, models.Tag, id, slug)  # type: ignore[no-any-return]
        if id is not None or slug is not None:
            raise Invalid.field("externalId", "one_of", "Give exactly one of id, slug and externalId.")
        context, wanted = info.context, taxonomy.external_id(external_id)
        return await query(context.actor, models.Tag, context.perspective).filter(external_id=wanted or "").first()  # type: ignore[return-value]

    @strawberry.field(description="Tags by name; for readers, those that a live story has.")
    async def tags(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        query: _QueryArg = None,
        perspective: PerspectiveArg = None,
        kinds: _KindsArg = None,
    ) -> Connection[Tag] | None:
        return _named(info, models.Tag, Paging.of(first, after), query, kinds)  # type: ignore[return-value]

    @strawberry.field(description="One author.")
    async def author(
        self, info: Info, id: _IdArg = None, slug: _SlugArg = None, perspective: PerspectiveArg = None
    ) -> Author | None:
        return await one(info, models.Author, id, slug)  # type: ignore[no-any-return]

    @strawberry.field(description="Authors by name; for readers, those with a live story.")
    async def authors(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        query: _QueryArg = None,
        perspective: PerspectiveArg = None,
    ) -> Connection[Author] | None:
        return _named(info, models.Author, Paging.of(first, after), query)  # type: ignore[return-value]


# ---------------------------------------------------------------- mutations

_NAME = "The name."
_SLUG = "The slug; by default made of the name."
_DESCRIPTION = "What it is about."
_EXTERNAL_ID = "Its id in Wikidata or among the IPTC's media topics, or the address of its page there."
_NAMES = "What it is called in other locales of the site; all of them."


@strawberry.input(description="A new tag.")
class CreateTagInput:
    name: str = strawberry.field(description=_NAME)
    slug: str | None = strawberry.field(default=strawberry.UNSET, description=_SLUG)
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_DESCRIPTION)
    kind: TagKind | None = strawberry.field(default=strawberry.UNSET, description="By default a topic.")
    external_id: str | None = strawberry.field(default=strawberry.UNSET, description=_EXTERNAL_ID)


@strawberry.input(description="Changes of a tag; absent stays, null clears.")
class UpdateTagInput:
    id: strawberry.ID = strawberry.field(description="The tag.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The name; the old one becomes an alias.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="The slug; the old one redirects.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_DESCRIPTION)
    aliases: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="All other spellings that find it."
    )
    kind: TagKind | None = strawberry.field(default=strawberry.UNSET, description="What it stands for.")
    external_id: str | None = strawberry.field(default=strawberry.UNSET, description=_EXTERNAL_ID)


@strawberry.input(description="Tags that mean the same.")
class MergeTagsInput:
    from_ids: list[strawberry.ID] = strawberry.field(description="Those that become the other; at most 20.")
    into_id: strawberry.ID = strawberry.field(description="The one that stays.")


@strawberry.input(description="A merge of tags to take back.")
class UnmergeTagsInput:
    event_id: strawberry.ID = strawberry.field(description="The event tag.merged that tells of it.")


@strawberry.input(description="A tag to delete; refused while a story has it.")
class DeleteTagInput:
    id: strawberry.ID = strawberry.field(description="The tag.")


@strawberry.input(description="What something is called in one locale.")
class LocalizedNameInput:
    locale: str = strawberry.field(description="A locale of the site, other than its own.")
    name: str = strawberry.field(description="The name.")


@strawberry.input(description="A new section.")
class CreateSectionInput:
    name: str = strawberry.field(description=_NAME)
    slug: str | None = strawberry.field(default=strawberry.UNSET, description=_SLUG)
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_DESCRIPTION)
    parent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The section above; by default a root."
    )
    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="Its place among its siblings; by default the last."
    )
    names: list[LocalizedNameInput] | None = strawberry.field(default=strawberry.UNSET, description=_NAMES)


@strawberry.input(description="Changes of a section; absent stays, null clears.")
class UpdateSectionInput:
    id: strawberry.ID = strawberry.field(description="The section.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description=_NAME)
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="The slug; the old one redirects.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_DESCRIPTION)
    parent_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The section above; null makes it a root."
    )
    position: int | None = strawberry.field(default=strawberry.UNSET, description="Its place among its siblings.")
    names: list[LocalizedNameInput] | None = strawberry.field(default=strawberry.UNSET, description=_NAMES)


@strawberry.input(description="A section to delete; refused while sections stand under it.")
class DeleteSectionInput:
    id: strawberry.ID = strawberry.field(description="The section.")
    reassign_to_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Where its stories go; without it, a section in use is refused."
    )


@strawberry.input(description="A new author.")
class CreateAuthorInput:
    name: str = strawberry.field(description="The name, as printed.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description=_SLUG)
    kind: AuthorKind | None = strawberry.field(default=strawberry.UNSET, description="By default a person.")
    bio: str | None = strawberry.field(default=strawberry.UNSET, description="A few words about them.")
    portrait: media.MediaUseInput | None = strawberry.field(default=strawberry.UNSET, description="Their picture.")


@strawberry.input(description="Changes of an author; absent stays, null clears.")
class UpdateAuthorInput:
    id: strawberry.ID = strawberry.field(description="The author.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The name, as printed.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="The slug; the old one redirects.")
    kind: AuthorKind | None = strawberry.field(default=strawberry.UNSET, description="A person or an organisation.")
    bio: str | None = strawberry.field(default=strawberry.UNSET, description="A few words about them.")
    portrait: media.MediaUseInput | None = strawberry.field(default=strawberry.UNSET, description="Their picture.")


@strawberry.input(description="An author to delete.")
class DeleteAuthorInput:
    id: strawberry.ID = strawberry.field(description="The author.")
    reassign_to_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Who takes over the bylines; without it, an author in use is refused."
    )


@strawberry.type(description="What was deleted.")
class Deleted:
    deleted_id: strawberry.ID = strawberry.field(description="The id that is no more.")


@strawberry.type(description="Tags that are themselves again.")
class UnmergedTags:
    into: Tag = strawberry.field(description="The tag that they had become.")
    tags: list[Tag] = strawberry.field(description="Those that are there again.")
    kept: int = strawberry.field(
        description="How many stories are left as they are, since their tags were changed after the merge."
    )


UnmergeResult = Annotated[
    UnmergedTags | Problem, strawberry.union("UnmergeResult", description="What was taken back, or why not.")
]
TagResult = Annotated[Tag | Problem, strawberry.union("TagResult", description="The tag, or why not.")]
SectionResult = Annotated[Section | Problem, strawberry.union("SectionResult", description="The section, or why not.")]
AuthorResult = Annotated[Author | Problem, strawberry.union("AuthorResult", description="The author, or why not.")]
DeleteResult = Annotated[Deleted | Problem, strawberry.union("DeleteResult", description="What is gone, or why not.")]


def _target(id: Any, kind: str) -> UUID | None:
    wanted = maybe(id)
    return None if wanted is None else key(kind, wanted)


@strawberry.type
class TaxonomyMutation:
    @mutation(
        "Make a tag. Where there is one of that name, in any spelling, that has all that is given, it is the answer. "
        "EDITOR."
    )
    async def create_tag(self, info: Info, input: CreateTagInput) -> TagResult:
        return await taxonomy.create_tag(info.context.actor, **given(input))  # type: ignore[return-value]

    @mutation("Change a tag. EDITOR.")
    async def update_tag(self, info: Info, input: UpdateTagInput) -> TagResult:
        changes = given(input, leave_out=("id",))
        return await taxonomy.update_tag(info.context.actor, key("Tag", input.id), changes)  # type: ignore[return-value]

    @mutation(
        "Make several tags one. Stories as they stand get it in their place; names find it and paths lead to it from "
        "now on. unmergeTags takes it back. EDITOR."
    )
    async def merge_tags(self, info: Info, input: MergeTagsInput) -> TagResult:
        from_ids = [key("Tag", id) for id in input.from_ids]
        return await tagging.merge(info.context.actor, from_ids, key("Tag", input.into_id))  # type: ignore[return-value]

    @mutation("Take a merge of tags back, but for stories whose tags were changed since. EDITOR.")
    async def unmerge_tags(self, info: Info, input: UnmergeTagsInput) -> UnmergeResult:
        done = await tagging.unmerge(info.context.actor, key("Event", input.event_id))
        return UnmergedTags(into=done.into, tags=done.tags, kept=done.kept)  # type: ignore[arg-type]

    @mutation("Delete a tag that no story has. EDITOR.")
    async def delete_tag(self, info: Info, input: DeleteTagInput) -> DeleteResult:
        await taxonomy.delete_tag(info.context.actor, key("Tag", input.id))
        return Deleted(deleted_id=input.id)

    @mutation("Make a section. EDITOR.")
    async def create_section(self, info: Info, input: CreateSectionInput) -> SectionResult:
        return await taxonomy.create_section(info.context.actor, **given(input))  # type: ignore[return-value]

    @mutation("Change or move a section. EDITOR.")
    async def update_section(self, info: Info, input: UpdateSectionInput) -> SectionResult:
        changes = given(input, leave_out=("id",))
        return await taxonomy.update_section(info.context.actor, key("Section", input.id), changes)  # type: ignore[return-value]

    @mutation("Delete a section. EDITOR.")
    async def delete_section(self, info: Info, input: DeleteSectionInput) -> DeleteResult:
        to = _target(input.reassign_to_id, "Section")
        await taxonomy.delete_section(info.context.actor, key("Section", input.id), reassign_to=to)
        return Deleted(deleted_id=input.id)

    @mutation(
        "Make an author. Where there is one of that name, in any spelling, who has all that is given, they are the "
        "answer: give another slug for a second person of one name. EDITOR."
    )
    async def create_author(self, info: Info, input: CreateAuthorInput) -> AuthorResult:
        return await taxonomy.create_author(info.context.actor, **given(input))  # type: ignore[return-value]

    @mutation("Change an author. EDITOR.")
    async def update_author(self, info: Info, input: UpdateAuthorInput) -> AuthorResult:
        changes = given(input, leave_out=("id",))
        return await taxonomy.update_author(info.context.actor, key("Author", input.id), changes)  # type: ignore[return-value]

    @mutation("Delete an author. EDITOR.")
    async def delete_author(self, info: Info, input: DeleteAuthorInput) -> DeleteResult:
        to = _target(input.reassign_to_id, "Author")
        await taxonomy.delete_author(info.context.actor, key("Author", input.id), reassign_to=to)
        return Deleted(deleted_id=input.id)
