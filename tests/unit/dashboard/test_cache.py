"""The cache of the dashboard: fresh, shared, dropped at the right time, and better than an error."""

import asyncio
import timeit
from collections.abc import Awaitable, Callable

import pytest

from monarq.dashboard import cache as module
from monarq.dashboard.bus import Bus
from monarq.dashboard.cache import Cache
from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.events import Event, EventType


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Store:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False

    async def read(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise StoreUnavailable("away")
        return self.asked


async def test_a_value_is_read_once_until_it_is_too_old(clock: Clock) -> None:
    store, cache = Store(), Cache[int](ttl=5)
    assert [(await cache.get("k", store.read)).value for _ in range(3)] == [1, 1, 1]
    clock.now += 5
    assert (await cache.get("k", store.read)).value == 2
    assert (cache.hits, cache.reads) == (2, 2)


async def test_those_who_ask_at_once_share_one_read() -> None:
    store, cache = Store(), Cache[int](ttl=5)
    found = await asyncio.gather(*(cache.get("k", store.read) for _ in range(20)))
    assert ({one.value for one in found}, store.asked) == ({1}, 1)


async def test_who_is_cancelled_takes_the_read_from_nobody() -> None:
    go = asyncio.Event()

    async def read() -> int:
        await go.wait()
        return 7

    cache = Cache[int](ttl=5)
    first, second = [asyncio.create_task(cache.get("k", read)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go.set()
    assert (await second).value == 7


async def test_an_old_value_is_better_than_an_error_and_says_that_it_is_old(clock: Clock) -> None:
    store, cache = Store(), Cache[int](ttl=5, stale_for=60)
    fresh = await cache.get("k", store.read)
    store.is_away = True
    clock.now += 10
    stale = await cache.get("k", store.read)
    assert (stale.value, stale.is_stale, stale.taken_at) == (1, True, fresh.taken_at)
    cache.drop("k")
    assert (await cache.get("k", store.read)).is_stale
    clock.now += 60
    with pytest.raises(StoreUnavailable):
        await cache.get("k", store.read)


async def test_what_was_just_written_is_read_from_here() -> None:
    store, cache = Store(), Cache[int](ttl=5)
    cache.put("k", 42)
    assert (await cache.get("k", store.read)).value == 42
    assert store.asked == 0


@pytest.mark.parametrize("change", [lambda it: it.drop("k"), lambda it: it.put("k", 9)], ids=["drop", "put"])
async def test_a_read_that_began_before_a_change_is_not_kept(change: Callable[[Cache[int]], None]) -> None:
    go = asyncio.Event()

    async def old() -> int:
        await go.wait()
        return 1

    async def new() -> int:
        return 9

    cache = Cache[int](ttl=5)
    reading = asyncio.create_task(cache.get("k", old))
    await asyncio.sleep(0)
    change(cache)
    go.set()
    await reading
    assert (await cache.get("k", new)).value == 9


async def test_keys_are_dropped_by_pattern_and_by_event() -> None:
    bus, cache = Bus(), Cache[int](ttl=5)
    cache.follow(bus, "queue.*", lambda event: f"queue:{event.queue}:*")
    store = Store()

    async def ask(*keys: str) -> int:
        before = store.asked
        for key in keys:
            await cache.get(key, store.read)
        return store.asked - before

    keys = ("queue:mail:counts", "queue:mail:pauses", "queue:img:counts")
    assert await ask(*keys) == 3
    bus.publish(Event(type=EventType.QUEUE_PAUSED, at_ms=1, queue="mail"))
    assert await ask(*keys) == 2
    cache.drop_matching("queue:*:counts")
    assert await ask(*keys) == 2
    bus.publish(Event(type=EventType.EVENTS_MISSED, at_ms=1))  # nobody knows what has changed
    assert await ask(*keys) == 3


async def test_it_holds_no_more_than_it_may_and_drops_what_nobody_asks_for() -> None:
    store, cache = Store(), Cache[int](ttl=5, most=2)
    for key in ("a", "b", "a", "c", "a"):
        await cache.get(key, store.read)
    assert store.asked == 3
    await cache.get("b", store.read)
    assert store.asked == 4


async def test_a_hit_costs_microseconds_and_no_query() -> None:
    """Measured here: 20 tabs that ask ten times a second for a minute cost 12 reads, not 12,000."""
    store, cache = Store(), Cache[int](ttl=60)
    read: Callable[[], Awaitable[int]] = store.read
    await cache.get("k", read)

    async def many(count: int) -> None:
        for _ in range(count):
            await cache.get("k", read)

    began = timeit.default_timer()
    await many(20_000)
    each = (timeit.default_timer() - began) / 20_000
    assert store.asked == 1
    assert each < 50e-6, f"{each * 1e6:.1f} µs"
