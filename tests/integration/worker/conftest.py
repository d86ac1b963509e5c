"""What the tests of the worker share: clients of every sort at one empty Valkey."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.asyncio import Redis

from monarq.jobs.store.arq_json import deserialize, serialize
from monarq.producer import Producer
from monarq.worker import Worker

from .stage import running, settings_for

Serve = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture(autouse=True)
def _plain_tracebacks() -> Iterator[None]:
    """structlog's own default shows the variables of each frame, which takes it a second per traceback."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])
    yield
    structlog.reset_defaults()


@pytest.fixture
def serve(redis_url: str) -> Serve:
    """Starts a worker: `async with serve(handler, …, max_jobs=5, lease=timedelta(seconds=2)) as worker`."""

    def start(*functions: Any, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        return running(functions, settings_for(redis_url, **(settings or {})), **options)

    return start


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A plain client, to look at keys."""
    async with Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
async def producer(redis_url: str) -> AsyncIterator[Producer]:
    async with Producer.connect(redis_url) as connected:
        yield connected


@pytest.fixture
async def pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    """arq's own client, with our JSON."""
    settings = RedisSettings.from_dsn(redis_url)
    connected = await create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
    yield connected
    await connected.aclose()


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def keeps(serve: Serve, database_url: str) -> Any:
    """Starts a worker that writes the history."""

    def start(*handlers: Any, **settings: Any) -> Any:
        return serve(*handlers, settings={"database_url": database_url, **settings})

    return start
