"""Stories whose topics are known, made of invented words: what the quality of related stories is measured on.

A story is about one topic. Topics have words of their own, from one that nearly every story of theirs has to ones that few
have; the rest of a text is common words, as frequent as words of a language are (Zipf), and words of other topics in
passing. Stories of one topic cluster in time, share a section with other topics, and bylines say little. Of the tags of a
topic each story has some; others are broad (many topics share them) or wrong. Some have none at all.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


@dataclass(frozen=True, slots=True)
class Made:
    """One story of the corpus; days: how many before today."""

    topic: int
    headline: str
    dek: str
    text: str
    tags: tuple[str, ...]
    section: int
    author: int
    days: float


def corpus(topics: int, stories: int, *, untagged: float, seed: int = 7) -> list[Made]:
    """So many stories of each of so many topics; untagged: which share of them has no tags."""
    chance = random.Random(seed)
    fresh = _words(chance)
    common = [next(fresh) for _ in range(2_000)]
    zipf = list(accumulate(1 / (rank + 3) for rank in range(len(common))))
    own = [[next(fresh) for _ in range(25)] for _ in range(topics)]
    when = [chance.uniform(0, 700) for _ in range(topics)]
    found = []
    for topic in range(topics):
        for _ in range(stories):
            found.append(_story(chance, topic, own, common, zipf, when[topic], untagged))
    chance.shuffle(found)
    return found


def _story(
    chance: random.Random,
    topic: int,
    own: Sequence[Sequence[str]],
    common: Sequence[str],
    zipf: Sequence[float],
    when: float,
    untagged: float,
) -> Made:
    length = chance.randint(120, 320)
    # From a topic's words a story takes a few, and says each now and then.
    words = chance.sample(own[topic], k=7)
    passing = [chance.choice(chance.choice(own)) for _ in range(6)]
    text = chance.choices(common, cum_weights=zipf, k=length)
    for word in (*words, *words[:3], *passing):
        text[chance.randrange(length)] = word
    line = chance.choices(common, cum_weights=zipf, k=6)
    if chance.random() < 0.6:
        line[chance.randrange(6)] = chance.choice(words)
    dek = chance.choices(common, cum_weights=zipf, k=12)
    return Made(
        topic,
        " ".join(line).capitalize(),
        " ".join(dek),
        " ".join(text),
        () if chance.random() < untagged else _tags(chance, topic, len(own)),
        topic % 8,
        (topic * 3 + chance.randrange(12)) % 40,
        max(0.0, when + chance.gauss(0, 25)),
    )


def _tags(chance: random.Random, topic: int, topics: int) -> tuple[str, ...]:
    """Of the topic's three tags each in two of five stories; two broad ones; now and then one of another topic."""
    tags = [f"topic {topic} {which}" for which in "abc" if chance.random() < 0.4]
    tags += [f"broad {topic % 5}", f"wide {chance.randrange(6)}"]
    if chance.random() < 0.35:
        tags.append(f"topic {chance.randrange(topics)} {chance.choice('abc')}")
    return tuple(dict.fromkeys(tags))


def _words(chance: random.Random):  # type: ignore[no-untyped-def]
    seen: set[str] = set()
    while True:
        word = "".join(chance.choices(SYLLABLES, k=chance.randint(2, 4)))
        if word not in seen:
            seen.add(word)
            yield word
