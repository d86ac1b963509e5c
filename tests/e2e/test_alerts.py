"""A real Prometheus, with the rules that come along, sees what breaks and that it is mended.

Time passes faster in its rules, so that nobody waits for ten minutes.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from monarq.jobs.metrics import render
from monarq.jobs.settings import Settings
from monarq.jobs.side_port import SidePort
from monarq.jobs.store.address import from_url
from monarq.jobs.store.exporter import Exporter
from monarq.jobs.store.keys import WORKER
from monarq.producer import Order, Producer
from tests.integration.worker.deadlines import TooLate, eventually
from tests.prometheus import Prometheus, find_prometheus, prometheus
from tests.servers import free_port

from .conftest import Stage
from .handlers import fail, hold, jam

MAIL = {"queues": "mail", "concurrency": 2, "lease": 2}
#: Seconds between two looks.
LOOK = 0.2
FAILURES = {("DeadLettersGrowing", "default"), ("JobFailureRatioHigh", "e2e.fail")}
STANDSTILL = {
    ("QueueNoWorkers", "mail"),
    ("QueueLate", "mail"),
    ("TargetDown", "monarq-mail"),
    ("EventLoopBlocked", "monarq-default"),
}


@pytest.fixture
def teller(redis_url: str) -> Iterator[int]:
    """The port of a process that tells of the whole fleet: this one."""
    settings = Settings(redis_url=redis_url, objectives={"mail": timedelta(seconds=1)})
    exporter = Exporter(from_url(redis_url), settings)
    port = SidePort("127.0.0.1", 0, {"/metrics": lambda accept: (200, *render([exporter], accept))})
    port.start()
    assert port.port is not None
    # who is asked first tells of the fleet; it must not be one that is killed
    httpx.get(f"http://127.0.0.1:{port.port}/metrics")
    yield port.port
    port.stop()
    exporter.close()


@pytest.fixture
async def ports(teller: int) -> dict[str, int]:
    return {"monarq-mail": free_port(), "monarq-default": free_port(), "monarq-teller": teller}


@pytest.fixture
async def watching(ports: dict[str, int]) -> AsyncIterator[Prometheus]:
    with prometheus({job: [port] for job, port in ports.items()}) as url:
        client = Prometheus(url)
        yield client
        await client.close()


if find_prometheus() is not None:

    async def test_alerts_fire_when_something_breaks_and_clear_when_it_is_mended(
        stage: Stage, client: Redis, producer: Producer, ports: dict[str, int], watching: Prometheus
    ) -> None:
        mailer = stage.worker(**MAIL, metrics_port=ports["monarq-mail"])
        clerk = stage.worker(queues="default", metrics_port=ports["monarq-default"])
        await stage.ready(mailer, clerk)
        held, jammed = stage.gate("held"), stage.gate("jammed")
        await producer.enqueue(hold.of(str(held)), queue="mail")
        await eventually(lambda: _reports_work(client, "mail"), every=LOOK)
        await eventually(lambda: _is_well(watching), every=LOOK)

        mailer.kill()
        await producer.enqueue(hold.of(str(held)), queue="mail")

        async def failures_are_told() -> bool:
            await producer.enqueue_many([Order(fail.of("")) for _ in range(10)])
            return await watching.firing() >= FAILURES

        await eventually(failures_are_told, every=LOOK)
        await producer.enqueue(jam.of(str(jammed)))
        await _fire(watching, STANDSTILL)

        jammed.touch()
        held.touch()
        stage.worker(**MAIL, metrics_port=ports["monarq-mail"])
        await _fire(watching, {("JobsLost", "mail")})
        await eventually(lambda: _is_well(watching), every=LOOK)
        assert await watching.broken_rules() == []


async def _is_well(watching: Prometheus) -> bool:
    up = await watching.query("sum(up)")
    return bool(up) and up[0]["value"][1] == "3" and await watching.firing() == set()


async def _reports_work(client: Redis, queue: str) -> bool:
    """Whether a worker says that it is busy: then its silence is noticed in 15 s, not in a minute."""
    reports = [json.loads(await client.get(key) or "{}") async for key in client.scan_iter(f"{WORKER}*")]
    return any(report["busy"] for report in reports if report and queue in report["queues"])


async def _fire(watching: Prometheus, wanted: set[tuple[str, str]]) -> None:
    """Wait until each of them has fired, not necessarily all at once."""
    missing = set(wanted)

    async def have_fired() -> bool:
        missing.difference_update(await watching.firing())
        return not missing

    try:
        await eventually(have_fired, every=LOOK)
    except TooLate:
        pytest.fail(f"they do not fire: {missing}")
