"""The contract on redis-server, where one is installed: no wheel brings it, and no rule depends on it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from tests.servers import ValkeyServer, find_redis_server

from .contract import StoreContract
from .store import Store, open_store


@pytest.fixture(scope="module")
def installed_redis() -> Iterator[str]:
    """The address of the installed redis-server."""
    with ValkeyServer(binary=find_redis_server()) as server:
        yield server.url


if find_redis_server() is not None:

    class TestRedis(StoreContract):
        @pytest.fixture
        async def store(self, installed_redis: str) -> AsyncIterator[Store]:
            with redis.Redis.from_url(installed_redis) as client:
                client.flushall()
            async with open_store(installed_redis) as store:
                yield store
