"""What is told to the history: by a settle, and by the cancellation of a job that waits."""

import json
from typing import Any

import pytest

from monarq.jobs.failure import Cause, decode_failure
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Claimed, End, Settlement, Verb

from .store import Store, a_failure, a_job, an_end

ENDS = [Verb.SUCCEEDED, Verb.DEAD, Verb.CANCELLED, Verb.EXPIRED]


async def tried_twice(store: Store, job_id: str = "a") -> Claimed:
    """A job on its third start."""
    await store.enqueue(a_job(job_id))
    for spent in (1, 2):
        [job] = await store.claim()
        failure = a_failure(spent, message=f"no {spent}")
        await store.settle(an_end(job, Verb.RETRYING, failure=failure))
    [job] = await store.claim()
    return job


def told_by(end: End) -> list[str]:
    return [decode_failure(record).message for record in end.past]


async def handed_over(store: Store) -> list[list[Any]]:
    return [json.loads(record) for record in await store.call("LRANGE", store.queue.ended, 0, -1)]


class PastRules:
    """What went wrong with a job goes with it, and is told once more when it ends."""

    @pytest.mark.parametrize("verb", ENDS)
    async def test_an_end_tells_what_went_wrong_at_earlier_starts_oldest_first(
        self, store: Store, verb: Verb
    ) -> None:
        end = an_end(await tried_twice(store), verb, failure=a_failure(3, message="last"))
        assert await store.settle(end, tells_past=True) == [Settlement.RECORDED]
        assert told_by(end) == ["no 1", "no 2"]

    @pytest.mark.parametrize("verb", ENDS)
    async def test_nothing_is_told_unless_it_is_asked_for(self, store: Store, verb: Verb) -> None:
        end = an_end(await tried_twice(store), verb, failure=a_failure(3))
        assert await store.settle(end) == [Settlement.RECORDED]
        assert end.past == ()

    async def test_each_end_of_a_batch_is_told_its_own_past(self, store: Store) -> None:
        a, b = await tried_twice(store, "a"), await tried_twice(store, "b")
        await store.enqueue(*map(a_job, "cde"))
        c, d, e = await store.claim(3)
        ends = [an_end(c), an_end(a), an_end(d, worker="x"), an_end(b, Verb.DEAD), an_end(e, Verb.RETRYING)]
        settled = await store.settle(*ends, tells_past=True)
        assert settled == [1, 1, 0, 1, 1]
        assert list(map(told_by, ends)) == [[], ["no 1", "no 2"], [], ["no 1", "no 2"], []]

    async def test_a_repeat_tells_the_same_again(self, store: Store) -> None:
        """The reply was lost, and the records themselves are gone by now."""
        a = await tried_twice(store, "a")
        await store.enqueue(a_job("b"))
        [b] = await store.claim()
        for _ in range(2):
            ends = [an_end(b), an_end(a)]
            assert await store.settle(*ends, nonce="n", tells_past=True) == [1, 1]
            assert list(map(told_by, ends)) == [[], ["no 1", "no 2"]]

    @pytest.mark.parametrize("verb", [Verb.RETRYING, Verb.RELEASED])
    async def test_a_job_that_has_not_ended_keeps_its_past(self, store: Store, verb: Verb) -> None:
        end = an_end(await tried_twice(store), verb)
        await store.settle(end, tells_past=True)
        assert end.past == ()
        assert len(await store.failures()) == 2

    async def test_who_is_refused_is_told_nothing(self, store: Store) -> None:
        end = an_end(await tried_twice(store), worker="w2")
        assert await store.settle(end, tells_past=True) == [Settlement.REFUSED]
        assert end.past == ()

    async def test_what_is_no_record_is_left_out_of_the_past(self, store: Store) -> None:
        job = await tried_twice(store)
        await store.call("RPUSH", keys.FAILURES + "a", "strange", b'{"one":\n"line"}', b"{\xff}")
        for _ in range(2):
            end = an_end(job)
            await store.settle(end, nonce="n", tells_past=True)
            assert [record[:2] for record in end.past] == [b'{"', b'{"', b"{\xff"]

    async def test_of_a_list_that_cannot_be_read_nothing_is_told(self, store: Store) -> None:
        job = await tried_twice(store)
        await store.call("SET", keys.FAILURES + "a", "strange")
        end = an_end(job)
        assert await store.settle(end, tells_past=True) == [Settlement.RECORDED]
        assert end.past == ()

    async def test_of_a_very_long_past_the_newest_is_told(self, store: Store) -> None:
        job = await tried_twice(store)
        more = [a_failure(2, message=f"more {number}").encode() for number in range(150)]
        await store.call("RPUSH", keys.FAILURES + "a", *more)
        end = an_end(job)
        await store.settle(end, tells_past=True)
        assert told_by(end) == [f"more {number}" for number in range(50, 150)]

    async def test_one_settle_tells_little_more_than_a_megabyte(self, store: Store) -> None:
        jobs = [await tried_twice(store, job_id) for job_id in "abc"]
        huge = a_failure(2, cause=Cause.INTERRUPTION, message="x" * 600_000).encode()
        for job in jobs:
            await store.call("RPUSH", keys.FAILURES + job.job_id, huge)
        ends = [an_end(job) for job in jobs]
        await store.settle(*ends, tells_past=True)
        assert [len(end.past) for end in ends] == [3, 3, 0]

    # --- cancelled while it waited

    async def test_a_job_cancelled_while_it_waits_is_handed_to_those_who_write_the_history(
        self, store: Store
    ) -> None:
        await store.call("SET", store.queue.history, "1")
        await store.enqueue(a_job())
        body = await store.call("GET", keys.JOB + "a")
        before = await store.now()
        await store.cancel(note=b"who")
        [[job_id, ended_ms, starts, note, envelope, past]] = await handed_over(store)
        assert (job_id, starts, note, envelope.encode(), list(past)) == ("a", "0", "who", body, [])
        assert before <= int(ended_ms) <= await store.now()

    async def test_it_is_handed_over_once(self, store: Store) -> None:
        await store.call("SET", store.queue.history, "1")
        await store.enqueue(a_job())
        await store.cancel()
        await store.cancel()
        assert len(await handed_over(store)) == 1

    async def test_it_takes_along_what_went_wrong_before(self, store: Store) -> None:
        await store.call("SET", store.queue.history, "1")
        job = await tried_twice(store)
        await store.settle(an_end(job, Verb.RELEASED))
        await store.cancel()
        [[_, _, starts, _, _, past]] = await handed_over(store)
        assert starts == "3"
        assert [decode_failure(record.encode()).message for record in past] == ["no 1", "no 2"]

    async def test_nobody_who_writes_the_history_leaves_nothing_to_write(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.cancel()
        assert await store.call("EXISTS", store.queue.ended) == 0

    async def test_a_job_that_runs_is_not_handed_over(self, store: Store) -> None:
        """Its worker writes its end."""
        await store.call("SET", store.queue.history, "1")
        await store.run()
        await store.cancel()
        assert await store.call("EXISTS", store.queue.ended) == 0

    async def test_of_too_many_that_were_handed_over_the_oldest_are_dropped_and_counted(
        self, store: Store
    ) -> None:
        await store.call("SET", store.queue.history, "1")
        await store.call("RPUSH", store.queue.ended, *["[]"] * 10_000)
        await store.enqueue(*map(a_job, "ab"))
        await store.cancel("a")
        await store.cancel("b")
        assert [record[:1] for record in (await handed_over(store))[-3:]] == [[], ["a"], ["b"]]
        assert await store.call("LLEN", store.queue.ended) == 10_000
        assert (await store.stats())["history_dropped"] == 2

    async def test_a_strange_key_in_the_way_of_the_history_hinders_no_cancellation(
        self, store: Store
    ) -> None:
        await store.call("SET", store.queue.history, "1")
        await store.call("SET", store.queue.ended, "strange")
        await store.enqueue(a_job())
        assert await store.cancel() == "cancelled"
