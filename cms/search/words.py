"""Words of a text, as search compares them: folded, in their order, with where they stand.

Case and accents do not count, composed or not, nor do apostrophes and hyphens inside a word. Scripts that put no spaces
between words are cut into pairs of characters. Symbols that carry meaning (%, +, €, emoji) are words of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from cms import slugs

MAX_WORD = 100


class Word(NamedTuple):
    """One word at text[start:end]. position counts words from 0; what stands at one place shares it.

    is_dense: a pair of characters of a script without spaces, or a last one alone. is_joined: several words, written
    with hyphens or apostrophes, as one.
    """

    text: str
    position: int
    start: int
    end: int
    is_dense: bool = False
    is_joined: bool = False
    is_symbol: bool = False


def words(text: str) -> Iterator[Word]:
    """Every word of a text, in order."""
    position = 0
    for match in _RUN.finditer(text):
        run, start = match[0], match.start()
        found, places = words_of(run)
        for word, place, first, last, dense, joined, symbol in found:
            yield Word(word, position + place, start + first, start + last, dense, joined, symbol)
        position += places


def words_of(run: str) -> tuple[tuple[Word, ...], int]:
    """The words of a text without white space, none of which depends on what stands around it, and how many places they
    take."""
    return _known_run(run) if len(run) <= _REMEMBERED else _words_of(run)


def _words_of(run: str) -> tuple[tuple[Word, ...], int]:
    found: list[Word] = []
    position = 0
    chain: list[Word] = []
    for match in _TOKEN.finditer(run):
        start, end = match.span()
        if match.lastgroup == "dense":
            found += _joined(chain)
            chain = []
            dense = fold(match[0])
            exact = len(dense) == end - start  # else characters were composed: all point at the whole of it
            for i in range(len(dense)):
                place = (start + i, min(start + i + 2, end)) if exact else (start, end)
                found.append(Word(dense[i : i + 2], position + i, *place, is_dense=True))
            position += len(dense)
            continue
        folded = fold(match[0])[:MAX_WORD]
        if not folded:
            continue
        word = Word(folded, position, start, end, is_symbol=match.lastgroup == "symbol")
        goes_on = match[0] == "_" or (chain and start - chain[-1].end == 1 and run[start - 1] in _JOINS)
        if (word.is_symbol and match[0] != "_") or not goes_on:
            found += _joined(chain)
            chain = []
        if not word.is_symbol:
            chain.append(word)
        found.append(word)
        position += 1
    found += _joined(chain)
    return tuple(found), position


_RUN = re.compile(r"\S+")
# Longer runs hardly come again.
_REMEMBERED = 30
_known_run = lru_cache(maxsize=2**16)(_words_of)


@lru_cache(maxsize=2**16)
def fold(text: str) -> str:
    """A text without case, accents and characters that are not seen; compatibility forms as their plain ones."""
    text = slugs.without_invisible(text)
    for _ in range(2):  # compatibility forms come apart into capitals (℡ into TEL)
        text = unicodedata.normalize("NFKD", text).casefold()
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).replace("и\u0306", "й"))
    return unicodedata.normalize("NFC", text.translate(slugs.PLAIN_LETTERS).replace("'", ""))


def _joined(chain: list[Word]) -> Iterator[Word]:
    """e-mail is found as email too, and O’Brien as obrien."""
    if len(chain) > 1 and all(word.text.isalpha() for word in chain):
        text = "".join(word.text for word in chain)[:MAX_WORD]
        yield Word(text, chain[0].position, chain[0].start, chain[-1].end, is_joined=True)


def _ranges(characters: list[int]) -> str:
    """Code points, ascending, as a pattern: two classes, since re looks fast only into those below U+10000."""
    found: list[list[int]] = []
    for code in characters:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    halves = ([each for each in found if each[0] < 0x10000], [each for each in found if each[0] >= 0x10000])
    low, high = ("".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in half) for half in halves)
    return rf"(?:[{low}]++|(?=[\U00010000-\U0010ffff])[{high}]++)"


# Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han, Hangul (whose particles hang on their words).
_DENSE_BLOCKS = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x2FDF),
    (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3041, 0x318F), (0x31A0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)  # fmt: skip
_MEANT = frozenset("%#&@_§")
_JOINS = frozenset("'’‘ʼ-‐‑_.")
UNJOINED = str.maketrans(dict.fromkeys(_JOINS))


def _classes() -> tuple[str, str, str]:
    """The characters of dense scripts, of words, and of symbols."""
    dense: list[int] = []
    word: list[int] = []
    symbol: list[int] = []
    blocks = {code for first, last in _DENSE_BLOCKS if last < 0x20000 for code in range(first, last + 1)}
    for code in range(0x20000):
        category = unicodedata.category(chr(code))
        if category[0] in "LNM" or category == "Cf":
            (dense if code in blocks else word).append(code)
        elif category[0] == "S" or chr(code) in _MEANT:
            symbol.append(code)
    dense += range(0x20000, 0x40000)
    return _ranges(dense), _ranges(word), _ranges(symbol)


_DENSE, _LETTERS, _SYMBOLS = _classes()
_TOKEN = re.compile(rf"(?P<word>{_LETTERS}++)|(?P<dense>{_DENSE}++)|(?P<symbol>{_SYMBOLS.replace('++', '')})")
# Combining marks that are accents: of Latin, Greek and Cyrillic, Hebrew points, Arabic vowels. Elsewhere they spell.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
