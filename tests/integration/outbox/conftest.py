"""What the tests of the outbox share: both servers, a producer, an app's own connection, and relays."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from monarq import Producer, Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.producer.relay import Relay

from .stage import Stage

MakeRelay = Callable[..., Relay]


@pytest.fixture
def settings(redis_url: str, database_url: str) -> Settings:
    return Settings(redis_url=redis_url, database_url=database_url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = open_database(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The app's own connection, and a table of its own."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    yield connection
    await connection.close()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Producer]:
    async with Producer.connect(settings=settings) as connected:
        yield connected


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A plain client, to look at keys."""
    async with Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


@pytest.fixture
async def make_relay(settings: Settings) -> AsyncIterator[MakeRelay]:
    """Makes relays: `make_relay(redis_url=…)` with other settings than those of the test."""
    async with AsyncExitStack() as stack:

        def make(**others: Any) -> Relay:
            own = Settings(**{**settings.model_dump(exclude_unset=True), **others})
            database, link = open_database(own), Link(from_url(own.redis_url.get_secret_value()))
            stack.push_async_callback(database.close)
            stack.push_async_callback(link.close)
            return Relay(database, link, own)

        yield make


@pytest.fixture
def relay(make_relay: MakeRelay) -> Relay:
    return make_relay()


@pytest.fixture
def stage(client: Redis, database_url: str) -> Stage:
    """A look at what lies in both servers."""
    return Stage(client, database_url)
