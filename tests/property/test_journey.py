"""Any order of calls, repeats, crashes and late comers: the store does what the model does.

`PROPERTY_EXAMPLES=5000` takes that many walks, new ones each time; else they are the same few each time.
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.priority import Priority
from monarq.jobs.state import FINAL, State
from monarq.jobs.store import letter_verbs, verbs
from monarq.jobs.store.address import from_url
from monarq.jobs.store.letter_verbs import Letter
from monarq.jobs.store.moving import NOW, move
from monarq.jobs.store.pauses import pause_request, resume_request
from monarq.jobs.store.sync_connection import SyncLink
from tests.contract.store import RESTART_GRACE_SECONDS, digest_of

from .glance import Glance, drop_result, end_pause, set_back
from .material import (
    JOB_IDS,
    KEPT_MS,
    KEYS,
    LATER,
    Wish,
    some_job,
    some_jobs,
    some_pause,
    some_priority,
    some_wishes,
)
from .model import kind_of
from .traces import NOTHING, check
from .workers import Workers


class Journey(Workers):
    """One queue, a handful of ids, three workers, and those who enqueue and operate."""

    @initialize()
    def empty(self) -> None:
        self.link.call("FLUSHALL")

    # --- producers

    @rule(wishes=some_wishes)
    def enqueue(self, wishes: list[Wish]) -> None:
        entries = [wish.entry for wish in wishes]
        expected = [
            self.model.enqueue(w.job_id, w.priority, w.content, is_due=w.is_due, rule=w.rule) for w in wishes
        ]
        assert self.ask(verbs.enqueue(self.queue, entries)) == expected

    @rule(job_id=some_job, keeps_result=st.booleans())
    def cancel(self, job_id: str, keeps_result: bool) -> None:
        result = self.record_of(job_id, State.CANCELLED)
        expected = self.model.cancel(job_id, keeps_result=keeps_result)
        request = verbs.cancel(self.queue, job_id, result, KEPT_MS if keeps_result else 0, b"ann")
        assert self.ask(request) is expected

    @rule(job_id=some_job, is_due=st.none() | st.booleans(), priority=st.none() | some_priority)
    def move(self, job_id: str, is_due: bool | None, priority: Priority | None) -> None:
        self.moves += 1  # never twice to the same moment, also within one of the clock
        due = None if is_due is None else NOW if is_due else LATER + timedelta(seconds=self.moves)
        expected = self.model.move_to(job_id, is_due=is_due, priority=priority)
        assert self.ask(move(self.queue, job_id, due=due, priority=priority)).became is expected

    @rule(job_id=some_job)
    def wait_for(self, job_id: str) -> None:
        job = self.model.jobs.get(job_id)
        if job is not None and job.state not in FINAL:
            job.is_waited_for = True
        standing = self.ask(verbs.inspect(self.queue, job_id, "channel"))
        assert standing.what == (job.standing if job else "unknown")

    # --- operators

    @precondition(lambda self: self.has(lambda job: job.state is State.DEAD))
    @rule(job_ids=some_jobs, priority=some_priority)
    def replay(self, job_ids: list[str], priority: Priority) -> None:
        mark = Failure(spent=0, crashes=0, cause=Cause.REPLAY, fence=0, worker="")
        expected = [self.model.replay(job_id, priority) for job_id in job_ids]
        letters = [Letter(job_id, priority, mark) for job_id in job_ids]
        assert self.ask(letter_verbs.replay(self.queue, letters)) == expected

    @rule(job_ids=some_jobs)
    def discard(self, job_ids: list[str]) -> None:
        held = {job_id for job_id in job_ids if (job := self.model.jobs.get(job_id)) and job.has_result}
        expected = [self.model.discard(job_id) for job_id in job_ids]
        assert self.ask(letter_verbs.discard(self.queue, job_ids)) == expected
        for job_id in held - set(self.model.jobs):
            drop_result(self.link, job_id)

    @rule(kind=some_pause)
    def pause(self, kind: str) -> None:
        told = {"by": "ann", "why": "a walk", "now": False}
        assert self.ask(pause_request(self.queue, kind, None, told)) is not None
        self.model.paused.add(kind)
        self.model.over.discard(kind)

    @rule(kind=some_pause, limit=st.sampled_from([1, 500]))
    def resume(self, kind: str, limit: int) -> None:
        """In one call or, by one who dies half-way, in part of one."""
        parked = {one: seen.parked for one, seen in self.glance().jobs.items() if kind_of(one) == kind}
        order = sorted((score, one) for one, score in parked.items() if score is not None)
        back = [one for _, one in order[:limit]]
        pause, left = self.ask(resume_request(self.queue, kind, limit))
        assert left == len(order) - len(back)
        assert self.model.resume(kind, back, is_all=left == 0) == (pause is not None)

    @precondition(lambda self: self.model.paused)
    @rule(kind=some_pause)
    def let_a_pause_be_over(self, kind: str) -> None:
        if kind in self.model.paused:
            self.model.paused.discard(kind)
            self.model.over.add(kind)
            end_pause(self.link, self.queue, kind)

    # --- time

    @precondition(lambda self: self.has(lambda job: job.state is State.RUNNING))
    @rule(job_ids=some_jobs)
    def let_leases_end(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            if (job := self.model.jobs.get(job_id)) is not None and job.state is State.RUNNING:
                job.is_lapsed = True
                set_back(self.link, self.queue, job_id)

    @precondition(lambda self: self.has(lambda job: job.state in (State.SCHEDULED, State.RETRYING)))
    @rule(job_ids=some_jobs)
    def let_jobs_be_due(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            job = self.model.jobs.get(job_id)
            if job is not None and job.state in (State.SCHEDULED, State.RETRYING):
                self.model.ripen(job_id)
                set_back(self.link, self.queue, job_id)

    @precondition(lambda self: self.has(lambda job: job.has_result))
    @rule(job_id=some_job)
    def let_a_result_expire(self, job_id: str) -> None:
        job = self.model.jobs.get(job_id)
        if job is not None and job.has_result:
            self.model.forget_result(job_id)
            drop_result(self.link, job_id)

    @precondition(lambda self: any(key.is_window for key in self.model.keys.values()))
    @rule(name=st.sampled_from(KEYS))
    def let_a_window_end(self, name: str) -> None:
        if (key := self.model.keys.get(name)) is not None and key.is_window:
            self.model.end_window(name)
            self.link.call("DEL", self.queue.unique(digest_of(name)))

    # --- what always holds

    @invariant()
    def no_job_is_lost_and_each_is_in_one_state(self) -> None:
        glance = self.glance()
        for job_id, seen in glance.jobs.items():
            job = self.model.jobs.get(job_id)
            if job is None:
                self.forget(job_id)
                assert seen == NOTHING, f"{job_id} is gone, and yet there is {seen}"
            else:
                check(job, seen, glance.now)
        self.check_queue(glance)

    @invariant()
    def each_unique_key_is_held_by_one_job(self) -> None:
        for name in KEYS:
            key, held = self.model.keys.get(name), self.queue.unique(digest_of(name))
            told = self.link.call("GET", held)
            assert (None if told is None else told.decode()) == (None if key is None else key.holder)
            assert (self.link.call("PTTL", held) > 0) == (key is not None and key.is_window)

    @invariant()
    def a_look_tells_the_state(self) -> None:
        for job_id in JOB_IDS:
            job = self.model.jobs.get(job_id)
            assert self.ask(verbs.inspect(self.queue, job_id)).what == (job.standing if job else "unknown")

    def check_queue(self, glance: Glance) -> None:
        jobs = self.model.jobs.values()
        assert glance.waiting_or_running + glance.parked == sum(job.state not in FINAL for job in jobs)
        assert glance.parked == sum(job.is_parked for job in jobs)
        assert glance.running == sum(job.state is State.RUNNING for job in jobs)
        assert glance.dead == sum(job.state is State.DEAD for job in jobs)
        assert glance.aborted == sum(job.abort_asked for job in jobs)
        assert glance.stats == self.model.stats
        assert glance.tokens <= 1

    def forget(self, job_id: str) -> None:
        """A job of this id would be another one: its fences begin anew, and nobody remembers the old."""
        self.highest_fence.pop(job_id, None)
        for memory in self.workers.values():
            memory.attempts = [attempt for attempt in memory.attempts if attempt.job_id != job_id]


def profile() -> settings:
    """Few and the same walks for every day; many and new ones on demand."""
    wanted = os.environ.get("PROPERTY_EXAMPLES")
    return settings(
        max_examples=int(wanted or 700),
        stateful_step_count=40,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def past_restart_grace(link: SyncLink) -> SyncLink:
    """Wait until the server has been there for so long that leases run out in earnest."""
    while True:
        told = link.call("INFO", "server").partition(b"uptime_in_seconds:")[2]
        if int(told.split()[0]) >= RESTART_GRACE_SECONDS:
            return link


@pytest.mark.timeout(600)
def test_any_order_of_calls_keeps_every_job_in_exactly_one_state(redis_url: str) -> None:
    class OnValkey(Journey):
        link = past_restart_grace(SyncLink(from_url(redis_url)))

    run_state_machine_as_test(OnValkey, settings=profile())
    OnValkey.link.close()
