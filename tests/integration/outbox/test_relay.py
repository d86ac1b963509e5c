"""What the relay brings to Redis, in which order, and what it leaves alone."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from monarq import JobNotFound, Producer, Reason, Settings, State
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import held
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.statements import statement
from monarq.producer.relay import Relay
from tests.integration.worker.deadlines import eventually
from tests.proxy import Proxy
from tests.tracing import Spans, traceparent_of

from .conftest import MakeRelay
from .kinds import audit, bill, confirm
from .stage import Stage, carry_all, running

pytestmark = pytest.mark.every_postgres


async def test_a_committed_job_comes_to_redis_and_leaves_the_outbox(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async with app.transaction():
        handle = await producer.enqueue(audit.of(7), connection=app)
        assert (await relay.carry()).taken == 0
    assert (await relay.carry()).taken == 1
    assert await stage.outbox() == []
    assert await stage.in_redis("audit") == [handle.job_id]
    assert await stage.client.zscore(queue_keys("audit").ranks[3], handle.job_id)
    assert (await stage.envelope(handle.job_id)).startswith('{"m":{"v":1,"o":1,"q":"audit","p":"low"}')
    assert await stage.client.smembers("monarq:queues") == {"audit"}


async def test_a_durable_job_comes_with_its_mark_and_stays_in_its_own_table(
    producer: Producer, relay: Relay, stage: Stage
) -> None:
    handle = await producer.enqueue(bill.of(7))
    await carry_all(relay)
    assert (await stage.envelope(handle.job_id)).startswith('{"m":{"v":1,"d":1,"o":1}')
    assert (await stage.durable(handle.job_id))["state"] is None


async def test_a_handle_knows_its_job_before_redis_does(producer: Producer, relay: Relay) -> None:
    handle = await producer.enqueue(bill.of(7))
    assert await handle.status() is State.SCHEDULED
    assert (await handle.why()).reason is Reason.RELAYING
    await carry_all(relay)
    assert await handle.status() is State.READY
    assert (await handle.why()).reason is Reason.UNSERVED
    with pytest.raises(JobNotFound):
        await producer.job("nobody").status()
    assert (await producer.why("nobody")).reason is Reason.NO_TRACE


async def test_a_job_that_is_relayed_between_two_looks_is_found(
    producer: Producer, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_late(database: Database, job_id: str) -> None:
        await carry_all(relay)

    monkeypatch.setattr(held, "find_held", find_late)
    handle = await producer.enqueue(bill.of(7))
    assert await handle.status() is State.READY
    handle = await producer.enqueue(bill.of(8))
    assert (await handle.why()).reason is Reason.UNSERVED


async def test_a_job_comes_with_the_trace_that_it_was_enqueued_in(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage, spans: Spans
) -> None:
    one = await producer.enqueue(audit.of(7), connection=app)
    durable = await producer.enqueue(bill.of(7))
    await carry_all(relay)
    for handle, span in zip((one, durable), spans("send"), strict=True):
        assert f'"c":"{traceparent_of(span)}"}}' in await stage.envelope(handle.job_id)


async def test_a_job_that_may_start_later_starts_later(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await producer.enqueue(confirm.of(1), connection=app, job_id="later", delay=timedelta(minutes=10))
    await producer.enqueue(confirm.of(2), connection=app, job_id="now")
    await carry_all(relay)
    scores = dict(await stage.client.zrange(queue_keys("default").ranks[2], 0, -1, withscores=True))
    assert 595_000 < scores["later"] - scores["now"] < 605_000


async def test_the_oldest_come_first_and_a_batch_has_an_end(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    handles = await producer.enqueue_many(map(confirm.of, range(1_200)), connection=app)
    taken = [(await relay.carry()).taken for _ in range(4)]
    assert taken == [500, 500, 200, 0]
    assert sorted(await stage.in_redis()) == sorted(handle.job_id for handle in handles)  # type: ignore[union-attr]


async def test_a_job_that_redis_has_already_is_not_written_again(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await producer.enqueue(confirm.of(7), job_id="order-7", delay=60)
    before = await stage.envelope("order-7")
    await producer.enqueue(confirm.of(7), connection=app, job_id="order-7")
    await carry_all(relay)
    assert (await stage.envelope("order-7"), await stage.outbox()) == (before, [])


async def test_an_id_that_is_another_job_s_is_set_aside_and_blocks_nobody(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await producer.enqueue(confirm.of(7), job_id="order-7")
    await producer.enqueue(confirm.of(8), connection=app, job_id="order-7")
    other = await producer.enqueue(confirm.of(9), connection=app)
    assert await carry_all(relay) == 2
    assert list(await stage.set_aside()) == ["order-7"]
    assert "another job has this id" in (await stage.set_aside())["order-7"]
    assert other.job_id in await stage.in_redis()


async def test_tagged_queues_are_served_as_well(
    redis_url: str, database_url: str, app: asyncpg.Connection, make_relay: MakeRelay, stage: Stage
) -> None:
    settings = Settings(redis_url=redis_url, database_url=database_url, hash_tags=True)
    async with Producer.connect(settings=settings) as producer:
        handle = await producer.enqueue(confirm.of(7), connection=app)
    await carry_all(make_relay(hash_tags=True))
    assert await stage.client.zrange(queue_keys("default", tagged=True).ranks[2], 0, -1) == [handle.job_id]


# --- no order of ids, no cursor


async def test_what_is_written_early_and_committed_late_is_not_passed_over(
    app: asyncpg.Connection, database_url: str, producer: Producer, relay: Relay, stage: Stage
) -> None:
    slow = await asyncpg.connect(database_url)
    transaction = slow.transaction()
    await transaction.start()
    early = await producer.enqueue(confirm.of(1), connection=slow)
    late = await producer.enqueue(confirm.of(2), connection=app)
    assert late.job_id > early.job_id
    assert await carry_all(relay) == 1
    assert await stage.in_redis() == [late.job_id]
    await transaction.commit()
    assert await carry_all(relay) == 1
    assert sorted(await stage.in_redis()) == [early.job_id, late.job_id]
    await slow.close()


async def test_taking_rows_reads_no_more_of_the_table_than_the_batch(app: asyncpg.Connection) -> None:
    """However many rows wait or are set aside, and whatever PostgreSQL believes of the table."""
    await app.execute(
        "INSERT INTO monarq.outbox (job_id, queue, kind, head, set_aside_at, reason)"
        " SELECT number, 'default', 'k', '', CASE WHEN number % 2 = 0 THEN now() END,"
        " CASE WHEN number % 2 = 0 THEN 'bad' END FROM generate_series(1, 20000) AS number"
    )
    async with app.transaction():
        await app.execute(statement("outbox_before_take"))
        plan = "\n".join(row[0] for row in await app.fetch("EXPLAIN " + statement("outbox_take"), 500))
    assert "outbox_pending" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


# --- several of them


async def test_several_relays_share_the_work_and_send_each_job_once(
    app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage
) -> None:
    relays = [make_relay() for _ in range(3)]
    for relay in relays:
        assert (await relay.carry()).taken == 0  # each has its connections now
    await producer.enqueue_many(map(confirm.of, range(4_000)), connection=app)
    taken = await asyncio.gather(*map(carry_all, relays))
    assert sum(taken) == 4_000
    assert min(taken) > 0
    assert len(await stage.in_redis()) == 4_000
    assert await stage.client.hget(queue_keys("default").stats, "enqueued") == "4000"


async def test_a_row_that_another_relay_holds_keeps_nobody_waiting(
    app: asyncpg.Connection, database_url: str, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await producer.enqueue(confirm.of(1), connection=app, job_id="held")
    await producer.enqueue(confirm.of(2), connection=app, job_id="free")
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.fetch("SELECT FROM monarq.outbox WHERE job_id = 'held' FOR UPDATE")
        assert await carry_all(relay) == 1
        assert await stage.in_redis() == ["free"]
    assert await carry_all(relay) == 1
    await other.close()


async def test_a_relay_that_freezes_in_a_batch_gives_its_rows_up(
    app: asyncpg.Connection,
    producer: Producer,
    make_relay: MakeRelay,
    stage: Stage,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has sent them, and does not get to commit: PostgreSQL ends its transaction."""
    from monarq.jobs.store.postgres.repositories import outbox

    original = outbox.statement
    swift = {"outbox_before_take": "SET LOCAL idle_in_transaction_session_timeout = '200ms'"}
    monkeypatch.setattr(outbox, "statement", lambda name: swift.get(name) or original(name))
    await producer.enqueue(confirm.of(1), connection=app, job_id="a")
    async with Proxy(redis_url) as proxy:
        frozen = make_relay(redis_url=proxy.url)
        proxy.swallow()
        batch = asyncio.create_task(frozen.carry())
        await eventually(lambda: proxy.accepted)
        await eventually(lambda: carry_all(make_relay()))
        assert await stage.in_redis() == ["a"]
        with pytest.raises(Exception, match=r"PostgreSQL|Redis"):
            await batch


# --- being told, and finding out


@pytest.fixture
def deaf_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relays that look of their own accord only once an hour."""
    monkeypatch.setattr("monarq.producer.relay._LOOK_SECONDS", 3_600.0)


async def _listeners(stage: Stage) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    return [row[0] for row in await stage.fetch(query)]


@pytest.mark.usefixtures("deaf_to_time")
async def test_a_commit_is_heard_of(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async with running(relay):
        await eventually(lambda: _listeners(stage))
        for number in range(5):
            handle = await producer.enqueue(confirm.of(number), connection=app)
            await eventually(lambda: stage.has(handle.job_id))  # noqa: B023 - awaited at once


@pytest.mark.usefixtures("deaf_to_time")
async def test_who_no_longer_hears_listens_again_and_then_looks_for_what_was_missed(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async with running(relay):
        [listener] = await eventually(lambda: _listeners(stage))
        async with app.transaction():
            handle = await producer.enqueue(confirm.of(1), connection=app)
            await stage.fetch("SELECT pg_terminate_backend($1)", listener)
            await eventually(lambda: _has_gone(stage, listener))
        await eventually(lambda: stage.has(handle.job_id))
        assert listener not in await eventually(lambda: _listeners(stage))
        again = await producer.enqueue(confirm.of(2), connection=app)
        await eventually(lambda: stage.has(again.job_id))


async def test_what_nobody_announced_is_found(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await app.execute("ALTER TABLE monarq.outbox DISABLE TRIGGER announce")
    async with running(relay):
        await eventually(lambda: _listeners(stage))
        handle = await producer.enqueue(confirm.of(1), connection=app)
        await eventually(lambda: stage.has(handle.job_id))


@pytest.mark.usefixtures("deaf_to_time")
async def test_a_full_outbox_is_emptied_at_one_go(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    await producer.enqueue_many(map(confirm.of, range(1_700)), connection=app)
    async with running(relay):
        await eventually(stage.is_empty)
    assert len(await stage.in_redis()) == 1_700


async def test_killed_connections_lose_nothing(
    app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage
) -> None:
    """Every backend of the relays is ended again and again while jobs come in."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    sent = set()
    async with running(make_relay(), make_relay()):
        for round_ in range(20):
            handles = await producer.enqueue_many(map(confirm.of, range(200)), connection=app)
            sent |= {handle.job_id for handle in handles}  # type: ignore[union-attr]
            await app.fetch(query + "AND pid <> pg_backend_pid() AND random() < $1::float", 0.3 + round_ % 2)
        await eventually(stage.is_empty)
    assert set(await stage.in_redis()) == sent
    assert await stage.client.hget(queue_keys("default").stats, "enqueued") == "4000"


async def test_a_relay_that_is_cancelled_in_a_batch_leaves_all_for_the_next(
    app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage
) -> None:
    await producer.enqueue_many(map(confirm.of, range(3_000)), connection=app)
    for _ in range(25):
        batch = asyncio.create_task(make_relay().carry())
        for _ in range(25):
            await asyncio.sleep(0)
        batch.cancel()
        await asyncio.wait([batch])
    await carry_all(make_relay())
    assert len(await stage.in_redis()) == 3_000
    assert await stage.client.hget(queue_keys("default").stats, "enqueued") == "3000"


async def _has_gone(stage: Stage, pid: int) -> Any:
    return not await stage.fetch("SELECT FROM pg_stat_activity WHERE pid = $1", pid)
