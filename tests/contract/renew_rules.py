"""What a renewal promises."""

from datetime import timedelta

from monarq.jobs.priority import PRIORITIES
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import FENCE_GRACE_MS, Lease, Renewal

from .store import Store, a_job, a_lease, an_end

LOST, RENEWED, ABORT_ASKED = Renewal.LOST, Renewal.RENEWED, Renewal.ABORT_ASKED
MINUTE = timedelta(minutes=1)


class RenewRules:
    """running -> running"""

    async def test_a_renewed_lease_counts_from_the_servers_now(self, store: Store) -> None:
        job = await store.run()
        before = await store.now()
        assert await store.renew(a_lease(job, length=MINUTE)) == [RENEWED]
        assert before <= (await store.lease_end() or 0) - 60_000 <= await store.now()
        assert await store.score() == await store.lease_end()

    async def test_the_fence_goes_on_outliving_the_lease(self, store: Store) -> None:
        job = await store.run()
        await store.renew(a_lease(job, length=MINUTE * 60))
        assert 3_600_000 < await store.call("PTTL", keys.FENCE + "a") <= 3_600_000 + FENCE_GRACE_MS

    async def test_each_lease_has_its_own_length_in_whatever_priority(self, store: Store) -> None:
        await store.enqueue(*(a_job(priority, priority=priority) for priority in PRIORITIES))
        jobs = await store.claim(4)
        assert (
            await store.renew(*(a_lease(job, length=MINUTE * n) for n, job in enumerate(jobs, 1)))
            == [RENEWED] * 4
        )
        now = await store.now()
        ends = [round(((await store.lease_end(job.job_id) or 0) - now) / 60_000) for job in jobs]
        assert ends == [1, 2, 3, 4]
        assert [await store.priority(job.job_id) for job in jobs] == list(PRIORITIES)

    async def test_only_the_lease_of_the_own_fence_is_renewed(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        a, b = await store.claim(2)
        before = await store.dump()
        others = [a_lease(a, worker="w2"), Lease("b", "w1:9", MINUTE), Lease("b", "", MINUTE)]
        assert await store.renew(*others) == [LOST] * 3
        assert await store.dump() == before
        assert await store.renew(a_lease(a, worker="w2"), a_lease(b)) == [LOST, RENEWED]

    async def test_a_job_that_has_changed_hands_is_lost(self, store: Store) -> None:
        first = await store.run()
        await store.expire_leases("a")
        [second] = await store.claim(worker="w2")
        assert await store.renew(a_lease(first)) == [LOST]
        assert await store.renew(a_lease(second, worker="w2")) == [RENEWED]

    async def test_a_lease_that_ran_out_can_be_renewed_while_nobody_has_claimed_the_job(
        self, store: Store
    ) -> None:
        job = await store.run()
        await store.expire_leases("a")
        assert await store.renew(a_lease(job)) == [RENEWED]
        assert await store.claim(worker="w2") == []

    async def test_a_job_that_has_ended_is_not_brought_back(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job))
        before = await store.dump()
        assert await store.renew(a_lease(job)) == [LOST]
        assert await store.dump() == before

    async def test_a_renewal_brings_the_request_to_cancel(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        a, b = await store.claim(2)
        await store.cancel("b")
        assert await store.renew(a_lease(a), a_lease(b)) == [RENEWED, ABORT_ASKED]
        assert await store.renew(a_lease(a), a_lease(b)) == [RENEWED, ABORT_ASKED]

    async def test_a_renewal_wakes_nobody(self, store: Store) -> None:
        job = await store.run()
        await store.take_token()
        await store.renew(a_lease(job))
        assert await store.tokens() == 0
