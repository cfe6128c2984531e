"""The site, sections, tags, authors and lists kept by hand in plans."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from cms import ids, paths, slugs
from cms.models import StoryList, TagName
from cms.paths import MAX_SLUG
from cms.permissions import PUBLIC, Perspective, query
from schema.feeds import feed_links
from schema.plan.entities import TREE
from schema.plan.pages import COUNTS, connection
from schema.plan.pictures import Uses
from schema.plan.reading import Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, attributes, field, plain
from schema.plan.stories import Stories

attributes("Site", "name", "tagline", "url", "locale", "locales", "timeZone")
plain("Site", checklistRules=lambda row, reading: None)


@field("Site", "socialLinks")
def _social_links(c: Compiler, asked: Asked, scope: Any) -> Getter:
    names = [(each.key, each.name) for each in c.fields("SocialLink", asked.sets)]

    def entry(link: Mapping[str, str]) -> dict[str, str]:
        return {key: "SocialLink" if name == "__typename" else link[name] for key, name in names}

    return lambda row, reading: [entry(link) for link in row.social_links]


@field("Site", "logo")
def _logo(c: Compiler, asked: Asked, scope: Any) -> Getter:
    uses = Uses(c, asked.sets)
    return lambda row, reading: uses.of(row.logo_media_id, row.logo, reading)


def _feeds(c: Compiler, asked: Asked, scope: Any, *, path: Any) -> Getter:
    """path: what gives the path of a row, None while that is not known."""
    names = [(each.key, each.name) for each in c.fields("FeedLinks", asked.sets)]

    def get(row: Any, reading: Reading) -> Any:
        where = path(row, reading)
        links = None if where is None else feed_links(where)
        if links is None:
            return None
        return {key: "FeedLinks" if name == "__typename" else getattr(links, name) for key, name in names}

    return get


_PATHS: dict[str, Any] = {
    "Site": lambda row, reading: "",
    "Section": lambda row, reading: _in_tree(lambda row, tree, reading: tree.path(row))(row, reading),
    "Tag": lambda row, reading: paths.tag_path(row.slug),
    "Author": lambda row, reading: paths.author_path(row.slug),
}
for _kind, _path in _PATHS.items():
    field(_kind, "feeds")(partial(_feeds, path=_path))


# ---------------------------------------------------------------- sections


plain("Section", id=lambda row, reading: ids.encode("Section", row.id))
attributes("Section", "name", "slug", "description", "position")


def _in_tree(of: Any) -> Getter:
    """A getter that needs the tree of sections."""

    def get(row: Any, reading: Reading) -> Any:
        tree = reading.entity(TREE, None)
        return None if tree is None else of(row, tree, reading)

    return get


@field("Section", "names")
def _names(c: Compiler, asked: Asked, scope: Any) -> Getter:
    names = [(each.key, each.name) for each in c.fields("LocalizedName", asked.sets)]

    def entry(locale: str, name: str) -> dict[str, str]:
        said = {"__typename": "LocalizedName", "locale": locale, "name": name}
        return {key: said[asked_for] for key, asked_for in names}

    return lambda row, reading: [entry(*each) for each in sorted(row.names.items())]


@field("Section", "path")
def _section_path(c: Compiler, asked: Asked, scope: Any) -> Getter:
    return _in_tree(lambda row, tree, reading: tree.path(row))


@field("Section", "parent")
def _parent(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Section", asked.sets)

    def get(row: Any, tree: paths.Tree, reading: Reading) -> Any:
        above = tree.by_id.get(row.parent_id) if row.parent_id else None
        return None if above is None else inner(above, reading)

    return _in_tree(get)


@field("Section", "children")
def _section_children(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Section", asked.sets)
    return _in_tree(lambda row, tree, reading: [inner(each, reading) for each in tree.children.get(row.id, ())])


# ---------------------------------------------------------------- tags and authors


class _Aliases(Source):
    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        found: dict[UUID, list[TagName]] = {}
        for row in await TagName.filter(tag_id__in=keys).order_by("name"):
            found.setdefault(row.tag_id, []).append(row)
        return found


_ALIASES = _Aliases()
plain(
    "Tag",
    id=lambda row, reading: ids.encode("Tag", row.id),
    path=lambda row, reading: paths.tag_path(row.slug),
    kind=lambda row, reading: row.kind.name,
)
attributes("Tag", "name", "slug", "description", "externalId")


@field("Tag", "aliases")
def _aliases(c: Compiler, asked: Asked, scope: Any) -> Getter:
    def get(row: Any, reading: Reading) -> list[str]:
        own = slugs.identity(row.name)
        return [each.name for each in reading.get(_ALIASES, row.id) or () if each.key != own]

    return get


plain(
    "Author",
    id=lambda row, reading: ids.encode("Author", row.id),
    kind=lambda row, reading: row.kind.name,
    path=lambda row, reading: paths.author_path(row.slug),
)
attributes("Author", "name", "slug", "bio")


@field("Author", "portrait")
def _portrait(c: Compiler, asked: Asked, scope: Any) -> Getter:
    uses = Uses(c, asked.sets)
    return lambda row, reading: uses.of(row.portrait_media_id, row.portrait, reading)


# ---------------------------------------------------------------- their stories


def _term(kind: str) -> None:
    @field(kind, "articles")
    def articles(c: Compiler, asked: Asked, scope: Any) -> Getter:
        get = connection(c, asked, kind.lower())
        return lambda row, reading: get(row.id, reading)

    @field(kind, "articleCount")
    def article_count(c: Compiler, asked: Asked, scope: Any) -> Getter:
        def get(row: Any, reading: Reading) -> int:
            reading.lists.add((kind.lower(), row.id))
            return reading.get(COUNTS, row.id) or 0

        return get


for _kind in ("Section", "Tag", "Author"):
    _term(_kind)


# ---------------------------------------------------------------- lists kept by hand


class ListsBySlug(Source):
    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        wanted = [key for key in keys if len(key) <= MAX_SLUG]
        return {row.slug: row for row in await query(PUBLIC, StoryList, Perspective.PUBLISHED).filter(slug__in=wanted)}


plain("StoryList", id=lambda row, reading: ids.encode("StoryList", row.id))
attributes("StoryList", "slug", "name")


@field("StoryList", "articles")
def _listed(c: Compiler, asked: Asked, scope: Any) -> Getter:
    arguments, stories = c.arguments(asked), Stories(c, asked.sets)

    def get(row: Any, reading: Reading) -> list[Any]:
        first = arguments(reading).get("first", 20)
        if not 0 <= first <= 100:
            raise Unplanned("first")
        reading.shown["list"].add(row.id)
        rows = [reading.get(stories, id) for id in row.article_ids]
        return [stories.build(each, reading) for each in [each for each in rows if each is not None][:first]]

    return get
