"""The dashboards for Grafana: each of their queries is asked of a real Prometheus with a real stack."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
from arq.cron import cron

from monarq.dashboard.vitals import DashboardVitals
from monarq.jobs import JobContext, job
from monarq.jobs.metrics import render
from monarq.jobs.side_port import SidePort
from monarq.producer import Producer
from monarq.producer.metrics import EnqueueCollector
from tests.integration.worker.deadlines import TooLate, eventually
from tests.integration.worker.stage import running, settings_for
from tests.prometheus import DASHBOARDS, Prometheus, find_prometheus, prometheus
from tests.servers import free_port

from .house import House
from .test_enqueuing import MAIL

#: What Grafana puts in for its variables.
GIVEN = {"$__rate_interval": "10s", "$__range": "10s", "$queue": ".*", "$kind": "drawn"}


@job("drawn", max_attempts=1)
async def drawn(ctx: JobContext, fails: bool = False) -> None:
    if fails:
        raise ValueError("it is to be seen")


def queries() -> Iterator[tuple[str, tuple[str, set[str]]]]:
    """Where each query stands, the query as Grafana would send it, and the labels that its legend needs."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                yield (
                    f"{path.stem}: {panel['title']}: {target['refId']}",
                    (_filled_in(target["expr"]), legend),
                )


def _filled_in(expression: str) -> str:
    for name, value in GIVEN.items():
        expression = expression.replace(name, value)
    # what is drawn only if it is not 0 must be there, too
    return re.sub(r" > 0(?=\)|$)", "", expression)


@asynccontextmanager
async def a_worker(house: House) -> AsyncIterator[int]:
    """One that has all that can be counted: a database, a relay, a schedule."""
    url, port = house.settings.redis_url.get_secret_value(), free_port()
    settings = settings_for(url, database_url=house.settings.database_url, metrics_port=port)
    schedule = cron(drawn.function, name="nightly", hour=3)
    async with running([drawn], settings, cron_jobs=[schedule]):
        yield port


@contextmanager
def a_dashboard(house: House) -> Iterator[int]:
    port = free_port()
    vitals = DashboardVitals(house.services, house.settings.model_copy(update={"metrics_port": port}))
    vitals.begin()
    yield port
    vitals.end()


@asynccontextmanager
async def an_app(house: House) -> AsyncIterator[int]:
    """One that counts what it enqueues."""
    async with Producer.connect(house.settings.redis_url.get_secret_value()) as producer:
        collector = EnqueueCollector(producer)
        side_port = SidePort("127.0.0.1", 0, {"/metrics": lambda accept: (200, *render([collector], accept))})
        side_port.start()
        await producer.enqueue(drawn.of())
        await producer.enqueue(drawn.of(fails=True))
        assert side_port.port is not None
        yield side_port.port
        side_port.stop()


async def be_seen(house: House) -> None:
    """Do what the dashboard counts."""
    admin = await house.program({"role": "admin"})
    await admin.post("/v1/jobs", json=MAIL)
    await admin.post("/v1/queues/mail/pause", json={"why": "it is to be seen"})
    await house.client(authorization="Bearer monarq_wrong").get("/v1/queues")
    viewer = await house.program({"role": "viewer"})
    for _ in range(4):
        await viewer.get("/v1/queues")


if find_prometheus() is not None:

    async def test_every_query_of_the_dashboards_has_an_answer(open_house: Any) -> None:
        house = await open_house(reads_per_minute=3)
        unanswered = dict(queries())
        assert len(unanswered) > 50
        async with AsyncExitStack() as stack:
            worker = await stack.enter_async_context(a_worker(house))
            app = await stack.enter_async_context(an_app(house))
            ports = {
                "monarq-worker": worker,
                "monarq-app": app,
                "monarq-web": stack.enter_context(a_dashboard(house)),
            }
            await be_seen(house)
            url = stack.enter_context(prometheus({job: [port] for job, port in ports.items()}))
            asker = Prometheus(url)
            stack.push_async_callback(asker.close)

            async def all_are_answered() -> bool:
                for place, (query, legend) in list(unanswered.items()):
                    if (found := await asker.query(query)) and legend <= found[0]["metric"].keys():
                        del unanswered[place]
                return not unanswered

            try:
                await eventually(all_are_answered, within=60, every=0.5)
            except TooLate:
                pytest.fail("\n".join(f"{place}: {query}" for place, query in unanswered.items()))
