"""What a worker counts for those who scrape it: how attempts ended, and how long all of it took.

Attempts are counted by the batch.  The hot path does no more than append to a list; every so often the list
is sorted into the counters, which costs a fraction of a microsecond per attempt.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from monarq.jobs.failure import Cause
from monarq.jobs.histogram import BOUNDS_MS, Exemplar
from monarq.jobs.store.verbs import End, Settlement, Verb

from .run import Run

#: Attempts that are sorted in together, and seconds after which fewer of them are.
_BATCH = 256
_AT_LATEST = 1.0
#: Different exceptions that are told apart, per worker; what comes after them is `OTHER`.
MOST_EXCEPTIONS = 20
OTHER = "other"
#: The upper bounds of attempts per job.
ATTEMPT_BOUNDS = (1, 2, 3, 5, 10, 20)
#: The upper bounds of the loop's lag, ms.
LAG_BOUNDS_MS = (1, 5, 10, 50, 100, 500, 1_000, 5_000)

Pair = tuple[str, str]


class Ending(StrEnum):
    """How an attempt ended, as it is counted: a closed set."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    TIMED_OUT = "timed_out"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SNOOZED = "snoozed"
    #: Given back unharmed: the worker stops, a pause wants it back, or nobody here knows the kind.
    HANDED_BACK = "handed_back"
    #: The lease was lost before the outcome could be recorded.
    LOST = "lost"


_OF_VERB = {
    Verb.SUCCEEDED: Ending.SUCCEEDED,
    Verb.RETRYING: Ending.RETRIED,
    Verb.DEAD: Ending.DEAD,
    Verb.CANCELLED: Ending.CANCELLED,
    Verb.EXPIRED: Ending.EXPIRED,
    Verb.RELEASED: Ending.HANDED_BACK,
}
#: With these the job itself has ended.
_FINAL = frozenset({Ending.SUCCEEDED, Ending.DEAD, Ending.CANCELLED, Ending.EXPIRED})


class Distribution:
    """How many values lay between which bounds, and their sum."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[int, ...] = BOUNDS_MS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        #: By the bucket's number, the last that was marked.
        self.exemplars: dict[int, Exemplar] = {}

    def mark(self, exemplar: Exemplar) -> None:
        """Remember one of the values as an example of those in its bucket."""
        self.exemplars[bisect_left(self.bounds, exemplar.value)] = exemplar

    def add(self, values: list[float]) -> None:
        """Count the values; the list is sorted by it."""
        values.sort()
        self.total += sum(values)
        below, count = 0, len(values)
        for at, bound in enumerate(self.bounds):
            upto = bisect_right(values, bound)
            self.counts[at] += upto - below
            below = upto
            if upto == count:
                return
        self.counts[-1] += count - below


class Meters:
    """The counters of one worker.  The event loop writes them; another thread may read them at any time.

    Args:
        pairs: Queues and kinds that are known beforehand: their series begin at 0.
        objective_ms: How late a job of a queue may start.
    """

    def __init__(self, pairs: Iterable[Pair], objective_ms: Callable[[str], float]) -> None:
        self._objective_ms = objective_ms
        self._ends: list[tuple[Run, Ending]] = []
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
        #: Attempts are traced: some of them become examples.
        self.marks_exemplars = False
        self._told_apart: set[str] = set()

    def settled(self, run: Run, end: End, settlement: Settlement) -> None:
        """Count how an attempt ended."""
        self._ends.append((run, ending_of(end, settlement)))
        if end.failure is not None and run.envelope is not None and end.failure.error_type:
            self._count_exception(run.envelope.kind, end.failure.error_type)
        if len(self._ends) >= _BATCH:
            self.fold()
        elif self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_AT_LATEST, self.fold)

    def lagged(self, seconds: float) -> None:
        """Count how long the event loop took to answer."""
        self.loop_lag_ms.add([seconds * 1000])

    def fold(self) -> None:
        """Sort what has ended since the last time into the counters."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        ends, self._ends = self._ends, []
        by_pair: defaultdict[Pair, list[tuple[Run, Ending]]] = defaultdict(list)
        for item in ends:
            run = item[0]
            if run.envelope is not None and run.runnable is not None:
                by_pair[run.claimed.queue.name, run.envelope.kind].append(item)
        for pair, items in by_pair.items():
            self._count(pair, items)

    def busy_by_queue(self, runs: Iterable[Run]) -> Mapping[str, int]:
        """Slots in use, by the queue of the job that is in each."""
        return Counter(run.claimed.queue.name for run in runs)

    # ---

    def _count(self, pair: Pair, items: list[tuple[Run, Ending]]) -> None:
        queue = pair[0]
        endings = self.endings.setdefault(pair, Counter())
        endings.update([ending for _, ending in items])
        self.refused[queue] += endings_lost(items)
        began = [run for run, _ in items if run.ended_ms]
        self.run_ms.setdefault(pair, Distribution()).add([run.ended_ms - run.started_ms for run in began])
        self._count_waits(queue, [run for run, _ in items])
        self._count_ends(queue, [run for run, ending in items if ending in _FINAL and run.ended_ms])
        if self.marks_exemplars:
            self._mark(pair, began)

    def _mark(self, pair: Pair, runs: list[Run]) -> None:
        for run in runs:
            if run.span is None or run.envelope is None or (trace_id := run.span.exemplar) is None:
                continue
            wait_ms = max(0, run.claimed.claimed_at_ms - run.claimed.visible_at_ms)
            waits = self.wait_ms[pair[0], str(run.envelope.meta.get("p", "normal"))]
            waits.mark(Exemplar(trace_id, wait_ms, run.started_ms))
            self.run_ms[pair].mark(Exemplar(trace_id, run.ended_ms - run.started_ms, run.ended_ms))

    def _count_waits(self, queue: str, runs: list[Run]) -> None:
        objective_ms = self._objective_ms(queue)
        by_priority: defaultdict[str, list[float]] = defaultdict(list)
        for run in runs:
            claimed = run.claimed
            wait_ms = claimed.claimed_at_ms - claimed.visible_at_ms
            priority = run.envelope.meta.get("p", "normal") if run.envelope is not None else "normal"
            by_priority[priority].append(wait_ms if wait_ms > 0 else 0)
        for priority, waits in by_priority.items():
            self.wait_ms.setdefault((queue, str(priority)), Distribution()).add(waits)
            self.met[queue] += bisect_right(waits, objective_ms)  # sorted by `add`

    def _count_ends(self, queue: str, runs: list[Run]) -> None:
        if not runs:
            return
        lives = [
            run.claimed.claimed_at_ms + run.ended_ms - run.started_ms - run.envelope.enqueued_ms
            for run in runs
            if run.envelope is not None
        ]
        self.end_to_end_ms.setdefault(queue, Distribution()).add([max(0, life) for life in lives])
        attempts = self.attempts.setdefault(queue, Distribution(ATTEMPT_BOUNDS))
        attempts.add([run.attempt for run in runs])

    def _count_exception(self, kind: str, error_type: str) -> None:
        name = error_type.rpartition(".")[2]
        if name not in self._told_apart:
            if len(self._told_apart) >= MOST_EXCEPTIONS:
                name = OTHER
            else:
                self._told_apart.add(name)
        self.exceptions[kind, name] += 1


def endings_lost(items: Iterable[tuple[Run, Ending]]) -> int:
    """How many of them were refused by the store."""
    return sum(ending is Ending.LOST for _, ending in items)


def ending_of(end: End, settlement: Settlement) -> Ending:
    """How an attempt ended, for who counts it."""
    if settlement is Settlement.REFUSED:
        return Ending.LOST
    verb = end.verb
    if verb is Verb.SUCCEEDED:
        return Ending.SUCCEEDED
    if verb is Verb.RELEASED and end.is_snooze:
        return Ending.SNOOZED
    if verb is Verb.RETRYING and end.failure is not None and end.failure.cause is Cause.TIMEOUT:
        return Ending.TIMED_OUT
    return _OF_VERB[verb]
