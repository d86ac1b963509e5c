"""What a replay promises."""

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Accepted, Verb

from .store import Store, a_failure, a_job, an_end


class ReplayRules:
    """dead -> ready"""

    async def test_a_replayed_job_is_ready_with_its_envelope(self, store: Store) -> None:
        await store.bury(result=b"failed")
        body = await store.call("GET", keys.DEAD_LETTER + "a")
        before = await store.now()
        assert await store.replay("a") == [True]
        assert before <= (await store.score() or 0) <= await store.now()
        assert await store.state() == "ready"
        assert await store.call("GET", keys.JOB + "a") == body
        gone = [keys.DEAD_LETTER + "a", keys.RESULT + "a", store.queue.dead]
        assert await store.call("EXISTS", *gone) == 0

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_it_goes_where_it_is_sent(self, store: Store, priority: Priority) -> None:
        await store.bury()
        await store.replay("a", priority=priority)
        assert await store.priority() is priority

    async def test_a_replay_gives_a_fresh_budget_but_the_fence_counts_on(self, store: Store) -> None:
        """Else a zombie of the first life could pass for the second."""
        zombie = await store.bury(failure=a_failure(5, crashes=2))
        await store.replay("a")
        [job] = await store.claim()
        assert (job.spent, job.crashes, job.starts) == (0, 0, zombie.starts + 1)
        assert await store.settle(an_end(zombie)) == [False]

    async def test_what_went_wrong_before_stays_with_the_job(self, store: Store) -> None:
        await store.bury(failure=a_failure(5, message="first life"))
        await store.replay("a")
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.DEAD, failure=a_failure(1, message="second life")))
        causes = [(failure.cause, failure.message) for failure in await store.failures()]
        assert causes == [(Cause.ERROR, "first life"), (Cause.REPLAY, ""), (Cause.ERROR, "second life")]

    async def test_only_dead_letters_are_replayed(self, store: Store) -> None:
        await store.bury("dead")
        await store.run("running")
        before = await store.dump(without=["monarq:"])
        assert await store.replay("running", "unknown") == [False, False]
        assert await store.dump(without=["monarq:"]) == before
        assert await store.replay("unknown", "dead") == [False, True]

    async def test_a_replay_leaves_the_dead_letters_of_other_queues_alone(self, store: Store) -> None:
        await store.bury()
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        before = await store.dump()
        assert await other.replay("a") == [False]
        assert await store.dump() == before

    async def test_replaying_twice_replays_once(self, store: Store) -> None:
        await store.bury()
        assert await store.replay("a", "a") == [True, False]
        before = await store.dump()
        assert await store.replay("a") == [False]
        assert await store.dump() == before
        assert (await store.stats())["replayed"] == 1

    async def test_a_replay_wakes_a_worker(self, store: Store) -> None:
        await store.bury()
        await store.take_token()
        await store.replay("a")
        assert await store.tokens() == 1

    async def test_a_replayed_job_holds_its_id(self, store: Store) -> None:
        await store.enqueue(a_job(content="x"))
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure()))
        await store.replay("a")
        assert await store.enqueue(a_job(content="x")) == [Accepted.EXISTS]
        assert await store.enqueue(a_job(content="y")) == [Accepted.CONFLICT]

    async def test_a_letter_that_has_died_once_more_is_another_letter(self, store: Store) -> None:
        """Who has read the first one must not replay the second one for it."""
        await store.bury()
        first = await store.died_ms()
        assert first is not None
        assert await store.replay("a", died_ms=first - 1) == [False]
        assert await store.replay("a", died_ms=first) == [True]

    async def test_a_letter_can_be_replayed_with_another_envelope(self, store: Store) -> None:
        await store.bury()
        assert await store.replay("a", body=b'{"edited":1}') == [True]
        assert await store.call("GET", keys.JOB + "a") == b'{"edited":1}'
        assert await store.call("EXISTS", keys.DEAD_LETTER + "a") == 0

    async def test_an_envelope_is_written_over_no_living_job(self, store: Store) -> None:
        await store.enqueue(a_job())
        before = await store.dump()
        assert await store.replay("a", body=b'{"edited":1}') == [False]
        assert await store.dump() == before
