"""One operation, one perspective: read from its root fields before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import strawberry
from graphql import (
    EnumValueNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension

from cms import permissions
from cms.errors import CMSError, Forbidden, Invalid, Unauthenticated
from cms.permissions import Perspective
from schema.scalars import described

strawberry.enum(
    Perspective,
    description=(
        "DRAFT shows every article as its newest revision, through every relation, filter, order, search and count "
        "below; "
        "for staff and PREVIEW tokens (a CONTRIBUTOR sees own stories only). One operation has one perspective: an "
        "omitted "
        "argument follows the others, two different ones are an error, none at all is PUBLISHED. Mutations answer in "
        "DRAFT."
    ),
)
PerspectiveArg = Annotated[
    Perspective | None, described("What readers see (PUBLISHED, by default), or the newest revisions (DRAFT).")
]


# Root fields that are about drafts, whatever else is asked.
_ALWAYS_DRAFT = frozenset({"myQueue", "calendar"})
# And about what readers see.
_ALWAYS_PUBLISHED = frozenset({"changes"})


def of_operation(
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    variables: dict[str, Any],
    actor: permissions.Actor,
) -> permissions.Perspective:
    """The perspective that the operation asks for. Raises Invalid for two, and Unauthenticated or Forbidden for DRAFT
    where the actor may not read drafts."""
    if operation.operation is not OperationType.QUERY:
        return permissions.Perspective.DRAFT
    defaults = {
        definition.variable.name.value: definition.default_value.value
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, EnumValueNode)
    }
    asked = set(_asked(operation.selection_set, fragments, defaults | variables, set()))
    if len(asked) > 1:
        raise Invalid.field("perspective", "two", "One operation has one perspective: ask for PUBLISHED or for DRAFT.")
    if permissions.Perspective.DRAFT not in asked:
        return permissions.Perspective.PUBLISHED
    if not permissions.may_read_drafts(actor):
        refusal = Unauthenticated if actor == permissions.PUBLIC else Forbidden
        raise refusal("The perspective DRAFT is for staff and for PREVIEW tokens.")
    return permissions.Perspective.DRAFT


def _asked(
    selections: SelectionSetNode,
    fragments: dict[str, FragmentDefinitionNode],
    variables: dict[str, Any],
    seen: set[str],
) -> Iterator[permissions.Perspective]:
    """What the arguments of root fields say; each fragment is looked at once."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            if node.name.value in _ALWAYS_DRAFT:
                yield permissions.Perspective.DRAFT
            if node.name.value in _ALWAYS_PUBLISHED:
                yield permissions.Perspective.PUBLISHED
            for argument in node.arguments or ():
                if argument.name.value == "perspective":
                    name = _given(argument.value, variables)
                    if isinstance(name, str) and name in permissions.Perspective.__members__:
                        yield permissions.Perspective(name)
        elif isinstance(node, InlineFragmentNode):
            yield from _asked(node.selection_set, fragments, variables, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            if fragment := fragments.get(node.name.value):
                yield from _asked(fragment.selection_set, fragments, variables, seen)


def _given(value: ValueNode, variables: dict[str, Any]) -> Any:
    """An argument's value, which nobody has checked yet where it is a variable."""
    if isinstance(value, VariableNode):
        return variables.get(value.name.value)
    return value.value if isinstance(value, EnumValueNode) else None


class OnePerspective(SchemaExtension):
    """Sets the context's perspective before anything runs, or refuses the operation."""

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        document = execution.graphql_document
        if document is not None and execution.result is None:
            fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
            operation = get_operation_ast(document, execution.operation_name)
            try:
                if operation is not None:
                    execution.context.perspective = of_operation(
                        operation, fragments, execution.variables or {}, execution.context.actor
                    )
            except CMSError as error:
                execution.result = ExecutionResult(
                    data=None, errors=[GraphQLError(error.message, original_error=error)]
                )
        yield
