"""How many jobs may run at once, and how many more may be claimed."""

from __future__ import annotations


class Slots:
    """Counts the places for running jobs.

    A claim reserves places before it is sent, so that no job is ever claimed that cannot start at once.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.busy = 0
        self.reserved = 0

    @property
    def free(self) -> int:
        """Places that neither a running job nor a claim under way has."""
        return self.total - self.busy - self.reserved
