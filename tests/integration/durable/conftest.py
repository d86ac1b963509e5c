"""What the tests of durable jobs share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from monarq.jobs.settings import Settings
from monarq.producer import JobHandle, Producer
from tests.integration.worker.conftest import _plain_tracebacks as _plain_tracebacks
from tests.postgres import run_sql

from .stage import EFFECTS, Books, Put, Serve, relayed, serving, settings_with


@pytest.fixture
def settings(redis_url: str, database_url: str) -> Settings:
    return settings_with(redis_url, database_url)


@pytest.fixture
def serve(redis_url: str, database_url: str) -> Serve:
    """Starts a worker that reaches PostgreSQL: `async with serve(handler, settings={…}) as worker`."""

    def start(*functions: Any, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        return serving(
            settings_with(redis_url, **{"database_url": database_url, **(settings or {})}),
            *functions,
            **options,
        )

    return start


@pytest.fixture
def books(database_url: str) -> Books:
    run_sql(database_url, EFFECTS)
    return Books(database_url)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def put(settings: Settings, producer: Producer) -> Put:
    """Enqueues durable jobs and brings them to Redis: `[handle] = await put(call, delay=5)`."""

    async def enqueue_and_relay(*calls: Any, **options: Any) -> list[JobHandle[Any]]:
        return await relayed(settings, producer, *calls, **options)

    return enqueue_and_relay


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Producer]:
    async with Producer.connect(settings=settings) as connected:
        yield connected
