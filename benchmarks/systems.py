"""Who is measured, with which settings, and how to see from outside that a system has settled its jobs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

BENCHMARKS = Path(__file__).parent
Client = redis.Redis

#: Workloads that every system takes part in; a system may name more or fewer.
USUAL = frozenset(
    {"drain", "drain_two", "drain_aof", "sleep50", "enqueue_one", "enqueue_gather"}
    | {"latency_idle", "latency_300", "idle"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One column of the table.

    Attributes:
        unsettled: Given a client and the number of jobs, how many have not been acknowledged yet.
        kept: How many results stand in Redis.
        slowness: By how much to divide the number of jobs, for systems that would take minutes.
    """

    name: str
    label: str
    settings: str
    unsettled: Callable[[Client, int], int]
    kept: Callable[[Client], int]
    package: str = ""
    variant: str = ""
    sync: bool = False
    workloads: frozenset[str] = USUAL
    slowness: int = 1
    script: Path = field(default=Path())

    @property
    def own(self) -> bool:
        """Whether it runs in the harness's own environment."""
        return not self.package

    @property
    def peer(self) -> str:
        return self.script.parent.name


def adapter(peer: str, suffix: str = "py") -> Path:
    return BENCHMARKS / "peers" / peer / f"adapter.{suffix}"


def count(command: str, key: str) -> Callable[[Client, int], int]:
    """Jobs are unsettled while `command` (ZCARD, LLEN, XLEN, HLEN) of `key` is not zero."""

    def unsettled(client: Client, n: int) -> int:
        found: Any = client.execute_command(command, key)
        return int(found)

    return unsettled


def keys(pattern: str) -> Callable[[Client], int]:
    def kept(client: Client) -> int:
        return sum(1 for _ in client.scan_iter(pattern, count=5_000))

    return kept


def stream_backlog(stream: str, group: str) -> Callable[[Client, int], int]:
    """For consumers that acknowledge without deleting: undelivered entries plus pending ones."""

    def unsettled(client: Client, n: int) -> int:
        groups: Any = client.xinfo_groups(stream)
        mine = next(g for g in groups if g["name"] == group.encode())
        return int(mine["lag"] or 0) + int(mine["pending"])

    return unsettled


def huey_results(client: Client) -> int:
    stored: Any = client.hlen("huey.results.bench")
    return int(stored)


def dramatiq_unsettled(client: Client, n: int) -> int:
    return count("HLEN", "dramatiq:default.msgs")(client, n)


def rq_unsettled(client: Client, n: int) -> int:
    return count("LLEN", "rq:queue:default")(client, n) + count("ZCARD", "rq:wip:default")(client, n)


MONARQ = System(
    name="monarq",
    label="Monarq",
    settings="`max_jobs=100`, `nice=10` for two workers; leases, fences, retries, timeouts, results: all on",
    unsettled=count("ZCARD", "arq:queue"),
    kept=keys("arq:result:*"),
    script=adapter("monarq"),
    workloads=USUAL | {"drain_1ms", "depth", "enqueue_sync", "enqueue_bulk"},
)
LIMIT = System(
    name="limit",
    label="raw loop",
    settings="batches of 100 by Lua over one bare RESP connection, a task per job, no features (`limits.py`)",
    unsettled=lambda client, n: (
        count("ZCARD", "limit:queue")(client, n) + count("ZCARD", "limit:in-flight")(client, n)
    ),
    kept=keys("limit:result:*"),
    script=BENCHMARKS / "limits.py",
    workloads=(USUAL - {"latency_idle", "latency_300", "idle"}) | {"drain_1ms", "depth", "enqueue_bulk"},
)
ARQ = System(
    name="arq",
    label="arq (tuned)",
    package="arq",
    settings="`max_jobs=100`, `poll_delay=0.01`, uvloop, hiredis, pickle (its default)",
    unsettled=count("ZCARD", "arq:queue"),
    kept=keys("arq:result:*"),
    script=adapter("arq"),  # not in "depth": its million takes five minutes to fill, each round
)
PEERS = (
    System(
        name="bullmq",
        label="BullMQ (Node)",
        package="bullmq",
        settings="`concurrency: 100`, jobs kept when completed",
        unsettled=lambda client, n: (
            count("LLEN", "bull:bench:wait")(client, n) + count("LLEN", "bull:bench:active")(client, n)
        ),
        kept=lambda client: count("ZCARD", "bull:bench:completed")(client, 0),
        script=adapter("bullmq", "cjs"),
        workloads=USUAL | {"enqueue_bulk"},
    ),
    System(
        name="arq-default",
        label="arq (default poll)",
        package="arq",
        settings="`max_jobs=100`, `poll_delay=0.5`",
        variant="default",
        unsettled=count("ZCARD", "arq:queue"),
        kept=keys("arq:result:*"),
        script=adapter("arq"),
        workloads=frozenset({"drain", "latency_idle", "idle"}),
    ),
    System(
        name="saq",
        label="SAQ",
        package="saq",
        settings="`concurrency=100`, `max_concurrent_ops=100` (20 by default), uvloop, hiredis",
        unsettled=count("ZCARD", "saq:default:incomplete"),
        kept=keys("saq:job:default:*"),
        script=adapter("saq"),
    ),
    System(
        name="streaq",
        label="streaQ",
        package="streaq",
        settings="`concurrency=100`, `silent=True`, uvloop",
        unsettled=count("XLEN", "streaq:default:queues:normal"),
        kept=keys("streaq:default:task:results:*"),
        script=adapter("streaq"),
        workloads=USUAL | {"enqueue_bulk"},
    ),
    System(
        name="taskiq",
        label="taskiq-redis (stream)",
        package="taskiq-redis",
        settings="`RedisStreamBroker`, `max_async_tasks=100`, acks when saved, pools of 120, uvloop, hiredis",
        unsettled=stream_backlog("taskiq", "taskiq"),
        kept=lambda client: int(client.dbsize()) - 1,  # type: ignore[arg-type]
        script=adapter("taskiq"),
    ),
    System(
        name="pydocket",
        label="docket",
        package="pydocket",
        settings="`concurrency=100`, check interval 10 ms (250 by default), pool of 1,000, uvloop, hiredis",
        unsettled=count("XLEN", "bench:stream"),
        kept=keys("bench:runs:*"),
        script=adapter("pydocket"),
        workloads=USUAL | {"enqueue_bulk"},
    ),
    System(
        name="huey",
        label="huey",
        package="huey",
        settings="8 threads (500 for jobs that sleep, with a pool as large), blocking reads, hiredis",
        unsettled=lambda client, n: n - huey_results(client),
        kept=huey_results,
        sync=True,
        script=adapter("huey"),
        workloads=(USUAL | {"enqueue_sync"}) - {"enqueue_one", "enqueue_gather"},
    ),
    System(
        name="dramatiq",
        label="dramatiq",
        package="dramatiq",
        settings="8 threads, its default (500 for jobs that sleep), Results middleware, hiredis",
        unsettled=dramatiq_unsettled,
        kept=keys("?" * 32),  # an MD5 each
        sync=True,
        script=adapter("dramatiq"),
        workloads=(USUAL | {"enqueue_sync"}) - {"enqueue_one", "enqueue_gather"},
    ),
    System(
        name="celery",
        label="Celery",
        package="celery",
        settings="8 threads (500 for jobs that sleep), prefetch 16 a thread, no gossip or heartbeat, hiredis",
        unsettled=lambda client, n: n - keys("celery-task-meta-*")(client),
        kept=keys("celery-task-meta-*"),
        sync=True,
        slowness=4,
        script=adapter("celery"),
        workloads=frozenset(["drain", "sleep50", "enqueue_sync", "latency_idle", "idle"]),
    ),
    System(
        name="rq",
        label="RQ (SimpleWorker)",
        package="rq",
        settings="`SimpleWorker`, no fork per job; one job at a time",
        unsettled=rq_unsettled,
        kept=keys("rq:results:*"),
        sync=True,
        slowness=20,
        script=adapter("rq"),
        workloads=frozenset(["drain", "enqueue_sync", "enqueue_bulk", "latency_idle", "idle"]),
    ),
)
SYSTEMS = {system.name: system for system in (MONARQ, LIMIT, ARQ, *PEERS)}
