"""The contract on fakeredis: the same Lua, in process, for tests of your own that want no server."""

from collections.abc import AsyncIterator

import pytest

from monarq.jobs.store.keys import queue_keys

from .contract import StoreContract
from .fake import FakeTransport
from .store import Store


class TestFakeredis(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with FakeTransport() as transport:
            yield Store(transport, transport.client, queue_keys("default"))
