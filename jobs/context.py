"""What a handler knows about its own job."""

from __future__ import annotations

from typing import Any

import structlog


class JobContext(dict[Any, Any]):
    """The first argument of every handler: arq's `ctx` dict, with the job's facts as attributes.

    As a dict it holds what `on_startup` put there and arq's keys: `job_id`, `job_try`, `enqueue_time`,
    `score`, `redis`.
    """

    __slots__ = ("attempt", "fence", "job_id", "kind", "queue")

    job_id: str
    #: The job's type name.
    kind: str
    queue: str
    #: 1 for the first try.  Interruptions and crashes of the worker do not count.
    attempt: int
    #: Grows with every start of this job, for whatever cause: pass it on where a stale writer must be
    #: refused.
    fence: int

    @property
    def log(self) -> Any:
        """A structlog logger; job id, kind and attempt are added to each of its lines."""
        return structlog.get_logger("monarq.job")
