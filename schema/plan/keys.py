"""What an answer, or a part of one, was made of, as keys; and which of them have changed since."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from cms import purge
from cms.paths import MAX_SLUG
from schema.plan.reading import Reading

KEY = 16
# The list of all stories, the slugs of tags, authors and lists, and whatever readers see.
STORIES, NAMES, PUBLIC = (bytes((number,)) + b"\0" * (KEY - 1) for number in range(3))
# So many keys are known to have changed; then everything older is taken for changed.
_MOST_CHANGED = 200_000


def keys_of(reading: Reading) -> bytes:
    """What an answer was made of, one key after the other."""
    keys = {id.bytes for ids in reading.shown.values() for id in ids}
    keys.update(STORIES if id is None else of_list(id) for _, id in reading.lists)
    if reading.names:
        keys.add(NAMES)
    if reading.anything:
        keys.add(PUBLIC)
    for card in reading.cards:
        keys.update(each(card.keys))
    return b"".join(sorted(keys))


def tags_of(reading: Reading) -> list[str]:
    """The same as caches before us know them (cms.purge). Every answer goes by the site and its sections."""
    found = ["site", "sections", *(("articles", "tags", "authors") if reading.names else ())]
    found += [f"{kind}:{id}" for kind, ids in reading.shown.items() for id in ids]
    found += ["articles" if id is None else f"{kind}:{id}:articles" for kind, id in reading.lists]
    found += ["public"] if reading.anything else []
    found += [purge.sent(f"slug:{slug}") for slug in reading.slugs if len(slug) <= MAX_SLUG]
    for card in reading.cards:
        found += card.tags.split(" ")
    return list(dict.fromkeys(found))


def of_list(id: UUID) -> bytes:
    """The key of the stories of a section, tag or author: nothing that is shown has it."""
    return bytes((id.bytes[0] ^ 0x80,)) + id.bytes[1:]


def each(keys: bytes) -> list[bytes]:
    return [keys[at : at + KEY] for at in range(0, len(keys), KEY)]


class Changes:
    """What has changed, and at which turn: one comes with each event that readers see something of."""

    def __init__(self) -> None:
        self.turn = 0
        self._changed: dict[bytes, int] = {}
        self._oldest = 0

    def note(self, keys: Iterable[bytes]) -> None:
        self.turn += 1
        self._changed.update(dict.fromkeys(keys, self.turn))
        if len(self._changed) > _MOST_CHANGED:
            self.note_all()

    def note_all(self) -> None:
        self.turn += 1
        self._oldest = self.turn
        self._changed.clear()

    def spare(self, turn: int, keys: bytes) -> bool:
        """Whether what was made of these keys at that turn would be made of the same now."""
        if turn == self.turn:
            return True
        changed = self._changed
        return turn >= self._oldest and all(changed.get(key, 0) <= turn for key in each(keys))
