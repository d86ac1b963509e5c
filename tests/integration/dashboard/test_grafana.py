"""The dashboards for Grafana: each of their queries is asked of a real Prometheus that scrapes a real stack."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from arq.cron import cron

from monarq.dashboard.vitals import DashboardVitals
from monarq.jobs import JobContext, job
from monarq.producer import Producer
from monarq.worker import Worker
from tests.integration.worker.deadlines import eventually
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


def queries() -> Iterator[tuple[str, str]]:
    """Where each query stands, and the query as Grafana would send it."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}: {target['refId']}", _filled_in(target["expr"])


def _filled_in(expression: str) -> str:
    for name, value in GIVEN.items():
        expression = expression.replace(name, value)
    # what is drawn only if it is not 0 must be there, too
    return re.sub(r" > 0(?=\)|$)", "", expression)


@asynccontextmanager
async def at_work(house: House, port: int) -> AsyncIterator[Worker]:
    """A worker that has done a bit of everything, for as long as it is looked at."""
    settings = house.settings
    options = {"redis_url": settings.redis_url, "database_url": settings.database_url, "metrics_port": port}
    schedule = cron(drawn.function, name="nightly", hour=3)
    async with running([drawn], settings_for(**options), cron_jobs=[schedule]) as worker:
        yield worker


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

    async def test_every_query_of_the_dashboards_has_an_answer(open_house: Any, tmp_path: Path) -> None:
        house = await open_house(reads_per_minute=3)
        ports = {"monarq-worker": free_port(), "monarq-dashboard": free_port()}
        vitals = DashboardVitals(
            house.services, house.settings.model_copy(update={"metrics_port": ports["monarq-dashboard"]})
        )
        vitals.begin()
        await be_seen(house)
        async with at_work(house, ports["monarq-worker"]):
            producer = Producer.connect(house.settings.redis_url.get_secret_value())
            await producer.enqueue(drawn.of())
            await producer.enqueue(drawn.of(fails=True))
            with prometheus({job: [port] for job, port in ports.items()}) as url:
                asker = Prometheus(url)
                unanswered = dict(queries())
                assert len(unanswered) > 50

                async def all_are_answered() -> bool:
                    for place, query in list(unanswered.items()):
                        if await asker.query(query):
                            del unanswered[place]
                    return not unanswered

                try:
                    await eventually(all_are_answered, within=20, every=0.5)
                except AssertionError:
                    pytest.fail("\n".join(f"{place}: {query}" for place, query in unanswered.items()))
                await asker.close()
            await producer.close()
        vitals.end()
