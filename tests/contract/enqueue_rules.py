"""What an enqueue promises."""

from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs.envelope import decode
from monarq.jobs.errors import StoreRefused
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Accepted, Verb
from monarq.jobs.unique import Unique

from .store import Store, a_failure, a_job, an_end

CREATED, EXISTS, CONFLICT = Accepted.CREATED, Accepted.EXISTS, Accepted.CONFLICT
HOUR = timedelta(hours=1)


class EnqueueRules:
    """nothing -> ready | scheduled"""

    async def test_a_new_job_is_ready_at_once(self, store: Store) -> None:
        before = await store.now()
        assert await store.enqueue(a_job()) == [CREATED]
        assert before <= (await store.score() or 0) <= await store.now()
        assert await store.state() == "ready"

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_each_priority_has_a_zset_of_its_own(self, store: Store, priority: Priority) -> None:
        await store.enqueue(a_job(priority=priority))
        assert await store.priority() is priority
        assert await store.call("ZCARD", store.queue.ranks[priority.rank]) == 1

    async def test_the_enqueue_time_is_the_servers(self, store: Store) -> None:
        before = await store.now()
        await store.enqueue(a_job())
        envelope = decode(await store.call("GET", keys.JOB + "a"))
        assert before <= envelope.enqueued_ms <= await store.now()

    async def test_the_envelope_is_written_as_it_was_given(self, store: Store) -> None:
        await store.enqueue(a_job(content="x", priority=Priority.HIGH))
        envelope = decode(await store.call("GET", keys.JOB + "a"))
        assert (envelope.kind, envelope.kwargs) == ("test.kind", {"content": "x"})
        assert envelope.priority is Priority.HIGH

    async def test_no_key_of_a_job_that_waits_has_a_time_to_live(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b", due=HOUR, priority=Priority.LOW))
        assert {key: await store.call("PTTL", key) for key in await store.keys()} == dict.fromkeys(
            await store.keys(), -1
        )

    # --- an id is enqueued once

    async def test_an_id_is_enqueued_once(self, store: Store) -> None:
        await store.enqueue(a_job())
        before = await store.dump()
        assert await store.enqueue(a_job()) == [EXISTS]
        assert await store.dump() == before

    async def test_an_id_is_enqueued_once_whatever_the_priority_and_the_time(self, store: Store) -> None:
        await store.enqueue(a_job(priority=Priority.LOW))
        before = await store.dump()
        assert await store.enqueue(a_job(priority=Priority.CRITICAL, due=HOUR)) == [EXISTS]
        assert await store.dump() == before

    async def test_the_same_content_under_a_chosen_id_is_the_same_job(self, store: Store) -> None:
        await store.enqueue(a_job(content="x"))
        assert await store.enqueue(a_job(content="x")) == [EXISTS]

    async def test_other_content_under_a_chosen_id_is_a_conflict_and_changes_nothing(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job(content="x"))
        before = await store.dump()
        assert await store.enqueue(a_job(content="y")) == [CONFLICT]
        assert await store.dump() == before

    async def test_an_id_twice_in_one_call_is_enqueued_once(self, store: Store) -> None:
        codes = await store.enqueue(a_job(content="x"), a_job(content="x"), a_job(content="y"), a_job("b"))
        assert codes == [CREATED, EXISTS, CONFLICT, CREATED]
        assert (await store.stats())["enqueued"] == 2
        assert decode(await store.call("GET", keys.JOB + "a")).kwargs == {"content": "x"}

    async def test_a_known_id_does_not_keep_the_others_of_the_call_out(self, store: Store) -> None:
        await store.enqueue(a_job("b", content="x"))
        jobs = [a_job("a"), a_job("b", content="y"), a_job("c", priority=Priority.HIGH)]
        assert await store.enqueue(*jobs) == [CREATED, CONFLICT, CREATED]
        assert {job.job_id for job in await store.claim(9)} == {"a", "b", "c"}

    # --- and its id stays taken until nothing is left of it

    @pytest.mark.parametrize(
        "verb", [None, Verb.RETRYING, Verb.DEAD, Verb.SUCCEEDED, Verb.CANCELLED, Verb.EXPIRED]
    )
    async def test_a_job_holds_its_id_while_anything_is_kept_of_it(
        self, store: Store, verb: Verb | None
    ) -> None:
        """Running (None) or settled in any way.  The record of its end bears the digest, as in life."""
        digest = a_job(content="x").digest
        await store.enqueue(a_job(content="x"))
        [job] = await store.claim()
        if verb is not None:
            record = b'{"m":{"v":1,"h":"%b","s":"%b"}}' % (digest.encode(), verb.encode())
            result = None if verb in (Verb.RETRYING, Verb.DEAD) else record
            await store.settle(an_end(job, verb, result=result, delay=HOUR, failure=a_failure()))
        before = await store.dump()
        for content, code in (("x", EXISTS), ("y", CONFLICT)):
            assert await store.enqueue(a_job(content=content)) == [code]
        assert await store.dump() == before

    async def test_an_id_is_free_again_when_nothing_is_kept_of_its_job(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, result=None))
        assert await store.enqueue(a_job()) == [CREATED]
        assert [job.starts for job in await store.claim()] == [1]

    # --- when

    async def test_a_delay_counts_from_the_servers_now(self, store: Store) -> None:
        before = await store.now()
        await store.enqueue(a_job(due=HOUR))
        assert before <= (await store.score() or 0) - 3_600_000 <= await store.now()
        assert await store.state() == "scheduled"

    async def test_a_point_in_time_is_kept_to_the_millisecond(self, store: Store) -> None:
        at_ms = await store.now() + 12_345_678
        await store.enqueue(a_job(due=datetime.fromtimestamp(at_ms / 1000, UTC)))
        assert await store.score() == at_ms

    async def test_a_point_in_the_past_is_now(self, store: Store) -> None:
        """Else a job could buy itself a place before all others by an old date."""
        before = await store.now()
        await store.enqueue(a_job(due=datetime(2001, 1, 1, tzinfo=UTC)))
        assert before <= (await store.score() or 0) <= await store.now()

    # --- who is woken

    async def test_a_job_that_is_due_wakes_one_worker(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.enqueue(a_job("c"))
        assert await store.tokens() == 1

    async def test_a_due_job_behind_a_backlog_wakes_a_worker_too(self, store: Store) -> None:
        await store.enqueue(a_job("a"))
        await store.take_token()
        await store.enqueue(a_job("b"))
        assert await store.tokens() == 1

    async def test_a_scheduled_job_wakes_a_worker_only_if_it_is_now_the_first(self, store: Store) -> None:
        told = []
        for job_id, hours in (("a", 2), ("b", 3), ("c", 1)):
            await store.enqueue(a_job(job_id, due=HOUR * hours, priority=PRIORITIES[hours]))
            told.append(await store.tokens())
            await store.take_token()
        assert told == [1, 0, 1]

    async def test_a_job_that_exists_wakes_nobody(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.take_token()
        await store.enqueue(a_job())
        assert await store.tokens() == 0

    async def test_only_new_jobs_are_counted(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.enqueue(a_job("b"), a_job("c"))
        assert await store.stats() == {"enqueued": 3}

    # --- something else lies where a queue should be

    @pytest.mark.parametrize("rank", [0, 3])
    async def test_an_enqueue_that_is_refused_has_written_nothing(self, store: Store, rank: int) -> None:
        await store.call("SET", store.queue.ranks[rank], "no zset")
        before = await store.dump()
        with pytest.raises(StoreRefused):
            await store.enqueue(*(a_job(priority.value, priority=priority) for priority in PRIORITIES))
        assert await store.dump() == before

    async def test_a_refused_enqueue_takes_no_unique_key(self, store: Store) -> None:
        await store.call("SET", store.queue.ranks[2], "no zset")
        before = await store.dump()
        with pytest.raises(StoreRefused):
            await store.enqueue(a_job("b", priority=Priority.LOW), a_job(unique=Unique()))
        assert await store.dump() == before
