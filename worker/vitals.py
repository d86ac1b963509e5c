"""What machines ask of a worker at its own port: its metrics, and whether it lives, has started, is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.metrics import render
from monarq.jobs.side_port import SidePort, json_page
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.workers import HistoryReport

from .meters import Meters, Pair
from .metrics import WorkerCollector
from .runnable import Runnable

if TYPE_CHECKING:
    from .worker import Worker

log = structlog.get_logger("monarq.worker")

#: Seconds after which a loop that does not answer, or a fetcher that does nothing, counts as dead.
_STILL_ALIVE = 30.0
#: Seconds for one look at the stores.
_PATIENCE = 3.0

Facts = tuple[bool, Mapping[str, object]]


def pairs_of(runnables: Mapping[str, Runnable], queues: Iterable[QueueKeys]) -> list[Pair]:
    """Each kind with the queue that its jobs are in, as far as the worker serves it."""
    served = [queue.name for queue in queues]
    return [
        (one.policy.queue if one.policy.queue in served else served[0], kind)
        for kind, one in runnables.items()
    ]


class Vitals:
    """Counts, and serves what it has counted.

    Args:
        link: For looks at Redis.
        pairs: Queues and kinds whose series begin at 0.
        is_stopping: Whether the worker was told to stop.
    """

    def __init__(
        self, worker: Worker, link: Transport, pairs: Iterable[Pair], is_stopping: Callable[[], bool]
    ) -> None:
        self._worker = worker
        self._link = link
        self._is_stopping = is_stopping
        self._has_started = False
        settings = worker.settings
        #: Whether anything is counted at all: what nobody can read costs nothing.
        self.is_on = bool(settings.metrics_port)
        #: Whether somebody wants to know when each attempt ended: a history does, too.
        self.wants_times = self.is_on or worker.persistence is not None
        self.meters = Meters(pairs, lambda queue: settings.objective(queue).total_seconds() * 1000)
        self._collector = WorkerCollector(self.meters, worker.slots, lambda: list(worker.runs), self._history)
        self._side_port = SidePort(
            settings.metrics_host,
            settings.metrics_port or 0,
            {
                "/metrics": self._metrics,
                "/livez": json_page(self._is_alive),
                "/readyz": json_page(self._is_ready),
                "/startupz": json_page(self._is_started),
            },
        )

    def begin(self) -> None:
        """Serve: while the worker starts it is alive already."""
        if self.is_on:
            self._side_port.start()

    def started(self, queues: Mapping[str, int], *, kinds: int) -> None:
        """The worker has looked at its stores, and works."""
        self._has_started = True
        is_traced = self._worker.executor.spans is not None
        self.meters.marks_exemplars = is_traced
        facts: dict[str, object] = {"metrics_port": self.port} if self.port else {}
        if is_traced:
            facts["tracing"] = self._worker.settings.tracing
        log.info("worker.started", worker=self._worker.worker_id, queues=queues, kinds=kinds, **facts)

    @property
    def port(self) -> int | None:
        """Where it listens; None if it does not."""
        return self._side_port.port

    def end(self) -> None:
        """Serve no more."""
        self.meters.fold()
        self._side_port.stop()

    # --- the threads that serve

    def _metrics(self, accept: str) -> tuple[int, bytes, str]:
        return (200, *render([self._collector], accept))

    def _is_alive(self) -> Facts:
        """No look at Redis or PostgreSQL: to restart the worker would not bring them back."""
        if not self._has_started:
            return True, {"alive": True}
        silence, stillness = self._worker.watchdog.silence, self._worker.fetcher.stillness
        alive = max(silence, stillness) < _STILL_ALIVE
        return alive, {
            "alive": alive,
            "loop_silent_seconds": round(silence, 1),
            "fetcher_still_seconds": round(stillness, 1),
        }

    def _is_started(self) -> Facts:
        return self._has_started, {"started": self._has_started}

    def _is_ready(self) -> Facts:
        if not self._has_started:
            return False, {"ready": False, "checks": {"worker": "it starts"}}
        if self._is_stopping():
            return False, {"ready": False, "checks": {"worker": "it stops"}}
        look = asyncio.run_coroutine_threadsafe(self._look(), self._worker.loop)
        try:
            checks = look.result(_PATIENCE)
        except NotInTime:
            look.cancel()
            checks = {"loop": f"it does not answer within {_PATIENCE:g} s"}
        ready = all(found == "ok" for found in checks.values())
        return ready, {"ready": ready, "checks": checks}

    def _history(self) -> HistoryReport | None:
        store = self._worker.persistence
        if store is None or store.history is None:
            return None
        return HistoryReport(**store.history.report())

    # --- the event loop

    async def _look(self) -> dict[str, str]:
        checks = {"redis": await _tried(self._link.call("PING", timeout=_PATIENCE - 1))}
        if (store := self._worker.persistence) is not None:
            checks["postgres"] = await _tried(store.check())
        return checks


async def _tried(look: Awaitable[object]) -> str:
    try:
        await look
    except StoreError as error:
        return error.code
    return "ok"
