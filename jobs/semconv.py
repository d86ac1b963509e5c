"""The names that OpenTelemetry's conventions for messaging give to what a queue does, and a few of our own.

The conventions are still in development: what they rename is renamed here, and nowhere else.
"""

from __future__ import annotations

# --- operations: the first word of a span's name, before the queue

CREATE = "create"  #: a job was made that somebody else writes: a row for the app's own driver
SEND = "send"  #: jobs were enqueued
PROCESS = "process"  #: an attempt was run

# --- attributes of the conventions

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
QUEUE = "messaging.destination.name"
JOB_ID = "messaging.message.id"
JOB_COUNT = "messaging.batch.message_count"
WORKER = "messaging.client.id"
ERROR_TYPE = "error.type"

EXCEPTION = "exception"  #: the event of a span that tells of one
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"

# --- attributes of our own

KIND = "monarq.kind"
ATTEMPT = "monarq.attempt"
PRIORITY = "monarq.priority"
OUTCOME = "monarq.outcome"  #: as the metrics have it: succeeded, retried, dead, …

#: The value of `SYSTEM`.
MONARQ = "monarq"


def operation(name: str) -> dict[str, str]:
    """What each span of an operation tells.  Its name is also its type here."""
    return {SYSTEM: MONARQ, OPERATION_NAME: name, OPERATION_TYPE: name}


def span_name(name: str, queue: str | None) -> str:
    """`send mail`; without the queue where there is not one alone."""
    return name if queue is None else f"{name} {queue}"
