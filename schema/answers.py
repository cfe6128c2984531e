"""Answers to readers that are kept, as bytes, until something that they show changes.

Each is stored with the keys of what it was made of; an event changes keys. Nothing is searched when something happens:
an answer is looked at when it is asked for again, once for all that has happened since. So an answer that was being
made while something of it changed is as old as its beginning, whenever it is stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from cms import clock, purge
from cms.models import Event
from schema.plan import Changes, Entities, Reading
from schema.plan.keys import NAMES, PUBLIC, STORIES, of_list

# Of what a key costs in memory; of what an answer costs besides its bytes.
_OVERHEAD = 400
# How much of the room is for what was asked for again.
_AGAIN = 0.8
NEVER = float("inf")

Key = tuple[object, ...]

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


# Answer._make without its checks: every hit makes one.
as_answer = partial(tuple.__new__, Answer)


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


class Shelf:
    """Answers up to a number of bytes. The first to go are those that were asked for once, and those that were not
    asked for again for longest: readers ask for much that nobody asks for again ("segmented LRU", Karedla, Love and
    Wherry, 1994).

    They are kept as plain tuples of bytes and numbers, which the garbage collector need not look at.
    """

    def __init__(self, most: int) -> None:
        self.bytes = 0
        self._most, self._most_again = most, most * _AGAIN
        self._bytes_again = 0
        self._once: OrderedDict[Key, tuple[Any, ...]] = OrderedDict()
        self._again: OrderedDict[Key, tuple[Any, ...]] = OrderedDict()

    def get(self, key: Key) -> Answer | None:
        """It was asked for."""
        kept = self._again.get(key)
        if kept is not None:
            self._again.move_to_end(key)
            return as_answer(kept)
        kept = self._once.pop(key, None)
        if kept is None:
            return None
        found = as_answer(kept)
        self._again[key] = kept
        self._bytes_again += _weight(found)
        while self._bytes_again > self._most_again:
            old, answer = self._again.popitem(last=False)
            self._bytes_again -= _weight(as_answer(answer))
            self._once[old] = answer
        return found

    def put(self, key: Key, answer: Answer) -> None:
        """A new one, or what the one that is there has become."""
        weight, is_again = _weight(answer), key in self._again
        self.drop(key)
        (self._again if is_again else self._once)[key] = tuple(answer)
        self._bytes_again += weight * is_again
        self.bytes += weight
        while self.bytes > self._most:
            self.drop(next(iter(self._once or self._again)))

    def drop(self, key: Key) -> None:
        old = self._once.pop(key, None)
        if old is None and (old := self._again.pop(key, None)) is not None:
            self._bytes_again -= _weight(as_answer(old))
        if old is not None:
            self.bytes -= _weight(as_answer(old))

    def clear(self) -> None:
        self._once.clear()
        self._again.clear()
        self.bytes = self._bytes_again = 0


class Answers:
    """The answers that are kept, up to so many bytes. Listens to the feed of public events."""

    def __init__(self, most: int) -> None:
        self.changes = Changes()
        self.entities = Entities(self.changes)
        self.is_open = False
        self.keeps = most > 0
        self.shelf = Shelf(most)

    @property
    def turn(self) -> int:
        return self.changes.turn

    def get(self, key: Key) -> Answer | None:
        """The answer under this key, if it still stands."""
        found, turn = self.shelf.get(key), self.changes.turn
        if found is None:
            return None
        if found.turn != turn:
            if not self.changes.spare(found.turn, found.keys):
                self.shelf.drop(key)
                return None
            found = found._replace(turn=turn)
            self.shelf.put(key, found)
        if found.ends_at != NEVER and found.ends_at <= clock.now().timestamp():
            self.shelf.drop(key)
            return None
        return found

    def put(self, key: Key, answer: Answer) -> None:
        if self.is_open and self.changes.spare(answer.turn, answer.keys):
            self.shelf.put(key, answer)

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
        self.shelf.clear()
        self.entities.clear()


def _weight(answer: Answer) -> int:
    return len(answer.body) + len(answer.keys) + len(answer.tags) + _OVERHEAD


def ends_at(reading: Reading) -> float:
    return NEVER if reading.ends_at is None else reading.ends_at.timestamp()


def seconds_left(most: int, ends_at: float) -> int:
    """How long a cache before us may keep an answer without asking."""
    return most if ends_at == NEVER else max(0, min(most, int(ends_at - clock.now().timestamp())))
