"""An app that has set up OpenTelemetry, for the length of a test: the fixture `spans`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from monarq.jobs import tracing

#: The spans that have ended, as far as their names begin like this, in the order of their ends.
Spans = Callable[..., list[ReadableSpan]]

_EXPORTER = InMemorySpanExporter()
_PROVIDER = TracerProvider(shutdown_on_exit=False)
_PROVIDER.add_span_processor(SimpleSpanProcessor(_EXPORTER))


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """What an app records that has set up a tracer."""
    # the API lets a provider be set once and for all; other tests of this process want none
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", _PROVIDER)
    tracing._loaded.cache_clear()  # which has the tracer of before
    _EXPORTER.clear()
    yield lambda name="": [span for span in _EXPORTER.get_finished_spans() if span.name.startswith(name)]
    _EXPORTER.clear()
    tracing._loaded.cache_clear()


def context_of(span: ReadableSpan) -> SpanContext:
    """Of a span that has one: all of them."""
    context = span.get_span_context()
    assert context is not None
    return context


def linked_to(span: ReadableSpan) -> list[tuple[int, int]]:
    """Trace and span of what it is linked to."""
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def ids_of(span: ReadableSpan) -> tuple[int, int]:
    """Its own."""
    return context_of(span).trace_id, context_of(span).span_id


def traceparent_of(span: ReadableSpan) -> str:
    """As it travels."""
    return "00-{:032x}-{:016x}-{:02x}".format(*ids_of(span), context_of(span).trace_flags)
