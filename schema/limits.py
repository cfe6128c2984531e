"""How large a document may be, measured in one pass before anything else looks at it.

A fragment counts as often as it is spread, and is measured once: the time is linear in the document, whatever it would
expand to. That is what the limiters of libraries get wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
)

from schema.errors import TOO_LARGE


@dataclass(frozen=True, slots=True)
class Size:
    """What a document is made of; also the most of each that somebody may ask for."""

    characters: int
    tokens: int
    definitions: int
    depth: int  # of fields in fields
    levels: int  # of braces in braces: inline fragments and spreads too
    selections: int
    aliases: int
    directives: int
    nesting: int  # of lists and objects in arguments

    def excess(self, most: Size) -> str | None:
        """What there is too much of, for people; None where all is well."""
        for name, own, allowed in zip(_NAMES, _values(self), _values(most), strict=True):
            if own > allowed:
                return f"The document is too large ({name}: at most {allowed})."
        return None


_NAMES = tuple(each.name for each in fields(Size))
_values = attrgetter(*_NAMES)
PUBLIC = Size(32_000, 1_500, 50, 16, 40, 1_000, 30, 50, 16)
KNOWN = Size(64_000, 6_000, 50, 20, 60, 3_000, 100, 100, 64)
# Of fields with one name in one place, which validation compares each with each.
MOST_PAIRS = 2_000
# What variables may nest: a story's body is lists in lists.
PUBLIC_NESTING, KNOWN_NESTING = 16, 64
_NESTED = (dict, list)


def too_large(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": TOO_LARGE})


def measure(text: str, document: DocumentNode) -> Size:
    """Raises GraphQLError for one that cannot be measured: too deep, or with fragments in a cycle."""
    try:
        parts = _Measuring(document).document()
    except RecursionError:
        raise too_large("The document is too large: it is nested too deeply.") from None
    return Size(len(text), document.token_count, len(document.definitions), *parts)


def nests_deeper(value: Any, most: int) -> bool:
    """Whether lists and objects of a JSON value stand more than that many in one another."""
    level = [value] if isinstance(value, _NESTED) else []
    for _ in range(most):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, _NESTED)
        ]
        if not level:
            break
    return bool(level)


def check_pairs(document: DocumentNode) -> None:
    """Refuse a document whose validation would take long; for one that is not too large otherwise."""
    fragments = _fragments(document)
    for definition in document.definitions:
        selections = getattr(definition, "selection_set", None)
        if selections and _pairs([selections], fragments) > MOST_PAIRS:
            raise too_large("The document is too large: it asks for the same fields too often.")


# depth, levels, selections, aliases, directives, nesting
_Parts = tuple[int, int, int, int, int, int]
_NOTHING: _Parts = (0, 0, 0, 0, 0, 0)


class _Measuring:
    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._fragments = _fragments(document)
        self._measured: dict[str, _Parts] = {}
        self._inside: set[str] = set()

    def document(self) -> _Parts:
        """Its operations together, and the fragments that none of them spreads."""
        others = [each for each in self._document.definitions if not isinstance(each, FragmentDefinitionNode)]
        parts = [self._definition(each) for each in others]
        parts += [self._spread(name) for name in self._fragments if name not in self._measured]
        return _beside(parts)

    def _definition(self, node: Any) -> _Parts:
        variables = getattr(node, "variable_definitions", None) or ()
        directives = _count(node.directives) + sum(_count(each.directives) for each in variables)
        nesting = max((_nesting(each.default_value) for each in variables), default=0)
        return _beside((self._selections(getattr(node, "selection_set", None)), (0, 0, 0, 0, directives, nesting)))

    def _selections(self, node: SelectionSetNode | None) -> _Parts:
        if node is None:
            return _NOTHING
        depth, levels, *counts = _beside(self._selection(each) for each in node.selections)
        return (depth, levels + 1, *counts)  # type: ignore[return-value]

    def _selection(self, node: SelectionNode) -> _Parts:
        if isinstance(node, FragmentSpreadNode):
            inner = self._spread(node.name.value)
        else:
            inner = self._selections(getattr(node, "selection_set", None))
        depth, levels, selections, aliases, directives, nesting = inner
        if isinstance(node, FieldNode):
            depth += 1
            aliases += node.alias is not None
            nesting = max(nesting, _arguments_nesting(node.arguments))
        for directive in node.directives or ():
            nesting = max(nesting, _arguments_nesting(directive.arguments))
        return depth, levels, selections + 1, aliases, directives + _count(node.directives), nesting

    def _spread(self, name: str) -> _Parts:
        if name not in self._measured:
            fragment = self._fragments.get(name)
            if name in self._inside:
                raise GraphQLError(f'The fragment "{name}" is inside itself: fragments may not form a cycle.', fragment)
            self._inside.add(name)
            self._measured[name] = self._definition(fragment) if fragment else _NOTHING
            self._inside.remove(name)
        return self._measured[name]


def _beside(all_parts: Iterable[_Parts]) -> _Parts:
    depth = levels = selections = aliases = directives = nesting = 0
    for parts in all_parts:
        depth, levels = max(depth, parts[0]), max(levels, parts[1])
        selections, aliases, directives = selections + parts[2], aliases + parts[3], directives + parts[4]
        nesting = max(nesting, parts[5])
    return depth, levels, selections, aliases, directives, nesting


def _count(directives: Sized | None) -> int:
    return len(directives or ())


def _arguments_nesting(arguments: Iterable[ArgumentNode] | None) -> int:
    return max((_nesting(each.value) for each in arguments or ()), default=0)


def _nesting(value: ValueNode | None) -> int:
    if isinstance(value, ListValueNode):
        return 1 + max(map(_nesting, value.values), default=0)
    if isinstance(value, ObjectValueNode):
        return 1 + max((_nesting(each.value) for each in value.fields), default=0)
    return 0


def _pairs(sets: list[SelectionSetNode], fragments: dict[str, FragmentDefinitionNode]) -> int:
    """How many pairs of fields have one name once everything is expanded, here and below."""
    by_name: dict[str, list[FieldNode]] = {}
    seen: set[str] = set()

    def collect(selections: Iterable[SelectionNode]) -> None:
        for node in selections:
            if isinstance(node, FieldNode):
                by_name.setdefault((node.alias or node.name).value, []).append(node)
            elif not isinstance(node, FragmentSpreadNode):
                collect(node.selection_set.selections)  # type: ignore[attr-defined]
            elif node.name.value not in seen:
                seen.add(node.name.value)
                if fragment := fragments.get(node.name.value):
                    collect(fragment.selection_set.selections)

    for each in sets:
        collect(each.selections)
    total = sum(len(same) * (len(same) - 1) // 2 for same in by_name.values())
    for same in by_name.values():
        if total > MOST_PAIRS:
            break
        if inner := [node.selection_set for node in same if node.selection_set]:
            total += _pairs(inner, fragments)
    return total


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
