"""The API of the library: finding files, sending new ones, describing, replacing and deleting them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cms import ids, media, models
from cms.keyset import Paging
from cms.models import MediaKind
from schema.connection import Connection, Rows
from schema.context import Info
from schema.inputs import given
from schema.media import FocalPointInput, Media
from schema.perspective import PerspectiveArg
from schema.problems import Problem, mutation
from schema.scalars import After, BigInt, First, described, key
from schema.taxonomy import Deleted, DeleteResult


@strawberry.type
class MediaQuery:
    @strawberry.field(description="All files, the newest first. Staff.")
    async def media_library(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        query: Annotated[
            str | None, described("Only those with all of these words in their name, texts or keywords.")
        ] = None,
        kind: Annotated[MediaKind | None, described("Only files of this kind.")] = None,
        perspective: PerspectiveArg = None,
    ) -> Connection[Media] | None:
        found = media.listing(info.context.actor, query, kind)

        async def load(ids: list[UUID]) -> list[Any]:
            return list(await info.context.loaders.known_each(models.Media, ids))

        return Rows(found, Paging.of(first, after), load)  # type: ignore[return-value]


@strawberry.type(description="Send the bytes there with that method and those headers, then finishUpload.")
class Upload:
    upload_id: strawberry.ID = strawberry.field(description="For finishUpload.")
    method: str = strawberry.field(description="The HTTP method: PUT.")
    url: str = strawberry.field(description="Where to. It says who may send: keep it to yourself.")
    headers: JSON = strawberry.field(description="Names and values of headers to send along.")
    expires_at: datetime = strawberry.field(description="Until when bytes are taken there.")


@strawberry.input(description="A file to be sent.")
class CreateUploadInput:
    filename: str = strawberry.field(description="Its name, for people. Files are stored under names of our own.")
    byte_size: BigInt = strawberry.field(description="How many bytes will come.")
    mime_type: str | None = strawberry.field(
        default=strawberry.UNSET, description="What the sender takes it for. The bytes decide."
    )


@strawberry.input(description="A file that was sent. What is absent is taken from what the file says of itself.")
class FinishUploadInput:
    upload_id: strawberry.ID = strawberry.field(description="The upload.")
    alt_text: str | None = strawberry.field(default=strawberry.UNSET, description="What the picture shows.")
    caption: str | None = strawberry.field(default=strawberry.UNSET, description="The text to print under it.")
    credit: str | None = strawberry.field(default=strawberry.UNSET, description="Whom to name beside it.")


@strawberry.input(description="A file to fetch. What is absent is taken from what the file says of itself.")
class UploadFromUrlInput:
    url: str = strawberry.field(description="Its public address, https or http; none of an inside network.")
    alt_text: str | None = strawberry.field(default=strawberry.UNSET, description="What the picture shows.")
    caption: str | None = strawberry.field(default=strawberry.UNSET, description="The text to print under it.")
    credit: str | None = strawberry.field(default=strawberry.UNSET, description="Whom to name beside it.")


@strawberry.input(description="Changes of a file; absent stays, null clears.")
class UpdateMediaInput:
    id: strawberry.ID = strawberry.field(description="The file.")
    alt_text: str | None = strawberry.field(default=strawberry.UNSET, description="What the picture shows.")
    caption: str | None = strawberry.field(default=strawberry.UNSET, description="The text to print under it.")
    credit: str | None = strawberry.field(default=strawberry.UNSET, description="Whom to name beside it.")
    creator: str | None = strawberry.field(default=strawberry.UNSET, description="Who made it.")
    copyright_holder: str | None = strawberry.field(default=strawberry.UNSET, description="Who owns the rights.")
    usage_terms: str | None = strawberry.field(default=strawberry.UNSET, description="What the licence allows.")
    keywords: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Words to find it by.")
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When the rights end: from then on readers do not see it."
    )
    focal_point: FocalPointInput | None = strawberry.field(
        default=strawberry.UNSET, description="What must stay in view when it is cropped."
    )


@strawberry.input(description="A file of the library that is to have other bytes.")
class ReplaceMediaInput:
    id: strawberry.ID = strawberry.field(description="The file.")
    upload_id: strawberry.ID = strawberry.field(description="The upload of the same kind that takes its place.")


@strawberry.input(description="A file to delete; refused while anything uses it.")
class DeleteMediaInput:
    id: strawberry.ID = strawberry.field(description="The file.")


MediaResult = Annotated[Media | Problem, strawberry.union("MediaResult", description="The file, or why not.")]
UploadResult = Annotated[
    Upload | Problem, strawberry.union("UploadResult", description="Where to send the bytes, or why not.")
]


@strawberry.type
class MediaMutation:
    @mutation("Announce a file. CONTRIBUTOR.")
    async def create_upload(self, info: Info, input: CreateUploadInput) -> UploadResult:
        target = await media.create(info.context.actor, **given(input))
        return Upload(
            upload_id=strawberry.ID(ids.encode("Upload", target.upload.id)),
            method=target.method,
            url=target.url,
            headers=target.headers,  # type: ignore[arg-type]
            expires_at=target.upload.expires_at,
        )

    @mutation("Take a file that was sent into the library. CONTRIBUTOR.")
    async def finish_upload(self, info: Info, input: FinishUploadInput) -> MediaResult:
        said = given(input, leave_out=("upload_id",))
        return await media.finish(info.context.actor, key("Upload", input.upload_id), said)  # type: ignore[return-value]

    @mutation("Take the file at a public address into the library. CONTRIBUTOR.")
    async def upload_from_url(self, info: Info, input: UploadFromUrlInput) -> MediaResult:
        said = given(input, leave_out=("url",))
        return await media.fetch(info.context.actor, input.url, said)  # type: ignore[return-value]

    @mutation("Change what is said of a file. CONTRIBUTOR for own files, EDITOR for all.")
    async def update_media(self, info: Info, input: UpdateMediaInput) -> MediaResult:
        changes = given(input, leave_out=("id",))
        return await media.update(info.context.actor, key("Media", input.id), changes)  # type: ignore[return-value]

    @mutation("Give a file other bytes; its words and its uses stay. CONTRIBUTOR for own files, EDITOR for all.")
    async def replace_media(self, info: Info, input: ReplaceMediaInput) -> MediaResult:
        return await media.replace(  # type: ignore[return-value]
            info.context.actor, key("Media", input.id), key("Upload", input.upload_id)
        )

    @mutation("Delete a file that nothing uses. CONTRIBUTOR for own files, EDITOR for all.")
    async def delete_media(self, info: Info, input: DeleteMediaInput) -> DeleteResult:
        await media.delete(info.context.actor, key("Media", input.id))
        return Deleted(deleted_id=input.id)
