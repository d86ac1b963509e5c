"""What a look at dead letters promises."""

from monarq.jobs.failure import decode_failure
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Verb

from .store import Store, a_failure, a_job, an_end


class BrowseRules:
    """A look, no move."""

    async def test_a_letter_tells_its_death_its_envelope_and_its_last_failure(self, store: Store) -> None:
        await store.bury(failure=a_failure(1, message="first life"))
        await store.replay("a")
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.DEAD, failure=a_failure(1, message="second life")))
        [found] = await store.browse("a")
        assert found.died_ms == await store.died_ms()
        assert found.envelope == await store.call("GET", keys.DEAD_LETTER + "a")
        assert decode_failure(found.failure or b"").message == "second life"

    async def test_letters_come_in_the_order_asked_for(self, store: Store) -> None:
        for job_id in ("a", "b"):
            await store.bury(job_id, failure=a_failure(message=job_id))
        found = await store.browse("b", "nobody", "a")
        messages = [one.failure and decode_failure(one.failure).message for one in found]
        assert messages == ["b", None, "a"]
        assert found[1] == (None, None, None)

    async def test_a_replayed_job_tells_its_last_failure_alone(self, store: Store) -> None:
        """So that a canary learns whether it has failed again."""
        await store.bury()
        await store.replay("a")
        [found] = await store.browse("a")
        assert (found.died_ms, found.envelope) == (None, None)
        assert found.failure is not None

    async def test_reading_letters_changes_nothing(self, store: Store) -> None:
        await store.bury("a")
        await store.enqueue(a_job("b"))
        before = await store.dump()
        await store.browse("a", "b", "nobody")
        assert await store.dump() == before

    async def test_no_more_is_read_than_the_budget_lets_through(self, store: Store) -> None:
        for job_id in ("a", "b", "c"):
            await store.bury(job_id)
        size = sum(len(part or b"") for part in (await store.browse("a"))[0][1:])
        assert len(await store.browse("a", "b", "c", budget_bytes=0)) == 1
        assert len(await store.browse("a", "b", "c", budget_bytes=size)) == 2
        assert len(await store.browse("a", "b", "c", budget_bytes=10 * size)) == 3

    async def test_a_key_of_another_type_hides_no_other_letter(self, store: Store) -> None:
        await store.bury("a")
        await store.bury("b")
        await store.call("DEL", keys.DEAD_LETTER + "a", keys.FAILURES + "a")
        await store.call("LPUSH", keys.DEAD_LETTER + "a", "x")
        await store.call("SET", keys.FAILURES + "a", "x")
        odd, other = await store.browse("a", "b")
        assert (odd.died_ms is not None, odd.envelope, odd.failure) == (True, None, None)
        assert other.envelope is not None

    async def test_letters_of_other_queues_are_not_told_as_dead(self, store: Store) -> None:
        await store.bury()
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        assert (await other.browse("a"))[0].died_ms is None
