"""Many jobs at once: a history up to this moment, made by PostgreSQL itself, full queues, and letters."""

from dataclasses import dataclass
from typing import Any

import asyncpg
from redis.asyncio import Redis

from monarq import Producer
from monarq.jobs.envelope import encode_head
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.store.keys import DEAD_LETTER, FAILURES, QUEUES, queue_keys

from .shop import charge, welcome

#: Rows of the last `$2` days, evenly: 96 % ended well, 3 % dead of four bugs, 1 % cancelled.
_ROWS = """
INSERT INTO monarq.jobs (
    job_id, ended_at, state, queue, kind, priority, tags, worker, attempts, starts, enqueued_at, started_at,
    run_ms, wait_ms, error_type, error_message, fingerprint, payload
)
SELECT
    lpad(to_hex(n), 32, '0'), ended_at,
    CASE WHEN n % 100 < 96 THEN 'succeeded' WHEN n % 100 < 99 THEN 'dead' ELSE 'cancelled' END,
    (ARRAY['default', 'mail', 'mail', 'payments', 'reports'])[1 + n / 100 % 5],
    (ARRAY['order.ship', 'mail.welcome', 'mail.receipt', 'card.charge', 'report.render'])[1 + n / 100 % 5],
    CASE WHEN n % 10 = 0 THEN 'high' ELSE 'normal' END,
    CASE WHEN n % 4 = 0 THEN ARRAY['customer:' || n % 5000] ELSE '{}' END,
    'web-' || n % 8 || '-4711-abcdef', CASE WHEN n % 100 BETWEEN 96 AND 98 THEN 3 ELSE 0 END, 1,
    ended_at - (wait_ms + run_ms) * interval '1 ms', ended_at - run_ms * interval '1 ms', run_ms, wait_ms,
    CASE WHEN n % 100 BETWEEN 96 AND 98 THEN 'ConnectionError' END,
    CASE WHEN n % 100 BETWEEN 96 AND 98 THEN 'server ' || bug || ' did not answer' END,
    CASE WHEN n % 100 BETWEEN 96 AND 98 THEN lpad(to_hex(240 + bug), 16, '0') END,
    jsonb_build_object('order', n, 'customer', jsonb_build_object('id', n % 5000, 'country', 'de'))
FROM (
    SELECT
        n, now() - ($2::int * interval '1 day') * ($1::int - n)::float8 / $1::int AS ended_at,
        20 + (n::bigint * 7919 % 1000) AS run_ms, (n::bigint * 104729 % 5000) AS wait_ms, n / 100 % 4 AS bug
    FROM generate_series(1, $1::int) AS n
) AS made
"""

_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/payments/cards.py", line 41, in charge
    receipt = await bank.debit(order, cents)
  File "/srv/shop/payments/bank.py", line 118, in debit
    raise CardDeclined(answer.reason)
"""


async def write_history(url: str, rows: int, days: int = 7) -> None:
    """That many finished jobs, over the last days, into the history at `url`."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT monarq.make_history_days(current_date - $1::int, $1::int + 2)", days)
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_ROWS, rows, days, timeout=900)
        await connection.execute("VACUUM ANALYZE monarq.jobs", timeout=900)
    finally:
        await connection.close()


async def fill_queues(url: str, jobs: int) -> None:
    """That many jobs that are ready, in two queues; nobody runs them."""
    async with Producer.connect(url) as producer:
        for at in range(0, jobs, 10_000):
            size = min(10_000, jobs - at)
            calls = [welcome.of(f"ann-{n}@example.com") for n in range(at, at + size // 2)]
            calls += [charge.of(order=n, cents=990) for n in range(size - size // 2)]
            await producer.enqueue_many(calls)


async def bury(url: str, letters: int) -> None:
    """Dead letters of three bugs, as they lie in Redis: so many true deaths would take too long."""
    async with Redis.from_url(url) as client:
        now = 1_000 * (await client.time())[0]
        for at in range(0, letters, 1_000):
            pipe = client.pipeline(transaction=False)
            for number in range(at, min(at + 1_000, letters)):
                died = Death(
                    f"dead{number:028x}", now - letters + number, f"bank {'abc'[number % 3]} is away"
                )
                died.write(pipe)
            await pipe.execute()


@dataclass(frozen=True)
class Death:
    """One dead letter, as it lies in Redis."""

    job_id: str
    died_ms: int
    message: str
    error_type: str = "CardDeclined"
    queue: str = "payments"
    kind: str = "card.charge"
    arguments: bytes = b'{"order":12345,"cents":990}'

    def write(self, client: Any) -> None:
        """By a client, or a pipeline of one."""
        client.sadd(QUEUES, self.queue)
        head = encode_head(self.kind, self.arguments, queue=self.queue)
        client.set(DEAD_LETTER + self.job_id, head + b"%d}" % (self.died_ms - 90_000))
        for attempt in range(1, 4):
            client.rpush(FAILURES + self.job_id, self._failure(attempt))
        client.zadd(queue_keys(self.queue).dead, {self.job_id: self.died_ms})

    def _failure(self, attempt: int) -> bytes:
        raised = f"{self.error_type}: {self.message}"
        return Failure(
            spent=attempt,
            crashes=0,
            cause=Cause.ERROR,
            fence=attempt,
            worker="web-1-4711-3fa9c1",
            started_ms=self.died_ms - (3 - attempt) * 30_000 - 420,
            ended_ms=self.died_ms - (3 - attempt) * 30_000,
            error_type=self.error_type,
            message=self.message,
            traceback=f"{_TRACEBACK}{raised}\n",
        ).encode()
