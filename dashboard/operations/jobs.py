"""Operations on jobs that have not ended: cancel, try again now, give them another time or priority.

Jobs move while they wait and run, so no order of them holds still: they are listed when the operation is
planned, and gone through by that list.  Done twice to a job, each of it is as if it were done once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monarq.jobs.envelope import decode
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.priority import Priority
from monarq.jobs.state import State
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.keys import JOB, QueueKeys
from monarq.jobs.store.live_jobs import LiveJob
from monarq.jobs.store.live_search import LiveLook, NamedJobs, RunningJobs, WaitingJobs
from monarq.jobs.store.moving import NOW, move_job
from monarq.jobs.store.operations import ItemFailure, Operations, Plan
from monarq.jobs.store.paging import Place, Section
from monarq.jobs.store.queues import known_queues
from monarq.jobs.store.verbs import Cancellation
from monarq.producer.cancelling import cancel_request

from ..errors import InvalidRequest
from .actions import Action
from .counting import NOT_PERMITTED, SAMPLE, Counted
from .mandate import Reach, read_scope
from .work import Batch, Outcome

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database

#: Jobs that one operation can list; a job of more takes part in the next one.
MOST_JOBS = 100_000
_READ_AT_ONCE = 500
_ACTED_AT_ONCE = 20
_WRONG_STATE = "wrong_state"
_WAITING = frozenset({State.SCHEDULED, State.READY, State.RETRYING})
#: In which states it can be done to a job.
_STATES = {
    Action.CANCEL: frozenset({State.RUNNING}) | _WAITING,
    Action.RETRY_NOW: frozenset({State.RETRYING}),
    Action.RESCHEDULE: _WAITING,
    Action.PRIORITY: _WAITING,
}


async def count_jobs(
    transport: Transport, search: JobSearch, action: Action, read: Reach, act: Reach, *, tagged: bool
) -> Counted:
    """Jobs that a search means and that have not ended.

    Raises:
        InvalidRequest: They are more than one operation can list.
    """
    items: list[str] = []
    ineligible: dict[str, int] = {}
    sample: list[dict[str, Any]] = []
    queues: set[str] = set()
    look = LiveLook(
        transport,
        await known_queues(transport, tagged=tagged),
        search,
        lambda job: read.covers(job.queue, job.kind),
        looked_at=MOST_JOBS * 10,
    )
    async for job in _each(look):
        reason = None if job.state in _STATES[action] else _WRONG_STATE
        reason = reason if act.covers(job.queue, job.kind) else NOT_PERMITTED
        if reason is not None:
            ineligible[reason] = ineligible.get(reason, 0) + 1
            continue
        items.append(f"{job.queue}={job.job_id}")
        queues.add(job.queue)
        if len(sample) < SAMPLE:
            sample.append(_told(job))
        if len(items) > MOST_JOBS:
            raise InvalidRequest({"#/filter": f"it means more than {MOST_JOBS:,} jobs: narrow it"})
    return Counted(total=len(items), ineligible=ineligible, queues=sorted(queues), sample=sample, items=items)


class JobWork:
    """One operation on jobs that have not ended."""

    def __init__(
        self,
        transport: Transport,
        database: Database | None,
        operations: Operations,
        plan: Plan,
        *,
        tagged: bool,
    ) -> None:
        self._transport = transport
        self._database = database
        self._operations = operations
        self._plan = plan
        self._tagged = tagged
        self._action = Action(plan.action)
        self._reach = Reach(read_scope(plan.scope))
        self._queues: dict[str, QueueKeys] = {}

    async def next(self, position: list[Any], most: int) -> Batch | None:
        """The jobs behind a position."""
        first = position[0] if position else 0
        items = await self._operations.items(self._plan.id, first, most)
        return Batch(items, list(items), [first + len(items)]) if items else None

    async def act(self, batch: Batch) -> Outcome:
        """Do it to them."""
        if not self._queues:
            known = await known_queues(self._transport, tagged=self._tagged)
            self._queues = {keys.name: keys for keys in known}
        done = 0
        for at in range(0, len(batch.items), _ACTED_AT_ONCE):
            some = batch.items[at : at + _ACTED_AT_ONCE]
            done += sum(await asyncio.gather(*(self._act_on(*item.split("=", 1)) for item in some)))
        return Outcome(done=done, skipped=batch.gone + len(batch.items) - done)

    def failures(self, batch: Batch, why: str) -> Sequence[ItemFailure]:
        """That it could not be done to them."""
        split = (item.split("=", 1) for item in batch.items)
        return [ItemFailure(job_id=job_id, queue=queue, why=why) for queue, job_id in split]

    async def done_of(self, names: Sequence[str]) -> int:
        """Of none it is known; it is done to all of them again."""
        return 0

    async def _act_on(self, queue: str, job_id: str) -> bool:
        """Whether it was still to be done, and is."""
        keys = self._queues.get(queue)
        body = await self._transport.call("GET", JOB + job_id)
        if keys is None or body is None or not self._reach.covers(queue, _kind_of(body)):
            return False
        if self._action is Action.CANCEL:
            by, reason = self._plan.by["name"], f"operation {self._plan.id}"
            became = await execute(self._transport, cancel_request(keys, job_id, body, None, by, reason))
            return became in (Cancellation.CANCELLED, Cancellation.REQUESTED)
        movement = await move_job(self._transport, self._database, keys, job_id, **self._target())
        return not movement.is_refused

    def _target(self) -> dict[str, Any]:
        options = self._plan.options
        if self._action is Action.PRIORITY:
            return {"priority": Priority(options["priority"])}
        return {"due": datetime.fromisoformat(options["at"]) if "at" in options else NOW}


async def _each(look: LiveLook) -> AsyncIterator[LiveJob]:
    """All that are meant, each once, although they move meanwhile."""
    seen: set[str] = set()
    for section in _sections(look):
        place: Place | None = None
        while True:
            stretch = await section.look(place, _READ_AT_ONCE, backwards=False)
            for _, job in stretch.found:
                if job.job_id not in seen:
                    seen.add(job.job_id)
                    yield job
            place = stretch.reached
            if place is None:
                break


def _sections(look: LiveLook) -> Sequence[Section[LiveJob]]:
    if look.search.filter.job_id is not None:
        return [NamedJobs(look)]
    makers: list[Callable[[LiveLook], Section[LiveJob]]] = []
    if look.search.wants(State.RUNNING):
        makers.append(RunningJobs)
    if any(map(look.search.wants, _WAITING)) and look.search.filter.worker is None:
        makers.append(WaitingJobs)
    return [maker(look) for maker in makers]


def _kind_of(body: bytes) -> str | None:
    try:
        return decode(body).kind
    except CorruptRecord:
        return None


def _told(job: LiveJob) -> dict[str, Any]:
    at = job.due_at or job.enqueued_at
    return {
        "job_id": job.job_id,
        "queue": job.queue,
        "kind": job.kind,
        "at": None if at is None else at.isoformat(),
        "error": job.error_type,
    }
