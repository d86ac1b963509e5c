"""What the tests of the store share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop

from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.sync_connection import SyncLink
from tests.contract.store import Store, open_store
from tests.proxy import Proxy


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """The default queue of an empty Valkey, without a proxy."""
    async with open_store(redis_url) as store:
        yield store


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the same Valkey."""
    async with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def link(proxy: Proxy) -> AsyncIterator[Link]:
    """A link through the proxy."""
    link = Link(from_url(proxy.url))
    yield link
    await link.close()


@pytest.fixture
def sync_link(proxy: Proxy) -> Iterator[SyncLink]:
    """A blocking link through the proxy; for another thread, since the proxy lives in this one."""
    link = SyncLink(from_url(proxy.url))
    yield link
    link.close()


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The link lives on both event loops that a worker may have; for all else one of them will do."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem == "test_link":
        loops["uvloop"] = uvloop.new_event_loop
    return loops
