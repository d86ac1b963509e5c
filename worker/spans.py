"""Attempts in the traces of the app: a span `process <queue>` each, linked to where the job was enqueued."""

from __future__ import annotations

from typing import Any

import structlog

from monarq.jobs import semconv
from monarq.jobs.envelope import Envelope
from monarq.jobs.failure import Failure, clean
from monarq.jobs.settings import Settings
from monarq.jobs.store.verbs import End, Settlement
from monarq.jobs.tracing import How, OpenSpan, Tracing, recording

from .meters import Ending, ending_of
from .run import Run

log = structlog.get_logger("monarq.worker")

#: With these an attempt has failed; with all others it did what somebody wanted.
_FAULTS = frozenset({Ending.RETRIED, Ending.TIMED_OUT, Ending.DEAD, Ending.EXPIRED})
#: arq's ids and kinds may be anything, of any length.
_LONGEST_NAME = 200


class AttemptSpan:
    """The span of one attempt; the current one in the task that runs it."""

    __slots__ = ("_is_open", "_span", "_token", "_tracing")

    def __init__(self, tracing: Tracing, span: OpenSpan) -> None:
        self._tracing = tracing
        self._span = span
        self._token: Any = tracing.enter(span)
        self._is_open = True

    @property
    def trace_id(self) -> str:
        """Of its trace, in hex."""
        return self._span.trace_id

    @property
    def exemplar(self) -> str | None:
        """The trace that somebody will see; None if it is not recorded."""
        return self._span.trace_id if self._span.is_sampled else None

    @property
    def carried(self) -> str | None:
        """Its context, for a child that runs the job."""
        return self._span.carried

    def leave(self, end: End) -> None:
        """The task that it was opened in is done with the attempt."""
        self._tracing.leave(self._token)
        self.end(end)

    def end(self, end: End) -> None:
        """Tell how the attempt ended, once: also if its handler has been given up and ends after all."""
        if not self._is_open:
            return
        self._is_open = False
        ending = ending_of(end, Settlement.RECORDED)
        try:
            self._span.tell({semconv.OUTCOME: str(ending)})
            if ending in _FAULTS and end.failure is not None:
                _tell_failure(self._span, end.failure)
            self._span.end()
        except Exception:  # see `open`
            log.exception("worker.tracing_failed", job_id=end.job_id)


class Spans:
    """Opens the spans of one worker.

    Args:
        how: The setting `tracing`.
    """

    def __init__(self, tracing: Tracing, how: How, worker_id: str) -> None:
        self._tracing = tracing
        self._how: How = how
        self._fixed = semconv.operation(semconv.PROCESS) | {semconv.WORKER: worker_id}

    @classmethod
    def if_recorded(cls, settings: Settings, worker_id: str) -> Spans | None:
        """None if the app has set up no tracer, or wants nothing to be told."""
        tracing = None if settings.tracing == "off" else recording()
        return None if tracing is None else cls(tracing, settings.tracing, worker_id)

    def open(self, run: Run, envelope: Envelope) -> None:
        """Begin the span of this attempt, in the task that runs it."""
        try:
            run.span = self._opened(run, envelope)
        except Exception:  # a broken sampler or processor of the app must not cost it a job
            log.exception("worker.tracing_failed", job_id=run.job_id)

    def _opened(self, run: Run, envelope: Envelope) -> AttemptSpan:
        queue = run.claimed.queue.name
        attributes: dict[str, str | int] = {
            **self._fixed,
            semconv.QUEUE: queue,
            semconv.JOB_ID: clean(run.job_id, _LONGEST_NAME),
            semconv.KIND: clean(envelope.kind, _LONGEST_NAME),
            semconv.ATTEMPT: run.attempt,
            semconv.PRIORITY: str(envelope.priority),
        }
        name = semconv.span_name(semconv.PROCESS, queue)
        span = self._tracing.begin_attempt(name, attributes, envelope.trace, self._how)
        return AttemptSpan(self._tracing, span)


def _tell_failure(span: OpenSpan, failure: Failure) -> None:
    told = {
        semconv.EXCEPTION_TYPE: failure.error_type,
        semconv.EXCEPTION_MESSAGE: failure.message,
        semconv.EXCEPTION_STACKTRACE: failure.traceback,
    }
    span.fail(failure.error_type, failure.message, (semconv.EXCEPTION, told))
