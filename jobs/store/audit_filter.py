"""Which acts of the audit are meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPart:
    """A part of all acts, by patterns in which `*` stands for any characters: a name fits one of each group.

    An act that concerns no queue, or no kind, is in those parts only that hold all of them.
    """

    queues: tuple[tuple[str, ...], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()
    #: Only what this one has done.
    actor_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """All acts that fit every field that is given."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    queue: str | None = None
    #: Those of this time or later, and those before this time.
    since: datetime | None = None
    until: datetime | None = None
    #: They lie in one of these parts; None: anywhere.
    within: tuple[AuditPart, ...] | None = None
