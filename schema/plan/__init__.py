"""Reading for the public without resolvers: an operation is compiled once, and then each reading takes one statement
for a root field, rows kept in memory for what many stories point at, and one pass to build the answer.

What a plan cannot do, or would have to refuse, it leaves to the resolvers (Unplanned); where it answers, it answers
what they would (tests/test_plans.py compares them).
"""

from __future__ import annotations

from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, OperationType, VariableNode
from graphql.execution.values import VariableValues, get_variable_values
from strawberry import Schema

from cms.errors import CMSError
from cms.permissions import PUBLIC, Perspective
from schema.perspective import of_operation
from schema.plan import roots  # noqa: F401 - their fields
from schema.plan.entities import Entities
from schema.plan.reading import Reading
from schema.plan.selection import Compiler, Getter, Unplanned

__all__ = ["Entities", "Plans", "Reading", "Unplanned"]

# Of one operation, by what its switches stand at.
_MOST_VARIANTS = 16


class Plans:
    """The plans of one operation: one for each way that its @skip and @include can turn out."""

    def __init__(
        self, schema: Schema, operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
    ) -> None:
        self._schema, self._operation, self._fragments = schema, operation, fragments
        self._switches = sorted(_switches(operation, fragments))
        self._made: dict[tuple[Any, ...], Getter | None] = {}

    async def read(self, given: dict[str, Any], entities: Entities) -> tuple[Any, Reading]:
        """The data of the answer, ready to be printed, and what it was made of. Raises Unplanned."""
        variables = self._variables(given)
        reading = Reading(variables, entities)
        try:
            self._check_perspective(given)
            build = self._build(variables)
            return await reading.until_complete(build), reading
        except CMSError as error:
            raise Unplanned(error.message) from None

    def _check_perspective(self, given: dict[str, Any]) -> None:
        if of_operation(self._operation, self._fragments, given, PUBLIC) is not Perspective.PUBLISHED:
            raise Unplanned("DRAFT")

    def _variables(self, given: dict[str, Any]) -> VariableValues | None:
        definitions = self._operation.variable_definitions
        if not definitions:
            return None
        found = get_variable_values(self._schema._schema, definitions, given)
        if not isinstance(found, VariableValues):
            raise Unplanned("variables")
        return found

    def _build(self, variables: VariableValues | None) -> Getter:
        values = variables.coerced if variables is not None else {}
        try:
            stand = tuple(values[name] for name in self._switches)
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
        if self._operation.operation is not OperationType.QUERY:
            return None
        compiler = Compiler(self._schema, self._operation, self._fragments, switches)
        try:
            return compiler.object("Query", [self._operation.selection_set])
        except Unplanned:
            return None


def _switches(operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]) -> set[str]:
    """The variables that @skip and @include name."""
    found: set[str] = set()
    sets = [operation.selection_set, *(each.selection_set for each in fragments.values())]
    while sets:
        for node in sets.pop().selections:
            values = [argument.value for each in node.directives or () for argument in each.arguments or ()]
            found.update(value.name.value for value in values if isinstance(value, VariableNode))
            if inner := getattr(node, "selection_set", None):
                sets.append(inner)
    return found
