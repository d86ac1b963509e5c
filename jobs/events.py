"""What is told, as it happens, to those who listen: typed events of jobs, queues, workers and operations.

Best effort: nobody waits for an event, and none is kept.  What must be known for sure is asked for instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeGuard

#: Of the texts in an event; a name or an id is never longer.
LONGEST_TEXT = 200
_MOST_QUEUES = 100


class EventType(StrEnum):
    """What happened.  The words are stable: apps listen to them."""

    JOB_ENQUEUED = "job.enqueued"  #: by the HTTP API
    JOB_STARTED = "job.started"  #: an attempt
    JOB_SUCCEEDED = "job.succeeded"
    JOB_RETRYING = "job.retrying"  #: an attempt failed, and there will be another
    JOB_RELEASED = "job.released"  #: handed back, no attempt spent: interrupted, snoozed, or of no known kind
    JOB_DEAD = "job.dead"
    JOB_CANCELLED = "job.cancelled"
    JOB_EXPIRED = "job.expired"
    JOB_CHANGED = "job.changed"  #: while it waits: its time, its priority
    JOB_REPLAYED = "job.replayed"  #: a dead letter waits again
    JOB_DISCARDED = "job.discarded"  #: a dead letter is gone
    QUEUE_PAUSED = "queue.paused"
    QUEUE_RESUMED = "queue.resumed"
    QUEUE_PURGED = "queue.purged"
    QUEUE_CHANGED = "queue.changed"  #: its numbers, as the dashboard sees them
    WORKER_STARTED = "worker.started"
    WORKER_STOPPED = "worker.stopped"
    WORKER_CHANGED = "worker.changed"  #: what it says of itself, as the dashboard sees it
    OPERATION_CHANGED = "operation.changed"
    AUDIT_ADDED = "audit.added"  #: somebody changed something by hand
    EVENTS_SKIPPED = "events.skipped"  #: there were more than are told in a second
    EVENTS_MISSED = "events.missed"  #: nobody knows what happened meanwhile: look


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.  What a type says nothing about is None."""

    type: EventType
    #: ms since the epoch, by the server's clock as well as the teller knows it.
    at_ms: int
    #: Given by who tells it: tells two events apart, and by it a listener goes on where it stopped.
    id: str = ""
    queue: str | None = None
    kind: str | None = None
    job_id: str | None = None
    #: Who has made the job, or who has done this: as the tag `owner:…` of a job names them.
    owner: str | None = None
    attempt: int | None = None
    worker: str | None = None
    #: That a worker serves.
    queues: tuple[str, ...] = ()
    operation: str | None = None
    #: Who did it by hand, by name.
    by: str | None = None

    @property
    def family(self) -> str:
        """What it is about: `job`, `queue`, …"""
        return self.type.partition(".")[0]

    def as_document(self) -> dict[str, Any]:
        """As it is told to apps."""
        at = told_time(self.at_ms)
        told = {name: value for name, value in self._members() if name != "owner"}
        return {"id": self.id, "type": str(self.type), "at": at} | told

    def encode(self) -> dict[str, Any]:
        """As it travels between processes."""
        return {"type": str(self.type), "at_ms": self.at_ms, "id": self.id} | dict(self._members())

    @classmethod
    def decode(cls, told: Any) -> Self | None:
        """From what `encode` made, here or in another version; None if it cannot be read."""
        if not isinstance(told, Mapping) or not _is_text(told.get("type")) or told["type"] not in _TYPES:
            return None
        at_ms, queues = told.get("at_ms"), told.get("queues", ())
        if not _is_number(at_ms) or not isinstance(queues, list | tuple) or len(queues) > _MOST_QUEUES:
            return None
        texts = {name: told[name] for name in _TEXTS if told.get(name) is not None}
        attempt = told.get("attempt")
        if not all(map(_is_text, (*texts.values(), *queues))) or not (attempt is None or _is_number(attempt)):
            return None
        kind = EventType(told["type"])
        return cls(type=kind, at_ms=at_ms, attempt=attempt, queues=tuple(queues), **texts)

    def _members(self) -> list[tuple[str, Any]]:
        named = ((name, getattr(self, name)) for name in _MEMBERS)
        return [(name, value) for name, value in named if value not in (None, ())]


def told_time(at_ms: int) -> str:
    """A time as apps are told it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


_TYPES = frozenset(EventType)
_TEXTS = ("id", "queue", "kind", "job_id", "owner", "worker", "operation", "by")
_MEMBERS = tuple(one.name for one in fields(Event) if one.name not in ("type", "at_ms", "id"))
_LATEST_MS = 253_402_300_800_000


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _is_number(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _LATEST_MS
