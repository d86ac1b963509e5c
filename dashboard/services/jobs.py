"""Single jobs: see one, wait for its end, ask why it is where it is, and steer it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from monarq.jobs.errors import CorruptRecord, StoreError, StoreRefused
from monarq.jobs.events import EventType
from monarq.jobs.failure import decode_failure
from monarq.jobs.priority import Priority
from monarq.jobs.redaction import with_secrets_of
from monarq.jobs.registry import Registry
from monarq.jobs.settings import Settings
from monarq.jobs.state import State
from monarq.jobs.store.dead_letters import DeadLetters, Origin, open_dead_letters
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.finding import Found, find
from monarq.jobs.store.keys import FAILURES
from monarq.jobs.store.moving import NOW, Became, Movement, move_job
from monarq.jobs.store.verbs import Cancellation, inspect
from monarq.jobs.store.why import Explanation, explain
from monarq.jobs.tags import owner_tag_of
from monarq.producer.cancelling import cancel_request
from monarq.producer.producer import Producer

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..audit import Audit
from ..bus import Bus
from ..closing import Closing
from ..errors import InvalidRequest, NotThere, StateConflict
from ..preconditions import UNCONDITIONAL, Precondition
from .job_view import JobView, both, of_held, of_letter, of_queue, of_record, of_stories

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database
    from monarq.jobs.store.postgres.repositories.outbox import HeldRow

T = TypeVar("T")

PLACE = "the HTTP API"
#: Nobody is kept waiting for longer.
LONGEST_WAIT = timedelta(seconds=30)
#: Who waits looks again after so long, unwoken: arq's own workers tell nobody.
_LOOK_AGAIN = 5.0
#: The same for who waits for a job that is in the outbox.
_RELAYED_WITHIN = 0.5
#: After so long nobody waits any more for what the history tells of an end.
_HISTORY_IN = timedelta(minutes=1)
_MOST_FAILURES = 200
_WHAT = "job"


class JobService:
    """Single jobs, as far as the caller may see them.

    Args:
        producer: Tells when jobs end.
        kinds: For how long a cancelled job's record is kept.
        closing: Ends waiting with the server.
    """

    def __init__(
        self,
        transport: Transport,
        database: Database | None,
        settings: Settings,
        guard: Guard,
        audit: Audit,
        bus: Bus,
        producer: Producer,
        kinds: Registry,
        closing: Closing,
    ) -> None:
        self._transport = transport
        self._database = database
        self._settings = settings
        self._guard = guard
        self._audit = audit
        self._bus = bus
        self._producer = producer
        self._kinds = kinds
        self._closing = closing

    # --- looking

    async def get(self, caller: Caller, job_id: str, *, wait: timedelta = timedelta(0)) -> JobView:
        """One job; with `wait`, as soon as it has ended, or when the time is over.

        Raises:
            NotThere: There is none of this id, or it must not be seen.
        """
        _, view = await self._seen(caller, job_id)
        clock = asyncio.get_running_loop().time
        deadline = clock() + min(wait, LONGEST_WAIT).total_seconds()
        while not view.state.is_final and (left := deadline - clock()) > 0 and not self._closing.has_begun:
            if view.outbox is not None:
                await self._closing.pause(min(left, _RELAYED_WITHIN))
            else:
                await self._wait(job_id, view.queue, min(left, _LOOK_AGAIN))
            _, view = await self._seen(caller, job_id)
        return view

    async def why(self, caller: Caller, job_id: str) -> Explanation:
        """Why it is where it is, in one sentence.

        Raises:
            NotThere: See `get`.
        """
        _, view = await self._seen(caller, job_id)
        return await explain(
            self._transport,
            job_id,
            queue=view.queue,
            tagged=self._settings.hash_tags,
            database=self._database,
            words=not view.is_payload_hidden,
        )

    async def with_secrets(self, caller: Caller, job_id: str, args: dict[str, Any]) -> dict[str, Any]:
        """Arguments that were made of this job's, with what is hidden in them as the job has it.

        For an enqueue only, and never shown to anybody.

        Raises:
            NotThere: See `get`.
            NotPermitted: The caller may not see its payload.
        """
        _, view = await self._seen(caller, job_id)
        await self._guard.require(caller, Permission.JOBS_PAYLOAD, view.resource(caller.subject))
        _, whole = await self._find(job_id)
        restored: dict[str, Any] = with_secrets_of(whole.arguments if whole else {}, args)
        return restored

    # --- steering

    async def retry(self, caller: Caller, job_id: str, asked: Precondition = UNCONDITIONAL) -> JobView:
        """Give a dead job a fresh budget of attempts, or cut the backoff of a retrying one short.

        Raises:
            StateConflict: It is neither.
        """
        found, view = await self._meant(caller, job_id, Permission.JOBS_RETRY, asked)
        if view.state is State.DEAD:
            await self._replay(caller, view)
        elif view.state in (State.RETRYING, State.READY):
            self._check(await self._move(found, job_id, due=NOW))
        else:
            raise StateConflict(view.state, "only a dead or a retrying job can be retried")
        was_dead = view.state is State.DEAD
        happened = EventType.JOB_REPLAYED if was_dead else EventType.JOB_CHANGED
        return await self._done(caller, "job.retry", happened, view)

    async def cancel(
        self, caller: Caller, job_id: str, *, reason: str, asked: Precondition = UNCONDITIONAL
    ) -> JobView:
        """End it at once if it waits; if it runs, its worker is asked to stop it.

        Raises:
            StateConflict: It has ended otherwise.
        """
        found, view = await self._meant(caller, job_id, Permission.JOBS_CANCEL, asked)
        handler = self._kinds.get(view.kind or "")
        policy = None if handler is None else handler.policy
        request = cancel_request(found.queue, job_id, found.job.body, policy, caller.name, reason)
        became = await execute(self._transport, request)
        if became is Cancellation.UNKNOWN and not view.state.is_final:
            raise NotThere(_WHAT)
        if became in (Cancellation.ENDED, Cancellation.UNKNOWN) and view.state is not State.CANCELLED:
            now = (await self._seen(caller, job_id))[1].state
            raise StateConflict(now, "it is too late to cancel it")
        is_ended = became is Cancellation.CANCELLED
        happened = EventType.JOB_CANCELLED if is_ended else EventType.JOB_CHANGED
        return await self._done(caller, "job.cancel", happened, view, reason=reason, became=str(became))

    async def reschedule(
        self,
        caller: Caller,
        job_id: str,
        *,
        due: timedelta | datetime | None,
        asked: Precondition = UNCONDITIONAL,
    ) -> JobView:
        """Let it start at another time; now, by a time span of zero.

        Raises:
            StateConflict: It does not wait.
            InvalidRequest: There is no time, or it is past its own deadline.
        """
        found, view = await self._meant(caller, job_id, Permission.JOBS_EDIT, asked)
        if due is None:
            raise InvalidRequest({"#": "name either at or delay"})
        if view.expires_at is not None and isinstance(due, datetime) and due >= view.expires_at:
            raise InvalidRequest({"#/at": f"it expires at {view.expires_at.isoformat()}, before that"})
        self._check(await self._move(found, job_id, due=due))
        return await self._done(caller, "job.reschedule", EventType.JOB_CHANGED, view)

    async def set_priority(
        self, caller: Caller, job_id: str, priority: Priority, asked: Precondition = UNCONDITIONAL
    ) -> JobView:
        """Let it wait with another priority; what it has waited so far counts on.

        Raises:
            StateConflict: It does not wait.
        """
        found, view = await self._meant(caller, job_id, Permission.JOBS_EDIT, asked)
        self._check(await self._move(found, job_id, priority=priority))
        return await self._done(caller, "job.priority", EventType.JOB_CHANGED, view)

    # ---

    async def _seen(self, caller: Caller, job_id: str) -> tuple[Found, JobView]:
        """The job, with its payload only if the caller may see that."""
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        found, view = await self._find(job_id)
        if view is None or not scope.covers(resource := view.resource(caller.subject)):
            raise NotThere(_WHAT)
        if await self._guard.holds(caller, Permission.JOBS_PAYLOAD, resource):
            return found, view.shown()
        return found, view.without_payload()

    async def _meant(
        self, caller: Caller, job_id: str, permission: Permission, asked: Precondition
    ) -> tuple[Found, JobView]:
        """A job that the caller may see and change."""
        found, view = await self._seen(caller, job_id)
        await self._guard.require(caller, permission, view.resource(caller.subject))
        if view.outbox is not None:
            raise StateConflict(view.state, "it is in the outbox, and not in Redis yet")
        asked.check(view.version)
        return found, view

    async def _find(self, job_id: str) -> tuple[Found, JobView | None]:
        """Whoever asks: what is known of a job, live or ended, or on its way to Redis."""
        found, view = await self._look(job_id)
        if view is not None or self._database is None:
            return found, view
        if (held := await self._held(job_id)) is not None:
            return found, of_held(held)
        return await self._look(job_id)  # a relay may have sent it between the two

    async def _look(self, job_id: str) -> tuple[Found, JobView | None]:
        found = await find(self._transport, job_id, tagged=self._settings.hash_tags)
        live = of_queue(found, await self._failures(job_id) if found.job.is_here else ())
        if live is not None:
            return found, live
        record = found.job.record()
        if record is not None and record.state is not State.DEAD:
            told = of_record(job_id, found.queue.name, record)
            view = both(told, await self._if_it_answers(self._story(job_id)))
            in_part = view is told and self._settings.writes_history and _has_just_ended(told)
            return found, replace(view, is_told_in_part=in_part)
        dead = None if record is None else of_record(job_id, found.queue.name, record)
        try:
            return found, await self._archived(job_id) or dead
        except StoreError:
            if dead is None:  # it may lie there all the same
                raise
            return found, dead

    async def _archived(self, job_id: str) -> JobView | None:
        if self._database is None:
            return None
        letter = await self._letters(None).show(job_id)
        return await self._story(job_id) if letter is None else of_letter(letter)

    async def _held(self, job_id: str) -> HeldRow | None:
        if self._database is None:
            return None
        from monarq.jobs.store.postgres.held import find_held

        return await find_held(self._database, job_id)

    async def _story(self, job_id: str) -> JobView | None:
        if self._database is None:
            return None
        from monarq.jobs.store.postgres.history_reader import HistoryReader

        stories = await HistoryReader(self._database).stories(job_id)
        return of_stories(stories) if stories else None

    async def _failures(self, job_id: str) -> list[Any]:
        try:
            records = await self._transport.call("LRANGE", FAILURES + job_id, -_MOST_FAILURES, -1)
        except StoreRefused:  # a key of another type
            return []
        found = []
        for record in records:
            try:
                found.append(decode_failure(record))
            except CorruptRecord:
                continue
        return found

    async def _wait(self, job_id: str, queue: str, timeout: float) -> None:
        """Wait until the job has ended, or until it is time to look again."""
        found = await find(self._transport, job_id, queue=queue, tagged=self._settings.hash_tags)
        waits = self._producer.waits
        with waits.expect(job_id) as woken:
            standing = await execute(self._transport, inspect(found.queue, job_id, await waits.channel()))
            if standing.what not in ("ended", "dead", "unknown"):
                await self._closing.either(woken, timeout)

    async def _move(self, found: Found, job_id: str, **to: Any) -> Movement:
        return await move_job(self._transport, self._database, found.queue, job_id, **to)

    def _check(self, movement: Movement) -> None:
        if movement.became is Became.UNKNOWN:
            raise NotThere(_WHAT)
        if movement.is_refused:
            state = str(movement.state or "ended")
            is_cancelled = movement.became is Became.CANCELLING
            raise StateConflict(state, "its end was asked for" if is_cancelled else "it does not wait")

    async def _replay(self, caller: Caller, view: JobView) -> None:
        [was_there] = await self._letters(caller).replay([view.job_id])
        if not was_there:  # somebody else was faster
            _, now = await self._find(view.job_id)
            if now is None or now.state.is_final:
                raise StateConflict(str(now.state if now else "gone"), "its letter is not there any more")

    async def _done(
        self, caller: Caller, action: str, happened: EventType, before: JobView, **detail: Any
    ) -> JobView:
        """Tell of a change, and how the job stands after it."""
        queue, kind, job_id = before.queue, before.kind, before.job_id
        try:
            _, after = await self._seen(caller, job_id)
        except (NotThere, StoreError):  # it is done all the same, and the job may be gone already
            after = before
        await self._audit.record(
            caller,
            action,
            job_id,
            queue=queue,
            kind=kind,
            before=_standing(before),
            after=_standing(after),
            **detail,
        )
        owner = owner_tag_of(before.tags)  # told last: who looks again then finds the act, too
        self._bus.tell(happened, queue=queue, kind=kind, job_id=job_id, owner=owner, by=caller.name)
        return after

    def _letters(self, caller: Caller | None) -> DeadLetters:
        origin = Origin(actor=caller.name if caller else "", place=PLACE)
        return open_dead_letters(
            self._transport,
            self._database,
            tagged=self._settings.hash_tags,
            origin=origin,
            keep=self._settings.dead_keep,
        )

    async def _if_it_answers(self, asked: Awaitable[T]) -> T | None:
        try:
            return await asked
        except StoreError:
            return None


def _has_just_ended(view: JobView) -> bool:
    return view.ended_at is not None and datetime.now(UTC) - view.ended_at < _HISTORY_IN


def _standing(view: JobView) -> dict[str, Any]:
    """What a change may change, for the audit."""
    due = None if view.due_at is None else view.due_at.isoformat()
    return {"state": str(view.state), "priority": str(view.priority), "due_at": due}
