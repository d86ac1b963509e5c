"""Attempts in the traces of an app: a span each, linked to the enqueue, over retries and replays."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from redis.asyncio import Redis
from structlog.testing import capture_logs

from monarq.jobs import JobContext, Snooze, job
from monarq.jobs.errors import JobCancelled, JobFailed
from monarq.jobs.retry import fixed
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.jobs.tracing import Tracing
from monarq.producer import Producer
from tests.servers import free_port
from tests.tracing import Spans, context_of, ids_of, linked_to

from . import child_kinds
from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter

tracer = trace.get_tracer("app")


@job("work", max_attempts=2, backoff=fixed(0))
async def work(ctx: JobContext, fails: bool = False) -> str:
    with tracer.start_as_current_span("inside"):
        ctx.log.info("working")
    if fails:
        raise ValueError("declined")
    return "done"


async def ended(spans: Spans, count: int) -> list[ReadableSpan]:
    """The spans of so many attempts, in the order of their ends."""
    await eventually(lambda: len(spans("process")) >= count)
    return spans("process")


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_an_attempt_is_a_span_linked_to_its_enqueue_with_what_the_handler_does_inside(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    async with serve(work) as worker:
        handle = await producer.enqueue(work.of())
        await handle.result(timeout=20)
        [attempt] = await ended(spans, 1)
    [send], [inside] = spans("send"), spans("inside")
    assert (attempt.name, attempt.kind, attempt.parent) == ("process default", SpanKind.CONSUMER, None)
    assert linked_to(attempt) == [ids_of(send)]
    assert context_of(inside).trace_id == context_of(attempt).trace_id != context_of(send).trace_id
    assert told(attempt) == {
        "messaging.system": "monarq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": handle.job_id,
        "messaging.client.id": worker.worker_id,
        "monarq.kind": "work",
        "monarq.attempt": 1,
        "monarq.priority": "normal",
        "monarq.outcome": "succeeded",
    }
    assert attempt.status.status_code is StatusCode.UNSET


async def test_retries_and_replays_are_linked_to_the_same_enqueue(
    serve: Serve, producer: Producer, client: Redis, redis_url: str, spans: Spans
) -> None:
    async with serve(work):
        handle = await producer.enqueue(work.of(fails=True))
        with pytest.raises(JobFailed):
            await handle.result(timeout=20)
        await dead_letter(client, handle.job_id)
        link = Link(from_url(redis_url))
        assert await open_dead_letters(link).replay([handle.job_id]) == [True]
        await link.close()
        attempts = await ended(spans, 4)
    [send] = spans("send")
    assert [linked_to(attempt) for attempt in attempts] == [[ids_of(send)]] * 4
    numbered = [(told(one)["monarq.attempt"], told(one)["monarq.outcome"]) for one in attempts]
    assert numbered == [(1, "retried"), (2, "dead")] * 2
    for attempt in attempts:
        assert told(attempt)["error.type"] == "ValueError"
        assert (attempt.status.status_code, attempt.status.description) == (StatusCode.ERROR, "declined")
        [event] = attempt.events
        assert event.name == "exception"
        assert "in work" in str((event.attributes or {})["exception.stacktrace"])


async def test_attempts_can_be_parts_of_the_trace_of_their_enqueue(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    async with serve(work, settings={"tracing": "parent"}):
        with tracer.start_as_current_span("request"):
            handle = await producer.enqueue(work.of())
        await handle.result(timeout=20)
        [attempt] = await ended(spans, 1)
    assert len({context_of(span).trace_id for span in spans()}) == 1
    assert attempt.parent is not None
    assert attempt.parent.span_id == context_of(spans("send")[0]).span_id


async def test_an_app_that_wants_no_spans_gets_none(serve: Serve, producer: Producer, spans: Spans) -> None:
    async with serve(work, settings={"tracing": "off"}):
        await (await producer.enqueue(work.of())).result(timeout=20)
    assert spans("process") == []


@pytest.mark.parametrize("broken", ["begin_attempt", "failed"])
async def test_a_tracer_that_raises_costs_no_job(
    serve: Serve, producer: Producer, spans: Spans, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Whether at the start of a span or at its end."""

    def fail(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Tracing, broken, fail)
    with capture_logs() as logs:
        async with serve(work):
            assert await (await producer.enqueue(work.of())).result(timeout=20) == "done"
            with pytest.raises(JobFailed, match="declined"):
                await (await producer.enqueue(work.of(fails=True))).result(timeout=20)
    assert "worker.tracing_failed" in {line["event"] for line in logs}


async def test_a_tracer_that_the_app_sets_up_when_it_starts_is_used(
    serve: Serve, producer: Producer, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = trace.get_tracer_provider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)

    async def on_startup(ctx: dict[Any, Any]) -> None:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)

    async with serve(work, on_startup=on_startup):
        await (await producer.enqueue(work.of())).result(timeout=20)
        await ended(spans, 1)


async def test_a_job_that_a_handler_enqueues_is_a_part_of_its_trace(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    @job("first")
    async def first(ctx: JobContext) -> None:
        await producer.enqueue(work.of())

    async with serve(first, work):
        await producer.enqueue(first.of())
        of_first, of_second = await ended(spans, 2)
    _, send = spans("send")
    assert send.parent is not None
    assert send.parent.span_id == context_of(of_first).span_id
    assert linked_to(of_second) == [ids_of(send)]


async def test_a_handler_in_a_thread_is_inside_of_its_span(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    @job("plain")
    def plain(ctx: JobContext) -> int:
        return trace.get_current_span().get_span_context().span_id

    async with serve(plain):
        seen = await (await producer.enqueue(plain.of())).result(timeout=20)
        [attempt] = await ended(spans, 1)
    assert seen == context_of(attempt).span_id


async def test_a_handler_in_a_process_is_inside_of_the_span_that_its_worker_opens(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    async with serve(child_kinds.process_trace, settings={"processes": 1}):
        seen = await (await producer.enqueue(child_kinds.process_trace.of())).result(timeout=60)
        [attempt] = await ended(spans, 1)
    assert tuple(int(part, 16) for part in seen) == ids_of(attempt)


async def test_what_somebody_wanted_is_no_error(serve: Serve, producer: Producer, spans: Spans) -> None:
    started = asyncio.Event()

    @job("wanted")
    async def wanted(ctx: JobContext, snoozes: bool) -> None:
        if snoozes and ctx.fence == 1:
            raise Snooze(0)
        if not snoozes:
            started.set()
            await asyncio.Event().wait()

    async with serve(wanted):
        await (await producer.enqueue(wanted.of(snoozes=True))).result(timeout=20)
        handle = await producer.enqueue(wanted.of(snoozes=False))
        await started.wait()
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
        attempts = await ended(spans, 3)
    assert [told(one)["monarq.outcome"] for one in attempts] == ["snoozed", "succeeded", "cancelled"]
    assert all(one.status.status_code is StatusCode.UNSET for one in attempts)
    assert all("error.type" not in told(one) for one in attempts)


async def test_an_attempt_that_is_given_up_has_one_end(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    go_on = asyncio.Event()

    @job("stubborn", timeout=0.05, max_attempts=1)
    async def stubborn(ctx: JobContext) -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    async with serve(stubborn, settings={"cancel_grace": timedelta(seconds=0.1)}) as worker:
        handle = await producer.enqueue(stubborn.of())
        with pytest.raises(JobFailed):
            await handle.result(timeout=20)
        [attempt] = await ended(spans, 1)
        go_on.set()
        await eventually(lambda: worker.slots.busy == 0)
    assert spans("process") == [attempt]
    assert told(attempt)["monarq.outcome"] == "dead"


async def test_lines_of_the_log_name_the_trace(serve: Serve, producer: Producer, spans: Spans) -> None:
    """Also where many jobs are recorded together, by the task of one of them."""
    with capture_logs() as logs:
        async with serve(work, settings={"log_ends": {"*": "all"}}):
            handles = await producer.enqueue_many([work.of() for _ in range(20)])
            await ended(spans, 20)
            await eventually(lambda: sum(line["event"] == "job.succeeded" for line in logs) == 20)
    by_job = {told(one)["messaging.message.id"]: context_of(one).trace_id for one in spans("process")}
    lines = {line["job_id"]: line for line in logs if line["event"] == "job.succeeded"}
    assert (
        set(lines)
        == set(by_job)
        == {handle.job_id for handle in handles if not isinstance(handle, Exception)}
    )
    assert all(int(line["trace_id"], 16) == by_job[job_id] for job_id, line in lines.items())
    line = next(iter(lines.values()))
    assert (line["kind"], line["queue"], line["attempt"]) == ("work", "default", 1)
    assert line["seconds"] >= 0


async def test_who_reads_openmetrics_is_told_a_trace_for_a_bucket(
    serve: Serve, producer: Producer, spans: Spans
) -> None:
    accept = {"accept": "application/openmetrics-text;version=1.0.0"}
    async with serve(work, settings={"metrics_port": free_port()}) as worker:
        await (await producer.enqueue(work.of())).result(timeout=20)
        [attempt] = await ended(spans, 1)
        worker.vitals.meters.fold()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.vitals.port}") as scraper:
            text = (await scraper.get("/metrics", headers=accept)).text
            plain = (await scraper.get("/metrics")).text
    marked = {
        sample.name: sample.exemplar
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar is not None
    }
    trace_id = f"{context_of(attempt).trace_id:032x}"
    assert set(marked) == {"monarq_job_run_seconds_bucket", "monarq_job_wait_seconds_bucket"}
    assert {exemplar.labels["trace_id"] for exemplar in marked.values()} == {trace_id}
    assert trace_id not in plain
