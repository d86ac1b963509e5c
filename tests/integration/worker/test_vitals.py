"""What a worker tells at its own port: metrics, and whether it lives, has started, is ready."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from arq.cron import cron

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed
from monarq.producer import Order, Producer
from monarq.worker import Worker
from monarq.worker.meters import MOST_EXCEPTIONS
from tests.scrapes import Samples, faults_of, names_of, samples_of
from tests.servers import free_port

from .conftest import Serve
from .deadlines import eventually

GUIDE = Path(__file__).parents[3] / "docs/guides/metrics.md"
OF_THE_DASHBOARD = {
    "monarq_http_requests_total",
    "monarq_http_request_duration_seconds",
    "monarq_auth_failures_total",
    "monarq_rate_limited_total",
    "monarq_audit_actions_total",
    "monarq_sse_clients",
}


@job("work", max_attempts=2, backoff=fixed(0))
async def work(ctx: JobContext, fault: str = "") -> None:
    if fault:
        raise type(fault, (Exception,), {})(fault)


async def tick(ctx: JobContext) -> None:
    """A cron job, or a kind of which there are many."""


async def ask(worker: Worker, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.vitals.port}") as client:
        return await client.get(path, headers=headers)


async def scrape(worker: Worker) -> Samples:
    answer = await ask(worker, "/metrics")
    assert answer.status_code == 200
    return samples_of(answer.text)


async def seen(worker: Worker, name: str, labels: dict[str, str], test: Callable[[float], bool]) -> float:
    """The value, as soon as it passes: what has ended is counted within a second."""
    found: list[float] = []

    async def look() -> bool:
        found.append((await scrape(worker)).get((name, frozenset(labels.items())), 0.0))
        return test(found[-1])

    await eventually(look)
    return found[-1]


@pytest.fixture
def options() -> dict[str, Any]:
    return {"settings": {"metrics_port": free_port()}}


async def test_each_attempt_is_counted_by_how_it_ended(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    async with serve(work, **options) as worker:
        await producer.enqueue_many([Order(work.of()) for _ in range(300)])
        await producer.enqueue_many([Order(work.of("Broken")) for _ in range(5)])
        pair = {"queue": "default", "kind": "work"}
        finished = "monarq_job_attempts_finished_total"
        await seen(worker, finished, pair | {"outcome": "dead"}, lambda value: value == 5)
        await seen(worker, finished, pair | {"outcome": "succeeded"}, lambda value: value == 300)
        samples = await scrape(worker)

        def of(name: str, **labels: str) -> float:
            return samples[name, frozenset(labels.items())]

        assert of(finished, **pair, outcome="retried") == 5
        assert of("monarq_job_attempts_started_total", **pair) == 310
        assert of("monarq_job_exceptions_total", kind="work", exception="Broken") == 10
        assert of("monarq_job_run_seconds_count", **pair) == 310
        assert of("monarq_job_wait_seconds_count", queue="default", priority="normal") == 310
        assert of("monarq_job_wait_objective_met_total", queue="default") == 310
        assert of("monarq_job_end_to_end_seconds_count", queue="default") == 305
        assert of("monarq_job_attempts_bucket", queue="default", le="1.0") == 300
        assert of("monarq_job_attempts_bucket", queue="default", le="+Inf") == 305
        assert of("monarq_worker_slots") == worker.slots.total


async def test_a_job_of_a_kind_that_nobody_knows_is_told_as_put_back(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    """It is never ready for long enough to be late: nothing else shows it."""

    @job("unknown")
    async def unknown(ctx: JobContext) -> None: ...

    async with serve(work, **options) as worker:
        why = {"queue": "default", "cause": "unknown_kind"}
        assert (await scrape(worker))["monarq_jobs_put_back_total", frozenset(why.items())] == 0
        await producer.enqueue(unknown.of())
        await seen(worker, "monarq_jobs_put_back_total", why, bool)


async def test_what_runs_is_seen_while_it_runs(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    release = asyncio.Event()

    @job("hold")
    async def hold(ctx: JobContext) -> None:
        await release.wait()

    async with serve(hold, **options) as worker:
        before = await scrape(worker)
        started = ("monarq_job_attempts_started_total", frozenset({("queue", "default"), ("kind", "hold")}))
        assert before[started] == 0, "a first one must be seen as a rise"
        await producer.enqueue(hold.of())
        await seen(worker, "monarq_worker_slots_busy", {"queue": "default"}, lambda value: value == 1)
        await seen(worker, "monarq_worker_running_job_max_age_seconds", {"queue": "default"}, bool)
        assert (await scrape(worker))[started] == 1
        release.set()


async def test_exceptions_of_many_types_make_few_series(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    count = MOST_EXCEPTIONS + 7
    async with serve(work, **options) as worker:
        await producer.enqueue_many([Order(work.of(f"Fault{number}")) for number in range(count)])
        labels = {"kind": "work", "outcome": "dead", "queue": "default"}
        await seen(worker, "monarq_job_attempts_finished_total", labels, lambda value: value == count)
        told = [labels for name, labels in await scrape(worker) if name == "monarq_job_exceptions_total"]
        assert len(told) == MOST_EXCEPTIONS + 1


async def test_a_blocked_loop_is_told_of_by_metrics_and_by_the_probe(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    @job("block")
    async def block(ctx: JobContext) -> None:
        time.sleep(1.2)  # noqa: ASYNC251

    async with serve(block, **options) as worker:
        port = worker.vitals.port
        await producer.enqueue(block.of())
        asked = asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/livez")
        alive = await asked
        assert alive.status_code == 200, "a second is not the end"
        await eventually(lambda: was_late(worker))


async def was_late(worker: Worker) -> bool:
    """Whether the loop has kept somebody waiting for half a second."""
    samples, bucket = await scrape(worker), "monarq_worker_event_loop_lag_seconds_bucket"
    every, in_time = (samples.get((bucket, frozenset({("le", le)})), 0.0) for le in ("+Inf", "0.5"))
    return every > in_time


async def test_a_worker_is_ready_from_its_start_until_it_is_told_to_claim_no_more(
    serve: Serve, options: dict[str, Any]
) -> None:
    async with serve(work, **options) as worker:
        assert (await ask(worker, "/startupz")).status_code == 200
        ready = await ask(worker, "/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "checks": {"redis": "ok"}})
        worker._quiet(signal.SIGUSR1)
        leaving = await ask(worker, "/readyz")
        assert (leaving.status_code, leaving.json()["ready"]) == (503, False)
        assert (await ask(worker, "/livez")).status_code == 200
        assert (await ask(worker, "/secrets")).status_code == 404


async def test_a_port_that_is_taken_costs_the_worker_nothing_but_its_metrics(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    async with serve(work, **options) as first, serve(work, **options) as second:
        assert first.vitals.port is not None
        assert second.vitals.port is None
        await (await producer.enqueue(work.of())).result(timeout=20)


async def test_a_worker_that_nobody_scrapes_counts_nothing(serve: Serve, producer: Producer) -> None:
    async with serve(work) as worker:
        await (await producer.enqueue(work.of())).result(timeout=20)
        worker.vitals.meters.fold()
        assert worker.vitals.port is None
        assert not any(worker.vitals.meters.endings["default", "work"].values())


async def test_the_guide_names_every_metric_that_there_is(
    serve: Serve, producer: Producer, options: dict[str, Any], database_url: str
) -> None:
    """Those of a dashboard are the business of its own test."""
    options["settings"] |= {"database_url": database_url}
    options["cron_jobs"] = [cron(tick, name="tick", minute=0)]
    async with serve(work, **options) as worker:
        await producer.enqueue(work.of("Broken"))
        await seen(worker, "monarq_job_exceptions_total", {"kind": "work", "exception": "Broken"}, bool)
        await seen(worker, "monarq_heartbeat_job_timestamp_seconds", {"queue": "default"}, bool)
        await seen(worker, "monarq_schedule_interval_seconds", {"schedule": "tick"}, bool)
        answer = await ask(worker, "/metrics")
    told = set(re.findall(r"`(monarq_\w+)`", GUIDE.read_text(encoding="utf-8")))
    assert faults_of(answer.text) == ""
    assert names_of(answer.text) <= told
    assert told - names_of(answer.text) == OF_THE_DASHBOARD


async def test_series_are_few_enough_also_of_the_worker_that_tells_of_the_fleet(
    serve: Serve, options: dict[str, Any]
) -> None:
    """10 queues and 50 kinds, and all that is known beforehand."""
    kinds = [job(f"kind{number}", queue=f"q{number % 10}")(tick) for number in range(50)]
    async with serve(*kinds, queues=[f"q{number}" for number in range(10)], **options) as worker:
        await seen(worker, "monarq_queue_workers", {"queue": "q9"}, bool)
        assert len(await scrape(worker)) <= 2_500


def test_a_probe_is_json() -> None:
    from monarq.jobs.side_port import json_page

    status, body, media_type = json_page(lambda: (False, {"ready": False}))("")
    assert (status, json.loads(body), media_type) == (503, {"ready": False}, "application/json")
