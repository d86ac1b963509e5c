"""One call of every verb: what stands before it, and what it and its repeat are to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from monarq.jobs.failure import Cause
from monarq.jobs.priority import Priority
from monarq.jobs.state import State
from monarq.jobs.store import keys, letter_verbs, verbs
from monarq.jobs.store.connection import Link
from monarq.jobs.store.epoch import beat, read_mark
from monarq.jobs.store.examine import examine
from monarq.jobs.store.execute import execute, execute_sync
from monarq.jobs.store.letter_verbs import Letter, Revival, Revived
from monarq.jobs.store.live_jobs import glance, lineup
from monarq.jobs.store.measure import measure
from monarq.jobs.store.moving import move
from monarq.jobs.store.operations import Noted, advance_request, take_request
from monarq.jobs.store.pauses import pause_request, resume_request
from monarq.jobs.store.restoring import Known, compare, restore
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import Accepted, Cancellation, Held, Renewal, Request, Verb
from monarq.jobs.store.workers import enlist, report
from monarq.jobs.unique import Unique
from tests.contract.lost_jobs import a_lost_job
from tests.contract.operation_rules import DONE, HALF_WAY, begun, take
from tests.contract.store import (
    AGEING,
    CANCELLED_RECORD,
    LEASE,
    Store,
    a_failure,
    a_job,
    a_lease,
    an_end,
)

T = TypeVar("T")
Ask = Callable[[Request[Any]], Awaitable[Any]]


@dataclass(frozen=True)
class VerbCall:
    """One call of a verb.  `answer` and `repeated` are read of the replies to it and to its repeat."""

    prepare: Callable[[Store], Awaitable[Request[Any]]]
    answer: Any
    repeated: Any
    #: Keys that a repeat may write again.
    rewritten: tuple[str, ...] = ()
    #: Whether it only looks.
    reads: bool = False


async def _enqueue(store: Store) -> Request[Any]:
    await store.enqueue(a_job("b"))
    return verbs.enqueue(store.queue, [a_job("a"), a_job("b"), a_job("c", due=timedelta(hours=1))])


async def _enqueue_unique(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a", unique=Unique()))
    jobs = [a_job("b", unique=Unique()), a_job("c", unique=Unique(), key="l")]
    return verbs.enqueue(store.queue, jobs)


async def _enqueue_replacing(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a", unique=Unique()))
    rule = Unique(on_conflict="replace")
    return verbs.enqueue(
        store.queue, [a_job("b", content="x", due=datetime(2100, 1, 1, tzinfo=UTC), unique=rule)]
    )


async def _claim(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a"), a_job("b"), a_job("c"))
    request = verbs.claim([store.queue], worker="w", nonce="n", limit=2, lease=LEASE, ageing=AGEING)
    read = request.read

    def names(reply: Any) -> list[tuple[str, int]]:
        return [(job.job_id, job.starts) for job in read(reply).jobs]

    return Request(request.script, request.keys, request.arguments, names)


async def _settle(store: Store) -> Request[Any]:
    await store.enqueue(*map(a_job, "abcd"))
    a, b, c, d = await store.claim(4)
    ends = [
        an_end(a),
        an_end(b, Verb.RETRYING, failure=a_failure()),
        an_end(c, Verb.DEAD, failure=a_failure()),
        an_end(d, worker="zombie"),
    ]
    return verbs.settle(store.queue, ends, worker="w1", nonce="n")


async def _renew(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a"), a_job("b"), a_job("c"))
    a, b, c = await store.claim(3)
    await store.cancel("c")
    return verbs.renew(store.queue, [a_lease(a), a_lease(b, worker="zombie"), a_lease(c)])


async def _cancel(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a"))
    return verbs.cancel(store.queue, "a", CANCELLED_RECORD, 60_000)


async def _cancel_running(store: Store) -> Request[Any]:
    await store.run("a")
    return verbs.cancel(store.queue, "a", CANCELLED_RECORD, 60_000)


async def _inspect(store: Store) -> Request[Any]:
    await store.run("a")
    request = verbs.inspect(store.queue, "a", "here")
    read = request.read
    return Request(request.script, request.keys, request.arguments, lambda reply: read(reply).what)


async def _replay(store: Store) -> Request[Any]:
    await store.bury("a")
    await store.bury("b")
    mark = a_failure(0, cause=Cause.REPLAY)
    letters = [Letter(job_id, Priority.NORMAL, mark) for job_id in ("a", "b", "unknown")]
    return letter_verbs.replay(store.queue, letters)


async def _discard(store: Store) -> Request[Any]:
    await store.bury("a")
    await store.bury("b")
    return letter_verbs.discard(store.queue, ["a", "b", "unknown"])


async def _archive(store: Store) -> Request[Any]:
    await store.bury("a")
    died = await store.died_ms("a")
    return letter_verbs.archive(store.queue, [("a", died or 0), ("unknown", 1)], 1_000)


async def _revive(store: Store) -> Request[Any]:
    await store.run("b")
    mark = a_failure(0, cause=Cause.REPLAY)
    letters = [Revival(job_id, Priority.NORMAL, 1, mark, 1, b"{}", [b"x"]) for job_id in ("a", "b")]
    return letter_verbs.revive(store.queue, letters)


async def _forget(store: Store) -> Request[Any]:
    return letter_verbs.forget(store.queue, [("a", 1, "")], counter="discarded")


async def _browse(store: Store) -> Request[Any]:
    await store.bury("a")
    request = letter_verbs.browse(store.queue, ["a", "unknown"], 1_000_000)
    read = request.read

    def is_dead(reply: Any) -> list[bool]:
        return [one.died_ms is not None for one in read(reply)]

    return Request(request.script, request.keys, request.arguments, is_dead)


async def _pause(store: Store) -> Request[Any]:
    request = pause_request(store.queue, "k", None, {"by": "ann", "why": "a test", "now": False})
    read = request.read
    return Request(request.script, request.keys, request.arguments, lambda reply: read(reply).kind)


async def _resume(store: Store) -> Request[Any]:
    await store.put_aside("a", "b")
    request = resume_request(store.queue, "test.kind")
    return Request(request.script, request.keys, request.arguments, lambda reply: reply[1])


async def _resume_in_steps(store: Store) -> Request[Any]:
    await store.put_aside("a", "b", "c", "d", "e")
    request = resume_request(store.queue, "test.kind", 2)
    return Request(request.script, request.keys, request.arguments, lambda reply: reply[1])


async def _examine(store: Store) -> Request[Any]:
    await store.run("a")
    request = examine(store.queue, "a", AGEING)
    read = request.read
    return Request(request.script, request.keys, request.arguments, lambda reply: read(reply).state)


async def _lineup(store: Store) -> Request[Any]:
    for name in ("a", "b"):
        await store.enqueue(a_job(name))
    request = lineup(store.queue, limit=10)
    return _reading(request, lambda spots: sorted(spot.job_id for spot in spots))


async def _glance(store: Store) -> Request[Any]:
    await store.run("a")
    await store.enqueue(a_job("b"))
    request = glance(store.queue, ["a", "b"], budget_bytes=100_000)
    return _reading(request, lambda seen: [one.body is not None for one in seen])


async def _move(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a", due=timedelta(hours=1)))
    request = move(store.queue, "a", priority=Priority.HIGH)
    return _reading(request, lambda movement: movement.priority)


def _reading(request: Request[Any], tell: Callable[[Any], Any]) -> Request[Any]:
    read = request.read
    return Request(request.script, request.keys, request.arguments, lambda reply: tell(read(reply)))


async def _measure(store: Store) -> Request[Any]:
    await store.run("a")
    await store.enqueue(a_job("b"))
    return _reading(measure(store.queue), lambda numbers: (numbers.ready, numbers.running))


async def _compare(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a"), a_job("b"))
    return compare(store.queue, [Known("a", 0), Known("b", 3), Known("unknown", 0)])


async def _restore(store: Store) -> Request[Any]:
    await store.enqueue(a_job("a"), a_job("b"))
    return restore(store.queue, [a_lost_job("a"), a_lost_job("b", fence=3), a_lost_job("c", fence=1)])


async def _beat(store: Store) -> Request[Any]:
    request = beat(await read_mark(store.transport), 3)
    read = request.read

    def is_written(reply: Any) -> bool:
        return read(reply) is not None

    return Request(request.script, request.keys, request.arguments, is_written)


async def _operation_take(store: Store) -> Request[Any]:
    await begun(store)
    return take_request("o", "me", LEASE)


async def _operation_advance(store: Store) -> Request[Any]:
    await begun(store)
    await take(store)
    return advance_request("o", "me", LEASE, HALF_WAY, DONE)


async def _report(store: Store) -> Request[Any]:
    return report("w1", b"{}")


async def _enlist(store: Store) -> Request[Any]:
    return enlist("w1")


_CREATED, _EXISTS = Accepted.CREATED, Accepted.EXISTS
_RENEWALS = [Renewal.RENEWED, Renewal.LOST, Renewal.ABORT_ASKED]
_LEASES = ("arq:queue", "monarq:running:")

CALLS: dict[str, VerbCall] = {
    "enqueue": VerbCall(_enqueue, [_CREATED, _EXISTS, _CREATED], [_EXISTS] * 3),
    "enqueue-unique": VerbCall(_enqueue_unique, [Held("a"), _CREATED], [Held("a"), _EXISTS]),
    # stamped anew each time
    "enqueue-replacing": VerbCall(_enqueue_replacing, [Held("a")], [Held("a")], (keys.JOB,)),
    "claim": VerbCall(_claim, [("a", 1), ("b", 1)], [("a", 1), ("b", 1)]),
    "settle": VerbCall(_settle, [True, True, True, False], [True, True, True, False]),
    "renew": VerbCall(_renew, _RENEWALS, _RENEWALS, _LEASES),
    "cancel": VerbCall(_cancel, Cancellation.CANCELLED, Cancellation.CANCELLED),
    "cancel-running": VerbCall(_cancel_running, Cancellation.REQUESTED, Cancellation.REQUESTED),
    "inspect": VerbCall(_inspect, "running", "running"),
    "browse": VerbCall(_browse, [True, False], [True, False], reads=True),
    "replay": VerbCall(_replay, [True, True, False], [False] * 3),
    "discard": VerbCall(_discard, [True, True, False], [False] * 3),
    "archive": VerbCall(_archive, [True, False], [True, False]),
    "revive": VerbCall(_revive, [Revived.REPLAYED, Revived.ID_IN_USE], [Revived.BEFORE, Revived.ID_IN_USE]),
    "forget": VerbCall(_forget, 1, 1, ("monarq:stats:",)),
    "pause": VerbCall(_pause, "k", "k", ("monarq:pause:",)),
    "resume": VerbCall(_resume, 0, 0),
    "resume-in-steps": VerbCall(_resume_in_steps, 3, 1, ("monarq:pause:", "monarq:parked:", "arq:queue")),
    "examine": VerbCall(_examine, State.RUNNING, State.RUNNING, reads=True),
    "lineup": VerbCall(_lineup, ["a", "b"], ["a", "b"], reads=True),
    "glance": VerbCall(_glance, [True, True], [True, True], reads=True),
    "move": VerbCall(_move, Priority.HIGH, Priority.HIGH),
    "measure": VerbCall(_measure, (1, 1), (1, 1), reads=True),
    "compare": VerbCall(_compare, [0, 2, 1], [0, 2, 1], reads=True),
    "restore": VerbCall(_restore, [0, 2, 1], [0, 0, 0]),
    "operation_take": VerbCall(_operation_take, 1, 1, (keys.OPERATION,)),
    "operation_advance": VerbCall(_operation_advance, Noted.GOES_ON, Noted.GOES_ON),
    "beat": VerbCall(_beat, True, False),
    "report": VerbCall(_report, None, None, (keys.WORKER,)),
    "enlist": VerbCall(_enlist, None, None, (keys.WORKERS,)),
}


def ask_over(link: Link | SyncLink) -> Ask:
    """Sends a request over either link; the blocking one blocks a thread of its own."""

    async def ask(request: Request[T]) -> T:
        if isinstance(link, Link):
            return await execute(link, request)
        return await asyncio.to_thread(execute_sync, link.call, request)

    return ask
