"""Enqueues in the traces of the app: a span `send <queue>`, whose context travels in the envelope."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from monarq.jobs import semconv
from monarq.jobs.handler import Call
from monarq.jobs.tracing import OpenSpan, Tracing

from .order import Order


def sending(
    tracing: Tracing, order: Order[Any], operation: str = semconv.SEND
) -> AbstractContextManager[OpenSpan]:
    """A span around the enqueue of one job."""
    attributes = semconv.operation(operation)
    call: object = order.call
    if not isinstance(call, Call):  # who prepares the order says so
        return tracing.sending(operation, attributes)
    handler = call.handler
    queue = str(order.queue or handler.policy.queue)
    attributes |= {
        semconv.QUEUE: queue,
        semconv.KIND: handler.kind,
        semconv.PRIORITY: str(order.priority or handler.policy.priority),
    }
    return tracing.sending(semconv.span_name(operation, queue), attributes)


def sent(span: OpenSpan, job_id: str) -> None:
    """Say which job it was."""
    span.tell({semconv.JOB_ID: job_id})


def sending_many(tracing: Tracing) -> AbstractContextManager[OpenSpan]:
    """One span around the enqueue of many jobs: they all carry its context."""
    return tracing.sending(semconv.SEND, semconv.operation(semconv.SEND))


def sent_many(span: OpenSpan, queues: Iterable[str]) -> None:
    """Say how many jobs there were, and of which queue if all are of one.

    Args:
        queues: That of each job.
    """
    of_each = list(queues)
    told: dict[str, str | int] = {semconv.JOB_COUNT: len(of_each)}
    if len(set(of_each)) != 1:
        span.tell(told)
        return
    [queue] = set(of_each)
    span.tell(told | {semconv.QUEUE: queue}, semconv.span_name(semconv.SEND, queue))
