"""Reads the plain text of a scraped article page: site name, date, byline, section, headline, paragraphs.

Nothing is guessed silently: what the page does not make plain is listed in Page.unclear, one sentence each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from cms import slugs
from cms.errors import Invalid
from cms.importers import furniture
from cms.importers.credits import Credits

MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Page:
    """An article as its page shows it. Paragraphs are kept to the letter; the other texts are clean lines."""

    site_name: str
    date: date | None
    byline: tuple[str, ...]
    section: str | None
    headline: str
    paragraphs: tuple[str, ...]
    related: tuple[str, ...] = ()
    furniture: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, with or without a byte order mark, or UTF-16 with one. Raises Invalid for others."""
    if len(data) > MAX_BYTES:
        raise Invalid.field("file", "TOO_LARGE", f"The file is larger than {MAX_BYTES:,} bytes: that is no article.")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise Invalid.field("file", "ENCODING", "The file is not text in UTF-8 (or UTF-16 with a mark).") from None


def parse(text: str, *, sections: Collection[str] = ()) -> Page:
    """The article on a page; known section names help to tell a byline from a section that runs on behind it.

    Raises Invalid when the text has no site name, headline and paragraphs in it, or is no text at all.
    """
    if not text.strip("\ufeff \t\r\n"):
        raise Invalid.field("file", "EMPTY", "The file is empty.")
    if "\x00" in text or 100 * len(_CONTROLS.findall(text)) > len(text):
        raise Invalid.field("file", "NOT_TEXT", "The file is not plain text.")
    reading = _Reading(sections)
    for block in _blocks(text):
        reading.read(block)
    return reading.page()


def import_key(page: Page) -> str:
    """What the same page always gives and another does not: a hash of site, day and headline.

    Without a day the first paragraph takes its place, since "Morning briefing" is the headline of many stories.
    """
    day = page.date.isoformat() if page.date else slugs.identity(page.paragraphs[0])
    parts = (slugs.identity(page.site_name), day, slugs.identity(page.headline))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_FINISHED = re.compile(r"[.!?…。！？।۔؟][\"'”’»›」』)\]]*$")
_STATEMENT = re.compile(r"[.。।۔][\"'”’»›」』)\]]*$")
_TEASER = re.compile(r"(?:…|\.\.\.|\[…\]|\[\.\.\.\])$")
_LONG = 140  # a headline is seldom longer
_WRAPPED = 160  # a line wrapped by hand is never longer
_LABEL_WORDS = 3


def _blocks(text: str) -> Iterator[list[str]]:
    """The lines that stand together between blank ones."""
    block: list[str] = []
    for raw in [*re.split(r"\r\n|[\n\r\f\x0b\x85\u2028\u2029]", text), ""]:
        line = raw.strip().strip("\ufeff\u200b").strip()
        if line:
            block.append(line)
        elif block:
            yield block
            block = []


def _joined(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        # Japanese and Chinese have no spaces between words.
        gap = "" if "\u3000" <= text[-1] <= "\u9fff" and "\u3000" <= line[0] <= "\u9fff" else " "
        text += gap + line
    return text


def _word_count(text: str) -> int:
    return max(len(text.split()), sum("\u3040" <= c <= "\u9fff" for c in text) // 2)


def _is_label(text: str) -> bool:
    """Whether it is short enough for the name of a section."""
    short = _word_count(text) <= _LABEL_WORDS and len(text) <= 40
    return short and text[:1].isalpha() and text[-1:].isalnum()


def _is_prose(text: str) -> bool:
    return len(text) >= _LONG or bool(_FINISHED.search(text) and (len(text.split()) >= 8 or len(text) >= 60))


class _Reading:
    """What was made out so far. Blocks are read in their order: the head, the text, and what follows it."""

    def __init__(self, sections: Collection[str]) -> None:
        self.credits = Credits(sections)
        self.site_name: str | None = None
        self.titles: list[str] = []  # short lines of the head: one of them is the headline
        self.headline: str | None = None
        self.paragraphs: list[str] = []
        self.ended_by: str | None = None  # the line that ended the text: "Related Posts", "3 comments"
        self.related: list[str] = []
        self.furniture: list[str] = []
        self.unclear: dict[str, None] = {}

    def read(self, block: list[str]) -> None:
        lines: list[str] = []
        for line in block:
            if self._is_wrapped_text(lines):
                lines.append(line)
            elif self._ends_text(line):
                self._take(lines)
                lines = []
                self.ended_by = line
                self.furniture.append(line)
            elif furniture.is_furniture(line) or furniture.begins_related(line):
                self.furniture.append(line)
            else:
                lines.append(line)
        self._take(lines)

    def page(self) -> Page:
        if self.headline is None:
            self._choose_headline(None)
        if not self.headline:
            problem = (
                "No headline was found: the page should begin with the site's name, and have a headline of one line."
            )
            raise Invalid.field("file", "NO_HEADLINE", problem)
        if not self.paragraphs:
            raise Invalid.field("file", "NO_PARAGRAPHS", "No text was found below the headline.")
        if not self.site_name:
            self._doubt("The page does not begin with the name of its site.")
        return Page(
            site_name=self.site_name or "",
            date=self.credits.day,
            byline=tuple(self.credits.names),
            section=self.credits.section,
            headline=self.headline,
            paragraphs=tuple(self.paragraphs),
            related=tuple(self.related),
            furniture=tuple(self.furniture),
            unclear=(*self.credits.unclear(), *self.unclear),
        )

    def _doubt(self, sentence: str) -> None:
        self.unclear[sentence] = None

    def _is_wrapped_text(self, lines: list[str]) -> bool:
        """Inside a paragraph that was wrapped by hand, a line that says "Print" is text."""
        in_text = self.ended_by is None and (self.headline is not None or bool(self.titles))
        return in_text and bool(lines) and len(lines[-1]) > 40 and not _FINISHED.search(lines[-1])

    def _ends_text(self, line: str) -> bool:
        ends = furniture.begins_related(line) or furniture.begins_comments(line)
        return ends and (self.headline is not None or len(self.titles) > 1)

    def _take(self, lines: list[str]) -> None:
        if self.ended_by is not None:
            lines = [line for line in lines if not self._take_after_text(line)]
        elif self._in_head():
            lines = [line for line in lines if not self._take_head_line(line)]
        for text in self._texts(lines):
            self._take_text(text)

    def _in_head(self) -> bool:
        """A standfirst may stand above date and byline, so the head can go on below one paragraph."""
        return len(self.paragraphs) < 2 and not (self.headline is not None and self.credits.complete)

    def _take_head_line(self, line: str) -> bool:
        """The name of the site, or a line of date, byline and section; False for a text."""
        if self.credits.read(line, self.site_name or ""):
            self.site_name = self.site_name or ""
            for paragraph in self.paragraphs:
                self._doubt(f"“{paragraph}” stands above the date or byline; it was taken as the first paragraph.")
        elif self.site_name is None:
            self.site_name = slugs.clean_line(line)
            if len(line) > 60:
                self._doubt(f"“{self.site_name}”, the first line, was taken as the name of the site.")
        else:
            return False
        return True

    def _take_after_text(self, line: str) -> bool:
        """Headlines of other stories, or readers' words; False when the story goes on."""
        if furniture.begins_comments(self.ended_by or ""):
            self._doubt(f"What stands below “{self.ended_by}” was left out.")
            self.furniture.append(line)
        elif _TEASER.search(line) or Credits(()).read(line, ""):
            self.furniture.append(line)
        elif len(line) > 200 or (_STATEMENT.search(line) and len(line.split()) >= 12):
            self._doubt(f"The text goes on below “{self.ended_by}”; what follows was taken as part of the story.")
            self.ended_by = None
            return False
        else:
            self.related.append(slugs.clean_line(line))
        return True

    def _texts(self, lines: list[str]) -> Iterator[str]:
        """The lines of a block as texts: wrapped ones joined, but a label above a headline alone."""
        if len(lines) > 1 and self.headline is None and _is_label(lines[0]):
            yield lines.pop(0)
        if len(lines) > 1 and max(map(len, lines)) > _WRAPPED:
            self._doubt("Lines stand together without a blank line; each was taken as a paragraph of its own.")
            yield from lines
        elif lines:
            yield _joined(lines)

    def _take_text(self, text: str) -> None:
        key = slugs.identity(text)
        if key in (slugs.identity(self.site_name or ""), slugs.identity(self.headline or "")):
            self.furniture.append(text)
        elif self.headline is not None:
            self._add_paragraph(text)
        elif _is_prose(text):
            self._choose_headline(text)
        else:
            self.titles.append(text)

    def _add_paragraph(self, text: str) -> None:
        kept = _CONTROLS.sub("", text)
        if kept != text:
            self._doubt("Control characters and characters that could not be read were left out of the text.")
        if kept:
            self.paragraphs.append(kept)

    def _choose_headline(self, prose: str | None) -> None:
        """The headline is the first of the short lines, less a label above it; the others begin the text."""
        texts = [*self.titles, prose] if prose else self.titles
        first, second = (*texts, "", "")[:2]
        if first == prose and len(first) > _LONG:
            first, texts = "", []
        elif _is_label(first) and self._is_headline_below(second):
            self._take_label(first)
            first, texts = second, texts[1:]
        elif second == prose and _is_label(first) and len(second) <= _LONG:
            self._doubt(f"“{first}” was taken as the headline and “{second}” as the first paragraph.")
        elif _STATEMENT.search(first):
            self._doubt(f"“{first}” was taken as the headline, since it stands first.")
        self.headline = slugs.clean_line(first)
        for text in texts[1:]:
            self._add_paragraph(text)

    def _is_headline_below(self, text: str) -> bool:
        """Whether a text under a label is longer than one, and no sentence of a story."""
        return _word_count(text) > _LABEL_WORDS and len(text) <= _LONG and not _STATEMENT.search(text)

    def _take_label(self, label: str) -> None:
        if not self.credits.take_section(label, f"“{label}”, the line above the headline, was taken as the section."):
            self.furniture.append(label)
            if slugs.identity(label) != slugs.identity(self.credits.section or ""):
                self._doubt(f"“{label}”, the line above the headline, is not the section; it was left out.")
