"""How each operation is carried out, and what is written down of its end."""

from __future__ import annotations

from monarq.jobs.store.dead_letters import Origin
from monarq.jobs.store.operations import Operation, Operations

from ..access.caller import Caller, Means
from ..audit import Audit
from ..dead_letters import PLACE, LettersFor
from .filters import OperationFilter
from .letters import LetterWork, bounded
from .work import Work


class Works:
    """Makes the work of an operation, in whichever process runs it."""

    def __init__(self, operations: Operations, letters_for: LettersFor, audit: Audit) -> None:
        self._operations = operations
        self._letters_for = letters_for
        self._audit = audit

    def of(self, operation: Operation) -> Work:
        """Its work."""
        plan = operation.plan
        origin = Origin(actor=plan.by["name"], place=f"{PLACE}, operation {plan.id}")
        wanted = bounded(OperationFilter.model_validate(plan.filter).of_letters(), plan.bound_ms)
        return LetterWork(self._letters_for(origin), self._operations, plan, wanted)

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
            what=plan.action,
            state=str(operation.state),
            done=advance.done,
            skipped=advance.skipped,
            failed=advance.failed,
        )
