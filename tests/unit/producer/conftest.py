"""A producer that sends to nobody, and what it would have sent."""

from collections.abc import AsyncIterator

import pytest

from monarq.jobs.settings import Settings
from monarq.producer import Producer

from .recording import Recording


@pytest.fixture
def transport() -> Recording:
    return Recording()


@pytest.fixture
async def producer(transport: Recording) -> AsyncIterator[Producer]:
    async with Producer(Settings(), transport=transport) as producer:
        yield producer
