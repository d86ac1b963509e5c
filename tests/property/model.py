"""What the store must do, said in plain Python: no scores, no keys, no Lua."""

from dataclasses import dataclass, field

from monarq.jobs.failure import Cause
from monarq.jobs.priority import Priority
from monarq.jobs.state import FINAL, State, may_move
from monarq.jobs.store.moving import Became
from monarq.jobs.store.verbs import Accepted, Cancellation, Held, Renewal, Settlement, Verb

WAITING = frozenset({State.SCHEDULED, State.READY, State.RETRYING})


#: Of which unique keys a worker tells the store, by until when they are held.
_TOLD_WITH = {Verb.RETRYING: (), Verb.RELEASED: ("start",), Verb.DEAD: ("end",)}
#: Which unique keys an end frees, by until when they are held.
_FREED_BY = {
    State.SUCCEEDED: ("success", "end"),
    State.EXPIRED: ("success", "end"),
    State.DEAD: ("end",),
    State.CANCELLED: ("start", "success", "end"),
}


class IllegalMove(AssertionError):
    """The walk has left the table of transitions."""


KINDS = ("even", "odd")
WHOLE_QUEUE = ""


def kind_of(job_id: str) -> str:
    """`j0` is even."""
    return KINDS[int(job_id[1:]) % 2]


@dataclass(frozen=True)
class Attempt:
    """What a worker believes to own: one start of one job."""

    job_id: str
    worker: str
    number: int
    #: Attempts spent, crashes and lapses before this one.
    spent: int
    crashes: int
    lapses: int


@dataclass(frozen=True)
class Rule:
    """A unique rule: the name of its key, and the rest of it in the words of `Unique`."""

    key: str
    #: start, success, end or window.
    until: str
    on_conflict: str


@dataclass
class Key:
    """A unique key that is held."""

    holder: str
    is_window: bool


@dataclass
class Job:
    """One job; forgotten when `Model` holds it no more."""

    job_id: str
    priority: Priority
    content: str
    state: State
    starts: int = 0
    #: Who runs it now.
    owner: str = ""
    #: Its lease ran out, and nobody has claimed it yet.
    is_lapsed: bool = False
    #: It is due, and its kind is paused: a claim has put it aside.
    is_parked: bool = False
    abort_asked: bool = False
    is_waited_for: bool = False
    has_result: bool = False
    failures: int = 0
    spent: int = 0
    crashes: int = 0
    lapses: int = 0
    rule: Rule | None = None

    def move(self, target: State) -> None:
        """Go to another state.

        Raises:
            IllegalMove: jobs/state.py does not know such a step.
        """
        if not may_move(self.state, target):
            raise IllegalMove(f"{self.job_id}: {self.state} -> {target}")
        self.state = target

    @property
    def kind(self) -> str:
        return kind_of(self.job_id)

    @property
    def is_claimable(self) -> bool:
        return self.state is State.READY or self.is_lapsed

    def is_owned_by(self, attempt: Attempt) -> bool:
        """Whether what the worker believes is true."""
        return self.state is State.RUNNING and (self.owner, self.starts) == (attempt.worker, attempt.number)

    @property
    def standing(self) -> str:
        """What a look at the job tells."""
        if self.is_lapsed:
            return "ready"
        if self.state is State.DEAD and not self.has_result:
            return "dead"
        return "ended" if self.state in FINAL else str(self.state)


@dataclass
class Model:
    """One queue."""

    jobs: dict[str, Job] = field(default_factory=dict)
    stats: dict[str, int] = field(default_factory=dict)
    #: Kinds, or the whole queue.
    paused: set[str] = field(default_factory=set)
    #: Pauses that have ended, and not yet given all back.
    over: set[str] = field(default_factory=set)
    #: Unique keys by name; a holder may be gone, and then holds nothing.
    keys: dict[str, Key] = field(default_factory=dict)

    def count(self, name: str, number: int = 1) -> None:
        if number:
            self.stats[name] = self.stats.get(name, 0) + number

    def enqueue(
        self, job_id: str, priority: Priority, content: str, *, is_due: bool, rule: Rule | None = None
    ) -> Accepted | Held:
        known = self.jobs.get(job_id)
        if known is not None:
            return Accepted.EXISTS if known.content == content else Accepted.CONFLICT
        wished = Job(job_id, priority, content, State.READY if is_due else State.SCHEDULED, rule=rule)
        if rule is not None:
            if (holder := self._kept_out_by(rule)) is not None:
                self._meet(holder, wished, rule)
                return Held(holder)
            self.keys[rule.key] = Key(job_id, rule.until == "window")
        self.jobs[job_id] = wished
        self.count("enqueued")
        return Accepted.CREATED

    def start(self, job_id: str, worker: str) -> Attempt:
        """Somebody has claimed the job."""
        job = self.jobs[job_id]
        self._lose_worker(job)
        job.move(State.RUNNING)
        job.starts += 1
        job.owner = worker
        self._free(job, "start")
        self.count("started")
        return Attempt(job_id, worker, job.starts, job.spent, job.crashes, job.lapses)

    def begin_claim(self) -> None:
        """What is no longer paused comes back first."""
        for job in self.jobs.values():
            job.is_parked = job.is_parked and job.kind not in self.over
        self.over.clear()

    def put_aside(self, job_id: str) -> None:
        """A claim has met the job, and its kind is paused."""
        job = self.jobs[job_id]
        self._lose_worker(job)
        job.is_parked = True

    def resume(self, kind: str, back: list[str], *, is_all: bool) -> bool:
        """The pause of a kind, or of the queue, has ended, and these jobs are back; whether there was one."""
        was_there = kind in self.paused | self.over
        self.paused.discard(kind)
        self.over.discard(kind)
        for job_id in back:
            self.jobs[job_id].is_parked = False
        if not is_all:
            self.over.add(kind)
        return was_there

    def settle(
        self, attempt: Attempt, verb: Verb, *, is_late: bool, cause: Cause | None, keeps_result: bool
    ) -> Settlement:
        """An attempt has ended; `is_late` if it is to run again later, with the `cause` of its failure."""
        job = self.jobs.get(attempt.job_id)
        if job is None or not job.is_owned_by(attempt):
            self.count("refused")
            return Settlement.REFUSED
        self.count(verb)
        job.owner, job.is_lapsed = "", False
        if cause is not None:
            self.count(f"failed:{cause}")
            job.failures += 1
            job.spent = attempt.spent + cause.spends_attempt
        if verb in (Verb.RETRYING, Verb.RELEASED):
            if verb is Verb.RELEASED and job.rule is not None and job.rule.until == "start":
                self.keys.setdefault(job.rule.key, Key(job.job_id, is_window=False))
            # one whose cancellation is asked for waits for nothing but its next claim
            self._again(job, is_late=is_late and not job.abort_asked)
            return Settlement.RECORDED
        is_too_late = job.abort_asked and verb is not Verb.CANCELLED
        self._end(job, State(verb), keeps_result=keeps_result)
        return Settlement.CANCEL_TOO_LATE if is_too_late else Settlement.RECORDED

    def renew(self, attempt: Attempt) -> Renewal:
        job = self.jobs.get(attempt.job_id)
        if job is None or not job.is_owned_by(attempt):
            return Renewal.LOST
        job.is_lapsed = False
        return Renewal.ABORT_ASKED if job.abort_asked else Renewal.RENEWED

    def cancel(self, job_id: str, *, keeps_result: bool) -> Cancellation:
        job = self.jobs.get(job_id)
        if job is None:
            return Cancellation.UNKNOWN
        if job.state in FINAL:
            # nothing but its record tells that it was cancelled; one that has none is gone
            return Cancellation.CANCELLED if job.state is State.CANCELLED else Cancellation.ENDED
        if job.state is State.RUNNING:
            job.abort_asked = True
            return Cancellation.REQUESTED
        self.count("cancelled")
        self._end(job, State.CANCELLED, keeps_result=keeps_result)
        return Cancellation.CANCELLED

    def move_to(self, job_id: str, *, is_due: bool | None, priority: Priority | None) -> Became:
        """Somebody wishes the job to be due or not (None: as it is), and of this priority."""
        job = self.jobs.get(job_id)
        if job is None:
            return Became.UNKNOWN
        if job.state in FINAL:
            return Became.ENDED
        if job.state is State.RUNNING:
            return Became.RUNNING
        if job.abort_asked:
            return Became.CANCELLING
        wished = job.state if is_due is None else State.READY
        if is_due is False:
            wished = State.RETRYING if job.failures else State.SCHEDULED
        # later than now is never the moment that it was already
        is_moved = is_due is False or wished is not job.state or priority not in (None, job.priority)
        if wished is not job.state:
            job.move(wished)
        job.is_parked = job.is_parked and wished is State.READY
        job.priority = priority or job.priority
        return Became.MOVED if is_moved else Became.UNCHANGED

    def replay(self, job_id: str, priority: Priority) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state is not State.DEAD:
            return False
        job.move(State.READY)
        job.priority = priority
        job.has_result = False
        job.failures += 1
        job.spent = job.crashes = job.lapses = 0
        if job.rule is not None and job.rule.until != "window":
            self.keys.setdefault(job.rule.key, Key(job_id, is_window=False))
        self.count("replayed")
        return True

    def discard(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state is not State.DEAD:
            return False
        del self.jobs[job_id]
        self._free(job, "success")
        self.count("discarded")
        return True

    def ripen(self, job_id: str) -> None:
        """Its time has come."""
        self.jobs[job_id].move(State.READY)

    def forget_result(self, job_id: str) -> None:
        """The time for which its result is kept has passed."""
        job = self.jobs[job_id]
        job.has_result = False
        if job.state is not State.DEAD:
            del self.jobs[job_id]

    def _lose_worker(self, job: Job) -> None:
        if job.is_lapsed:
            job.move(State.READY)
            job.owner, job.is_lapsed = "", False
            job.failures += 1
            job.lapses += 1
            self.count("failed:crash")

    def end_window(self, key: str) -> None:
        """Its time has passed."""
        del self.keys[key]

    def key_of(self, job_id: str, verb: Verb) -> str | None:
        """The key of which a worker tells the store with this end."""
        job = self.jobs.get(job_id)
        told = _TOLD_WITH.get(verb, ("success", "end"))
        return job.rule.key if job is not None and job.rule is not None and job.rule.until in told else None

    def _kept_out_by(self, rule: Rule) -> str | None:
        """Who holds the key, so that there will be no second job."""
        key = self.keys.get(rule.key)
        if key is None:
            return None
        job = self._holding(key, rule.key)
        if job is None:
            return key.holder if key.is_window else None
        runs = job.state is State.RUNNING or job.abort_asked
        return None if runs and rule.on_conflict == "replace" else job.job_id

    def _holding(self, key: Key, name: str) -> Job | None:
        job = self.jobs.get(key.holder)
        if job is None or job.rule is None or job.rule.key != name:
            return None
        holds = job.state not in FINAL or (job.state is State.DEAD and job.rule.until == "success")
        return job if holds else None

    def _meet(self, holder: str, wished: Job, rule: Rule) -> None:
        """What becomes of the job that holds the key."""
        job = self.jobs.get(holder)
        waits = job is not None and job.state in WAITING and not job.abort_asked
        if job is None or not waits or rule.on_conflict not in ("replace", "reschedule"):
            return
        if job.rule is None or job.rule.key != rule.key:  # a window goes on, and its id is another job's now
            return
        if rule.on_conflict == "replace":
            job.content, job.priority, job.rule = wished.content, wished.priority, rule
            self.keys[rule.key].is_window &= rule.until == "window"
        job.is_parked = False
        later = State.RETRYING if job.failures else State.SCHEDULED
        target = State.READY if wished.state is State.READY else later
        if target is not job.state:
            job.move(target)

    def _free(self, job: Job, *until: str) -> None:
        if job.rule is not None and job.rule.until in until:
            key = self.keys.get(job.rule.key)
            if key is not None and key.holder == job.job_id:
                del self.keys[job.rule.key]

    def _again(self, job: Job, *, is_late: bool) -> None:
        if not is_late:
            job.move(State.READY)
        else:
            job.move(State.RETRYING if job.failures else State.SCHEDULED)

    def _end(self, job: Job, state: State, *, keeps_result: bool) -> None:
        job.move(state)
        self._free(job, *_FREED_BY[state])
        job.abort_asked = job.is_waited_for = job.is_parked = False
        job.has_result = keeps_result
        if state is not State.DEAD:
            job.failures = job.spent = job.crashes = job.lapses = 0
            if not keeps_result:
                del self.jobs[job.job_id]
