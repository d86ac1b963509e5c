"""Twenty thousand dead letters: grouped in seconds."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from monarq.jobs.envelope import encode_head
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.store import keys
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, open_dead_letters
from monarq.jobs.store.letter_filter import LetterFilter
from tests.contract.store import Store

LETTERS = 20_000
BUGS = ("no row {}", "no stamp for letter {}", "the printer of floor {} does not answer")
#: Of twelve frames, as handlers have them.
TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/srv/shop/releases/{n}/shop/step_{n}.py", line {n}, in step_{n}\n    return await step(order)\n'
    for n in range(12)
)


@pytest.fixture
async def dead(redis_url: str) -> AsyncIterator[DeadLetters]:
    link = Link(from_url(redis_url))
    yield open_dead_letters(link)
    await link.close()


async def bury_many(client: Redis, letters: int = LETTERS) -> None:
    """Written as they lie there, since so many true deaths would take longer than the test."""
    head = encode_head("shop.order", b'{"order":12345,"customer":"Ann","items":["a","b","c"],"note":"x"}')
    for at in range(0, letters, 1_000):
        pipe = client.pipeline(transaction=False)
        names = [f"{number:032x}" for number in range(at, at + 1_000)]
        pipe.mset({keys.DEAD_LETTER + name: head + b"1764000000000}" for name in names})
        pipe.zadd(keys.queue_keys("default").dead, dict.fromkeys(names, 1_764_000_000_000 + at))
        for number, name in enumerate(names, at):
            pipe.rpush(keys.FAILURES + name, a_failure(BUGS[number % len(BUGS)].format(number)))
        await pipe.execute()


def a_failure(message: str) -> bytes:
    return Failure(
        spent=5,
        crashes=0,
        cause=Cause.ERROR,
        fence=5,
        worker="web-1-4711-abcdef",
        error_type="ValueError",
        message=message,
        traceback=f"{TRACEBACK}ValueError: {message}\n",
    ).encode()


@pytest.mark.slow
async def test_twenty_thousand_letters_are_grouped_in_seconds(
    dead: DeadLetters, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    await bury_many(store.client)
    told: list[int] = []
    started, cpu_started = time.perf_counter(), time.process_time()
    groups = await dead.groups(LetterFilter(), told.append)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    with capsys.disabled():
        print(f"\n{LETTERS:,} letters grouped in {seconds:.1f} s, {cpu_seconds:.1f} s of them our own work")
    assert sum(group.count for group in groups) == LETTERS
    assert len(groups) == len(BUGS)
    assert told[-1] == LETTERS
    assert cpu_seconds < 4  # not by the clock on the wall, which a busy machine sets
