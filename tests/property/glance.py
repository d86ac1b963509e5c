"""The store as it lies there, read in one call."""

import re
from dataclasses import dataclass
from typing import Any

from monarq.jobs.failure import Failure, decode_failure
from monarq.jobs.store import keys
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.sync_connection import SyncLink

from .model import KINDS

_LOOK = """
local found = {}
for i, id in ipairs(ARGV) do
  local job = {}
  for zset = 1, 7 do
    job[zset] = redis.call('ZSCORE', KEYS[zset], id)
  end
  job[8] = redis.call('EXISTS', 'arq:job:' .. id)
  job[9] = redis.call('EXISTS', 'monarq:dead-letter:' .. id)
  job[10] = redis.call('EXISTS', 'arq:result:' .. id)
  job[11] = redis.call('GET', 'arq:in-progress:' .. id)
  job[12] = redis.call('GET', 'arq:retry:' .. id)
  job[13] = redis.call('LRANGE', 'monarq:failures:' .. id, 0, -1)
  job[14] = redis.call('HEXISTS', KEYS[8], id)
  job[15] = redis.call('HEXISTS', KEYS[11], id)
  job[16] = redis.call('EXISTS', 'monarq:corrupt:' .. id)
  job[17] = redis.call('ZSCORE', KEYS[12], id) or redis.call('ZSCORE', KEYS[13], id)
  found[i] = job
end
local sizes = {}
for zset = 1, 7 do
  sizes[zset] = redis.call('ZCARD', KEYS[zset])
end
local time = redis.call('TIME')
sizes[8] = redis.call('ZCARD', KEYS[12]) + redis.call('ZCARD', KEYS[13])
return { found, sizes, redis.call('LLEN', KEYS[9]), redis.call('HGETALL', KEYS[10]), time[1], time[2] }
"""


@dataclass(frozen=True)
class Seen:
    """Every trace of one job."""

    #: Visible-at, ms, by rank; a job that waits or runs has exactly one.
    ranks: dict[int, int]
    lease_end: int | None
    is_listed_dead: bool
    abort_asked: bool
    has_envelope: bool
    has_letter: bool
    has_result: bool
    fence: str
    has_counter: bool
    failures: list[Failure]
    is_waited_for: bool
    is_canceller_known: bool
    has_quarantine: bool
    #: Visible-at * 4 + rank, if it was put aside.
    parked: int | None = None


@dataclass(frozen=True)
class Glance:
    """All jobs that were asked for, and the queue."""

    jobs: dict[str, Seen]
    #: Members of the zsets: of all four ranks, of those that run, of the dead, of those to be stopped.
    waiting_or_running: int
    running: int
    dead: int
    aborted: int
    parked: int
    tokens: int
    stats: dict[str, int]
    now: int


def look(link: SyncLink, queue: QueueKeys, job_ids: list[str]) -> Glance:
    """Read all of it at one moment."""
    zsets = (*queue.ranks, queue.running, queue.dead, queue.abort)
    keys_of_queue = (*zsets, queue.waiters, queue.wake, queue.stats, queue.cancels, *map(queue.parked, KINDS))
    found, sizes, tokens, stats, seconds, micros = link.call(
        "EVAL", _LOOK, len(keys_of_queue), *keys_of_queue, *job_ids
    )
    return Glance(
        jobs={job_id: _seen(raw) for job_id, raw in zip(job_ids, found, strict=True)},
        waiting_or_running=sum(sizes[:4]),
        running=sizes[4],
        dead=sizes[5],
        aborted=sizes[6],
        parked=sizes[7],
        tokens=tokens,
        stats={name.decode(): int(count) for name, count in zip(stats[::2], stats[1::2], strict=True)},
        now=int(seconds) * 1000 + int(micros) // 1000,
    )


def _seen(raw: list[Any]) -> Seen:
    return Seen(
        ranks={rank: int(score) for rank, score in enumerate(raw[:4]) if score is not None},
        lease_end=None if raw[4] is None else int(raw[4]),
        is_listed_dead=raw[5] is not None,
        abort_asked=raw[6] is not None,
        has_envelope=raw[7] == 1,
        has_letter=raw[8] == 1,
        has_result=raw[9] == 1,
        fence="" if raw[10] is None else raw[10].decode(),
        has_counter=raw[11] is not None,
        failures=[decode_failure(record) for record in raw[12]],
        is_waited_for=raw[13] == 1,
        is_canceller_known=raw[14] == 1,
        has_quarantine=raw[15] == 1,
        parked=None if raw[16] is None else int(raw[16]),
    )


def set_back(link: SyncLink, queue: QueueKeys, *job_ids: str) -> None:
    """Let the time of jobs that wait have come, or the leases of those that run have ended, in this order."""
    seconds, micros = link.call("TIME")
    first = int(seconds) * 1000 + int(micros) // 1000 - len(job_ids)
    for score, job_id in enumerate(job_ids, first):
        for zset in (*queue.ranks, queue.running):
            link.call("ZADD", zset, "XX", score, job_id)
        for parked in map(queue.parked, KINDS):
            if (packed := link.call("ZSCORE", parked, job_id)) is not None:
                link.call("ZADD", parked, score * 4 + int(packed) % 4, job_id)


def end_pause(link: SyncLink, queue: QueueKeys, kind: str) -> None:
    """Let the time of a pause be over."""
    record = link.call("HGET", queue.pause, kind)
    link.call("HSET", queue.pause, kind, re.sub(rb'"until_ms":\w+', b'"until_ms":1', record))


def drop_result(link: SyncLink, job_id: str) -> None:
    """Let the time for which a result is kept have passed."""
    link.call("DEL", keys.RESULT + job_id)
