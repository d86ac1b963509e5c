"""Two hundred thousand letters in PostgreSQL, where no limit drops any: moved, grouped, listed and found."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from tests.integration.store.test_many_letters import BUGS, bury_many

from .graveyard import DatabaseGraveyard, open_graveyard

LETTERS = 200_000
#: Those that come here by the whole way; the others are copies of them, under other ids.
MOVED = 5_000
_MULTIPLY = """
INSERT INTO monarq.dead_letters
SELECT copy.* FROM monarq.dead_letters AS letter, generate_series(1, $1) AS n, jsonb_populate_record(
    letter,
    jsonb_build_object('job_id', letter.job_id || '-' || n, 'died_at', letter.died_at + n * interval '1 s')
) AS copy
"""


@pytest.fixture
async def yard(redis_url: str, database_url: str) -> AsyncIterator[DatabaseGraveyard]:
    async with open_graveyard(redis_url, database_url) as yard:
        assert isinstance(yard, DatabaseGraveyard)
        yield yard


async def seconds_of(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


@pytest.mark.slow
async def test_two_hundred_thousand_letters_are_grouped_in_seconds(
    yard: DatabaseGraveyard, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Redis.from_url(redis_url) as client:
        await bury_many(client, MOVED)
    took = {"moved": await seconds_of(yard.move)}
    assert await yard.link.call("ZCARD", queue_keys("default").dead) == 0
    await yard.rows(_MULTIPLY, LETTERS // MOVED - 1)
    took["grouped"] = min([await seconds_of(yard.letters.groups) for _ in range(3)])
    groups = await yard.letters.groups()
    assert (len(groups), sum(group.count for group in groups)) == (len(BUGS), LETTERS)
    took["listed"] = await seconds_of(yard.letters.list)
    of_group = LetterFilter(fingerprint=groups[0].fingerprint)
    took["listed, of one group"] = await seconds_of(lambda: yard.letters.list(of_group))
    by_text = LetterFilter(text="stamp for letter 1 does")
    took["a text that nowhere is"] = await seconds_of(lambda: yard.letters.list(by_text))
    with capsys.disabled():
        print(
            f"\n{MOVED:,} of {LETTERS:,} letters "
            + ", ".join(f"{name} in {took[name]:.2f} s" for name in took)
        )
    assert took["grouped"] < 5
