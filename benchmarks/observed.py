"""What it costs to be watched: a worker with metrics, and processes with OpenTelemetry, against neither.

CPU per job is compared, the least of all rounds: what else the machine does only adds to it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from . import processes
from .servers import Server, server
from .systems import MONARQ, System
from .workloads import Run, drained

ROUNDS = 9
DRAIN_JOBS = 40_000
ENQUEUE_JOBS = {"one": 4_000, "gather": 30_000, "bulk": 60_000}
PLAIN = "neither"
#: Names, and the variants of the adapter.
TRACING = {
    PLAIN: "",
    "OpenTelemetry imported, not set up": "api",
    "OpenTelemetry set up, every span recorded": "traced",
}
VARIANTS = dict.fromkeys(ENQUEUE_JOBS, TRACING) | {"drain": TRACING | {"metrics on": "metrics"}}

Say = Callable[[str], None]
#: By workload: µs of CPU per job of each variant, round by round.
Measured = dict[str, dict[str, list[float]]]


def run(server_name: str, scale: float, say: Say, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure; per workload and variant the CPU per job, and by how much it is more than without."""
    measured: Measured = {workload: {name: [] for name in chosen} for workload, chosen in VARIANTS.items()}
    with server(server_name) as redis:
        for number in range(rounds):
            for workload, of_each in measured.items():
                for name in _in_turn(list(of_each), number):
                    system = replace(MONARQ, variant=VARIANTS[workload][name])
                    of_each[name].append(_cpu_per_job(workload, system, redis, scale))
            say(f"round {number + 1} of {rounds}")
    return {workload: _compared(of_each) for workload, of_each in measured.items()}


def _in_turn(names: list[str], number: int) -> Iterator[str]:
    """Each round begins with another one, and every other round goes backwards."""
    turn = number % len(names)
    names = names[turn:] + names[:turn]
    yield from names if number % 2 else reversed(names)


def _cpu_per_job(workload: str, system: System, redis: Server, scale: float) -> float:
    one = Run(system=system, server=redis, scale=scale)
    if workload == "drain":
        jobs = one.jobs(DRAIN_JOBS)
        one.fill(jobs)
        spent = drained(one, redis.url, jobs).worker_cpu or 0.0
    else:
        redis.clear()
        jobs = one.jobs(ENQUEUE_JOBS[workload])
        spent = processes.produce(system, redis.url, mode=workload, n=jobs)["cpu"]
    return float(spent) / jobs * 1e6


def _compared(of_each: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    least = {name: min(values) for name, values in of_each.items()}
    return {
        name: {"cpu_us_per_job": round(cpu, 2), "more_percent": round(100 * (cpu / least[PLAIN] - 1), 1)}
        for name, cpu in least.items()
    }
