"""What walks are made of: ids, workers, wishes of producers, and ends that workers tell of."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from hypothesis import strategies as st

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store.verbs import Claim, Entry, Request, Settlement, Verb
from monarq.jobs.unique import Unique
from tests.contract.store import a_job

from .model import KINDS, WHOLE_QUEUE, Attempt, Rule, kind_of

#: Unique keys: one per kind, for no job takes the key of another kind.
KEYS = list(KINDS)
JOB_IDS = [f"j{n}" for n in range(5)]
WORKERS = ["w1", "w2", "w3"]
NO_AGEING = timedelta(days=1)
LATER = timedelta(hours=1)
KEPT_MS = 3_600_000
#: Attempts that workers remember, ended or lost ones too.
REMEMBERED = 8

some_job = st.sampled_from(JOB_IDS)
some_jobs = st.lists(some_job, min_size=1, max_size=3)
some_worker = st.sampled_from(WORKERS)
some_priority = st.sampled_from(PRIORITIES)
#: Which of the remembered attempts, counted from the latest.
some_attempts = st.lists(st.integers(0, REMEMBERED - 1), min_size=1, max_size=3, unique=True)
some_pause = st.sampled_from([WHOLE_QUEUE, *KINDS, *KINDS])
#: Of ends that may come with a failure or without.
CAUSES = {
    Verb.RELEASED: Cause.INTERRUPTION,
    Verb.CANCELLED: Cause.CANCELLATION,
    Verb.EXPIRED: Cause.TIMEOUT,
}
sometimes = st.integers(0, 3).map(lambda n: n == 0)


@dataclass(frozen=True)
class Wish:
    """An entry of an enqueue."""

    job_id: str
    priority: Priority
    content: str
    is_due: bool
    rule: Rule | None

    @property
    def entry(self) -> Entry:
        due = timedelta(0) if self.is_due else LATER
        rule = None
        if self.rule is not None:
            until = LATER if self.rule.until == "window" else cast(Any, self.rule.until)
            rule = Unique(until=until, on_conflict=cast(Any, self.rule.on_conflict))
        key = self.rule.key if self.rule is not None else ""
        return a_job(
            self.job_id,
            kind=kind_of(self.job_id),
            priority=self.priority,
            content=self.content,
            due=due,
            unique=rule,
            key=key,
        )


def a_wish(job_id: str, priority: Priority, content: str, is_due: bool, rule: Rule | None) -> Wish:
    ruled = None if rule is None else replace(rule, key=kind_of(job_id))
    return Wish(job_id, priority, content, is_due, ruled)


@dataclass(frozen=True)
class Ending:
    """How an attempt is said to have ended."""

    verb: Verb
    is_late: bool
    is_told: bool
    keeps_result: bool


some_rules = st.builds(
    Rule,
    st.just(""),
    st.sampled_from(["start", "success", "end", "window"]),
    st.sampled_from(["return", "reject", "replace", "reschedule"]),
)
some_wishes = st.lists(
    st.builds(
        a_wish, some_job, some_priority, st.sampled_from("xxxy"), st.booleans(), st.none() | some_rules
    ),
    min_size=1,
    max_size=4,
)
some_endings = st.builds(Ending, st.sampled_from(Verb), st.booleans(), st.booleans(), st.booleans())


@dataclass
class WorkerMemory:
    """What one worker knows; a crash wipes it."""

    attempts: list[Attempt] = field(default_factory=list)
    last_claim: Request[Claim] | None = None
    last_settle: tuple[Request[list[Settlement]], list[Settlement]] | None = None

    def pick(self, places: list[int]) -> list[Attempt]:
        recent = self.attempts[-REMEMBERED:]
        if not recent:
            return []
        # around the end: a place that pointed at nothing would make most of the walk's calls empty
        return [recent[-1 - place] for place in dict.fromkeys(place % len(recent) for place in places)]
