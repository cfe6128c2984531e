"""The root fields that plans answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cms import routes
from cms.models import Author, Live, Section, Tag
from cms.permissions import PUBLIC, Perspective
from schema.plan import bodies, related, search, seo, terms  # noqa: F401 - their fields
from schema.plan.entities import AUTHOR_SLUGS, SITE, TAG_SLUGS, TREE
from schema.plan.lookup import BySlug
from schema.plan.pages import connection
from schema.plan.reading import Reading, Source
from schema.plan.selection import Asked, Compiler, Getter, Unplanned, attributes, field, plain, said
from schema.plan.stories import Stories
from schema.plan.terms import ListsBySlug
from schema.scalars import key


def _one_of(arguments: dict[str, Any]) -> tuple[str | None, str | None]:
    """(id, slug), one of which is given."""
    id, slug = arguments.get("id"), arguments.get("slug")
    if (id is None) == (slug is None) or arguments.get("external_id") is not None:
        raise Unplanned("id and slug")
    return id, slug


@field("Query", "site")
def _site(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Site", asked.sets)

    def get(root: Any, reading: Reading) -> Any:
        site = reading.entity(SITE, None)
        return None if site is None else inner(site, reading)

    return get


@field("Query", "article")
def _article(c: Compiler, asked: Asked, scope: Any) -> Getter:
    arguments, stories = c.arguments(asked), Stories(c, asked.sets, is_alone=True)
    by_slug = BySlug(stories)

    def get(root: Any, reading: Reading) -> Any:
        source, wanted = reading.memory.get(by_slug) or asked_for(reading)
        row = None if wanted is None else reading.get(source, wanted)
        return reading.miss(arguments(reading).get("slug")) if row is None else stories.build(row, reading)

    def asked_for(reading: Reading) -> tuple[Source, Any]:
        """Where to look, for what; None while the site's locale is missing."""
        given = arguments(reading)
        id, slug = _one_of(given)
        if id is not None:
            return stories, key("Article", id)
        locale = given.get("locale") or _own_locale(reading)
        if locale is None:
            return by_slug, None
        found = reading.memory[by_slug] = by_slug, (locale, slug)
        return found

    return get


def _own_locale(reading: Reading) -> str | None:
    site = reading.entity(SITE, None)
    return None if site is None else site.locale


@field("Query", "articles")
def _articles(c: Compiler, asked: Asked, scope: Any) -> Getter:
    get = connection(c, asked)
    return lambda root, reading: get(None, reading)


@field("Query", "sections")
def _sections(c: Compiler, asked: Asked, scope: Any) -> Getter:
    inner = c.object("Section", asked.sets)

    def get(root: Any, reading: Reading) -> Any:
        tree = reading.entity(TREE, None)
        return None if tree is None else [inner(each, reading) for each in tree.children.get(None, ())]

    return get


@field("Query", "section")
def _section(c: Compiler, asked: Asked, scope: Any) -> Getter:
    arguments, inner = c.arguments(asked), c.object("Section", asked.sets)

    def get(root: Any, reading: Reading) -> Any:
        id, slug = _one_of(arguments(reading))
        tree = reading.entity(TREE, None)
        if tree is None:
            return None
        if id is not None:
            found = tree.by_id.get(key("Section", id))
        else:
            found = next((each for each in tree.by_id.values() if each.slug == slug), None)
        return None if found is None else inner(found, reading)

    return get


def _term(name: str, type_name: str, by_slug: Source) -> None:
    @field("Query", name)
    def make(c: Compiler, asked: Asked, scope: Any) -> Getter:
        arguments, inner = c.arguments(asked), c.object(type_name, asked.sets)

        def get(root: Any, reading: Reading) -> Any:
            id, slug = _one_of(arguments(reading))
            if id is not None:
                raise Unplanned("id")
            row = reading.entity(by_slug, slug)
            if row is None:
                return reading.miss(slug)
            # Readers see it as long as it has a story.
            reading.shown[name].add(row.id)
            reading.lists.add((name, row.id))
            return inner(row, reading)

        return get


_term("tag", "Tag", TAG_SLUGS)
_term("author", "Author", AUTHOR_SLUGS)
_LISTS = ListsBySlug()


@field("Query", "storyList")
def _story_list(c: Compiler, asked: Asked, scope: Any) -> Getter:
    arguments, inner = c.arguments(asked), c.object("StoryList", asked.sets)

    def get(root: Any, reading: Reading) -> Any:
        slug = arguments(reading)["slug"]
        row = reading.get(_LISTS, slug)
        if row is None:
            return reading.miss(slug)
        reading.shown["list"].add(row.id)
        reading.lists.add(("", None))  # one of its stories may be taken down, and with the last one it goes
        return inner(row, reading)

    return get


class _Routes(Source):
    """What answers a path."""

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        return {key: await routes.route(PUBLIC, Perspective.PUBLISHED, key) for key in keys}


_ROUTES = _Routes()


@field("Query", "route")
def _route(c: Compiler, asked: Asked, scope: Any) -> Getter:
    arguments, stories = c.arguments(asked), Stories(c, asked.sets)
    others: dict[type, Getter] = {
        kind: c.object(kind.__name__, asked.sets) for kind in (Section, Tag, Author, routes.Redirect, routes.Gone)
    }

    def get(root: Any, reading: Reading) -> Any:
        path = arguments(reading)["path"]
        found = reading.get(_ROUTES, path)
        if isinstance(found, Live):
            row = reading.get(stories, found.article_id)
            return reading.miss() if row is None else stories.build(row, reading)
        if isinstance(found, Tag | Author):
            kind = type(found).__name__.lower()
            reading.shown[kind].add(found.id)
            reading.lists.add((kind, found.id))
        elif not isinstance(found, Section):  # something else may be there one day
            reading.miss(path.rstrip("/").rpartition("/")[2])
        return None if found is None else others[type(found)](found, reading)

    return get


attributes("Redirect", "location", "permanent")
plain(
    "Gone",
    reason=lambda gone, reading: gone.reason.name,
    since=said("row.since"),
)
attributes("Gone", "notice")
