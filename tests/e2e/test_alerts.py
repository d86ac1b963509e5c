"""A real Prometheus, with the rules that come along, sees what breaks and that it is mended.

Time passes faster in its rules, so that nobody waits for ten minutes.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from monarq.jobs.settings import Settings
from monarq.producer import Order, Producer
from tests.integration.worker.deadlines import eventually
from tests.prometheus import Prometheus, find_prometheus, prometheus
from tests.servers import free_port

from .conftest import Stage
from .handlers import fail, hold, jam

MAIL = {"queues": "mail", "concurrency": 1, "lease": 2}
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
    raise NotImplementedError


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

    @pytest.mark.timeout(120)
    async def test_alerts_fire_when_something_breaks_and_clear_when_it_is_mended(
        stage: Stage, producer: Producer, ports: dict[str, int], watching: Prometheus
    ) -> None:
        mailer = stage.worker(**MAIL, metrics_port=ports["monarq-mail"])
        clerk = stage.worker(queues="default", metrics_port=ports["monarq-default"])
        await stage.ready(mailer, clerk)
        await eventually(lambda: _is_well(watching))
        held, jammed = stage.gate("held"), stage.gate("jammed")
        await producer.enqueue_many([Order(hold.of(str(held)), queue="mail") for _ in range(3)])
        await eventually(lambda: stage.ledger.events("start"))

        mailer.kill()
        await producer.enqueue_many([Order(fail.of("")) for _ in range(40)])
        await _fire(watching, FAILURES)
        await producer.enqueue(jam.of(str(jammed)))
        await _fire(watching, STANDSTILL)

        jammed.touch()
        held.touch()
        stage.worker(**MAIL, metrics_port=ports["monarq-mail"])
        await _fire(watching, {("JobsLost", "mail")})
        await eventually(lambda: _is_well(watching), within=40)
        assert await watching.broken_rules() == []


async def _is_well(watching: Prometheus) -> bool:
    up = await watching.query("sum(up)")
    return bool(up) and up[0]["value"][1] == "3" and await watching.firing() == set()


async def _fire(watching: Prometheus, wanted: set[tuple[str, str]]) -> None:
    seen: set[tuple[str, str]] = set()

    async def have_fired() -> bool:
        seen.update(await watching.firing())
        return seen >= wanted

    await eventually(have_fired, within=40)
