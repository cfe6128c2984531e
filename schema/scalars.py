"""The API's own scalars, and opaque ids on their way in and out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, NewType
from uuid import UUID

import strawberry
from strawberry.types.scalar import ScalarDefinition

from cms import ids

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")


def parse_instant(value: Any) -> datetime:
    """RFC 3339 with an offset; anything less would mean another instant to each reader."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("Give an instant with its offset, such as 2027-03-29T07:30:00+02:00 or 2027-03-29T05:30:00Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"There is no such instant: {value}.") from None


def print_instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_big_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise ValueError("Give a whole number of at most 2^53.")
    return value


BigInt = NewType("BigInt", int)

SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, RFC 3339. An offset is required on input; output is UTC with Z.",
        serialize=print_instant,
        parse_value=parse_instant,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number up to 2^53, as a JSON number (file sizes).",
        serialize=lambda value: value,
        parse_value=_parse_big_int,
    ),
}

# Never the key of anything: what an id that is unknown, of another type or garbage becomes.
NOTHING = UUID(int=0)


def key(kind: str, id: str) -> UUID:
    """The key behind an opaque id; NOTHING for one of another type or for garbage."""
    return ids.decode_as(kind, id) or NOTHING


def described(text: str, **more: Any) -> Any:
    """An argument's description, for Annotated[…]."""
    return strawberry.argument(description=text, **more)


First = Annotated[int | None, described("How many from the front; 0 to 100, by default 20.")]
After = Annotated[str | None, described("Only what comes behind this cursor.")]
Last = Annotated[int | None, described("How many from the end, instead of first; 0 to 100.")]
Before = Annotated[str | None, described("Only what comes before this cursor.")]
