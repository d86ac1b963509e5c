"""A shop's last week, made up for pictures: traffic in waves, a bank that fails, a queue that is paused."""

import asyncio
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import redis

from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.rolling import Roller

from .crowd import Death
from .shop import Parcel, charge, render, ship, sync, welcome
from .stack import Stack, apart

_MINUTE_MS = 60_000
#: Jobs per minute at the average hour, by queue.
_TRAFFIC = {"default": 42, "mail": 95, "payments": 30, "reports": 4, "stock": 12}
#: What fails: queue, kind, type, message and how many per mille of the kind.
_BUGS = (
    ("payments", "card.charge", "CardDeclined", "order 10482: the bank does not answer", 28.0),
    ("mail", "mail.welcome", "httpx.ReadTimeout", "no answer from smtp.example.com within 30 s", 4.0),
    ("stock", "stock.sync", "ConnectionError", "warehouse north refused the connection", 11.0),
)
_HISTORY = """
INSERT INTO monarq.jobs (
    job_id, ended_at, state, queue, kind, priority, tags, worker, attempts, starts, enqueued_at, started_at,
    run_ms, wait_ms, error_type, error_message, fingerprint, payload
)
SELECT
    md5(queue || at::text || n || random()::text), at, CASE WHEN fails THEN 'dead' ELSE 'succeeded' END,
    queue, kind,
    CASE WHEN n %% 12 = 0 THEN 'high' ELSE 'normal' END, '{}', 'web-' || (1 + n %% 4) || '-4711-3fa9c1',
    CASE WHEN fails THEN 3 WHEN n %% 40 = 0 THEN 1 ELSE 0 END,
    CASE WHEN fails THEN 3 WHEN n %% 40 = 0 THEN 2 ELSE 1 END,
    at - (run_ms + wait_ms) * interval '1 ms', at - run_ms * interval '1 ms', run_ms, wait_ms,
    CASE WHEN fails THEN error_type END, CASE WHEN fails THEN message END,
    CASE WHEN fails THEN substr(md5(message), 1, 16) END, jsonb_build_object('order', 10000 + n)
FROM (
    SELECT
        minute - random() * interval '1 minute' AS at, n, random() * 1000 < per_mille AS fails,
        (typical_ms * exp(0.7 * (random() + random() - 1) * 2))::bigint AS run_ms,
        (40 * exp(1.2 * (random() + random() - 1) * 2))::bigint AS wait_ms,
        queue, kind, error_type, message
    FROM
        unnest(%s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[], %s::text[], %s::float8[])
            AS made(queue, kind, per_minute, typical_ms, error_type, message, per_mille),
        generate_series(now() - interval '7 days', now() - interval '20 s', interval '1 minute') AS minute,
        LATERAL generate_series(
            1, (per_minute * (1 + 0.55 * sin(extract(epoch FROM minute) / 86400 * 2 * pi() - 2)
                + 0.1 * random()))::int
        ) AS n
) AS jobs
"""


def make_week(stack: Stack, scale: float = 0.25) -> None:
    """A week of history, a day of samples, and what waits and fails just now.

    Args:
        scale: Of the traffic that is written into the history.
    """
    random.seed(7)
    stack.sql("SELECT monarq.make_history_days(current_date - 8, 10)")
    _write_history(stack, scale)
    with redis.Redis.from_url(stack.valkey.url) as client:
        for number, (queue, per_minute) in enumerate(_TRAFFIC.items()):
            _write_samples(client, queue, per_minute, number)
        _bury(client)
    _fill(stack)


def _write_history(stack: Stack, scale: float) -> None:
    kinds: list[tuple[str, str, float, float]] = [
        ("default", "order.ship", 42, 180),
        ("mail", "mail.welcome", 95, 60),
        ("payments", "card.charge", 30, 420),
        ("reports", "report.render", 4, 9_000),
        ("stock", "stock.sync", 12, 900),
    ]
    bugs = {kind: (error, message, per_mille) for _, kind, error, message, per_mille in _BUGS}
    columns = [list(column) for column in zip(*kinds, strict=True)]
    columns[2] = [value * scale for value in columns[2]]
    errors = [bugs.get(kind, ("Error", "no", 0.4)) for _, kind, _, _ in kinds]
    stack.sql(_HISTORY, *columns, *(list(column) for column in zip(*errors, strict=True)))
    stack.sql("ANALYZE monarq.jobs")


def _write_samples(client: Any, queue: str, per_minute: int, number: int) -> None:
    keys = queue_keys(queue)
    now = int(client.time()[0]) * 1000 // _MINUTE_MS * _MINUTE_MS
    done = 50_000 * (number + 1)
    pipe = client.pipeline(transaction=False)
    for ago in range(24 * 60 - 1, 0, -1):
        at = now - ago * _MINUTE_MS
        wave = 1 + 0.55 * math.sin(at / 86_400_000 * 2 * math.pi - 2) + random.uniform(-0.12, 0.12)
        done += round(per_minute * wave)
        ready = max(0, round(random.expovariate(1 / (2 + per_minute / 20)) - 1))
        sample = {"ready": ready, "running": round(wave * 2), "waiting": 3, "oldest_ms": ready * 400}
        sample |= {"enqueued": done + ready, "started": done, "succeeded": done, "dead": done // 400}
        pipe.xadd(keys.series, sample, id=f"{at}-0")
    pipe.hset(keys.stats, mapping={"enqueued": done, "started": done, "succeeded": done, "dead": done // 400})
    pipe.execute()


def _bury(client: Any) -> None:
    """Letters of the last hours; the first bug is the newest and the largest."""
    now = int(client.time()[0]) * 1000
    pipe = client.pipeline(transaction=False)
    for bug, (queue, kind, error_type, message, _) in enumerate(_BUGS):
        for number in range((214, 37, 9)[bug]):
            job_id = f"019ab{bug}{random.getrandbits(104):026x}"
            died = now - round(random.uniform(0, 1) ** 2 * 5_400_000 * (bug + 1)) - 20_000
            arguments = b'{"order":%d,"cents":4990}' % (10_480 + number)
            Death(job_id, died, message, error_type, queue, kind, arguments).write(pipe)
    pipe.execute()


def _fill(stack: Stack) -> None:
    producer = stack.producer
    producer.enqueue_many([sync.of(f"warehouse-{n % 7}") for n in range(142)])
    for n in range(24):
        producer.enqueue(render.of("2026-10", seconds=900), priority="high" if n == 0 else None)
    for n in range(6):
        producer.enqueue(welcome.of(f"ann.{n}@example.com"), delay=timedelta(minutes=4 + 9 * n))
    producer.enqueue(ship.of(10_499, [Parcel(sku="ink-black", grams=120)]), delay=timedelta(hours=2))
    producer.enqueue(charge.of(order=10_500, cents=4_990), delay=timedelta(minutes=3), priority="high")
    with stack.api() as api:
        why = {"why": "the north warehouse counts its stock until noon"}
        assert api.post("/v1/queues/stock/pause", json=why).status_code == 200


@contextmanager
def customers(stack: Stack) -> Iterator[None]:
    """They come and buy; the bank answers them."""
    (stack.folder / "mended").touch()
    over = threading.Event()

    def come() -> None:
        for order in count(10_600):
            if over.wait(0.05):
                return
            stack.producer.enqueue(welcome.of(f"customer-{order}@example.com"))
            if order % 2:
                stack.producer.enqueue(ship.of(order, [Parcel(sku="ink-black", grams=120)]))
            if order % 3 == 0:
                stack.producer.enqueue(charge.of(order=order, cents=2_490))

    crowd = threading.Thread(target=come)
    crowd.start()
    yield
    over.set()
    crowd.join()


def roll_up(stack: Stack) -> None:
    """Let the history be counted, as workers do it minute by minute."""
    apart(asyncio.run, _roll_up(stack))


async def _roll_up(stack: Stack) -> None:
    database = open_database(stack.settings)
    roller = Roller(database, keep=timedelta(days=365))
    while not ((turn := await roller.step()) is None or turn.is_done):
        pass
    await database.close()
