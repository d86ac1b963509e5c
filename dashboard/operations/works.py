"""How each operation is carried out, and what is written down of its end."""

from __future__ import annotations

from typing import Any

from monarq.jobs.events import EventType
from monarq.jobs.store.dead_letters import Origin
from monarq.jobs.store.operations import Operation, Operations, Plan

from ..access.caller import Caller, Means
from ..access.ownership import owner_tag
from ..audit import Audit
from ..bus import Bus
from ..dead_letters import PLACE, LettersFor
from .filters import OperationFilter
from .letters import LetterWork, bounded
from .work import Work


class Works:
    """Makes the work of an operation, in whichever process runs it."""

    def __init__(self, operations: Operations, letters_for: LettersFor, audit: Audit, bus: Bus) -> None:
        self._operations = operations
        self._letters_for = letters_for
        self._audit = audit
        self._bus = bus

    def of(self, operation: Operation) -> Work:
        """Its work."""
        plan = operation.plan
        origin = Origin(actor=plan.by["name"], place=f"{PLACE}, operation {plan.id}")
        wanted = bounded(OperationFilter.model_validate(plan.filter).of_letters(), plan.bound_ms)
        return LetterWork(self._letters_for(origin), self._operations, plan, wanted)

    def tell(self, plan: Plan) -> None:
        """That it has come further: to those who see one of the queues that it touches."""
        owner, kind = owner_tag(plan.by["subject"]), plan.filter.get("kind")
        queues: list[str | None] = [*plan.queues] or [None]
        for queue in queues:
            told: dict[str, Any] = {"operation": plan.id, "owner": owner, "queue": queue, "kind": kind}
            self._bus.tell(EventType.OPERATION_CHANGED, by=plan.by["name"], **told)

    async def record_end(self, operation: Operation) -> None:
        """Write down what came of it, in the name of who began it."""
        plan, advance = operation.plan, operation.advance
        caller = Caller(
            subject=plan.by["subject"], name=plan.by["name"], grants=(), means=Means(plan.by["means"])
        )
        await self._audit.record(
            caller,
            "operation.end",
            plan.id,
            result=str(operation.state),
            **concerned(plan),
            what=plan.action,
            done=advance.done,
            skipped=advance.skipped,
            failed=advance.failed,
        )


def concerned(plan: Plan) -> dict[str, Any]:
    """The one queue and the one kind that it is about, for the audit; None where it may touch several."""
    queue = plan.queues[0] if len(plan.queues) == 1 else plan.filter.get("queue")
    return {"queue": queue, "kind": plan.filter.get("kind")}
