"""Numbers of attempts that have ended lately, before they are sorted into the counters of a worker.

Numbers alone: a run that is kept for a while costs the worker more than to count it does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

from monarq.jobs.failure import Cause
from monarq.jobs.histogram import Exemplar
from monarq.jobs.store.verbs import End, Settlement, Verb

from .run import Run

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


class PutBack(StrEnum):
    """Why a job cannot run on this worker, though perhaps on another one."""

    UNKNOWN_KIND = "unknown_kind"
    NO_DATABASE = "no_database"  #: it is durable


_OF_VERB = {
    Verb.SUCCEEDED: Ending.SUCCEEDED,
    Verb.RETRYING: Ending.RETRIED,
    Verb.DEAD: Ending.DEAD,
    Verb.CANCELLED: Ending.CANCELLED,
    Verb.EXPIRED: Ending.EXPIRED,
    Verb.RELEASED: Ending.HANDED_BACK,
}
#: Attempts of one queue and kind whose times are taken until the counters are told, within a second.  Of more
#: the first stand for all: to look at each would cost more than the rest of counting.
MOST_LOOKED_AT = 500
#: With these the job itself has ended.
FINAL = frozenset({Ending.SUCCEEDED, Ending.DEAD, Ending.CANCELLED, Ending.EXPIRED})


class Sample:
    """Times of attempts of one queue and kind that have ended lately: of all, or of many, some."""

    __slots__ = ("attempts", "ended", "life_ms", "looked_at", "run_ms", "wait_ms")

    def __init__(self) -> None:
        self.ended = 0
        self.looked_at = 0
        self.run_ms: list[float] = []
        #: By priority.
        self.wait_ms: defaultdict[str, list[float]] = defaultdict(list)
        #: Of jobs that have ended: from their enqueue, and how many attempts they took.
        self.life_ms: list[float] = []
        self.attempts: list[float] = []

    @property
    def weight(self) -> float:
        """For how many attempts each that was looked at stands."""
        return 1 if self.looked_at == self.ended else self.ended / self.looked_at

    def look(self, runs: Iterable[Run], *, has_ended: bool) -> None:
        """Take the times of these."""
        add_wait, add_run = self.wait_ms["normal"].append, self.run_ms.append
        for run in runs:  # each is looked at once: it was out of the processor's sight for a while
            claimed, envelope, ended_ms = run.claimed, run.envelope, run.ended_ms
            self.looked_at += 1
            if envelope is None:
                continue
            claimed_at_ms = claimed.claimed_at_ms
            wait_ms = claimed_at_ms - claimed.visible_at_ms
            add = self.wait_ms[str(envelope.priority)].append if "p" in envelope.meta else add_wait
            add(wait_ms if wait_ms > 0 else 0)
            if ended_ms:
                took_ms = ended_ms - run.started_ms
                add_run(took_ms)
                if has_ended:
                    life_ms = claimed_at_ms - envelope.enqueued_ms + took_ms
                    self.life_ms.append(
                        life_ms if life_ms > 0 else 0
                    )  # clocks of arq's producers may be wrong
                    self.attempts.append(run.attempt)


class FreshEnds:
    """What has ended since the counters were told last: exactly how many, and the times of a sample."""

    __slots__ = ("count", "endings", "exemplars", "samples")

    def __init__(self) -> None:
        self.count = 0
        self.endings: defaultdict[tuple[Pair, Ending], int] = defaultdict(int)
        self.samples: defaultdict[Pair, Sample] = defaultdict(Sample)
        #: Of run times and of waits, by the same.
        self.exemplars: list[tuple[Pair, Exemplar, Pair, Exemplar]] = []

    def add(self, pair: Pair, ending: Ending, runs: list[Run], *, with_exemplars: bool) -> None:
        """Take attempts of one queue and kind that have ended alike."""
        self.count += len(runs)
        self.endings[pair, ending] += len(runs)
        if lost := sum(took_over(run) for run in runs if run.claimed.lapses):
            self.endings[pair, Ending.LOST] += lost
        sample = self.samples[pair]
        sample.ended += len(runs)
        if (room := MOST_LOOKED_AT - sample.looked_at) > 0:
            sample.look(runs[:room], has_ended=ending in FINAL)
        if with_exemplars:
            self.exemplars += _exemplars(pair, runs)


def _exemplars(pair: Pair, runs: list[Run]) -> list[tuple[Pair, Exemplar, Pair, Exemplar]]:
    marked = []
    for run in runs:
        if run.ended_ms and run.span is not None and (trace_id := run.span.exemplar) is not None:
            wait_ms = max(0, run.claimed.claimed_at_ms - run.claimed.visible_at_ms)
            waited = Exemplar(trace_id, wait_ms, run.started_ms)
            ran = Exemplar(trace_id, run.ended_ms - run.started_ms, run.ended_ms)
            marked.append((pair, ran, (pair[0], _priority_of(run)), waited))
    return marked


def _priority_of(run: Run) -> str:
    return "normal" if run.envelope is None else str(run.envelope.priority)


def took_over(run: Run) -> bool:
    """Whether the worker that had the job before was lost: only such a job is claimed before it is due."""
    return run.claimed.visible_at_ms > run.claimed.claimed_at_ms


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
