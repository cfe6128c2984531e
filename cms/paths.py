"""Where things stand on the site: paths, which are computed and never stored, and the slugs they are made of.

A slug that readers have seen stays its owner's for ever and redirects once it is an old one, in one step; one that they
never saw is free again as soon as nothing uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tortoise import connections
from tortoise.expressions import Q

from cms import clock, ids, slugs
from cms.database import found
from cms.errors import Conflict, Invalid
from cms.models import Content, Section, Site, Slug, SlugKind

# First words of our own routes; a root section or a story without one may not take them.
RESERVED = frozenset(
    [
        "account",
        "api",
        "assets",
        "author",
        "authors",
        "desk",
        "feed",
        "feeds",
        "feed.json",
        "graphql",
        "health",
        "media",
        "metrics",
        "ninjs",
        "preview",
        "robots.txt",
        "rss",
        "search",
        "session",
        "sessions",
        "sitemap",
        "sitemap.xml",
        "static",
        "tag",
        "tags",
        "upload",
        "uploads",
        "well-known",
    ]
)
MAX_SLUG = 96
MAX_NAMESAKES = 1_000
# A story without a section and a root section would stand at the same path.
_RIVALS = {SlugKind.ARTICLE: SlugKind.SECTION, SlugKind.SECTION: SlugKind.ARTICLE}


@dataclass(frozen=True, slots=True)
class Tree:
    """The sections, all of them: newsrooms have some dozens."""

    by_id: dict[UUID, Section]
    children: dict[UUID | None, list[Section]]

    @classmethod
    def of(cls, sections: Iterable[Section]) -> Tree:
        ordered = sorted(sections, key=lambda s: (s.position, s.name, s.id))
        children: dict[UUID | None, list[Section]] = {}
        for section in ordered:
            children.setdefault(section.parent_id, []).append(section)
        return cls({section.id: section for section in ordered}, children)

    def chain(self, section_id: UUID) -> list[Section]:
        """From the root to this section."""
        below: list[Section] = []
        section = self.by_id.get(section_id)
        while section is not None:
            below.append(section)
            section = self.by_id.get(section.parent_id) if section.parent_id else None
        return below[::-1]

    def path(self, section: Section) -> str:
        return "".join(f"/{each.slug}" for each in self.chain(section.id))


async def tree() -> Tree:
    return Tree.of(await found(Section, "section"))


@dataclass(frozen=True, slots=True)
class Ground:
    """What paths of stories are made of: the site's own locale, and the slugs of sections."""

    locale: str
    slugs: Mapping[UUID | None, str]

    @classmethod
    def of(cls, locale: str, ids: Sequence[UUID], slugs: Sequence[str]) -> Ground:
        """Of what GROUND gives."""
        return cls(locale, dict(zip(ids, slugs, strict=True)))

    def path(self, content: Content) -> str:
        return _story_path(content.locale, self.slugs.get(content.section_id), content.slug, self.locale)


GROUND = (
    "(select locale from site), array(select id from section order by id), array(select slug from section order by id)"
)


async def ground() -> Ground:
    return Ground.of(*(await connections.get("default").execute_query(f"select {GROUND}"))[1][0])


async def site() -> Site:
    """The row about the site: where its front page stands, and which locale is left out of paths."""
    return (await found(Site, "site"))[0]


def article_path(content: Content, tree: Tree, site: Site) -> str:
    return story_path(content.locale, content.section_id, content.slug, tree, site)


def story_path(locale: str, section_id: UUID | None, slug: str, tree: Tree, site: Site) -> str:
    section = tree.by_id.get(section_id) if section_id else None
    return _story_path(locale, section.slug if section else None, slug, site.locale)


def _story_path(locale: str, section_slug: str | None, slug: str, own_locale: str) -> str:
    """[/locale][/section-slug]/article-slug; the site's own locale is left out."""
    return f"{'' if locale == own_locale else f'/{locale}'}{f'/{section_slug}' if section_slug else ''}/{slug}"


def tag_path(slug: str) -> str:
    return f"/tag/{slug}"


def author_path(slug: str) -> str:
    return f"/author/{slug}"


async def claim(
    kind: SlugKind, target_id: UUID, *, text: str, explicit: str | None, locale: str = "", field: str = "slug"
) -> str:
    """Reserve a slug for target_id and return it: the explicit one exactly, or Invalid saying why not; without one, a
    slug made of the text, with a number behind it where it is taken."""
    if explicit is not None:
        problem = slugs.check_slug(explicit) or await _collision(kind, explicit)
        if problem:
            raise Invalid.field(field, "slug", problem)
        if not await _take(kind, locale, explicit, target_id):
            raise Invalid.field(field, "taken", f"The slug “{explicit}” is taken; choose another.")
        return explicit
    candidates = list(_numbered(slugs.slugify(text, fallback=kind.value.lower())))
    taken = await _taken(kind, locale, candidates, target_id)
    for candidate in candidates:
        if candidate not in taken and await _take(kind, locale, candidate, target_id):
            return candidate
    raise Conflict("There are too many stories of this name: give a slug.")


async def release(kind: SlugKind, target_id: UUID, *, keep: Iterable[tuple[str, str]] = ()) -> None:
    """Free the slugs of target_id that readers never saw, but for those in keep, as (locale, slug)."""
    kept = set(keep)
    for row in await Slug.filter(kind=kind, target_id=target_id, public=False):
        if (row.locale, row.slug) not in kept:
            await row.delete()


async def release_all(kind: SlugKind, target_id: UUID, *, heir: UUID | None = None) -> None:
    """target_id is deleted: its slugs lead to its heir from now on, or are free."""
    owned = Slug.filter(kind=kind, target_id=target_id)
    await (owned.update(target_id=heir) if heir is not None else owned.delete())


async def has(kind: SlugKind, target_id: UUID, locale: str, slug: str) -> bool:
    """Whether target_id has reserved this slug."""
    which = "slug where kind = $1 and locale = $2 and slug = $3 and target_id = $4"
    return bool(await found(Slug, which, kind.value, locale, slug, target_id))


async def make_public(kind: SlugKind, target_id: UUID, locale: str, slug: str) -> None:
    """Readers see this slug from now on."""
    await Slug.filter(kind=kind, target_id=target_id, locale=locale, slug=slug).update(public=True)


# What readers see when they see the revision $1 of a story: its slug, and those of its tags and authors.
MAKE_STORY_PUBLIC = """
update slug set public = true from revision r where r.id = $1 and not public
and target_id = any(r.tag_ids || r.author_ids || r.article_id)
and (target_id <> r.article_id or (slug.locale, slug.slug) = (r.locale, r.slug))
"""


async def _take(kind: SlugKind, locale: str, slug: str, target_id: UUID) -> bool:
    """Waits for a concurrent transaction that is taking the same one."""
    made, _ = await connections.get("default").execute_query(
        "insert into slug (id, kind, locale, slug, target_id, public, created_at) "
        "values ($1, $2, $3, $4, $5, false, $6) on conflict (kind, locale, slug) do nothing returning true",
        [ids.new(), kind.value, locale, slug, target_id, clock.now()],
    )
    return made == 1 or await has(kind, target_id, locale, slug)


def _numbered(base: str) -> Iterator[str]:
    for number in range(1, MAX_NAMESAKES + 1):
        suffix = "" if number == 1 else f"-{number}"
        yield base[: MAX_SLUG - len(suffix)].rstrip("-") + suffix


async def _taken(kind: SlugKind, locale: str, wanted: list[str], target_id: UUID) -> set[str]:
    """Which of these somebody else has, or would stand in the way of."""
    theirs = Q(kind=kind, locale=locale) & ~Q(target_id=target_id)
    if kind in _RIVALS:
        theirs |= Q(kind=_RIVALS[kind])
    taken = {row.slug async for row in Slug.filter(theirs, slug__in=wanted)}
    return taken | ({*RESERVED, *(await site()).locales} if kind in _RIVALS else set())


async def _collision(kind: SlugKind, slug: str) -> str | None:
    """Why this slug cannot stand where it would: our own routes, locales, and stories and sections of one name."""
    if kind not in _RIVALS:
        return None
    if slug in RESERVED or slug in (await site()).locales:
        return f"“{slug}” is the start of another path of the site; choose another slug."
    if kind is SlugKind.ARTICLE and await Slug.exists(kind=SlugKind.SECTION, slug=slug):
        return f"“{slug}” is or was the slug of a section; choose another."
    if kind is SlugKind.SECTION and await Slug.exists(kind=SlugKind.ARTICLE, slug=slug):
        return f"“{slug}” is or was the slug of a story; choose another."
    return None
