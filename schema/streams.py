"""Subscriptions at work, whatever carries them: what many ask alike runs once, and each reads it from a short queue.

A stream ends with a reason: its reader is too slow, is not who it was any more, or this server goes away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from inspect import isawaitable
from typing import Any, TypeAlias

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError, subscribe

from cms import accounts
from cms.errors import CMSError
from cms.live import Feed, Subscriber
from cms.models import Event, TokenScope
from cms.permissions import PUBLIC, Actor
from schema import schema
from schema.context import Context
from schema.documents import Refused
from schema.errors import formatted
from schema.execution import Prepared, is_reader, may_introspect

# What waits for one reader, in results and in their bytes (a single one may be longer), and the events that wait for
# one question.
WAITING, WAITING_BYTES = 100, 1024 * 1024
EVENTS_WAITING = 10_000
# How often whether rights have ended is looked up; of what happens after they did, nothing is told in any case.
CHECK_SECONDS = 0.5
MOST_STREAMS = 10_000
# So many questions are worked on at once when something happens, however many were asked: requests come in between.
AT_WORK = 4

# Tokens that may read what the public may are one viewer.
_READER = Actor("a reader", scopes=frozenset({TokenScope.READ}))

log = structlog.get_logger()
_Key: TypeAlias = tuple[Any, ...]


class End(Enum):
    """Why a stream ends: the code of a WebSocket's close, and words."""

    COMPLETE = (1000, "There is no more.")
    GOING_AWAY = (1012, "The server restarts: connect again.")
    FAILED = (1013, "What happens cannot be told now: connect again.")
    TOO_SLOW = (1013, "You read too slowly: connect again, and ask for changes since.")
    NOT_ALLOWED = (4403, "What you signed in with has ended, or allows something else now.")

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


@dataclass(eq=False)
class Stream:
    """What one reader gets: results as they are sent, then end. Iterating ends when end is set and all is read."""

    actor: Actor
    end: End | None = None
    _waiting: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _bytes: int = 0

    def put(self, result: bytes) -> None:
        if self.end is None:
            waits = self._waiting.qsize()
            if waits >= WAITING or (waits and self._bytes + len(result) > WAITING_BYTES):
                self.finish(End.TOO_SLOW)
            else:
                self._bytes += len(result)
                self._waiting.put_nowait(result)

    def finish(self, end: End) -> None:
        """What still waits is read, unless the reader is not to have it or never comes to it."""
        if self.end is None:
            self.end = end
            if end in (End.NOT_ALLOWED, End.TOO_SLOW):
                _empty(self._waiting)
            self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (result := await self._waiting.get()) is not None:
            self._bytes -= len(result)
            yield result


class Streams:
    """All streams of this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._channels: dict[_Key, _Channel] = {}
        self._open: set[Stream] = set()
        self._turns = asyncio.Semaphore(AT_WORK)
        self._watching: asyncio.Task[None] | None = None
        self.is_closing = False

    def close(self) -> None:
        """This server goes away: end all streams, and begin none."""
        self.is_closing = True
        for stream in list(self._open):
            stream.finish(End.GOING_AWAY)

    @asynccontextmanager
    async def open(self, ask: Prepared, text: str) -> AsyncIterator[Stream]:
        """A stream of the results of a subscription, while inside. Raises Refused for one that may not begin."""
        if len(self._open) >= MOST_STREAMS:
            raise Refused(GraphQLError("Too many are listening here: try again later."))
        stream = Stream(ask.actor)
        channel = await self._channel(ask, text)
        channel.readers.add(stream)
        self._open.add(stream)
        if ask.actor != PUBLIC and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._watch())
        if self.is_closing:
            stream.finish(End.GOING_AWAY)
        try:
            yield stream
        finally:
            self._open.discard(stream)
            channel.readers.discard(stream)
            if not channel.readers and self._channels.get(channel.key) is channel:
                del self._channels[channel.key]
                channel.stop()

    async def _watch(self) -> None:
        """While anybody who is known listens: end the streams of those who showed what opens something else by now, or
        nothing."""
        while {stream.actor for stream in self._open} - {PUBLIC}:
            await asyncio.sleep(CHECK_SECONDS)
            known = {stream.actor for stream in self._open} - {PUBLIC}
            try:
                ended, end = known - await accounts.still_valid(known), End.NOT_ALLOWED
            except Exception:
                log.exception("stream.unchecked")
                ended, end = known, End.FAILED
            for stream in list(self._open):
                if stream.actor in ended:
                    stream.finish(end)

    async def _channel(self, ask: Prepared, text: str) -> _Channel:
        who = _READER if ask.actor != PUBLIC and is_reader(ask.actor) else ask.actor
        key = (who, may_introspect(ask.actor), text, ask.name, orjson.dumps(ask.variables, option=orjson.OPT_SORT_KEYS))
        channel = self._channels.get(key)
        if channel is None or channel.is_over:
            channel = await _Channel.begin(key, who, ask, _Source(self._feed, self._turns))
            other = self._channels.get(key)
            if other is not None and not other.is_over:
                channel.stop()  # somebody began the same meanwhile
                return other
            self._channels[key] = channel
        return channel


class _Channel:
    """One question of one viewer, or of all readers; its results go to all who asked it."""

    def __init__(
        self, key: _Key, who: Actor, results: AsyncIterator[ExecutionResult], source: _Source, suggestions: bool
    ) -> None:
        self.key = key
        self.readers: set[Stream] = set()
        self._who, self._results, self._suggestions = who, results, suggestions
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: source.close())

    @classmethod
    async def begin(cls, key: _Key, who: Actor, ask: Prepared, source: _Source) -> _Channel:
        """Raises Refused."""
        try:
            found = subscribe(
                schema._schema,
                ask.document.ast,
                context_value=Context(actor=who, document=ask.document.ast, events=source),
                variable_values=ask.variables,
                operation_name=ask.name,
                hide_suggestions=not may_introspect(ask.actor),
            )
            results = await found if isawaitable(found) else found
            if isinstance(results, ExecutionResult):
                raise Refused(*(results.errors or ()))
        except BaseException:
            source.close()
            raise
        return cls(key, who, results, source, may_introspect(ask.actor))

    @property
    def is_over(self) -> bool:
        return self._task.done()

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        end = End.COMPLETE
        try:
            async for result in self._results:
                sent = self._print(result)
                if not await self._may_be_told():
                    end = End.NOT_ALLOWED
                    break
                for stream in list(self.readers):
                    stream.put(sent)
        except Overrun:
            end = End.TOO_SLOW
        except Exception:
            log.exception("stream.failed")
            end = End.FAILED
        finally:
            for stream in list(self.readers):
                stream.finish(end)

    async def _may_be_told(self) -> bool:
        """Asked after the result was read: it shows nothing of a time in which the viewer had no right to it."""
        return self._who in (PUBLIC, _READER) or bool(await accounts.still_valid([self._who]))

    def _print(self, result: ExecutionResult) -> bytes:
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [formatted(error, suggestions=self._suggestions) for error in result.errors]
        return orjson.dumps(answer)


class Overrun(Exception):
    """More happened than could be told."""


class _Source:
    """Every event since this was made. Iterating raises Overrun where whoever does it is too slow. From an event until
    the next is asked for, one of the turns is taken."""

    def __init__(self, feed: Feed, turns: asyncio.Semaphore) -> None:
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue()
        self._turns, self._has_turn = turns, False
        self._unsubscribe = feed.subscribe(Subscriber(self._told))

    def close(self) -> None:
        self._unsubscribe()
        self._rest()

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        while (event := await self._waiting.get()) is not None:
            await self._turns.acquire()
            self._has_turn = True
            yield event
            self._rest()
        raise Overrun

    def _rest(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.release()

    def _told(self, events: Sequence[Event]) -> None:
        for event in events:
            self._waiting.put_nowait(event)
        if self._waiting.qsize() > EVENTS_WAITING:
            _empty(self._waiting)
            self._waiting.put_nowait(None)


def _empty(queue: asyncio.Queue[Any]) -> None:
    while not queue.empty():
        queue.get_nowait()


def refused(error: Refused | CMSError, actor: Actor) -> list[dict[str, Any]]:
    """Errors of a subscription that does not begin, as clients get them."""
    errors = error.errors if isinstance(error, Refused) else [GraphQLError(error.message, original_error=error)]
    return [formatted(each, suggestions=may_introspect(actor)) for each in errors]
