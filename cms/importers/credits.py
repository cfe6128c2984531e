"""The lines of a page's head that say when, by whom and in which section ("18th June 2024 By Jane Doe Conflict")."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

from cms import slugs
from cms.importers import bylines, printed_dates

_LONGEST = 200
_EDGE = " \t,;:|•·/–—-"
_BY = re.compile(r"(?:(?:written|posted|published|reported|words)\s+)?by\b:?\s+(?P<rest>\S.*)", re.IGNORECASE)
_GLUE = re.compile(
    r"(?:(?:first\s+)?(?:published|posted)|dated?)?(?:\s*:|\s+on|\s+at)?(?:\s*\bthe)?|on(?:\s+the)?", re.IGNORECASE
)
_ON = re.compile(r"\s+on(?:\s+the)?$", re.IGNORECASE)
_UPDATED = re.compile(r"(?:last\s+)?(?:updated|modified|edited)(?:\s*:|\s+on|\s+at)?", re.IGNORECASE)
_TIME = re.compile(
    r"(?:[,\s|-]*(?:(?i:at)\s+)?|T)\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:\.\d+)?)?\s*(?i:[ap]\.?m\b\.?)?"
    r"\s*(?:Z\b|[+-]\d{2}:?\d{2}|(?!BY\b|IN\b)[A-Z]{2,5}\b)?"
)
_AGO = re.compile(
    r"(?:(?:published|posted|updated)\s+)?(?:(?:\d+|an?)\s+(?:minute|hour|day|week|month|year)s?\s+ago|yesterday|today)",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"(?:filed\s+under|posted\s+in)\s*:?\s+(.+)|(?:section|category|categories)\s*:\s*(.+)", re.IGNORECASE
)
_BREADCRUMB = re.compile(r"home\s*[>»›/]\s*(.+)", re.IGNORECASE)
_DIVIDERS = ("|", "•", "·", "/", "–", "—", "-")
_DIVIDER = re.compile(r"\s*[|•·]\s*|\s+[-–—/]\s+")
_LOWER_CASE_IN_BYLINES = frozenset(["and", "by", "for", "in", "of", "the", "with"]) | bylines.NOBILIARY


class Credits:
    """Date, names and section as the lines read so far give them."""

    def __init__(self, sections: Collection[str]) -> None:
        self.day: date | None = None
        self.names: list[str] = []
        self.section: str | None = None
        self._known_sections = {slugs.identity(name): name for name in sections}
        self._dated = False
        self._date_doubt: str | None = None
        self._run_on: str | None = None  # a byline that may end in a section
        self._doubts: list[str] = []

    @property
    def complete(self) -> bool:
        return self._dated and bool(self.names)

    def unclear(self) -> list[str]:
        missing = []
        if not self._dated:
            missing.append("No date was found.")
        if not self.names:
            missing.append("No byline was found.")
        if not self.section:
            run_on = f"; perhaps the byline “{self._run_on}” ends in one" if self._run_on else ""
            missing.append(f"No section was found{run_on}.")
        return [*filter(None, [self._date_doubt]), *self._doubts, *missing]

    def read(self, line: str, site_name: str) -> bool:
        """Whether the line is one of these; what it says is then taken over."""
        if len(line) > _LONGEST:
            return False
        return self._read_section(line) or self._read_date(line, site_name) or self._read_byline(line, site_name)

    def take_section(self, text: str, doubt: str | None = None) -> bool:
        """Takes a section when there is none yet; the doubt is reported unless the name is known."""
        if self.section is not None:
            return False
        known = self._known_sections.get(slugs.identity(text))
        self.section = known or slugs.clean_line(text)
        if doubt and not known:
            self._doubts.append(doubt)
        return True

    def _read_section(self, line: str) -> bool:
        if crumbs := _BREADCRUMB.fullmatch(line):
            self.take_section(re.split(r"\s*[>»›/]\s*", crumbs[1])[0])
            return True
        if named := _SECTION.fullmatch(line):
            self.take_section(named[1] or named[2])
            return True
        return False

    def _read_date(self, line: str, site_name: str) -> bool:
        if _AGO.fullmatch(line.strip(_EDGE)):
            self._take_date(None, f"“{line}” names no day, so no date was taken.")
            return True
        found = printed_dates.find(line)
        if not found:
            return False
        left, right = line[: found.start], line[found.end :]
        divided = left.rstrip().endswith(_DIVIDERS)
        before = _ON.sub("", _TIME.sub("", left).strip(_EDGE))
        after = right[time.end() if (time := _TIME.match(right)) else 0 :].strip(_EDGE)
        if _UPDATED.fullmatch(before):
            return self._read_update(line, after)
        texts = [*_apart(before), *_apart(after)]
        if before and not divided and not _GLUE.fullmatch(before) and not _names_somebody(_apart(before)[-1]):
            return False
        if not all(_GLUE.fullmatch(text) or _can_stand_beside_date(text) for text in texts):
            return False
        self._take_date(found.day, found.doubt)
        for text in texts:
            self._read_beside_date(text, site_name)
        return True

    def _read_update(self, line: str, after: str) -> bool:
        if after:
            return False
        if not self._dated:
            self._doubts.append(f"“{line}” is the day of a change; that of publication was not taken from it.")
        return True

    def _read_beside_date(self, text: str, site_name: str) -> None:
        if by := _BY.fullmatch(text):
            self._take_byline(by["rest"], site_name, beside_date=True)
        elif _is_short(text) and not _GLUE.fullmatch(text) and not _same(text, site_name):
            self.take_section(text, f"“{text}”, beside the date, was taken as the section.")

    def _take_date(self, day: date | None, doubt: str | None) -> None:
        """The first date is kept, unless it was not plain and another is."""
        if self.day is None:
            self.day = day
            self._date_doubt = doubt
        elif day != self.day:
            self._date_doubt = "The page shows several dates; the first one was kept."
        self._dated = True

    def _read_byline(self, line: str, site_name: str) -> bool:
        if not _names_somebody(line):
            return False
        by = _BY.fullmatch(line)
        self._take_byline(by["rest"] if by else "", site_name, beside_date=False)
        return True

    def _take_byline(self, text: str, site_name: str, *, beside_date: bool) -> None:
        printed, *others = _DIVIDER.split(text.strip(_EDGE))
        for other in filter(None, others):
            self._take_behind_byline(other, site_name)
        printed, _, place = printed.partition(" in ")
        if place and slugs.identity(place) in self._known_sections:
            self.take_section(place)
        elif place:
            self._doubts.append(f"“in {place}”, behind the byline, may be a place or a section; it was left out.")
        names, doubts = bylines.split(self._without_section(printed, site_name), site_name)
        self.names += [name for name in map(slugs.clean_line, names) if name not in self.names]
        self._doubts += doubts
        # Beside a date even two words may be a name and a section; alone on a line they are a person.
        longest = 1 if beside_date else 2
        if names and not others and not place and names[-1] != site_name and len(names[-1].split()) > longest:
            self._run_on = names[-1]

    def _take_behind_byline(self, text: str, site_name: str) -> None:
        if _same(text, site_name):
            return
        if not _is_short(text) or not self.take_section(
            text, f"“{text}”, behind the byline, was taken as the section."
        ):
            self._doubts.append(f"“{text}”, behind the byline, was left out.")

    def _without_section(self, text: str, site_name: str) -> str:
        """A byline without the section that runs on behind it, where the site's or a section's name shows the seam."""
        words = text.split()
        site = len(site_name.split())
        if site and _same(" ".join(words[:site]), site_name):
            behind = words[site:]
            if 1 <= len(behind) <= 4 and behind[0].lower() not in ("and", "&"):
                self.take_section(" ".join(behind))
                return " ".join(words[:site])
        for at in range(1, len(words)):
            if slugs.identity(" ".join(words[at:])) in self._known_sections:
                self.take_section(" ".join(words[at:]))
                return " ".join(words[:at])
        return text


def _same(name: str, other: str) -> bool:
    return slugs.identity(name) == slugs.identity(other)


def _apart(text: str) -> list[str]:
    """A section that stands before the byline, and the byline: "Weather | By Jane Doe", "Weather By Jane Doe"."""
    seam = re.fullmatch(r"(.{1,60}?)[\s|•·/–—-]+(by\b.+)", text, re.IGNORECASE)
    return [seam[1], seam[2]] if seam and _is_short(seam[1]) and not _GLUE.fullmatch(seam[1]) else [text]


def _can_stand_beside_date(text: str) -> bool:
    return not text or bool(_UPDATED.match(text)) or _names_somebody(text) or _is_short(text)


def _is_short(text: str) -> bool:
    return bool(text) and text[0].isalpha() and len(text.split()) <= 3 and len(text) <= 40 and text[-1] not in ".!?…"


def _names_somebody(text: str) -> bool:
    """Whether it is "By" and names, and not a headline that begins with the word ("By the numbers: how …")."""
    by = _BY.fullmatch(text)
    if not by or ":" in by["rest"] or text[-1] in "!?…":
        return False
    words = _DIVIDER.sub(" ", by["rest"]).split()
    capitals = sum(not word[0].islower() for word in words)
    named = all(not word[0].islower() or word in _LOWER_CASE_IN_BYLINES for word in words)
    return len(words) <= 14 and (len(words) == 1 or (named and capitals > 1) or (named and len(words) <= 3))
