"""Counts the jobs that a process has brought to Redis, where somebody wants to know."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from monarq.jobs.labels import MOST_KINDS, MOST_QUEUES, Labels

#: Queue, kind and priority of a job.
Sort = tuple[str, str, str]


class EnqueueCounts:
    """By queue, kind and priority; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues, self._kinds = Labels(MOST_QUEUES), Labels(MOST_KINDS)
        self._counted: Counter[tuple[str, ...]] = Counter()

    def add(self, sorts: Iterable[Sort]) -> None:
        """Count these jobs."""
        with self._lock:
            for queue, kind, priority in sorts:
                self._counted[self._queues.of(queue), self._kinds.of(kind), priority] += 1

    def read(self) -> Counter[tuple[str, ...]]:
        """What was counted so far."""
        with self._lock:
            return self._counted.copy()
