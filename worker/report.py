"""What a worker says of itself: read by `monarq health` and by `monarq why`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta

from monarq.jobs.store.verbs import milliseconds

from .journal import Journal
from .run import now_ms
from .runnable import Runnable
from .slots import Slots


def report_of(
    worker_id: str,
    queues: dict[str, int],
    runnables: Mapping[str, Runnable],
    slots: Slots,
    journal: Journal,
    *,
    ageing: timedelta,
    stopping: bool,
) -> dict[str, object]:
    """The report as plain data; `LiveWorker` is how it is read."""
    return {
        "worker": worker_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "queues": queues,
        "kinds": sorted(runnables),
        "max_attempts": {kind: runnable.policy.max_attempts for kind, runnable in runnables.items()},
        "ageing_ms": milliseconds(ageing),
        "slots": slots.total,
        "busy": slots.busy,
        "complete": journal.complete,
        "failed": journal.failed,
        "loop_blocks": journal.loop_blocks,
        "stopping": stopping,
        "at_ms": now_ms(),
    }
