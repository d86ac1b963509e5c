"""Records the ends of durable jobs in PostgreSQL before Redis forgets these jobs."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from monarq.jobs.store.execute import Transport
from monarq.jobs.store.verbs import BATCH, End, Settlement, Verb

from .completer import Completer, Settled
from .ledger import Ledger
from .run import Run

_FINAL = (Verb.SUCCEEDED, Verb.DEAD, Verb.CANCELLED, Verb.EXPIRED)


class DurableCompleter(Completer):
    """A completer for a worker with a database.  Other jobs do not wait for the durable ones."""

    def __init__(
        self, link: Transport, on_settled: Settled, ledger: Ledger, *, worker_id: str, tells_past: bool
    ) -> None:
        super().__init__(link, on_settled, worker_id=worker_id, tells_past=tells_past)
        self._ledger = ledger
        self._unrecorded: deque[tuple[Run, End]] = deque()
        self._recorder: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        return super().pending + len(self._unrecorded)

    def add(self, run: Run, end: End) -> None:
        if not run.is_durable or run.verdict is not None or end.verb not in _FINAL:
            super().add(run, end)
            return
        self._unrecorded.append((run, end))
        if self._recorder is None:
            self._recorder = asyncio.create_task(self._record(), name="monarq-record")

    async def drain(self, timeout: float) -> bool:
        began = time.monotonic()
        if self._recorder is not None:
            await asyncio.wait({self._recorder}, timeout=timeout)
        in_time = await super().drain(max(0.0, timeout - (time.monotonic() - began)))
        return in_time and not self._unrecorded

    async def close(self) -> None:
        if self._recorder is not None:
            self._recorder.cancel()
            await asyncio.gather(self._recorder, return_exceptions=True)
        await super().close()

    async def _record(self) -> None:
        try:
            while self._unrecorded:
                batch = self._next_batch()
                for (run, end), told in zip(batch, await self._ledger.record(batch), strict=True):
                    self._unrecorded.popleft()
                    if told is None:  # a later attempt owns the job
                        self._tell([(run, end)], [Settlement.REFUSED])
                    else:
                        super().add(run, told)
        finally:
            self._recorder = None

    def _next_batch(self) -> list[tuple[Run, End]]:
        """As many from the first on as are of different jobs."""
        batch: dict[str, tuple[Run, End]] = {}
        for run, end in self._unrecorded:
            if run.job_id in batch or len(batch) == BATCH:
                break
            batch[run.job_id] = (run, end)
        return list(batch.values())
