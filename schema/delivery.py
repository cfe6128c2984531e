"""What this process keeps to answer readers fast while it serves, and that it is never older than what it said before.

Nothing is kept by a process that does not listen to what happens (a command, a test of one function).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cms.live import Feed, Subscriber
from cms.settings import Settings
from schema.answers import Answers
from schema.plan import Entities


@dataclass(frozen=True, slots=True)
class Kept:
    feed: Feed
    answers: Answers


_kept: Kept | None = None


@contextmanager
def keeping(feed: Feed, settings: Settings) -> Iterator[None]:
    """Keep answers, as long as this is open."""
    global _kept
    answers = Answers(settings.answer_bytes)
    end = feed.subscribe(Subscriber(answers.happened, answers.lost, answers.restored))
    if feed.is_listening:
        answers.restored()
    _kept = Kept(feed, answers)
    try:
        yield
    finally:
        _kept = None
        end()


def answers() -> Answers | None:
    """Where answers are kept, while they can be."""
    return _kept.answers if _kept is not None and _kept.answers.is_open else None


def entities() -> Entities:
    found = answers()
    return Entities() if found is None else found.entities


def knows(place: int) -> bool:
    """Whether every public event up to this place is known."""
    return _kept is None or place <= _kept.feed.place


async def catch_up() -> None:
    """Know everything that was committed before: what is answered from now on is not older."""
    if answers() is not None and _kept is not None:
        await _kept.feed.catch_up()
