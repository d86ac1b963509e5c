"""What keys that hold something else than they should may do: nothing to other jobs."""

import pytest

from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Accepted, Cancellation, Settlement, Verb

from .store import Store, a_failure, a_job, an_end

#: The keys of one job, by what a fault calls them.
PARTS = {"job": keys.JOB, "fence": keys.FENCE, "starts": keys.STARTS, "failures": keys.FAILURES}
FAULTS = {
    "job": "its envelope",
    "fence": "its fence",
    "starts": "its counter of starts",
    "failures": "its list of failures",
}


async def spoil(store: Store, prefix: str, job_id: str = "bad") -> None:
    """Let a hash lie where it should not."""
    await store.call("DEL", prefix + job_id)
    await store.call("HSET", prefix + job_id, "field", "garbage")


async def with_a_past(store: Store, job_id: str = "bad") -> None:
    """A job that has failed once, and is due again."""
    job = await store.run(job_id)
    await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))


async def is_kept(store: Store, part: str) -> bool:
    """Whether what lay there is still there, in one way or another."""
    if part == "job":
        return await store.call("HGET", keys.DEAD_LETTER + "bad", "field") == b"garbage"
    return b"garbage" in (await store.call("HGET", keys.CORRUPT + "bad", part) or b"")


class CorruptRules:
    """Whatever lies at the keys of one job, the others go their way."""

    @pytest.mark.parametrize("part", ["job", "fence", "failures"])
    async def test_a_job_that_cannot_be_used_is_claimed_with_its_fault_and_stops_no_other(
        self, store: Store, part: str
    ) -> None:
        await with_a_past(store)
        await spoil(store, PARTS[part])
        await store.enqueue(a_job("good"))
        jobs = {job.job_id: job for job in await store.claim(5)}
        assert {job_id: job.fault for job_id, job in jobs.items()} == {"bad": FAULTS[part], "good": None}
        end = an_end(jobs["bad"], Verb.DEAD, failure=a_failure(message="quarantined"))
        assert await store.settle(an_end(jobs["good"]), end) == [True, True]
        assert (await store.failures("bad"))[-1].message == "quarantined"
        assert await is_kept(store, part)

    @pytest.mark.parametrize("garbage", ["many", "", "1e9", "-1", "9" * 40])
    async def test_a_counter_of_starts_that_is_no_number_is_a_fault(self, store: Store, garbage: str) -> None:
        await store.enqueue(a_job("bad"), a_job("good"))
        await store.call("SET", keys.STARTS + "bad", garbage)
        jobs = {job.job_id: job for job in await store.claim(5)}
        assert (jobs["bad"].fault, jobs["good"].fault) == (FAULTS["starts"], None)
        assert await store.call("HGET", keys.CORRUPT + "bad", "starts") == garbage.encode()

    @pytest.mark.parametrize("garbage", ["", "{", '{"spent":x', "[]"])
    async def test_a_last_failure_that_tells_no_budget_is_a_fault(self, store: Store, garbage: str) -> None:
        await with_a_past(store)
        await store.call("RPUSH", keys.FAILURES + "bad", garbage)
        [job] = await store.claim()
        assert job.fault == FAULTS["failures"]
        assert await store.call("LINDEX", keys.FAILURES + "bad", -1) == garbage.encode()

    async def test_a_fence_that_nobody_has_written_is_a_fault(self, store: Store) -> None:
        """One without an owner that never ends: waiting for it would take for ever."""
        await store.enqueue(a_job("bad"), a_job("good"))
        await store.call("SET", keys.FENCE + "bad", "garbage")
        jobs = {job.job_id: job for job in await store.claim(5)}
        assert (jobs["bad"].fault, jobs["good"].fault) == (FAULTS["fence"], None)

    @pytest.mark.parametrize("part", PARTS)
    async def test_a_job_without_one_of_its_keys_stops_no_other(self, store: Store, part: str) -> None:
        await with_a_past(store)
        await store.call("DEL", PARTS[part] + "bad")
        await store.enqueue(a_job("good"))
        jobs = {job.job_id: job for job in await store.claim(5)}
        assert jobs.keys() == {"bad", "good"}
        assert (jobs["bad"].body is None) == (part == "job")
        assert await store.settle(*map(an_end, jobs.values())) == [True, True]

    @pytest.mark.parametrize("part", PARTS)
    async def test_an_orphan_that_cannot_be_used_stops_no_other(self, store: Store, part: str) -> None:
        await with_a_past(store)
        await store.enqueue(a_job("good"))
        await store.claim(5)
        await store.expire_leases("bad", "good")
        await spoil(store, PARTS[part])
        jobs = {job.job_id: job for job in await store.claim(5, worker="w2")}
        assert {job_id: job.fault for job_id, job in jobs.items()} == {"bad": FAULTS[part], "good": None}

    @pytest.mark.parametrize("part", PARTS)
    async def test_a_fault_outlives_the_worker_that_was_told_of_it(self, store: Store, part: str) -> None:
        await with_a_past(store)
        await spoil(store, PARTS[part])
        if part == "starts":
            await store.call("DEL", keys.STARTS + "bad")
            await store.call("SET", keys.STARTS + "bad", "garbage")
        await store.claim()
        await store.expire_leases("bad")
        [job] = await store.claim(worker="w2")
        assert job.fault == FAULTS[part]

    async def test_a_list_of_notes_that_cannot_be_used_hinders_no_cancellation(self, store: Store) -> None:
        await store.call("SET", store.queue.cancels, "garbage")
        first = await store.run("a")
        assert await store.cancel("a", note=b"ann") is Cancellation.REQUESTED
        assert await store.settle(an_end(first, Verb.RELEASED)) == [True]
        [again] = await store.claim()
        assert (again.abort_asked, again.cancel_note) == (True, None)
        assert await store.settle(an_end(again, Verb.CANCELLED)) == [True]
        await store.enqueue(a_job("b"))
        assert await store.cancel("b") is Cancellation.CANCELLED

    @pytest.mark.parametrize("part", ["job", "starts", "failures"])
    async def test_a_repeated_claim_tells_the_fault_again(self, store: Store, part: str) -> None:
        await with_a_past(store)
        await spoil(store, PARTS[part])
        if part == "starts":
            await store.call("DEL", keys.STARTS + "bad")
            await store.call("SET", keys.STARTS + "bad", "garbage")
        [job] = await store.claim(nonce="n")
        [again] = await store.claim(nonce="n")
        assert (again.fault, again.starts) == (FAULTS[part], job.starts)

    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize("verb", list(Verb))
    async def test_keys_that_are_spoiled_while_it_runs_stop_no_end_of_another(
        self, store: Store, part: str, verb: Verb
    ) -> None:
        await store.enqueue(a_job("bad"), a_job("good"))
        jobs = {job.job_id: job for job in await store.claim(5)}
        await spoil(store, PARTS[part])
        ends = [an_end(jobs[name], verb, failure=a_failure()) for name in ("bad", "good")]
        assert await store.settle(*ends) == [part != "fence", True]

    @pytest.mark.parametrize("part", ["starts", "failures"])
    async def test_a_budget_that_was_spoiled_while_it_ran_is_a_fault_of_the_next_attempt(
        self, store: Store, part: str
    ) -> None:
        job = await store.run("bad")
        await spoil(store, PARTS[part])
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        [job] = await store.claim()
        assert job.fault == FAULTS[part]
        await store.settle(an_end(job, Verb.DEAD, failure=a_failure()))
        assert await is_kept(store, part)

    @pytest.mark.parametrize("result_ms", [5_000, -1])
    async def test_a_result_is_written_over_whatever_lies_there(self, store: Store, result_ms: int) -> None:
        job = await store.run("bad")
        await spoil(store, keys.RESULT)
        assert await store.settle(an_end(job, result=b"told", result_ms=result_ms)) == [True]
        assert (await store.inspect("bad")).record == b"told"

    @pytest.mark.parametrize("part", PARTS)
    async def test_a_waiting_job_that_cannot_be_used_can_be_cancelled(self, store: Store, part: str) -> None:
        await store.enqueue(a_job("bad"))
        await spoil(store, PARTS[part])
        expected = Cancellation.REQUESTED if part == "fence" else Cancellation.CANCELLED
        assert await store.cancel("bad") is expected

    @pytest.mark.parametrize("part", [*PARTS, "result", "letter"])
    async def test_a_look_at_it_is_no_error(self, store: Store, part: str) -> None:
        await store.enqueue(a_job("bad"))
        more = {"result": keys.RESULT, "letter": keys.DEAD_LETTER}
        await spoil(store, (PARTS | more)[part])
        assert (await store.inspect("bad")).what in ("ready", "running", "ended", "dead")

    @pytest.mark.parametrize("prefix", [keys.RESULT, keys.DEAD_LETTER, keys.JOB])
    async def test_an_id_whose_record_cannot_be_read_is_taken(self, store: Store, prefix: str) -> None:
        await spoil(store, prefix)
        answers = await store.enqueue(a_job("bad", content="x"), a_job("good"))
        assert answers == [Accepted.CONFLICT, Accepted.CREATED]

    async def test_a_replay_begins_with_a_clean_list(self, store: Store) -> None:
        await store.bury("bad")
        await spoil(store, keys.FAILURES)
        assert await store.replay("bad") == [True]
        [job] = await store.claim()
        assert (job.fault, job.spent) == (None, 0)

    async def test_what_was_set_aside_goes_with_the_letter(self, store: Store) -> None:
        for number, leave in enumerate((store.discard, store.replay)):
            await store.enqueue(a_job("bad"))
            await store.call("SET", keys.STARTS + "bad", "garbage")
            [job] = await store.claim()
            end = an_end(job, Verb.DEAD, result=None, failure=a_failure())
            assert await store.settle(end) == [Settlement.RECORDED]
            assert await store.call("EXISTS", keys.CORRUPT + "bad") == 1, number
            await leave("bad")
            assert await store.call("EXISTS", keys.CORRUPT + "bad") == 0, number
