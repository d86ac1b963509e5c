"""What can be permitted: one word per thing that a caller may do."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One thing that a caller may do.  The words are stable: they stand in settings, databases and tokens."""

    JOBS_READ = "jobs:read"
    JOBS_PAYLOAD = "jobs:payload"  #: see arguments, results and the words of errors
    JOBS_ENQUEUE = "jobs:enqueue"
    JOBS_RETRY = "jobs:retry"
    JOBS_CANCEL = "jobs:cancel"
    JOBS_EDIT = "jobs:edit"
    JOBS_DELETE = "jobs:delete"
    QUEUES_READ = "queues:read"
    QUEUES_PAUSE = "queues:pause"
    QUEUES_SCALE = "queues:scale"
    QUEUES_PURGE = "queues:purge"
    DEAD_REPLAY = "dead:replay"
    DEAD_PURGE = "dead:purge"
    SCHEDULES_WRITE = "schedules:write"
    SCHEDULES_RUN = "schedules:run"
    WORKERS_READ = "workers:read"
    WORKERS_DRAIN = "workers:drain"
    OPERATIONS_RUN = "operations:run"
    METRICS_READ = "metrics:read"
    AUDIT_READ = "audit:read"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"

    @property
    def changes_something(self) -> bool:
        """Whether it permits more than to look."""
        return not (self.endswith(":read") or self is Permission.JOBS_PAYLOAD)
