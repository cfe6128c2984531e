"""The passage of a story that shows best why it was found, as safe HTML with <mark>."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from cms.search.query import Part, Query, Stems
from cms.search.stems import stems
from cms.search.words import UNJOINED, Word, fold, words

LENGTH = 200
# Words of a text that could have the same stem as one that was asked for begin like it.
_ALIKE = 3

Spans = list[tuple[int, int]]


class Shown(NamedTuple):
    """What of a story can be shown."""

    locale: str
    headline: str
    dek: str | None
    text: str


async def highlights(query: Query, known: Stems, stories: Sequence[Shown]) -> list[str | None]:
    """For each story a passage of its dek and text, else its headline; None where only tags or byline match."""
    texts = [(f"{story.dek or ''}\n{story.text}", story.headline) for story in stories]
    markers = {locale: _Marker(query, known, locale) for locale in {story.locale for story in stories}}
    for locale, marker in markers.items():
        await marker.look_at([t for s, both in zip(stories, texts, strict=True) if s.locale == locale for t in both])
    return [_highlight(markers[s.locale], both) for s, both in zip(stories, texts, strict=True)]


def _highlight(marker: _Marker, texts: Sequence[str]) -> str | None:
    return next((_passage(text, spans) for text in texts if (spans := marker.spans(text))), None)


class _Marker:
    """Marks what was asked for in texts of one language: what stands between spaces is looked at once, however often
    it comes."""

    def __init__(self, query: Query, known: Stems, locale: str) -> None:
        self._locale = locale
        # A word that says nothing is not marked.
        parts = [part for part in query.wanted if not part.word or known.get(part.word, frozenset()) is not None]
        self._phrases = [part for part in parts if not part.word]
        self._asked = {part.word for part in parts if part.word}
        self._open = tuple(part.word for part in parts if part.word and part.is_open)
        stems_of = (known.get(part.word or "") or () for part in parts)
        self._forms = self._asked.union(*stems_of, (part.joined for part in parts if part.joined))
        self._marked: dict[str, Spans] = {}
        self._runs: re.Pattern[str] | None = None

    async def look_at(self, texts: Sequence[str]) -> None:
        """To be called once, with all texts."""
        begins = {form[:_ALIKE] for form in self._forms}
        may_be = re.compile("|".join(map(re.escape, begins))).search if begins else lambda run: None
        # Most runs are told from their letters alone, written in one or with hyphens.
        runs = {run for run in set().union(*map(str.split, texts)) if may_be(fold(run).translate(UNJOINED))}
        known = {run: list(words(run)) for run in runs}
        each = (word for found in known.values() for word in found if word.text[:_ALIKE] in begins)
        alike = {word.text for word in each if not (word.is_dense or word.is_symbol)}
        stemmed = await stems(self._locale, alike) if alike else {}
        meant = {text for text, stem in stemmed.items() if stem in self._forms} | self._forms
        for run, found in known.items():
            spans = [(w.start, w.end) for w in found if w.text in meant or w.text.startswith(self._open)]
            if spans:
                self._marked[run] = spans
        if self._marked:
            self._runs = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, self._marked))})(?!\S)")

    def spans(self, text: str) -> Spans:
        """Where the words stand that were asked for, in order, none over another."""
        marked: Spans = []
        for match in self._runs.finditer(text) if self._runs else ():
            for start, end in self._marked[match[0]]:
                marked.append((match.start() + start, match.start() + end))
        if self._phrases:
            found = list(words(text))
            for part in self._phrases:
                marked += _phrases(part, found)
        merged: Spans = []
        for start, end in sorted(set(marked)):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged


def _phrases(part: Part, found: list[Word]) -> list[tuple[int, int]]:
    """Where the words of a part stand behind one another; of a run without spaces, the characters asked for."""
    at: dict[int, dict[str, Word]] = {}
    for word in found:
        if not word.is_joined:
            at.setdefault(word.position, {})[word.text] = word
    spans = []
    first, last = part.words[0], part.words[-1]
    for position, here in at.items():
        places = [at.get(position + each.position - first.position, {}) for each in part.words]
        if all(each.text in place for each, place in zip(part.words[:-1], places[:-1], strict=True)):
            begun = [
                w
                for text, w in places[-1].items()
                if text == last.text or (part.is_open and text.startswith(last.text))
            ]
            if begun:
                opening = here.get(first.text, begun[0])
                spans.append((opening.start, begun[0].end))
    return spans


def _passage(text: str, spans: list[tuple[int, int]]) -> str:
    """About LENGTH characters around where most of the spans stand, cut between words."""
    best = max(spans, key=lambda span: sum(span[0] <= start < span[0] + LENGTH - 60 for start, _ in spans))
    start = max(0, best[0] - 60)
    if start:
        start = next((i + 1 for i in range(start, best[0]) if text[i].isspace()), best[0])
    end = min(len(text), max(start + LENGTH, best[1]))
    if end < len(text):
        end = next((i for i in range(end, max(best[1], end - 30), -1) if text[i].isspace()), end)
    parts, at = ["… " if start else ""], start
    for left, right in spans:
        if left >= start and right <= end:
            parts += [_plain(text[at:left]), "<mark>", _plain(text[left:right]), "</mark>"]
            at = right
    return "".join([*parts, _plain(text[at:end]), " …" if end < len(text) else ""]).strip()


def _plain(text: str) -> str:
    return escape(text.replace("\n", " "))
