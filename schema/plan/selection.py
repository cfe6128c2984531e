"""A selection of fields, compiled: which keys an object has in the answer, and the function that gives each its value.

Makers say how: FIELDS has one for each field that a plan can give, by type and name. A maker is called once for each
place where a document asks for its field, and returns a getter, which is called for each object, or for all objects of
a list at once where that is faster (`together`). What no maker gives, the resolvers do: then the whole operation is
theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_nullable_type,
    print_ast,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry import Schema
from strawberry.types.arguments import convert_arguments

if TYPE_CHECKING:
    from schema.plan.reading import Reading

Getter = Callable[[Any, "Reading"], Any]
OfAll = Callable[[Sequence[Any], "Reading"], list[Any]]
Arguments = Callable[["Reading"], dict[str, Any]]
Maker = Callable[["Compiler", "Asked", Any], Getter]

F = TypeVar("F", bound=Callable[..., Any])

FIELDS: dict[str, dict[str, Maker]] = {}


def printed(answer: Any) -> bytes:
    """An answer as it is sent; instants as the API writes them."""
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


def to_json(answer: Any) -> bytes:
    """The same, to be kept."""
    return trimmed(printed(answer))


def trimmed(printed: bytes) -> bytes:
    """A copy, to be kept: what orjson makes occupies four kilobytes at least."""
    return bytes(memoryview(printed))


class Unplanned(Exception):
    """The operation is not, or not with these variables, what a plan can answer. The resolvers can, or say why not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One key of an answer: the field that stands there, and everything that is selected of it."""

    key: str
    name: str
    nodes: list[FieldNode]
    definition: GraphQLField

    @property
    def sets(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set is not None]


def field(type_name: str, *names: str) -> Callable[[Maker], Maker]:
    """The maker of these fields of a type."""

    def register(maker: Maker) -> Maker:
        FIELDS.setdefault(type_name, {}).update(dict.fromkeys(names, maker))
        return maker

    return register


def plain(type_name: str, **getters: Getter) -> None:
    """Fields that need nothing but the object itself."""
    for name, get in getters.items():
        field(type_name, name)(_always(pure(get)))


def _always(get: Getter) -> Maker:
    return lambda c, asked, scope: get


def attributes(type_name: str, *names: str) -> None:
    """Fields that are attributes of the object, in snake case."""
    for name in names:
        plain(type_name, **{name: said(f"row.{snake(name)}")})


def said(expression: str) -> Getter:
    """A getter that is a Python expression of row: where an object is built, it stands there itself."""
    get: Getter = eval(f"lambda row, reading: {expression}")  # noqa: S307 - it is ours
    get.__dict__["expression"] = expression
    return get


def pure(get: F) -> F:
    """Marks a getter whose value depends on nothing but the object: as long as that is the same, so is the value."""
    get.__dict__["pure"] = True
    return get


def is_pure(get: Callable[..., Any]) -> bool:
    return bool(get.__dict__.get("pure"))


def together(of_all: OfAll, one: Getter | None = None) -> Getter:
    """A getter by what gives the values of many objects at once; one: a shorter way to that of a single one."""

    def get(row: Any, reading: Reading) -> Any:
        return of_all((row,), reading)[0]

    found = one or get
    found.__dict__["of_all"] = of_all
    return found


def of_all(get: Getter) -> OfAll:
    """What gives the values of many objects."""
    found: OfAll | None = get.__dict__.get("of_all")
    return found or (lambda rows, reading: [get(row, reading) for row in rows])


@dataclass(slots=True)
class Compiler:
    """Compiles one operation; switches are the values of the variables that @skip and @include name."""

    schema: Schema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    switches: Mapping[str, bool]

    def object(self, type_name: str, sets: list[SelectionSetNode], scope: Any = None) -> Getter:
        """The getter of an object of this type. scope is what its makers need to know of where it comes from."""
        makers = FIELDS.get(type_name, {})
        pairs: list[tuple[str, Getter]] = []
        for asked in self.fields(type_name, sets):
            if asked.name == "__typename":
                pairs.append((asked.key, pure(said(repr(type_name)))))
                continue
            maker = makers.get(asked.name)
            if maker is None:
                raise Unplanned(f"{type_name}.{asked.name}")
            pairs.append((asked.key, maker(self, asked, scope)))

        build = _dictionary(pairs)
        return pure(build) if all(is_pure(get) for _, get in pairs) else build

    def fields(self, type_name: str, sets: list[SelectionSetNode]) -> Iterator[Asked]:
        """What is asked of an object of this type, in the order of the answer (specification, CollectFields)."""
        type_ = self.schema._schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        grouped: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for each in sets:
            self._collect(type_, each, grouped, seen)
        for key, nodes in grouped.items():
            definition = self.schema._schema.get_field(type_, nodes[0].name.value)
            assert definition is not None
            yield Asked(key, nodes[0].name.value, nodes, definition)

    def arguments(self, asked: Asked) -> Arguments:
        """The arguments of a field as its resolver would get them; raises Unplanned for what it would refuse."""
        node = asked.nodes[0]
        given = {each.name.value: each.value for each in node.arguments or () if _has_variable(each.value)}
        if not given:
            constant = self._arguments(asked, None)
            return pure(lambda reading: constant)
        if all(isinstance(value, VariableNode) for value in given.values()) and all(
            _is_simple(asked.definition.args[name].type) for name in given
        ):
            return self._simple(asked, given)

        def get(reading: Reading) -> dict[str, Any]:
            found = reading.memory.get(node)
            if found is None:
                found = reading.memory[node] = self._arguments(asked, reading.variables)
            return found

        return get

    def _simple(self, asked: Asked, given: dict[str, Any]) -> Arguments:
        """Arguments whose variables hold texts and numbers: they are what they are."""
        constant = self._arguments(_without(asked, given.keys()), None)
        pairs = [(snake(name), value.name.value) for name, value in given.items()]

        def get(reading: Reading) -> dict[str, Any]:
            values = reading.variables
            return constant | {name: values[variable] for name, variable in pairs if variable in values}

        return get

    def _arguments(self, asked: Asked, values: dict[str, Any] | None) -> dict[str, Any]:
        variables = None if values is None else VariableValues({}, values)
        try:
            given = get_argument_values(asked.definition, asked.nodes[0], variables)
        except GraphQLError as error:
            raise Unplanned(error.message) from None
        if not given:
            return given
        resolver = asked.definition.extensions["strawberry-definition"]
        converter = self.schema.schema_converter
        return convert_arguments(given, resolver.arguments, converter.scalar_registry, converter.config)

    def is_constant(self, sets: Sequence[SelectionSetNode]) -> bool:
        """Whether no variable says what any of these fields is given."""
        nodes: list[Any] = [node for selections in sets for node in selections.selections]
        for each in nodes:
            if any(_has_variable(argument.value) for argument in getattr(each, "arguments", None) or ()):
                return False
            if isinstance(each, FragmentSpreadNode):
                each = self.fragments[each.name.value]
            inner = getattr(each, "selection_set", None)
            if inner is not None and not self.is_constant([inner]):
                return False
        return True

    def text(self, sets: Sequence[SelectionSetNode]) -> str:
        """These selections, with fragments in their places and without what is switched off: the same for all documents
        that ask for the same in the same words."""
        found: list[str] = []
        for node in chain.from_iterable(each.selections for each in sets):
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                told = f"{node.alias.value}: {node.name.value}" if node.alias else node.name.value
                inner = node.selection_set
                arguments = ", ".join(print_ast(each) for each in node.arguments or ())
                found.append(f"{told}({arguments})" if arguments else told)
            else:
                spread = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
                assert isinstance(spread, FragmentDefinitionNode | InlineFragmentNode)
                inner, condition = spread.selection_set, spread.type_condition
                found.append(f"... on {condition.name.value}" if condition else "...")
            if inner is not None:
                found.append(f"{{ {self.text([inner])} }}")
        return " ".join(found)

    def _collect(
        self, type_: GraphQLObjectType, node: SelectionSetNode, grouped: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for each in node.selections:
            if not self._is_included(each):
                continue
            if isinstance(each, FieldNode):
                grouped.setdefault(each.alias.value if each.alias else each.name.value, []).append(each)
            elif isinstance(each, InlineFragmentNode):
                if each.type_condition is None or self._applies(type_, each.type_condition.name.value):
                    self._collect(type_, each.selection_set, grouped, seen)
            elif isinstance(each, FragmentSpreadNode) and each.name.value not in seen:
                fragment = self.fragments[each.name.value]
                seen.add(each.name.value)
                if self._applies(type_, fragment.type_condition.name.value):
                    self._collect(type_, fragment.selection_set, grouped, seen)

    def _applies(self, type_: GraphQLObjectType, name: str) -> bool:
        if name == type_.name:
            return True
        condition = self.schema._schema.type_map[name]
        return not isinstance(condition, GraphQLObjectType) and self.schema._schema.is_sub_type(condition, type_)  # type: ignore[arg-type]

    def _is_included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                raise Unplanned(f"@{directive.name.value}")
            value = directive.arguments[0].value
            truth = self.switches[value.name.value] if isinstance(value, VariableNode) else value.value
            if truth is not (directive.name.value == "include"):
                return False
        return True


_SIMPLE = (GraphQLString, GraphQLID, GraphQLInt, GraphQLBoolean)


def _has_variable(value: Any) -> bool:
    if isinstance(value, VariableNode):
        return True
    parts = getattr(value, "values", None) or [each.value for each in getattr(value, "fields", ())]
    return any(_has_variable(each) for each in parts)


def _without(asked: Asked, names: Collection[str]) -> Asked:
    """The field without these arguments, none of which it must have."""
    old, definition = asked.nodes[0], copy(asked.definition)
    kept = tuple(each for each in old.arguments or () if each.name.value not in names)
    node = FieldNode(name=old.name, arguments=kept, loc=old.loc)
    definition.args = {name: each for name, each in definition.args.items() if name not in names}
    return Asked(asked.key, asked.name, [node], definition)


def _is_simple(type_: Any) -> bool:
    """Whether values of the type are texts, whole numbers or truths, as they come."""
    return get_nullable_type(type_) in _SIMPLE


def _dictionary(pairs: list[tuple[str, Getter]]) -> Getter:
    """The getter of an object with these keys, which are GraphQL names: one expression, so that a column or an
    attribute costs no call; and of many objects, where any other field costs one call for all of them."""
    said = [get.__dict__.get("expression") for _, get in pairs]
    called = [number for number, expression in enumerate(said) if expression is None]
    one = ", ".join(f"{key!r}: {said[n] or f'get{n}(row, reading)'}" for n, (key, _) in enumerate(pairs))
    each = ", ".join(f"{key!r}: {said[n] or f'value{n}'}" for n, (key, _) in enumerate(pairs))
    values = "".join(f", value{n}" for n in called)
    rows = f"zip(rows, {', '.join(f'all{n}(rows, reading)' for n in called)})" if called else "rows"
    names: dict[str, Any] = {f"get{n}": get for n, (_, get) in enumerate(pairs)}
    names |= {f"all{n}": of_all(pairs[n][1]) for n in called}
    build: Getter = eval(f"lambda row, reading: {{{one}}}", names)  # noqa: S307 - names and expressions of ours
    build.__dict__["of_all"] = eval(f"lambda rows, reading: [{{{each}}} for row{values} in {rows}]", names)  # noqa: S307
    return build


def snake(name: str) -> str:
    """A field's name as Python and PostgreSQL have it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
