"""What a settle promises."""

from datetime import timedelta

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import End, Settlement, Verb

from .store import Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)
FINAL = [Verb.SUCCEEDED, Verb.CANCELLED, Verb.EXPIRED]
#: What any settle writes, accepted or not.
TRACES = ["monarq:stats:", "monarq:reply:"]


class SettleRules:
    """running -> succeeded | retrying | dead | cancelled | expired | ready | scheduled"""

    @pytest.mark.parametrize("verb", FINAL)
    async def test_of_a_job_that_has_ended_only_its_result_is_left(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        assert await store.settle(an_end(job, verb, result=b"told")) == [True]
        assert await store.dump(without=["monarq:stats:", "monarq:reply:", "monarq:wake:"]) == {
            keys.RESULT + "a": b"told"
        }
        standing = await store.inspect()
        assert (standing.what, standing.record) == ("ended", b"told")

    @pytest.mark.parametrize("verb", [*FINAL, Verb.DEAD])
    async def test_a_result_is_kept_for_its_time(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.settle(an_end(job, verb, result_ms=5_000))
        assert 0 < await store.call("PTTL", keys.RESULT + "a") <= 5_000

    async def test_a_result_can_be_kept_for_ever(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, result_ms=-1))
        assert await store.call("PTTL", keys.RESULT + "a") == -1

    async def test_a_result_that_nobody_wants_is_not_written(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, result=b"told", result_ms=0))
        assert await store.call("EXISTS", keys.RESULT + "a") == 0
        assert await store.state() == "unknown"

    # --- again

    async def test_a_retry_waits_out_its_delay(self, store: Store) -> None:
        job = await store.run()
        before = await store.now()
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
        assert before <= (await store.score() or 0) - 3_600_000 <= await store.now()
        assert await store.state() == "retrying"
        assert await store.lease_end() is None
        assert await store.call("EXISTS", keys.FENCE + "a", keys.RESULT + "a") == 0

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_a_retry_keeps_its_priority(self, store: Store, priority: Priority) -> None:
        await store.enqueue(a_job(priority=priority))
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
        assert await store.priority() is priority

    async def test_a_retry_without_delay_is_ready(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        assert await store.state() == "ready"

    async def test_a_released_job_is_ready_and_has_spent_nothing(self, store: Store) -> None:
        job = await store.run()
        interruption = a_failure(0, cause=Cause.INTERRUPTION)
        await store.settle(an_end(job, Verb.RELEASED, failure=interruption))
        assert await store.state() == "ready"
        [job] = await store.claim(worker="w2")
        assert (job.starts, job.spent) == (2, 0)

    async def test_a_job_released_for_later_without_a_failure_is_scheduled(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RELEASED, delay=HOUR))
        assert await store.state() == "scheduled"
        assert await store.failures() == []

    async def test_every_failure_is_kept_until_the_job_has_succeeded(self, store: Store) -> None:
        await store.enqueue(a_job())
        for spent in (1, 2):
            [job] = await store.claim()
            failure = a_failure(spent, message=f"no {spent}")
            await store.settle(an_end(job, Verb.RETRYING, failure=failure))
        assert [failure.message for failure in await store.failures()] == ["no 1", "no 2"]
        [job] = await store.claim()
        await store.settle(an_end(job))
        assert await store.failures() == []

    # --- dead

    async def test_a_dead_letter_keeps_its_envelope_and_every_failure(self, store: Store) -> None:
        await store.enqueue(a_job(content="x"))
        body = await store.call("GET", keys.JOB + "a")
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(1, message="first")))
        [job] = await store.claim()
        before = await store.now()
        await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure(2, message="last")))
        assert await store.call("GET", keys.DEAD_LETTER + "a") == body
        assert [failure.message for failure in await store.failures()] == ["first", "last"]
        assert before <= int(await store.call("ZSCORE", store.queue.dead, "a")) <= await store.now()

    async def test_a_dead_letter_neither_waits_nor_runs_and_never_expires(self, store: Store) -> None:
        await store.bury()
        assert (await store.score(), await store.lease_end()) == (None, None)
        assert await store.call("EXISTS", keys.JOB + "a", keys.FENCE + "a") == 0
        kept = [keys.DEAD_LETTER + "a", keys.FAILURES + "a", keys.STARTS + "a"]
        assert [await store.call("PTTL", key) for key in kept] == [-1, -1, -1]

    async def test_a_job_whose_envelope_is_gone_can_be_buried(self, store: Store) -> None:
        job = await store.run()
        await store.call("DEL", keys.JOB + "a")
        assert await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure())) == [True]
        assert await store.state() == "dead"
        assert len(await store.failures()) == 1

    # --- fences

    @pytest.mark.parametrize("verb", list(Verb))
    @pytest.mark.parametrize("fence", ["w2:1", "w1:2", "w1", "", "1"])
    async def test_an_end_with_another_fence_is_refused_and_changes_nothing(
        self, store: Store, verb: Verb, fence: str
    ) -> None:
        await store.run()
        before = await store.dump(without=TRACES)
        assert await store.settle(End("a", fence, verb, b"told", 1000, 0, a_failure())) == [False]
        assert await store.dump(without=TRACES) == before

    @pytest.mark.parametrize("verb", list(Verb))
    async def test_a_zombie_is_refused_once_another_worker_has_the_job(
        self, store: Store, verb: Verb
    ) -> None:
        presumed_dead = await store.run(worker="w1")
        await store.expire_leases("a")
        [successor] = await store.claim(worker="w2")
        before = await store.dump(without=TRACES)
        assert await store.settle(an_end(presumed_dead, verb, failure=a_failure())) == [False]
        assert await store.dump(without=TRACES) == before
        assert await store.settle(an_end(successor, worker="w2"), worker="w2") == [True]

    async def test_a_zombie_is_refused_by_its_own_second_attempt_too(self, store: Store) -> None:
        first = await store.run()
        await store.expire_leases("a")
        [second] = await store.claim()
        assert await store.settle(an_end(first)) == [False]
        assert await store.settle(an_end(second)) == [True]

    async def test_an_outcome_is_welcome_after_the_lease_if_nobody_has_claimed_the_job(
        self, store: Store
    ) -> None:
        job = await store.run()
        await store.expire_leases("a")
        assert await store.settle(an_end(job, result=b"late")) == [True]
        assert (await store.inspect()).record == b"late"
        assert await store.claim(5, worker="w2") == []

    async def test_an_end_is_accepted_once(self, store: Store) -> None:
        job = await store.run()
        assert await store.settle(an_end(job)) == [True]
        assert await store.settle(an_end(job, Verb.DEAD, failure=a_failure())) == [False]
        assert await store.state() == "ended"

    async def test_two_ends_of_one_attempt_in_one_call_are_one(self, store: Store) -> None:
        job = await store.run()
        both = [an_end(job, result=b"first"), an_end(job, Verb.RETRYING, failure=a_failure())]
        assert await store.settle(*both) == [True, False]
        assert (await store.inspect()).record == b"first"
        assert await store.failures() == []

    async def test_one_refused_end_does_not_touch_the_others(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"), a_job("c"))
        a, b, c = await store.claim(3)
        codes = await store.settle(an_end(a), an_end(b, worker="w2"), an_end(c, Verb.RELEASED))
        assert codes == [True, False, True]
        assert [await store.state(job_id) for job_id in "abc"] == ["ended", "running", "ready"]

    async def test_an_end_of_a_job_that_never_was_is_refused(self, store: Store) -> None:
        assert await store.settle(End("a", "w1:1", Verb.DEAD, failure=a_failure())) == [False]
        assert await store.dump(without=TRACES) == {}

    # --- repeats

    async def test_a_repeated_settle_gives_the_same_answer_and_changes_nothing(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        a, b = await store.claim(2)
        ends = [an_end(a, Verb.RETRYING, failure=a_failure()), an_end(b, worker="w9")]
        assert await store.settle(*ends, nonce="n") == [True, False]
        before = await store.dump()
        assert await store.settle(*ends, nonce="n") == [True, False]
        assert await store.dump() == before

    async def test_a_settle_for_another_queue_does_not_spoil_a_repeat(self, store: Store) -> None:
        """A worker settles its queues side by side: both replies can be lost with one connection."""
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        first, second = await store.run("a"), await other.run("b")
        assert await store.settle(an_end(first), nonce="n") == [True]
        assert await other.settle(an_end(second), nonce="m") == [True]
        assert await store.settle(an_end(first), nonce="n") == [True]
        assert await other.settle(an_end(second), nonce="m") == [True]

    # --- what goes with it

    @pytest.mark.parametrize("verb", [*FINAL, Verb.DEAD])
    async def test_those_who_wait_for_the_end_are_told_exactly_once(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        async with store.listen("here") as here, store.listen("there") as there:
            for channel in ("here", "there", "here"):
                await store.inspect("a", channel)
            end = an_end(job, verb, failure=a_failure())
            await store.settle(end, nonce="n")
            await store.settle(end, nonce="n")
            assert (await here.heard(), await there.heard()) == (["a"], ["a"])
        assert await store.call("EXISTS", store.queue.waiters) == 0

    @pytest.mark.parametrize("verb", [Verb.RETRYING, Verb.RELEASED])
    async def test_a_job_that_will_run_again_has_not_ended(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        async with store.listen("here") as here:
            await store.inspect("a", "here")
            await store.settle(an_end(job, verb))
            assert await here.heard() == []
        assert await store.call("HEXISTS", store.queue.waiters, "a") == 1

    async def test_only_the_end_of_the_own_job_is_told(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        [a] = await store.claim()
        async with store.listen("here") as here:
            await store.inspect("b", "here")
            await store.settle(an_end(a))
            assert await here.heard() == []

    async def test_a_retry_that_is_due_wakes_a_worker(self, store: Store) -> None:
        job = await store.run()
        await store.take_token()
        await store.settle(an_end(job, Verb.RETRYING))
        assert await store.tokens() == 1

    async def test_a_retry_that_is_now_the_first_wakes_a_worker(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("later", due=HOUR * 2))
        [job] = await store.claim()
        await store.take_token()
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR))
        assert await store.tokens() == 1

    async def test_a_retry_behind_others_wakes_nobody(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("sooner", due=HOUR))
        [job] = await store.claim()
        await store.take_token()
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR * 2))
        assert await store.tokens() == 0

    @pytest.mark.parametrize("verb", [*FINAL, Verb.DEAD])
    async def test_an_end_wakes_nobody(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.take_token()
        await store.settle(an_end(job, verb, failure=a_failure()))
        assert await store.tokens() == 0

    @pytest.mark.parametrize("verb", [*FINAL, Verb.DEAD])
    async def test_a_request_to_cancel_ends_with_its_job(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.cancel()
        await store.settle(an_end(job, verb, failure=a_failure()))
        assert await store.call("EXISTS", store.queue.abort) == 0

    async def test_a_request_to_cancel_outlives_a_retry(self, store: Store) -> None:
        job = await store.run()
        await store.cancel()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        [job] = await store.claim()
        assert job.abort_asked

    @pytest.mark.parametrize("verb", [Verb.RETRYING, Verb.RELEASED])
    async def test_a_job_whose_cancellation_is_asked_for_waits_for_no_delay(
        self, store: Store, verb: Verb
    ) -> None:
        """Who claims it next ends it; an hour's backoff before that would be no cancellation."""
        await store.enqueue(a_job("a"), a_job("b"))
        a, b = await store.claim(2)
        await store.cancel("a")
        await store.settle(*(an_end(job, verb, delay=HOUR, failure=a_failure()) for job in (a, b)))
        assert [await store.state(job_id) == "ready" for job_id in "ab"] == [True, False]

    @pytest.mark.parametrize("verb", [*FINAL, Verb.DEAD])
    async def test_an_end_that_comes_before_the_cancellation_asked_for_is_told_from_others(
        self, store: Store, verb: Verb
    ) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        a, b = await store.claim(2)
        await store.cancel("a")
        ends = [an_end(job, verb, failure=a_failure()) for job in (a, b)]
        first = Settlement.RECORDED if verb is Verb.CANCELLED else Settlement.CANCEL_TOO_LATE
        assert await store.settle(*ends, nonce="n") == [first, Settlement.RECORDED]
        assert await store.settle(*ends, nonce="n") == [first, Settlement.RECORDED]

    @pytest.mark.parametrize("verb", FINAL)
    async def test_the_failure_of_an_attempt_that_ended_its_job_is_counted_and_not_kept(
        self, store: Store, verb: Verb
    ) -> None:
        job = await store.run()
        await store.settle(an_end(job, verb, failure=a_failure(cause=Cause.TIMEOUT)))
        assert await store.failures() == []
        assert (await store.stats())["failed:timeout"] == 1

    async def test_failed_attempts_are_counted_by_their_cause(self, store: Store) -> None:
        causes = [cause for cause in Cause if cause is not Cause.REPLAY]
        await store.enqueue(*(a_job(cause) for cause in causes), a_job("good"))
        jobs = {job.job_id: job for job in await store.claim(9)}
        await store.settle(
            an_end(jobs["good"]),
            *(an_end(jobs[cause], Verb.RETRYING, failure=a_failure(cause=cause)) for cause in causes),
        )
        stats = await store.stats()
        failed = {name: count for name, count in stats.items() if name.startswith("failed:")}
        assert failed == {f"failed:{cause}": 1 for cause in causes}

    async def test_every_end_is_counted_by_how_it_ended(self, store: Store) -> None:
        names = [str(verb) for verb in Verb]
        await store.enqueue(*map(a_job, [*names, "zombie"]))
        jobs = {job.job_id: job for job in await store.claim(9)}
        await store.settle(
            *(an_end(jobs[name], Verb(name)) for name in names), an_end(jobs["zombie"], worker="x")
        )
        stats = await store.stats()
        assert {name: stats[name] for name in (*names, "refused")} == dict.fromkeys((*names, "refused"), 1)
