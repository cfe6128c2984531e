"""Documents on their way in: parsed, measured and validated once each, and kept while they are asked for again."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    parse,
    validate,
)
from strawberry.extensions import SchemaExtension

from schema import filters
from schema.access import PERSONAL
from schema.cost import Cost, arguments_of, cost
from schema.errors import BadRequest
from schema.limits import Size, check_pairs, measure, too_large

MOST_ERRORS = 20
# What is kept: about 100 bytes of memory a character.
KEPT_CHARACTERS = 300_000
SEEN = 4_096
# A longer document is read in a thread, one at a time, so that the loop goes on meanwhile.
SHORT = 1_000
Fragments = dict[str, FragmentDefinitionNode]
_beside = ThreadPoolExecutor(1, "documents")


_numbers = itertools.count()


class Refused(Exception):
    """A document that is not run, and why."""

    def __init__(self, *errors: GraphQLError) -> None:
        super().__init__(errors[0].message)
        self.errors = list(errors)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document, with what its variables are needed for."""

    node: OperationDefinitionNode
    number: int  # no other operation of this process has it
    plans: Any  # how it is read without resolvers: schema.plan.Plans
    is_personal: bool  # no cache keeps what it answers
    _cost: Cost
    _filters: tuple[ValueNode, ...]

    @property
    def kind(self) -> OperationType:
        return self.node.operation

    @property
    def is_fixed(self) -> bool:
        """Whether its cost, and whether it may run at all, are the same whatever the variables."""
        return self._cost.is_fixed and not self._filters

    def cost(self, variables: Mapping[str, Any]) -> int:
        return self._cost.of({} if self._cost.is_fixed else arguments_of(self.node, variables))

    def check_filters(self, variables: Mapping[str, Any]) -> None:
        filters.check(self._filters, variables)


@dataclass(frozen=True, slots=True)
class Document:
    ast: DocumentNode
    size: Size
    introspects: bool
    operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """The operation of that name, or the only one. Raises BadRequest."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None or name not in self.operations:
            raise BadRequest(400, "The document has no operation of that name, or several and none was named.")
        return self.operations[name]


class Documents:
    """The documents of one schema. Those that came more than once are kept, the latest longest, up to a number of
    characters: documents that nobody sends again do not push out those that everybody sends."""

    def __init__(self, schema: GraphQLSchema, plan: Callable[[OperationDefinitionNode, Fragments], Any]) -> None:
        self._schema, self._plan = schema, plan
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0
        self._seen: OrderedDict[int, None] = OrderedDict()

    def known(self, text: str) -> Document | None:
        """The document, if it is kept. Whoever asks may have to be refused it still."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    async def prepared(self, text: str, most: Size, *, introspection: bool) -> Document:
        """Raises Refused for a document that is not valid, or not for this viewer."""
        document = self.known(text)
        if document is None:
            if len(text) <= SHORT:
                document = self._prepare(text, most, introspection)
            else:
                loop = asyncio.get_running_loop()
                document = await loop.run_in_executor(_beside, self._prepare, text, most, introspection)
            self._keep(text, document)
        else:
            _admit(document.size, document.introspects, most, introspection)
        return document

    def _prepare(self, text: str, most: Size, introspection: bool) -> Document:
        if len(text) > most.characters:
            raise Refused(too_large(f"The document is too large (characters: at most {most.characters})."))
        try:
            ast = parse(text, max_tokens=most.tokens)
            size = measure(text, ast)
            introspects = _introspects(ast)
            _admit(size, introspects, most, introspection)
            check_pairs(ast)
        except GraphQLError as error:
            many_tokens = error.message.startswith("Syntax Error: Document contains more than")
            raise Refused(too_large(_TOKENS.format(most.tokens)) if many_tokens else error) from None
        if errors := validate(self._schema, ast, max_errors=MOST_ERRORS, hide_suggestions=not introspection):
            raise Refused(*errors)
        return Document(ast, size, introspects, self._operations(ast))

    def _operations(self, ast: DocumentNode) -> dict[str | None, Operation]:
        fragments = {each.name.value: each for each in ast.definitions if isinstance(each, FragmentDefinitionNode)}
        return {
            node.name.value if node.name else None: Operation(
                node,
                next(_numbers),
                self._plan(node, fragments),
                not PERSONAL.isdisjoint(_roots(node, fragments)),
                cost(self._schema, node, fragments),
                tuple(filters.given(node, fragments.values())),
            )
            for node in ast.definitions
            if isinstance(node, OperationDefinitionNode)
        }

    def _keep(self, text: str, document: Document) -> None:
        if text in self._kept:
            return
        key = hash(text)
        if key not in self._seen:
            self._seen[key] = None
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)
            return
        self._kept[text] = document
        self._characters += len(text)
        while self._characters > KEPT_CHARACTERS:
            old, _ = self._kept.popitem(last=False)
            self._characters -= len(old)


class Given(SchemaExtension):
    """Runs the document of the context, where there is one, instead of reading and validating the text again."""

    def on_parse(self) -> Iterator[None]:
        self.execution_context.graphql_document = getattr(self.execution_context.context, "document", None)
        yield

    def on_validate(self) -> Iterator[None]:
        if getattr(self.execution_context.context, "document", None) is not None:
            self.execution_context.pre_execution_errors = []
        yield


_TOKENS = "The document is too large (tokens: at most {})."


def _admit(size: Size, introspects: bool, most: Size, introspection: bool) -> None:
    if excess := size.excess(most):
        raise Refused(too_large(excess))
    if introspects and not introspection:
        raise Refused(
            GraphQLError("Introspection is not for the public here: send a token, or read the schema's file.")
        )


def _roots(operation: OperationDefinitionNode, fragments: Fragments) -> set[str]:
    """The names of the fields at the root of an operation of a valid document."""
    found: set[str] = set()
    sets = [operation.selection_set]
    while sets:
        for node in sets.pop().selections:
            if isinstance(node, FieldNode):
                found.add(node.name.value)
            elif isinstance(node, FragmentSpreadNode):
                sets.append(fragments[node.name.value].selection_set)
            elif isinstance(node, InlineFragmentNode):
                sets.append(node.selection_set)
    return found


def _introspects(ast: DocumentNode) -> bool:
    sets: list[SelectionSetNode] = [
        each.selection_set
        for each in ast.definitions
        if isinstance(each, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while sets:
        for node in sets.pop().selections:
            if isinstance(node, FieldNode) and node.name.value in ("__schema", "__type"):
                return True
            if inner := getattr(node, "selection_set", None):
                sets.append(inner)
    return False
