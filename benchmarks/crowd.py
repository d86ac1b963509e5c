"""Many jobs at once, made by the servers themselves: a history up to this moment, and queues that are full.

`made_up_history.py` makes the same rows each time, row by row; this is for pages, which look at the last hours.
"""

from collections.abc import Iterable
from typing import Any

import asyncpg

from monarq import Call, Producer
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import queue_keys

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


async def write_history(url: str, rows: int, days: int = 7) -> None:
    """That many finished jobs, over the last days, into the history at `url`."""
    connection = await asyncpg.connect(url)
    try:
        first = "current_date - $1::int"
        await connection.execute(f"SELECT monarq.make_history_days({first}, $1::int + 2)", days)
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_ROWS, rows, days, timeout=900)
        await connection.execute("ANALYZE monarq.jobs")
    finally:
        await connection.close()


async def fill_queue(url: str, calls: Iterable[Call[Any]], **options: Any) -> int:
    """Enqueue many jobs that nobody runs; how many."""
    async with Producer.connect(url) as producer:
        return len(await producer.enqueue_many(calls, **options))


async def bury(url: str, letters: int, queue: str = "payments") -> None:
    """Dead letters of three bugs, as they lie in Redis: so many true deaths would take too long."""
    from monarq.jobs.envelope import encode_head
    from monarq.jobs.failure import Cause, Failure
    from monarq.jobs.store import keys

    link = Link(from_url(url))
    head = encode_head("card.charge", b'{"order":12345,"cents":990}', queue=queue)
    zset = queue_keys(queue).dead
    now = 1_000 * int((await link.call("TIME"))[0])
    for number in range(letters):
        job_id = f"dead{number:028x}"
        failure = Failure(
            spent=3, crashes=0, cause=Cause.ERROR, fence=3, worker="web-1-4711-abcdef",
            error_type="CardDeclined", message=f"bank {'abc'[number % 3]} does not answer",
            traceback='  File "/srv/shop/cards.py", line 7, in charge\nCardDeclined: no\n',
        )  # fmt: skip
        await link.call("SET", keys.DEAD_LETTER + job_id, head + str(now).encode())
        await link.call("RPUSH", keys.FAILURES + job_id, failure.encode())
        await link.call("ZADD", zset, now - letters + number, job_id)
    await link.close()
