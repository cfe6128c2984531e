"""What can go wrong, as people who use the API meet it.

CMSError
├── Unauthenticated    nobody is signed in, or the credential is not valid
├── Forbidden          this actor may not do this
├── NotFound           not there, or hidden from this actor: the two are never told apart
├── Invalid            bad input; each Issue names a field and what to do
├── Conflict           somebody else was faster; carries the current version
├── TransitionRefused  the story's state does not allow it
├── Embargoed          an embargo stands against it
├── InUse              something still points at it
└── RateLimited        too many tries
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with the input: where (a path of field names as the API spells them), and what to do."""

    field: tuple[str, ...]
    code: str
    message: str


class CMSError(Exception):
    """A refusal. The message is a sentence that its reader can act on; nothing internal is in it."""

    code: ClassVar[str]

    def __init__(self, message: str, *issues: Issue, current_version: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.issues = issues
        self.current_version = current_version


class Unauthenticated(CMSError):
    code = "UNAUTHENTICATED"


class Forbidden(CMSError):
    code = "FORBIDDEN"


class NotFound(CMSError):
    code = "NOT_FOUND"


class Invalid(CMSError):
    code = "INVALID"

    @classmethod
    def field(cls, path: str | tuple[str, ...], code: str, message: str) -> Invalid:
        """One field is wrong; path is dotted ("seo.title") or a tuple."""
        field = tuple(path.split(".")) if isinstance(path, str) else path
        return cls(message, Issue(field, code, message))

    @classmethod
    def all(cls, issues: list[Issue]) -> Invalid:
        """Several fields are wrong at once."""
        return cls("; ".join(issue.message for issue in issues), *issues)


class Conflict(CMSError):
    code = "CONFLICT"


class TransitionRefused(CMSError):
    code = "TRANSITION_REFUSED"


class Embargoed(CMSError):
    code = "EMBARGOED"


class InUse(CMSError):
    code = "IN_USE"


class RateLimited(CMSError):
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """retry_after: seconds until another try can be taken."""
        super().__init__(message)
        self.retry_after = retry_after
