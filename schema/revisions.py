"""The API of a story's history: what differs between two revisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import JSON

from cms import body, models, revisions
from cms.errors import NotFound
from schema.body import Reading
from schema.context import Info
from schema.scalars import key

if TYPE_CHECKING:
    from schema.articles import Revision

_Revision = Annotated["Revision", strawberry.lazy("schema.articles")]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions of one story; old is None for its beginning."""

    old: models.Revision | None
    new: models.Revision


@strawberry.type(description="A field that differs. html marks <ins> and <del> where the field is text.")
class FieldChange:
    field: str = strawberry.field(description="The field, as in Revision.")
    before: JSON | None = strawberry.field(description="What it was; things by their names.")
    after: JSON | None = strawberry.field(description="What it is; things by their names.")
    html: str | None = strawberry.field(
        description=(
            "Both in one, with <ins> and <del>: by words in headline, kicker and dek, by blocks and words in body."
        )
    )


@strawberry.type(description="What differs between two revisions of a story.")
class RevisionDiff:
    @strawberry.field(name="from", description="The older one; null where there is none before.")
    def old(root: strawberry.Parent[Compared]) -> _Revision | None:
        return root.old  # type: ignore[return-value]

    @strawberry.field(name="to", description="The newer one.")
    def new(root: strawberry.Parent[Compared]) -> _Revision:
        return root.new  # type: ignore[return-value]

    @strawberry.field(description="The fields that differ, in the order of Revision's; empty where none does.")
    async def changes(root: strawberry.Parent[Compared], info: Info) -> list[FieldChange]:
        return await revisions.diff(root.old, root.new, await _links(info, root))  # type: ignore[return-value]


async def compared(info: Info, revision: models.Revision, against: strawberry.ID | None) -> Compared:
    """A revision against another of its story, or by default the one before. Raises NotFound."""
    if against is None:
        return Compared(await revisions.before(revision), revision)
    rows = await info.context.loaders.visible(models.Revision, key("Revision", against))
    if rows is None or rows.article_id != revision.article_id:
        raise NotFound("The story has no revision with that id.")
    return Compared(rows, revision)


async def _links(info: Info, root: Compared) -> body.Links:
    both = [await Reading(each, info.context).links() for each in (root.old, root.new) if each is not None]
    return body.Links(
        articles={id: target for links in both for id, target in links.articles.items()},
        media={id: target for links in both for id, target in links.media.items()},
    )
