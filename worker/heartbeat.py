"""Keeps leases alive and reports the worker, from a thread of its own with a connection of its own.

A thread, because a handler that blocks the event loop must not cost its neighbours their leases.  It renews
exactly the attempts that run, never "all of this worker": a claim whose reply got lost must be free to run
out.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from math import inf
from typing import TypeVar

import structlog
from pydantic_core import to_json

from monarq.jobs.cancel_note import CancelNote, decode_note
from monarq.jobs.errors import StoreError, StoreFull, StoreRefused
from monarq.jobs.failure import Cause
from monarq.jobs.store.address import Address
from monarq.jobs.store.clock import moment_of, read_time
from monarq.jobs.store.execute import execute_sync
from monarq.jobs.store.keys import ORDER, WORKER, WORKERS, QueueKeys
from monarq.jobs.store.orders import DrainOrder, read_order
from monarq.jobs.store.pauses import Pause, read_pauses
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import BATCH, Lease, Renewal, renew
from monarq.jobs.store.workers import REPORT_KEPT_MS, enlist, report

from .outage import Outage
from .run import Run

log = structlog.get_logger("monarq.worker")

T = TypeVar("T")

#: Seconds between looks at the leases.
TICK = 1.0
#: Seconds between two reports of a worker, and of one that has nothing to do: an idle fleet costs next to
#: nothing.
REPORT_EVERY, REPORT_EVERY_IDLE = 5.0, 30.0
#: Seconds between two looks at the server's clock, and at reports that others have left behind.
_TIDY_EVERY = 300.0
#: Seconds that who is told to stop waits for the thread.
_RETIRES_WITHIN = 2.0


class Heartbeat:
    """The thread.

    Args:
        runs: The attempts under way; read from the thread, so it must be one call (`list(dict.values())`).
        report: What the worker says of itself, read from the thread.
        drain: Called on the loop when somebody has told the worker to.
    """

    def __init__(
        self,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        runs: Callable[[], list[Run]],
        report: Callable[[], dict[str, object]],
        drain: Callable[[DrainOrder], None],
        worker_id: str,
        lease: timedelta,
    ) -> None:
        self._link = SyncLink(address, reply_timeout=max(0.5, lease.total_seconds() / 6))
        self._loop = loop
        self._runs = runs
        self._report = report
        self._drain = drain
        self._worker_id = worker_id
        self._lease = lease.total_seconds()
        self.outage = Outage("heartbeat")
        self._stop = threading.Event()
        # in the worker's context, so that its lines name the worker
        beat = partial(copy_context().run, self._beat)
        self._thread = threading.Thread(target=beat, name="monarq-heartbeat", daemon=True)
        self._reported_at = self._tidied_at = -inf
        #: The server's clock less our monotonic one, ms.
        self._ahead_ms = 0.0
        #: The last report told of jobs that ran.
        self._told_of_runs = False
        #: The attempts that the last try to renew was for, whatever became of it.
        self._tried: list[Run] = []
        self._guard: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._guard = self._loop.create_task(self._give_up_unrenewed(), name="monarq-lease-guard")

    async def stop(self) -> None:
        """End, and take the worker's report back, if Redis answers: it goes by itself, too."""
        self._stop.set()
        if self._guard is not None:
            self._guard.cancel()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, _RETIRES_WITHIN)

    # --- the event loop

    async def _give_up_unrenewed(self) -> None:
        """Stop handlers before their lease ends, so that no other worker runs the same job meanwhile.

        Here and not in the thread, which may just then be waiting for a server that does not answer.
        """
        while True:
            await asyncio.sleep(self._lease / 20)
            margin = time.monotonic() + self._lease * 0.2
            for run in self._tried:
                if run.leased_until <= margin:
                    run.stop(Cause.CRASH)

    # --- the thread

    def _beat(self) -> None:
        tick = min(TICK, self._lease / 10)
        while not self._stop.wait(tick):
            runs = self._runs()
            try:
                if self._check(runs):
                    self.outage.over()
            except StoreError as error:
                self.outage.note(error)
            except Exception:  # nothing may end this thread: without it every lease of the worker is lost
                log.exception("worker.heartbeat_failed")
            self._tried = runs
        self._retire()

    def _check(self, runs: list[Run]) -> bool:
        """Look after the leases of these, and report in time; whether anything was asked of Redis."""
        for queue, mine in _by_queue(runs).items():
            asked = self._look_for_requests(queue, mine)
            due = [run for run in mine if asked or self._needs_renewal(run)]
            for at in range(0, len(due), BATCH):
                self._renew(queue, due[at : at + BATCH])
        is_idle = not (runs or self._told_of_runs)
        is_due = time.monotonic() - self._reported_at >= (REPORT_EVERY_IDLE if is_idle else REPORT_EVERY)
        if is_due:
            self._reported_at, self._told_of_runs = time.monotonic(), bool(runs)
            self._tell_and_ask(REPORT_EVERY if runs else REPORT_EVERY_IDLE)
        return is_due or bool(runs)

    def _tell_and_ask(self, next_in: float) -> None:
        """Report, and look whether there is an order."""
        call, worker = self._link.call, self._worker_id
        told = to_json(self._report() | {"every_ms": round(next_in * 1000)})
        if time.monotonic() - self._tidied_at >= _TIDY_EVERY:
            self._tidy()
        try:
            call("SET", WORKER + worker, told, "PX", REPORT_KEPT_MS)
            call("ZADD", WORKERS, round(time.monotonic() * 1000 + self._ahead_ms), worker)
        except StoreFull:  # not always so: the commands of a script count, and an idle worker sends few
            execute_sync(call, report(worker, told))
            execute_sync(call, enlist(worker))
        if (order := read_order(call("GET", ORDER + worker))) is not None:
            self._tell(self._drain, order)

    def _tidy(self) -> None:
        now_ms = read_time(self._link.call("TIME"))
        self._link.call("ZREMRANGEBYSCORE", WORKERS, "-inf", now_ms - REPORT_KEPT_MS)
        self._tidied_at = time.monotonic()
        self._ahead_ms = now_ms - self._tidied_at * 1000

    def _look_for_requests(self, queue: QueueKeys, runs: list[Run]) -> bool:
        """Whether a cancellation may be asked for; what a pause wants back is told to stop."""
        found: int = self._link.call("EXISTS", queue.abort, queue.pause)
        flat = self._read_pauses(queue) if found else []
        if flat:
            self._hand_back_paused(runs, read_pauses(queue.name, flat, read_time(self._link.call("TIME"))))
        return found > bool(flat)

    def _read_pauses(self, queue: QueueKeys) -> list[bytes]:
        try:
            return list(self._link.call("HGETALL", queue.pause))
        except StoreRefused:  # a key of another type: no lease may be lost for that
            return []

    def _hand_back_paused(self, runs: list[Run], pauses: Iterable[Pause]) -> None:
        for pause in pauses:
            for run in runs:
                # both by the server's clock; what was claimed in spite of the pause would only come again
                began_before = moment_of(run.claimed.claimed_at_ms) <= pause.at
                if pause.now and began_before and pause.covers(run.kind):
                    self._tell(run.stop, Cause.INTERRUPTION)

    def _needs_renewal(self, run: Run) -> bool:
        return run.leased_until - time.monotonic() < self._lease * 2 / 3

    def _renew(self, queue: QueueKeys, runs: list[Run]) -> None:
        now = time.monotonic()
        leases = [(run, self._length(run, now)) for run in runs]
        leases = [(run, length) for run, length in leases if length > 0]
        if not leases:
            return
        request = renew(
            queue, [Lease(run.job_id, run.fence, timedelta(seconds=length)) for run, length in leases]
        )
        renewals = execute_sync(self._link.call, request)
        for (run, length), renewal in zip(leases, renewals, strict=True):
            if renewal is Renewal.LOST:
                self._tell(run.stop, Cause.CRASH)
                continue
            run.leased_until = now + length
            if renewal is Renewal.ABORT_ASKED:
                self._tell(run.cancel, self._note_of(run))

    def _note_of(self, run: Run) -> CancelNote:
        if run.cancel_note is not None:  # its handler takes its time to stop
            return run.cancel_note
        try:
            return decode_note(self._link.call("HGET", run.claimed.queue.cancels, run.job_id))
        except StoreRefused:  # a key of another type: the job is cancelled all the same
            return CancelNote()

    def _length(self, run: Run, now: float) -> float:
        """Never past the hard deadline: a handler that is stuck for ever must not hold its job for ever."""
        if run.hard_deadline is None:
            return self._lease
        return min(self._lease, run.hard_deadline - now)

    def _tell(self, end: Callable[[T], None], why: T) -> None:
        try:
            self._loop.call_soon_threadsafe(end, why)
        except RuntimeError:  # the loop is closed: the worker is gone
            self._stop.set()

    def _retire(self) -> None:
        try:
            self._link.call("DEL", WORKER + self._worker_id, ORDER + self._worker_id)
            self._link.call("ZREM", WORKERS, self._worker_id)
        except StoreError:
            log.debug("worker.report_left_behind", worker=self._worker_id)  # it goes by itself
        self._link.close()


def _by_queue(runs: Iterable[Run]) -> dict[QueueKeys, list[Run]]:
    grouped: dict[QueueKeys, list[Run]] = defaultdict(list)
    for run in runs:
        grouped[run.claimed.queue].append(run)
    return grouped
