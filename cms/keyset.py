"""Pages of a list by keyset: each page starts behind the row that the cursor names, so that nothing is skipped or
repeated while rows come and go (Relay's cursor connections)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from tortoise import connections

from cms.errors import Invalid

MAX_PAGE = 100
DEFAULT_PAGE = 20


@dataclass(frozen=True, slots=True)
class Key:
    """One column that a list is ordered by. name stands in cursors; sql is a constant; nulls come last, both ways."""

    name: str
    sql: str
    type: type[Any]
    descending: bool = False
    nullable: bool = False


@dataclass(slots=True)
class Where:
    """An SQL condition that grows, with its parameters."""

    conditions: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def param(self, value: Any) -> str:
        self.params.append(value)
        return f"${len(self.params)}"

    def add(self, condition: str) -> None:
        self.conditions.append(condition)

    def copy(self) -> Where:
        return Where(list(self.conditions), list(self.params))

    def sql(self) -> str:
        return " and ".join(self.conditions) or "true"


@dataclass(frozen=True, slots=True)
class Paging:
    """A client's wish, checked: size rows forward (or backward) between two cursors."""

    size: int
    backward: bool
    after: str | None
    before: str | None

    @classmethod
    def of(cls, first: int | None, after: str | None, last: int | None = None, before: str | None = None) -> Paging:
        """Raises Invalid for both of first and last, or for a number outside 0..100."""
        if first is not None and last is not None:
            raise Invalid.field("last", "both", "Give first or last, not both.")
        for name, value in (("first", first), ("last", last)):
            if value is not None and not 0 <= value <= MAX_PAGE:
                raise Invalid.field(name, "range", f"{name} must be from 0 to {MAX_PAGE}.")
        size = first if first is not None else last if last is not None else DEFAULT_PAGE
        return cls(size, last is not None, after, before)


@dataclass(frozen=True, slots=True)
class Spread:
    """Terms, as an SQL array, each row of a list standing under one of them at least. source has the rows under a term,
    several times those under several, with t.term_id and columns to order by: a page of the list is made of a page
    under each term, so that rare terms are not looked for among all rows."""

    terms: str
    source: str
    keys: tuple[Key, ...]

    def rows(self, where: Where) -> str:
        return (
            f"unnest({self.terms}) q (term_id) cross join {self.source} where t.term_id = q.term_id and {where.sql()}"
        )

    def page(self, where: Where, backward: bool, limit: int) -> str:
        """The values of the keys, each row once."""
        columns = ", ".join(key.sql for key in self.keys)
        places = [str(number) for number, _ in enumerate(self.keys, 1)]
        return (
            f"select distinct page.* from unnest({self.terms}) q (term_id) cross join lateral ("
            f"select {columns} from {self.source} where t.term_id = q.term_id and {where.sql()} "
            f"order by {_order(self.keys, backward)} limit {limit}) page "
            f"order by {_order(self.keys, backward, places)} limit {limit}"
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """A list in full: what is selected from where, and its order, which ends in a unique key. known is a statement that
    answers the count, where it is kept."""

    select: str
    source: str
    where: Where
    keys: tuple[Key, ...]
    spread: Spread | None = None
    known: str | None = None

    def check(self, paging: Paging) -> None:
        """Raises Invalid for a cursor that is none of this list."""
        for name, cursor in (("after", paging.after), ("before", paging.before)):
            if cursor is not None:
                self._decode(name, cursor)

    async def page(self, paging: Paging) -> Page:
        sql, params = self.statement(paging, self.select)
        return self.page_of(await _fetch(sql, params), paging)

    def statement(self, paging: Paging, select: str, *, cursors: bool = True) -> tuple[str, list[Any]]:
        """What reads a page of these columns, and one row more: behind the columns stand those of the order, if the
        rows are to have cursors."""
        where, limit = self.where.copy(), paging.size + 1
        sorted_by = self.spread.keys if self.spread else self.keys
        for name, cursor, reverse in (("after", paging.after, False), ("before", paging.before, True)):
            if cursor is not None:
                where.add(_beyond(where, sorted_by, self._decode(name, cursor), reverse))
        order = [key.sql for key in self.keys] if cursors else []
        rows = f"select {', '.join((select, *order))} from {self.source}"
        if self.spread is None:
            sql = f"{rows} where {where.sql()} order by {_order(self.keys, paging.backward)} limit {limit}"
        else:
            places = [f"p.k{number}" for number, _ in enumerate(self.keys)]
            names = ", ".join(place.removeprefix("p.") for place in places)
            sql = (
                f"{rows} join ({self.spread.page(where, paging.backward, limit)}) p ({names}) "
                f"on {self.keys[-1].sql} = {places[-1]} order by {_order(self.keys, paging.backward, places)}"
            )
        return sql, where.params

    def page_of(self, rows: list[Any], paging: Paging) -> Page:
        """The page of the rows that its statement read."""
        more = len(rows) > paging.size
        rows = rows[: paging.size]
        if paging.backward:
            rows.reverse()
        return Page(self, paging, rows, more)

    def rows(self, where: Where | None = None) -> str:
        """What follows "from" for all rows of the list; a row comes several times where the list is spread."""
        where = where or self.where
        return self.spread.rows(where) if self.spread else f"{self.source} where {where.sql()}"

    async def count(self) -> int:
        counted = f"distinct {self.select}" if self.spread else "*"
        rows = await _fetch(self.known or f"select count({counted}) from {self.rows()}", self.where.params)
        return int(rows[0][0])

    async def any_up_to(self, cursor: str, reverse: bool) -> bool:
        """Whether a row stands at the cursor or on the side that a page beyond it leaves out."""
        where = self.where.copy()
        sorted_by = self.spread.keys if self.spread else self.keys
        beyond = _beyond(where, sorted_by, self._decode("after", cursor), reverse)
        where.add(f"({beyond}) is not true")  # not false: a comparison with null is neither
        rows = await _fetch(f"select exists (select from {self.rows(where)})", where.params)
        return bool(rows[0][0])

    @property
    def _signature(self) -> str:
        return ",".join(f"{'-' if key.descending else ''}{key.name}" for key in self.keys)

    def cursor(self, row: Sequence[Any]) -> str:
        """Of a row of a page's statement."""
        values = tuple(row)[-len(self.keys) :]
        plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
        plain = [str(value) if isinstance(value, UUID) else value for value in plain]
        return base64.urlsafe_b64encode(orjson.dumps([self._signature, *plain])).rstrip(b"=").decode()

    def _decode(self, name: str, cursor: str) -> list[Any]:
        """The values of a cursor of this very order; one of another order is as unknown as garbage."""
        try:
            raw = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
            signature, *values = raw
            if signature != self._signature:
                raise ValueError(cursor)
            return [_typed(key, value) for key, value in zip(self.keys, values, strict=True)]
        except (binascii.Error, ValueError, TypeError):
            raise Invalid.field(
                name, "cursor", f"{name} is not a cursor of this list in this order; start again without it."
            ) from None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, in its order, with a cursor each; behind the selected columns stand those of the order."""

    listing: Listing
    paging: Paging
    rows: list[Sequence[Any]]
    more: bool

    @property
    def cursors(self) -> list[str]:
        return [self.listing.cursor(row) for row in self.rows]

    async def has_next(self) -> bool:
        if self.more and not self.paging.backward:
            return True
        return self.paging.before is not None and await self.listing.any_up_to(self.paging.before, reverse=True)

    async def has_previous(self) -> bool:
        if self.more and self.paging.backward:
            return True
        return self.paging.after is not None and await self.listing.any_up_to(self.paging.after, reverse=False)


async def _fetch(sql: str, params: list[Any]) -> list[Any]:
    return list((await connections.get("default").execute_query(sql, params))[1])


def _order(keys: tuple[Key, ...], backward: bool, columns: Sequence[str] | None = None) -> str:
    """columns: other names for what the keys hold."""
    columns = columns or [key.sql for key in keys]
    return ", ".join(_order_key(column, key, backward) for column, key in zip(columns, keys, strict=True))


def _order_key(column: str, key: Key, backward: bool) -> str:
    direction = "desc" if key.descending != backward else "asc"
    if not key.nullable:  # says nothing of nulls, so that a plain index serves both directions
        return f"{column} {direction}"
    return f"{column} {direction} nulls {'first' if backward else 'last'}"


def _beyond(where: Where, keys: tuple[Key, ...], values: list[Any], reverse: bool) -> str:
    """The condition that a row stands behind the one with these values (reverse: before it)."""
    if not any(key.nullable for key in keys) and len({key.descending for key in keys}) == 1:
        sign = "<" if keys[0].descending != reverse else ">"
        return f"({', '.join(k.sql for k in keys)}) {sign} ({', '.join(where.param(v) for v in values)})"
    alternatives = []
    for i, (key, value) in enumerate(zip(keys, values, strict=True)):
        ties = [_equal(where, k, v) for k, v in zip(keys[:i], values[:i], strict=True)]
        alternatives.append(" and ".join((*ties, _past(where, key, value, reverse))))
    return "(" + " or ".join(f"({alternative})" for alternative in alternatives) + ")"


def _equal(where: Where, key: Key, value: Any) -> str:
    return f"{key.sql} is null" if value is None else f"{key.sql} = {where.param(value)}"


def _past(where: Where, key: Key, value: Any, reverse: bool) -> str:
    if value is None:
        return f"{key.sql} is not null" if reverse else "false"
    past = f"{key.sql} {'<' if key.descending != reverse else '>'} {where.param(value)}"
    return past if reverse or not key.nullable else f"({past} or {key.sql} is null)"


def _typed(key: Key, value: Any) -> Any:
    if value is None:
        if not key.nullable:
            raise ValueError(key.name)
        return None
    if key.type is UUID:
        return UUID(value)
    if key.type is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    if type(value) is not key.type:
        raise ValueError(value)
    if key.type is int and not -(2**63) <= value < 2**63:
        raise ValueError(value)
    if key.type is str:
        value.encode()
        if "\0" in value:
            raise ValueError(value)
    return value
