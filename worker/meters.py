"""What a worker counts for those who scrape it: how attempts ended, and how long all of it took.

Attempts are counted by the batch that they are settled in; times are put by, and every so often sorted into
the counters.  That costs a fraction of a microsecond per attempt.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from monarq.jobs.histogram import Distribution
from monarq.jobs.labels import Labels
from monarq.jobs.store.heartbeats import KIND as HEARTBEAT
from monarq.jobs.store.verbs import End, Settlement, Verb

from .completer import Batch
from .fresh_ends import Ending, FreshEnds, Pair, Sample, ending_of
from .run import Run

#: Attempts that are sorted in together, and seconds after which fewer of them are.
_BATCH = 5_000
_AT_LATEST = 1.0
#: Different exceptions that are told apart, per worker.
MOST_EXCEPTIONS = 20
#: The upper bounds of attempts per job.
ATTEMPT_BOUNDS = (1, 2, 3, 5, 10, 20)
#: The upper bounds of the loop's lag, ms.
LAG_BOUNDS_MS = (1, 5, 10, 50, 100, 500, 1_000, 5_000)
#: Those of a claim's way to Redis and back, ms.
POLL_BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000)


#: Looked up once: they are compared with each end.
_SUCCEEDED, _REFUSED = Verb.SUCCEEDED, Settlement.REFUSED


class Meters:
    """The counters of one worker.  The event loop writes them; another thread may read them at any time.

    Args:
        pairs: Queues and kinds that are known beforehand: their series begin at 0.
        objective_ms: How late a job of a queue may start.
        on_success: Told of each kind of which jobs have succeeded, once per batch.
    """

    def __init__(
        self, pairs: Iterable[Pair], objective_ms: Callable[[str], float], on_success: Callable[[str], None]
    ) -> None:
        self._objective_ms = objective_ms
        self._on_success = on_success
        self._fresh = FreshEnds()
        self._alarm: asyncio.TimerHandle | None = None
        self.endings: dict[Pair, Counter[Ending]] = {pair: Counter() for pair in pairs}
        self.run_ms: dict[Pair, Distribution] = {pair: Distribution() for pair in self.endings}
        self.wait_ms: dict[Pair, Distribution] = {}
        queues = sorted({queue for queue, _ in self.endings})
        self.met: Counter[str] = Counter(dict.fromkeys(queues, 0))
        self.end_to_end_ms: dict[str, Distribution] = {queue: Distribution() for queue in queues}
        self.attempts: dict[str, Distribution] = {queue: Distribution(ATTEMPT_BOUNDS) for queue in queues}
        self.exceptions: Counter[tuple[str, ...]] = Counter()
        self.refused: Counter[str] = Counter(dict.fromkeys(queues, 0))
        self.loop_lag_ms = Distribution(LAG_BOUNDS_MS)
        self.poll_ms = Distribution(POLL_BOUNDS_MS)
        self._polls: list[float] = []
        self._exception_names = Labels(MOST_EXCEPTIONS)
        #: Attempts are traced: some of them become examples.
        self.marks_exemplars = False

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """Count how attempts ended."""
        for (pair, ending), runs in self._sorted_out(batch, settlements).items():
            if runs and pair[1] != HEARTBEAT:  # which has a metric of its own
                self._fresh.add(pair, ending, runs, with_exemplars=self.marks_exemplars)
        if self._fresh.count >= _BATCH:
            self.fold()
        elif self._alarm is None:
            self._fold_soon()

    def polled(self, seconds: float) -> None:
        """Count how long a claim took."""
        self._polls.append(seconds * 1000)
        if self._alarm is None:
            self._fold_soon()

    def lagged(self, seconds: float) -> None:
        """Count how long the event loop took to answer."""
        self.loop_lag_ms.add([seconds * 1000])

    def fold(self) -> None:
        """Sort what has ended since the last time into the counters."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        polls, self._polls = self._polls, []
        self.poll_ms.add(polls)
        fresh, self._fresh = self._fresh, FreshEnds()
        for (pair, ending), count in fresh.endings.items():
            self._count(pair, ending, count)
        for pair, sample in fresh.samples.items():
            self._add_times(pair, sample)
        for pair, ran, queue_and_priority, waited in fresh.exemplars:
            self.run_ms[pair].mark(ran)
            self.wait_ms[queue_and_priority].mark(waited)

    def busy_by_queue(self, runs: Iterable[Run]) -> Mapping[str, int]:
        """Slots in use, by the queue of the job that is in each."""
        return Counter(run.claimed.queue.name for run in runs)

    # ---

    def _fold_soon(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(_AT_LATEST, self.fold)

    def _sorted_out(
        self, batch: Batch, settlements: Sequence[Settlement]
    ) -> dict[tuple[Pair, Ending], list[Run]]:
        """Attempts by what they were of and how they ended, as far as that can be told."""
        sorted_out: defaultdict[tuple[Pair, Ending], list[Run]] = defaultdict(list)
        queue = batch[0][0].claimed.queue.name  # those of others are settled by themselves
        runnable, alike = None, list[Run]().append
        for (run, end), settlement in zip(batch, settlements, strict=True):
            # nearly all are successes of what the one before was of: that makes this cheap
            if run.runnable is not runnable:
                runnable = run.runnable
                if runnable is not None:
                    alike = sorted_out[(queue, runnable.kind), Ending.SUCCEEDED].append
            if end.verb is _SUCCEEDED and settlement is not _REFUSED and runnable is not None:
                alike(run)
            else:
                self._sort_out_other(run, end, settlement, sorted_out)
        return sorted_out

    def _sort_out_other(
        self, run: Run, end: End, settlement: Settlement, into: dict[tuple[Pair, Ending], list[Run]]
    ) -> None:
        if run.runnable is None or run.runnable.kind == HEARTBEAT:
            return  # a kind that is not known may be any, and labels must be few
        kind = run.runnable.kind
        if end.failure is not None and end.failure.error_type:
            name = end.failure.error_type.rpartition(".")[2]
            self.exceptions[kind, self._exception_names.of(name)] += 1
        into[(run.claimed.queue.name, kind), ending_of(end, settlement)].append(run)

    def _add_times(self, pair: Pair, sample: Sample) -> None:
        queue, weight = pair[0], sample.weight
        for priority, waits in sample.wait_ms.items():
            self.wait_ms.setdefault((queue, priority), Distribution()).add(waits, weight)
            in_time = bisect_right(waits, self._objective_ms(queue))  # sorted by `add`
            self.met[queue] += round(in_time * weight)
        self.run_ms.setdefault(pair, Distribution()).add(sample.run_ms, weight)
        self.end_to_end_ms.setdefault(queue, Distribution()).add(sample.life_ms, weight)
        attempts = self.attempts.setdefault(queue, Distribution(ATTEMPT_BOUNDS))
        attempts.add(sample.attempts, weight)

    def _count(self, pair: Pair, ending: Ending, count: int) -> None:
        self.endings.setdefault(pair, Counter())[ending] += count
        if ending is Ending.SUCCEEDED:
            self._on_success(pair[1])
        elif ending is Ending.REFUSED:
            self.refused[pair[0]] += count


def is_overdue(run: Run, at_ms: int) -> bool:
    """Whether it has run for more than twice its timeout."""
    seconds = run.runnable.timeout_seconds if run.runnable is not None else None
    return seconds is not None and at_ms - run.started_ms > 2_000 * seconds
