"""The metrics of one dashboard, made for each scrape out of what it has counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from monarq.jobs.metrics import Collector, Metric, counter, gauge, histogram

from .meters import Meters
from .streams import Streams


class DashboardCollector(Collector):
    """Tells of one dashboard, in the thread that makes the text.

    Args:
        actions: What was changed by hand, by action.
    """

    def __init__(self, meters: Meters, streams: Streams, actions: Counter[str]) -> None:
        self._meters = meters
        self._streams = streams
        self._actions = actions

    def collect(self) -> Iterator[Metric]:
        meters = self._meters
        yield counter(
            "monarq_http_requests",
            "Requests by the template of their address; `none` for one that there is not.",
            ("route", "method", "code"),
            meters.requests.copy(),
        )
        yield histogram(
            "monarq_http_request_duration_seconds",
            "How long requests took, without streams.",
            ("route", "method"),
            [(key, one.bounds, one.counts, one.total) for key, one in list(meters.durations_ms.items())],
        )
        yield counter(
            "monarq_auth_failures",
            "Requests that were refused for who sent them.",
            ("reason",),
            _by(meters.refused),
        )
        yield counter("monarq_rate_limited", "Requests that came too often.", ("route",), _by(meters.limited))
        yield counter("monarq_audit_actions", "What was changed by hand.", ("action",), _by(self._actions))
        yield gauge(
            "monarq_sse_clients", "Streams of events, to pages and to apps.", (), {(): len(self._streams)}
        )


def _by(counted: Counter[str]) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counted.copy().items()}
