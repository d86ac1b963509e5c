"""A handle on a job that was enqueued."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from monarq.jobs.handler import Handler
from monarq.jobs.state import State
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import Cancellation, Standing, inspect
from monarq.jobs.store.why import Explanation

from .cancelling import cancel_request, winner
from .ending import has_ended, result_of, state_of
from .retrying import patiently

if TYPE_CHECKING:
    from .producer import Producer

R = TypeVar("R")

#: Seconds after which one who waits looks again, unwoken: the job may have been run by one of arq's own
#: workers, which tell nobody.
_LOOK_AGAIN = 10.0
#: The same while a relay has not brought the job yet: at first, and at most.  Nobody can wake for it.
_FIRST_LOOK, _LAST_LOOK = 0.02, 1.0


class JobHandle(Generic[R]):
    """Asks about one job.  Holds no state of its own: every answer is the store's, of now."""

    __slots__ = ("_handler", "_on_its_way", "_producer", "_queue", "created", "job_id")

    def __init__(
        self,
        producer: Producer,
        queue: QueueKeys,
        job_id: str,
        handler: Handler[..., R] | None,
        created: bool,
        on_its_way: bool = False,
    ) -> None:
        self._producer = producer
        self._on_its_way = on_its_way
        self._queue = queue
        self._handler = handler
        self.job_id = job_id
        #: False if the job was there already, under the same id or the same unique key.
        self.created = created

    @property
    def queue(self) -> str:
        """The name of the queue in which it was enqueued."""
        return self._queue.name

    async def status(self) -> State:
        """The job's state now; `scheduled` while it is in the outbox.

        Raises:
            JobNotFound: It never existed, or its end is no longer kept.
            StoreUnavailable: A store did not answer.
        """
        standing = await self._inspect()
        if standing.what == "unknown":
            if await self._producer.is_held(self.job_id):
                return State.SCHEDULED
            standing = await self._inspect()  # a relay may have brought it between the two looks
        return state_of(self.job_id, standing)

    async def why(self) -> Explanation:
        """Why the job is where it is, in one sentence, and the facts behind it.

        Raises:
            StoreUnavailable: A store did not answer.
        """
        return await self._producer.why(self.job_id, queue=self.queue)

    async def result(self, timeout: float | None = None) -> R:
        """What the handler returned; waits for it, woken by the worker that records it.

        A job that was enqueued in a transaction is waited for before it has come to Redis, too: give a
        timeout, in case that it is rolled back.

        Args:
            timeout: Seconds to wait; None waits for ever.

        Raises:
            JobFailed: The job is a dead letter; with kind, message and traceback text of its last attempt.
            JobCancelled, JobExpired: It ended so.
            JobNotFound: It never existed, or its result is no longer kept (see `keep_result`).
            InvalidResult: It does not fit the return annotation of the handler as it is today.
            TimeoutError: It has not ended yet.
            StoreUnavailable: Redis did not answer.
        """
        return cast(R, result_of(self.job_id, await self._end(timeout), self._handler))

    async def cancel(
        self, reason: str = "", *, by: str | None = None, wait: float | None = None
    ) -> Cancellation:
        """Cancel the job: at once if it waits; if it runs, its worker is asked to stop it.

        It is never retried.  Who waits for its result gets `JobCancelled`, with `by` and `reason`.

        Args:
            reason: Why; kept with the job's end.
            by: Who; by default the user of this process and its host, `ann@web-1`.
            wait: Seconds to wait for the end of a job that runs, to learn who won; None does not wait.

        Returns:
            `cancelled` (by this call, or by an earlier one), `ended` (too late: it has ended otherwise) or
            `unknown` (no trace of it, or it is still in the outbox: ask again).  Without `wait` also
            `requested`: it runs, its worker will be told; or it is durable, and a worker will end it.

        Raises:
            TimeoutError: It was asked for, and the job has not ended yet.
            StoreUnavailable: Redis did not answer; the job may be cancelled.
        """
        body = await self._producer.read_envelope(self.job_id)
        request = cancel_request(self._queue, self.job_id, body, self._policy(), by, reason)
        became = await self._producer.ask(request)
        if wait is None or became is not Cancellation.REQUESTED:
            return became
        return winner(self.job_id, await self._end(wait))

    async def _inspect(self, channel: str = "") -> Standing:
        return await self._producer.ask(inspect(self._queue, self.job_id, channel))

    async def _end(self, timeout: float | None) -> Standing:
        coming = _FIRST_LOOK if self._on_its_way else None
        async with asyncio.timeout(timeout):
            while True:
                with self._producer.waits.expect(self.job_id) as woken:
                    channel = await patiently(self._producer.waits.channel)
                    standing = await self._inspect(channel)
                    if standing.what != "unknown":
                        coming = None
                    if has_ended(standing) and coming is None:
                        return standing
                    await asyncio.wait([woken], timeout=coming or _LOOK_AGAIN)
                    coming = coming and min(2 * coming, _LAST_LOOK)

    def __repr__(self) -> str:
        return f"<JobHandle {self.job_id}>"

    def _policy(self) -> Any:
        return None if self._handler is None else self._handler.policy
