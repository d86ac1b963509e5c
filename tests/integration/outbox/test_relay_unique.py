"""What the relay makes of jobs whose unique key another job holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from monarq import Producer, Unique
from monarq.jobs.record import decode_record
from monarq.jobs.state import State
from monarq.producer.relay import Relay

from .kinds import count_stock
from .stage import Stage, carry_all

pytestmark = pytest.mark.every_postgres


async def test_a_job_whose_unique_key_is_held_is_done_with(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    holder = await producer.enqueue(count_stock.of(1))
    await producer.enqueue(count_stock.of(1), connection=app)
    await producer.enqueue(count_stock.of(1), connection=app, job_id="kept", durable=True)
    await carry_all(relay)
    assert (await stage.in_redis(), await stage.outbox()) == ([holder.job_id], [])
    row = await stage.durable("kept")
    record = decode_record(row["result"])
    assert (row["state"], record.state, record.kind) == ("cancelled", State.CANCELLED, "stock.count")
    assert record.result["reason"] == f"job {holder.job_id} holds its unique key"


async def test_a_relayed_job_replaces_the_one_that_holds_its_key(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    rule = Unique(by=[], on_conflict="replace")
    holder = await producer.enqueue(count_stock.of(1), unique=rule)
    await producer.enqueue(count_stock.of(2), connection=app, unique=rule)
    await carry_all(relay)
    assert await stage.in_redis() == [holder.job_id]
    assert '"k":{"shelf":2}' in await stage.envelope(holder.job_id)


async def test_what_replaces_or_puts_off_a_durable_job_does_so_in_postgresql_too(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async def ask(number: int, rule: Unique, **options: Any) -> str:
        handle = await producer.enqueue(
            count_stock.of(number), connection=app, unique=rule, durable=True, **options
        )
        await carry_all(relay)
        return handle.job_id

    replaces = Unique(by=[], on_conflict="replace")
    holder = await ask(1, replaces)
    at = datetime.now(UTC) + timedelta(hours=1)
    await ask(2, replaces, at=at, priority="high")
    row = await stage.durable(holder)
    assert b'"k":{"shelf":2}' in row["head"]
    assert (row["rank"], row["state"]) == (1, None)
    assert abs(row["due_at"] - at) < timedelta(milliseconds=2)
    later = at + timedelta(hours=1)
    await ask(3, Unique(by=[], on_conflict="reschedule"), at=later)
    row = await stage.durable(holder)
    assert b'"k":{"shelf":2}' in row["head"]
    assert abs(row["due_at"] - later) < timedelta(milliseconds=2)
