"""One operation being read: the answer is built from what is at hand, what was missing is fetched in one go for all
places that miss it, and the answer is built again, until nothing is missing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from graphql.execution.values import VariableValues

from cms import database
from cms.models import Media
from schema.plan.selection import Unplanned

if TYPE_CHECKING:
    from schema.plan.entities import Entities

# More rounds than the deepest document has levels.
_ROUNDS = 40


class Source:
    """Something that can be fetched by keys, many in one go."""

    async def load(self, keys: list[Any], reading: Reading) -> Mapping[Any, Any]:
        """What there is of these keys; the others are not there, or not to be seen."""
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class Reading:
    """variables are None for an operation that has none. stories are those that the answer shows,
    lists the sections, tags and authors of whose lists it shows something; None stands for that of all stories."""

    variables: VariableValues | None
    entities: Entities
    arguments: dict[int, dict[str, Any]] = field(default_factory=dict)
    memory: dict[Any, Any] = field(default_factory=dict)
    stories: set[UUID] = field(default_factory=set)
    lists: set[UUID | None] = field(default_factory=set)
    files: set[UUID] = field(default_factory=set)
    ends_at: datetime | None = None
    missing: dict[Source, dict[Hashable, None]] = field(default_factory=dict)
    _had: dict[Source, dict[Hashable, Any]] = field(default_factory=dict)

    def get(self, source: Source, key: Hashable) -> Any:
        """What the source has under this key. None where it has nothing, and for now where that is not known yet."""
        had = self._had.get(source)
        if had is not None and key in had:
            return had[key]
        self.missing.setdefault(source, {})[key] = None
        return None

    def entity(self, source: Source, key: Hashable) -> Any:
        """The same for sources whose rows are kept from one operation to the next."""
        kept = self.entities.kept.get(source)
        if kept is not None and key in kept:
            return kept[key]
        return self.get(source, key)

    def put(self, source: Source, found: Mapping[Any, Any], wanted: Any) -> None:
        """What was fetched along with something else: of all that was wanted, this is there."""
        had = self._had.setdefault(source, {})
        for key in wanted:
            had[key] = found.get(key)

    def show(self, file: Media) -> None:
        """The answer shows this file, as long as there are rights to it."""
        self.files.add(file.id)
        if file.expires_at is not None:
            self.ends_at = file.expires_at if self.ends_at is None else min(self.ends_at, file.expires_at)

    async def until_complete(self, build: Any) -> Any:
        for _ in range(_ROUNDS):
            answer = build(None, self)
            if not self.missing:
                return answer
            missing, self.missing = self.missing, {}
            for source, keys in missing.items():
                wanted = list(keys)
                self.put(source, await source.load(wanted, self), wanted)
        raise Unplanned("too many rounds")

    async def fetch(self, sql: str, *params: Any) -> list[Any]:
        return await database.rows(sql, *params)
