"""Which dead letters are meant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import to_json

from ..errors import DefinitionError
from ..fingerprint import FINGERPRINT
from .dead_letter import LetterHead


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """All letters that fit every field that is given; without any, all that there are."""

    queue: str | None = None
    #: Letters that cannot be read have none.
    kind: str | None = None
    #: The type of the last failure: `ValueError`.
    error: str | None = None
    #: Of one group.
    fingerprint: str | None = None
    #: Those that died at this time or later.
    since: datetime | None = None
    #: Those that died before this time.
    until: datetime | None = None
    #: In the id, the error, its traceback or the arguments; upper and lower case are alike.
    text: str | None = None

    def __post_init__(self) -> None:
        if self.fingerprint is not None and not FINGERPRINT.fullmatch(self.fingerprint):
            raise DefinitionError(f"fingerprint: {self.fingerprint!r} is not one; they have 16 hex digits")
        for name, time in (("since", self.since), ("until", self.until)):
            if time is not None and time.tzinfo is None:
                raise DefinitionError(f"{name}: {time!r} has no time zone; use datetime.now(timezone.utc)")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise DefinitionError(f"since: {self.since} is not before until, {self.until}")

    @property
    def is_empty(self) -> bool:
        """Whether it means every letter."""
        return self == LetterFilter()

    @property
    def looks_inside(self) -> bool:
        """Whether the queue and the time of death are not enough to tell."""
        return (self.kind, self.error, self.fingerprint, self.text) != (None, None, None, None)

    @property
    def needs_reading(self) -> bool:
        """Whether no index finds what it means, so that letters have to be read one after the other."""
        return self.text is not None or self.error is not None

    def spans(self, died_ms: int) -> bool:
        """Whether the wanted time holds this one, ms."""
        is_late_enough = self.since is None or as_ms(self.since) <= died_ms
        return is_late_enough and (self.until is None or died_ms < as_ms(self.until))

    def fits(self, head: LetterHead) -> bool:
        """Whether a letter is meant, as far as kind, error, fingerprint and text go.

        The store finds by queue and time.
        """
        if self.kind is not None and head.kind != self.kind:
            return False
        if self.error is not None and str(head.failure.error_type) != self.error:
            return False
        if self.fingerprint is not None and head.fingerprint != self.fingerprint:
            return False
        if self.text is None:
            return True
        found = searchable(head)
        return any(needle in found for needle in needles(self.text))


def as_ms(time: datetime) -> int:
    """A point in time as the store has it; what is finer than a ms counts as the next one."""
    return math.ceil(round(time.timestamp() * 1000, 3))


def searchable(head: LetterHead) -> str:
    """What a text is looked for in: folded, as upper and lower case are alike."""
    failure, envelope = head.failure, head.envelope
    told = [head.job_id, str(failure.error_type), str(failure.message), str(failure.traceback)]
    if envelope is None:
        told.append((head.body or b"").decode("utf-8", "backslashreplace"))
    else:
        told += [envelope.kind, to_json([envelope.args, envelope.kwargs]).decode()]
    return "\n".join(told).casefold()


def needles(text: str) -> tuple[str, str]:
    """What is looked for: what holds quotes or breaks lines stands in JSON in another way."""
    return text.casefold(), to_json(text)[1:-1].decode().casefold()
