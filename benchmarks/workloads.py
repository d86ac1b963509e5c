"""What is measured.  A workload runs one system once and returns its metrics; `rounds` repeats it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from . import processes
from .measured.marks import STAMPS_AT
from .processes import Crew, Failed
from .servers import Server, slow_road
from .systems import System

Metrics = dict[str, float]

DRAIN_JOBS = 20_000
SLEEP_JOBS = 5_000
SLEEP_CONCURRENCY = 500
SEQUENTIAL_JOBS = 3_000
GATHERED_JOBS = 10_000
BULK_JOBS = 20_000
LATENCY_JOBS = 150
OPEN_LOOP_RATE = 300
OPEN_LOOP_JOBS = 1_500
SHALLOW, DEEP = 10_000, 1_000_000
DEPTH_SAMPLES = 3
IDLE_SETTLE_SECONDS = 3.0
#: What a worker does once a minute is in it.
IDLE_SECONDS = 60.0
REST_SECONDS = 2.0
PROXY_MS = 1.0
#: The slowest drain that is waited for, jobs/s, and what it may take on top.
PATIENCE = 25.0
SPARE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One system on one server, with every job count times `scale` (1 but for trials of the harness)."""

    system: System
    server: Server
    scale: float = 1.0

    def jobs(self, full: int) -> int:
        return max(20, int(full * self.scale / self.system.slowness))

    def fill(self, n: int, job: str = "noop", aof: bool = False) -> float:
        """Start empty, queue `n` jobs and return the memory that one of them takes, in bytes."""
        self.server.clear(aof)
        before = self.server.info("memory")["used_memory"]
        timeout = SPARE_SECONDS + n / 500
        processes.produce(self.system, self.server.url, timeout=timeout, mode="fill", n=n, job=job)
        time.sleep(0.2)
        return float(self.server.info("memory")["used_memory"] - before) / n


def timeout_for(n: int) -> float:
    return SPARE_SECONDS + n / PATIENCE


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain took, from the first handler's start until the last job was acknowledged."""

    jobs: int
    handled: int
    seconds: float
    worker_cpu: float | None
    redis_cpu: float
    reads: float
    commands: float

    def metrics(self) -> Metrics:
        measured = {
            "redis_cpu": self.redis_cpu / self.jobs * 1e6,
            "round_trips": self.reads / self.jobs,
            "commands": self.commands / self.jobs,
            "ran_twice": float(self.handled - self.jobs),
        }
        if self.worker_cpu is not None:
            measured["worker_cpu"] = self.worker_cpu / self.jobs * 10_000
        return measured


def drained(run: Run, url: str, n: int, workers: int = 1, concurrency: int = 100) -> Drained:
    """Let workers drain the `n` jobs that are queued.

    The end is the moment when Redis shows nothing unsettled, not the last handler's: a system that postpones
    its acknowledgements gains nothing.

    Raises:
        Failed: It did not finish in time, or results are missing.
    """
    with processes.crew(run.system, url, workers, concurrency) as crew:
        before = run.server.info()
        crew.go()
        crew.wait(lambda: crew.ended() >= n, timeout_for(n), f"end of {n} jobs")
        crew.wait(lambda: run.system.unsettled(run.server.client, n) <= 0, SPARE_SECONDS, "settled queue")
        seconds = (time.monotonic_ns() - crew.first_start()) / 1e9
        worker_cpu, after, handled = crew.cpu_seconds(), run.server.info(), crew.ended()
        kept = run.system.kept(run.server.client)
    if kept < n:
        raise Failed(f"{kept} results for {n} jobs")
    spent = {
        key: float(after[key]) - float(before[key])
        for key in ("total_reads_processed", "total_commands_processed")
    }
    redis_cpu = sum(float(after[key]) - float(before[key]) for key in ("used_cpu_user", "used_cpu_sys"))
    return Drained(n, handled, seconds, worker_cpu, redis_cpu, *spent.values())


def drain(run: Run) -> Metrics:
    n = run.jobs(DRAIN_JOBS)
    memory = run.fill(n)
    result = drained(run, run.server.url, n)
    return {"drain": n / result.seconds, "memory": memory, **result.metrics()}


def drain_two(run: Run) -> Metrics:
    n, measured = run.jobs(DRAIN_JOBS), {}
    if run.system.own:  # the target is a ratio, so both numbers come from the same minute
        run.fill(n)
        measured["drain_one"] = n / drained(run, run.server.url, n).seconds
    run.fill(n)
    result = drained(run, run.server.url, n, workers=2)
    return {**measured, "drain_two": n / result.seconds, "ran_twice_two": float(result.handled - n)}


def drain_aof(run: Run) -> Metrics:
    n = run.jobs(DRAIN_JOBS)
    run.fill(n, aof=True)
    try:
        return {"drain_aof": n / drained(run, run.server.url, n).seconds}
    finally:
        run.server.clear()


def drain_1ms(run: Run) -> Metrics:
    """Straight, through the proxy without delay, with 1 ms: what the cable costs, and what the proxy."""
    n = run.jobs(DRAIN_JOBS)
    run.fill(n)
    measured = {"straight": n / drained(run, run.server.url, n).seconds}
    for name, delay in (("proxy_0ms", 0.0), ("drain_1ms", PROXY_MS)):
        run.fill(n)
        with slow_road(run.server.port, delay) as url:
            measured[name] = n / drained(run, url, n).seconds
    return measured


def sleep50(run: Run) -> Metrics:
    n = run.jobs(SLEEP_JOBS)
    run.fill(n, job="nap")
    return {"sleep50": n / drained(run, run.server.url, n, concurrency=SLEEP_CONCURRENCY).seconds}


def enqueue(mode: str, full: int, metric: str, variant: str = "") -> Callable[[Run], Metrics]:
    def measure(run: Run) -> Metrics:
        run.server.clear()
        n = run.jobs(full)
        measured = processes.produce(
            run.system, run.server.url, mode=mode, n=n, **({"variant": variant} if variant else {})
        )
        return {metric: n / measured["seconds"]}

    return measure


def stamps(crew: Crew, n: int) -> list[float]:
    """Milliseconds from enqueue call to handler start of jobs 1 to n; job 0 was the warm-up."""
    words = crew.view.words
    begun = [STAMPS_AT + 2 * k for k in range(1, n + 1)]
    return [(words[at + 1] - words[at]) / 1e6 for at in begun]


def latency(run: Run, n: int, rate: float, metric: str) -> Metrics:
    run.server.clear()
    with processes.crew(run.system, run.server.url, stamps=n + 1) as crew:
        crew.go()
        time.sleep(1.0)
        processes.produce(run.system, run.server.url, "latency", n=n, rate=rate, marks=crew.path)
        words = crew.view.words
        crew.wait(
            lambda: all(words[STAMPS_AT + 2 * k + 1] for k in range(n + 1)),
            SPARE_SECONDS,
            "start of every job",
        )
        cuts = quantiles(stamps(crew, n), n=100, method="inclusive")
    return {f"{metric}_ms_p50": cuts[49], f"{metric}_ms_p99": cuts[98]}


def latency_idle(run: Run) -> Metrics:
    return latency(run, run.jobs(LATENCY_JOBS), 0, "latency_idle")


def latency_300(run: Run) -> Metrics:
    return latency(run, run.jobs(OPEN_LOOP_JOBS), OPEN_LOOP_RATE, "latency_300")


def idle(run: Run) -> Metrics:
    """Commands that a worker with nothing to do sends, per second; our own INFO is left out."""
    run.server.clear()
    seconds = max(2.0, IDLE_SECONDS * min(1.0, run.scale))
    with processes.crew(run.system, run.server.url) as crew:
        crew.go()
        time.sleep(IDLE_SETTLE_SECONDS)
        before, began = run.server.info(), time.monotonic()
        time.sleep(seconds)
        after, passed = run.server.info(), time.monotonic() - began
        crew.wait(lambda: True, 1.0, "idle worker")
    sent = after["total_commands_processed"] - before["total_commands_processed"] - 1
    return {"idle_commands": sent / passed}


def first_rate(run: Run, n: int) -> float:
    """Jobs per second over the first `n` of the queued jobs, acknowledgements of the last batch aside."""
    with processes.crew(run.system, run.server.url) as crew:
        crew.go()
        crew.wait(lambda: crew.ended() >= n, timeout_for(n), f"end of {n} jobs")
        seconds, handled = (time.monotonic_ns() - crew.first_start()) / 1e9, crew.ended()
    return handled / seconds


def depth(run: Run) -> Metrics:
    """The first jobs of a short and of a long queue: a quarter of a second each, so measured thrice."""
    shallow, deep = run.jobs(SHALLOW), run.jobs(DEEP)
    few = []
    for _ in range(DEPTH_SAMPLES):
        run.fill(shallow)
        few.append(first_rate(run, shallow))
    run.fill(deep)
    time.sleep(REST_SECONDS)  # the server may still be enlarging its tables
    many = [first_rate(run, shallow) for _ in range(DEPTH_SAMPLES)]
    return {
        "drain_10k": median(few),
        "drain_1m": median(many),
        "depth": median(many) / median(few),
    }


WORKLOADS: dict[str, Callable[[Run], Metrics]] = {
    "drain": drain,
    "drain_two": drain_two,
    "drain_aof": drain_aof,
    "drain_1ms": drain_1ms,
    "sleep50": sleep50,
    "enqueue_one": enqueue("one", SEQUENTIAL_JOBS, "enqueue_one"),
    "enqueue_sync": enqueue("one", SEQUENTIAL_JOBS, "enqueue_sync", variant="sync"),
    "enqueue_gather": enqueue("gather", GATHERED_JOBS, "enqueue_gather"),
    "enqueue_bulk": enqueue("bulk", BULK_JOBS, "enqueue_bulk"),
    "latency_idle": latency_idle,
    "latency_300": latency_300,
    "idle": idle,
    "depth": depth,
}
#: Counts that chance does not touch: measured once.
ONCE = frozenset({"idle"})
