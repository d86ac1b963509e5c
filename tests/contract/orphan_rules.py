"""What a claim promises of jobs whose worker has died."""

from monarq.jobs.failure import Cause
from monarq.jobs.priority import Priority
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Verb

from .claim_rules import LEASE_MS, ids
from .store import AGEING, Store, a_failure, a_job, an_end


class OrphanRules:
    """running -> ready -> running"""

    async def test_an_orphan_is_claimed_before_the_backlog(self, store: Store) -> None:
        await store.enqueue(a_job("orphan", priority=Priority.LOW))
        await store.claim(worker="w1")
        await store.enqueue(a_job("first", priority=Priority.CRITICAL))
        await store.age("first", AGEING * 10)
        await store.expire_leases("orphan")
        assert ids(await store.claim(2, worker="w2")) == ["orphan", "first"]

    async def test_an_orphan_changes_hands_with_a_new_fence(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        [job] = await store.claim(worker="w2")
        assert job.starts == 2
        assert await store.call("GET", keys.FENCE + "a") == b"w2:2"
        assert await store.lease_end() == await store.score() == job.claimed_at_ms + LEASE_MS

    async def test_a_lost_worker_is_recorded_and_neither_an_attempt_nor_a_crash_of_the_job(
        self, store: Store
    ) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(2, crashes=1)))
        await store.claim(worker="w1")
        await store.expire_leases("a")
        [job] = await store.claim(worker="w2")
        assert (job.spent, job.crashes, job.lapses) == (2, 1, 1)
        lapse = (await store.failures())[-1]
        assert (lapse.cause, lapse.worker, lapse.fence) == (Cause.CRASH, "w1", 2)
        assert (lapse.spent, lapse.crashes, lapse.lapses) == (2, 1, 1)

    async def test_lapses_add_up(self, store: Store) -> None:
        await store.run()
        lapses = []
        for _ in range(3):
            await store.expire_leases("a")
            [job] = await store.claim(worker="w2")
            lapses.append(job.lapses)
        assert lapses == [1, 2, 3]
        assert (await store.stats())["failed:crash"] == 3

    async def test_an_orphan_whose_fence_has_run_out_too_is_claimed(self, store: Store) -> None:
        await store.run()
        await store.call("DEL", keys.FENCE + "a")
        await store.expire_leases("a")
        assert [(job.job_id, job.starts) for job in await store.claim(worker="w2")] == [("a", 2)]

    async def test_more_orphans_than_slots_are_claimed_by_and_by(self, store: Store) -> None:
        names = [f"o{n}" for n in range(5)]
        await store.enqueue(*map(a_job, names))
        await store.claim(5)
        await store.expire_leases(*names)
        found = []
        for _ in range(3):
            found += await store.claim(2, worker="w2")
        assert sorted(ids(found)) == names
        assert [job.lapses for job in found] == [1] * 5

    async def test_traces_of_jobs_that_are_gone_hide_no_orphan(self, store: Store) -> None:
        """Did they use up the look at the leases, the orphan would pass for a job that is ready."""
        await store.run("orphan")
        await store.expire_leases("orphan")
        for n in range(3):
            await store.call("ZADD", store.queue.running, n, f"gone{n}")
        [job] = await store.claim(1, worker="w2")
        assert (job.job_id, job.lapses) == ("orphan", 1)
        assert await store.call("ZCARD", store.queue.running) == 1
