"""The API of comments: what colleagues say to each other of a story."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from cms import comments, ids, models
from schema.accounts import User
from schema.context import Info
from schema.inputs import maybe
from schema.problems import Problem, mutation
from schema.scalars import key

UNSET = strawberry.UNSET


@strawberry.type(description="What a colleague said of a story. It and its replies are a thread, resolved as one.")
class Comment:
    text: str = strawberry.field(description="What it says.")
    anchor: JSON | None = strawberry.field(
        description=(
            "Where it stands: field, and for a place in a text block, from, to and quote; null for the whole story, "
            "and for replies."
        )
    )
    created_at: datetime = strawberry.field(description="When it was said.")
    resolved_at: datetime | None = strawberry.field(description="When the thread was settled; null for replies.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Comment)

    @strawberry.field(description="Opaque; the same for ever.")
    def id(root: strawberry.Parent[models.Comment]) -> strawberry.ID:
        return strawberry.ID(ids.encode("Comment", root.id))

    @strawberry.field(description="Who said it; null for the system.")
    async def author(root: strawberry.Parent[models.Comment], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.author_id)  # type: ignore[return-value]

    @strawberry.field(description="Who settled the thread.")
    async def resolved_by(root: strawberry.Parent[models.Comment], info: Info) -> User | None:
        return await info.context.loaders.known(models.User, root.resolved_by_id)  # type: ignore[return-value]

    @strawberry.field(description="Who is mentioned, by @ and a name or an address.")
    async def mentions(root: strawberry.Parent[models.Comment], info: Info) -> list[User]:
        return await info.context.loaders.known_many(models.User, list(root.mentions))  # type: ignore[return-value]

    @strawberry.field(description="The replies of the thread, oldest first; a reply has none of its own.")
    async def replies(root: strawberry.Parent[models.Comment], info: Info) -> list[Comment]:
        if root.reply_to_id is not None:
            return []
        return await info.context.loaders.children(models.Comment, "reply_to_id", root.id, "created_at", "id")  # type: ignore[return-value]


@strawberry.input(
    description=(
        "Something to say of a story. @ before a colleague's whole name or address mentions them. A reply opens a "
        "resolved thread again."
    )
)
class AddCommentInput:
    article_id: strawberry.ID = strawberry.field(description="The story.")
    text: str = strawberry.field(description="What to say; at most 5,000 characters.")
    anchor: JSON | None = strawberry.field(
        default=UNSET,
        description=(
            'Where it stands: {"field"} of Article, and for a place in its text "block" (the id of one of the body), '
            '"from" and "to" (offsets) and "quote" (the text there, at most 500 characters), as far as they are known.'
        ),
    )
    reply_to_id: strawberry.ID | None = strawberry.field(default=UNSET, description="A comment of the thread.")


@strawberry.input(description="A thread to settle.")
class ResolveCommentInput:
    id: strawberry.ID = strawberry.field(description="Any comment of the thread.")


CommentResult = Annotated[Comment | Problem, strawberry.union("CommentResult", description="The comment, or why not.")]


@strawberry.type
class CommentsMutation:
    @mutation("Say something of a story; it changes no version. CONTRIBUTOR, own stories.")
    async def add_comment(self, info: Info, input: AddCommentInput) -> CommentResult:
        reply_to = maybe(input.reply_to_id)
        return await comments.add(  # type: ignore[return-value]
            info.context.actor,
            key("Article", input.article_id),
            text=input.text,
            anchor=maybe(input.anchor),
            reply_to_id=key("Comment", reply_to) if reply_to is not None else None,
        )

    @mutation("Settle a thread; answers its first comment. CONTRIBUTOR, own stories.")
    async def resolve_comment(self, info: Info, input: ResolveCommentInput) -> CommentResult:
        return await comments.resolve(info.context.actor, key("Comment", input.id))  # type: ignore[return-value]
