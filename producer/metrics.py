"""The metrics of those who enqueue: an app, the dashboard, a relay.

An app that serves metrics of its own adds ours to its registry; without that nothing is counted:

    from prometheus_client import REGISTRY
    from monarq.producer.metrics import EnqueueCollector

    REGISTRY.register(EnqueueCollector(producer))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from monarq.jobs.metrics import Collector, Metric, counter

from .counting import EnqueueCounts
from .producer import Producer
from .sync_producer import SyncProducer

if TYPE_CHECKING:
    from .relay import Relay


class EnqueueCollector(Collector):
    """Lets these producers count, and tells what they have enqueued from now on.

    Jobs that go by the outbox are counted by the relay that brings them to Redis.
    """

    def __init__(self, *producers: Producer | SyncProducer) -> None:
        self._counts = EnqueueCounts()
        for producer in producers:
            producer.counts = self._counts

    def collect(self) -> Iterator[Metric]:
        yield _enqueued(self._counts)


class RelayCollector(Collector):
    """Tells of one relay."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        yield _enqueued(self._relay.counts)
        yield counter(
            "monarq_outbox_relayed",
            "Rows of the outbox that this process has brought to Redis.",
            (),
            {(): self._relay.relayed},
        )


def _enqueued(counts: EnqueueCounts) -> Metric:
    return counter(
        "monarq_jobs_enqueued",
        "Jobs that this process has brought to Redis.",
        ("queue", "kind", "priority"),
        counts.read(),
    )
