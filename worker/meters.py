"""What a worker counts for those who scrape it: how attempts ended, and how long all of it took.

Attempts are counted by the batch.  The hot path does no more than append to a list; every so often the list
is sorted into the counters, which costs a fraction of a microsecond per attempt.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from monarq.jobs.failure import Cause
from monarq.jobs.histogram import Distribution, Exemplar
from monarq.jobs.labels import Labels
from monarq.jobs.store.heartbeats import KIND as HEARTBEAT
from monarq.jobs.store.verbs import End, Settlement, Verb

from .run import Run

#: Attempts that are sorted in together, and seconds after which fewer of them are.
_BATCH = 256
_AT_LATEST = 1.0
#: Different exceptions that are told apart, per worker.
MOST_EXCEPTIONS = 20
#: The upper bounds of attempts per job.
ATTEMPT_BOUNDS = (1, 2, 3, 5, 10, 20)
#: The upper bounds of the loop's lag, ms.
LAG_BOUNDS_MS = (1, 5, 10, 50, 100, 500, 1_000, 5_000)
#: Those of a claim's way to Redis and back, ms.
POLL_BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000)

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
    #: Its worker died, froze or was cut off; the one that takes the job over counts it.
    LOST = "lost"
    #: Its outcome came too late: it is `LOST` elsewhere, so this is not told as one more end.
    REFUSED = "refused"


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
        self.poll_ms = Distribution(POLL_BOUNDS_MS)
        self._polls: list[float] = []
        self._exception_names = Labels(MOST_EXCEPTIONS)
        #: Attempts are traced: some of them become examples.
        self.marks_exemplars = False

    def settled(self, run: Run, end: End, settlement: Settlement) -> None:
        """Count how an attempt ended."""
        self._ends.append((run, ending_of(end, settlement)))
        if end.failure is not None and run.envelope is not None and end.failure.error_type:
            self._count_exception(run.envelope.kind, end.failure.error_type)
        if len(self._ends) >= _BATCH:
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
        ends, self._ends = self._ends, []
        by_pair: defaultdict[Pair, list[tuple[Run, Ending]]] = defaultdict(list)
        for item in ends:
            run = item[0]
            if run.envelope is not None and run.runnable is not None:
                by_pair[run.claimed.queue.name, run.envelope.kind].append(item)
        for pair, items in by_pair.items():
            if pair[1] != HEARTBEAT:  # it has a metric of its own
                self._count(pair, items)

    def busy_by_queue(self, runs: Iterable[Run]) -> Mapping[str, int]:
        """Slots in use, by the queue of the job that is in each."""
        return Counter(run.claimed.queue.name for run in runs)

    # ---

    def _fold_soon(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(_AT_LATEST, self.fold)

    def _count(self, pair: Pair, items: list[tuple[Run, Ending]]) -> None:
        queue = pair[0]
        endings = self.endings.setdefault(pair, Counter())
        endings.update([ending for _, ending in items])
        if any(ending is Ending.SUCCEEDED for _, ending in items):
            self._on_success(pair[1])
        endings[Ending.LOST] += sum(took_over(run) for run, _ in items)
        self.refused[queue] += sum(ending is Ending.REFUSED for _, ending in items)
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
        self.exceptions[kind, self._exception_names.of(error_type.rpartition(".")[2])] += 1


def took_over(run: Run) -> bool:
    """Whether the worker that had the job before was lost: such a job is due at the moment of its claim."""
    return run.claimed.lapses > 0 and run.claimed.visible_at_ms == run.claimed.claimed_at_ms


def is_overdue(run: Run, at_ms: int) -> bool:
    """Whether it has run for more than twice its timeout."""
    seconds = run.runnable.timeout_seconds if run.runnable is not None else None
    return seconds is not None and at_ms - run.started_ms > 2_000 * seconds


def ending_of(end: End, settlement: Settlement) -> Ending:
    """How an attempt ended, for who counts it."""
    if settlement is Settlement.REFUSED:
        return Ending.REFUSED
    verb = end.verb
    if verb is Verb.SUCCEEDED:
        return Ending.SUCCEEDED
    if verb is Verb.RELEASED and end.is_snooze:
        return Ending.SNOOZED
    if verb is Verb.RETRYING and end.failure is not None and end.failure.cause is Cause.TIMEOUT:
        return Ending.TIMED_OUT
    return _OF_VERB[verb]
