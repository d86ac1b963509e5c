"""What an operation promises: one process at a time has it, and only that one says how far it is."""

from datetime import timedelta

import pytest

from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import OPERATION
from monarq.jobs.store.operations import (
    Advance,
    End,
    Noted,
    Operation,
    Operations,
    OperationState,
    Plan,
    advance_request,
    take_request,
)

from .store import Store

LEASE = timedelta(seconds=30)
HALF_WAY = Advance(done=5, position=["mail", 7])
DONE = End(at_ms=9, state=OperationState.DONE)


def a_plan(operation_id: str = "o") -> Plan:
    return Plan(
        id=operation_id,
        action="replay",
        options={},
        filter={},
        bound_ms=1,
        planned_ms=1,
        by={"subject": "user:1", "name": "ann", "means": "session"},
        scope=[],
        total=10,
        ineligible={},
        sample=[],
        queues=["mail"],
    )


async def begun(store: Store) -> Operations:
    operations = Operations(store.transport)
    await operations.plan(a_plan())
    await operations.begin(a_plan(), None)
    return operations


async def seen(store: Store) -> Operation:
    found = await Operations(store.transport).get("o")
    assert found is not None
    return found


async def take(store: Store, owner: str = "me") -> int:
    return await execute(store.transport, take_request("o", owner, LEASE))


async def advance(
    store: Store,
    owner: str = "me",
    how_far: Advance | None = None,
    end: End | None = None,
    lease: timedelta = LEASE,
) -> Noted:
    return await execute(store.transport, advance_request("o", owner, lease, how_far, end))


class OperationRules:
    """What lies at `monarq:operation:<id>`."""

    async def test_what_is_not_begun_cannot_be_taken(self, store: Store) -> None:
        assert await take(store) == -1
        await Operations(store.transport).plan(a_plan())
        assert await take(store) == -1
        assert (await seen(store)).state is OperationState.PLANNED
        assert 0 < await store.call("PTTL", OPERATION + "o") <= 3_600_000

    async def test_one_at_a_time_has_it_until_its_lease_ends(self, store: Store) -> None:
        await begun(store)
        assert (await seen(store)).state is OperationState.PENDING
        assert [await take(store), await take(store), await take(store, "you")] == [1, 1, 0]
        assert (await seen(store)).state is OperationState.RUNNING
        await store.call("HSET", OPERATION + "o", "lease", await store.now() - 1)
        assert [await take(store, "you"), await take(store)] == [1, 0]

    async def test_a_lease_is_as_long_as_asked_for_and_renewed_by_each_word(self, store: Store) -> None:
        await begun(store)
        await take(store)
        for _ in range(2):
            left = int(await store.call("HGET", OPERATION + "o", "lease")) - await store.now()
            assert 0 < left <= 30_000
            await store.call("HSET", OPERATION + "o", "lease", 1)
            assert await advance(store) is Noted.GOES_ON

    async def test_who_gives_it_up_leaves_it_to_the_next(self, store: Store) -> None:
        await begun(store)
        await take(store)
        assert await advance(store, lease=timedelta(0)) is Noted.GOES_ON
        assert await take(store, "you") == 1

    async def test_only_who_has_it_says_how_far_it_is(self, store: Store) -> None:
        await begun(store)
        assert await advance(store, how_far=HALF_WAY) is Noted.LOST
        await take(store)
        assert await advance(store, how_far=HALF_WAY) is Noted.GOES_ON
        assert await advance(store, "you", Advance(done=9)) is Noted.LOST
        assert await advance(store, "you", end=DONE) is Noted.LOST
        assert await advance(store) is Noted.GOES_ON
        assert ((await seen(store)).advance, (await seen(store)).end) == (HALF_WAY, None)

    async def test_an_end_is_final_and_kept_for_a_while(self, store: Store) -> None:
        await begun(store)
        assert await store.call("PTTL", OPERATION + "o") == -1
        await take(store)
        assert await advance(store, how_far=HALF_WAY, end=DONE) is Noted.GOES_ON
        assert (await seen(store)).state is OperationState.DONE
        assert (await seen(store)).advance == HALF_WAY
        assert await take(store) == -1
        assert await advance(store, how_far=Advance(done=9)) is Noted.LOST
        assert await advance(store, end=End(at_ms=9, state=OperationState.FAILED)) is Noted.LOST
        assert (await seen(store)).state is OperationState.DONE
        assert 0 < await store.call("PTTL", OPERATION + "o") <= 30 * 86_400_000

    async def test_an_end_can_be_told_again(self, store: Store) -> None:
        await begun(store)
        await take(store)
        assert [await advance(store, end=DONE) for _ in range(2)] == [Noted.GOES_ON, Noted.GOES_ON]

    async def test_who_runs_it_is_told_that_it_is_to_end(self, store: Store) -> None:
        operations = await begun(store)
        await take(store)
        await operations.cancel("o", "ann")
        await operations.cancel("o", "bob")
        assert await advance(store, how_far=HALF_WAY) is Noted.IS_TO_END
        found = await seen(store)
        assert found.state is OperationState.CANCELLING
        assert found.stop is not None
        assert found.stop.by == "ann"
        assert [await advance(store, end=DONE) for _ in range(2)] == [Noted.IS_TO_END, Noted.IS_TO_END]

    async def test_what_is_begun_twice_is_begun_once(self, store: Store) -> None:
        operations = Operations(store.transport)
        await operations.plan(a_plan())
        assert [await operations.begin(a_plan(), 5), await operations.begin(a_plan(), 7)] == [True, False]
        start = (await seen(store)).start
        assert start is not None
        assert start.rate == 5
        assert await operations.open_ids() == ["o"]

    async def test_what_has_ended_is_not_open(self, store: Store) -> None:
        operations = await begun(store)
        assert await operations.take("o", "me", LEASE)
        await operations.advance("o", "me", LEASE, end=DONE)
        assert await operations.open_ids() == []
        await store.call("SADD", "monarq:operations:open", "o")  # who ended it did not live to say so
        assert not await operations.take("o", "me", LEASE)
        assert await operations.open_ids() == []
        assert not await operations.begin(a_plan(), None)
        assert await operations.open_ids() == []

    @pytest.mark.parametrize("count", [3])
    async def test_the_newest_is_listed_first(self, store: Store, count: int) -> None:
        operations = Operations(store.transport)
        for number in range(count):
            await operations.plan(a_plan(str(number)))
            await operations.begin(a_plan(str(number)), None)
            await store.call("ZADD", "monarq:operations", await store.now() + number, str(number))
        await store.call("DEL", OPERATION + "1")
        assert [one.plan.id async for one in operations.newest()] == ["2", "0"]

    async def test_items_are_read_in_parts(self, store: Store) -> None:
        operations = Operations(store.transport)
        await operations.plan(a_plan(), [f"mail={number}" for number in range(2_500)])
        assert await operations.items("o", 998, 4) == ["mail=998", "mail=999", "mail=1000", "mail=1001"]
        assert await operations.items("o", 2_499, 4) == ["mail=2499"]
        assert 0 < await store.call("PTTL", "monarq:operation-items:o") <= 3_600_000
