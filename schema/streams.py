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

# Answers that wait for one reader, and events that wait for one question.
WAITING = 100
EVENTS_WAITING = 10_000
# How long somebody whose rights have ended may go on.
CHECK_SECONDS = 2.0
MOST_STREAMS = 10_000

# Tokens that may read what the public may are one viewer.
_READER = Actor("a reader", scopes=frozenset({TokenScope.READ}))

log = structlog.get_logger()
_Key: TypeAlias = tuple[Any, ...]


class End(Enum):
    """Why a stream ends: the code of a WebSocket's close, and words."""

    COMPLETE = (1000, "There is no more.")
    GOING_AWAY = (1012, "The server restarts: connect again.")
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

    end: End | None = None
    _waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(WAITING + 1))

    def put(self, result: bytes) -> None:
        if self.end is None:
            if self._waiting.qsize() >= WAITING:
                self.finish(End.TOO_SLOW)
            else:
                self._waiting.put_nowait(result)

    def finish(self, end: End) -> None:
        """What still waits is read, unless the reader is not to have it or never comes to it."""
        if self.end is None:
            self.end = end
            if end in (End.NOT_ALLOWED, End.TOO_SLOW):
                while not self._waiting.empty():
                    self._waiting.get_nowait()
            self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (result := await self._waiting.get()) is not None:
            yield result


class Streams:
    """All streams of this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._channels: dict[_Key, _Channel] = {}
        self._open: set[Stream] = set()
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
        stream = Stream()
        channel = await self._channel(ask, text)
        channel.readers.add(stream)
        self._open.add(stream)
        watch = asyncio.create_task(_watch(ask.actor, stream)) if ask.actor != PUBLIC else None
        if self.is_closing:
            stream.finish(End.GOING_AWAY)
        try:
            yield stream
        finally:
            self._open.discard(stream)
            channel.readers.discard(stream)
            if watch is not None:
                watch.cancel()
            if not channel.readers and self._channels.get(channel.key) is channel:
                del self._channels[channel.key]
                channel.stop()

    async def _channel(self, ask: Prepared, text: str) -> _Channel:
        who = _READER if ask.actor != PUBLIC and is_reader(ask.actor) else ask.actor
        key = (who, may_introspect(ask.actor), text, ask.name, orjson.dumps(ask.variables, option=orjson.OPT_SORT_KEYS))
        channel = self._channels.get(key)
        if channel is None or channel.is_over:
            channel = await _Channel.begin(key, who, ask, self._feed)
            other = self._channels.get(key)
            if other is not None and not other.is_over:
                channel.stop()  # somebody began the same meanwhile
                return other
            self._channels[key] = channel
        return channel


class _Channel:
    """One question of one viewer, or of all readers; its results go to all who asked it."""

    def __init__(self, key: _Key, results: AsyncIterator[ExecutionResult], source: _Source, suggestions: bool) -> None:
        self.key = key
        self.readers: set[Stream] = set()
        self._results, self._source, self._suggestions = results, source, suggestions
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: source.close())

    @classmethod
    async def begin(cls, key: _Key, who: Actor, ask: Prepared, feed: Feed) -> _Channel:
        """Raises Refused."""
        source = _Source(feed)  # from now on, not from when the first result is asked for
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
        return cls(key, results, source, may_introspect(ask.actor))

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
                for stream in list(self.readers):
                    stream.put(sent)
        except Overrun:
            end = End.TOO_SLOW
        except Exception:
            log.exception("stream.failed")
            end = End.GOING_AWAY
        finally:
            for stream in list(self.readers):
                stream.finish(end)

    def _print(self, result: ExecutionResult) -> bytes:
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [formatted(error, suggestions=self._suggestions) for error in result.errors]
        return orjson.dumps(answer)


class Overrun(Exception):
    """More happened than could be told."""


class _Source:
    """Every event since this was made. Iterating raises Overrun where whoever does it is too slow."""

    def __init__(self, feed: Feed) -> None:
        self._waiting: asyncio.Queue[Event] = asyncio.Queue()
        self.close = feed.subscribe(Subscriber(self._told))

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        while True:
            event = await self._waiting.get()
            if self._waiting.qsize() > EVENTS_WAITING:
                raise Overrun
            yield event

    def _told(self, events: Sequence[Event]) -> None:
        for event in events:
            self._waiting.put_nowait(event)


async def _watch(actor: Actor, stream: Stream) -> None:
    """End the stream when what its reader showed opens something else, or nothing, or cannot be looked up."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            valid = await accounts.still_valid(actor)
        except Exception:
            log.exception("stream.unchecked")
            valid = False
        if not valid:
            stream.finish(End.NOT_ALLOWED)
            return


def refused(error: Refused | CMSError, actor: Actor) -> list[dict[str, Any]]:
    """Errors of a subscription that does not begin, as clients get them."""
    errors = error.errors if isinstance(error, Refused) else [GraphQLError(error.message, original_error=error)]
    return [formatted(each, suggestions=may_introspect(actor)) for each in errors]
