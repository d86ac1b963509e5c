"""What a handler knows about its own job."""

from __future__ import annotations

from typing import Any

import structlog


class StopSign:
    """How a function in a thread learns that its job was told to stop: by looking."""

    __slots__ = ("is_up", "was_seen")

    def __init__(self) -> None:
        self.is_up = False
        self.was_seen = False

    def look(self) -> bool:
        """Whether it is up."""
        self.was_seen = self.is_up
        return self.is_up


class JobContext(dict[Any, Any]):
    """The first argument of every handler: arq's `ctx` dict, with the job's facts as attributes.

    As a dict it holds what `on_startup` put there and arq's keys: `job_id`, `job_try`, `enqueue_time`,
    `score`, `redis`.
    """

    __slots__ = ("attempt", "fence", "job_id", "kind", "queue", "stop_sign")

    job_id: str
    #: The job's type name.
    kind: str
    queue: str
    #: 1 for the first try.  Interruptions and crashes of the worker do not count.
    attempt: int
    #: Grows with every start of this job, for whatever cause: pass it on where a stale writer must be
    #: refused.
    fence: int
    #: Only for handlers that run in a thread; they look at `cancelled`.
    stop_sign: StopSign

    @property
    def cancelled(self) -> bool:
        """Whether a handler that runs in a thread was told to stop: it should return soon.

        Others are told by an exception, and always see False here.
        """
        sign: StopSign | None = getattr(self, "stop_sign", None)
        return sign is not None and sign.look()

    @property
    def log(self) -> Any:
        """A structlog logger; job id, kind and attempt are added to each of its lines."""
        return structlog.get_logger("monarq.job")
