"""What a restore promises, and the comparison that goes before it."""

from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.restoring import Lack
from monarq.jobs.store.verbs import Held, Settlement, Verb
from monarq.jobs.unique import Unique

from .lost_jobs import LONG_AGO_MS, a_lost_job
from .store import Store, a_failure, a_job, an_end, digest_of

EPOCH = 1_000_000
_NOTHING, _JOB, _NUMBERS = Lack.NOTHING, Lack.JOB, Lack.NUMBERS


class RestoreRules:
    """nothing -> ready | scheduled"""

    async def test_a_job_that_is_gone_is_restored_and_runs(self, store: Store) -> None:
        assert await store.restore(a_lost_job()) == [_JOB]
        assert await store.state() == "ready"
        assert (await store.stats())["restored"] == 1
        [job] = await store.claim()
        assert (job.job_id, job.body) == ("a", a_lost_job().body)
        assert await store.settle(an_end(job)) == [Settlement.RECORDED]
        assert await store.state() == "ended"

    async def test_restoring_twice_restores_once(self, store: Store) -> None:
        jobs = [a_lost_job("a"), a_lost_job("b", due=timedelta(hours=1))]
        assert await store.restore(*jobs) == [_JOB, _JOB]
        before = await store.dump()
        assert await store.restore(*jobs) == [_NOTHING, _NOTHING]
        assert await store.dump() == before

    async def test_its_attempts_are_numbered_as_none_has_been_before(self, store: Store) -> None:
        """Its counter is lost, and attempts of before may still want to record their outcome."""
        await store.restore(a_lost_job(starts=EPOCH))
        [job] = await store.claim()
        assert job.starts == EPOCH + 1

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_it_stands_where_it_stood(self, store: Store, priority: Priority) -> None:
        await store.restore(a_lost_job(priority=priority))
        assert await store.priority() == priority
        assert await store.score() == LONG_AGO_MS

    async def test_a_job_that_is_not_due_yet_waits(self, store: Store) -> None:
        await store.restore(a_lost_job(due=datetime(2100, 1, 1, tzinfo=UTC)))
        assert await store.state() == "scheduled"
        assert await store.claim() == []

    async def test_no_clock_but_the_servers_makes_a_due_job_wait(self, store: Store) -> None:
        """PostgreSQL's may be ahead: what was due by that is due now."""
        before = await store.now()
        await store.restore(a_lost_job(since=datetime(2100, 1, 1, tzinfo=UTC)))
        score = await store.score()
        assert score is not None
        assert before <= score <= await store.now()

    async def test_a_job_that_may_still_run_is_put_off(self, store: Store) -> None:
        before = await store.now()
        await store.restore(a_lost_job(fence=3, due=timedelta(seconds=30), failure=a_failure()))
        score = await store.score()
        assert score is not None
        assert before + 30_000 <= score <= await store.now() + 30_000
        assert await store.state() == "retrying"

    async def test_what_it_has_spent_is_spent(self, store: Store) -> None:
        failure = a_failure(2, cause=Cause.INTERRUPTION)
        await store.restore(a_lost_job(failure=failure))
        [job] = await store.claim()
        assert job.spent == 2
        assert await store.failures() == [failure]

    async def test_a_restored_job_wakes_a_worker(self, store: Store) -> None:
        await store.restore(a_lost_job())
        assert await store.tokens() == 1

    async def test_where_nothing_is_missing_nobody_is_woken(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.take_token()
        assert await store.restore(a_lost_job()) == [_NOTHING]
        assert await store.tokens() == 0

    async def test_a_job_that_waits_or_runs_is_left_alone(self, store: Store) -> None:
        await store.run("running")
        await store.enqueue(a_job("ready"), a_job("scheduled", due=timedelta(hours=1)))
        before = await store.dump()
        jobs = [a_lost_job("running", fence=1), a_lost_job("ready"), a_lost_job("scheduled")]
        assert await store.restore(*jobs) == [_NOTHING] * 3
        assert await store.dump() == before

    async def test_a_job_that_was_put_aside_is_left_alone(self, store: Store) -> None:
        await store.put_aside("a")
        before = await store.dump()
        assert await store.compare(a=0) == [_NOTHING]
        assert await store.restore(a_lost_job()) == [_NOTHING]
        assert await store.dump() == before

    async def test_a_job_whose_envelope_is_gone_gets_it_back_in_its_place(self, store: Store) -> None:
        due = timedelta(hours=1)
        await store.enqueue(a_job(priority=Priority.HIGH, due=due))
        score = await store.score()
        await store.call("DEL", keys.JOB + "a")
        assert await store.compare(a=0) == [_JOB]
        assert await store.restore(a_lost_job()) == [_JOB]
        assert (await store.priority(), await store.score()) == (Priority.HIGH, score)
        assert await store.call("GET", keys.JOB + "a") == a_lost_job().body

    async def test_a_job_that_stands_in_no_queue_is_restored(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.call("DEL", *store.queue.ranks)
        assert await store.compare(a=0) == [_JOB]
        assert await store.restore(a_lost_job()) == [_JOB]
        assert await store.state() == "ready"

    async def test_a_job_that_was_put_aside_without_an_envelope_is_ready(self, store: Store) -> None:
        await store.put_aside("a")
        await store.call("DEL", keys.JOB + "a")
        assert await store.restore(a_lost_job()) == [_JOB]
        assert await store.parked() == []
        assert await store.score() == LONG_AGO_MS

    async def test_the_dead_letter_of_a_job_that_lives_again_gives_way(self, store: Store) -> None:
        """The server was set back to before its replay."""
        await store.bury(result=b'{"r":1}', failure=a_failure(3))
        assert await store.restore(a_lost_job(fence=1, failure=a_failure(0))) == [_JOB]
        assert await store.state() == "ready"
        assert await store.died_ms() is None
        [job] = await store.claim()
        assert (job.spent, job.starts) == (0, EPOCH + 1)

    async def test_the_result_of_a_life_before_gives_way(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job))
        assert await store.restore(a_lost_job()) == [_JOB]
        assert await store.state() == "ready"

    async def test_numbers_that_went_back_are_raised_and_nothing_else(self, store: Store) -> None:
        await store.enqueue(a_job(due=timedelta(hours=1)))
        before = await store.dump()
        assert await store.compare(a=3) == [_NUMBERS]
        assert await store.restore(a_lost_job(fence=3, failure=a_failure())) == [_NUMBERS]
        assert await store.starts() == EPOCH
        after = await store.dump()
        assert {key: held for key, held in after.items() if key != keys.STARTS + "a"} == before

    async def test_numbers_never_go_down(self, store: Store) -> None:
        await store.call("SET", keys.STARTS + "a", EPOCH + 7)
        await store.restore(a_lost_job(starts=EPOCH))
        assert await store.starts() == EPOCH + 7

    async def test_the_number_of_an_attempt_that_runs_counts(self, store: Store) -> None:
        """Its start is written to the counter only when it ends without success."""
        await store.run()
        assert await store.compare(a=1) == [_NOTHING]
        assert await store.compare(a=2) == [_NUMBERS]

    async def test_a_counter_or_a_list_of_failures_that_cannot_be_used_gives_way(self, store: Store) -> None:
        await store.call("HSET", keys.STARTS + "a", "x", "y")
        await store.call("SET", keys.FAILURES + "a", "x")
        assert await store.restore(a_lost_job(failure=a_failure(1))) == [_JOB]
        [job] = await store.claim()
        assert (job.starts, job.spent, job.fault) == (EPOCH + 1, 1, None)

    async def test_a_restored_job_holds_its_unique_key_again(self, store: Store) -> None:
        await store.restore(a_lost_job(unique=Unique()))
        assert await store.enqueue(a_job("b", unique=Unique())) == [Held("a")]

    async def test_a_unique_key_that_is_anothers_by_now_stays_so(self, store: Store) -> None:
        """Losing a job would be worse than two of them."""
        await store.enqueue(a_job("b", unique=Unique()))
        assert await store.restore(a_lost_job(unique=Unique())) == [_JOB]
        assert await store.holder() == "b"

    async def test_a_key_that_is_held_for_a_time_is_held_for_the_rest_of_it(self, store: Store) -> None:
        rule = Unique(until=timedelta(hours=1))
        await store.restore(a_lost_job(unique=rule, window=timedelta(minutes=20)))
        assert 1_190_000 < await store.call("PTTL", store.queue.unique(digest_of("k"))) <= 1_200_000

    async def test_a_key_whose_time_is_over_is_not_held_again(self, store: Store) -> None:
        rule = Unique(until=timedelta(hours=1))
        await store.restore(a_lost_job(unique=rule, window=timedelta(minutes=-5)))
        assert await store.holder() is None

    async def test_a_compare_of_what_has_ended_here_says_that_the_job_is_missing(self, store: Store) -> None:
        """Only PostgreSQL knows whether it has."""
        await store.bury("dead")
        job = await store.run("done")
        await store.settle(an_end(job, Verb.SUCCEEDED))
        assert await store.compare(dead=1, done=1, unknown=0) == [_JOB] * 3
