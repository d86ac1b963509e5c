"""The metrics of one worker, made for each scrape out of what it has counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from monarq.jobs.histogram import Distribution
from monarq.jobs.metrics import Collector, Exemplars, Metric, counter, gauge, histogram
from monarq.jobs.store.workers import HistoryReport

from .fresh_ends import Ending, Pair, PutBack, took_over
from .meters import Meters, is_overdue
from .run import Run, now_ms

if TYPE_CHECKING:
    from .worker import Worker

_PAIR = ("queue", "kind")


class WorkerCollector(Collector):
    """Tells of one worker, in the thread that serves the scrape."""

    def __init__(self, worker: Worker, meters: Meters) -> None:
        self._worker = worker
        self._meters = meters
        self._told: Counter[tuple[str, ...]] = Counter()

    def collect(self) -> Iterator[Metric]:
        runs = list(self._worker.runs)
        yield from self._attempts(runs)
        yield from self._unsettled()
        yield from self._times()
        yield from self._load([*{*runs, *self._worker.grace.stuck()}])
        yield from self._redis()
        store = self._worker.persistence
        if store is not None and store.history is not None:
            yield from _history(HistoryReport(**store.history.report()))

    # ---

    def _attempts(self, runs: Iterable[Run]) -> Iterator[Metric]:
        endings = dict(self._meters.endings)
        known = [run for run in runs if run.runnable is not None]
        under_way, taken_over = _by_pair(known), _by_pair(filter(took_over, known))
        started: dict[tuple[str, ...], float] = {}
        finished: dict[tuple[str, ...], float] = {}
        for pair, counted in endings.items():
            lost = counted[Ending.LOST]
            # so that nobody counts at the start: what runs now is the difference
            began = sum(counted.values()) - lost + under_way[pair]
            started[pair] = self._never_less((*pair, "started"), began)
            finished |= {(*pair, ending): counted[ending] for ending in _TOLD if counted[ending]}
            finished |= {(*pair, ending): counted[ending] for ending in _ALWAYS}
            # at once, and not when the job ends that was taken over
            lost = self._never_less((*pair, Ending.LOST), lost + taken_over[pair])
            finished[(*pair, Ending.LOST)] = lost
        yield counter("monarq_job_attempts_started", "Attempts that workers have begun.", _PAIR, started)
        yield counter(
            "monarq_job_attempts_finished", "Attempts by how they ended.", (*_PAIR, "outcome"), finished
        )
        yield counter(
            "monarq_job_exceptions",
            "Exceptions of handlers; those of the rarer types are `other`.",
            ("kind", "exception"),
            self._meters.exceptions.copy(),
        )

    def _unsettled(self) -> Iterator[Metric]:
        refused, put_back = self._meters.refused.copy(), self._worker.executor.put_back.copy()
        queues = {*refused, *(queue for queue, _ in put_back)}
        yield counter(
            "monarq_job_settles_refused",
            "Outcomes of stale workers that the store has refused.",
            ("queue",),
            {(queue,): count for queue, count in refused.items()},
        )
        yield counter(
            "monarq_jobs_put_back",
            "Jobs that went back, since they cannot run on this worker.",
            ("queue", "cause"),
            {(queue, cause): put_back[queue, cause] for queue in queues for cause in PutBack},
        )

    def _never_less(self, key: tuple[str, ...], count: int) -> int:
        """What has ended is counted a moment later: for that long it must not seem that less has begun."""
        self._told[key] = max(count, self._told[key])
        return self._told[key]

    def _times(self) -> Iterator[Metric]:
        meters = self._meters
        yield histogram(
            "monarq_job_wait_seconds",
            "From when a job was due to the start of its attempt.",
            ("queue", "priority"),
            [(key, one.bounds, one.counts, one.total) for key, one in list(meters.wait_ms.items())],
            exemplars=_exemplars(meters.wait_ms),
        )
        yield counter(
            "monarq_job_wait_objective_met",
            "Attempts that started within the objective of their queue.",
            ("queue",),
            {(queue,): count for queue, count in meters.met.copy().items()},
        )
        yield histogram(
            "monarq_job_run_seconds",
            "Time in the handler, per attempt.",
            _PAIR,
            [(key, one.bounds, one.counts, one.total) for key, one in list(meters.run_ms.items())],
            exemplars=_exemplars(meters.run_ms),
        )
        yield histogram(
            "monarq_job_end_to_end_seconds",
            "From the enqueue to the end of the job, with all of its retries.",
            ("queue",),
            [((key,), one.bounds, one.counts, one.total) for key, one in list(meters.end_to_end_ms.items())],
        )
        yield histogram(
            "monarq_job_attempts",
            "Attempts that jobs needed until they ended.",
            ("queue",),
            [((key,), one.bounds, one.counts, one.total) for key, one in list(meters.attempts.items())],
            scale=1,
        )
        lag = meters.loop_lag_ms
        yield histogram(
            "monarq_worker_event_loop_lag_seconds",
            "How long the event loop took to answer, asked four times a second.",
            (),
            [((), lag.bounds, lag.counts, lag.total)],
        )

    def _load(self, runs: list[Run]) -> Iterator[Metric]:
        slots = self._worker.slots.total
        yield gauge("monarq_worker_slots", "Jobs that the worker runs at once, at most.", (), {(): slots})
        busy: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        overdue: dict[tuple[str, ...], float] = {}
        in_use = self._meters.busy_by_queue(runs)
        now = now_ms()
        for queue in {*self._meters.met, *in_use}:
            busy[(queue,)] = in_use.get(queue, 0)
            here = [run for run in runs if run.claimed.queue.name == queue]
            ages[(queue,)] = (now - min((run.started_ms for run in here), default=now)) / 1000
            overdue[(queue,)] = sum(is_overdue(run, now) for run in here)
        yield gauge("monarq_worker_slots_busy", "Slots in use, by the queue of the job.", ("queue",), busy)
        yield gauge(
            "monarq_worker_running_job_max_age_seconds",
            "Age of the attempt that has run for the longest time.",
            ("queue",),
            ages,
        )
        yield gauge(
            "monarq_worker_overdue_jobs",
            "Attempts that have run for more than twice their timeout.",
            ("queue",),
            overdue,
        )

    def _redis(self) -> Iterator[Metric]:
        worker, polls = self._worker, self._meters.poll_ms
        yield histogram(
            "monarq_worker_poll_seconds",
            "How long Redis took for a claim that did not wait for a job.",
            (),
            [((), polls.bounds, polls.counts, polls.total)],
        )
        outages = {
            "claim": worker.fetcher.outage,
            "settle": worker.completer.outage,
            "renew": worker.heartbeat.outage,
        }
        yield counter(
            "monarq_worker_redis_errors",
            "Calls that Redis did not answer, or refused.",
            ("op",),
            {(op,): outage.failed for op, outage in outages.items()},
        )


#: What is told as it is counted: what is lost and what is refused has ways of its own.
_TOLD = tuple(ending for ending in Ending if ending not in (Ending.LOST, Ending.REFUSED))
#: They are told from the start, so that a first one is seen as a rise.
_ALWAYS = (Ending.SUCCEEDED, Ending.RETRIED, Ending.DEAD)


def _by_pair(runs: Iterable[Run]) -> Counter[Pair]:
    return Counter((run.claimed.queue.name, run.kind or "") for run in runs)


def _exemplars(distributions: Mapping[Pair, Distribution]) -> Exemplars:
    return {key: one.exemplars for key, one in list(distributions.items()) if one.exemplars}


def _history(report: HistoryReport) -> Iterator[Metric]:
    yield counter(
        "monarq_history_written", "Finished jobs written into the history.", (), {(): report.written}
    )
    yield counter(
        "monarq_history_dropped", "Finished jobs that are not in the history.", (), {(): report.dropped}
    )
    yield gauge(
        "monarq_history_buffer_jobs", "Finished jobs that are not written yet.", (), {(): report.pending}
    )
    yield gauge("monarq_history_lag_seconds", "Age of the oldest of them.", (), {(): report.lag_ms / 1000})
