"""Running an operation: what a viewer may ask at all, on which connections, for how long, and no longer than the client
waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from graphql import OperationType
from strawberry.types import ExecutionResult

from cms import database
from cms.models import TokenScope
from cms.permissions import PUBLIC, Actor
from cms.settings import settings
from schema import delivery, schema, trusted
from schema.context import Context
from schema.documents import Document, Documents, Operation, Refused
from schema.limits import KNOWN, too_large
from schema.limits import PUBLIC as PUBLIC_SIZE
from schema.plan import Plans, Reading, Unplanned

T = TypeVar("T")

log = structlog.get_logger()

# For a whole operation; a statement has its own time (cms.database).
PUBLIC_SECONDS, KNOWN_SECONDS = 10, 60
_TRIES = 5

documents = Documents(schema._schema, partial(Plans, schema))


class HungUp(Exception):
    """The client did not wait for the answer."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that may run: it is valid, and not too large for its viewer."""

    actor: Actor
    document: Document
    operation: Operation
    name: str | None
    variables: dict[str, Any]
    cost: int


def may_introspect(actor: Actor) -> bool:
    return actor != PUBLIC or settings().introspection


async def prepared(actor: Actor, text: str, name: str | None, variables: dict[str, Any]) -> Prepared:
    """Raises Refused, BadRequest or Invalid. Nothing was read from the database by then."""
    known = actor != PUBLIC
    if not known:
        await trusted.require(text)
    document = await documents.prepared(text, KNOWN if known else PUBLIC_SIZE, introspection=may_introspect(actor))
    operation = document.operation(name)
    operation.check_filters(variables)
    cost = operation.cost(variables)
    most = settings().known_query_cost if known else settings().public_query_cost
    if cost > most:
        raise Refused(too_large(f"The query costs {cost}, and may cost {most}: ask for fewer rows or fields at once."))
    return Prepared(actor, document, operation, name, variables, cost)


async def run(ask: Prepared, context: Context, text: str) -> ExecutionResult:
    """Raises TimeoutError for a query that takes too long; a write is not broken off."""
    reads = ask.operation.kind is OperationType.QUERY
    seconds = KNOWN_SECONDS if ask.actor.is_staff else PUBLIC_SECONDS
    context.document = ask.document.ast
    with database.reading() if reads and not ask.actor.is_staff else nullcontext():
        async with asyncio.timeout(seconds if reads else None):
            result = await schema.execute(
                text, variable_values=ask.variables, operation_name=ask.name, context_value=context
            )
        await delivery.catch_up()
        return result


async def planned(operation: Operation, variables: dict[str, Any]) -> tuple[Any, Reading]:
    """The data of the answer to a reader, without resolvers, and what it was made of. Raises Unplanned where only they
    can answer."""
    for _ in range(_TRIES):
        try:
            data, reading = await operation.plans.read(variables, delivery.entities())
        except Unplanned:
            raise
        except Exception as error:
            log.warning("plan.failed", error=type(error).__name__, exc_info=error)
            raise Unplanned("failed") from None
        # It must be of one time: rows and what is kept, and what was answered before on the same connection.
        if delivery.answers() is None or delivery.knows(await reading.newest()):
            return data, reading
        await delivery.catch_up()
    raise Unplanned("too much is happening")


def is_reader(actor: Actor) -> bool:
    """The public, and those who show that they may read what the public may."""
    return actor is PUBLIC or actor == PUBLIC or (actor.role is None and actor.scopes == {TokenScope.READ})


async def while_waiting(receive: Callable[[], Awaitable[Any]], work: Coroutine[Any, Any, T]) -> T:
    """The result of work, unless the client hangs up before: then it is cancelled, and HungUp raised."""
    running, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
    finally:
        gone.cancel()
        running.cancel()
    await asyncio.wait((running,))  # until its connections are given back
    raise HungUp


async def _disconnect(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
