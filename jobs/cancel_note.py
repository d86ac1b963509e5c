"""Who asked for a job's cancellation, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic_core import from_json, to_json

from .failure import clean

#: Enough for a name and for some sentences; longer ones are cut in the middle.
MAX_BY_CHARS = 200
MAX_REASON_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class CancelNote:
    """What lies beside a job whose cancellation was asked for; both may be empty."""

    by: str = ""
    reason: str = ""

    @classmethod
    def of(cls, by: str, reason: str) -> Self:
        """A note of whatever texts an app gives."""
        return cls(clean(str(by), MAX_BY_CHARS), clean(str(reason), MAX_REASON_CHARS))

    def __str__(self) -> str:
        who = f"cancelled by {self.by}" if self.by else "cancelled"
        return f"{who}: {self.reason}" if self.reason else who

    def encode(self) -> bytes:
        """JSON."""
        return to_json({"by": self.by, "reason": self.reason})


def decode_note(data: bytes | str | None) -> CancelNote:
    """Read a note; what cannot be read says nothing, and the cancellation holds all the same."""
    try:
        document = from_json(data or "{}")
        return CancelNote(str(document.get("by", "")), str(document.get("reason", "")))
    except (ValueError, AttributeError):
        return CancelNote()
