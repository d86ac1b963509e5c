"""Which version of a resource a change is meant for, so that nobody overwrites what they have not seen.

A service that changes something is handed the caller's `Precondition`, and asks it before it acts:

    asked.check(version_of(job.state, job.due_at, job.starts))     # PreconditionFailed if it is not
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from .errors import PreconditionFailed, PreconditionRequired

#: In place of tags: any version will do.
ANY = "*"
_DIGEST_BYTES = 12


def version_of(*parts: object) -> str:
    """The ETag of what these parts tell apart: for a body that also tells the time, or the like."""
    return tag_of(repr(parts).encode())


def tag_of(content: bytes) -> str:
    """The ETag of this very content."""
    return f'"{blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """The ETags of the versions that a change is meant for; None: whichever it is."""

    tags: frozenset[str] | None = None

    def check(self, current: str) -> None:
        """Refuse to change another version than those that the caller has seen.

        Raises:
            PreconditionFailed: `current` is none of them.
        """
        if self.tags is not None and ANY not in self.tags and current not in self.tags:
            raise PreconditionFailed(current)

    def demand(self, current: str) -> None:
        """The same, where a change without knowing the version would be a mistake.

        Raises:
            PreconditionRequired: The caller has named none.
            PreconditionFailed: `current` is none of them.
        """
        if self.tags is None:
            raise PreconditionRequired
        self.check(current)


UNCONDITIONAL = Precondition()
