"""What can be done to many jobs at once, and what each of it needs."""

from __future__ import annotations

from enum import StrEnum

from ..access.permissions import Permission


class Action(StrEnum):
    """One thing that can be done to many."""

    REPLAY = "replay"
    DISCARD = "discard"

    @property
    def permission(self) -> Permission:
        """What it needs for each job, beside `operations:run`."""
        return _PERMISSIONS[self]


_PERMISSIONS = {Action.REPLAY: Permission.DEAD_REPLAY, Action.DISCARD: Permission.DEAD_PURGE}
