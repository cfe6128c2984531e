"""What somebody types to search, understood: words, "phrases", -exclusions, and a last word that may not be finished.

Any text is a query; none is wrong. Everything but quotes, a minus before a word and a star behind one is looked for as
it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cms.search.words import Word, words

MAX_PARTS = 24
MAX_PHRASE = 40
MIN_PREFIX = 2

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_CHUNK = re.compile(r'(?P<minus>[-−]?)(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<plain>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class Part:
    """Words that stand behind one another; joined is how they are written as one. start and end: where in the query."""

    words: tuple[Word, ...]
    joined: str | None
    start: int
    end: int
    excluded: bool = False
    quoted: bool = False
    is_open: bool = False

    @property
    def word(self) -> str | None:
        """The one word that it is, as it may be stemmed and corrected."""
        if len(self.words) > 1 or self.quoted or self.words[0].is_symbol or self.words[0].is_dense:
            return None
        return self.words[0].text


# What a word is looked for as, beside itself; None for a word that says nothing (the, and).
Stems = Mapping[str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    parts: tuple[Part, ...]

    @property
    def wanted(self) -> list[Part]:
        return [part for part in self.parts if not part.excluded]

    def stemmed(self) -> set[str]:
        """The words whose stems as_tsquery wants to know."""
        return {text for part in self.parts for text in (part.word, part.joined) if text}

    def telling(self, stems: Stems) -> list[Part]:
        """What a story must have: the wanted parts without words that say nothing, unless there are no others."""
        wanted = self.wanted
        return [part for part in wanted if not (part.word and stems.get(part.word, frozenset()) is None)] or wanted

    def as_tsquery(self, stems: Stems) -> str | None:
        """In PostgreSQL's own spelling; None where nothing is looked for."""
        conditions = [_condition(part, stems) for part in self.telling(stems)]
        if not conditions:
            return None
        return " & ".join([*conditions, *(f"!{_condition(part, stems)}" for part in self.parts if part.excluded)])


def parse(text: str) -> Query:
    text = text.translate(_QUOTES)
    parts: list[Part] = []
    for match in _CHUNK.finditer(text):
        if len(parts) == MAX_PARTS:
            break
        if part := _part(match, last=match.end() == len(text)):
            parts.append(part)
    return Query(text, tuple(parts))


def _part(match: re.Match[str], *, last: bool) -> Part | None:
    quoted = match["phrase"] is not None
    group = "phrase" if quoted else "plain"
    found = list(words(match[group]))[: MAX_PHRASE * 2]
    plain = [word for word in found if not word.is_joined]
    # The last character of a run stands in texts alone; asked for, it stands for whatever begins with it.
    plain = [w for i, w in enumerate(plain) if not (w.is_dense and len(w.text) == 1 and i and plain[i - 1].is_dense)]
    if not plain:
        return None
    joined = [w.text for w in found if w.is_joined and (w.start, w.end) == (plain[0].start, plain[-1].end)]
    is_open = not quoted and (match[group].endswith("*") or (last and len(plain[-1].text) >= MIN_PREFIX))
    single = plain[-1].is_dense and len(plain[-1].text) == 1
    offset = match.start(group)
    return Part(
        words=tuple(plain[:MAX_PHRASE]),
        joined=joined[0] if joined and not quoted else None,
        start=offset + plain[0].start,
        end=offset + plain[-1].end,
        excluded=bool(match["minus"]),
        quoted=quoted,
        is_open=single or (is_open and not bool(match["minus"])),
    )


def quote(lexeme: str) -> str:
    """A word as PostgreSQL reads it in a tsvector or a tsquery, whatever it is made of."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _condition(part: Part, stems: Stems) -> str:
    first = part.words[0]
    phrase = quote(first.text)
    for before, word in zip(part.words, part.words[1:], strict=False):
        phrase += f" <{word.position - before.position}> {quote(word.text)}"
    if part.is_open and not part.words[-1].is_symbol:
        phrase += ":*"
    alternatives = [phrase]
    for text in (part.word, part.joined):
        if text:
            alternatives += [quote(each) for each in sorted({text} | (stems.get(text) or frozenset()))]
    return "(" + " | ".join(dict.fromkeys(alternatives)) + ")"
