"""Enqueues in the traces of an app: one span each, whose context the jobs carry."""

import json

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from monarq import Order, Producer, Settings, SyncProducer
from monarq.jobs.errors import Conflict, InvalidArguments
from monarq.jobs.store import scripts
from tests.tracing import Spans, traceparent_of

from .kinds import resize, send
from .recording import Recording, SyncRecording


def carried(transport: Recording) -> list[str | None]:
    """The trace in each envelope that was sent."""
    script = scripts.load("enqueue")
    calls = [command for command in transport.sent if command[1] in (script.sha, script.source)]
    heads = [part for command in calls for part in command if isinstance(part, bytes) and part[:1] == b"{"]
    return [json.loads(head + b"0}")["m"].get("c") for head in heads]


async def test_an_enqueue_is_a_span_that_its_job_carries(
    spans: Spans, producer: Producer, transport: Recording
) -> None:
    handle = await producer.enqueue(resize.of("a.png"), priority="low")
    [span] = spans()
    assert (span.name, span.kind) == ("send media", SpanKind.PRODUCER)
    assert dict(span.attributes or {}) == {
        "messaging.system": "monarq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "media",
        "messaging.message.id": handle.job_id,
        "monarq.kind": "image.resize",
        "monarq.priority": "low",
    }
    assert carried(transport) == [traceparent_of(span)]


async def test_an_enqueue_of_many_is_one_span_that_all_of_them_carry(
    spans: Spans, producer: Producer, transport: Recording
) -> None:
    await producer.enqueue_many([send.of("ann"), send.of("bob"), Order(send.of("eve"), delay=-1)])
    await producer.enqueue_many([send.of("ann"), resize.of("a.png")])
    of_one, of_two = spans()
    queue = send.policy.queue
    assert (of_one.name, of_two.name) == (f"send {queue}", "send")
    assert [(span.attributes or {})["messaging.batch.message_count"] for span in (of_one, of_two)] == [2, 2]
    assert (of_one.attributes or {})["messaging.destination.name"] == queue
    assert "messaging.destination.name" not in (of_two.attributes or {})
    assert carried(transport) == [traceparent_of(of_one)] * 2 + [traceparent_of(of_two)] * 2


async def test_a_refused_enqueue_is_a_span_that_says_so(spans: Spans, producer: Producer) -> None:
    await producer.enqueue(send.of("ann"), job_id="taken")
    with pytest.raises(Conflict):
        await producer.enqueue(send.of("bob"), job_id="taken")
    with pytest.raises(InvalidArguments):
        await producer.enqueue(send.of("bob"), delay=-1)
    with pytest.raises(TypeError):
        await producer.enqueue("send")  # type: ignore[arg-type]
    _, *refused = spans()
    assert [(span.attributes or {})["error.type"] for span in refused] == [
        "Conflict",
        "InvalidArguments",
        "TypeError",
    ]
    assert {span.status.status_code for span in refused} == {StatusCode.ERROR}


async def test_an_app_that_wants_no_spans_gets_none(spans: Spans, transport: Recording) -> None:
    async with Producer(Settings(tracing="off"), transport=transport) as producer:
        await producer.enqueue(send.of("ann"))
        await producer.enqueue_many([send.of("bob")])
        producer.outbox_row(send.of("eve"))
    assert spans() == []
    assert carried(transport) == [None, None]


async def test_without_a_tracer_jobs_carry_nothing(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("ann"))
    await producer.enqueue_many([send.of("bob")])
    assert carried(transport) == [None, None]


def test_code_without_an_event_loop_is_traced_alike(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    link = SyncRecording()
    monkeypatch.setattr("monarq.producer.sync_producer.SyncLink", lambda address: link)
    with SyncProducer(Settings()) as producer:
        producer.enqueue(send.of("ann"))
        producer.enqueue_many([send.of("bob"), send.of("eve")])
    one, many = spans()
    assert one.name == many.name == f"send {send.policy.queue}"
    assert carried(link) == [traceparent_of(one), traceparent_of(many), traceparent_of(many)]


async def test_a_row_for_the_outbox_is_made_in_a_span_of_its_own(spans: Spans, producer: Producer) -> None:
    """Who writes it, and when, is the app's own business: the row carries where it was made."""
    row = producer.outbox_row(send.of("ann"))
    [span] = spans()
    assert (span.name, span.kind) == (f"create {send.policy.queue}", SpanKind.PRODUCER)
    assert (span.attributes or {})["messaging.message.id"] == row.job_id
    assert traceparent_of(span) in str(row.parameters)
