"""The metrics of one worker, made for each scrape out of what it has counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from monarq.jobs.metrics import Collector, Exemplars, Metric, build_info, histogram
from monarq.jobs.store.workers import HistoryReport

from .meters import Distribution, Ending, Meters, Pair
from .run import Run, now_ms
from .slots import Slots

_PAIR = ("queue", "kind")


class WorkerCollector(Collector):
    """Tells of one worker.

    Args:
        runs: The attempts under way; it is called by the thread that serves the scrape.
        history: How far the worker is with the history; None if it writes none.
    """

    def __init__(
        self,
        meters: Meters,
        slots: Slots,
        runs: Callable[[], list[Run]],
        history: Callable[[], HistoryReport | None],
    ) -> None:
        self._meters = meters
        self._slots = slots
        self._runs = runs
        self._history = history

    def collect(self) -> Iterator[Metric]:
        runs = self._runs()
        yield build_info()
        yield from self._attempts(runs)
        yield from self._times()
        yield from self._load(runs)
        if (report := self._history()) is not None:
            yield from _history(report)

    # ---

    def _attempts(self, runs: Iterable[Run]) -> Iterator[Metric]:
        endings = dict(self._meters.endings)
        under_way = Counter((run.claimed.queue.name, run.kind) for run in runs if run.runnable is not None)
        started = CounterMetricFamily(
            "monarq_job_attempts_started", "Attempts that workers have begun.", labels=_PAIR
        )
        finished = CounterMetricFamily(
            "monarq_job_attempts_finished", "Attempts by how they ended.", labels=(*_PAIR, "outcome")
        )
        for pair, counted in endings.items():
            # so that nobody counts at the start: what runs now is the difference
            started.add_metric(pair, sum(counted.values()) + under_way.get(pair, 0))
            for ending in Ending:
                if counted[ending] or ending in _ALWAYS:
                    finished.add_metric((*pair, ending), counted[ending])
        yield started
        yield finished
        yield _counter(
            "monarq_job_exceptions",
            "Exceptions of handlers; those of the rarer types are `other`.",
            ("kind", "exception"),
            self._meters.exceptions.copy(),
        )
        yield _counter(
            "monarq_job_settles_refused",
            "Outcomes of stale workers that the store has refused.",
            ("queue",),
            {(queue,): count for queue, count in self._meters.refused.copy().items()},
        )

    def _times(self) -> Iterator[Metric]:
        meters = self._meters
        yield histogram(
            "monarq_job_wait_seconds",
            "From when a job was due to the start of its attempt.",
            ("queue", "priority"),
            [(key, one.bounds, one.counts, one.total) for key, one in list(meters.wait_ms.items())],
            exemplars=_exemplars(meters.wait_ms),
        )
        yield _counter(
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
        yield GaugeMetricFamily(
            "monarq_worker_slots", "Jobs that the worker runs at once, at most.", value=self._slots.total
        )
        busy = GaugeMetricFamily(
            "monarq_worker_slots_busy", "Slots in use, by the queue of the job.", labels=("queue",)
        )
        ages = GaugeMetricFamily(
            "monarq_worker_running_job_max_age_seconds",
            "Age of the attempt that has run for the longest time.",
            labels=("queue",),
        )
        in_use = self._meters.busy_by_queue(runs)
        now = now_ms()
        for queue in {*self._meters.met, *in_use}:
            busy.add_metric((queue,), in_use.get(queue, 0))
            began = [run.started_ms for run in runs if run.claimed.queue.name == queue]
            ages.add_metric((queue,), (now - min(began)) / 1000 if began else 0)
        yield busy
        yield ages


#: They are told from the start, so that a first one is seen as a rise.
_ALWAYS = (Ending.SUCCEEDED, Ending.RETRIED, Ending.DEAD, Ending.LOST)


def _exemplars(distributions: Mapping[Pair, Distribution]) -> Exemplars:
    return {key: one.exemplars for key, one in list(distributions.items()) if one.exemplars}


def _counter(
    name: str, help_text: str, labels: Iterable[str], counted: Mapping[tuple[str, ...], int]
) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=tuple(labels))
    for values, count in counted.items():
        family.add_metric(values, count)
    return family


def _history(report: HistoryReport) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "monarq_history_written", "Finished jobs written into the history.", value=report.written
    )
    yield CounterMetricFamily(
        "monarq_history_dropped", "Finished jobs that are not in the history.", value=report.dropped
    )
    yield GaugeMetricFamily(
        "monarq_history_buffer_jobs", "Finished jobs that are not written yet.", value=report.pending
    )
    yield GaugeMetricFamily(
        "monarq_history_lag_seconds", "Age of the oldest of them.", value=report.lag_ms / 1000
    )
