"""The API of preview links: making and revoking them, and what one shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cms import ids, previews
from schema.articles import Revision
from schema.context import Info
from schema.inputs import maybe
from schema.problems import Problem, mutation
from schema.scalars import described, key
from schema.taxonomy import Deleted, DeleteResult

UNSET = strawberry.UNSET


@strawberry.type(description="A link that shows what is not published, to whoever has it.")
class PreviewLink:
    key: strawberry.Private[UUID]
    token: str = strawberry.field(
        description="What preview(token:) takes; with wholeSite a bearer token too. Shown once."
    )
    url: str = strawberry.field(
        description="The site's page for previews, with the token as the fragment, which no server is sent."
    )
    expires_at: datetime = strawberry.field(description="When it ends.")

    @strawberry.field(description="Opaque; what revokePreviewLink takes.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(ids.encode("PreviewLink", self.key))


@strawberry.input(
    description="A link to make. wholeSite: the token also opens the DRAFT perspective of everything, read only."
)
class CreatePreviewLinkInput:
    revision_id: strawberry.ID = strawberry.field(description="The revision that it shows, and no other.")
    expires_in_minutes: int | None = strawberry.field(
        default=UNSET, description="1 to 43200 (30 days); by default 1440, a day."
    )
    whole_site: bool | None = strawberry.field(
        default=UNSET, description="As a bearer it reads the site in DRAFT, but for stories under embargo. EDITOR."
    )


@strawberry.input(description="A link to end.")
class RevokePreviewLinkInput:
    id: strawberry.ID = strawberry.field(description="The link.")


PreviewLinkResult = Annotated[
    PreviewLink | Problem, strawberry.union("PreviewLinkResult", description="The link, or why not.")
]


@strawberry.type
class PreviewsQuery:
    @strawberry.field(
        description=(
            "What a preview link shows; null for a token that opens nothing (any more). Stories it leads to are shown "
            "as readers see them."
        )
    )
    async def preview(self, info: Info, token: Annotated[str, described("The link's token.")]) -> Revision | None:
        revision = await previews.shown(token)
        if revision is not None:
            info.context.loaders.also_show(previews.pictures(revision))
        return revision  # type: ignore[return-value]


@strawberry.type
class PreviewsMutation:
    @mutation(
        "Make a link that shows one revision to whoever has it. CONTRIBUTOR, own stories; EDITOR under embargo, and "
        "for the whole site."
    )
    async def create_preview_link(self, info: Info, input: CreatePreviewLinkInput) -> PreviewLinkResult:
        link, token = await previews.create(
            info.context.actor,
            key("Revision", input.revision_id),
            minutes=maybe(input.expires_in_minutes),
            whole_site=bool(maybe(input.whole_site)),
        )
        url = f"{(await info.context.site()).url}/preview#{token}"
        return PreviewLink(key=link.id, token=token, url=url, expires_at=link.expires_at)

    @mutation("End a preview link at once. Who made it, or EDITOR.")
    async def revoke_preview_link(self, info: Info, input: RevokePreviewLinkInput) -> DeleteResult:
        gone = await previews.revoke(info.context.actor, key("PreviewLink", input.id))
        return Deleted(deleted_id=strawberry.ID(ids.encode("PreviewLink", gone)))
