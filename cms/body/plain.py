"""A body as plain text, the number of its words, and excerpts."""

from __future__ import annotations

from math import ceil

import regex

from cms.body import inline
from cms.body.schema import Document, Node

WORDS_PER_MINUTE = 238
CHARACTERS_PER_MINUTE = 500


def text(document: Document) -> str:
    """What is read in the flow, paragraphs parted by an empty line, list items and rows by a line end, cells by a tab.

    Images, embeds and links to stories have no text here: their captions belong to them.
    """
    return "\n\n".join(filter(None, map(block_text, document.get("content", ()))))


def block_text(node: Node) -> str:
    """The text of one block."""
    if inline.is_blank(node):
        return ""
    kind = node["type"]
    if kind in ("paragraph", "heading", "codeBlock"):
        return inline.plain(node).strip("\n")
    if kind == "tableRow":
        cells = (" ".join(block_text(cell).split()) for cell in node.get("content", ()))
        return "\t".join(cells).strip()
    parted = "\n\n" if kind == "blockquote" else "\n"
    return parted.join(filter(None, map(block_text, node.get("content", ()))))


_IDEOGRAPHS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}"
_UNSPACED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(rf"([{_IDEOGRAPHS}])|([{_UNSPACED}]+)|[^\s\u200b{_IDEOGRAPHS}{_UNSPACED}]+")
_UNUSUAL = regex.compile(rf"[\u200b{_IDEOGRAPHS}{_UNSPACED}]")
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}]")
_LETTER = regex.compile(r"\p{L}")


def word_count(document: Document) -> int:
    """Words as newsrooms and word processors count them.

    What white space parts is a word if it has a letter or digit. Each Chinese or Japanese character is one; Korean
    has spaces. Thai, Lao, Khmer and Burmese have none between words: every four letters, vowel signs not counted,
    make one.
    """
    return sum(_count(text(document)))


def reading_minutes(document: Document) -> int:
    """Whole minutes, rounded up, at 238 words or 500 Chinese or Japanese characters a minute; 0 for no words."""
    words, ideographs = _count(text(document))
    return ceil(words / WORDS_PER_MINUTE + ideographs / CHARACTERS_PER_MINUTE)


def _count(text: str) -> tuple[int, int]:
    """Words, and Chinese and Japanese characters."""
    words = ideographs = 0
    if not _UNUSUAL.search(text):  # the quick way, for most of the world's text
        return sum(any(map(str.isalnum, word)) for word in text.split()), 0
    for token in _TOKEN.finditer(text):
        if token[1]:
            ideographs += bool(_LETTER_OR_DIGIT.match(token[1]))
        elif token[2]:
            words += ceil(len(_LETTER.findall(token[2])) / 4)
        else:
            words += bool(_LETTER_OR_DIGIT.search(token[0]))
    return words, ideographs


def excerpt(source: Document | str, length: int = 160) -> str:
    """The beginning on one line, of at most that many characters, the ellipsis of a cut included.

    It is cut between words; where a script has no spaces or a word alone is too long, between characters as readers
    see them; an address is never cut. Of a document it is the prose: headings, code and tables are passed over while
    there is any.
    """
    whole = " ".join((source if isinstance(source, str) else _prose(source)).split())
    if len(whole) <= length:
        return whole
    if length < 1:
        return ""
    cut = _cut(whole, length - 1).rstrip()
    return _LOOSE_END.sub("", cut) + "…"


_BREAK = regex.compile(rf"\s+|(?<=[{_IDEOGRAPHS}{_UNSPACED}])|(?=[{_IDEOGRAPHS}{_UNSPACED}])")
_LOOSE_END = regex.compile(r"[\s,;:–—\-(\[“‘«、，；：]+$")
_ADDRESS = regex.compile(r"\S*(?:://|www\.)\S*$")


def _cut(text: str, room: int) -> str:
    """The longest beginning of whole words, or else of whole characters, that fits."""
    fits = 0
    last_break = 0
    for character in regex.finditer(r"\X", text[: room + 64]):
        if character.end() > room:
            break
        fits = character.end()
        if fits == len(text) or _BREAK.match(text, fits):
            last_break = fits
    if last_break:
        return text[:last_break]
    return "" if _ADDRESS.match(text[: room + 1]) else text[:fits]


def _prose(document: Document) -> str:
    blocks = [node for node in document.get("content", ()) if node["type"] not in ("heading", "codeBlock", "table")]
    return "\n".join(filter(None, map(block_text, blocks))) or text(document)
