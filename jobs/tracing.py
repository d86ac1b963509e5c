"""OpenTelemetry, where the app uses it.

Nothing of it is imported here before somebody else has done so: who has not imported its API in this process
has set up no tracing and is in no span, so a look at `sys.modules` is all that it costs them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from .envelope import is_trace
from .semconv import ERROR_TYPE

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

#: How an attempt belongs to the trace of its enqueue: the setting `tracing`.
How = Literal["link", "parent", "off"]

Attributes = Mapping[str, str | int]

_API = "opentelemetry.trace"


def tracing_in_use() -> Tracing | None:
    """How to trace; None if there is nothing to trace: nobody has set up a tracer, and no span is current."""
    if _API not in sys.modules:
        return None
    tracing = _loaded()
    # each `enqueue` of a process asks, also where an import has come along that nobody uses
    return None if tracing.current_span() is tracing.no_span and not tracing.records() else tracing


def recording() -> Tracing | None:
    """How to trace; None if nobody has set up a tracer."""
    return _loaded() if _API in sys.modules and _loaded().records() else None


def current_ids() -> tuple[str, str] | None:
    """The ids of the trace and of the span that the caller is in, in hex; None if in none."""
    return _loaded().current_ids() if _API in sys.modules else None


def join(carried: str) -> None:
    """Let the span that is carried here be the current one, for the rest of this task."""
    _loaded().join(carried)


@contextmanager
def asked_by(headers: Mapping[str, str]) -> Iterator[None]:
    """Be in the trace that a request says it belongs to, unless the app's own framework has seen to that."""
    parent = headers.get("traceparent")
    if parent is None or _API not in sys.modules or current_ids() is not None:
        yield
        return
    with _loaded().within(f"{parent} {headers.get('tracestate', '')}".rstrip()):
        yield


@cache
def _loaded() -> Tracing:
    return Tracing()


class OpenSpan:
    """A span that has begun."""

    __slots__ = ("_span", "carried", "is_sampled", "trace_id")

    def __init__(self, span: Span, carried: str | None) -> None:
        self._span = span
        context = span.get_span_context()
        #: Its context, for the envelope of a job; None if there is none.
        self.carried = carried
        #: In hex.
        self.trace_id = f"{context.trace_id:032x}"
        #: Whether somebody will see it.
        self.is_sampled = context.trace_flags.sampled

    def tell(self, attributes: Attributes, name: str | None = None) -> None:
        """Add attributes, and say what its name is after all."""
        self._span.set_attributes(attributes)
        if name is not None:
            self._span.update_name(name)

    def fail(self, error_type: str, message: str, event: tuple[str, Attributes] | None = None) -> None:
        """Say what went wrong."""
        status = _loaded().failed(message)
        self._span.set_attribute(ERROR_TYPE, error_type)
        self._span.set_status(status)
        if event is not None:
            self._span.add_event(*event)

    def end(self) -> None:
        """It is over."""
        self._span.end()


class Tracing:
    """Makes spans with the tracer that the app has set up."""

    def __init__(self) -> None:
        from importlib.metadata import version

        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace, self._context = trace, context
        self._propagator = TraceContextTextMapPropagator()
        self._tracer = trace.get_tracer("monarq", version("monarq"))
        #: The span that is current, be it one of another process; `no_span` if none is.
        self.current_span, self.no_span = trace.get_current_span, trace.INVALID_SPAN

    def records(self) -> bool:
        """Whether a tracer is set up."""
        # where `get_tracer_provider` looks first; that one also asks the environment, for a microsecond
        return getattr(self._trace, "_TRACER_PROVIDER", self) is not None

    def current_ids(self) -> tuple[str, str] | None:
        """The ids of the current trace and span, in hex."""
        context = self._trace.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None

    @contextmanager
    def sending(self, name: str, attributes: Attributes) -> Iterator[OpenSpan]:
        """A span around an enqueue.  Where no tracer is set up, it is the one that is current already."""
        kind = self._trace.SpanKind.PRODUCER
        with self._tracer.start_as_current_span(name, kind=kind, attributes=attributes) as span:
            try:
                yield OpenSpan(span, self._carried(span))
            except BaseException as error:
                span.set_attribute(ERROR_TYPE, type(error).__name__)
                raise

    def begin_attempt(self, name: str, attributes: Attributes, carried: str | None, how: How) -> OpenSpan:
        """The span of an attempt at a job that carries this context: of its trace, or linked to it."""
        origin = self._context_of(carried)
        source = self._trace.get_current_span(origin).get_span_context()
        span = self._tracer.start_span(
            name,
            # not the current one: what the worker itself was started in has nothing to do with the job
            context=origin if how == "parent" else self._context_of(None),
            kind=self._trace.SpanKind.CONSUMER,
            attributes=attributes,
            links=[self._trace.Link(source)] if source.is_valid else None,
        )
        return OpenSpan(span, self._carried(span))

    def enter(self, span: OpenSpan) -> Any:
        """Let the span be the current one; who is given what this returns can undo it."""
        return self._context.attach(self._trace.set_span_in_context(span._span))

    def leave(self, token: Any) -> None:
        """Undo `enter`, in the same task."""
        self._context.detach(token)

    def join(self, carried: str) -> None:
        """Let the span that is carried here be the current one."""
        self._context.attach(self._context_of(carried))

    @contextmanager
    def within(self, carried: str) -> Iterator[None]:
        """The same for a while."""
        token = self._context.attach(self._context_of(carried))
        try:
            yield
        finally:
            self.leave(token)

    def failed(self, message: str) -> Any:
        """The status of a span of what went wrong."""
        return self._trace.Status(self._trace.StatusCode.ERROR, message)

    # ---

    def _carried(self, span: Span) -> str | None:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(span))
        parent, state = carrier.get("traceparent"), carrier.get("tracestate")
        if parent is None or state is None:
            return parent
        both = f"{parent} {state}"
        return both if is_trace(both) else parent  # the state of other vendors is not worth a job

    def _context_of(self, carried: str | None) -> Context:
        parent, _, state = (carried or "").partition(" ")
        carrier = {"traceparent": parent, "tracestate": state} if state else {"traceparent": parent}
        return self._propagator.extract(carrier, self._context.Context())
