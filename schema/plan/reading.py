"""One operation being read: the answer is built from what is at hand, what was missing is fetched in one go for all
places that miss it, and the answer is built again, until nothing is missing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tortoise import connections

from cms import database
from cms.models import Media
from schema.plan.selection import Unplanned

if TYPE_CHECKING:
    from schema.plan.entities import Card, Entities

# The newest public event when a statement ran.
MARK = "(select coalesce(max(place), 0) from event)"
_ALL = ("", None)
# More rounds than the deepest document has levels.
_ROUNDS = 40


class Source:
    """Something that can be fetched by keys, many in one go. is_marked: by statements whose first column is MARK."""

    is_marked = False

    def is_direct(self, reading: Reading) -> bool:
        """Whether it is by reading.fetch alone: then nothing else has to be got ready."""
        return False

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        """What there is of these keys; the others are not there, or not to be seen."""
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class Reading:
    """variables are coerced; gaps counts what was missing so far; turn: when it began (schema.plan.keys).

    The answer is as it is as long as nothing happens to the site and its sections, to what it shows, nor to the lists
    of stories that it shows something of, as (kind, id): those of sections, tags and authors; without id, that of all.
    What is not there shows the list of all: it may come. names: it went by slugs, in a filter or of what is not there.
    anything: whatever readers see may change it.
    """

    variables: dict[str, Any]
    entities: Entities
    memory: dict[Any, Any] = field(default_factory=dict)
    shown: defaultdict[str, set[UUID]] = field(default_factory=partial(defaultdict, set))
    lists: set[tuple[str, UUID | None]] = field(default_factory=set)
    slugs: set[str] = field(default_factory=set)
    names: bool = False
    anything: bool = False
    gaps: int = 0
    mark: int = 0
    is_marked: bool = True
    ends_at: datetime | None = None
    cards: list[Card] = field(default_factory=list)  # what of the answer was printed apart
    turn: int = 0
    built: defaultdict[Any, dict[UUID | None, Any]] = field(default_factory=partial(defaultdict, dict))
    missing: dict[Source, dict[Hashable, None]] = field(default_factory=dict)
    _had: dict[Source, dict[Hashable, Any]] = field(default_factory=dict)

    def get(self, source: Source, key: Hashable) -> Any:
        """What the source has under this key. None where it has nothing, and for now where that is not known yet."""
        had = self._had.get(source)
        if had is not None and key in had:
            return had[key]
        self.missing.setdefault(source, {})[key] = None
        self.gaps += 1
        return None

    def many(self, source: Source, keys: Sequence[Any]) -> list[Any]:
        """The same for several."""
        had = self._had.get(source)
        if had is not None:
            try:
                return [had[key] for key in keys]
            except KeyError:
                pass
        return [self.get(source, key) for key in keys]

    def had(self, source: Source) -> Mapping[Any, Any] | None:
        """What was fetched of a source by now, if anything was; None for what is not there."""
        return self._had.get(source)

    def once(self, place: Any, id: UUID | None, build: Callable[[Any, Reading], Any], row: Any) -> Any:
        """What is built of the row, or of the list, with this id at one place of the document; once, if nothing was
        missing in it."""
        built = self.built[place]
        found = built.get(id)
        if found is None:
            gaps = self.gaps
            found = build(row, self)
            if self.gaps == gaps:
                built[id] = found
        return found

    def waits_for(self, source: Source | None = None) -> bool:
        """Whether something, of this source, is not known yet; whoever asks leaves something out until it is."""
        waits = bool(self.missing) if source is None else source in self.missing
        self.gaps += waits
        return waits

    def entity(self, source: Source, key: Hashable) -> Any:
        """The same for sources whose rows are kept from one operation to the next."""
        kept = self.entities.kept.get(source)
        if kept is not None and key in kept:
            return kept[key]
        return self.get(source, key)

    def put(self, source: Source, found: Mapping[Any, Any], wanted: Any) -> None:
        """What was fetched along with something else: of all that was wanted, this is there."""
        had = self._had.setdefault(source, {})
        had.update(dict.fromkeys(wanted))
        had.update(found)

    def miss(self, slug: str | None = None) -> None:
        """The answer says that something is not there, unless that is not known yet."""
        if self.missing:
            return
        self.lists.add(_ALL)
        self.names = True
        if slug is not None:
            self.slugs.add(slug)

    def show(self, file: Media) -> None:
        """The answer shows this file, as long as there are rights to it."""
        self.shown["media"].add(file.id)
        if file.expires_at is not None:
            self.end(file.expires_at)

    def end(self, at: datetime) -> None:
        """The answer is right until then at most."""
        self.ends_at = at if self.ends_at is None else min(self.ends_at, at)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is built inside, of nothing that was built outside, and what that alone shows."""
        outer = self.shown, self.lists, self.slugs, self.names, self.anything, self.ends_at, self.cards, self.built
        self.shown, self.lists, self.slugs, self.cards = defaultdict(set), set(), set(), []
        self.names, self.anything, self.ends_at, self.built = False, False, None, defaultdict(dict)
        try:
            yield
        finally:
            self.shown, self.lists, self.slugs, self.names, self.anything, self.ends_at, self.cards, self.built = outer

    async def until_complete(self, build: Any) -> Any:
        for _ in range(_ROUNDS):
            answer = build(None, self)
            if not self.missing:
                return answer
            missing, self.missing = self.missing, {}
            for source, keys in missing.items():
                wanted = list(keys)
                self.is_marked = self.is_marked and source.is_marked
                if source.is_direct(self):
                    found = await source.load(wanted, self)
                else:
                    with database.reading():
                        async with asyncio.timeout(database.READER_SECONDS):
                            found = await source.load(wanted, self)
                self.put(source, found, wanted)
        raise Unplanned("too many rounds")

    async def fetch(self, sql: str, *params: Any) -> list[Any]:
        """Rows of a statement whose first column is MARK."""
        return self.marked(await database.rows(sql, *params))

    async def fetch_by_values(self, sql: str, *params: Any) -> list[Any]:
        """The same for a statement whose best way depends on its values: filters (docs/adr/0003)."""
        return self.marked((await connections.get("default").execute_query(sql, list(params)))[1])

    def marked(self, rows: Any) -> list[Any]:
        """Rows of a statement whose first column is MARK, and is none in those that are not the first."""
        if rows and rows[0][0] is not None:
            self.mark = max(self.mark, rows[0][0])
        else:
            self.is_marked = False
        return list(rows)

    async def newest(self) -> int:
        """The place of the newest public event that anything in the answer may have come after."""
        if not self.is_marked:
            self.mark = (await database.rows(f"select {MARK}"))[0][0] or 0
        return self.mark
