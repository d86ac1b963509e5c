"""What is promised of durable jobs: a worker ends them, and Redis keeps what PostgreSQL was not told."""

from datetime import timedelta

import pytest

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Cancellation, Settlement, Verb
from monarq.jobs.unique import Unique

from .store import WORKER, Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)
FINAL = [Verb.SUCCEEDED, Verb.DEAD, Verb.CANCELLED, Verb.EXPIRED]
REQUESTED = Cancellation.REQUESTED
UNIQUE = Unique(until="end")


class DurableRules:
    """scheduled | ready | retrying -> ready -> running -> cancelled; running -> an end that is kept"""

    # --- ends that are kept

    @pytest.mark.parametrize("verb", FINAL)
    async def test_an_end_is_kept_with_all_that_postgresql_is_to_know(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        before = await store.now()
        failure = a_failure()
        end = an_end(job, verb, result=b'{"r":"\xc3\xa9"}', failure=failure, kept=True)
        assert await store.settle(end) == [True]
        [kept] = await store.kept_ends()
        assert before <= int(kept.pop("ms")) <= await store.now()
        assert kept == {
            "id": "a",
            "fence": f"{WORKER}:1",
            "verb": verb,
            "result": '{"r":"é"}',
            "failure": failure.encode().decode(),
        }

    @pytest.mark.parametrize("verb", FINAL)
    async def test_a_job_whose_end_is_kept_has_ended_like_any_other(self, store: Store, verb: Verb) -> None:
        job = await store.run()
        await store.settle(an_end(job, verb, result=b"told", failure=a_failure(), kept=True))
        kept = await store.keys()
        await store.call("FLUSHALL")
        job = await store.run()
        await store.settle(an_end(job, verb, result=b"told", failure=a_failure()))
        assert kept == {*await store.keys(), store.queue.ends}
        assert await store.call("GET", keys.RESULT + "a") == b"told"
        assert (await store.stats())[verb] == 1

    async def test_an_end_is_kept_only_if_that_is_asked_for(self, store: Store) -> None:
        for job_id, kept in (("a", False), ("b", True), ("c", False)):
            job = await store.run(job_id)
            await store.settle(an_end(job, kept=kept))
        assert [end["id"] for end in await store.kept_ends()] == ["b"]

    async def test_ends_are_kept_in_their_order(self, store: Store) -> None:
        jobs = [await store.run(job_id) for job_id in "abc"]
        await store.settle(*(an_end(job, kept=True) for job in jobs))
        assert [end["id"] for end in await store.kept_ends()] == ["a", "b", "c"]

    async def test_a_refused_end_is_not_kept(self, store: Store) -> None:
        job = await store.run()
        assert await store.settle(an_end(job, worker="w2", kept=True), worker="w2") == [Settlement.REFUSED]
        assert await store.kept_ends() == []

    async def test_a_repeated_settle_keeps_its_ends_once(self, store: Store) -> None:
        job = await store.run()
        for _ in range(2):
            await store.settle(an_end(job, kept=True), nonce="same")
        assert len(await store.kept_ends()) == 1

    async def test_a_kept_end_frees_the_job_s_unique_key(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNIQUE, durable=True))
        [job] = await store.claim()
        await store.settle(an_end(job, key="k", kept=True))
        assert await store.holder() is None
        assert len(await store.kept_ends()) == 1

    # --- cancel

    @pytest.mark.parametrize("unique", [None, UNIQUE], ids=["plain", "unique"])
    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_a_durable_job_that_waits_is_marked_and_made_due(
        self, store: Store, priority: Priority, unique: Unique | None
    ) -> None:
        await store.enqueue(a_job(due=HOUR, durable=True, priority=priority, unique=unique))
        await store.take_token()
        assert await store.cancel(note=b'{"by": "ann"}') is REQUESTED
        assert await store.tokens() == 1
        [job] = await store.claim()
        assert (job.abort_asked, job.cancel_note) == (True, '{"by": "ann"}')
        assert await store.settle(an_end(job, Verb.CANCELLED)) == [True]
        assert await store.call("EXISTS", store.queue.abort, store.queue.cancels) == 0

    async def test_a_durable_job_that_is_due_keeps_its_place(self, store: Store) -> None:
        await store.enqueue(a_job(durable=True))
        await store.age("a", HOUR)
        before = await store.score()
        assert await store.cancel() is REQUESTED
        assert await store.score() == before

    async def test_a_durable_job_that_is_cancelled_has_not_ended(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR, durable=True))
        async with store.listen("here") as here:
            await store.inspect("a", "here")
            assert [await store.cancel(), await store.cancel()] == [REQUESTED, REQUESTED]
            assert await here.heard() == []
        assert await store.state() == "ready"
        assert await store.call("EXISTS", keys.RESULT + "a") == 0
        assert "cancelled" not in await store.stats()

    async def test_a_durable_job_that_was_put_aside_ends_when_its_pause_does(self, store: Store) -> None:
        await store.enqueue(a_job(durable=True))
        await store.pause("test.kind")
        assert await store.claim() == []
        assert await store.cancel() is REQUESTED
        assert await store.parked() == ["a"]
        await store.resume("test.kind")
        [job] = await store.claim()
        assert job.abort_asked

    async def test_arguments_that_look_like_the_mark_make_no_job_durable(self, store: Store) -> None:
        """Whatever bytes stand in them."""
        entry = a_job(content='"v":1,"d":1,')
        await store.enqueue(entry)
        assert await store.cancel() is Cancellation.CANCELLED
