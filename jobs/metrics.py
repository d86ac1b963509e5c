"""What is common to the metrics of all processes: histograms of our own counts, and their text.

Collectors make their metrics anew for each scrape, out of numbers that are counted elsewhere: so the hot path
pays for a list, not for a metric object, and no series outlives what it tells of.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as Sampled

from .histogram import Exemplar

__all__ = ["Collector", "Metric", "counter", "gauge", "histogram", "render"]

#: ms in a second: what is counted in ms is told in seconds.
MS = 1_000
#: Per set of label values: an example for some of the buckets, by their number.
Exemplars = Mapping[tuple[str, ...], Mapping[int, Exemplar]]

#: By the values of its labels, in their order; `()` for a metric that has none.
Values = Mapping[tuple[str, ...], float]


def render(collectors: Iterable[Collector], accept: str) -> tuple[bytes, str]:
    """The text of a scrape, and its media type, in the format that the scraper prefers.

    It says also which release runs.

    Args:
        accept: The header of the request.
    """
    registry = CollectorRegistry(auto_describe=False)
    for collector in (_Build(), *collectors):
        registry.register(collector)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def counter(name: str, help_text: str, labels: Sequence[str], values: Values) -> Metric:
    """A counter; its name is given without `_total`."""
    return _filled(CounterMetricFamily(name, help_text, labels=labels), values)


def gauge(name: str, help_text: str, labels: Sequence[str], values: Values) -> Metric:
    """What goes up and down."""
    return _filled(GaugeMetricFamily(name, help_text, labels=labels), values)


def histogram(
    name: str,
    help_text: str,
    labels: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Sequence[int], Sequence[int], float]],
    *,
    scale: float = MS,
    exemplars: Exemplars | None = None,
) -> HistogramMetricFamily:
    """A histogram of counts between bounds.

    Args:
        rows: Per set of label values: the bounds, the counts (one more than bounds), and the sum of all.
        scale: What bounds and sums are divided by.
        exemplars: Told where the scraper reads OpenMetrics.
    """
    family = HistogramMetricFamily(name, help_text, labels=labels)
    for values, bounds, counts, total in rows:
        buckets = _cumulated(bounds, counts, scale)
        marked = exemplars.get(tuple(values)) if exemplars else None
        family.add_metric(values, list(_marked(buckets, marked) if marked else buckets), total / scale)
    return family


class _Build(Collector):
    """Which release runs here, on what."""

    def collect(self) -> Iterator[Metric]:
        facts = {"version": version("monarq"), "python": platform.python_version()}
        yield InfoMetricFamily("monarq_build", "Release of Monarq and Python.", value=facts)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Values) -> Metric:
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _cumulated(bounds: Sequence[int], counts: Sequence[int], scale: float) -> Iterator[tuple[str, float]]:
    upto = 0
    for bound, count in zip(bounds, counts, strict=False):
        upto += count
        yield _bound(bound / scale), upto
    yield "+Inf", upto + counts[-1]


def _marked(
    buckets: Iterable[tuple[str, float]], exemplars: Mapping[int, Exemplar]
) -> Iterator[tuple[str, float] | tuple[str, float, Sampled]]:
    for at, bucket in enumerate(buckets):
        found = exemplars.get(at)
        if found is None:
            yield bucket
        else:
            yield *bucket, Sampled({"trace_id": found.trace_id}, found.value / MS, found.at_ms / MS)


def _bound(value: float) -> str:
    return repr(float(value))
