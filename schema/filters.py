"""How large the filters of an operation are, literal or in variables: known before the first of them is made SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
)

from cms.errors import Invalid
from cms.listings import MAX_FILTER_DEPTH, MAX_FILTER_NODES


def given(operation: OperationDefinitionNode, fragments: Iterable[FragmentDefinitionNode]) -> Iterator[ValueNode]:
    """Every value that is given as a filter."""
    sets = [operation.selection_set, *(each.selection_set for each in fragments)]
    while sets:
        for node in sets.pop().selections:
            if isinstance(node, FieldNode):
                yield from (each.value for each in node.arguments or () if each.name.value == "filter")
            if inner := getattr(node, "selection_set", None):
                sets.append(inner)


def check(values: Iterable[ValueNode], variables: Mapping[str, Any]) -> None:
    """Raises Invalid for one that is nested too deeply, or has too many parts."""
    for value in values:
        level, parts = _objects([value], variables), 0
        for _ in range(MAX_FILTER_DEPTH):
            parts += len(level)
            level = _objects((part for each in level for part in _parts(each)), variables)
        if level or parts > MAX_FILTER_NODES:
            raise Invalid.field(
                "filter", "too_large", "The filter is too large: nest it less, or ask in several steps."
            )


def _parts(value: Any) -> list[Any]:
    return [each.value for each in value.fields] if isinstance(value, ObjectValueNode) else list(value.values())


def _objects(values: Iterable[Any], variables: Mapping[str, Any]) -> list[Any]:
    """The objects among values and their lists, of either kind."""
    found: list[Any] = []
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, VariableNode):
            value = variables.get(value.name.value)
        if isinstance(value, ObjectValueNode | dict):
            found.append(value)
        elif isinstance(value, ListValueNode):
            waiting.extend(value.values)
        elif isinstance(value, list):
            waiting.extend(value)
    return found
