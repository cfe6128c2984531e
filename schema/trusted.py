"""Trusted documents as this process knows them: which an id stands for, what may be pushed, and whether the public is
answered anything else (cms.trusted).

All of them are in memory, and read again when the log says that some were pushed or removed. While nobody tells us what
happens they are read each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from graphql import GraphQLError, OperationType

from cms import trusted
from cms.errors import Invalid, Issue
from cms.live import Feed, Subscriber
from cms.models import Event
from cms.settings import settings
from cms.trusted import SHA256, Given
from schema.documents import Documents, Refused
from schema.errors import DOCUMENT_NOT_TRUSTED, PERSISTED_QUERY_NOT_FOUND, BadRequest
from schema.limits import KNOWN, PUBLIC, too_large

_HASH = re.compile(r"[0-9a-f]{64}")
# What Apollo Client, urql and others look for to send the text after the id: with these words, and the code.
_MISS = "PersistedQueryNotFound"


class Trusted(NamedTuple):
    """A trusted document. seconds: for caches before us, None for the usual."""

    text: str
    seconds: int | None


class Store:
    """All trusted documents of one moment."""

    def __init__(self, rows: Iterable[tuple[str, str, int | None]] = ()) -> None:
        self._by_id: dict[str, Trusted] = {}
        self._by_digest: dict[str, Trusted] = {}
        self._texts: set[str] = set()
        for id, text, seconds in rows:
            found = self._by_id[id] = Trusted(text, seconds)
            self._by_digest.setdefault(trusted.digest(text), found)
            self._texts.add(text)

    def get(self, id: str) -> Trusted | None:
        """By the id that it was pushed with, or by its SHA-256, with or without “sha256:”."""
        return self._by_id.get(id) or self._by_digest.get(id.removeprefix(SHA256))

    def has(self, text: str) -> bool:
        return text in self._texts


class _Process:
    """What this process holds. turn: of the last change that it was told of."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.turn = 0
        self._store = Store()
        self._read_at = -1

    def at_hand(self) -> Store | None:
        listens = self.feed is not None and self.feed.is_listening
        return self._store if listens and self._read_at == self.turn else None

    async def current(self) -> Store:
        found = self.at_hand()
        if found is None:
            turn = self.turn
            found = Store([(row.id, row.text, row.shared_seconds) for row in await trusted.documents()])
            self._store, self._read_at = found, turn
        return found

    def told(self, events: Sequence[Event]) -> None:
        if any(event.type in (trusted.PUSHED, trusted.REMOVED) for event in events):
            self.forget()

    def forget(self) -> None:
        self.turn += 1


_process = _Process()


@contextmanager
def following(feed: Feed) -> Iterator[None]:
    """Hear of what is pushed and removed, as long as this is open."""
    _process.feed = feed
    _process.forget()
    end = feed.subscribe(Subscriber(_process.told, _process.forget, _process.forget))
    try:
        yield
    finally:
        _process.feed = None
        end()


def turn() -> int:
    """What was found by an id stands as long as this is the same."""
    return _process.turn


def at_hand() -> Store | None:
    """The documents, where they need not be read first."""
    return _process.at_hand()


async def require(text: str) -> None:
    """Raise Refused for a document that the public is not answered."""
    if settings().trusted_documents_only and not (await _process.current()).has(text):
        raise Refused(
            GraphQLError(
                "Only documents that were pushed are answered here: ask for one by its id, or send a token.",
                extensions={"code": DOCUMENT_NOT_TRUSTED},
            )
        )


def id_of(params: Mapping[str, Any]) -> str | None:
    """The id of the document that is asked for; None where its text is there. Raises BadRequest."""
    id, text = params.get("documentId"), params.get("query")
    if id is not None:
        if not isinstance(id, str) or not id:
            raise BadRequest(400, "documentId must be a text.")
        if text is not None:
            raise BadRequest(400, "Send query or documentId, not both.")
        return id
    persisted = (params.get("extensions") or {}).get("persistedQuery")
    if persisted is None:
        return None
    hash = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(hash, str) or not hash:
        raise BadRequest(400, "extensions.persistedQuery must be an object with a text sha256Hash.")
    if text is None:
        return hash
    if _HASH.fullmatch(hash) and isinstance(text, str) and trusted.digest(text) != hash:
        raise BadRequest(400, "sha256Hash is not the SHA-256 of query.")
    return None


async def document(id: str, *, is_hash: bool) -> Trusted:
    """What was pushed with this id. Raises Refused, with the words that clients wait for who sent it as a hash."""
    found = (await _process.current()).get(id)
    if found is None:
        message = _MISS if is_hash else "There is no document with this id: push it, or send its text as query."
        raise Refused(GraphQLError(message, extensions={"code": PERSISTED_QUERY_NOT_FOUND}))
    return found


async def check(documents: Documents, given: Sequence[Given]) -> dict[str, str]:
    """The names of the operations of documents that may be pushed, by id: valid, and within the limits of the public,
    or, where they write, of those who are known. Raises Invalid with every mistake of every document."""
    names: dict[str, str] = {}
    issues: list[Issue] = []
    for each in given:
        try:
            names[each.id] = await _name(documents, each.text)
        except Refused as refused:
            issues += [_issue(each, error) for error in refused.errors]
    if issues:
        raise Invalid.all(issues)
    return names


async def _name(documents: Documents, text: str) -> str:
    document = await documents.prepared(text, KNOWN, introspection=settings().introspection)
    operations = document.operations
    if not operations:
        raise Refused(GraphQLError("It has no operation."))
    writes = any(each.kind is OperationType.MUTATION for each in operations.values())
    if not writes and (excess := document.size.excess(PUBLIC)):
        raise Refused(too_large(excess))
    most = settings().known_query_cost if writes else settings().public_query_cost
    for each in operations.values():
        if (cost := each.cost({})) > most:
            raise Refused(too_large(f"It costs {cost}, and may cost {most}."))
    return ", ".join(name for name in operations if name)


def _issue(given: Given, error: GraphQLError) -> Issue:
    where = f" (line {error.locations[0].line})" if error.locations else ""
    return Issue(("manifest", given.id), "invalid", f"The document {given.id!r}{where}: {error.message}")
