"""Reading for the public without resolvers: an operation is compiled once, and then each reading takes one statement
for a root field, rows kept in memory for what many stories point at, and one pass to build the answer.

What a plan cannot do, or would have to refuse, it leaves to the resolvers (Unplanned); where it answers, it answers
what they would (tests/test_plans.py compares them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DirectiveNode,
    FragmentDefinitionNode,
    NamedTypeNode,
    Node,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
)
from graphql.execution.values import VariableValues, get_variable_values
from strawberry import Schema

from cms.errors import CMSError
from cms.permissions import PUBLIC, Perspective
from schema.perspective import of_operation
from schema.plan import roots  # noqa: F401 - their fields
from schema.plan.entities import Entities
from schema.plan.keys import Changes, keys_of, tags_of
from schema.plan.reading import Reading
from schema.plan.selection import Compiler, Getter, Unplanned, printed, to_json, trimmed

__all__ = [
    "Changes",
    "Entities",
    "Plans",
    "Reading",
    "Unplanned",
    "keys_of",
    "printed",
    "tags_of",
    "to_json",
    "trimmed",
]

# Of one operation, by what its switches stand at.
_MOST_VARIANTS = 16


class Plans:
    """The plans of one operation: one for each way that its @skip and @include can turn out."""

    def __init__(
        self, schema: Schema, operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
    ) -> None:
        self._schema, self._operation, self._fragments = schema, operation, fragments
        self._switches = sorted(_switches(operation, fragments))
        self._plain = _plain(operation)
        self._asks_perspective = any(
            node.name.value == "perspective" for node in _nodes(operation, fragments) if isinstance(node, ArgumentNode)
        )
        # Whatever the variables, it has something that plans cannot do.
        self.is_hopeless = operation.operation is not OperationType.QUERY
        self._made: dict[tuple[Any, ...], Getter | None] = {}

    async def read(self, given: dict[str, Any], entities: Entities) -> tuple[Any, Reading]:
        """The data of the answer, ready to be printed, and what it was made of. Raises Unplanned."""
        reading = Reading(self._variables(given), entities, turn=entities.changes.turn)
        try:
            if self._asks_perspective and self._perspective(given) is not Perspective.PUBLISHED:
                raise Unplanned("DRAFT")
            return await reading.until_complete(self._build(reading.variables)), reading
        except CMSError as error:
            raise Unplanned(error.message) from None

    def _perspective(self, given: dict[str, Any]) -> Perspective:
        return of_operation(self._operation, self._fragments, given, PUBLIC)

    def _variables(self, given: dict[str, Any]) -> dict[str, Any]:
        """What was given, coerced; most are of types whose values are what they are."""
        plain = self._plain
        if plain is not None and given.keys() == plain.keys():
            for name, value in given.items():
                if type(value) is not plain[name]:
                    break
            else:
                return given
        values = get_variable_values(self._schema._schema, self._operation.variable_definitions or (), given)
        if not isinstance(values, VariableValues):
            raise Unplanned("variables")
        return values.coerced

    def _build(self, variables: dict[str, Any]) -> Getter:
        try:
            stand = tuple(variables[name] for name in self._switches)
        except KeyError:
            raise Unplanned("a switch without a value") from None
        if stand not in self._made:
            if len(self._made) >= _MOST_VARIANTS:
                self._made.clear()
            self._made[stand] = self._compile(dict(zip(self._switches, stand, strict=True)))
        build = self._made[stand]
        if build is None:
            raise Unplanned
        return build

    def _compile(self, switches: dict[str, bool]) -> Getter | None:
        if self.is_hopeless:
            return None
        compiler = Compiler(self._schema, self._operation, self._fragments, switches)
        try:
            return compiler.object("Query", [self._operation.selection_set])
        except Unplanned:
            self.is_hopeless = not self._switches
            return None


def _nodes(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[Node]:
    """The arguments of fields and of directives of an operation and its fragments, the latter as DirectiveNode."""
    sets = [operation.selection_set, *(each.selection_set for each in fragments.values())]
    while sets:
        for node in sets.pop().selections:
            yield from node.directives or ()
            yield from getattr(node, "arguments", None) or ()
            if inner := getattr(node, "selection_set", None):
                sets.append(inner)


def _switches(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """The variables that @skip and @include name."""
    directives = [node for node in _nodes(operation, fragments) if isinstance(node, DirectiveNode)]
    values = [argument.value for each in directives for argument in each.arguments or ()]
    return {value.name.value for value in values if isinstance(value, VariableNode)}


def _plain(operation: OperationDefinitionNode) -> dict[str, type] | None:
    """The variables of an operation by their Python types, where all are texts, whole numbers or truths."""
    found = {}
    for each in operation.variable_definitions or ():
        type_ = each.type.type if isinstance(each.type, NonNullTypeNode) else each.type
        if not isinstance(type_, NamedTypeNode) or type_.name.value not in _TYPES:
            return None
        found[each.variable.name.value] = _TYPES[type_.name.value]
    return found


_TYPES: dict[str, type] = {"ID": str, "String": str, "Boolean": bool}
