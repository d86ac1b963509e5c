"""What a discard promises."""

from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Accepted, Verb

from .store import Store, a_failure, a_job, an_end

TRACES = ["monarq:stats:", "monarq:reply:", "monarq:wake:"]


class DiscardRules:
    """dead -> nothing"""

    async def test_nothing_is_left_of_a_discarded_job(self, store: Store) -> None:
        await store.bury()
        assert await store.discard("a") == [True]
        assert await store.dump(without=TRACES) == {}
        assert await store.state() == "unknown"

    async def test_its_id_is_free_again(self, store: Store) -> None:
        await store.bury()
        await store.discard("a")
        assert await store.enqueue(a_job()) == [Accepted.CREATED]

    async def test_only_dead_letters_are_discarded(self, store: Store) -> None:
        await store.bury("dead")
        await store.run("running")
        assert await store.discard("unknown", "dead", "running") == [False, True, False]
        assert await store.state("running") == "running"

    async def test_a_live_job_keeps_its_failures_and_its_fence_counter(self, store: Store) -> None:
        """A dead letter that somebody else has just replayed is no dead letter any more."""
        await store.bury("a", failure=a_failure(2))
        await store.replay("a")
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(1)))
        before = await store.dump()
        assert await store.discard("a") == [False]
        assert await store.dump() == before

    async def test_a_discard_leaves_the_dead_letters_of_other_queues_alone(self, store: Store) -> None:
        await store.bury()
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        before = await store.dump()
        assert await other.discard("a") == [False]
        assert await store.dump() == before

    async def test_discarding_twice_discards_once(self, store: Store) -> None:
        await store.bury()
        assert await store.discard("a", "a") == [True, False]
        assert await store.discard("a") == [False]
        assert (await store.stats())["discarded"] == 1

    async def test_a_letter_that_has_died_once_more_is_not_the_one_that_is_meant(self, store: Store) -> None:
        """Whoever has read the first one has not seen why the second one died."""
        await store.bury()
        died = await store.died_ms()
        assert died is not None
        before = await store.dump()
        assert await store.discard("a", died_ms={"a": died - 1}) == [False]
        assert await store.dump() == before
        assert await store.discard("a", died_ms={"a": died}) == [True]

    async def test_as_many_letters_as_are_to_be_kept_are_kept(self, store: Store) -> None:
        """Two workers that prune one queue at a time must not drop twice as many."""
        for job_id in ("a", "b", "c", "d"):
            await store.bury(job_id)
        assert await store.discard("a", "b", "c", keep=2) == [True, True, False]
        assert await store.discard("c", keep=2) == [False]
        assert await store.call("ZCARD", store.queue.dead) == 2

    async def test_what_is_pruned_is_counted_apart(self, store: Store) -> None:
        await store.bury("a")
        await store.bury("b")
        await store.discard("a", counter="pruned")
        await store.discard("b")
        stats = await store.stats()
        assert (stats["pruned"], stats["discarded"]) == (1, 1)
