"""What the tests of the producers share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from monarq.producer import Producer, SyncProducer
from tests.proxy import Proxy


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
def sync_producer(redis_url: str) -> Iterator[SyncProducer]:
    with SyncProducer.connect(redis_url) as connected:
        yield connected


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """What may fail between the producer and the server."""
    async with Proxy(redis_url) as proxy:
        yield proxy
