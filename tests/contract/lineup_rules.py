"""What a list of the jobs that come next promises."""

from datetime import timedelta

import pytest

from monarq.jobs.priority import Priority
from monarq.jobs.store import keys
from monarq.jobs.store.execute import execute
from monarq.jobs.store.live_jobs import Spot, glance, lineup
from monarq.jobs.store.verbs import Verb

from .store import Store, a_failure, a_job, an_end

LONG_AGO_MS = 1_000_000_000_000
#: Ids in the order of their bytes; words would be sorted in another way.
IDS = ["A", "B", "Z", "_", "a", "a1", "a10", "a2", "b"]


async def turned(store: Store, limit: int, *, backwards: bool = False) -> list[Spot]:
    """All pages of a queue."""
    found: list[Spot] = []
    place = None
    while True:
        page = await execute(
            store.transport, lineup(store.queue, after=place, backwards=backwards, limit=limit)
        )
        assert len(page) <= limit
        assert len(found) < 1_000, "it goes round and round"
        found += page
        if len(page) < limit:
            return found
        place = page[-1]


class LineupRules:
    """A look, no move."""

    async def put(self, store: Store, at: float, *job_ids: str, rank: int = 2) -> None:
        for job_id in job_ids:
            await store.call("ZADD", store.queue.ranks[rank], repr(at), job_id)

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_pages_hold_every_job_once_and_in_order(self, store: Store, limit: int) -> None:
        for rank in (3, 0, 2):
            await self.put(store, 2_000, *(f"{job_id}-{rank}" for job_id in IDS), rank=rank)
        await self.put(store, 1_000, "first")
        await self.put(store, 3_000, "last", rank=0)
        same = [Spot(2_000, rank, f"{job_id}-{rank}") for rank in (0, 2, 3) for job_id in IDS]
        expected = [
            Spot(1_000, 2, "first"),
            *sorted(same, key=lambda one: (one.rank, one.job_id.encode())),
            Spot(3_000, 0, "last"),
        ]
        assert await turned(store, limit) == expected
        assert await turned(store, limit, backwards=True) == expected[::-1]

    async def test_a_place_outlives_the_job_that_stood_there(self, store: Store) -> None:
        await self.put(store, 2_000, *IDS)
        for backwards, after in ((False, IDS[4:]), (True, IDS[:3][::-1])):
            request = lineup(store.queue, after=Spot(2_000, 2, "_x"), backwards=backwards, limit=3, from_ms=0)
            await store.call("ZREM", store.queue.ranks[2], "_")
            found = [one.job_id for one in await execute(store.transport, request)]
            assert found == after[:3]

    @pytest.mark.parametrize(("first", "last", "found"), [(2, 3, "bc"), (0, 1, "a"), (4, 9, ""), (3, 2, "")])
    async def test_only_the_wanted_times_are_looked_at(
        self, store: Store, first: int, last: int, found: str
    ) -> None:
        for at, job_id in enumerate("abc", start=1):
            await self.put(store, at, job_id)
        for backwards in (False, True):
            request = lineup(store.queue, limit=9, from_ms=first, to_ms=last, backwards=backwards)
            assert sorted(one.job_id for one in await execute(store.transport, request)) == list(found)

    async def test_what_was_put_aside_for_a_pause_stands_where_it_stood(self, store: Store) -> None:
        for job_id, priority in (("a", Priority.LOW), ("b", Priority.NORMAL), ("c", Priority.NORMAL)):
            await store.enqueue(a_job(job_id, priority=priority))
            await self.put(store, LONG_AGO_MS, job_id, rank=priority.rank)
        before = await turned(store, 9)
        assert [one.job_id for one in before] == ["b", "c", "a"]
        await store.pause("test.kind")
        await store.claim(limit=9)
        assert await store.call("ZCARD", store.queue.parked("test.kind")) == 3
        await self.put(store, LONG_AGO_MS, "bb")
        spots = [before[0], Spot(LONG_AGO_MS, 2, "bb"), *before[1:]]
        for limit in (1, 2, 9):
            assert await turned(store, limit) == spots
            assert await turned(store, limit, backwards=True) == spots[::-1]

    async def test_a_score_that_is_no_whole_number_holds_nobody_up(self, store: Store) -> None:
        await self.put(store, 2_000.25, "a", "b")
        await self.put(store, 2_000.5, "c")
        assert [one.job_id for one in await turned(store, 1)] == ["a", "b", "c"]

    async def test_lining_up_and_glancing_change_nothing(self, store: Store) -> None:
        await store.run("a")
        await store.enqueue(a_job("b"))
        before = await store.dump()
        await turned(store, 1)
        await execute(store.transport, glance(store.queue, ["a", "b", "nobody"], 1_000))
        assert await store.dump() == before

    async def test_a_strange_hash_of_pauses_hides_no_job(self, store: Store) -> None:
        await self.put(store, 2_000, "a")
        await store.call("SET", store.queue.pause, "x")
        assert len(await turned(store, 9)) == 1


class GlanceRules:
    """A look, no move."""

    async def test_a_job_tells_who_holds_it_and_what_went_wrong(self, store: Store) -> None:
        job = await store.run("a", worker="w-1")
        failed = a_failure(message="no")
        end = an_end(job, Verb.RETRYING, worker="w-1", failure=failed, delay=timedelta(hours=1))
        await store.settle(end, worker="w-1")
        [waits, nobody] = await execute(store.transport, glance(store.queue, ["a", "nobody"], 1_000_000))
        assert (waits.fence, waits.is_leased) == (None, False)
        assert waits.failure is not None
        assert waits.failure.message == "no"
        assert waits.body == await store.call("GET", keys.JOB + "a")
        assert (nobody.body, nobody.failure, nobody.starts_so_far) == (None, None, 0)
        assert waits.starts_so_far == 1

        await store.run("b", worker="w-2")
        [runs] = await execute(store.transport, glance(store.queue, ["b"], 1_000_000))
        assert (runs.worker, runs.is_leased, runs.starts_so_far) == ("w-2", True, 1)

    async def test_no_more_jobs_are_read_than_the_budget_lets_through(self, store: Store) -> None:
        for job_id in ("a", "b", "c"):
            await store.enqueue(a_job(job_id))
        size = len(await store.call("GET", keys.JOB + "a"))
        for budget, number in ((0, 1), (size, 2), (10 * size, 3)):
            assert len(await execute(store.transport, glance(store.queue, ["a", "b", "c"], budget))) == number

    async def test_a_key_of_another_type_hides_no_other_job(self, store: Store) -> None:
        await store.enqueue(a_job("a"))
        await store.enqueue(a_job("b"))
        await store.call("DEL", keys.JOB + "a")
        for key in (keys.JOB, keys.FENCE, keys.STARTS):
            await store.call("LPUSH", key + "a", "x")
        await store.call("SET", keys.FAILURES + "a", "x")
        odd, other = await execute(store.transport, glance(store.queue, ["a", "b"], 1_000))
        assert (odd.body, odd.fence, odd.failure, odd.starts) == (None, None, None, 0)
        assert other.body is not None
