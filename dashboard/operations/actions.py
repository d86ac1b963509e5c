"""What can be done to many jobs at once, and what each of it needs."""

from __future__ import annotations

from enum import StrEnum

from ..access.permissions import Permission


class Action(StrEnum):
    """One thing that can be done to many."""

    REPLAY = "replay"
    DISCARD = "discard"
    CANCEL = "cancel"
    RETRY_NOW = "retry_now"  #: do not wait out the backoff
    RESCHEDULE = "reschedule"
    PRIORITY = "priority"

    @property
    def is_on_letters(self) -> bool:
        """Whether it is done to dead letters, and not to jobs that have not ended."""
        return self in (Action.REPLAY, Action.DISCARD)

    @property
    def permission(self) -> Permission:
        """What it needs for each job, beside `operations:run`."""
        return _PERMISSIONS[self]


_PERMISSIONS = {
    Action.REPLAY: Permission.DEAD_REPLAY,
    Action.DISCARD: Permission.DEAD_PURGE,
    Action.CANCEL: Permission.JOBS_CANCEL,
    Action.RETRY_NOW: Permission.JOBS_RETRY,
    Action.RESCHEDULE: Permission.JOBS_EDIT,
    Action.PRIORITY: Permission.JOBS_EDIT,
}
