"""The contract on Valkey, which every machine has."""

from collections.abc import AsyncIterator

import pytest

from .contract import StoreContract
from .store import Store, open_store


class TestValkey(StoreContract):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[Store]:
        async with open_store(redis_url) as store:
            yield store
