"""Monarq: typed async jobs on Redis, in arq's shape."""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
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


#: Where they are, the light ones first.
_PLACES = (
    "jobs",
    "jobs.errors",
    "jobs.retry",
    "jobs.store.verbs",
    "jobs.store.pauses",
    "jobs.store.sentences",
    "jobs.store.why",
    "producer",
    "worker",
)


if not _typing.TYPE_CHECKING:  # checkers know the names from above, and no others

    def __getattr__(name: str) -> _typing.Any:
        # nothing is imported before it is asked for: commands and probes need little of it, and start sooner
        for place in _PLACES if name in __all__ else ():
            module = _importlib.import_module(f"monarq.{place}")
            if hasattr(module, name):
                return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module 'monarq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
