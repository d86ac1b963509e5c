"""A dead letter: whole, or only its head.

What lies there may be anything: dead letters are where unreadable jobs end.  So reading never raises over a
record; a letter that cannot be read says why, and keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..envelope import Envelope, decode
from ..errors import CorruptRecord
from ..failure import Cause, Failure, as_document, decode_failure
from ..fingerprint import fingerprint
from ..priority import Priority
from .keys import QueueKeys
from .letter_verbs import Browsed

#: Where a letter stands among all others: when it died, ms, and its job's id.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One of the times that a letter was given a fresh budget of attempts."""

    at: datetime | None
    #: `ann@web-1`; empty if nobody said.
    by: str
    #: Who, from where, and whether the arguments were changed.
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead job, with all that went wrong."""

    job_id: str
    queue: str
    died_at: datetime
    #: None if the letter cannot be read; so are the fields below.
    kind: str | None = None
    priority: Priority = Priority.NORMAL
    enqueued_at: datetime | None = None
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    #: Of the trace that it was enqueued in, in hex.
    trace_id: str | None = None
    #: Oldest first; interruptions and earlier replays are among them.
    attempts: list[Failure] = field(default_factory=list)
    #: Why it cannot be read, and what lies there instead.
    fault: str | None = None
    raw: bytes | None = None
    #: What lay at other keys of the job and could not be used, by the keys' names.
    set_aside: dict[str, bytes] = field(default_factory=dict)

    @property
    def failures(self) -> Sequence[Failure]:
        """The attempts without the marks of earlier replays."""
        return [failure for failure in self.attempts if failure.cause is not Cause.REPLAY]

    @property
    def replays(self) -> Sequence[Replay]:
        """The earlier replays, oldest first."""
        marks = (failure for failure in self.attempts if failure.cause is Cause.REPLAY)
        return [Replay(at=moment(mark.ended_ms), by=mark.worker, told=mark.message) for mark in marks]

    @property
    def fingerprint(self) -> str:
        """What letters of the same bug have in common."""
        return fingerprint(self.failures[-1] if self.failures else NO_FAILURE)

    def as_document(self) -> dict[str, Any]:
        """The letter as plain data, for `--json` and the API."""
        return {
            "job_id": self.job_id,
            "queue": self.queue,
            "kind": self.kind,
            "priority": str(self.priority),
            "died_at": self.died_at.isoformat(),
            "enqueued_at": self.enqueued_at.isoformat() if self.enqueued_at else None,
            "fingerprint": self.fingerprint,
            "args": self.args,
            "kwargs": self.kwargs,
            "attempts": [as_document(failure) for failure in self.attempts],
            "replays": [
                {"at": replay.at.isoformat() if replay.at else None, "by": replay.by, "told": replay.told}
                for replay in self.replays
            ],
            "fault": self.fault,
            "raw": _shown(self.raw) if self.raw is not None else None,
            "set_aside": {name: _shown(found) for name, found in self.set_aside.items()},
        }


@dataclass(frozen=True, slots=True)
class LetterHead:
    """A letter with its last failure alone: enough to sort it, and to act on it."""

    queue: QueueKeys
    job_id: str
    died_ms: int
    body: bytes | None
    envelope: Envelope | None
    fault: str | None
    failure: Failure
    #: PostgreSQL holds it, and Redis does not.
    is_archived: bool = False

    @property
    def kind(self) -> str | None:
        return self.envelope.kind if self.envelope is not None else None

    @property
    def priority(self) -> Priority:
        return self.envelope.priority if self.envelope is not None else Priority.NORMAL

    @property
    def died_at(self) -> datetime:
        return moment(self.died_ms) or datetime.fromtimestamp(0, UTC)

    @property
    def fingerprint(self) -> str:
        """What letters of the same bug have in common."""
        return fingerprint(self.failure)

    @property
    def error(self) -> str:
        """Type and message of the last failure, or why the letter cannot be read."""
        if self.fault is not None:
            return f"unreadable: {self.fault}"
        return ": ".join(filter(None, (str(self.failure.error_type), str(self.failure.message))))

    @property
    def letter(self) -> tuple[str, int]:
        """Which letter it is: a job that was replayed and has died again is another one."""
        return self.job_id, self.died_ms

    @property
    def place(self) -> Place:
        """Where it stands in every list."""
        return self.died_ms, self.job_id

    def opened(self, attempts: list[Failure], set_aside: dict[str, bytes]) -> DeadLetter:
        """The whole letter, with these attempts, and what was set aside of its keys."""
        envelope = self.envelope
        return DeadLetter(
            job_id=self.job_id,
            queue=self.queue.name,
            died_at=self.died_at,
            kind=self.kind,
            priority=self.priority,
            enqueued_at=moment(envelope.enqueued_ms) if envelope else None,
            args=envelope.args if envelope else [],
            kwargs=envelope.kwargs if envelope else {},
            tags=envelope.tags if envelope else [],
            trace_id=envelope.trace_id if envelope else None,
            attempts=attempts,
            fault=self.fault,
            raw=self.body if envelope is None else None,
            set_aside=set_aside,
        )


def _shown(found: bytes) -> str:
    return found.decode("utf-8", "backslashreplace")


def read_head(
    queue: QueueKeys, job_id: str, died_ms: int, found: Browsed, *, is_archived: bool = False
) -> LetterHead:
    """A letter's head from what the store holds of it."""
    body = found.envelope
    failure = NO_FAILURE if found.failure is None else read_failure(found.failure)
    try:
        envelope = decode(body or b"")
        envelope.priority  # noqa: B018 - of a type that is no name, it cannot be read either
    except (CorruptRecord, TypeError) as error:
        fault = str(error) if body else "its envelope is gone"
        return LetterHead(queue, job_id, died_ms, body, None, fault, failure, is_archived)
    return LetterHead(queue, job_id, died_ms, body, envelope, None, failure, is_archived)


def read_failure(record: bytes) -> Failure:
    """A failure record; one that cannot be read is a failure of its own."""
    try:
        return decode_failure(record)
    except CorruptRecord as error:
        return unreadable(str(error))


def unreadable(why: str) -> Failure:
    """What stands in for a failure record that cannot be read."""
    return Failure(spent=0, crashes=0, cause=Cause.CORRUPTION, fence=0, worker="", message=why)


#: Of a letter whose failures are gone.
NO_FAILURE = unreadable("no failure is recorded")


def moment(ms: int) -> datetime | None:
    """The time of a record, if it is one."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError, TypeError):  # a number, but no time
        return None
