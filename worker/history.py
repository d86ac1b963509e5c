"""Writes every job that has ended into PostgreSQL, in batches, beside the jobs' way.

The queue never waits for it: while PostgreSQL is away or too slow, what has ended gathers in a buffer of
bounded size, and of more the oldest is not written, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.history_writing import Refusal, record
from monarq.jobs.store.postgres.repositories.jobs import EndedJob
from monarq.jobs.store.verbs import End, Settlement, Verb

from .heartbeat_job import HEARTBEAT
from .history_rows import ended_job
from .outage import Outage
from .run import Run

log = structlog.get_logger("monarq.worker")

#: A batch is written when it is full, or after so many seconds.
BATCH = 500
FLUSH_SECONDS = 0.5
#: Besides the number of jobs, their size is bounded.
MAX_BUFFER_BYTES = 64 * 1024 * 1024
#: What a job takes besides its documents and tracebacks, roughly.
_JOB_BYTES = 1_000
#: Seconds that a worker that stops waits for PostgreSQL to take the rest.
_LAST_SECONDS = 3.0
_LOG_EVERY = 60.0

_ENDS = frozenset({Verb.SUCCEEDED, Verb.DEAD, Verb.CANCELLED, Verb.EXPIRED})
_REFUSED = Settlement.REFUSED


class History:
    """The buffer, and what empties it.

    Args:
        limit: Jobs that are kept while they cannot be written.
    """

    def __init__(self, database: Database, *, worker_id: str, limit: int) -> None:
        self._database = database
        self._worker_id = worker_id
        self._limit = limit
        self._waiting: deque[tuple[float, EndedJob, int]] = deque()
        self._bytes = 0
        #: The batch that is being written.
        self._under_way: list[EndedJob] = []
        self._oldest = 0.0
        self._full = asyncio.Event()
        self._outage = Outage("history")
        self.written = 0
        #: Jobs that are not in the history: there was no room for them, or PostgreSQL cannot keep them.
        self.dropped = 0
        self._logged = -_LOG_EVERY

    @property
    def pending(self) -> int:
        """Jobs that are not written yet."""
        return len(self._waiting) + len(self._under_way)

    def add(self, run: Run, end: End, settlement: Settlement) -> None:
        """Take the end of an attempt; that of its job is kept.  Never waits."""
        if settlement is _REFUSED or end.verb not in _ENDS or run.runnable is HEARTBEAT:
            return
        try:
            ended = ended_job(run, end, self._worker_id)
        except Exception:  # a job may hold anything; one that cannot be told must not hurt the others
            log.exception("worker.history_failed", job_id=run.job_id)
            self._drop(1, "it cannot be told")
            return
        size = _size(ended)
        self._waiting.append((time.monotonic(), ended, size))
        self._bytes += size
        if len(self._waiting) >= BATCH:
            self._full.set()
        while len(self._waiting) > self._limit or self._bytes > MAX_BUFFER_BYTES:
            self._bytes -= self._waiting.popleft()[2]
            self._drop(1, "the buffer is full")

    def report(self) -> dict[str, int]:
        """How far behind it is, for the worker's report; also from another thread."""
        lag = time.monotonic() - self._oldest_pending()
        return {
            "pending": self.pending,
            "lag_ms": round(lag * 1000) if self.pending else 0,
            "written": self.written,
            "dropped": self.dropped,
        }

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            if len(self._waiting) < BATCH:
                self._full.clear()
                await _wait(self._full, FLUSH_SECONDS)
            if self.pending:
                await self._write_batch()

    async def close(self) -> None:
        """Write the rest, as far as PostgreSQL takes it soon."""
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                while self.pending:
                    await self._write_batch()
        except TimeoutError:
            log.error("worker.history_lost", count=self.pending)

    # ---

    async def _write_batch(self) -> None:
        """Write what is under way; it stays so until it is written, or refused for good."""
        if not self._under_way:
            self._take_batch()
        while True:
            try:
                refused = await record(self._database, self._under_way)
            except StoreError as error:
                await self._outage.wait(error)
            else:
                break
        self._outage.over()
        self.written += len(self._under_way) - len(refused)
        self._under_way = []
        self._note_refused(refused)

    def _take_batch(self) -> None:
        taken = list(islice(self._waiting, BATCH))
        self._oldest = taken[0][0]
        self._under_way = [ended for _, ended, _ in taken]
        for _ in taken:
            self._bytes -= self._waiting.popleft()[2]

    def _oldest_pending(self) -> float:
        if self._under_way:
            return self._oldest
        try:
            return self._waiting[0][0]
        except IndexError:  # the loop has just taken it
            return time.monotonic()

    def _note_refused(self, refused: Sequence[Refusal]) -> None:
        for refusal in refused:
            log.warning("worker.history_refused", job_id=refusal.job_id, error=refusal.why)
        if refused:
            self._drop(len(refused), "PostgreSQL cannot keep it")

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        if time.monotonic() - self._logged >= _LOG_EVERY:
            self._logged = time.monotonic()
            log.warning("worker.history_dropped", count=self.dropped, why=why)


def _size(ended: EndedJob) -> int:
    job = ended.job
    size = _JOB_BYTES + len(job.payload or "") + len(job.result or "")
    return size + sum(_JOB_BYTES + len(attempt.traceback) for attempt in ended.attempts)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
