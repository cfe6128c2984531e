"""Answers to readers that are kept, as bytes, until something that they show changes.

Each is stored with the keys of what it was made of; an event changes keys. Nothing is searched when something happens:
an answer is looked at when it is asked for again, once for all that has happened since. So an answer that was being
made while something of it changed is as old as its beginning, whenever it is stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from cms import clock, purge
from cms.models import Event
from schema.plan import Changes, Entities, Reading
from schema.plan.keys import NAMES, PUBLIC, STORIES, of_list

# Of what a key costs in memory; of what an answer costs besides its bytes.
_OVERHEAD = 400
NEVER = float("inf")


Head = tuple[tuple[bytes, bytes], ...]


class Answer(NamedTuple):
    """body in one encoding. turn: nothing of it had changed by then. ends_at: by the clock, or infinite."""

    turn: int
    ends_at: float
    body: bytes
    etag: bytes
    cost: int
    keys: bytes
    tags: bytes = b""  # for caches before us, with spaces between
    encoding: bytes = b""
    head: Head = ()
    unchanged: Head = ()  # to whoever has it already


def changed_by(event: Event) -> set[bytes] | None:
    """The keys that an event changes; None where any answer may be another one."""
    found: set[bytes] = set()
    for key in purge.keys(event):
        kind, _, rest = key.partition(":")
        if kind in ("site", "sections"):
            return None
        if kind == "public":
            found.add(PUBLIC)
        elif kind == "articles":
            found.add(STORIES)
        elif rest.endswith(":articles"):
            found.add(of_list(UUID(rest.removesuffix(":articles"))))
        elif kind in ("article", "tag", "author", "media", "list"):
            found.add(UUID(rest).bytes)
        if kind in ("tag", "author", "list", "tags", "authors", "slug"):
            found.add(NAMES)
    return found


class Answers:
    """Up to so many bytes of answers, those that were asked for last. Listens to the feed of public events."""

    def __init__(self, most: int) -> None:
        self.changes = Changes()
        self.entities = Entities(self.changes)
        self.bytes = 0
        self.is_open = False
        self.keeps = most > 0
        self._most = most
        # As plain tuples of bytes and numbers, which the garbage collector need not look at.
        self._kept: OrderedDict[tuple[object, ...], tuple[Any, ...]] = OrderedDict()

    @property
    def turn(self) -> int:
        return self.changes.turn

    def get(self, key: tuple[object, ...]) -> Answer | None:
        """The answer under this key, if it still stands."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        found = Answer._make(kept)
        if found.turn != self.turn:
            if not self.changes.spare(found.turn, found.keys):
                self._drop(key)
                return None
            found = found._replace(turn=self.turn)
            self._kept[key] = tuple(found)
        if found.ends_at != NEVER and found.ends_at <= clock.now().timestamp():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found

    def put(self, key: tuple[object, ...], answer: Answer) -> None:
        if not self.is_open or not self.changes.spare(answer.turn, answer.keys):
            return
        self._drop(key)
        self._kept[key] = tuple(answer)
        self.bytes += _weight(answer)
        while self.bytes > self._most:
            old, _ = next(iter(self._kept.items()))
            self._drop(old)

    # ------------------------------------------------------------ what happens

    def happened(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.place is None:
                continue
            keys = changed_by(event)
            if keys is None:
                self.clear()
                continue
            self.changes.note(keys)
            for key in keys:
                self.entities.forget(UUID(bytes=key))
                self.entities.forget(UUID(bytes=of_list(UUID(bytes=key))))

    def lost(self) -> None:
        self.is_open = False
        self.clear()

    def restored(self) -> None:
        self.clear()
        self.is_open = True

    def clear(self) -> None:
        self.changes.note_all()
        self._kept.clear()
        self.bytes = 0
        self.entities.clear()

    # ------------------------------------------------------------ small rules

    def _drop(self, key: tuple[object, ...]) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self.bytes -= _weight(Answer._make(old))


def _weight(answer: Answer) -> int:
    return len(answer.body) + len(answer.keys) + len(answer.tags) + _OVERHEAD


def ends_at(reading: Reading) -> float:
    return NEVER if reading.ends_at is None else reading.ends_at.timestamp()


def seconds_left(most: int, ends_at: float) -> int:
    """How long a cache before us may keep an answer without asking."""
    return most if ends_at == NEVER else max(0, min(most, int(ends_at - clock.now().timestamp())))
