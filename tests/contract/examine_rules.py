"""What a look at a job from all sides tells."""

from datetime import timedelta

import pytest

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.state import State
from monarq.jobs.store import keys
from monarq.jobs.store.examine import Examined, examine
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Verb

from .store import AGEING, LEASE, Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)
KIND = "test.kind"


async def look_at(store: Store, job_id: str = "a") -> Examined:
    return await execute(store.transport, examine(store.queue, job_id, AGEING))


class ExamineRules:
    """All that is known of one job in one queue, at one moment"""

    async def test_examining_changes_nothing(self, store: Store) -> None:
        await store.run("a")
        await store.bury("b")
        await store.put_aside("c")
        before = await store.dump()
        for job_id in "abcd":
            await look_at(store, job_id)
        assert await store.dump() == before

    async def test_it_tells_the_same_state_as_a_plain_look_all_through_a_life(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        seen = [await self._both(store)]
        await store.age("a", timedelta(0))
        seen.append(await self._both(store))
        [job] = await store.claim()
        seen.append(await self._both(store))
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
        seen.append(await self._both(store))
        await store.age("a", timedelta(0))
        await store.pause(KIND)
        await store.claim()
        seen.append(await self._both(store))
        await store.resume(KIND)
        [job] = await store.claim()
        await store.expire_leases("a")
        seen.append(await self._both(store))
        await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure()))
        seen.append(await self._both(store))
        assert seen == ["scheduled", "ready", "running", "retrying", "ready", "ready", "dead"]

    async def _both(self, store: Store) -> str:
        examined = await look_at(store)
        assert examined.state == await store.state()
        assert examined.is_here
        return str(examined.state)

    async def test_a_job_that_arq_runs_runs_without_a_name(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        examined = await look_at(store)
        assert (examined.state, examined.is_arqs, examined.worker) == (State.RUNNING, True, None)

    async def test_a_running_job_names_its_worker_and_the_end_of_its_lease(self, store: Store) -> None:
        await store.run(worker="w7")
        await store.cancel()
        examined = await look_at(store)
        assert examined.worker == "w7"
        assert examined.lease_end_ms == await store.lease_end()
        assert examined.abort_ms is not None
        assert examined.ahead is None

    async def test_a_job_that_was_put_aside_keeps_its_place_and_shows_the_pause(self, store: Store) -> None:
        await store.enqueue(a_job(priority=Priority.HIGH))
        due = await store.score()
        await store.pause(KIND, until=HOUR)
        await store.claim()
        examined = await look_at(store)
        assert (examined.is_parked, examined.visible_at_ms) == (True, due)
        assert examined.priority is Priority.HIGH
        assert [pause.kind for pause in examined.pauses] == [KIND]

    async def test_a_pause_that_is_over_is_not_shown(self, store: Store) -> None:
        await store.put_aside("a")
        await store.end_pause(KIND)
        assert (await look_at(store)).pauses == []

    async def test_a_job_of_another_queue_is_not_here(self, store: Store) -> None:
        await store.enqueue(a_job())
        other = Store(store.transport, store.client, queue_keys("other"))
        examined = await look_at(other)
        assert (examined.is_here, examined.state) == (False, None)
        assert examined.body is not None

    async def test_an_end_is_told_with_how_long_it_is_kept(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job))
        examined = await look_at(store)
        assert examined.result == b'{"r":1}'
        assert 0 < examined.result_ms <= 60_000
        assert examined.body is None

    @pytest.mark.parametrize(
        "prefix", [keys.JOB, keys.FENCE, keys.STARTS, keys.RESULT, keys.FAILURES, keys.DEAD_LETTER]
    )
    async def test_a_key_of_another_type_ends_no_look(self, store: Store, prefix: str) -> None:
        await store.enqueue(a_job())
        await store.call("DEL", f"{prefix}a")
        await store.call("HSET", f"{prefix}a", "field", "value")
        await store.call("SET", store.queue.pause, "garbage")
        examined = await look_at(store)
        assert examined.priority is Priority.NORMAL
        assert examined.pauses == []

    async def test_of_a_job_that_never_was_there_is_nothing(self, store: Store) -> None:
        examined = await look_at(store)
        assert (examined.body, examined.result, examined.priority) == (None, None, None)
        assert await store.keys() == set()

    async def test_it_counts_exactly_those_that_a_claim_takes_before_it(self, store: Store) -> None:
        """Of all priorities and ages, on both sides of each step of ageing, and as old as each other."""
        ages = [0, 1, 59, 59, 60.5, 61, 119, 121, 179, 181, 240, 600]
        for priority in PRIORITIES:
            await store.enqueue(*(a_job(f"{priority}{n}", priority=priority) for n in range(len(ages))))
        now = await store.now()
        for priority in PRIORITIES:
            for n, age in enumerate(ages):
                await store.at(f"{priority}{n}", now - int(age * 1000) - 10 * (n % 2))
        names = [f"{priority}{n}" for priority in PRIORITIES for n in range(len(ages))]
        ahead = {name: sum(((await look_at(store, name)).ahead or {}).values()) for name in names}
        claimed = [job.job_id for job in await store.claim(len(names), lease=LEASE)]
        assert [ahead[name] for name in claimed] == list(range(len(names)))
