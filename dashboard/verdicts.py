"""Is it healthy?  The conditions of the alerts that come with Monarq, judged by what a snapshot knows.

Pure: facts in, verdicts out.  A verdict has its alert's name, so that the page and Prometheus never disagree;
an alert also waits for some minutes before it wakes somebody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.memory import Memory
from monarq.jobs.store.rates import Rate
from monarq.jobs.store.workers import LiveWorker

from .overdue import Overdue

#: Rates over less than this many seconds accuse nobody of standing still.
LONG_ENOUGH = 30.0
WILL_NOT_DRAIN_SECONDS = 3_600
RETRIED_SHARE, RETRIES_PER_SECOND = 0.5, 1.0
BUSY_SHARE = 0.9
LOOP_LAG = timedelta(seconds=1)
HISTORY_LAG = timedelta(seconds=60)
MEMORY_SHARE = 0.8
SNAPSHOT_AGE = timedelta(seconds=60)
#: Jobs per second that show that a queue is in use; the heartbeat of each minute alone does not.
MOVING = 0.1
#: Of the attempts of a kind.
FAILED_SHARE = 0.05
#: Fewer attempts, or starts, accuse nobody: one of three is no share.
ENOUGH = 20
#: Of the jobs of a queue so many may start late.  At this pace those of a month are used up in two days.
LATE_SHARE, BURN = 0.01, 14.4
#: A job that has run for so many times its timeout will not be stopped by it.
TIMEOUTS = 2


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
    #: What it is about; all None: the installation.
    queue: str | None = None
    worker: str | None = None
    kind: str | None = None
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

    @property
    def is_moving(self) -> bool:
        """Whether jobs go through it, though a look may meet none of them."""
        return self.rate is not None and self.rate.completed > MOVING


def judge(
    queues: Sequence[QueueFacts],
    workers: Sequence[LiveWorker],
    memory: Memory | None,
    age: timedelta,
    overdue: Sequence[Overdue] = (),
) -> list[Verdict]:
    """All that is wrong, the worst first; nothing: it is healthy."""
    found = [
        *(verdict for facts in queues for verdict in judge_queue(facts)),
        *_judge_kinds(workers),
        *map(_missed, overdue),
        *(verdict for worker in workers for verdict in _judge_worker(worker)),
        *_judge_installation(workers, memory, age),
    ]
    return sorted(found, key=lambda verdict: verdict.level is not Level.PAGE)


def judge_queue(facts: QueueFacts) -> Iterator[Verdict]:
    """What is wrong with one queue."""
    for rule in _OF_QUEUES:
        if (verdict := rule(facts)) is not None:
            yield verdict


def _late(facts: QueueFacts) -> Verdict | None:
    oldest = facts.numbers.oldest_ready
    if not facts.is_late or oldest is None:
        return None
    told = f"{facts.name}: the oldest ready job waits for {span(oldest)}; {span(facts.objective)} are allowed"
    return Verdict(alert="QueueLate", level=Level.PAGE, queue=facts.name, sentence=told)


def _budget_burns(facts: QueueFacts) -> Verdict | None:
    told = [one for worker in facts.serving for one in worker.starts if one.queue == facts.name]
    starts = sum(one.number for one in told)
    hour = _late_share(starts, sum(one.in_time for one in told))
    lately = _late_share(sum(one.number_lately for one in told), sum(one.in_time_lately for one in told))
    if starts <= ENOUGH or facts.numbers.pause is not None or min(hour, lately) <= BURN * LATE_SHARE:
        return None
    return Verdict(
        alert="QueueWaitBudgetBurn",
        level=Level.PAGE,
        queue=facts.name,
        sentence=f"{facts.name}: {hour:.0%} of the jobs of the last hour have waited for longer than "
        f"{span(facts.objective)}, and {lately:.0%} of those of the last 5 min; {LATE_SHARE:.0%} may",
    )


def _late_share(number: int, in_time: int) -> float:
    return 1 - in_time / number if number else 0.0


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


_OF_QUEUES = (
    _late,
    _budget_burns,
    _no_workers,
    _stalled,
    _will_not_drain,
    _dead_letters,
    _retries,
    _lost,
    _saturated,
)


def _judge_kinds(workers: Sequence[LiveWorker]) -> Iterator[Verdict]:
    ended: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for one in (one for worker in workers for one in worker.attempts):
        ended[one.kind] += one.ended
        failed[one.kind] += one.failed
    for kind, number in ended.items():
        if number > ENOUGH and failed[kind] > FAILED_SHARE * number:
            share = failed[kind] / number
            told = f"{kind}: {share:.0%} of {number:,} attempts in the last 10 min have failed"
            yield Verdict(alert="JobFailureRatioHigh", level=Level.TICKET, kind=kind, sentence=told)


def _missed(overdue: Overdue) -> Verdict:
    told = f"{overdue.name} was due {span(overdue.late)} ago, and no worker has enqueued it"
    command = "" if overdue.has_worker else f"monarq worker --queues {overdue.queue}"
    mend = "look whether the loop of its worker is blocked" if overdue.has_worker else ""
    return Verdict(
        alert="ScheduleMissed",
        level=Level.TICKET,
        queue=overdue.queue,
        sentence=told,
        mend=mend,
        command=command,
    )


def _judge_worker(worker: LiveWorker) -> Iterator[Verdict]:
    lag = timedelta(milliseconds=worker.loop_lag_ms)
    if lag > LOOP_LAG:
        told = f"{worker.worker}: something held its event loop up for {span(lag)}"
        yield _of_worker("EventLoopBlocked", worker, told, "its log says which job: worker.loop_blocked")
    if (hung := _hung(worker)) is not None:
        yield hung
    history = worker.history
    if history is not None and timedelta(milliseconds=history.lag_ms) > HISTORY_LAG:
        told = f"{worker.worker}: the history is {span(timedelta(milliseconds=history.lag_ms))} behind"
        yield _of_worker("HistoryLagging", worker, told, "look whether PostgreSQL takes rows")
    if history is not None and history.dropped:
        told = f"{worker.worker}: {history.dropped:,} finished jobs are not in the history"
        yield _of_worker("HistoryDropping", worker, told, "raise MONARQ_HISTORY_BUFFER")


def _hung(worker: LiveWorker) -> Verdict | None:
    """Of the job that has run the longest beyond its time: a loop that is blocked cannot stop it."""
    beyond = [run for run in worker.runs if run.timeout_ms and run.age_ms > TIMEOUTS * run.timeout_ms]
    if not beyond:
        return None
    run = max(beyond, key=lambda run: run.age_ms)
    age, timeout = (span(timedelta(milliseconds=ms)) for ms in (run.age_ms, run.timeout_ms or 0))
    told = f"{worker.worker}: a job of {run.kind} has run for {age}, and its timeout is {timeout}"
    mend = "its log says where it is: worker.loop_blocked; if it does not come back, kill it"
    return _of_worker("JobRunningTooLong", worker, f"{told}: {run.job_id}", mend)


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
