"""What a worker counts for those who scrape it: how attempts ended, and how long all of it took.

Attempts are counted by the batch.  The hot path does no more than append to a list; every so often the list
is sorted into the counters, which costs a fraction of a microsecond per attempt.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from monarq.jobs.failure import Cause
from monarq.jobs.histogram import Distribution, Exemplar
from monarq.jobs.labels import Labels
from monarq.jobs.store.heartbeats import KIND as HEARTBEAT
from monarq.jobs.store.verbs import End, Settlement, Verb

from .completer import Batch
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
Ends = tuple[Batch, Sequence[Settlement]]

#: Looked up once: they are compared with each end.
_SUCCEEDED, _REFUSED = Verb.SUCCEEDED, Settlement.REFUSED


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
        self._ends: list[Ends] = []
        #: How many attempts are in them.
        self._waiting = 0
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
        self._ends.append((batch, settlements))
        self._waiting += len(batch)
        if self._waiting >= _BATCH:
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
        ends, self._ends, self._waiting = self._ends, [], 0
        for (pair, ending), runs in self._sorted_out(ends).items():
            if pair[1] != HEARTBEAT:  # it has a metric of its own
                self._count(pair, ending, runs)

    def busy_by_queue(self, runs: Iterable[Run]) -> Mapping[str, int]:
        """Slots in use, by the queue of the job that is in each."""
        return Counter(run.claimed.queue.name for run in runs)

    # ---

    def _fold_soon(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(_AT_LATEST, self.fold)

    def _sorted_out(self, ends: Iterable[Ends]) -> dict[tuple[Pair, Ending], list[Run]]:
        """Attempts by what they were of and how they ended, as far as that can be told."""
        sorted_out: defaultdict[tuple[Pair, Ending], list[Run]] = defaultdict(list)
        queue, runnable = None, None
        for batch, settlements in ends:
            for (run, end), settlement in zip(batch, settlements, strict=True):
                if end.verb is not _SUCCEEDED or settlement is _REFUSED or run.runnable is None:
                    self._sort_out_other(run, end, settlement, sorted_out)
                    continue
                # nearly all are successes of what the one before was of: that makes this cheap
                if run.runnable is not runnable or run.claimed.queue is not queue:
                    runnable, queue = run.runnable, run.claimed.queue
                    alike = sorted_out[(queue.name, runnable.kind), Ending.SUCCEEDED]
                alike.append(run)
        return sorted_out

    def _sort_out_other(
        self, run: Run, end: End, settlement: Settlement, into: dict[tuple[Pair, Ending], list[Run]]
    ) -> None:
        if run.envelope is None:
            return
        kind = run.envelope.kind
        if end.failure is not None and end.failure.error_type:
            name = end.failure.error_type.rpartition(".")[2]
            self.exceptions[kind, self._exception_names.of(name)] += 1
        if run.runnable is not None:
            into[(run.claimed.queue.name, kind), ending_of(end, settlement)].append(run)

    def _count(self, pair: Pair, ending: Ending, runs: list[Run]) -> None:
        queue = pair[0]
        self.endings.setdefault(pair, Counter())[ending] += len(runs)
        if ending is Ending.SUCCEEDED:
            self._on_success(pair[1])
        elif ending is Ending.REFUSED:
            self.refused[queue] += len(runs)
        self.endings[pair][Ending.LOST] += sum(took_over(run) for run in runs if run.claimed.lapses)
        self._count_waits(queue, runs)
        began = [run for run in runs if run.ended_ms]
        run_ms: list[float] = [run.ended_ms - run.started_ms for run in began]
        if ending in _FINAL and began:
            self._count_ends(queue, began, run_ms)
        self.run_ms.setdefault(pair, Distribution()).add(run_ms)  # which sorts them
        if self.marks_exemplars:
            self._mark(pair, began)

    def _mark(self, pair: Pair, runs: list[Run]) -> None:
        for run in runs:
            if run.span is None or (trace_id := run.span.exemplar) is None:
                continue
            wait_ms = max(0, run.claimed.claimed_at_ms - run.claimed.visible_at_ms)
            waits = self.wait_ms[pair[0], _priority_of(run)]
            waits.mark(Exemplar(trace_id, wait_ms, run.started_ms))
            self.run_ms[pair].mark(Exemplar(trace_id, run.ended_ms - run.started_ms, run.ended_ms))

    def _count_waits(self, queue: str, runs: list[Run]) -> None:
        objective_ms = self._objective_ms(queue)
        for priority, of_priority in _by_priority(runs).items():
            claims = [run.claimed for run in of_priority]
            waits = _not_negative([claimed.claimed_at_ms - claimed.visible_at_ms for claimed in claims])
            self.wait_ms.setdefault((queue, priority), Distribution()).add(waits)
            self.met[queue] += bisect_right(waits, objective_ms)  # sorted by `add`

    def _count_ends(self, queue: str, runs: list[Run], run_ms: list[float]) -> None:
        """Count whole jobs, from their enqueue on, by how long their last attempts took."""
        before_ms = [
            run.claimed.claimed_at_ms - run.envelope.enqueued_ms for run in runs if run.envelope is not None
        ]
        lives = _not_negative([before + last for before, last in zip(before_ms, run_ms, strict=True)])
        self.end_to_end_ms.setdefault(queue, Distribution()).add(lives)
        attempts = self.attempts.setdefault(queue, Distribution(ATTEMPT_BOUNDS))
        attempts.add([run.attempt for run in runs])


def _not_negative(times: list[float]) -> list[float]:
    """Two clocks may be a little apart."""
    return times if min(times) >= 0 else [max(0, time) for time in times]


def _by_priority(runs: list[Run]) -> Mapping[str, list[Run]]:
    """Nearly always all are of normal priority, which no envelope says."""
    marked = [run for run in runs if run.envelope is not None and "p" in run.envelope.meta]
    if not marked:
        return {"normal": runs}
    by_priority: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_priority[_priority_of(run)].append(run)
    return by_priority


def _priority_of(run: Run) -> str:
    return "normal" if run.envelope is None else str(run.envelope.meta.get("p", "normal"))


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
