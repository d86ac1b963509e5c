"""Operations on many jobs: count what it would be, begin it, see how far it is, end it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from monarq.jobs.identity import new_job_id
from monarq.jobs.store.operations import Operation, Operations, Plan

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Area, Scope
from ..audit import Audit
from ..errors import InvalidRequest, NotThere
from ..operations.actions import Action
from ..operations.filters import OperationFilter
from ..operations.mandate import Reach, read_scope, write_scope
from ..operations.runner import Runner
from ..operations.works import Works, concerned

_WHAT = "operation"


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What somebody wants to be done to which jobs."""

    action: Action
    filter: OperationFilter
    #: What the action needs to know besides: `at`, or `priority`.
    options: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise if the options are not those that the action takes."""
        needed = _OPTIONS.get(self.action, set())
        for name in needed ^ self.options.keys():
            told = f"{self.action} {'needs' if name in needed else 'does not take'} it"
            raise InvalidRequest({f"#/{name}": told})


_OPTIONS = {Action.RESCHEDULE: {"at"}, Action.PRIORITY: {"priority"}}


class OperationService:
    """Operations, as far as the caller may see all that they touch."""

    def __init__(
        self, operations: Operations, works: Works, runner: Runner, guard: Guard, audit: Audit
    ) -> None:
        self._operations = operations
        self._works = works
        self._runner = runner
        self._guard = guard
        self._audit = audit

    # --- looking

    async def list(self, caller: Caller, *, after: str, limit: int) -> Sequence[Operation]:
        """Those that were begun, the newest first, from behind the one of the id `after`."""
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        self._runner.wake()
        found: list[Operation] = []
        is_behind = not after
        async for operation in self._operations.newest():
            if is_behind and _is_seen(operation, caller, scope):
                found.append(operation)
                if len(found) == limit:
                    break
            is_behind = is_behind or operation.plan.id == after
        return found

    async def get(self, caller: Caller, operation_id: str) -> Operation:
        """One of them, planned ones of the caller's own included.

        Raises:
            NotThere: There is none of this id, or it must not be seen.
        """
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        self._runner.wake()
        return await self._seen(caller, operation_id, scope)

    # --- steering

    async def plan(self, caller: Caller, order: WorkOrder) -> Operation:
        """Count what it would be done to; nothing is done.  Its id is what `begin` wants to see.

        Raises:
            NotPermitted: The caller may do this to no job at all.
        """
        read, act = await self._scopes(caller, order)
        order.check()
        counted, bound_ms = await self._works.count(order.action, order.filter, Reach(read), Reach(act))
        plan = Plan(
            id=new_job_id(),
            action=order.action,
            options=order.options,
            filter=order.filter.written(),
            bound_ms=bound_ms,
            planned_ms=await self._operations.now_ms(),
            by=_told(caller),
            scope=write_scope(act),
            total=counted.total,
            ineligible=counted.ineligible,
            sample=counted.sample,
            queues=counted.queues,
            is_listed=bool(counted.items),
        )
        await self._operations.plan(plan, counted.items)
        return await self._seen(caller, plan.id, read)

    async def begin(self, caller: Caller, token: str, order: WorkOrder, rate: float | None) -> Operation:
        """Begin what was planned.  Begun twice, it is begun once.

        Raises:
            NotThere: There is no such plan (any more), or another caller has made it.
            InvalidRequest: The plan is another one than this order, or the caller may do less by now.
        """
        _, act = await self._scopes(caller, order)
        found = await self._operations.get(token)
        if found is None or found.plan.by["subject"] != caller.subject:
            raise InvalidRequest({"#/token": "it is of no dry run of yours, or too old: make another one"})
        plan = found.plan
        asked = order.action, order.filter.written(), order.options
        if (plan.action, plan.filter, plan.options) != asked:
            raise InvalidRequest({"#/token": "it is of a dry run of something else"})
        if not read_scope(write_scope(act)).includes(read_scope(plan.scope)):
            raise InvalidRequest({"#/token": "you may do less than at that dry run: make another one"})
        if await self._operations.begin(plan, rate):
            told = {"what": plan.action, "filter": plan.filter, "jobs": plan.total, "rate": rate}
            about: dict[str, Any] = {**concerned(plan), **told}
            await self._audit.record(caller, "operation.start", plan.id, **about)
            self._works.tell(plan)
        self._runner.wake()
        return await self._seen(caller, plan.id, Scope())

    async def cancel(self, caller: Caller, operation_id: str) -> Operation:
        """Let it end after the jobs that are under way; one that has ended stays as it is.

        Raises:
            NotThere: There is none of this id, or it must not be seen.
        """
        scope = await self._guard.scope(caller, Permission.OPERATIONS_RUN)
        scope &= await self._guard.scope(caller, Permission.JOBS_READ)
        operation = await self._seen(caller, operation_id, scope)
        if operation.start is None:
            raise NotThere(_WHAT)
        if not operation.state.has_ended and operation.stop is None:
            await self._operations.cancel(operation_id, caller.name)
            told = {**concerned(operation.plan), "what": operation.plan.action}
            await self._audit.record(caller, "operation.cancel", operation_id, **told)
            self._works.tell(operation.plan)
        self._runner.wake()
        return await self._seen(caller, operation_id, scope)

    # ---

    async def _scopes(self, caller: Caller, order: WorkOrder) -> tuple[Scope, Scope]:
        """Which jobs the caller may see for this order, and to which of them they may do it."""
        act = await self._guard.scope(caller, Permission.OPERATIONS_RUN)
        act &= await self._guard.scope(caller, order.action.permission)
        read = await self._guard.scope(caller, Permission.JOBS_READ)
        if order.filter.looks_at_words:  # who looks for words learns of them
            read &= await self._guard.scope(caller, Permission.JOBS_PAYLOAD)
        return read, act & read

    async def _seen(self, caller: Caller, operation_id: str, scope: Scope) -> Operation:
        operation = await self._operations.get(operation_id)
        if operation is None or not _is_seen(operation, caller, scope):
            raise NotThere(_WHAT)
        return operation


def _is_seen(operation: Operation, caller: Caller, scope: Scope) -> bool:
    """Who began it sees it; and who may see all that it touches."""
    plan = operation.plan
    if plan.by["subject"] == caller.subject:
        return True
    if operation.start is None:
        return False
    kind = plan.filter.get("kind")
    where = Area(queues=(tuple(plan.queues),), kinds=() if kind is None else ((kind,),))
    return scope.includes(read_scope(plan.scope) & Scope((where,)))


def _told(caller: Caller) -> dict[str, str]:
    return {
        "subject": caller.subject,
        "name": caller.name,
        "means": str(caller.means),
        "at": datetime.now(UTC).isoformat(),
    }
