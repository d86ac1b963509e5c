"""One read for all who ask, and what is given when it fails."""

import asyncio

import pytest

from monarq.jobs.errors import StoreError, StoreUnavailable
from monarq.jobs.store.shared_reading import SharedReading
from tests.integration.worker.deadlines import eventually


class Source:
    """Something that can be read: counts how often, and fails or hangs when told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await self.gate.wait()
        if self.fails:
            raise StoreUnavailable("away")
        return number


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_all_who_ask_at_once_share_one_read(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    readings = await asyncio.gather(*(shared.get() for _ in range(20)))
    assert {reading.value for reading in readings} == {1}
    assert source.reads == 1


async def test_nothing_is_read_while_nobody_asks(source: Source) -> None:
    SharedReading(source.read, fresh=0)
    await asyncio.sleep(0)
    assert source.reads == 0


async def test_what_is_not_fresh_is_read_anew(source: Source) -> None:
    shared = SharedReading(source.read, fresh=0)
    assert [(await shared.get()).value for _ in range(3)] == [1, 2, 3]


async def test_a_failure_gives_what_was_read_last_with_its_age_and_the_reason(source: Source) -> None:
    shared = SharedReading(source.read, fresh=0)
    first = await shared.get()
    source.fails = True
    second = await shared.get()
    assert (second.value, second.read_at) == (1, first.read_at)
    assert isinstance(second.failure, StoreUnavailable)
    assert second.age >= 0
    source.fails = False
    third = await shared.get()
    assert (third.value, third.failure) == (3, None)


async def test_where_nothing_was_read_the_failure_is_told(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    source.fails = True
    with pytest.raises(StoreUnavailable, match="away"):
        await shared.get()


async def test_a_failure_serves_as_long_as_a_value(source: Source) -> None:
    """A store that is away is not asked by each tab anew."""
    shared = SharedReading(source.read, fresh=60)
    source.fails = True
    for _ in range(5):
        with pytest.raises(StoreError):
            await shared.get()
    assert source.reads == 1


async def test_who_asks_while_a_read_hangs_gets_the_old_value_soon(source: Source) -> None:
    shared = SharedReading(source.read, fresh=0, patience=0.01)
    await shared.get()
    source.gate.clear()
    assert (await shared.get()).value == 1
    assert (await shared.get()).value == 1
    assert source.reads == 2, "the read that hangs is not begun again"
    source.gate.set()
    await shared.close()


async def test_a_read_that_takes_too_long_has_failed(source: Source) -> None:
    shared = SharedReading(source.read, fresh=0, timeout=0.01)
    source.gate.clear()
    with pytest.raises(StoreUnavailable, match="no answer"):
        await shared.get()


async def test_who_asked_first_may_go_away(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    source.gate.clear()
    first = asyncio.create_task(shared.get())
    second = asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    first.cancel()
    source.gate.set()
    assert (await second).value == 1
    assert source.reads == 1


async def test_what_somebody_has_changed_is_known_at_once(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    await shared.get()
    shared.amend(lambda value: value + 100)
    assert (await shared.get()).value == 101


async def test_a_read_that_was_under_way_does_not_undo_a_change(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    source.gate.clear()
    asked = asyncio.create_task(shared.get())
    await eventually(lambda: source.reads)
    shared.amend(lambda value: value + 100)
    source.gate.set()
    assert (await asked).value == 101


async def test_the_time_between_reads_varies(source: Source) -> None:
    shared = SharedReading(source.read, fresh=100, jitter=0.2)
    spans = set()
    for _ in range(5):
        shared._fresh_until = 0
        reading = await shared.get()
        spans.add(round(shared._fresh_until - reading.read_at, 3))
    assert len(spans) > 1
    assert all(79 < span < 121 for span in spans)


async def test_what_somebody_knows_to_be_old_is_read_anew(source: Source) -> None:
    shared = SharedReading(source.read, fresh=60)
    await shared.get()
    shared.expire()
    assert [(await shared.get()).value for _ in range(2)] == [2, 2]
