"""What a look at the numbers of a queue tells."""

from datetime import timedelta

import pytest

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store.execute import execute
from monarq.jobs.store.measure import QueueNumbers, measure
from monarq.jobs.store.verbs import Cancellation, Verb
from monarq.jobs.unique import Unique

from .store import Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)
KIND = "test.kind"
RESCHEDULE = Unique(on_conflict="reschedule")
REPLACE = Unique(on_conflict="replace")


async def count(store: Store) -> QueueNumbers:
    return await execute(store.transport, measure(store.queue))


async def states(store: Store, priority: Priority = Priority.NORMAL) -> tuple[int, int, int, int]:
    [one] = [one for one in (await count(store)).priorities if one.priority is priority]
    return one.ready, one.running, one.scheduled, one.retrying


async def fail(store: Store, job_id: str = "a", *, delay: timedelta = HOUR) -> None:
    """Let the first attempt of a job fail, and wait out its backoff."""
    [job] = await store.claim()
    assert job.job_id == job_id
    await store.settle(an_end(job, Verb.RETRYING, delay=delay, failure=a_failure()))


class MeasureRules:
    """The numbers of one queue, at one moment"""

    async def test_counting_changes_nothing(self, store: Store) -> None:
        await store.run("a")
        await store.bury("b")
        await store.put_aside("c")
        before = await store.dump()
        await count(store)
        assert await store.dump() == before

    async def test_a_queue_that_nobody_has_used_is_empty(self, store: Store) -> None:
        numbers = await count(store)
        assert numbers.is_empty
        assert (numbers.dead, numbers.parked, numbers.due_soon, numbers.counters) == (0, 0, 0, {})
        assert (numbers.oldest_ready, numbers.pauses) == (None, [])

    async def test_a_job_is_counted_once_and_in_its_state_all_through_a_life(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        seen = [await states(store)]
        await store.age("a", timedelta(0))
        seen.append(await states(store))
        await fail(store)
        seen.append(await states(store))
        await store.age("a", timedelta(0))
        seen.append(await states(store))
        [job] = await store.claim()
        seen.append(await states(store))
        await store.settle(an_end(job))
        seen.append(await states(store))
        #                ready, running, scheduled, retrying
        assert seen == [(0, 0, 1, 0), (1, 0, 0, 0), (0, 0, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0)]

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_each_priority_has_its_own_numbers(self, store: Store, priority: Priority) -> None:
        others = [other for other in PRIORITIES if other is not priority]
        await store.enqueue(a_job("runs", priority=priority))
        await store.claim()
        await store.enqueue(a_job("fails", priority=priority))
        await fail(store, "fails")
        await store.enqueue(
            *(a_job(f"r{n}", priority=priority) for n in range(3)),
            *(a_job(f"s{n}", priority=priority, due=HOUR) for n in range(2)),
            *(a_job(other, priority=other) for other in others),
            *(a_job(f"s-{other}", priority=other, due=HOUR) for other in others),
        )
        assert await states(store, priority) == (3, 1, 2, 1)
        for other in others:
            assert await states(store, other) == (1, 0, 1, 0)
        numbers = await count(store)
        assert (numbers.ready, numbers.running, numbers.scheduled, numbers.retrying) == (6, 1, 5, 1)

    async def test_what_has_failed_and_is_put_off_is_still_retrying(self, store: Store) -> None:
        await store.enqueue(a_job())
        await fail(store)
        await store.age("a", timedelta(0))
        await store.call("DEL", store.queue.retrying(Priority.NORMAL))
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RELEASED, delay=HOUR))
        assert await states(store) == (0, 0, 0, 1)
        assert await store.state() == "retrying"

    async def test_a_first_start_that_is_put_off_is_scheduled(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RELEASED, delay=HOUR))
        assert await states(store) == (0, 0, 1, 0)

    async def test_a_job_that_is_cancelled_while_it_waits_is_counted_no_more(self, store: Store) -> None:
        await store.enqueue(a_job(), a_job("b", due=HOUR))
        await fail(store)
        await store.cancel()
        assert await states(store) == (0, 0, 1, 0)

    async def test_a_durable_job_that_is_cancelled_while_it_waits_is_due(self, store: Store) -> None:
        await store.enqueue(a_job(durable=True), a_job("b", due=HOUR))
        await fail(store)
        await store.cancel()
        assert await states(store) == (1, 0, 1, 0)

    async def test_a_job_that_is_put_off_by_its_key_stays_in_its_state(self, store: Store) -> None:
        await store.enqueue(a_job(unique=RESCHEDULE))
        await fail(store)
        await store.enqueue(a_job("b", due=2 * HOUR, unique=RESCHEDULE), a_job("c", due=HOUR))
        assert await states(store) == (0, 0, 1, 1)
        await store.enqueue(a_job("d", unique=RESCHEDULE))
        assert await states(store) == (1, 0, 1, 0)

    async def test_a_job_that_is_replaced_with_one_of_another_priority_is_counted_there(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job(unique=REPLACE))
        await fail(store)
        await store.enqueue(a_job("b", due=HOUR, priority=Priority.LOW, unique=REPLACE))
        assert await states(store) == (0, 0, 0, 0)
        assert await states(store, Priority.LOW) == (0, 0, 0, 1)

    async def test_a_job_that_is_moved_is_counted_where_it_stands(self, store: Store) -> None:
        await store.enqueue(a_job(), a_job("b", due=HOUR))
        await fail(store)
        await store.move("a", due=2 * HOUR, priority=Priority.LOW)
        assert await states(store, Priority.LOW) == (0, 0, 0, 1)
        assert await states(store) == (0, 0, 1, 0)
        await store.move("a", due=timedelta(0))
        await store.enqueue(a_job("c", due=HOUR, priority=Priority.LOW))
        assert await states(store, Priority.LOW) == (1, 0, 1, 0)

    async def test_a_retry_that_is_due_is_ready_and_no_other_passes_for_it(self, store: Store) -> None:
        await store.enqueue(a_job())
        await fail(store)
        await store.age("a", timedelta(0))
        await store.call("ZADD", store.queue.retrying(Priority.NORMAL), 1, "a")
        await store.enqueue(a_job("b", due=HOUR))
        assert await states(store) == (1, 0, 1, 0)

    async def test_retries_that_are_due_are_forgotten_with_the_next_one(self, store: Store) -> None:
        key = store.queue.retrying(Priority.NORMAL)
        await store.enqueue(a_job())
        await fail(store)
        await store.call("ZADD", key, 1, "a")
        await store.enqueue(a_job("b"))
        await fail(store, "b")
        assert await store.call("ZRANGE", key, 0, -1) == [b"b"]

    async def test_the_oldest_is_that_of_the_ready_ones(self, store: Store) -> None:
        await store.run("runs")
        await store.enqueue(a_job("a"), a_job("b"), a_job("c", priority=Priority.LOW), a_job("d", due=HOUR))
        await store.age("b", timedelta(minutes=2))
        await store.age("c", timedelta(minutes=5))
        numbers = await count(store)
        ages = {one.priority: one.oldest_ready for one in numbers.priorities}
        assert ages[Priority.HIGH] is None
        assert timedelta(minutes=2) <= (ages[Priority.NORMAL] or HOUR) < timedelta(minutes=3)
        assert timedelta(minutes=5) <= (numbers.oldest_ready or HOUR) < timedelta(minutes=6)

    async def test_jobs_of_a_paused_kind_are_ready_and_put_aside(self, store: Store) -> None:
        await store.put_aside("a", "b")
        await store.enqueue(a_job("c", kind="other.kind"))
        numbers = await count(store)
        assert (numbers.ready, numbers.parked, numbers.claimable) == (3, 2, 1)
        assert await states(store) == (1, 0, 0, 0)
        assert [pause.kind for pause in numbers.pauses] == [KIND]
        assert numbers.pause is None
        assert numbers.oldest_parked is not None
        assert numbers.oldest_parked < timedelta(minutes=1)

    async def test_nothing_of_a_paused_queue_can_be_claimed(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.pause()
        numbers = await count(store)
        assert (numbers.ready, numbers.claimable) == (1, 0)
        assert numbers.pause is not None
        assert numbers.pause.by == "ann"

    async def test_what_is_due_soon_is_told_without_what_runs(self, store: Store) -> None:
        await store.run("runs")
        await store.enqueue(a_job("a"), a_job("b", due=timedelta(seconds=50)), a_job("c", due=HOUR))
        assert (await count(store)).due_soon == 1

    async def test_a_job_whose_lease_ran_out_is_counted_as_ready(self, store: Store) -> None:
        await store.run("a")
        await store.enqueue(a_job("b", priority=Priority.LOW))
        await store.expire_leases("a")
        assert await states(store) == (1, 0, 0, 0)
        assert (await count(store)).running == 0

    async def test_counters_and_dead_letters_are_told(self, store: Store) -> None:
        await store.bury()
        numbers = await count(store)
        assert numbers.dead == 1
        assert (numbers.counters["enqueued"], numbers.counters["dead"]) == (1, 1)

    @pytest.mark.parametrize("place", ["running", "dead", "stats", "pause", "retrying"])
    async def test_a_key_of_another_type_ends_no_count(self, store: Store, place: str) -> None:
        await store.enqueue(a_job(), a_job("b", due=HOUR))
        retrying = store.queue.retrying(Priority.NORMAL)
        key = retrying if place == "retrying" else getattr(store.queue, place)
        await store.call("DEL", key)
        await store.call("SET", key, "garbage")
        assert await states(store) == (1, 0, 1, 0)

    async def test_a_list_of_retries_that_cannot_be_used_stops_no_job(self, store: Store) -> None:
        await store.call("SET", store.queue.retrying(Priority.NORMAL), "garbage")
        await store.enqueue(a_job())
        await fail(store)
        assert await store.state() == "retrying"
        assert await store.cancel() is Cancellation.CANCELLED
