"""What machines ask of a worker at its own port: its metrics, and whether it lives, has started, is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import structlog

from monarq.jobs.metrics import Collector, render
from monarq.jobs.probes import Checks, Facts, look_at, not_ready, readiness
from monarq.jobs.side_port import SidePort, json_page
from monarq.jobs.store.connection import Link
from monarq.jobs.store.exporter import Exporter
from monarq.jobs.store.keys import QueueKeys
from monarq.producer.metrics import RelayCollector

from .fresh_ends import Pair
from .maintenance.cron_successes import CronSuccesses
from .meters import Meters
from .metrics import WorkerCollector
from .runnable import Runnable

if TYPE_CHECKING:
    from .worker import Worker

log = structlog.get_logger("monarq.worker")

#: Seconds after which a loop that does not answer, or a fetcher that does nothing, counts as dead.
_STILL_ALIVE = 30.0


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
        cron_kinds: Kinds of which it is written down when one has succeeded last.
    """

    def __init__(
        self,
        worker: Worker,
        link: Link,
        pairs: Iterable[Pair],
        cron_kinds: AbstractSet[str],
    ) -> None:
        self._worker = worker
        self._link = link
        self._has_started = False
        settings = worker.settings
        #: Whether anything is counted at all: what nobody can read costs nothing.
        self.is_on = bool(settings.metrics_port)
        #: Whether somebody wants to know when each attempt ended: a history does, too.
        self.wants_times = self.is_on or worker.persistence is not None
        self.cron_successes = CronSuccesses(link, cron_kinds)
        self.meters = Meters(
            pairs,
            lambda queue: settings.objective(queue).total_seconds() * 1000,
            self.cron_successes.note,
        )
        if self.is_on:
            worker.fetcher.on_poll = self.meters.polled
        self._collector = WorkerCollector(worker, self.meters)
        self._exporter = Exporter(link.address, settings)
        self._side_port = SidePort(
            settings.metrics_host,
            settings.metrics_port or None,
            {
                "/metrics": self._metrics,
                "/livez": json_page(self._is_alive),
                "/readyz": json_page(self._is_ready),
                "/startupz": json_page(self._is_started),
            },
        )

    def begin(self) -> None:
        """Serve: while the worker starts it is alive already."""
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

    async def end(self) -> None:
        """Serve no more, and write down what has succeeded last."""
        self.meters.fold()
        await self.cron_successes.close()
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._side_port.stop()
        self._exporter.close()

    # --- the threads that serve

    def _metrics(self, accept: str) -> tuple[int, bytes, str]:
        collectors: list[Collector] = [self._collector, self._exporter]
        if (store := self._worker.persistence) is not None and store.relay is not None:
            collectors.append(RelayCollector(store.relay))
        return (200, *render(collectors, accept))

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
            return not_ready("worker", "it starts")
        if self._worker.fetcher.claims_no_more:
            return not_ready("worker", "it claims no more")
        return readiness(self._worker.loop, self._look)

    # --- the event loop

    async def _look(self) -> Checks:
        ping, store = self._link.call("PING"), self._worker.persistence
        return await (look_at(redis=ping, postgres=store.database.check()) if store else look_at(redis=ping))
