"""What many stories point at: the site, its sections, tags, authors and files. They are few and change seldom, so rows
are kept in memory, as they are, until something happens to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from graphql import SelectionSetNode
from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.base import Field
from tortoise.models import Model

from cms import clock, paths
from cms.models import Author, Media, Section, Site, Tag
from cms.paths import MAX_SLUG
from cms.permissions import PUBLIC, Perspective, visible
from schema.plan.keys import Changes
from schema.plan.reading import MARK, Reading, Source
from schema.plan.selection import Compiler, is_pure, to_json

# Rows of one kind: files are many, and it is the new ones that are shown.
_MOST = 20_000
# Bytes of cards, with what they cost besides.
_MOST_OF_CARDS = 16 * 1024**2
# Places of documents that may have cards, or something printed: of documents that are not asked for any more, nobody
# else tells.
_MOST_PLACES = 2_000
# So many readings in a row found all cards that they looked for: the next one counts on it. One that did not weighs as
# much as so many that did: what it costs more is some times what they cost less.
_STREAK, _ERROR = 16, 8
# So many cards are made at a place before any of them need have been of use.
_CREDIT = 200
# What one place has printed.
_MOST_PRINTED = 4_096
# Fields whose values are what asyncpg makes of their columns.
_PLAIN = {
    *(fields.BigIntField, fields.BinaryField, fields.BooleanField, fields.CharField, fields.DatetimeField),
    *(fields.FloatField, fields.IntField, fields.TextField, fields.UUIDField, ArrayField),
}


class Card(NamedTuple):
    """A story as it stands at one place of documents, printed, or None for one that is not live; of what, as of which
    turn (schema.plan.keys), and until when at most."""

    json: orjson.Fragment | None
    turn: int
    keys: bytes
    tags: str
    ends_at: datetime | None
    weight: int


class Cards:
    """The cards of one place of documents, by the ids of stories. is_known: most that are shown are here."""

    def __init__(self) -> None:
        self.kept: dict[UUID, Card] = {}
        self.is_known = False
        self._streak = 0
        self._credit = _CREDIT

    def note(self, found: int, missing: int) -> bool:
        """What a reading that shows few had here and had not: where it counts on them and errs, that costs a statement
        more. Whether one that is missing is worth making: as long as those that were made are of use."""
        self._streak = max(0, self._streak - _ERROR) if missing else min(self._streak + 1, 2 * _STREAK)
        self.is_known = self._streak >= _STREAK
        self._credit = min(self._credit + found, _CREDIT) - bool(missing)
        is_worth = self._credit >= 0
        self._credit = max(self._credit, 0)
        return is_worth


class Entities:
    """Rows that are kept, what they were printed as, and cards. Rows that are fetched while something is dropped may be
    older than that, and are not kept; a card is looked at when it is asked for again."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.changes = changes or Changes()
        self.kept: dict[Source, dict[Any, Any]] = {}
        self.cards: dict[str, Cards] = {}  # by place: Stories.place
        self._weight = 0
        self._printed: dict[str, dict[UUID, orjson.Fragment]] = {}  # of kept rows, by place: Printer
        self.turn = object()  # another one whenever something was dropped
        self._slugs: dict[UUID, str] = {}

    def keep(self, source: Source, found: Mapping[Any, Any], turn: object) -> None:
        if turn is self.turn:
            rows = self.kept.setdefault(source, {})
            if len(rows) + len(found) > _MOST:
                rows.clear()
            rows.update(found)
            if isinstance(source, _BySlug):
                self._slugs.update((row.id, slug) for slug, row in found.items())

    def keeps(self, source: Source, row: Any) -> bool:
        """Whether this very row is kept."""
        return self.kept.get(source, {}).get(row.id) is row

    def printed(self, place: str) -> dict[UUID, orjson.Fragment]:
        found = self._printed.get(place)
        if found is None or len(found) > _MOST_PRINTED:
            if len(self._printed) >= _MOST_PLACES:
                self._printed.clear()
            found = self._printed[place] = {}
        return found

    def cards_of(self, place: str) -> Cards | None:
        """None for who asks for the first time, and may never come again."""
        found = self.cards.get(place)
        if found is None:
            if len(self.cards) >= _MOST_PLACES:
                self._clear_cards()
            self.cards[place] = Cards()
        return found

    def keep_card(self, place: str, id: UUID, card: Card) -> None:
        old = self.cards[place].kept.get(id) if place in self.cards else None
        self._weight += card.weight - (old.weight if old is not None else 0)
        self.cards.setdefault(place, Cards()).kept[id] = card
        if self._weight > _MOST_OF_CARDS:
            self._halve_cards()

    def card(self, place: str, id: UUID) -> Card | None:
        """If nothing of it has changed."""
        cards = self.cards.get(place)
        if cards is None:
            return None
        found = cards.kept.get(id)
        if found is None or (found.turn == self.changes.turn and found.ends_at is None):
            return found
        if not self.changes.spare(found.turn, found.keys) or (found.ends_at and found.ends_at <= clock.now()):
            return None
        cards.kept[id] = found = found._replace(turn=self.changes.turn)
        return found

    def forget(self, id: UUID) -> None:
        """Something happened to the tag, author or file with this id, or to whether readers are shown it."""
        self._drop()
        slug = self._slugs.pop(id, None)
        for source, rows in self.kept.items():
            if isinstance(source, _ByKey):
                rows.pop(id, None)
            elif slug is not None and isinstance(source, _BySlug):
                rows.pop(slug, None)

    def clear(self) -> None:
        self._drop()
        self._clear_cards()
        self.kept.clear()
        self._slugs.clear()

    def _drop(self) -> None:
        self.turn = object()
        self._printed.clear()

    def _halve_cards(self) -> None:
        """Let the older ones of each place go."""
        for cards in self.cards.values():
            for id in list(islice(cards.kept, (len(cards.kept) + 1) // 2)):
                self._weight -= cards.kept.pop(id).weight

    def _clear_cards(self) -> None:
        self.cards.clear()
        self._weight = 0


class _Kept(Source):
    """Rows of one table, as objects of its model but past the ORM, which takes many times as long to make them. unread:
    columns that plans show to nobody."""

    is_marked = True

    def __init__(
        self, model: type[Model], condition: str, key: str | None = None, unread: Collection[str] = ()
    ) -> None:
        self._model, self._condition, self._key, self._unread = model, condition, key, unread

    @cached_property  # the ORM knows all columns from when it is connected
    def _columns(self) -> dict[str, Field[Any]]:
        meta = self._model._meta
        return {name: meta.fields_map[name] for name in meta.fields_db_projection if name not in self._unread}

    @cached_property
    def _sql(self) -> str:
        meta = self._model._meta
        columns = ", ".join(f"{meta.db_table}.{meta.fields_db_projection[name]}" for name in self._columns)
        return f"select {MARK}, {columns} from {meta.db_table} where {self._condition}"

    @cached_property
    def _converted(self) -> list[tuple[str, Callable[[Any], Any]]]:
        return [(name, _converter(each)) for name, each in self._columns.items() if type(each) not in _PLAIN]

    def is_direct(self, reading: Reading) -> bool:
        return True

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        turn = reading.entities.turn
        found = await self.read(keys, reading)
        reading.entities.keep(self, found, turn)
        return found

    async def read(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        rows = await self._rows(reading, *([keys] if self._key else []))
        return {getattr(row, self._key) if self._key else None: row for row in rows}

    async def _rows(self, reading: Reading, *params: Any) -> list[Any]:
        return [self._made(row) for row in await reading.fetch(self._sql, *params)]

    def _made(self, row: Any) -> Any:
        made = self._model.__new__(self._model)
        values = made.__dict__
        values.update(zip(self._columns, row[1:], strict=True))
        for name, convert in self._converted:
            values[name] = convert(values[name])
        return made


def _converter(field: Field[Any]) -> Callable[[Any], Any]:
    """What makes the value of a column; by looking it up where there are few, which takes a fifth of the time."""
    kinds = getattr(field, "enum_type", None)
    return {None: None, **{each.value: each for each in kinds}}.__getitem__ if kinds else field.to_python_value


class _ByKey(_Kept):
    """For those that something readers may see points at."""

    def __init__(self, model: type[Model], unread: Collection[str] = ()) -> None:
        super().__init__(model, "id = any($1)", "id", unread)


class _BySlug(_Kept):
    def __init__(self, model: type[Tag] | type[Author]) -> None:
        super().__init__(model, f"slug = any($1) and {visible(PUBLIC, model, Perspective.PUBLISHED)}", "slug")

    async def read(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        return await super().read([key for key in keys if len(key) <= MAX_SLUG], reading)


class _TheTree(_Kept):
    async def read(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        return {None: paths.Tree.of(await self._rows(reading))}


class Printer:
    """Entities of one source as JSON, at one place of documents: printed once, and again when something happened to
    any. build makes what is to be printed of what `of` makes of a row."""

    def __init__(
        self,
        source: Source,
        c: Compiler,
        type_name: str,
        sets: list[SelectionSetNode],
        of: Callable[[Any], Any] = lambda row: row,
    ) -> None:
        self.build = c.object(type_name, sets)
        self._source, self._of, self._is_pure = source, of, is_pure(self.build)
        self._place = f"{type_name} {c.text(sets)}"

    def many(self, ids: Sequence[UUID], reading: Reading) -> list[Any]:
        """Those of the entities that are there."""
        printed = self.printed(reading)
        try:
            return [printed[id] for id in ids]
        except KeyError:
            return self._lists([ids], reading)[0]

    def lists(self, lists: Sequence[Sequence[UUID]], reading: Reading) -> list[list[Any]]:
        """The same for several lists."""
        printed = self.printed(reading)
        try:
            return [[printed[id] for id in ids] for ids in lists]
        except KeyError:
            return self._lists(lists, reading)

    def _lists(self, lists: Sequence[Sequence[UUID]], reading: Reading) -> list[list[Any]]:
        """Not all of them have been printed."""
        rows = {id: reading.entity(self._source, id) for id in dict.fromkeys(chain.from_iterable(lists))}
        found = {id: self.one(row, reading) for id, row in rows.items() if row is not None}
        return [[found[id] for id in ids if id in found] for ids in lists]

    def one(self, row: Any, reading: Reading) -> Any:
        if not self._is_pure:
            return self.build(self._of(row), reading)
        printed = self.printed(reading)
        found = printed.get(row.id)
        if found is None:
            built = self.build(self._of(row), reading)
            # A row that is not kept may be older than what happened last.
            if not reading.entities.keeps(self._source, row):
                return built
            found = printed[row.id] = orjson.Fragment(to_json(built))
        return found

    def printed(self, reading: Reading) -> dict[UUID, orjson.Fragment]:
        """By id."""
        return reading.entities.printed(self._place)


TAGS, AUTHORS = _ByKey(Tag), _ByKey(Author, {"key"})
MEDIA = _ByKey(
    Media,
    {"creator", "keywords", "instructions", "usage_terms", "created_at", "created_by_id", "ended_at"},
)
TAG_SLUGS, AUTHOR_SLUGS = _BySlug(Tag), _BySlug(Author)
SITE, TREE = _Kept(Site, "true"), _TheTree(Section, "true")
