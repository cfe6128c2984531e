"""The passage of a story that shows best why it was found, as safe HTML with <mark>."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cms.models import Content
from cms.search.query import Part, Query, Stems
from cms.search.stems import stems
from cms.search.words import Word, words

LENGTH = 200
# Words of a text that could have the same stem as one that was asked for begin like it.
_ALIKE = 3


async def highlights(query: Query, known: Stems, stories: Sequence[Content]) -> list[str | None]:
    """For each story a passage of its dek and text, else its headline; None where only tags or byline match."""
    return [await _highlight(query, known, story) for story in stories]


async def _highlight(query: Query, known: Stems, story: Content) -> str | None:
    for text in (f"{story.dek or ''}\n{story.text}", story.headline):
        if spans := await _spans(query, known, story.locale, text):
            return _passage(text, spans)
    return None


async def _spans(query: Query, known: Stems, locale: str, text: str) -> list[tuple[int, int]]:
    """Where the words stand that were asked for, in order, none over another."""
    found = list(words(text))
    begins = {part.word[:_ALIKE] for part in query.wanted if part.word}
    alike = {w.text for w in found if w.text[:_ALIKE] in begins and not (w.is_dense or w.is_symbol)}
    stemmed = await stems(locale, alike) if alike else {}
    marked: list[tuple[int, int]] = []
    for part in query.wanted:
        forms = {part.word, part.joined, *(known.get(part.word or "") or ())} - {None}
        if part.word and known.get(part.word, frozenset()) is None:
            continue
        texts = {text for text in {w.text for w in found} if text in forms or stemmed.get(text) in forms}
        if part.word and part.is_open:
            texts |= {w.text for w in found if w.text.startswith(part.word)}
        marked += [(w.start, w.end) for w in found if w.text in texts]
        if not part.word:
            marked += _phrases(part, found)
    merged: list[tuple[int, int]] = []
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
