"""Restoring what Redis has lost, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import FAILURES, JOB, QUEUES, STARTS, queue_keys
from monarq.jobs.store.postgres import reconciling
from monarq.jobs.store.postgres.reconciling import Restored
from monarq.jobs.store.verbs import End, Verb, settle
from tests.integration.worker.deadlines import eventually

from .rows import ENQUEUED, Pair, Row, many, open_pair

pytestmark = pytest.mark.every_postgres

_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
async def pair(redis_url: str, database_url: str) -> AsyncIterator[Pair]:
    async with open_pair(redis_url, database_url) as opened:
        yield opened


async def restored(pair: Pair) -> tuple[int, int]:
    """Jobs that were restored, and jobs that were renumbered."""
    done = await pair.reconciler.restore()
    assert done is not None
    return done.restored, done.renumbered


async def test_what_was_flushed_is_restored_where_it_stood(pair: Pair) -> None:
    rows = [
        Row(job_id="low", rank=3),
        Row(job_id="critical", rank=0, created_at=ENQUEUED + timedelta(seconds=1)),
        Row(job_id="later", due_at=_FUTURE),
        Row(job_id="mail", queue="mail"),
    ]
    await pair.write(rows)
    await pair.push(rows)
    await pair.link.call("FLUSHALL")
    assert await pair.reconciler.restore() == Restored(open=4, restored=4)
    call = pair.link.call
    keys = queue_keys("default")
    ms = round(ENQUEUED.timestamp() * 1000)
    assert int(await call("ZSCORE", keys.ranks[3], "low")) == ms
    assert int(await call("ZSCORE", keys.ranks[0], "critical")) == ms + 1000
    assert int(await call("ZSCORE", keys.ranks[2], "later")) == round(_FUTURE.timestamp() * 1000)
    assert await call("GET", JOB + "low") == Row(job_id="low", rank=3).head + b"%d}" % ms
    assert await pair.waiting("mail") == {"mail"}
    assert sorted(await call("SMEMBERS", QUEUES)) == [b"default", b"mail"]


async def test_many_are_restored_in_steps_each_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "_STEP", 250)
    rows = many(1_100)
    await pair.write(rows)
    await pair.push(rows[:300])
    seen: list[int] = []
    assert await pair.reconciler.restore(seen.append) == Restored(open=1_100, restored=800)
    assert await pair.waiting() == {row.job_id for row in rows}
    assert seen == [250, 500, 750, 1_000, 1_100]


async def test_rows_of_one_moment_are_all_seen(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "_STEP", 7)
    await pair.write(Row(job_id=f"j{n}") for n in range(50))
    assert await restored(pair) == (50, 0)


async def test_what_is_there_is_left_alone(pair: Pair) -> None:
    rows = many(20)
    await pair.write(rows)
    await pair.push(rows)
    claimed = await pair.claim(5)
    assert (await pair.reconciler.difference()).is_none
    assert await restored(pair) == (0, 0)
    assert await pair.claim(100, worker="v") == {row.job_id: 1 for row in rows if row.job_id not in claimed}


async def test_what_has_ended_is_not_restored(pair: Pair) -> None:
    await pair.write([Row(job_id="done", state="succeeded"), Row(job_id="dead", state="dead")])
    assert await restored(pair) == (0, 0)
    assert await pair.waiting() == set()


async def test_what_a_relay_has_still_to_send_is_left_to_it(pair: Pair) -> None:
    await pair.write([Row(job_id="a"), Row(job_id="set-aside")])
    await _to_the_outbox(pair, "a")
    await _to_the_outbox(pair, "set-aside", reason="refused")
    assert (await pair.reconciler.difference()).is_none
    assert await restored(pair) == (0, 0)
    assert await pair.waiting() == set()


async def test_a_row_that_a_relay_has_in_hand_is_waited_for(pair: Pair, database_url: str) -> None:
    """It may have sent the job to Redis before that was flushed, and is about to forget the row."""
    await pair.write([Row(job_id="a")])
    await _to_the_outbox(pair, "a")
    relay = await asyncpg.connect(database_url)
    transaction = relay.transaction()
    await transaction.start()
    await relay.execute("SELECT FROM monarq.outbox FOR UPDATE SKIP LOCKED")
    await relay.execute("DELETE FROM monarq.outbox")
    restoring = asyncio.create_task(restored(pair))
    await eventually(lambda: _somebody_waits(pair))
    await transaction.commit()
    await relay.close()
    assert await restoring == (1, 0)


async def test_a_job_whose_end_is_being_recorded_is_not_restored(pair: Pair, database_url: str) -> None:
    """Its worker records it in PostgreSQL first, and may then find nothing in Redis."""
    await pair.write([Row(job_id="a", fence=1, worker="w")])
    worker = await asyncpg.connect(database_url)
    transaction = worker.transaction()
    await transaction.start()
    await worker.execute("UPDATE monarq.durable_jobs SET state = 'succeeded', ended_at = now()")
    restoring = asyncio.create_task(restored(pair))
    await eventually(lambda: _somebody_waits(pair))
    await transaction.commit()
    await worker.close()
    assert await restoring == (0, 0)
    assert await pair.waiting() == set()


async def test_no_number_of_an_attempt_comes_twice(pair: Pair) -> None:
    """PostgreSQL need not know of all: a worker that could not reach it has run jobs all the same."""
    await pair.write([Row(job_id="a")])
    numbers = set()
    for _ in range(3):
        await restored(pair)
        numbers.add((await pair.claim())["a"])
        await pair.link.call("FLUSHALL")
    assert len(numbers) == 3
    assert min(numbers) > 1_000_000


async def test_a_number_that_postgresql_knows_is_passed(pair: Pair) -> None:
    await pair.write([Row(job_id="a", fence=7_000_000, worker="w")])
    await restored(pair)
    assert int(await pair.link.call("GET", STARTS + "a")) == 7_000_000


async def test_a_job_that_has_begun_comes_after_a_lease_with_what_it_has_spent(pair: Pair) -> None:
    """Its worker may still run it: it ends it in PostgreSQL, or notices that it has lost its lease."""
    await pair.write([Row(job_id="a", fence=3, worker="w", spent=2)])
    await restored(pair)
    assert await pair.claim() == {}
    assert await pair.waiting() == {"a"}
    [record] = await pair.link.call("LRANGE", FAILURES + "a", 0, -1)
    assert record.startswith(b'{"spent":2,"crashes":0,"lapses":0,"cause":"interruption","fence":3')


async def test_a_job_whose_attempts_would_be_numbered_again_is_renumbered(pair: Pair) -> None:
    """Redis was set back: it has the job, but not its last attempts."""
    row = Row(job_id="a", fence=4, worker="w")
    await pair.write([row])
    await pair.push([row])
    found = await pair.reconciler.difference()
    assert (found.behind.count, found.missing.count) == (1, 0)
    assert await restored(pair) == (0, 1)
    assert (await pair.claim())["a"] > 4


async def test_a_dead_letter_of_a_job_that_lives_again_gives_way(pair: Pair) -> None:
    row = Row(job_id="a")
    await pair.write([row])
    await pair.push([row])
    await pair.claim()
    end = End("a", "w:1", Verb.DEAD)
    await execute(pair.link, settle(queue_keys("default"), [end], worker="w", nonce="s"))
    assert await restored(pair) == (1, 0)
    assert await pair.waiting() == {"a"}


async def test_an_end_that_redis_keeps_for_postgresql_is_recorded_first(pair: Pair) -> None:
    """The job has run while PostgreSQL was away, and nothing else is left of it."""
    await _end_while_postgresql_is_away(pair, "a")
    found = await pair.reconciler.difference()
    assert (found.open, found.missing.count) == (1, 0)
    assert await restored(pair) == (0, 0)
    assert await pair.sql.fetchval("SELECT state FROM monarq.durable_jobs") == "succeeded"


async def test_an_end_that_is_kept_meanwhile_is_no_missing_job(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after those that were kept had been recorded."""

    async def nothing(*_: Any) -> int:
        return 0

    monkeypatch.setattr(reconciling, "drain", nothing)
    await _end_while_postgresql_is_away(pair, "a")
    await pair.write([Row(job_id="b")])
    assert await restored(pair) == (1, 0)
    assert await pair.waiting() == {"b"}


async def test_the_difference_changes_nothing_and_names_some(pair: Pair) -> None:
    rows = many(30)
    await pair.write(rows)
    await pair.push(rows[20:])
    await pair.end(rows[29].job_id)
    before = await _everything(pair)
    found = await pair.reconciler.difference()
    assert await _everything(pair) == before
    assert (found.open, found.missing.count, found.behind.count, found.ended.count) == (29, 20, 0, 1)
    assert found.missing.samples == [row.job_id for row in rows[:10]]
    assert found.ended.samples == [rows[29].job_id]


async def test_a_job_that_runs_while_its_end_is_known_is_about_to_be_settled(pair: Pair) -> None:
    row = Row(job_id="a")
    await pair.write([row])
    await pair.push([row])
    await pair.claim()
    await pair.end("a")
    assert (await pair.reconciler.difference()).ended.count == 0


async def test_a_queue_that_no_name_can_have_keeps_nobody_else(pair: Pair) -> None:
    await pair.write([Row(job_id="a", queue="no queue"), Row(job_id="b")])
    assert await restored(pair) == (1, 0)
    assert await pair.waiting() == {"b"}


async def test_a_unique_key_is_held_again(pair: Pair) -> None:
    digest = "d" * 32
    await pair.write([Row(job_id="a", unique=f"end:{digest}", unique_rule=f"{digest} return 0")])
    await restored(pair)
    assert await pair.link.call("GET", queue_keys("default").unique(digest)) == b"a"


async def test_two_at_once_restore_each_job_once(pair: Pair, redis_url: str, database_url: str) -> None:
    rows = many(3_000)
    await pair.write(rows)
    async with open_pair(redis_url, database_url) as other:
        done = await asyncio.gather(pair.reconciler.restore(), other.reconciler.restore())
    assert sum(one.restored for one in done if one) == len(rows)
    assert await pair.waiting() == {row.job_id for row in rows}
    assert int(await pair.link.call("HGET", queue_keys("default").stats, "restored")) == len(rows)
    assert await pair.watch.look() is None


async def test_restoring_while_jobs_are_claimed_and_end_restores_none_of_them_again(pair: Pair) -> None:
    rows = many(2_000)
    await pair.write(rows)
    await pair.push(rows)
    ended: list[str] = []

    async def work() -> None:
        while claimed := await pair.claim(50):
            await pair.end(*claimed)  # first in PostgreSQL, then in Redis
            ends = [End(job_id, f"w:{starts}", Verb.SUCCEEDED) for job_id, starts in claimed.items()]
            await execute(pair.link, settle(queue_keys("default"), ends, worker="w", nonce=ends[0].job_id))
            ended.extend(claimed)
            if len(ended) == len(rows) // 2:
                await eventually(lambda: rounds > 1)

    working = asyncio.create_task(work())
    rounds = 0
    while not working.done():
        assert await restored(pair) == (0, 0)
        rounds += 1
    await working
    assert sorted(ended) == [row.job_id for row in rows]


# ---


async def _to_the_outbox(pair: Pair, job_id: str, reason: str | None = None) -> None:
    await pair.sql.execute(
        "INSERT INTO monarq.outbox (job_id, queue, kind, head, set_aside_at, reason) VALUES "
        "($1, 'default', 'test.kind', '{', CASE WHEN $2::text IS NULL THEN NULL ELSE now() END, $2)",
        job_id,
        reason,
    )


async def _end_while_postgresql_is_away(pair: Pair, job_id: str) -> None:
    row = Row(job_id=job_id)
    await pair.write([row])
    await pair.push([row])
    await pair.claim()
    end = End(job_id, "w:1", Verb.SUCCEEDED, is_kept=True)
    await execute(pair.link, settle(queue_keys("default"), [end], worker="w", nonce="s"))
    assert await pair.waiting() == set()


async def _somebody_waits(pair: Pair) -> bool:
    return await pair.sql.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")  # type: ignore[no-any-return]


async def _everything(pair: Pair) -> dict[Any, Any]:
    keys = sorted(await pair.link.call("KEYS", "*"))
    return {key: await pair.link.call("DUMP", key) for key in keys}
