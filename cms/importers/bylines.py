"""Bylines as pages print them ("Jane Doe and John Smith, Reuters"), taken apart only where each part is a name."""

from __future__ import annotations

import re

from cms import slugs

_AGENCIES = frozenset(["afp", "ansa", "ap", "bloomberg", "dpa", "efe", "reuters", "upi", "xinhua"])
NOBILIARY = frozenset(
    [
        "al",
        "bin",
        "da",
        "de",
        "del",
        "della",
        "den",
        "der",
        "di",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "le",
        "van",
        "von",
        "zu",
    ]
)
_SUFFIX = re.compile(r"(?:jr|sr|[iv]{2,3}|ph\.?d|m\.?d|esq|obe|cbe|mbe|mp)\.?", re.IGNORECASE)
_ROLES = "editor|correspondent|reporter|writer|staff|bureau|columnist|analyst|contributor|producer|chief|journalist"
_ROLE = re.compile(rf"\b(?:{_ROLES})\b", re.IGNORECASE)
_NO_PERSON = re.compile(rf"\b(?:of|for|the|department|ministry|office|institute|council|{_ROLES})\b", re.IGNORECASE)
_AND = re.compile(r"\s+(?:and|&)\s+", re.IGNORECASE)


def split(byline: str, *known: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names in a byline (without its "By") and what is unclear about them; known names are never taken apart."""
    names: list[str] = []
    unclear: list[str] = []
    for part in _comma_parts(byline):
        if names and _ROLE.search(part) and not _AND.search(part):
            unclear.append(f"“{part}” was taken as a role and left out of the byline.")
        elif names and _SUFFIX.fullmatch(part):
            names[-1] += f", {part}"
        else:
            names += _and_parts(part, known)
    if len(names) > 1 and not all(_is_name(name, known) for name in names):
        return (byline,), (f"The byline “{byline}” may name one or several, so it was kept whole.",)
    if len(names) == 1 and _AND.search(names[0]) and not _is_known(names[0], known):
        unclear.append(f"The byline “{names[0]}” may name one or several, so it was kept whole.")
    return tuple(names), tuple(unclear)


def _comma_parts(byline: str) -> list[str]:
    # An Oxford comma would leave "and John Smith".
    parts = (re.sub(r"^(?:and|&)\s+", "", part.strip(), flags=re.IGNORECASE) for part in re.split(r"[,;]", byline))
    return [part for part in parts if part]


def _and_parts(text: str, known: tuple[str, ...]) -> list[str]:
    """Both sides of an "and" when each is surely a name: "Marks and Spencer" is one, "Trade and Industry" is none."""
    parts = [part.strip() for part in _AND.split(text)]
    return parts if not _is_known(text, known) and all(_is_name(part, known) for part in parts) else [text]


def _is_known(name: str, known: tuple[str, ...]) -> bool:
    key = slugs.identity(name)
    return key in _AGENCIES or any(key == slugs.identity(other) for other in known)


def _is_name(text: str, known: tuple[str, ...]) -> bool:
    """Whether it is a known name, or looks like a person's: two to five words with capitals, no office or role."""
    if _is_known(text, known):
        return True
    words = text.partition(",")[0].split()
    return 2 <= len(words) <= 5 and not _NO_PERSON.search(text) and all(map(_begins_a_name, words))


def _begins_a_name(word: str) -> bool:
    return word in NOBILIARY or (word[0].isalpha() and not word[0].islower())
