"""Dead letters by bug: which ones there are, how many, since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .dead_letter import LetterHead

#: Letters that a survey names.
SAMPLE = 5
#: Of a letter that cannot be read.
NO_KIND = "<unreadable>"
HOUR_MS = 3_600_000
#: Fingerprint, queue and kind: what the letters of one cell have in common.
Cell = tuple[str, str, str]


@dataclass(slots=True)
class LetterGroup:
    """The letters of one fingerprint."""

    fingerprint: str
    #: The newest of them, and the oldest.
    sample: LetterHead
    oldest: LetterHead
    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    queues: Counter[str] = field(default_factory=Counter)
    #: How many died in which hour, in hours since the epoch; the older ones may be left out.
    hours: Counter[int] = field(default_factory=Counter)

    @property
    def first_seen(self) -> datetime:
        return self.oldest.died_at

    @property
    def last_seen(self) -> datetime:
        return self.sample.died_at

    @property
    def place(self) -> Cell:
        """Of one that is a single cell: which."""
        [queue], [kind] = self.queues, self.kinds
        return self.fingerprint, queue, kind

    def as_document(self) -> dict[str, Any]:
        """The group as plain data, for `--json` and the API."""
        return {
            "fingerprint": self.fingerprint,
            "count": self.count,
            "first_seen": self.first_seen.isoformat(),
            "last_seen": self.last_seen.isoformat(),
            "kinds": dict(self.kinds.most_common()),
            "queues": dict(self.queues.most_common()),
            "cause": str(self.sample.failure.cause),
            "error_type": self.sample.failure.error_type,
            "message": self.sample.failure.message,
            "sample": self.sample.job_id,
        }


class Survey:
    """Letters, counted and put into groups as they are added."""

    def __init__(self) -> None:
        self.count = 0
        #: The first few that were added.
        self.sample: list[LetterHead] = []
        self._cells: dict[Cell, LetterGroup] = {}

    @property
    def groups(self) -> Sequence[LetterGroup]:
        """The largest first."""
        return merged(self._cells.values())

    @property
    def cells(self) -> Sequence[LetterGroup]:
        """The groups in parts of one queue and one kind each: who may not see all of them can see some."""
        return list(self._cells.values())

    def add(self, heads: Iterable[LetterHead]) -> None:
        """Count letters in."""
        for head in heads:
            self.count += 1
            self.name([head])
            self._enter(head, (head.fingerprint, head.queue.name, head.kind or NO_KIND))

    def name(self, heads: Sequence[LetterHead]) -> None:
        """Take letters for the sample, as far as it wants any."""
        self.sample += heads[: max(0, SAMPLE - len(self.sample))]

    def add_cell(self, group: LetterGroup) -> None:
        """Count letters in that were counted elsewhere; they are of one queue and one kind."""
        self.count += group.count
        known = self._cells.setdefault(group.place, group)
        if known is not group:
            _join(known, group)

    def as_document(self) -> dict[str, Any]:
        """The survey as plain data, for `--json` and the API."""
        return {
            "count": self.count,
            "groups": [group.as_document() for group in self.groups],
            "sample": [head.job_id for head in self.sample],
        }

    def _enter(self, head: LetterHead, cell: Cell) -> None:
        group = self._cells.get(cell)
        if group is None:
            group = self._cells[cell] = LetterGroup(cell[0], head, head)
        elif head.died_ms >= group.sample.died_ms:
            group.sample = head
        elif head.died_ms < group.oldest.died_ms:
            group.oldest = head
        group.count += 1
        group.queues[cell[1]] += 1
        group.kinds[cell[2]] += 1
        group.hours[head.died_ms // HOUR_MS] += 1


def merged(cells: Iterable[LetterGroup]) -> Sequence[LetterGroup]:
    """Cells as whole groups, the largest first."""
    groups: dict[str, LetterGroup] = {}
    for cell in cells:
        group = groups.get(cell.fingerprint)
        if group is None:
            groups[cell.fingerprint] = group = LetterGroup(cell.fingerprint, cell.sample, cell.oldest)
        _join(group, cell)
    return sorted(groups.values(), key=lambda group: (-group.count, group.fingerprint))


def _join(group: LetterGroup, other: LetterGroup) -> None:
    group.sample = max(group.sample, other.sample, key=_died)
    group.oldest = min(group.oldest, other.oldest, key=_died)
    group.count += other.count
    group.kinds += other.kinds
    group.queues += other.queues
    group.hours += other.hours


def _died(head: LetterHead) -> int:
    return head.died_ms
