"""The demo's books: what was asked for, what came of it, and whether that is as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monarq.jobs import State
from monarq.jobs.store.dead_letter import DeadLetter

from .incident import Crash
from .order_books import OrderBooks, order_faults

#: More faults of one sort are only counted.
_SHOWN = 10
#: Jobs that one fault names.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """One job: how it should have ended, and how it has."""

    job_id: str
    kind: str
    planned: State
    fails_first: bool = False
    #: None if the store knows nothing of it.
    state: State | None
    #: The attempt that ended it; 0 if it has not ended, or died.
    attempt: int = 0
    #: When that one started, Unix milliseconds.
    started_ms: int = 0

    @property
    def recovered(self) -> bool:
        """Whether it failed first and succeeded then."""
        return self.state is State.SUCCEEDED and self.attempt > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """What the other side has seen of the jobs of one kind."""

    what: str
    wanted: frozenset[str]
    #: How often each job arrived.
    accepted: Mapping[str, int]
    refused: int

    @property
    def repeats(self) -> int:
        """Arrivals beyond the first of each job."""
        return sum(self.accepted.values()) - len(self.accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that is known at the end."""

    jobs: Sequence[JobEnd]
    webhooks: Deliveries
    mails: Deliveries
    forged: int = 0
    #: Thumbnails that should be there, and why each of the others is not in order.
    thumbnails: int = 0
    bad_thumbnails: Sequence[str] = ()
    letters: Sequence[DeadLetter] = ()
    crash: Crash | None = None
    #: None until the last act.
    orders: OrderBooks | None = None
    seconds: float = 0.0

    def count(self, state: State, kind: str | None = None) -> int:
        """How many jobs ended so."""
        return sum(job.state is state and kind in (None, job.kind) for job in self.jobs)

    def recovered(self, kind: str | None = None) -> int:
        """How many jobs failed first and succeeded then."""
        return sum(job.recovered and kind in (None, job.kind) for job in self.jobs)

    @property
    def orphans(self) -> list[JobEnd]:
        """The jobs of the worker that was killed."""
        held = self.crash.orphans if self.crash is not None else frozenset()
        return [job for job in self.jobs if job.job_id in held]

    @property
    def rescue_seconds(self) -> float | None:
        """Until the last orphan ran again; None if no orphan tells (its record is of a later attempt)."""
        if self.crash is None:
            return None
        starts = [job.started_ms for job in self.orphans if job.attempt == 1]
        return max(0, max(starts) - self.crash.at_ms) / 1000 if starts else None


def verdict(ledger: Ledger) -> list[str]:
    """What is not as it should be, in words; empty if all is well."""
    orders = order_faults(ledger.orders) if ledger.orders is not None else ()
    return [*_job_faults(ledger), *_delivery_faults(ledger), *_other_faults(ledger), *orders]


def _job_faults(ledger: Ledger) -> Iterator[str]:
    orphans = {job.job_id for job in ledger.orphans}
    faults = [fault for job in ledger.jobs if (fault := _fault(job, orphans))]
    yield from faults[:_SHOWN]
    if len(faults) > _SHOWN:
        yield f"… and {len(faults) - _SHOWN} more jobs"


def _fault(job: JobEnd, orphans: set[str]) -> str | None:
    name = f"{job.kind} {job.job_id}"
    if job.state is None:
        return f"{name}: the store knows nothing of it"
    if not job.state.is_final:
        return f"{name}: has not ended, it is {job.state}"
    if job.state is not job.planned:
        return f"{name}: ended {job.state}, not {job.planned}"
    # what a killed worker was told is lost with it, and not counted as an attempt
    if job.fails_first and job.attempt == 1 and job.job_id not in orphans:
        return f"{name}: succeeded at once, but should have failed first"
    return None


def _delivery_faults(ledger: Ledger) -> Iterator[str]:
    for side in (ledger.webhooks, ledger.mails):
        if missing := side.wanted - set(side.accepted):
            yield f"{side.what}: {len(missing)} never arrived: {_some(missing)}"
        if strangers := set(side.accepted) - side.wanted:
            yield f"{side.what}: {len(strangers)} arrived that nobody sent: {_some(strangers)}"
        if repeated := {one for one, times in side.accepted.items() if times > 1} - _excused(ledger):
            yield f"{side.what}: {len(repeated)} came again without need: {_some(repeated)}"
    if ledger.forged:
        yield f"the receiver refused {ledger.forged} signatures"


def _excused(ledger: Ledger) -> set[str]:
    """The jobs that may arrive twice: delivery is at least once, where a worker or an answer was lost."""
    retried = {job.job_id for job in ledger.jobs if job.attempt > (2 if job.fails_first else 1)}
    return retried | {job.job_id for job in ledger.orphans}


def _other_faults(ledger: Ledger) -> Iterator[str]:
    yield from ledger.bad_thumbnails[:_SHOWN]
    died = Counter(letter.job_id for letter in ledger.letters)
    planned = Counter(job.job_id for job in ledger.jobs if job.planned is State.DEAD)
    if died != planned:
        yield f"dead letters: {len(ledger.letters)}, but {sum(planned.values())} should be there"


def _some(job_ids: set[str] | frozenset[str]) -> str:
    shown = sorted(job_ids)[:_NAMED]
    return ", ".join(shown) + (", …" if len(job_ids) > _NAMED else "")
