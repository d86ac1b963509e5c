"""Records how attempts ended: in batches, fenced, and for as long as it takes.

Outcomes of one queue gather while the batch before them is under way, so that a busy worker settles in few
calls and an idle one settles at once.  While Redis is away they are kept, and sent again under the same nonce
when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from secrets import token_hex

import structlog

from monarq.jobs.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import BATCH, End, Settlement, settle

from .outage import Outage
from .run import Run

log = structlog.get_logger("monarq.worker")

#: Attempts that are recorded together.
Batch = Sequence[tuple[Run, End]]
#: Told of attempts once they are recorded or refused: a call per batch, for there are many.
Settled = Callable[[Batch, Sequence[Settlement]], None]


class Completer:
    """Settles outcomes.  `add` never waits and never fails.

    Args:
        on_settled: Told of all ends, those of a batch together.
        tells_past: Let each `End` of a job know what went wrong with it before.
    """

    def __init__(
        self, link: Transport, on_settled: Settled, *, worker_id: str, tells_past: bool = False
    ) -> None:
        self._link = link
        self._on_settled = on_settled
        self._worker_id = worker_id
        self._tells_past = tells_past
        self._pending: dict[QueueKeys, deque[tuple[Run, End]]] = {}
        self._senders: dict[QueueKeys, asyncio.Task[None]] = {}
        self.outage = Outage("completer")

    @property
    def pending(self) -> int:
        """Outcomes that wait, or are under way."""
        return sum(map(len, self._pending.values()))

    def add(self, run: Run, end: End) -> None:
        """Take an outcome; it is sent together with those of the same tick of the loop."""
        queue = run.claimed.queue
        self._pending.setdefault(queue, deque()).append((run, end))
        if queue not in self._senders:
            self._senders[queue] = asyncio.create_task(self._send(queue), name=f"monarq-settle-{queue.name}")

    async def drain(self, timeout: float) -> bool:
        """Wait until all is recorded; False if that took longer than `timeout` seconds."""
        if not self._senders:
            return True
        _, unfinished = await asyncio.wait(self._senders.values(), timeout=timeout)
        return not unfinished

    async def close(self) -> None:
        """Give up what is not recorded yet; its leases run out, and other workers take it."""
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        if self.pending:
            log.error("worker.outcomes_lost", count=self.pending)

    # ---

    async def _send(self, queue: QueueKeys) -> None:
        pending = self._pending[queue]
        try:
            while pending:
                batch = [pending[at] for at in range(min(len(pending), BATCH))]
                await self._settle(queue, batch)
                for _ in batch:
                    pending.popleft()
        finally:
            del self._senders[queue]

    async def _settle(self, queue: QueueKeys, batch: list[tuple[Run, End]]) -> None:
        try:
            settlements = await self._persist(queue, [end for _, end in batch])
        except StoreRefused as error:
            await self._one_by_one(queue, batch, error)
            return
        self._tell(batch, settlements)

    def _tell(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        try:
            self._on_settled(batch, settlements)
        except Exception:
            # all is recorded: a fault of who counts it must not have it recorded again, for ever
            log.exception("worker.settled_unheard")

    async def _persist(self, queue: QueueKeys, ends: list[End]) -> list[Settlement]:
        nonce, tells_past = token_hex(8), self._tells_past
        request = settle(queue, ends, worker=self._worker_id, nonce=nonce, tells_past=tells_past)
        while True:
            try:
                settlements = await execute(self._link, request)
            except (StoreUnavailable, StoreFull) as error:
                await self.outage.wait(error)
            else:
                self.outage.over()
                return settlements

    async def _one_by_one(self, queue: QueueKeys, batch: list[tuple[Run, End]], error: StoreError) -> None:
        """One of the batch cannot be recorded (a key of another type, say): the others must not suffer."""
        if len(batch) > 1:
            for one in batch:
                await self._settle(queue, [one])
            return
        [(run, end)] = batch
        log.error("worker.outcome_refused", job_id=run.job_id, outcome=end.verb, error=str(error))
        self._tell(batch, [Settlement.REFUSED])
