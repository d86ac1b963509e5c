"""What can be asked of a queue: one function per verb, each making a request for one script.

The verbs for dead letters are in `letter_verbs.py`.
A request is a value: `execute` sends it, over an event loop or without one, and reads the reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from ..failure import Failure
from ..priority import RANKS, Priority
from ..unique import Unique
from .keys import QueueKeys
from .past import FRESH, read_budget, read_news
from .request import Request as Request
from .request import rank_keys as _ranks
from .request import request as _request

#: How long a reply is kept for a repeat: longer than any outage after which a worker still tries.
REPLY_KEPT_MS = 600_000
#: How long a fence outlives a lease that nobody renews.  Until another worker claims the job, the outcome of
#: the first one is still welcome; afterwards its fence tells it from the second.
FENCE_GRACE_MS = 300_000
#: Most jobs in one call: a script stops the server for all others while it runs.
BATCH = 100


# --- enqueue


class Accepted(IntEnum):
    """What became of one job of an enqueue."""

    CREATED = 1
    EXISTS = 0  #: the same job is there already
    CONFLICT = -1  #: another job has its id


@dataclass(frozen=True, slots=True)
class Held:
    """Another job holds the unique key; what the rule says of that is done."""

    by: str


class Entry(NamedTuple):
    """One job to be written."""

    job_id: str
    priority: Priority
    #: Time from now (by the server's clock), or an aware point in time.
    due: timedelta | datetime
    #: The envelope up to the value of `et`.
    head: bytes
    digest: str = ""
    #: What `unique_rule` makes; empty for a job without a unique key.
    unique: str = ""


def unique_rule(rule: Unique, digest: str) -> str:
    """A rule as the enqueue script takes it, for the key of this digest."""
    return f"{digest} {rule.on_conflict} {0 if rule.window is None else milliseconds(rule.window)}"


def enqueue(queue: QueueKeys, entries: Iterable[Entry]) -> Request[list[Accepted | Held]]:
    """Write jobs of one queue, each once, however often the request is sent."""
    flat: list[Any] = []
    for entry in entries:
        job_id, priority, due, head, digest, unique = entry
        flat += (job_id, RANKS[priority], _when(due), head, f"{digest} {unique}" if unique else digest)
    return _request("enqueue", _read_accepted, **_ranks(queue), wake=queue.wake, stats=queue.stats, jobs=flat)


def _read_accepted(reply: list[Any]) -> list[Accepted | Held]:
    return [_ACCEPTED[code] if code.__class__ is int else Held(code.decode()) for code in reply]


_ACCEPTED = {int(code): code for code in Accepted}  # a look-up costs a fifth of `Accepted(code)`


def _when(due: timedelta | datetime) -> str:
    if isinstance(due, timedelta):
        return f"+{milliseconds(due)}" if due else "+0"
    return str(round(due.timestamp() * 1000))


# --- claim


@dataclass(slots=True)
class Claimed:
    """A job that a worker holds the lease of."""

    queue: QueueKeys
    job_id: str
    #: Starts so far, this one included.
    starts: int
    #: When it became due, ms of the server's clock.
    visible_at_ms: int
    #: Attempts spent before this one.
    spent: int
    #: Processes of its own that it was the end of.
    crashes: int
    #: Workers that were lost while they ran it, since it was last seen not to be the cause.
    lapses: int
    #: Whether its cancellation was asked for before it started.
    abort_asked: bool
    #: The envelope, or None if it has vanished from the store.
    body: bytes | None
    #: When it was claimed, ms of the server's clock.
    claimed_at_ms: int
    #: Who asked for its cancellation, and why, as JSON; None if nobody said so.
    cancel_note: str | None = None
    #: Which of its keys cannot be used; None if all is well.
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The jobs of one claim."""

    jobs: list[Claimed]
    #: Seconds until the next job is due; 0 if some are due now, None if none waits.
    next_due: float | None


def claim(
    queues: Sequence[QueueKeys],
    *,
    worker: str,
    nonce: str,
    limit: int,
    lease: timedelta,
    ageing: timedelta,
    lane: int = 0,
) -> Request[Claim]:
    """Lease up to `limit` ready jobs from `queues`, in their order.  One at a time per worker and lane."""
    lease_ms = milliseconds(lease)

    def read(reply: list[Any]) -> Claim:
        next_ms, now_ms = reply[0], reply[1]
        jobs = [
            Claimed(
                queues[reply[at] - 1],
                reply[at + 1].decode("utf-8", "surrogateescape"),  # what others write may be any bytes
                int(reply[at + 2]),
                int(reply[at + 3]),
                *(FRESH if (told := reply[at + 4]) is None else read_budget(told)),
                reply[at + 5],
                now_ms,
            )
            for at in range(2, len(reply), 6)
        ]
        if any(pasts := reply[6::6]):
            for job, past in zip(jobs, pasts, strict=True):
                if past is not None:
                    job.cancel_note, job.fault = read_news(past)
        return Claim(jobs, next_ms / 1000 if next_ms >= 0 else None)

    return _request(
        "claim",
        read,
        reply=queues[0].reply(f"claim{lane}", worker),
        abort=queues[0].abort,
        queues=[key for queue in queues for key in queue.shared],
        nonce=nonce,
        worker=worker,
        limit=limit,
        lease_ms=lease_ms,
        fence_ms=lease_ms + FENCE_GRACE_MS,
        ageing_ms=milliseconds(ageing),
        reply_ms=REPLY_KEPT_MS,
    )


def fence(worker: str, starts: int) -> str:
    """What `arq:in-progress:<id>` holds while this attempt owns the job."""
    return f"{worker}:{starts}"


# --- settle


class Verb(StrEnum):
    """How an attempt ended, as the settle script knows it."""

    SUCCEEDED = "succeeded"
    RETRYING = "retrying"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RELEASED = "released"


@dataclass(slots=True)
class End:
    """How one attempt ended."""

    job_id: str
    fence: str
    verb: Verb
    result: bytes | None = None
    #: How long the result is kept; 0 not at all, -1 for ever.
    result_ms: int = 0
    delay_ms: int = 0
    failure: Failure | None = None
    #: Digest of the unique key that it frees, or takes again if it is released; empty for none.
    unique: str = ""
    #: The job is released because its handler wished so.
    is_snooze: bool = False
    #: Keep it in Redis, too, for a worker to tell PostgreSQL.
    is_kept: bool = False
    #: The failure records of the job's earlier starts: a settle that ends the job tells them if it was asked.
    past: Sequence[bytes] = ()


class Settlement(IntEnum):
    """What became of one end."""

    REFUSED = 0  #: another attempt owns the job, or it has ended
    RECORDED = 1
    CANCEL_TOO_LATE = 2  #: recorded, although the job's cancellation had been asked for


def settle(
    queue: QueueKeys, ends: Sequence[End], *, worker: str, nonce: str, tells_past: bool = False
) -> Request[list[Settlement]]:
    """Record how attempts of one queue ended; with `tells_past`, each `End` then learns of its job's past."""
    flat: list[Any] = []
    for end in ends:
        result, result_ms = (b"", 0) if end.result is None else (end.result, end.result_ms)
        failure = b"" if end.failure is None else end.failure.encode()
        verb = f"{end.verb}:{end.unique}" if end.unique else end.verb
        if end.is_kept:
            verb = f"{end.verb}:{end.unique}:keep"
        flat += (end.job_id, end.fence, verb, result, result_ms, end.delay_ms, failure)

    def read(reply: list[int | list[Any]]) -> list[Settlement]:
        codes: list[Any] = reply
        if tells_past:
            codes = [_take_past(end, told) for end, told in zip(ends, reply, strict=True)]
        return [_SETTLEMENTS[code] for code in codes]

    return _request(
        "settle",
        read,
        **_ranks(queue),
        running=queue.running,
        wake=queue.wake,
        stats=queue.stats,
        dead=queue.dead,
        waiters=queue.waiters,
        abort=queue.abort,
        cancels=queue.cancels,
        reply=queue.reply(f"settle:{queue.name}", worker),  # queues are settled side by side
        kept_ends=queue.ends,
        nonce=nonce,
        reply_ms=REPLY_KEPT_MS,
        past="1" if tells_past else "",
        ends=flat,
    )


def _take_past(end: End, told: int | list[Any]) -> int:
    if isinstance(told, list):
        code, *end.past = told
        return int(code)
    return told


_SETTLEMENTS = {int(code): code for code in Settlement}


# --- renew


class Renewal(IntEnum):
    """What became of one lease."""

    LOST = 0
    RENEWED = 1
    ABORT_ASKED = 2  #: renewed, and the job's cancellation is asked for


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt's hold on its job, and how long it is to be extended from now."""

    job_id: str
    fence: str
    length: timedelta


def renew(queue: QueueKeys, leases: Iterable[Lease]) -> Request[list[Renewal]]:
    """Extend leases of one queue, each only if its fence still holds."""
    flat: list[Any] = []
    for lease in leases:
        flat += (lease.job_id, lease.fence, milliseconds(lease.length))
    return _request(
        "renew",
        lambda reply: [Renewal(code) for code in reply],
        **_ranks(queue),
        running=queue.running,
        abort=queue.abort,
        grace_ms=FENCE_GRACE_MS,
        leases=flat,
    )


# --- cancel, inspect


class Cancellation(StrEnum):
    """What became of a request to cancel."""

    CANCELLED = "cancelled"  #: it has ended so, by this request or by an earlier one
    REQUESTED = "requested"  #: it runs, and its worker will be told; or it is durable: a worker will end it
    ENDED = "ended"  #: too late: it has ended otherwise
    UNKNOWN = "unknown"


def cancel(
    queue: QueueKeys, job_id: str, result: bytes, result_ms: int, note: bytes = b""
) -> Request[Cancellation]:
    """End a job that waits, with this result; ask the worker of one that runs to stop it, with this note."""
    return _request(
        "cancel",
        lambda reply: Cancellation(reply.decode()),
        **_ranks(queue),
        running=queue.running,
        stats=queue.stats,
        waiters=queue.waiters,
        abort=queue.abort,
        pause=queue.pause,
        cancels=queue.cancels,
        wake=queue.wake,
        ended=queue.ended,
        history=queue.history,
        id=job_id,
        result=result,
        result_ms=result_ms,
        note=note,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands: a state, `ended` or `unknown`, with what is recorded of its end."""

    what: str
    #: The result record of an ended job, or the last failure of a dead one.
    record: bytes | None = None
    #: The envelope of a dead job.
    envelope: bytes | None = None


def inspect(queue: QueueKeys, job_id: str, channel: str = "") -> Request[Standing]:
    """Look at a job; with a channel, its end will be published there if it has not ended."""

    def read(reply: list[Any]) -> Standing:
        return Standing(reply[0].decode(), *reply[1:])

    return _request(
        "inspect",
        read,
        **_ranks(queue),
        waiters=queue.waiters,
        pause=queue.pause,
        id=job_id,
        channel=channel,
    )


def milliseconds(span: timedelta) -> int:
    """A time span as Lua wants it."""
    return round(span.total_seconds() * 1000)
