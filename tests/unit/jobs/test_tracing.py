"""OpenTelemetry where the app uses it, and nothing at all where it does not."""

import sys
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from monarq.jobs import tracing
from monarq.jobs.envelope import Envelope, decode, encode_head, is_trace
from tests.tracing import Spans, context_of, ids_of, linked_to, traceparent_of

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
CARRIED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def remote(state: TraceState | None = None) -> NonRecordingSpan:
    return NonRecordingSpan(SpanContext(TRACE_ID, SPAN_ID, True, TraceFlags(1), state))


# --- nobody uses it


def test_who_has_not_imported_it_gets_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    monkeypatch.setattr(tracing, "_loaded", lambda: pytest.fail("it was loaded"))
    assert tracing.tracing_in_use() is None
    assert tracing.recording() is None
    assert tracing.current_ids() is None


def test_the_api_alone_records_nothing() -> None:
    assert tracing.tracing_in_use() is None
    assert tracing.recording() is None
    assert tracing.current_ids() is None


# --- what is carried


def carried_in(span: NonRecordingSpan) -> str | None:
    token = context.attach(trace.set_span_in_context(span))
    try:
        in_use = tracing.tracing_in_use()
        assert in_use is not None
        with in_use.sending("send", {}) as sent:
            return sent.carried
    finally:
        context.detach(token)


def test_without_a_tracer_the_current_context_is_carried_as_it_is() -> None:
    """A request that came in with a `traceparent`, in a process that records nothing itself."""
    assert carried_in(remote()) == CARRIED


def test_the_state_of_other_vendors_is_carried_if_an_envelope_can_hold_it() -> None:
    told = carried_in(remote(TraceState([("congo", "t61rcWkgMzE"), ("rojo", "00f067")])))
    assert told is not None
    assert told.endswith("-01 congo=t61rcWkgMzE,rojo=00f067")
    assert is_trace(told)


@pytest.mark.parametrize("value", ['a"b', "a}b", "a{b", "a\\b", "x" * 256])
def test_a_state_that_an_envelope_cannot_hold_is_left_out(value: str) -> None:
    entries = [("vendor", value)] if len(value) < 256 else [(f"v{n}", value) for n in range(3)]
    told = carried_in(remote(TraceState(entries)))
    assert told is not None
    assert " " not in told
    assert is_trace(told)


def test_an_envelope_carries_a_trace_and_its_other_parts_stay_as_they_are() -> None:
    options: dict[str, Any] = {"queue": "mail", "digest": "f" * 16, "tags": ("eu",)}
    body = encode_head("k", b'{"a":1}', trace=f"{CARRIED} congo=1", **options) + b"5}"
    read, plain = decode(body), decode(encode_head("k", b'{"a":1}', **options) + b"5}")
    assert read.trace == f"{CARRIED} congo=1"
    assert plain.trace is None
    assert (read.members, read.digest, read.tags) == (plain.members, "f" * 16, ["eu"])
    assert read.members


@pytest.mark.parametrize("told", ["", "x", CARRIED + " ", CARRIED + ' "', CARRIED + "\n", 5, None, [], {}])
def test_what_is_no_trace_is_none(told: Any) -> None:
    assert Envelope("k", [], {}, 0, meta={"c": told}).trace is None


# --- an app that records


def test_the_span_of_an_enqueue_is_a_part_of_the_current_one_and_is_carried(spans: Spans) -> None:
    in_use = tracing.tracing_in_use()
    assert in_use is not None
    request_span = trace.get_tracer("app").start_as_current_span("request")
    with request_span, in_use.sending("send mail", {"messaging.system": "monarq"}) as sent:
        assert tracing.current_ids() == (sent.trace_id, (sent.carried or "").split("-")[2])
    [send, request] = spans()
    assert send.parent is not None
    assert send.parent.span_id == context_of(request).span_id
    assert sent.carried == traceparent_of(send)
    assert sent.is_sampled


@pytest.mark.parametrize("how", ["link", "parent"])
def test_an_attempt_is_linked_to_its_enqueue_or_a_part_of_its_trace(spans: Spans, how: tracing.How) -> None:
    in_use = tracing.recording()
    assert in_use is not None
    with trace.get_tracer("app").start_as_current_span("what the worker was started in"):
        in_use.begin_attempt("process mail", {}, f"{CARRIED} congo=1", how).end()
    attempt = spans("process")[0]
    assert linked_to(attempt) == [(TRACE_ID, SPAN_ID)]
    assert attempt.links[0].context.trace_state.get("congo") == "1"
    if how == "parent":
        assert ids_of(attempt)[0] == TRACE_ID
        assert attempt.parent is not None
        assert attempt.parent.span_id == SPAN_ID
    else:
        assert attempt.parent is None
        assert ids_of(attempt)[0] != TRACE_ID


@pytest.mark.parametrize("carried", [None, "", "rubbish", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_an_attempt_at_a_job_that_carries_nothing_stands_alone(spans: Spans, carried: str | None) -> None:
    in_use = tracing.recording()
    assert in_use is not None
    in_use.begin_attempt("process mail", {}, carried, "parent").end()
    [attempt] = spans()
    assert (attempt.parent, linked_to(attempt)) == (None, [])
