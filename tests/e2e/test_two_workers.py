"""What a worker process must live through, and two of them share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from monarq import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import failures_of, stats, waiting

from .errands import errand
from .fleet import Fleet, Ledger, fleet_at

Crew = tuple[Fleet, Ledger]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def crew(redis_url: str, tmp_path: Path) -> Iterator[Crew]:
    with fleet_at(redis_url, tmp_path) as crew:
        yield crew


async def _nothing_waits(client: Redis) -> bool:
    return await waiting(client) == 0
