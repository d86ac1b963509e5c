"""From a commit to Redis and to the start of a job: how much one relay carries, and how soon.

arq's plain enqueue, in the same rounds, is the yardstick.  PostgreSQL is the embedded one with `fsync` on.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from arq.connections import RedisSettings, create_pool

from monarq import JobContext, Producer, Settings, job
from monarq.jobs.store.postgres.migrating import migrate
from monarq.worker.dev.postgres import EmbeddedPostgres

from .servers import Server, server

ROUNDS = 3
JOBS = 20_000
#: arq's enqueues one by one, and so many at once.
ARQ_JOBS, ARQ_AT_ONCE = 3_000, 100
COMMITS = 200
#: Between two commits of an idle system.
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[1]

Say = Callable[[str], None]


@job("bench.stamp")
async def stamp(ctx: JobContext, number: int) -> float:
    """When it started, by the clock that all processes of this machine share."""
    return time.time()


def run(server_name: str, scale: float, say: Say) -> dict[str, Any]:
    """Measure; the medians of all rounds, and the rounds themselves."""
    with server(server_name) as redis, tempfile.TemporaryDirectory(prefix="monarq-bench-") as folder:
        os.chmod(folder, 0o755)
        with EmbeddedPostgres(Path(folder) / "pg") as postgres:
            settings = Settings(redis_url=redis.url, database_url=postgres.url)
            asyncio.run(migrate(settings))
            rounds = [asyncio.run(_round(redis, settings, scale, say)) for _ in range(ROUNDS)]
    names = sorted({name for one in rounds for name in one})
    medians = {name: round(statistics.median(one[name] for one in rounds), 2) for name in names}
    return {"medians": medians, "rounds": rounds, "fsync": "on", "cores": os.cpu_count()}


async def _round(redis: Server, settings: Settings, scale: float, say: Say) -> dict[str, float]:
    measured: dict[str, float] = {}
    redis.clear()
    measured["arq_enqueue_per_s"] = await _arq(redis.url, round(ARQ_JOBS * scale))
    redis.clear()
    measured["relay_per_s"] = await _relay(settings, redis, round(JOBS * scale))
    redis.clear()
    waits = await _latency(settings, round(COMMITS * scale))
    measured["commit_to_start_ms_p50"] = statistics.median(waits) * 1000
    measured["commit_to_start_ms_p99"] = statistics.quantiles(waits, n=100)[98] * 1000
    say("  ".join(f"{name} {value:,.2f}" for name, value in measured.items()))
    return measured


async def _arq(url: str, count: int) -> float:
    """`enqueue_job` as it is, so many callers at once."""
    pool = await create_pool(RedisSettings.from_dsn(url))
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await pool.enqueue_job("bench.stamp", number=number)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(ARQ_AT_ONCE)))
    elapsed = time.perf_counter() - began
    await pool.aclose()
    return count / elapsed


async def _relay(settings: Settings, redis: Server, count: int) -> float:
    """One `monarq relay`; from the commit of that many rows to the last one in Redis."""
    async with _app(settings) as (connection, producer), _process(settings, "relay"):
        await _until(lambda: _is_listening(connection))
        async with connection.transaction():
            await producer.enqueue_many(map(stamp.of, range(count)), connection=connection)
            began = time.perf_counter()
        await _until(lambda: _is_empty(connection))
        elapsed = time.perf_counter() - began
    assert int(redis.client.hget("monarq:stats:default", "enqueued")) == count
    return count / elapsed


async def _latency(settings: Settings, count: int) -> list[float]:
    """A worker that relays; from before each commit to the start of its job, one at a time."""
    waits = []
    worker = ("worker", "--jobs", "benchmarks.relay")
    async with _app(settings) as (connection, producer), _process(settings, *worker):
        warm = await producer.enqueue(stamp.of(0), connection=connection)
        await warm.result(timeout=PATIENCE_SECONDS)
        for number in range(count):
            await asyncio.sleep(PAUSE_SECONDS)
            async with connection.transaction():
                handle = await producer.enqueue(stamp.of(number), connection=connection)
                began = time.time()
            waits.append(await handle.result(timeout=PATIENCE_SECONDS) - began)
    return waits


@asynccontextmanager
async def _app(settings: Settings) -> AsyncIterator[tuple[Any, Producer]]:
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    async with Producer.connect(settings=settings) as producer:
        yield connection, producer
    await connection.close()


@asynccontextmanager
async def _process(settings: Settings, *command: str) -> AsyncIterator[None]:
    assert settings.database_url is not None
    environ = os.environ | {
        "MONARQ_REDIS_URL": settings.redis_url.get_secret_value(),
        "MONARQ_DATABASE_URL": settings.database_url.get_secret_value(),
        "MONARQ_LOG_LEVEL": "warning",
    }
    line = [sys.executable, "-m", "monarq.jobs.cli", *command]
    process = await asyncio.create_subprocess_exec(*line, env=environ, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _is_listening(connection: Any) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))


async def _is_empty(connection: Any) -> bool:
    return not await connection.fetchval("SELECT EXISTS (SELECT FROM monarq.outbox)")


async def _until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await check():  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.002)
