"""The live workers, as they concern one queue and one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .workers import LiveWorker


@dataclass(frozen=True, slots=True)
class Crew:
    """Who could run a job of this kind in this queue."""

    workers: Sequence[LiveWorker]
    queue: str
    #: None if the job's kind cannot be read.
    kind: str | None
    #: Whether the job is durable, so that only workers with a database run it.
    is_durable: bool = False

    @property
    def serving(self) -> list[LiveWorker]:
        """Those that claim from the queue."""
        return [worker for worker in self.workers if worker.serves(self.queue)]

    @property
    def knowing(self) -> list[LiveWorker]:
        """Those of them that know the kind, too."""
        return [worker for worker in self.serving if self.kind is None or self.kind in worker.kinds]

    @property
    def able(self) -> list[LiveWorker]:
        """Those of them that may run the job."""
        return [worker for worker in self.knowing if worker.has_database or not self.is_durable]

    @property
    def slots(self) -> int:
        return sum(worker.slots for worker in self.able)

    @property
    def busy(self) -> int:
        return sum(worker.busy for worker in self.able)

    @property
    def max_attempts(self) -> int | None:
        """As those say who know the kind, wherever they work; the most, should they differ."""
        told = [worker.max_attempts[self.kind] for worker in self.workers if self.kind in worker.max_attempts]
        return max(told, default=None)
