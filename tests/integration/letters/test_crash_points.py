"""Whoever moves or replays letters is killed before and after each of his steps: none is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from monarq.jobs.store.dead_letters import DeadLetters, open_dead_letters
from monarq.jobs.store.keys import FAILURES, queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.postgres.archive import Archive
from monarq.jobs.store.redis_letters import RedisDeadLetters
from monarq.jobs.store.verbs import Verb
from tests.contract.store import Store, an_end

from .graveyard import AT_ONCE, ORIGIN, DatabaseGraveyard, open_graveyard
from .mortal import died_at

QUEUE = queue_keys("default")
NAMES = [f"a{number}" for number in range(5)]
#: More than any of them takes.
MOST_STEPS = 60

before_and_after = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


@pytest.fixture
async def yard(redis_url: str, database_url: str) -> AsyncIterator[DatabaseGraveyard]:
    async with open_graveyard(redis_url, database_url) as yard:
        assert isinstance(yard, DatabaseGraveyard)
        yield yard


async def clear(yard: DatabaseGraveyard) -> None:
    await yard.link.call("FLUSHALL")
    await yard.rows("TRUNCATE monarq.dead_letters")


async def move_and_die(yard: DatabaseGraveyard, steps: int, *, after: bool) -> bool:
    async def work(mortal_link: Any, mortal_database: Any) -> None:
        archive = Archive(mortal_link(yard.link), mortal_database(yard.database), keep=timedelta(days=1))
        await archive.move_all(QUEUE, older_than=AT_ONCE)

    return await died_at(steps, work, after=after)


async def replay_and_die(yard: DatabaseGraveyard, steps: int, *, after: bool) -> bool:
    async def work(mortal_link: Any, mortal_database: Any) -> None:
        letters = open_dead_letters(mortal_link(yard.link), mortal_database(yard.database), origin=ORIGIN)
        await letters.replay(NAMES)

    return await died_at(steps, work, after=after)


async def marks(yard: DatabaseGraveyard, job_id: str) -> int:
    records = await yard.link.call("LRANGE", FAILURES + job_id, 0, -1)
    return sum(b'"cause":"replay"' in record for record in records)


async def assert_each_is_replayed_once(yard: DatabaseGraveyard) -> None:
    assert await yard.ready() == set(NAMES)
    assert [await marks(yard, name) for name in NAMES] == [1] * len(NAMES)
    assert await yard.letters.count() == 0
    assert await yard.rows("SELECT 1 FROM monarq.dead_letters") == []
    assert await yard.link.call("EXISTS", QUEUE.archived, QUEUE.revived) == 0


@before_and_after
async def test_an_archiver_that_is_killed_loses_and_doubles_no_letter(
    yard: DatabaseGraveyard, after: bool
) -> None:
    for steps in range(1, MOST_STEPS):
        await clear(yard)
        await yard.bury(*NAMES)
        was_killed = await move_and_die(yard, steps, after=after)
        assert sorted(await yard.ids()) == NAMES
        assert await yard.letters.count() == len(NAMES)
        assert (await yard.letters.survey(LetterFilter())).count == len(NAMES)
        await yard.move()
        assert await yard.link.call("EXISTS", QUEUE.dead, QUEUE.archived) == 0
        assert len(await yard.rows("SELECT 1 FROM monarq.dead_letters WHERE moved_at IS NOT NULL")) == 5
        assert sorted(await yard.ids()) == NAMES
        assert await yard.letters.replay(NAMES) == [True] * len(NAMES)
        await assert_each_is_replayed_once(yard)
        if not was_killed:
            return
    pytest.fail("it never came to its end")


@before_and_after
async def test_what_is_replayed_in_redis_after_an_archiver_was_killed_is_no_letter_any_more(
    yard: DatabaseGraveyard, after: bool
) -> None:
    """By somebody who knows of no database, while a copy lies there already."""
    for steps in range(1, MOST_STEPS):
        await clear(yard)
        await yard.bury(*NAMES)
        was_killed = await move_and_die(yard, steps, after=after)
        of_redis = await RedisDeadLetters(yard.link, origin=ORIGIN).replay(NAMES)
        await yard.move()
        of_both = await yard.letters.replay(NAMES)
        assert [a != b for a, b in zip(of_redis, of_both, strict=True)] == [True] * len(NAMES)
        await assert_each_is_replayed_once(yard)
        if not was_killed:
            return
    pytest.fail("it never came to its end")


@before_and_after
@pytest.mark.parametrize("moved", [True, False])
async def test_a_replay_that_is_killed_and_begun_again_replays_each_letter_once(
    yard: DatabaseGraveyard, after: bool, moved: bool
) -> None:
    for steps in range(1, MOST_STEPS):
        await clear(yard)
        await yard.bury(*NAMES)
        if moved:
            await yard.move()
        was_killed = await replay_and_die(yard, steps, after=after)
        await yard.letters.replay(NAMES)
        await assert_each_is_replayed_once(yard)
        if not was_killed:
            return
    pytest.fail("it never came to its end")


@before_and_after
async def test_what_ran_after_a_replay_that_was_killed_does_not_run_again(
    yard: DatabaseGraveyard, after: bool
) -> None:
    """The job has succeeded and left no trace; its row must not bring it back."""
    store = Store(yard.link, None, QUEUE)  # type: ignore[arg-type]
    for steps in range(1, MOST_STEPS):
        await clear(yard)
        await yard.bury(*NAMES)
        await yard.move()
        was_killed = await replay_and_die(yard, steps, after=after)
        first = await store.claim(10)
        await store.settle(*(an_end(job, Verb.SUCCEEDED, result=None) for job in first)) if first else None
        await yard.letters.replay(NAMES)
        second = await store.claim(10)
        assert sorted(job.job_id for job in [*first, *second]) == NAMES
        assert await yard.letters.count() == 0
        if not was_killed:
            return
    pytest.fail("it never came to its end")


@before_and_after
async def test_a_discard_that_is_killed_and_begun_again_leaves_nothing(
    yard: DatabaseGraveyard, after: bool
) -> None:
    async def work(mortal_link: Any, mortal_database: Any) -> None:
        letters = open_dead_letters(mortal_link(yard.link), mortal_database(yard.database))
        await letters.discard(NAMES)

    for steps in range(1, MOST_STEPS):
        await clear(yard)
        await yard.bury(*NAMES)
        await yard.move()
        was_killed = await died_at(steps, work, after=after)
        await yard.letters.discard(NAMES)
        assert await yard.letters.count() == 0
        assert await yard.ready() == set()
        if not was_killed:
            return
    pytest.fail("it never came to its end")


async def test_archivers_and_replayers_at_once_replay_each_letter_once(
    yard: DatabaseGraveyard, redis_url: str, database_url: str
) -> None:
    """One of them knows of no database."""
    names = [f"n{number:04}" for number in range(600)]
    await yard.bury(*names)
    async with (
        open_graveyard(redis_url, database_url) as ann,
        open_graveyard(redis_url, database_url) as bob,
        open_graveyard(redis_url, None) as carl,
    ):
        assert isinstance(ann, DatabaseGraveyard)
        assert isinstance(bob, DatabaseGraveyard)

        async def replay_all(letters: DeadLetters) -> int:
            done = 0
            async for page in letters.select(LetterFilter()):
                for at in range(0, len(page), 20):
                    done += len(await letters.replay_heads(page[at : at + 20]))
            return done

        _, _, *counts = await asyncio.gather(
            ann.move(), bob.move(), *(replay_all(one.letters) for one in (ann, bob, carl, yard))
        )
    await yard.move()
    assert sum(counts) + await replay_all(yard.letters) == len(names)
    assert await yard.ready() == set(names)
    assert [await marks(yard, name) for name in names] == [1] * len(names)
    assert await yard.rows("SELECT 1 FROM monarq.dead_letters") == []


async def test_two_archivers_at_once_move_each_letter_once(
    yard: DatabaseGraveyard, redis_url: str, database_url: str
) -> None:
    names = [f"n{number:04}" for number in range(500)]
    await yard.bury(*names)
    async with open_graveyard(redis_url, database_url) as other:
        assert isinstance(other, DatabaseGraveyard)
        await asyncio.gather(yard.move(), other.move(), yard.move())
    assert sorted(await yard.ids()) == names
    rows = await yard.rows("SELECT job_id FROM monarq.dead_letters WHERE moved_at IS NOT NULL")
    assert sorted(row["job_id"] for row in rows) == names
    assert await yard.link.call("EXISTS", QUEUE.dead, QUEUE.archived) == 0
