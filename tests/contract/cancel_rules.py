"""What a cancellation promises."""

from datetime import timedelta

import pytest

from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Cancellation, Verb

from .store import CANCELLED_RECORD, Store, a_failure, a_job, an_end

CANCELLED, REQUESTED = Cancellation.CANCELLED, Cancellation.REQUESTED
ENDED, UNKNOWN = Cancellation.ENDED, Cancellation.UNKNOWN
HOUR = timedelta(hours=1)
TRACES = ["monarq:stats:", "monarq:reply:", "monarq:wake:"]


class CancelRules:
    """scheduled | ready | retrying -> cancelled; a running job is asked to stop"""

    @pytest.mark.parametrize("due", [timedelta(0), HOUR], ids=["ready", "scheduled"])
    async def test_of_a_waiting_job_that_is_cancelled_only_the_record_is_left(
        self, store: Store, due: timedelta
    ) -> None:
        await store.enqueue(a_job(due=due))
        assert await store.cancel() is CANCELLED
        assert await store.dump(without=TRACES) == {keys.RESULT + "a": CANCELLED_RECORD}
        assert (await store.inspect()).record == CANCELLED_RECORD
        assert await store.claim(5) == []

    @pytest.mark.parametrize("delay", [timedelta(0), HOUR], ids=["due", "retrying"])
    async def test_a_job_that_waits_for_its_next_attempt_is_cancelled_with_all_its_failures(
        self, store: Store, delay: timedelta
    ) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, delay=delay, failure=a_failure()))
        assert await store.cancel() is CANCELLED
        assert await store.dump(without=TRACES) == {keys.RESULT + "a": CANCELLED_RECORD}

    async def test_the_record_is_kept_for_its_time(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"), a_job("c"))
        for job_id, result_ms in (("a", 5_000), ("b", -1), ("c", 0)):
            await store.cancel(job_id, result_ms=result_ms)
        lives = [await store.call("PTTL", keys.RESULT + job_id) for job_id in "abc"]
        assert 0 < lives[0] <= 5_000
        assert lives[1:] == [-1, -2]

    async def test_a_running_job_is_asked_to_stop_and_runs_on(self, store: Store) -> None:
        job = await store.run()
        before = await store.dump()
        asked = await store.now()
        assert await store.cancel() is REQUESTED
        assert await store.dump(without=[store.queue.abort, store.queue.cancels]) == before
        assert asked <= int(await store.call("ZSCORE", store.queue.abort, "a")) <= await store.now()
        assert await store.settle(an_end(job, Verb.CANCELLED)) == [True]

    async def test_a_job_whose_worker_is_gone_is_cancelled_by_the_next_one(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        assert await store.cancel() is REQUESTED
        [job] = await store.claim(worker="w2")
        assert job.abort_asked

    async def test_a_job_that_arq_runs_is_asked_to_stop_in_arqs_way(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        assert await store.cancel() is REQUESTED
        assert await store.call("ZSCORE", "arq:abort", "a") is not None

    async def test_a_request_goes_with_the_job_that_it_was_made_for(self, store: Store) -> None:
        """Released after the request and cancelled again before its next start: nothing of it is left."""
        job = await store.run()
        await store.cancel()
        await store.settle(an_end(job, Verb.RELEASED))
        assert await store.cancel() is CANCELLED
        assert await store.call("EXISTS", store.queue.abort) == 0

    @pytest.mark.parametrize("verb", [Verb.SUCCEEDED, Verb.CANCELLED, Verb.EXPIRED, Verb.DEAD])
    async def test_it_is_too_late_for_a_job_that_has_ended(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.settle(an_end(job, verb, failure=a_failure()))
        before = await store.dump()
        assert await store.cancel() is ENDED
        assert await store.dump() == before

    async def test_it_is_too_late_for_a_dead_letter_without_a_result(self, store: Store) -> None:
        await store.bury(result=None)
        assert await store.cancel() is ENDED
        assert await store.state() == "dead"

    async def test_a_job_that_never_was_is_unknown_and_stays_so(self, store: Store) -> None:
        assert await store.cancel() is UNKNOWN
        assert await store.keys() == set()

    async def test_cancelling_twice_cancels_once(self, store: Store) -> None:
        await store.enqueue(a_job())
        assert [await store.cancel(), await store.cancel()] == [CANCELLED, CANCELLED]
        assert (await store.stats())["cancelled"] == 1

    async def test_those_who_wait_for_a_cancelled_job_are_told_exactly_once(self, store: Store) -> None:
        await store.enqueue(a_job())
        async with store.listen("here") as here:
            await store.inspect("a", "here")
            await store.cancel()
            await store.cancel()
            assert await here.heard() == ["a"]

    async def test_a_job_that_its_worker_has_cancelled_is_cancelled(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.CANCELLED, result=CANCELLED_RECORD))
        assert await store.cancel() is CANCELLED

    async def test_who_asked_first_is_told_to_the_worker_that_claims_the_job(self, store: Store) -> None:
        await store.run()
        await store.cancel(note=b'{"by": "ann"}')
        await store.cancel(note=b'{"by": "bob"}')
        await store.expire_leases("a")
        [job] = await store.claim(worker="w2")
        assert (job.abort_asked, job.cancel_note) == (True, '{"by": "ann"}')

    @pytest.mark.parametrize("verb", list(Verb))
    async def test_who_asked_is_remembered_until_the_job_has_ended(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.cancel(note=b"ann")
        await store.settle(an_end(job, verb, failure=a_failure()))
        has_ended = verb not in (Verb.RETRYING, Verb.RELEASED)
        assert await store.call("HEXISTS", store.queue.cancels, "a") == (not has_ended)
        if not has_ended:
            assert await store.cancel() is CANCELLED
            assert await store.call("EXISTS", store.queue.cancels) == 0

    async def test_a_request_is_no_end(self, store: Store) -> None:
        await store.run()
        async with store.listen("here") as here:
            await store.inspect("a", "here")
            await store.cancel()
            assert await here.heard() == []
