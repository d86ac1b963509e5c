"""What a relay tells at its own port."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from monarq import Producer, Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres.database import Database
from monarq.producer.relay import Relay
from monarq.producer.relay_vitals import RelayVitals
from tests.integration.worker.deadlines import eventually
from tests.scrapes import Samples, faults_of, samples_of
from tests.servers import free_port

from .kinds import audit, confirm
from .stage import running


@pytest.fixture
async def vitals(relay: Relay, database: Database, settings: Settings) -> AsyncIterator[RelayVitals]:
    link = Link(from_url(settings.redis_url.get_secret_value()))
    served = RelayVitals(relay, link, database, settings.model_copy(update={"metrics_port": free_port()}))
    served.begin()
    yield served
    served.end()
    await link.close()


async def ask(vitals: RelayVitals, path: str) -> httpx.Response:
    return await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{vitals.port}{path}")


async def scrape(vitals: RelayVitals) -> Samples:
    text = (await ask(vitals, "/metrics")).text
    assert faults_of(text) == ""
    return samples_of(text)


async def test_a_relay_tells_what_it_has_carried_and_what_still_waits(
    app: asyncpg.Connection, producer: Producer, relay: Relay, vitals: RelayVitals
) -> None:
    await producer.enqueue_many([audit.of(1), confirm.of(2), confirm.of(3)], connection=app)
    before = await scrape(vitals)
    assert before["monarq_outbox_relayed_total", frozenset()] == 0
    assert before["monarq_outbox_pending_jobs", frozenset()] == 3
    assert before["monarq_outbox_lag_seconds", frozenset()] > 0
    assert before["monarq_outbox_set_aside_jobs", frozenset()] == 0
    await relay.carry()
    after = await scrape(vitals)
    assert after["monarq_outbox_relayed_total", frozenset()] == 3
    sort = {"queue": "audit", "kind": "order.audit", "priority": "low"}
    assert after["monarq_jobs_enqueued_total", frozenset(sort.items())] == 1


async def test_its_probes_say_whether_it_has_started_and_can_work(relay: Relay, vitals: RelayVitals) -> None:
    assert (await ask(vitals, "/livez")).status_code == 200
    assert (await ask(vitals, "/startupz")).status_code == 503
    async with running(relay):
        await eventually(lambda: _is_well(vitals, "/startupz"))
        ready = await ask(vitals, "/readyz")
        assert ready.json() == {"ready": True, "checks": {"redis": "ok", "postgres": "ok"}}
    leaving = await ask(vitals, "/readyz")
    assert (leaving.status_code, leaving.json()["checks"]) == (503, {"relay": "it stops"})


async def _is_well(vitals: RelayVitals, path: str) -> bool:
    return (await ask(vitals, path)).status_code == 200
