"""What an operation costs: about how many fields it makes us resolve, worked out from the schema before any of them is.

A list counts its elements: as many as first or last asks for, whichever is larger, or a usual number where the query
cannot say. Lists in lists are multiplied. What asks the database on its own weighs more than a field of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from cms.keyset import DEFAULT_PAGE

# The fields that are computed or counted for each object, by name or by type and name.
WEIGHTS = {
    **dict.fromkeys(("totalCount", "articleCount", "history", "checklist"), 5),
    **dict.fromkeys((f"Body.{view}" for view in ("html", "markdown", "text", "portableText", "blocks")), 3),
    **dict.fromkeys(("highlight", "didYouMean"), 5),
    **dict.fromkeys(("suggestedTags", "suggestedRelated"), 50),
    "facets": 50,
    "search": 20,
    "__schema": 500,
    "__type": 50,
}
PAGED = 10
MUTATION = 20
# How long lists usually are that no argument bounds.
LENGTHS = {
    "byline": 2,
    "tags": 5,
    "corrections": 1,
    "translations": 2,
    "sections": 10,
    "children": 5,
    "blocks": 20,
    "items": 4,
    "ListItem.children": 1,
    "allowedTransitions": 1,
}
LENGTH = 10
_HUGE = 10**9


@dataclass(frozen=True, slots=True)
class Length:
    """How many elements: at least so many, and as many as these variables say."""

    least: int
    usual: int
    variables: tuple[str, ...] = ()

    def of(self, variables: Mapping[str, Any]) -> int:
        if not self.variables:
            return self.least
        given = [variables.get(name) for name in self.variables]
        return max(self.least, *(abs(each) if type(each) is int else self.usual for each in given))


@dataclass(slots=True)
class Cost:
    """A sum: what is fixed, what lists multiply, and the dearest of each choice."""

    fixed: int = 0
    lists: list[tuple[Length, Cost]] = field(default_factory=list)
    choices: list[tuple[Cost, ...]] = field(default_factory=list)

    @property
    def is_fixed(self) -> bool:
        return not (self.lists or self.choices)

    def add(self, other: Cost, length: Length | None = None) -> None:
        if not other.is_fixed or (length is not None and length.variables):
            self.lists.append((length or _ONCE, other))
        else:
            self.fixed += other.fixed * (length.least if length else 1)

    def add_dearest(self, costs: Iterable[Cost]) -> None:
        choice = tuple(costs)
        if all(each.is_fixed for each in choice):
            self.fixed += max((each.fixed for each in choice), default=0)
        else:
            self.choices.append(choice)

    def of(self, variables: Mapping[str, Any]) -> int:
        if self.is_fixed:
            return min(self.fixed, _HUGE)
        known: dict[int, int] = {}

        def value(cost: Cost) -> int:
            if id(cost) not in known:
                lists = sum(length.of(variables) * value(each) for length, each in cost.lists)
                choices = sum(max(map(value, choice)) for choice in cost.choices)
                known[id(cost)] = min(cost.fixed + lists + choices, _HUGE)
            return known[id(cost)]

        return value(self)


_ONCE = Length(1, 1)


def cost(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Mapping[str, Any]) -> Cost:
    """The cost of an operation of a valid document."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    found = _Costing(schema, fragments).selections(operation.selection_set, root, None)
    if root is schema.mutation_type:
        found.fixed += MUTATION * len(operation.selection_set.selections)
    return found


def arguments_of(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that an operation runs with: what was given, and the defaults of the others that are numbers."""
    defaults = {
        each.variable.name.value: _number(each.default_value)
        for each in operation.variable_definitions or ()
        if isinstance(each.default_value, IntValueNode)
    }
    return {**defaults, **variables}


class _Costing:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema, self._fragments = schema, fragments
        self._known: dict[tuple[str, Length | None], Cost] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType, page: Length | None) -> Cost:
        """page is the length of the lists of a connection, which stands one level above them."""
        total = Cost()
        kinds: dict[str, Cost] = {}  # an object is of one type: of what is asked of several, one is done
        for each in node.selections:
            if isinstance(each, FieldNode):
                self._field(each, parent, page, total)
                continue
            on, inner = self._fragment(each, parent, page)
            if is_object_type(on) and is_abstract_type(parent):
                kinds.setdefault(on.name, Cost()).add(inner)
            else:
                total.add(inner)
        total.add_dearest(kinds.values())
        return total

    def _fragment(
        self, node: SelectionNode, parent: GraphQLNamedType, page: Length | None
    ) -> tuple[GraphQLNamedType, Cost]:
        if isinstance(node, InlineFragmentNode):
            on = self._schema.type_map[node.type_condition.name.value] if node.type_condition else parent
            return on, self.selections(node.selection_set, on, page)
        assert isinstance(node, FragmentSpreadNode)
        name = node.name.value
        return self._schema.type_map[self._fragments[name].type_condition.name.value], self._spread(name, page)

    def _spread(self, name: str, page: Length | None) -> Cost:
        if (name, page) not in self._known:
            fragment = self._fragments[name]
            on = self._schema.type_map[fragment.type_condition.name.value]
            self._known[name, page] = self.selections(fragment.selection_set, on, page)
        return self._known[name, page]

    def _field(self, node: FieldNode, parent: Any, page: Length | None, total: Cost) -> None:
        name = node.name.value
        total.fixed += _known(WEIGHTS, parent, name, 1) if name != "__typename" else 0
        definition = self._schema.get_field(parent, name)
        if definition is None:
            return
        own = _page(node, definition)
        total.fixed += PAGED if own else 0
        type_ = get_named_type(definition.type)
        if is_leaf_type(type_) or node.selection_set is None:
            return
        if not _is_list(definition.type):
            total.add(self.selections(node.selection_set, type_, own))
        else:
            inner = self.selections(node.selection_set, type_, None)
            total.add(inner, own or page or _usual(parent, node, name))


def _page(node: FieldNode, definition: GraphQLField) -> Length | None:
    """What first and last say, where the field has them: the larger."""
    if "first" not in definition.args:
        return None
    usual = definition.args["first"].default_value
    usual = usual if isinstance(usual, int) else DEFAULT_PAGE
    values = [each.value for each in node.arguments or () if each.name.value in ("first", "last")]
    numbers = [_number(value) for value in values if isinstance(value, IntValueNode)]
    names = tuple(value.name.value for value in values if isinstance(value, VariableNode))
    return Length(max(numbers, default=0 if names else usual), usual, names)


def _known(table: Mapping[str, int], parent: GraphQLNamedType, name: str, default: int) -> int:
    return table.get(f"{parent.name}.{name}", table.get(name, default))


def _usual(parent: GraphQLNamedType, node: FieldNode, name: str) -> Length:
    if parent.name.startswith("__"):
        return Length(1, 1)  # the schema is as large as it is: its own weight stands for it
    for argument in node.arguments or ():
        if argument.name.value == "ids":
            return Length(*_ids(argument.value))
    length = _known(LENGTHS, parent, name, LENGTH)
    return Length(length, length)


def _ids(value: ValueNode) -> tuple[int, int]:
    many = len(getattr(value, "values", ())) if not isinstance(value, VariableNode) else 100
    return many, many


def _number(value: IntValueNode) -> int:
    return abs(int(value.value)) if len(value.value) < 10 else _HUGE


def _is_list(type_: Any) -> bool:
    return is_list_type(type_.of_type if is_non_null_type(type_) else type_)
