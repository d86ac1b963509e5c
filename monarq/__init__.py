"""Monarq: typed async jobs on Redis, in arq's shape."""

import typing as _typing

from monarq.jobs import (
    Call,
    Cancel,
    Discard,
    Handler,
    JobContext,
    Priority,
    Registry,
    Retry,
    Settings,
    Snooze,
    State,
    Unique,
    job,
    load_settings,
)
from monarq.jobs.errors import (
    ConfigError,
    Conflict,
    CorruptRecord,
    DatabaseRefused,
    DatabaseUnavailable,
    DefinitionError,
    DuplicateKind,
    InvalidArguments,
    InvalidResult,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    JobRejected,
    JobUnsuccessful,
    MonarqError,
    NoDatabase,
    NotMigrated,
    NotUnique,
    PayloadTooLarge,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    UnknownKind,
)
from monarq.jobs.retry import exponential, fixed, linear
from monarq.jobs.store.pauses import Pause, Pauses
from monarq.jobs.store.sentences import Reason
from monarq.jobs.store.verbs import Cancellation
from monarq.jobs.store.why import Explanation
from monarq.producer import JobHandle, Order, OutboxRow, Producer, SyncJobHandle, SyncProducer

if _typing.TYPE_CHECKING:
    from monarq.worker import Worker, cron, func

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 - in groups, by what one wants to do
    # what a job is
    "Call",
    "Cancel",
    "Discard",
    "Handler",
    "JobContext",
    "Priority",
    "Registry",
    "Retry",
    "Snooze",
    "State",
    "Unique",
    "exponential",
    "fixed",
    "job",
    "linear",
    # asking for work
    "Cancellation",
    "JobHandle",
    "Order",
    "OutboxRow",
    "Producer",
    "SyncJobHandle",
    "SyncProducer",
    # seeing and steering
    "Explanation",
    "Pause",
    "Pauses",
    "Reason",
    # doing work
    "Worker",
    "cron",
    "func",
    # settings
    "Settings",
    "load_settings",
    # errors
    "ConfigError",
    "Conflict",
    "CorruptRecord",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DefinitionError",
    "DuplicateKind",
    "InvalidArguments",
    "InvalidResult",
    "JobCancelled",
    "JobExpired",
    "JobFailed",
    "JobNotFound",
    "JobRejected",
    "JobUnsuccessful",
    "MonarqError",
    "NoDatabase",
    "NotMigrated",
    "NotUnique",
    "PayloadTooLarge",
    "StoreError",
    "StoreFull",
    "StoreRefused",
    "StoreUnavailable",
    "UnknownKind",
]


def __getattr__(name: str) -> _typing.Any:
    # the worker is not imported before it is asked for: producers and commands start sooner without it
    if name in ("Worker", "cron", "func"):
        from monarq import worker

        return getattr(worker, name)
    raise AttributeError(f"module 'monarq' has no attribute {name!r}")
