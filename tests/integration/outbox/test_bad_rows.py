"""Anybody may write a row: one that cannot be sent is set aside alone, with its reason, and blocks nobody."""

from typing import Any

import asyncpg
import pytest

from monarq import Producer
from monarq.jobs.store.keys import JOB, queue_keys
from monarq.producer.relay import Relay

from .kinds import confirm
from .stage import Stage, carry_all, raw_row

UNIQUE = b"0123456789abcdef0123456789abcdef"
UNIQUE_HEAD = b'{"m":{"u":"end:%b","v":1,"o":1},"t":null,"f":"k","a":[],"k":{},"et":' % UNIQUE

BAD_ROWS: dict[str, dict[str, Any]] = {
    "no bytes": {"head": b""},
    "garbage": {"head": bytes(range(256))},
    "NUL bytes": {"head": b"\0" * 64 + b',"et":'},
    "no UTF-8": {"head": b'{"t":null,"f":"\xff\xfe","a":[],"k":{},"et":'},
    "a lone surrogate": {"head": b'{"t":null,"f":"k","a":["\\ud800"],"k":{},"et":'},
    "half an envelope": {"head": b'{"m":{"v":1},"t":null,"f":"k","a":[],"k":{"text":"cut,"et":'},
    "a whole envelope": {"head": b'{"t":null,"f":"k","a":[],"k":{},"et":1}'},
    "no kind": {"head": b'{"t":null,"a":[],"k":{},"et":'},
    "arguments of another type": {"head": b'{"t":null,"f":"k","a":5,"k":{},"et":'},
    "a huge number": {"head": b'{"t":null,"f":"k","a":[' + b"9" * 5_000 + b'],"k":{},"et":'},
    "deep nesting": {"head": b'{"t":null,"f":"k","a":' + b"[" * 100_000 + b',"k":{},"et":'},
    "a queue that has no such name": {"queue": "a queue"},
    "an empty queue": {"queue": ""},
    "braces in a queue": {"queue": "{default}"},
    "a strange digest": {"digest": "xyz"},
    "a digest with more behind it": {"digest": "0123456789abcdef 0123 return 0"},
    "a rule that is none": {"head": UNIQUE_HEAD, "unique_rule": "whatever"},
    "a rule of huge numbers": {"head": UNIQUE_HEAD, "unique_rule": f"{UNIQUE.decode()} return {'9' * 400}"},
    "a rule that rejects": {"head": UNIQUE_HEAD, "unique_rule": f"{UNIQUE.decode()} reject 0"},
    "a rule that the envelope does not know": {"unique_rule": f"{UNIQUE.decode()} return 0"},
    "another rule than the envelope's": {"head": UNIQUE_HEAD, "unique_rule": f"{'0' * 32} return 0"},
    "the end of time": {"due_at": "infinity"},
    "after the year 9999": {"due_at": "200000-01-01"},
}
BAD_IDS = ["", "two words", "ünïcode", "-dash", "a" * 201, "new\nline", "*"]


async def insert(app: asyncpg.Connection, row: dict[str, Any]) -> None:
    """Write a row as it is."""
    row = raw_row() | row
    due_at = row.pop("due_at", None)
    columns, marks = ", ".join(row), ", ".join(f"${place}" for place in range(1, len(row) + 1))
    due = "NULL" if due_at is None else f"'{due_at}'"
    await app.execute(f"INSERT INTO monarq.outbox ({columns}, due_at) VALUES ({marks}, {due})", *row.values())


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
async def test_a_row_that_cannot_be_sent_is_set_aside_alone(
    bad: dict[str, Any], app: asyncpg.Connection, relay: Relay, stage: Stage
) -> None:
    await insert(app, raw_row("first"))
    await insert(app, bad | {"job_id": "bad"})
    await insert(app, raw_row("last"))
    assert await carry_all(relay) == 3
    assert await stage.in_redis() == ["first", "last"]
    assert list(await stage.set_aside()) == ["bad"] == await stage.outbox()
    assert await stage.client.get(f"{JOB}bad") is None


async def test_ids_that_are_none_are_set_aside(app: asyncpg.Connection, relay: Relay, stage: Stage) -> None:
    for job_id in BAD_IDS:
        await insert(app, {"job_id": job_id})
    await insert(app, raw_row("good"))
    await carry_all(relay)
    assert await stage.in_redis() == ["good"]
    assert set(await stage.set_aside()) == set(BAD_IDS)


@pytest.mark.parametrize("due_at", ["-infinity", "0044-03-15 BC"])
async def test_what_was_due_long_ago_is_due_now_or_set_aside(
    due_at: str, app: asyncpg.Connection, relay: Relay, stage: Stage
) -> None:
    await insert(app, {"job_id": "old", "due_at": due_at})
    await insert(app, raw_row("good"))
    await carry_all(relay)
    assert "good" in await stage.in_redis()
    assert sorted([*await stage.in_redis(), *await stage.set_aside()]) == ["good", "old"]


async def test_text_with_a_nul_character_cannot_even_be_written(app: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await insert(app, {"job_id": "a\0b"})


async def test_many_bad_rows_among_good_ones_are_each_found(
    app: asyncpg.Connection, relay: Relay, stage: Stage
) -> None:
    for number in range(60):
        await insert(app, raw_row(f"job-{number}") | ({"head": b"bad"} if number % 3 == 0 else {}))
    await carry_all(relay)
    assert (len(await stage.in_redis()), len(await stage.set_aside())) == (40, 20)


async def test_a_queue_whose_key_is_something_else_keeps_no_other_waiting(
    app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    """What Redis refuses is found out by halves; mended and asked for again, it is sent."""
    broken = queue_keys("broken").ranks[2]
    await stage.client.set(broken, "no zset")
    for number in range(20):
        queue = "broken" if number % 4 == 0 else "default"
        await producer.enqueue(confirm.of(number), connection=app, job_id=f"job-{number}", queue=queue)
    await carry_all(relay)
    aside = await stage.set_aside()
    assert (len(await stage.in_redis()), len(aside)) == (15, 5)
    assert all("WRONGTYPE" in reason for reason in aside.values())

    await stage.client.delete(broken)
    await app.execute("UPDATE monarq.outbox SET set_aside_at = NULL, reason = NULL")
    await carry_all(relay)
    assert (len(await stage.in_redis("broken")), await stage.outbox()) == (5, [])


async def test_one_unusable_unique_key_is_found_among_many_rows(
    app: asyncpg.Connection, relay: Relay, stage: Stage
) -> None:
    good = b'{"m":{"u":"end:%b","v":1,"o":1},"t":null,"f":"k","a":[],"k":{},"et":'
    for number in range(8):
        digest = f"{number:032x}"
        rule = {"head": good % digest.encode(), "unique_rule": f"{digest} return 0"}
        await insert(app, raw_row(f"job-{number}") | rule)
    await stage.client.rpush(queue_keys("default").unique(f"{5:032x}"), "no string")
    await carry_all(relay)
    done = [*await stage.in_redis(), *await stage.set_aside()]
    assert sorted(done) == [f"job-{number}" for number in range(8)]
