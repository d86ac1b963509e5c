"""What workers do in a walk: each acts on what it remembers, which may be another's by now."""

from secrets import token_hex

from hypothesis import strategies as st
from hypothesis.stateful import rule

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.state import State
from monarq.jobs.store import verbs
from monarq.jobs.store.verbs import Claim, End, Lease, Request, Verb
from tests.contract.store import LEASE, a_job, digest_of

from .glance import set_back
from .ground import Ground
from .material import (
    CAUSES,
    KEPT_MS,
    LATER,
    NO_AGEING,
    WORKERS,
    Ending,
    WorkerMemory,
    some_attempts,
    some_endings,
    some_worker,
)
from .model import WHOLE_QUEUE, Attempt, kind_of


class Workers(Ground):
    """They claim, settle, renew, repeat what was not answered, and crash."""

    @rule(worker=some_worker, limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> None:
        request = verbs.claim(
            [self.queue], worker=worker, nonce=token_hex(4), limit=limit, lease=LEASE, ageing=NO_AGEING
        )
        self.workers[worker].last_claim = request
        self.claim_anew(worker, request, limit)

    def claim_anew(self, worker: str, request: Request[Claim], limit: int) -> None:
        self.model.begin_claim()
        claimable = self.claimable()
        # the clock would order them too, but not alike in each walk
        set_back(self.link, self.queue, *claimable)
        claim = self.ask(request)
        given = self.given(claimable, limit)
        assert [job.job_id for job in claim.jobs] == given[:limit]
        if len(given) > limit:
            assert claim.next_due == 0
            assert self.glance().tokens == 1
        for job in claim.jobs:
            abort_asked = self.model.jobs[job.job_id].abort_asked
            attempt = self.model.start(job.job_id, worker)
            assert (job.starts, job.spent) == (attempt.number, attempt.spent)
            assert (job.crashes, job.lapses) == (attempt.crashes, attempt.lapses)
            assert job.abort_asked == abort_asked
            assert job.starts > self.highest_fence.get(job.job_id, 0), "a fence has gone back"
            self.highest_fence[job.job_id] = job.starts
            self.workers[worker].attempts.append(attempt)

    def given(self, claimable: list[str], limit: int) -> list[str]:
        """Those that are not paused; the paused ones that a claim meets on its way are put aside."""
        if WHOLE_QUEUE in self.model.paused:
            return []
        given: list[str] = []
        for job_id in claimable:
            if kind_of(job_id) not in self.model.paused:
                given.append(job_id)
            elif len(given) < limit:
                self.model.put_aside(job_id)
        return given

    def claimable(self) -> list[str]:
        """What may be claimed, in order: orphans first, then the ready ones by priority."""
        jobs = sorted(self.model.jobs.values(), key=lambda job: (job.priority.rank, job.job_id))
        jobs = [job for job in jobs if not job.is_parked]
        orphans = [job.job_id for job in jobs if job.is_lapsed]
        return orphans + [job.job_id for job in jobs if job.state is State.READY]

    @rule(worker=some_worker)
    def repeat_claim(self, worker: str) -> None:
        """Its reply was lost.  What is still the worker's comes back; if that was nothing, it claims anew."""
        request = self.workers[worker].last_claim
        if request is None:
            return
        nonce, limit = request.arguments[0], request.arguments[2]
        kept = self.link.call("GET", request.keys[0]) or b""
        if not kept.startswith(nonce.encode() + b"\n"):
            self.claim_anew(worker, request, limit)
            return
        given = kept.decode().split("\n")[1:]
        numbers = {(given[at + 1], int(given[at + 2])) for at in range(0, len(given), 4)}
        still = {
            (job.job_id, job.starts)
            for job in self.model.jobs.values()
            if job.owner == worker and (job.job_id, job.starts) in numbers
        }
        claim = self.ask(request)
        assert {(job.job_id, job.starts) for job in claim.jobs} == still
        for job in claim.jobs:
            known = self.model.jobs[job.job_id]
            assert (job.spent, job.crashes, job.lapses) == (known.spent, known.crashes, known.lapses)
            assert job.abort_asked == known.abort_asked

    @rule(worker=some_worker, places=some_attempts, endings=st.lists(some_endings, min_size=3, max_size=3))
    def settle(self, worker: str, places: list[int], endings: list[Ending]) -> None:
        """Of whatever the worker believes to own: some of it may be another's by now, or have ended."""
        worker = self.one_that_remembers(worker)
        memory = self.workers[worker]
        ends, expected = [], []
        for attempt, ending in zip(memory.pick(places), endings, strict=False):
            ends.append(self.end_of(attempt, ending))
            failure = ends[-1].failure
            expected.append(
                self.model.settle(
                    attempt,
                    ending.verb,
                    is_late=ending.is_late,
                    cause=None if failure is None else failure.cause,
                    keeps_result=ending.keeps_result,
                )
            )
        if ends:
            request = verbs.settle(self.queue, ends, worker=worker, nonce=token_hex(4))
            assert self.ask(request) == expected
            memory.last_settle = request, expected

    def one_that_remembers(self, worker: str) -> str:
        """The worker, or another one if it knows of no attempt."""
        return next((name for name in (worker, *WORKERS) if self.workers[name].attempts), worker)

    def end_of(self, attempt: Attempt, ending: Ending) -> End:
        verb, failure = ending.verb, None
        cause = CAUSES.get(verb, Cause.ERROR)
        if verb in (Verb.RETRYING, Verb.DEAD) or (verb in CAUSES and ending.is_told):
            failure = Failure(
                spent=attempt.spent + cause.spends_attempt,
                crashes=attempt.crashes,
                lapses=attempt.lapses,
                cause=cause,
                fence=attempt.number,
                worker=attempt.worker,
            )
        return End(
            attempt.job_id,
            verbs.fence(attempt.worker, attempt.number),
            verb,
            self.record_of(attempt.job_id, State.CANCELLED if verb is Verb.CANCELLED else State.DEAD),
            KEPT_MS if ending.keeps_result else 0,
            verbs.milliseconds(LATER) if ending.is_late else 0,
            failure,
            digest_of(key) if (key := self.model.key_of(attempt.job_id, verb)) else "",
        )

    def record_of(self, job_id: str, state: State) -> bytes:
        """As far as an enqueue or a cancel looks into it."""
        job = self.model.jobs.get(job_id)
        digest = a_job(kind=kind_of(job_id), content=job.content if job else "x").digest
        return f'{{"m":{{"v":1,"h":"{digest}","s":"{state}"}}}}'.encode()

    @rule(worker=some_worker)
    def repeat_settle(self, worker: str) -> None:
        """Its reply was lost."""
        if (last := self.workers[worker].last_settle) is not None:
            request, expected = last
            assert self.ask(request) == expected

    @rule(worker=some_worker, places=some_attempts)
    def renew(self, worker: str, places: list[int]) -> None:
        worker = self.one_that_remembers(worker)
        attempts = self.workers[worker].pick(places)
        leases = [Lease(one.job_id, verbs.fence(worker, one.number), LEASE) for one in attempts]
        if leases:
            expected = [self.model.renew(attempt) for attempt in attempts]
            assert self.ask(verbs.renew(self.queue, leases)) == expected

    @rule(worker=some_worker)
    def crash(self, worker: str) -> None:
        """It comes back under its name and remembers nothing; what it held runs out."""
        self.workers[worker] = WorkerMemory()
