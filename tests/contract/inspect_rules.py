"""What a look at a job tells."""

from datetime import timedelta

from monarq.jobs.failure import decode_failure
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Verb

from .store import Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)


class InspectRules:
    """Where does a job stand?"""

    async def test_a_job_that_never_was_is_unknown(self, store: Store) -> None:
        standing = await store.inspect("a", "here")
        assert (standing.what, standing.record, standing.envelope) == ("unknown", None, None)
        assert await store.keys() == set()

    async def test_a_look_changes_nothing(self, store: Store) -> None:
        await store.run("a")
        await store.bury("b")
        before = await store.dump()
        for job_id in "abc":
            await store.inspect(job_id)
        assert await store.dump() == before

    async def test_a_job_is_followed_through_its_life(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        seen = [await store.state()]
        await store.age("a", timedelta(0))
        seen.append(await store.state())
        [job] = await store.claim()
        seen.append(await store.state())
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
        seen.append(await store.state())
        await store.age("a", timedelta(0))
        seen.append(await store.state())
        [job] = await store.claim()
        seen.append(await store.state())
        await store.settle(an_end(job))
        seen.append(await store.state())
        assert seen == ["scheduled", "ready", "running", "retrying", "ready", "running", "ended"]

    async def test_a_job_whose_lease_ran_out_is_ready(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        assert await store.state() == "ready"

    async def test_a_job_that_arq_runs_is_running(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        assert await store.state() == "running"

    async def test_a_dead_job_tells_its_last_failure_and_its_envelope(self, store: Store) -> None:
        await store.enqueue(a_job())
        body = await store.call("GET", keys.JOB + "a")
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(1, message="first")))
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure(2, message="last")))
        standing = await store.inspect()
        assert (standing.what, standing.envelope) == ("dead", body)
        assert decode_failure(standing.record or b"").message == "last"

    async def test_a_dead_job_without_a_failure_is_still_told(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.DEAD, result=None))
        standing = await store.inspect()
        assert (standing.what, standing.record) == ("dead", None)
        assert standing.envelope

    async def test_who_waits_is_entered_once_per_channel(self, store: Store) -> None:
        await store.enqueue(a_job())
        for channel in ("one", "two", "one", "tw"):
            await store.inspect("a", channel)
        assert await store.call("HGET", store.queue.waiters, "a") == b"one two tw"

    async def test_nobody_waits_for_a_job_that_has_ended(self, store: Store) -> None:
        job = await store.run("a")
        await store.settle(an_end(job))
        await store.bury("b")
        await store.inspect("a", "here")
        await store.inspect("b", "here")
        assert await store.call("EXISTS", store.queue.waiters) == 0
