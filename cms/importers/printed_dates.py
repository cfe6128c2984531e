"""Dates as pages print them ("Tuesday, 18th June 2024"), read strictly: what can mean two days means none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from cms import slugs

_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january jan januar janner janvier enero",
            "february feb februar fevrier febrero",
            "march mar marz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug aout agosto",
            "september sep sept septembre septiembre setiembre",
            "october oct oktober octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember decembre diciembre",
        ],
        start=1,
    )
    for name in names.split()
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        [
            "monday mon montag lundi lunes",
            "tuesday tue tues dienstag mardi martes",
            "wednesday wed mittwoch mercredi miercoles",
            "thursday thu thur thurs donnerstag jeudi jueves",
            "friday fri freitag vendredi viernes",
            "saturday sat samstag sonnabend samedi sabado",
            "sunday sun sonntag dimanche domingo",
        ]
    )
    for name in names.split()
}

_DAY = r"(?P<{0}>\d{{1,2}})(?!\d)(?:\s?(?:st|nd|rd|th)|er|º|\.)?"
_WORD = r"(?P<{0}>[^\W\d_]{{3,10}})\.?"
# "18 June 10:30" has no year but a time.
_YEAR = r"(?:,?\s+(?:de\s+|del\s+)?(?P<{0}>\d{{4}}|['’]?\d\d)(?![\w:]))?"
_DATE = re.compile(
    rf"(?:\b{_WORD.format('weekday')},?\s+(?:the\s+)?)?(?<![\w.,/-])(?:"
    rf"{_DAY.format('day')}[\s-]+(?:of\s+|de\s+)?{_WORD.format('month')}(?:-(?P<year0>\d{{4}})\b|{_YEAR.format('year')})"
    rf"|{_WORD.format('month2')}\s+{_DAY.format('day2')}{_YEAR.format('year2')}"
    rf"|{_WORD.format('month3')}\s+(?P<year3>\d{{4}})\b"
    r"|(?P<n1>\d{1,4})(?P<sep>[-/.])(?P<n2>\d{1,2})(?P=sep)(?P<n3>\d{1,4})(?!\d)"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PrintedDate:
    """A date in a line of text: where it stands, the day that it means, and what is unclear about it."""

    start: int
    end: int
    day: date | None
    doubt: str | None = None


def find(line: str) -> PrintedDate | None:
    """The first date in the line; its day is None where it is no day, has no full year, or could be two days."""
    at = 0
    while match := _DATE.search(line, at):
        found = _read(match)
        if found:
            return found
        at = match.start() + 1
    return None


def _read(match: re.Match[str]) -> PrintedDate | None:
    part = match.groupdict()
    if part["n1"]:
        return _numeric(match)
    month = _MONTHS.get(_plain(part["month"] or part["month2"] or part["month3"]))
    if not month:
        return None
    weekday = _WEEKDAYS.get(_plain(part["weekday"])) if part["weekday"] else None
    start = match.start() if weekday is not None or not part["weekday"] else match.end("weekday")
    printed = match.string[start : match.end()].strip()
    if part["month3"]:
        return PrintedDate(start, match.end(), None, f"The date “{printed}” names no day, so no date was taken.")
    year = part["year0"] or part["year"] or part["year2"] or ""
    if len(year) != 4:
        reason = "gives its year in two digits" if year else "names no year"
        return PrintedDate(start, match.end(), None, f"The date “{printed}” {reason}, so no date was taken.")
    return _day(match, start, (int(year), month, int(part["day"] or part["day2"])), weekday)


def _numeric(match: re.Match[str]) -> PrintedDate | None:
    a, b, c = match["n1"], match["n2"], match["n3"]
    start, printed = match.start("n1"), match.string[match.start("n1") : match.end()]
    if len(a) == 4 and len(c) <= 2:
        return _day(match, start, (int(a), int(b), int(c)), None)
    if len(a) > 2 or len(c) == 3 or len(c) == 1:
        return None
    if len(c) == 2:
        return PrintedDate(start, match.end(), None, f"The date “{printed}” gives no full year, so no date was taken.")
    first, second = int(a), int(b)
    if first <= 12 and second <= 12 and first != second:
        doubt = f"The date “{printed}” can be two days, with the day or the month first, so no date was taken."
        return PrintedDate(start, match.end(), None, doubt)
    month, day = (second, first) if first > 12 else (first, second)
    return _day(match, start, (int(c), month, day), None)


def _day(match: re.Match[str], start: int, ymd: tuple[int, int, int], weekday: int | None) -> PrintedDate:
    printed = match.string[start : match.end()].strip()
    try:
        day = date(*ymd)
    except ValueError:
        return PrintedDate(start, match.end(), None, f"“{printed}” is not a day of the calendar, so no date was taken.")
    doubt = None
    if weekday is not None and day.weekday() != weekday:
        doubt = f"“{printed}” was taken as the date, though its day of the week is another."
    return PrintedDate(start, match.end(), day, doubt)


def _plain(word: str) -> str:
    return slugs.slugify(word, "")
