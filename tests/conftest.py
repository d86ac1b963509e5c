"""What every test may ask for: a real Valkey, empty."""

from collections.abc import Iterator

import pytest
import redis

from tests.servers import ValkeyServer


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of the Valkey that all tests of this run share; nothing is promised about what it holds."""
    with ValkeyServer() as server:
        yield server.url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The address of the shared Valkey, with no keys and fresh `INFO` statistics."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        client.config_resetstat()
    return valkey_url
