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

    @property
    def first_seen(self) -> datetime:
        return self.oldest.died_at

    @property
    def last_seen(self) -> datetime:
        return self.sample.died_at

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
        self._groups: dict[str, LetterGroup] = {}

    @property
    def groups(self) -> Sequence[LetterGroup]:
        """The largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.count, group.fingerprint))

    def add(self, heads: Iterable[LetterHead]) -> None:
        """Count letters in."""
        for head in heads:
            self.count += 1
            self.name([head])
            self._enter(head, head.fingerprint)

    def name(self, heads: Sequence[LetterHead]) -> None:
        """Take letters for the sample, as far as it wants any."""
        self.sample += heads[: max(0, SAMPLE - len(self.sample))]

    def add_group(self, group: LetterGroup) -> None:
        """Count letters in that were counted elsewhere."""
        self.count += group.count
        known = self._groups.setdefault(group.fingerprint, group)
        if known is not group:
            known.sample = max(known.sample, group.sample, key=_died)
            known.oldest = min(known.oldest, group.oldest, key=_died)
            known.count += group.count
            known.kinds += group.kinds
            known.queues += group.queues

    def as_document(self) -> dict[str, Any]:
        """The survey as plain data, for `--json` and the API."""
        return {
            "count": self.count,
            "groups": [group.as_document() for group in self.groups],
            "sample": [head.job_id for head in self.sample],
        }

    def _enter(self, head: LetterHead, fingerprint: str) -> None:
        group = self._groups.get(fingerprint)
        if group is None:
            group = self._groups[fingerprint] = LetterGroup(fingerprint, head, head)
        elif head.died_ms >= group.sample.died_ms:
            group.sample = head
        elif head.died_ms < group.oldest.died_ms:
            group.oldest = head
        group.count += 1
        group.kinds[head.kind or NO_KIND] += 1
        group.queues[head.queue.name] += 1


def _died(head: LetterHead) -> int:
    return head.died_ms
