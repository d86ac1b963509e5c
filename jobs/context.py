"""What a handler knows about its own job."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import structlog

from .errors import DefinitionError


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


class Effects(Protocol):
    """What stands behind `ctx.once()`."""

    def once(self) -> AbstractAsyncContextManager[Any]:
        """A transaction with which the job succeeds."""
        ...  # pragma: no cover

    def complete(self, value: Any) -> None:
        """The job's result, if the transaction is committed."""
        ...  # pragma: no cover


class JobContext(dict[Any, Any]):
    """The first argument of every handler: arq's `ctx` dict, with the job's facts as attributes.

    As a dict it holds what `on_startup` put there and arq's keys: `job_id`, `job_try`, `enqueue_time`,
    `score`, `redis`.
    """

    __slots__ = ("attempt", "effects", "fence", "job_id", "kind", "queue", "stop_sign")

    job_id: str
    #: The job's type name.
    kind: str
    queue: str
    #: 1 for the first try.  Interruptions and crashes of the worker do not count.
    attempt: int
    #: Grows with every start of this job, for whatever cause: pass it on where a stale writer must be
    #: refused.
    fence: int
    #: Only for durable jobs; handlers use `once` and `complete`.
    effects: Effects
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
    def idempotency_key(self) -> str:
        """The same for all attempts of this job: pass it on where a repeated request must be recognised."""
        return self.job_id

    def once(self) -> AbstractAsyncContextManager[Any]:
        """A transaction of PostgreSQL with which the job succeeds: both happen, once, or neither.

            async with ctx.once() as conn:
                await conn.execute("INSERT INTO receipts …")

        `conn` is an asyncpg connection.  When the block is left, the job's end is written in the same
        transaction, and all is committed; if the block raises, all is undone.  If another attempt has ended
        the job already, or has begun since, the handler is ended instead, by an exception that is no
        `Exception`.  What the handler raises after the block does not undo the end.

        Raises:
            DefinitionError: The job is not durable, or this attempt has had its transaction.
            DatabaseUnavailable: The connection was lost, and nothing of it is committed.
        """
        return self._effects().once()

    def complete(self, value: Any) -> None:
        """Say within `once` what the job's result is; without it, that is None."""
        self._effects().complete(value)

    def _effects(self) -> Effects:
        try:
            return self.effects
        except AttributeError:
            raise DefinitionError(
                f"{self.kind}: ctx.once() is for durable jobs: write @job(durable=True)"
            ) from None

    @property
    def log(self) -> Any:
        """A structlog logger; job id, kind, queue and attempt are added to each of its lines."""
        return structlog.get_logger("monarq.job")
