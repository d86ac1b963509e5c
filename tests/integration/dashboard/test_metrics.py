"""What a dashboard tells those who scrape it, and whom it lets."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from monarq.dashboard.vitals import DashboardVitals
from tests.integration.worker.test_vitals import OF_THE_DASHBOARD
from tests.scrapes import Samples, faults_of, names_of, samples_of
from tests.servers import free_port

from .house import House
from .test_enqueuing import MAIL

GUIDE = Path(__file__).parents[3] / "docs/guides/metrics.md"


def scrape(house: House) -> Samples:
    return samples_of(house.services.metrics.text("")[0].decode())


async def test_metrics_take_a_permission_for_all_queues(house: House) -> None:
    assert (await house.client().get("/metrics")).status_code == 401
    producer = await house.program({"role": "producer"})
    assert (await producer.get("/metrics")).status_code == 403
    of_mail = await house.program({"role": "viewer", "queues": ["mail"]})
    assert (await of_mail.get("/metrics")).status_code == 403, "it would tell of other queues"
    viewer = await house.program({"role": "viewer"})
    answer = await viewer.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert ("monarq_queue_workers", frozenset({("queue", "mail.bulk")})) in samples_of(answer.text)


async def test_requests_are_counted_by_the_template_of_their_address(house: House) -> None:
    viewer = await house.program({"role": "viewer"})
    for queue in ("mail", "mail.bulk", "nowhere"):
        await viewer.get(f"/v1/queues/{queue}")
    await viewer.get("/no/such/page")
    await viewer.request("BREW", "/v1/queues")
    counted = {
        tuple(dict(labels)[name] for name in ("route", "method", "code")): value
        for (name, labels), value in scrape(house).items()
        if name == "monarq_http_requests_total"
    }
    assert counted["/v1/queues/{queue}", "GET", "200"] == 2
    assert counted["/v1/queues/{queue}", "GET", "404"] == 1
    assert counted["none", "GET", "404"] == 1
    assert counted["/v1/queues", "other", "405"] == 1
    key = frozenset({("route", "/v1/queues/{queue}"), ("method", "GET")})
    assert scrape(house)["monarq_http_request_duration_seconds_count", key] == 3


async def test_refusals_are_counted_by_their_reason(open_house: Any) -> None:
    house = await open_house(reads_per_minute=2)
    user = await house.user({"role": "viewer"})
    nobody = house.client()
    await nobody.get("/v1/queues")
    await house.client(authorization="Bearer monarq_wrong").get("/v1/queues")
    await nobody.post("/v1/sessions", json={"name": user.name, "password": "wrong"})
    form = {"name": user.name, "password": "wrong"}
    await house.client(sec_fetch_site="same-origin").post("/login", data=form)
    await house.client(sec_fetch_site="cross-site").post("/login", data=form)
    viewer = await house.program({"role": "viewer"})
    await viewer.get("/v1/users")
    for _ in range(2):
        await viewer.get("/v1/queues")
    samples = scrape(house)
    reasons = {
        dict(labels)["reason"]: value
        for (name, labels), value in samples.items()
        if name == "monarq_auth_failures_total"
    }
    assert reasons == {"missing": 1, "invalid": 1, "login": 2, "not_permitted": 1, "cross_origin": 1}
    assert samples["monarq_rate_limited_total", frozenset({("route", "/v1/queues")})] == 1


async def test_what_is_done_by_hand_and_what_is_enqueued_is_counted(house: House) -> None:
    admin = await house.program({"role": "admin"})
    scrape(house)  # from then on
    await admin.post("/v1/queues/mail/pause", json={"why": "the mail server moves"})
    await admin.post("/v1/jobs", json=MAIL)
    samples = scrape(house)
    assert samples["monarq_audit_actions_total", frozenset({("action", "queue.pause")})] == 1
    [enqueued] = [dict(labels) for name, labels in samples if name == "monarq_jobs_enqueued_total"]
    assert enqueued["kind"] == "mail.send"
    assert samples["monarq_sse_clients", frozenset()] == 0


@pytest.fixture
async def port(house: House) -> AsyncIterator[int]:
    """The port beside the dashboard's own."""
    port = free_port()
    vitals = DashboardVitals(house.services, house.settings.model_copy(update={"metrics_port": port}))
    vitals.begin()
    yield port
    vitals.end()


async def test_a_port_of_its_own_asks_for_nothing(house: House, port: int) -> None:
    async def ask(path: str) -> httpx.Response:
        return await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}{path}")

    assert (await ask("/startupz")).json() == {
        "started": True,
        "ready": True,
        "checks": {"redis": "ok", "postgres": "ok"},
    }
    assert (await ask("/livez")).json() == {"alive": True}
    assert (await ask("/readyz")).status_code == 200
    assert names_of((await ask("/metrics")).text) >= OF_THE_DASHBOARD


async def test_the_guide_names_every_metric_of_a_dashboard(house: House) -> None:
    viewer = await house.program({"role": "viewer"})
    answer = await viewer.get("/metrics")
    assert faults_of(answer.text) == ""
    served = names_of(answer.text)
    told = set(re.findall(r"`(monarq_\w+)`", GUIDE.read_text(encoding="utf-8")))
    assert OF_THE_DASHBOARD <= served <= told
