"""Monarq, arq and the raw loop only, in under five minutes."""

import time
from typing import Any

from .rounds import Results, Say, install, interleaved
from .servers import server
from .systems import ARQ, LIMIT, MONARQ

WORKLOADS = ("drain", "sleep50", "enqueue_one", "enqueue_gather", "enqueue_bulk", "latency_idle")
METRICS = ("drain", "sleep50", "enqueue_one", "enqueue_gather", "enqueue_bulk")
METRICS_LATENCY = ("latency_idle_ms_p50", "latency_idle_ms_p99")
ROUNDS = 3
#: After this, workloads get one round each.
BUDGET_SECONDS = 180.0


def run(server_name: str, scale: float, say: Say) -> dict[str, Any]:
    """Measure and return the document of results/quick.json: workload, then system, then the median."""
    results, began = Results(), time.monotonic()
    systems = install([MONARQ, ARQ, LIMIT], results, say)
    with server(server_name) as redis:
        interleaved(
            systems,
            WORKLOADS,
            redis,
            rounds=ROUNDS,
            scale=scale,
            results=results,
            say=say,
            give_up=began + BUDGET_SECONDS,
        )
    medians = results.medians()
    workloads = {
        metric: {name: round(value, 3) for name, value in medians.get(metric, {}).items()}
        for metric in (*METRICS, *METRICS_LATENCY)
    }
    return {"workloads": workloads, "notes": results.notes, "seconds": round(time.monotonic() - began, 1)}
