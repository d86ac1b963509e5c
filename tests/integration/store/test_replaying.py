"""Replaying many letters: paced, stopped, begun again; at a real server, without a worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monarq.jobs.errors import StoreError, StoreUnavailable
from monarq.jobs.failure import Cause
from monarq.jobs.store import keys
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import Origin, Selection, open_dead_letters
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.replaying import Plan, Replaying, Stopped
from monarq.jobs.store.verbs import Verb
from tests.contract.store import Store, a_failure, an_end
from tests.integration.cli.burial import bury
from tests.proxy import Proxy

ALL = LetterFilter()
AT_ONCE = Plan()


@pytest.fixture
async def direct(redis_url: str) -> AsyncIterator[Link]:
    link = Link(from_url(redis_url))
    yield link
    await link.close()


def replaying(link: Link, selection: Selection = ALL, plan: Plan = AT_ONCE, **options: Any) -> Replaying:
    letters = open_dead_letters(link, origin=Origin(actor="ann@desk"))
    return Replaying(letters, link, selection, plan, **options)


async def ready(store: Store) -> dict[str, int]:
    """The jobs that wait, and since when by the server's clock, ms."""
    flat = await store.call("ZRANGE", store.queue.ranks[2], 0, -1, "WITHSCORES")
    return {job_id.decode(): int(score) for job_id, score in zip(flat[::2], flat[1::2], strict=True)}


async def marks(store: Store, job_id: str) -> int:
    return [failure.cause for failure in await store.failures(job_id)].count(Cause.REPLAY)


async def test_every_letter_that_is_meant_is_replayed_and_no_other(store: Store, direct: Link) -> None:
    await bury(direct, *(f"a{number:03}" for number in range(450)))
    await bury(direct, "quiet", kind="quiet")
    await bury(direct, "elsewhere", queue="mail")
    told: list[int] = []
    run = replaying(direct, LetterFilter(queue="default", kind="boom"), on_progress=told.append)
    await run.run()
    assert (len(run.replayed), run.stopped, told[-1]) == (450, None, 450)
    assert len(await ready(store)) == 450
    assert {letter.job_id for letter in await open_dead_letters(direct).list()} == {"quiet", "elsewhere"}


async def test_a_paced_replay_is_paced_by_the_servers_clock(store: Store, direct: Link) -> None:
    rate = 200
    await bury(direct, *(f"a{number:03}" for number in range(100)))
    before = await store.now()
    await replaying(direct, plan=Plan(rate=rate)).run()
    times = sorted((await ready(store)).values())
    assert len(times) == 100
    stride = rate // 10
    assert times[-1] - before >= (100 - stride) / rate * 1000 - 20  # the loop's timer may be a little early
    for at in times:
        assert sum(at <= other < at + 100 for other in times) <= 2 * stride


async def test_letters_that_die_during_the_replay_are_not_replayed_again(store: Store, direct: Link) -> None:
    """Else a bug that is still there would go round for ever."""
    await bury(direct, "a", "b")
    begun = asyncio.Event()
    run = replaying(direct, plan=Plan(rate=20), on_progress=lambda count: begun.set())

    async def die_again() -> None:
        await begun.wait()
        [job] = await store.claim(1)
        await store.settle(an_end(job, Verb.DEAD, failure=a_failure()))

    await asyncio.gather(run.run(), die_again())
    assert sorted(run.replayed) == ["a", "b"]
    assert {await marks(store, "a"), await marks(store, "b")} == {1}


async def test_a_replay_that_is_told_to_stop_leaves_the_others_dead(store: Store, direct: Link) -> None:
    await bury(direct, *(f"a{number:03}" for number in range(50)))
    stop = asyncio.Event()

    def stop_after_ten(count: int) -> None:
        if count >= 10:
            stop.set()

    run = replaying(direct, plan=Plan(rate=50), stop=stop, on_progress=stop_after_ten)
    await run.run()
    assert (run.stopped, len(run.replayed)) == (Stopped.ASKED, 10)
    assert await open_dead_letters(direct).count() == 40
    assert set(await ready(store)) == set(run.replayed)


async def test_a_replay_that_is_killed_and_begun_again_replays_each_letter_once(
    store: Store, direct: Link
) -> None:
    """Also those that have died once more meanwhile: they died after `until`."""
    names = [f"a{number:03}" for number in range(60)]
    await bury(direct, *names)
    half_way = asyncio.Event()

    def tell(count: int) -> None:
        if count >= 20:
            half_way.set()

    killed = replaying(direct, plan=Plan(rate=100), on_progress=tell)
    life = asyncio.create_task(killed.run())
    await half_way.wait()
    life.cancel()
    await asyncio.wait([life])
    assert 20 <= len(killed.replayed) < 60
    assert killed.until is not None
    await _let_all_die_again(store)
    await replaying(direct, LetterFilter(until=killed.until)).run()
    assert [await marks(store, name) for name in names] == [1] * 60


async def _let_all_die_again(store: Store) -> None:
    while jobs := await store.claim(50):
        await store.settle(*(an_end(job, Verb.DEAD, failure=a_failure()) for job in jobs))


async def test_two_replays_at_once_replay_each_letter_once(store: Store, direct: Link) -> None:
    names = [f"a{number:03}" for number in range(300)]
    await bury(direct, *names)
    both = [replaying(direct), replaying(direct)]
    await asyncio.gather(*(one.run() for one in both))
    assert sorted(both[0].replayed + both[1].replayed) == names
    assert [await marks(store, name) for name in names] == [1] * 300


async def test_a_reply_that_is_lost_ends_it_and_begun_again_it_replays_each_letter_once(
    store: Store, direct: Link, proxy: Proxy, link: Link
) -> None:
    names = [f"a{number:03}" for number in range(30)]
    await bury(direct, *names)
    run = replaying(link, plan=Plan(rate=100), on_progress=lambda count: proxy.drop_reply(1))
    with pytest.raises(StoreUnavailable):
        await run.run()
    assert 0 < len(run.replayed) < 30
    again = replaying(direct, LetterFilter(until=run.until))
    await again.run()
    assert len(await ready(store)) == 30
    assert [await marks(store, name) for name in names] == [1] * 30


async def test_ids_are_replayed_at_a_pace_too(store: Store, direct: Link) -> None:
    await bury(direct, "a", "b", "c")
    run = replaying(direct, ["c", "nobody", "a", "c"])
    await run.run()
    assert sorted(run.replayed) == ["a", "c"]
    assert run.until is None


async def test_a_full_server_ends_it_and_the_letters_stay(store: Store, direct: Link) -> None:
    await bury(direct, "a")
    await store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreError):
            await replaying(direct).run()
    finally:
        await store.call("CONFIG", "SET", "maxmemory", 0)
    assert await store.call("EXISTS", keys.DEAD_LETTER + "a") == 1
