"""The four priorities within a queue."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """Served in this order, except that a job gains one step for every `ageing` that it has waited."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return RANKS[self]


#: Highest first; a priority's place here is its rank, and its index in every script.
PRIORITIES: tuple[Priority, ...] = tuple(Priority)
RANKS = {priority: rank for rank, priority in enumerate(PRIORITIES)}
