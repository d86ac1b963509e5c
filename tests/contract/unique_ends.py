"""Until when a unique key is held."""

from datetime import timedelta

import pytest

from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Accepted, Held, Verb
from monarq.jobs.unique import Unique

from .store import Store, a_failure, a_job, an_end, digest_of
from .unique_rules import EVERY_HOLD, HOUR, THROTTLE, bury, shown

CREATED = Accepted.CREATED
AGAIN = a_job("b", unique=Unique())
UNTIL_START, UNTIL_SUCCESS, UNTIL_END = Unique(until="start"), Unique(until="success"), Unique(until="end")
ENDS = [Verb.SUCCEEDED, Verb.CANCELLED, Verb.EXPIRED, Verb.DEAD]


class UniqueEndRules:
    """A key is freed in the script that ends the hold"""

    # --- start

    @pytest.mark.parametrize("rule", EVERY_HOLD, ids=shown)
    async def test_a_start_frees_the_key_that_is_held_until_then_and_no_other(
        self, store: Store, rule: Unique
    ) -> None:
        await store.enqueue(a_job(unique=rule))
        await store.claim()
        assert await store.enqueue(AGAIN) == [CREATED if rule.until == "start" else Held("a")]

    async def test_a_second_start_leaves_the_key_to_who_holds_it_now(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_START))
        [job] = await store.claim()
        await store.enqueue(a_job("b", unique=UNTIL_START, due=HOUR))
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        assert [job.job_id for job in await store.claim()] == ["a"]
        assert await store.holder() == "b"

    async def test_jobs_without_a_key_are_claimed_beside_those_with_one(self, store: Store) -> None:
        await store.enqueue(a_job("a", unique=UNTIL_START), a_job("c"), a_job("d", unique=UNTIL_END, key="l"))
        assert {job.job_id for job in await store.claim(9)} == {"a", "c", "d"}
        assert (await store.holder("k"), await store.holder("l")) == (None, "d")

    # --- the end, as the worker tells it

    @pytest.mark.parametrize("verb", ENDS)
    async def test_an_end_frees_the_key_that_it_names(self, store: Store, verb: Verb) -> None:
        await store.enqueue(a_job(unique=UNTIL_END))
        [job] = await store.claim()
        assert await store.settle(an_end(job, verb, failure=a_failure(), key="k")) == [True]
        assert await store.holder() is None
        assert await store.enqueue(AGAIN) == [CREATED]

    @pytest.mark.parametrize("verb", Verb)
    async def test_an_end_that_names_no_key_frees_none(self, store: Store, verb: Verb) -> None:
        await store.enqueue(a_job(unique=UNTIL_END))
        [job] = await store.claim()
        await store.settle(an_end(job, verb, failure=a_failure()))
        assert await store.holder() == "a"

    async def test_a_refused_end_frees_nothing(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_END))
        [zombie] = await store.claim(worker="w1")
        await store.expire_leases("a")
        await store.claim(worker="w2")
        assert await store.settle(an_end(zombie, worker="w1", key="k")) == [False]
        assert await store.holder() == "a"

    async def test_an_end_leaves_the_key_to_who_holds_it_now(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_END))
        [job] = await store.claim()
        await store.enqueue(a_job("b", unique=Unique(on_conflict="replace")))
        await store.settle(an_end(job, key="k"))
        assert await store.holder() == "b"

    async def test_a_kept_result_holds_nothing(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_SUCCESS))
        [job] = await store.claim()
        await store.settle(an_end(job, result_ms=-1, key="k"))
        assert await store.enqueue(AGAIN) == [CREATED]
        assert await store.state("a") == "ended"

    async def test_a_job_that_is_handed_back_takes_the_key_again_that_its_start_has_freed(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job(unique=UNTIL_START))
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RELEASED, key="k"))
        assert await store.enqueue(AGAIN) == [Held("a")]

    async def test_a_job_that_is_handed_back_leaves_the_key_to_who_holds_it_now(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_START))
        [job] = await store.claim()
        await store.enqueue(a_job("b", unique=UNTIL_START))
        await store.settle(an_end(job, Verb.RELEASED, key="k"))
        assert await store.holder() == "b"

    # --- cancelling

    @pytest.mark.parametrize("rule", EVERY_HOLD, ids=shown)
    async def test_a_cancelled_job_frees_its_key_unless_its_window_goes_on(
        self, store: Store, rule: Unique
    ) -> None:
        await store.enqueue(a_job(unique=rule))
        await store.cancel()
        assert await store.holder() == ("a" if rule is THROTTLE else None)
        assert await store.enqueue(AGAIN) == ([Held("a")] if rule is THROTTLE else [CREATED])

    async def test_a_cancelled_job_leaves_the_key_to_who_holds_it_now(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_END))
        [job] = await store.claim()
        await store.enqueue(a_job("b", unique=Unique(on_conflict="replace"), due=HOUR))
        await store.settle(an_end(job, Verb.RELEASED))
        await store.cancel()
        assert await store.holder() == "b"

    # --- dead letters

    async def test_a_dead_letter_goes_on_holding_until_success(self, store: Store) -> None:
        await bury(store, UNTIL_SUCCESS)
        before = await store.dump()
        for rule in (Unique(), Unique(on_conflict="replace"), Unique(on_conflict="reschedule")):
            assert await store.enqueue(a_job("b", content="second", unique=rule)) == [Held("a")]
        assert await store.dump() == before

    async def test_a_discarded_letter_frees_the_key(self, store: Store) -> None:
        await bury(store, UNTIL_SUCCESS)
        await store.discard("a")
        assert await store.holder() is None

    @pytest.mark.parametrize("rule", [UNTIL_START, UNTIL_END, THROTTLE], ids=shown)
    async def test_a_discarded_letter_that_holds_nothing_frees_nothing(
        self, store: Store, rule: Unique
    ) -> None:
        """Also where the key still names it: that of a window, which goes on."""
        await bury(store, rule)
        await store.call("SET", store.queue.unique(digest_of("k")), "a", "PX", 60_000)
        await store.discard("a")
        assert await store.holder() == "a"

    async def test_a_letter_of_another_queue_frees_nothing(self, store: Store) -> None:
        await bury(store, UNTIL_SUCCESS)
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        await other.discard("a")
        assert await store.holder() == "a"

    # --- replay

    @pytest.mark.parametrize("rule", [UNTIL_START, UNTIL_SUCCESS, UNTIL_END], ids=shown)
    async def test_a_replayed_job_takes_its_key_again(self, store: Store, rule: Unique) -> None:
        await bury(store, rule)
        await store.replay("a")
        assert await store.enqueue(AGAIN) == [Held("a")]

    async def test_a_replayed_job_leaves_the_key_to_who_holds_it_now(self, store: Store) -> None:
        await bury(store, UNTIL_END)
        await store.enqueue(a_job("b", unique=UNTIL_END))
        assert await store.replay("a") == [True]
        assert await store.holder() == "b"

    async def test_a_replayed_job_takes_the_key_that_its_edited_envelope_names(self, store: Store) -> None:
        """Of whatever it then holds, its end must know."""
        await bury(store, UNTIL_END)
        await store.replay("a", body=a_job(unique=UNTIL_END, key="l").head + b"1}")
        assert (await store.holder("k"), await store.holder("l")) == (None, "a")

    async def test_a_replayed_job_opens_no_window(self, store: Store) -> None:
        """Its length is not known any more, and without an end it would be held for ever."""
        await bury(store, THROTTLE)
        await store.call("DEL", store.queue.unique(digest_of("k")))
        await store.replay("a")
        assert await store.holder() is None

    # --- windows

    async def test_a_window_holds_whatever_becomes_of_the_job(self, store: Store) -> None:
        await store.enqueue(a_job(unique=THROTTLE))
        assert 0 < await store.call("PTTL", store.queue.unique(digest_of("k"))) <= 3_600_000
        [job] = await store.claim()
        assert await store.enqueue(AGAIN) == [Held("a")]
        await store.settle(an_end(job, result=None))
        assert await store.state("a") == "unknown"
        for rule in (Unique(), Unique(on_conflict="replace"), THROTTLE):
            assert await store.enqueue(a_job("b", unique=rule)) == [Held("a")]

    async def test_a_window_ends_by_the_servers_clock(self, store: Store) -> None:
        await store.enqueue(a_job(unique=Unique.throttle(timedelta(milliseconds=1))))
        deadline = await store.now() + 2_000
        while await store.holder() is not None and await store.now() < deadline:
            pass
        assert await store.enqueue(AGAIN) == [CREATED]
