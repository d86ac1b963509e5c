"""Is it healthy?  The conditions of the alerts that come with Monarq, judged by what a snapshot knows.

Pure: facts in, verdicts out.  A verdict has its alert's name, so that the page and Prometheus never disagree;
an alert also waits for some minutes before it wakes somebody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.memory import Memory
from monarq.jobs.store.rates import Rate
from monarq.jobs.store.workers import LiveWorker

#: Rates over less than this many seconds accuse nobody of standing still.
LONG_ENOUGH = 30.0
WILL_NOT_DRAIN_SECONDS = 3_600
RETRIED_SHARE, RETRIES_PER_SECOND = 0.5, 1.0
BUSY_SHARE = 0.9
LOOP_LAG = timedelta(seconds=1)
HISTORY_LAG = timedelta(seconds=60)
MEMORY_SHARE = 0.8
SNAPSHOT_AGE = timedelta(seconds=60)


class Level(StrEnum):
    """How much it matters."""

    PAGE = "page"  #: somebody should look now
    TICKET = "ticket"  #: somebody should look today


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Something that is not as it should be."""

    #: The alert's name.
    alert: str
    level: Level
    #: What it is about; both None: the installation.
    queue: str | None = None
    worker: str | None = None
    sentence: str
    #: What to do, if that can be said, in words or by a command.
    mend: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """What the rules need to know of one queue."""

    numbers: QueueNumbers
    objective: timedelta
    #: Of the last minute, and of the last quarter of an hour; None while they are not known.
    rate: Rate | None
    lately: Rate | None
    serving: Sequence[LiveWorker]

    @property
    def name(self) -> str:
        return self.numbers.queue

    @property
    def is_late(self) -> bool:
        """Whether its oldest ready job has been ready for longer than it may, and nobody wants it so."""
        oldest = self.numbers.oldest_ready
        return self.numbers.pause is None and oldest is not None and oldest > self.objective


def judge(
    queues: Sequence[QueueFacts], workers: Sequence[LiveWorker], memory: Memory | None, age: timedelta
) -> list[Verdict]:
    """All that is wrong, the worst first; nothing: it is healthy."""
    found = [
        *(verdict for facts in queues for verdict in judge_queue(facts)),
        *(verdict for worker in workers for verdict in _judge_worker(worker)),
        *_judge_installation(workers, memory, age),
    ]
    return sorted(found, key=lambda verdict: verdict.level is not Level.PAGE)


def judge_queue(facts: QueueFacts) -> Iterator[Verdict]:
    """What is wrong with one queue."""
    for rule in (_late, _no_workers, _stalled, _will_not_drain, _dead_letters, _retries, _lost, _saturated):
        if (verdict := rule(facts)) is not None:
            yield verdict


def _late(facts: QueueFacts) -> Verdict | None:
    oldest = facts.numbers.oldest_ready
    if not facts.is_late or oldest is None:
        return None
    told = f"{facts.name}: the oldest ready job waits for {span(oldest)}; {span(facts.objective)} are allowed"
    return Verdict(alert="QueueLate", level=Level.PAGE, queue=facts.name, sentence=told)


def _no_workers(facts: QueueFacts) -> Verdict | None:
    if not facts.numbers.claimable or facts.serving:
        return None
    return Verdict(
        alert="QueueNoWorkers",
        level=Level.PAGE,
        queue=facts.name,
        sentence=f"{facts.numbers.claimable:,} ready, no worker listens on {facts.name}",
        command=f"monarq worker --queues {facts.name}",
    )


def _stalled(facts: QueueFacts) -> Verdict | None:
    numbers, rate = facts.numbers, facts.rate
    if not numbers.claimable or numbers.running or not facts.serving:
        return None
    if rate is None or rate.over < LONG_ENOUGH or rate.attempts:
        return None
    told = f"{facts.name}: {numbers.claimable:,} ready, and nothing runs or ends"
    return Verdict(alert="QueueStalled", level=Level.PAGE, queue=facts.name, sentence=told)


def _will_not_drain(facts: QueueFacts) -> Verdict | None:
    numbers, lately = facts.numbers, facts.lately
    if lately is None or lately.attempts <= 0 or lately.ready_growth <= 0 or numbers.pause is not None:
        return None
    seconds = numbers.ready / lately.attempts
    if seconds <= WILL_NOT_DRAIN_SECONDS:
        return None
    told = f"{facts.name}: more comes than goes, and there are {span(timedelta(seconds=seconds))} of work"
    return Verdict(
        alert="BacklogWillNotDrain", level=Level.TICKET, queue=facts.name, sentence=told, mend="add workers"
    )


def _dead_letters(facts: QueueFacts) -> Verdict | None:
    lately = facts.lately
    if lately is None or lately.dead <= 0:
        return None
    told = f"{facts.name}: {_in_all(lately.dead, lately)} died {_when(lately)}"
    return Verdict(alert="DeadLettersGrowing", level=Level.TICKET, queue=facts.name, sentence=told)


def _retries(facts: QueueFacts) -> Verdict | None:
    lately = facts.lately
    if lately is None or lately.retried <= RETRIES_PER_SECOND:
        return None
    if lately.retried <= RETRIED_SHARE * lately.attempts:
        return None
    share = lately.retried / lately.attempts
    told = f"{facts.name}: {share:.0%} of the attempts {_when(lately)} have failed"
    return Verdict(alert="RetryStorm", level=Level.TICKET, queue=facts.name, sentence=told)


def _lost(facts: QueueFacts) -> Verdict | None:
    lately = facts.lately
    if lately is None or lately.lost <= 0:
        return None
    told = f"{facts.name}: {_in_all(lately.lost, lately)} lost their worker {_when(lately)}"
    return Verdict(alert="JobsLost", level=Level.TICKET, queue=facts.name, sentence=told)


def _saturated(facts: QueueFacts) -> Verdict | None:
    slots = sum(worker.slots for worker in facts.serving)
    busy = sum(worker.busy for worker in facts.serving)
    if facts.is_late or not slots or not facts.numbers.claimable or busy <= BUSY_SHARE * slots:
        return None
    told = f"{facts.name}: {busy} of {slots} slots are busy, and {facts.numbers.claimable:,} jobs are ready"
    return Verdict(
        alert="WorkersSaturated", level=Level.TICKET, queue=facts.name, sentence=told, mend="add workers"
    )


def _judge_worker(worker: LiveWorker) -> Iterator[Verdict]:
    lag = timedelta(milliseconds=worker.loop_lag_ms)
    if lag > LOOP_LAG:
        told = f"{worker.worker}: something held its event loop up for {span(lag)}"
        yield _of_worker("EventLoopBlocked", worker, told, "its log says which job: worker.loop_blocked")
    history = worker.history
    if history is not None and timedelta(milliseconds=history.lag_ms) > HISTORY_LAG:
        told = f"{worker.worker}: the history is {span(timedelta(milliseconds=history.lag_ms))} behind"
        yield _of_worker("HistoryLagging", worker, told, "look whether PostgreSQL takes rows")
    if history is not None and history.dropped:
        told = f"{worker.worker}: {history.dropped:,} finished jobs are not in the history"
        yield _of_worker("HistoryDropping", worker, told, "raise MONARQ_HISTORY_BUFFER")


def _of_worker(alert: str, worker: LiveWorker, told: str, mend: str) -> Verdict:
    return Verdict(alert=alert, level=Level.TICKET, worker=worker.worker, sentence=told, mend=mend)


def _judge_installation(
    workers: Sequence[LiveWorker], memory: Memory | None, age: timedelta
) -> Iterator[Verdict]:
    if age > SNAPSHOT_AGE:
        told = f"these numbers are {span(age)} old: Redis does not answer"
        yield Verdict(alert="SnapshotStale", level=Level.PAGE, sentence=told, command="monarq doctor")
    share = memory.share if memory is not None else None
    if share is not None and share > MEMORY_SHARE:
        told = f"Redis has used {share:.0%} of its memory; when it is full, nothing can be enqueued"
        yield Verdict(alert="RedisNearFull", level=Level.PAGE, sentence=told, mend="raise maxmemory")
    if memory is not None and memory.evicts:
        told = "Redis throws keys away when it is full, jobs among them"
        yield Verdict(
            alert="RedisEvicts",
            level=Level.PAGE,
            sentence=told,
            command="redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    versions = sorted({worker.version for worker in workers if worker.is_live})
    if len(versions) > 1:
        told = f"live workers run {len(versions)} versions: {', '.join(versions)}"
        yield Verdict(alert="VersionSkew", level=Level.TICKET, sentence=told, mend="finish the deploy")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a queue looks as it does, and what can be done about it."""

    sentence: str
    #: A command to run; empty if there is none.
    mend: str = ""


def diagnose(facts: QueueFacts, stopping: int) -> Diagnosis | None:
    """What is to be said of a queue in which nothing moves; None if something does.

    Args:
        stopping: Workers that served it, and are draining or do not report.
    """
    numbers, name = facts.numbers, facts.name
    run = f"monarq worker --queues {name}"
    if numbers.pause is not None:
        waits = f"; {numbers.ready:,} wait for its resume" if numbers.ready else ""
        return Diagnosis(f"Paused by {numbers.pause.by}: {numbers.pause.why}{waits}")
    if not facts.serving and numbers.claimable:
        gone = f" ({stopping} that did will claim no more)" if stopping else ""
        return Diagnosis(f"{numbers.claimable:,} ready, no worker listens on {name}{gone}", run)
    if numbers.ready and not numbers.claimable:
        return Diagnosis(f"All {numbers.ready:,} ready jobs are of kinds that are paused")
    if not facts.serving and not numbers.is_empty:
        return Diagnosis(f"{numbers.waiting:,} wait for their time, and no worker listens on {name}", run)
    if not facts.serving:
        return Diagnosis(f"Nothing waits, and no worker listens on {name}", run)
    if numbers.is_empty:
        return Diagnosis("Nothing waits and nothing runs")
    return None


def span(time: timedelta) -> str:
    """A span in the words of people: `45 s`, `3 min`, `2 h`, `5 d`."""
    seconds = time.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "min"):
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _in_all(per_second: float, rate: Rate) -> str:
    number = round(per_second * rate.over)
    return f"{number:,} job{'' if number == 1 else 's'}"


def _when(rate: Rate) -> str:
    return f"in the last {span(timedelta(seconds=rate.over))}"
