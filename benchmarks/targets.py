"""The rows of the table, and what Monarq must reach in each: where possible, ratios within one run."""

from collections.abc import Callable
from dataclasses import dataclass

#: metric, then system, then the median
Table = dict[str, dict[str, float]]

OURS, LIMIT, ARQ = "monarq", "limit", "arq"
NOT_PYTHON = frozenset({OURS, LIMIT, "bullmq"})


@dataclass(frozen=True, slots=True)
class Target:
    """A text for the reader and the check; the check answers None when a number is missing."""

    text: str
    holds: Callable[[Table], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a metric, its title, how to write its numbers, and which way is better."""

    metric: str
    title: str
    digits: int = 0
    more_is_better: bool = True
    targets: tuple[Target, ...] = ()


def best_peer(row: Row, table: Table) -> str | None:
    """The Python peer that does best in this row."""
    measured = {name: value for name, value in table.get(row.metric, {}).items() if name not in NOT_PYTHON}
    if not measured:
        return None
    return (max if row.more_is_better else min)(measured, key=lambda name: measured[name])


def _pair(table: Table, metric: str, other: str, other_metric: str = "") -> tuple[float, float] | None:
    ours, theirs = table.get(metric, {}).get(OURS), table.get(other_metric or metric, {}).get(other)
    return None if ours is None or theirs is None else (ours, theirs)


def times(metric: str, factor: float, other: str, label: str, other_metric: str = "") -> Target:
    """Ours is at least `factor` times what `other` has."""

    def holds(table: Table) -> bool | None:
        pair = _pair(table, metric, other, other_metric)
        return None if pair is None else pair[0] >= factor * pair[1]

    return Target(f"≥ {factor:g} x {label}", holds)


def at_most_times(metric: str, factor: float, other: str, label: str) -> Target:
    """Ours is at most `factor` times what `other` has."""

    def holds(table: Table) -> bool | None:
        pair = _pair(table, metric, other)
        return None if pair is None else pair[0] <= factor * pair[1]

    return Target(f"≤ {factor:g} x {label}", holds)


def times_best(metric: str, factor: float, label: str) -> Target:
    """Ours is at least `factor` times the best Python peer's."""

    def holds(table: Table) -> bool | None:
        best = best_peer(Row(metric=metric, title=""), table)
        pair = _pair(table, metric, best) if best else None
        return None if pair is None else pair[0] >= factor * pair[1]

    return Target(f"≥ {factor:g} x {label}", holds)


def at_least(metric: str, bound: float, unit: str = "") -> Target:
    return Target(f"≥ {bound:,g}{unit}", lambda table: _compare(table, metric, lambda ours: ours >= bound))


def at_most(metric: str, bound: float, unit: str = "") -> Target:
    return Target(f"≤ {bound:,g}{unit}", lambda table: _compare(table, metric, lambda ours: ours <= bound))


def _compare(table: Table, metric: str, test: Callable[[float], bool]) -> bool | None:
    ours = table.get(metric, {}).get(OURS)
    return None if ours is None else test(ours)


#: What another process may cost by chance alone (two processes and Redis share the cores).
NOISE = 0.9

ROWS = (
    Row(
        metric="drain",
        title="drain of 20,000 queued no-ops, jobs/s",
        targets=(
            times("drain", 12, ARQ, "arq tuned"),
            times_best("drain", 7, "the best Python peer"),
            times("drain", 0.25, LIMIT, "the raw loop"),
        ),
    ),
    Row(
        metric="drain_two",
        title="the same through two worker processes, jobs/s",
        targets=(times("drain_two", NOISE, OURS, "one process in the same rounds", "drain_one"),),
    ),
    Row(
        metric="drain_aof",
        title="the same with AOF everysec, jobs/s",
        targets=(times("drain_aof", 10, ARQ, "arq"),),
    ),
    Row(metric="straight", title="the same once more, in the rounds of the two rows below, jobs/s"),
    Row(metric="proxy_0ms", title="the same through the TCP proxy without delay, jobs/s"),
    Row(
        metric="drain_1ms",
        title="the same with 1 ms added on the way to Redis, jobs/s",
        # what the way costs; the proxy itself, which shares the two cores, is in both
        targets=(times("drain_1ms", 0.8, OURS, "the proxy without delay", "proxy_0ms"),),
    ),
    Row(
        metric="sleep50",
        title="5,000 jobs of `sleep(0.05)`, concurrency 500 (ideal 10,000), jobs/s",
        targets=(
            at_least("sleep50", 7_000),
            times("sleep50", 1, "bullmq", "BullMQ"),
            times("sleep50", 0.85, LIMIT, "the raw loop"),
        ),
    ),
    Row(
        metric="enqueue_one",
        title="enqueue, one awaited at a time (async), jobs/s",
        targets=(times("enqueue_one", 2, ARQ, "arq"), times_best("enqueue_one", 1, "the best async peer")),
    ),
    Row(
        metric="enqueue_sync",
        title="enqueue, one at a time (blocking), jobs/s",
        targets=(times("enqueue_sync", 1, "dramatiq", "dramatiq"),),
    ),
    Row(
        metric="enqueue_gather",
        title="enqueue, `gather` of 100, jobs/s",
        targets=(times("enqueue_gather", 5, ARQ, "arq"), times("enqueue_gather", 1, "bullmq", "BullMQ")),
    ),
    Row(
        metric="enqueue_bulk",
        title="enqueue in bulk, 1,000 a call, jobs/s",
        targets=(at_least("enqueue_bulk", 50_000), times("enqueue_bulk", 5, "streaq", "streaQ")),
    ),
    Row(
        metric="latency_idle_ms_p50",
        title="idle latency, enqueue call to handler start, p50 ms",
        digits=2,
        more_is_better=False,
        targets=(at_most("latency_idle_ms_p50", 1.3, " ms"),),
    ),
    Row(
        metric="latency_idle_ms_p99",
        title="idle latency, p99 ms",
        digits=2,
        more_is_better=False,
        targets=(at_most_times("latency_idle_ms_p99", 1, "taskiq", "taskiq"),),
    ),
    Row(metric="latency_300_ms_p50", title="latency at 300 jobs/s, p50 ms", digits=2, more_is_better=False),
    Row(
        metric="latency_300_ms_p99",
        title="latency at 300 jobs/s, p99 ms",
        digits=2,
        more_is_better=False,
        targets=(at_most_times("latency_300_ms_p99", 1, "saq", "SAQ"),),
    ),
    Row(
        metric="redis_cpu",
        title="Redis CPU per job, claim to settle, µs",
        digits=1,
        more_is_better=False,
        targets=(at_most("redis_cpu", 25, " µs"),),
    ),
    Row(
        metric="round_trips",
        title="round trips per job (reads by Redis)",
        digits=3,
        more_is_better=False,
        targets=(at_most("round_trips", 0.1),),
    ),
    Row(
        metric="commands", title="Redis commands per job, inside scripts too", digits=1, more_is_better=False
    ),
    Row(
        metric="worker_cpu",
        title="worker CPU per 10,000 no-ops, s",
        digits=2,
        more_is_better=False,
        targets=(at_most("worker_cpu", 0.6, " s"),),
    ),
    Row(
        metric="idle_commands",
        title="Redis commands of an idle worker, per second",
        digits=2,
        more_is_better=False,
        targets=(at_most("idle_commands", 0.4),),
    ),
    Row(metric="drain_10k", title="first 10,000 of 10,000 queued, jobs/s"),
    Row(metric="drain_1m", title="first 10,000 of 1,000,000 queued, jobs/s"),
    Row(
        metric="depth",
        title="drain rate with 1,000,000 queued against 10,000",
        digits=2,
        targets=(at_least("depth", 0.8),),
    ),
    Row(
        metric="memory",
        title="Redis memory per queued job, bytes",
        more_is_better=False,
        targets=(at_most_times("memory", 1.1, ARQ, "arq"),),
    ),
)
