"""How refusals reach a client: a Problem in a mutation's result, an error with a code elsewhere."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.field import StrawberryField

from cms.errors import CMSError
from cms.models import Head
from schema.context import Context


@strawberry.enum(description="Why a mutation was refused.")
class ProblemCode(Enum):
    UNAUTHENTICATED = strawberry.enum_value("UNAUTHENTICATED", description="Nobody is signed in.")
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="This viewer may not do this.")
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="Not there, or not to be seen by this viewer.")
    INVALID = strawberry.enum_value("INVALID", description="Bad input; issues name the fields.")
    CONFLICT = strawberry.enum_value("CONFLICT", description="It has changed meanwhile; currentVersion says how far.")
    TRANSITION_REFUSED = strawberry.enum_value("TRANSITION_REFUSED", description="Its state does not allow it.")
    EMBARGOED = strawberry.enum_value("EMBARGOED", description="An embargo stands against it.")
    IN_USE = strawberry.enum_value("IN_USE", description="Something still points at it.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="Too many tries; wait.")


@strawberry.type(description="One thing that is wrong with the input.")
class Issue:
    field: list[str] = strawberry.field(description="The path of the field in the input; list positions as numbers.")
    code: str = strawberry.field(description="What is wrong, for programs.")
    message: str = strawberry.field(description="What is wrong and what to do, for people.")


@strawberry.type(description="A refusal. Nothing was changed.")
class Problem:
    code: ProblemCode = strawberry.field(description="Why, for programs.")
    message: str = strawberry.field(description="Why, as a sentence for people.")
    issues: list[Issue] = strawberry.field(
        description="What is wrong with which field; empty where no field is to blame."
    )
    current_version: int | None = strawberry.field(description="On CONFLICT: the version that the story is at now.")


class _Fresh(FieldExtension):
    """What is read for a mutation's answer is read after it: the one before, in the same operation, read too early."""

    def apply(self, field: StrawberryField) -> None:
        for argument in field.arguments:
            argument.description = argument.description or "All that the mutation takes, in one object."

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: strawberry.Info[Context, None], **kwargs: Any
    ) -> Any:
        info.context.forget()
        try:
            done = await next_(source, info, **kwargs)
        finally:
            info.context.forget()
        if isinstance(done, Head):
            info.context.remember(done)
        return done


def mutation(description: str) -> Any:
    """A field of Mutation; its description says the least role."""
    return strawberry.mutation(description=description, extensions=[_Fresh()])


def problem(error: CMSError) -> Problem:
    return Problem(
        code=ProblemCode(error.code),
        message=error.message,
        issues=[Issue(field=list(i.field), code=i.code, message=i.message) for i in error.issues],
        current_version=error.current_version,
    )


class ProblemHandler(strawberry.ExceptionHandler[CMSError, Problem]):
    """Turns a refusal into the Problem of the field's result union."""

    def handle(self, exception: CMSError, *, field: StrawberryField, info: strawberry.Info[Any, Any]) -> Problem:
        return problem(exception)
