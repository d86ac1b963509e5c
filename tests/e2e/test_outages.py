"""Redis dies and comes back: workers live, and no outcome is lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from monarq import Producer
from tests.integration.worker.deadlines import always, eventually
from tests.servers import ValkeyServer

from .errands import errand
from .fleet import fleet_at

JOBS = 20


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    # `always`: by `everysec` a server whose disk is busy may not have written what it has acknowledged
    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        yield server


@pytest.mark.parametrize(
    ("away", "lease"), [(3.0, "30"), pytest.param(30.0, "30", marks=pytest.mark.slow)], ids=["3 s", "30 s"]
)
async def test_outcomes_of_an_outage_are_recorded_after_it(
    server: ValkeyServer, tmp_path: Path, away: float, lease: str
) -> None:
    """Jobs end while the server is away; each has run once, and each result is there."""
    with fleet_at(server.url, tmp_path) as (fleet, ledger):
        async with Redis.from_url(server.url) as client:
            worker = await fleet.worker(client, lease=lease)
            bystander = await fleet.worker(client, lease=lease)
        async with Producer.connect(server.url) as producer:
            handles = await producer.enqueue_many([errand.of(first=1.5) for _ in range(JOBS)])
            await eventually(lambda: len(ledger.starts()) == JOBS)
            server.kill()
            gone_at = time.monotonic()
            await eventually(lambda: len(ledger.entries("end")) == JOBS)
            await always(
                lambda: worker.poll() is None and bystander.poll() is None,
                during=max(0.0, away - (time.monotonic() - gone_at)),
            )
            server.start()
            results = [await handle.result(timeout=60) for handle in handles]  # type: ignore[union-attr]
        assert set(results) <= {worker.pid, bystander.pid}
        assert len(ledger.starts()) == JOBS, "none was run again"
        assert worker.poll() is None
        assert bystander.poll() is None
