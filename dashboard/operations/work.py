"""What every sort of operation must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from monarq.jobs.store.operations import ItemFailure


@dataclass(frozen=True, slots=True)
class Batch:
    """Some jobs that it is done to in one go."""

    #: As the work knows them.
    items: Sequence[Any]
    #: Their names, for who goes on after a crash.
    names: list[str]
    #: Where the next ones are.
    position: list[Any]
    #: So many were to be among them, and are gone.
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch."""

    done: int = 0
    skipped: int = 0
    failures: Sequence[ItemFailure] = field(default_factory=list)


class Work(Protocol):
    """One operation, as far as its sort matters."""

    async def next(self, position: list[Any], most: int) -> Batch | None:
        """The jobs behind a position, at most so many; None if there are none."""
        ...  # pragma: no cover

    async def act(self, batch: Batch) -> Outcome:
        """Do it to them.  Done twice, it is as if it were done once."""
        ...  # pragma: no cover

    def failures(self, batch: Batch, why: str) -> Sequence[ItemFailure]:
        """That it could not be done to them."""
        ...  # pragma: no cover

    async def done_of(self, names: Sequence[str]) -> int:
        """To how many of these it has surely been done: who did it did not live to say so."""
        ...  # pragma: no cover
