"""How each operation is carried out, and what is written down of its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from monarq.jobs.events import EventType
from monarq.jobs.store.dead_letters import NOBODY, Origin
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.letter_filter import as_ms
from monarq.jobs.store.operations import Operation, Operations, Plan

from ..access.caller import Caller, Means
from ..access.ownership import owner_tag
from ..audit import Audit
from ..bus import Bus
from ..dead_letters import PLACE, LettersFor
from .actions import Action
from .counting import Counted, count_letters, count_named_letters
from .filters import OperationFilter
from .jobs import JobWork, count_jobs
from .letters import LetterWork, bounded
from .mandate import Reach
from .work import Work

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database

#: The finest that the stores tell times apart, and how often it is looked whether it has passed.
_A_MS = 0.001
_LOOKS = 20


class Works:
    """Makes the work of an operation, in whichever process runs it, and counts what it would be.

    Args:
        tagged: As the setting `hash_tags`.
    """

    def __init__(
        self,
        transport: Transport,
        database: Database | None,
        operations: Operations,
        letters_for: LettersFor,
        audit: Audit,
        bus: Bus,
        *,
        tagged: bool,
    ) -> None:
        self._transport = transport
        self._database = database
        self._operations = operations
        self._letters_for = letters_for
        self._audit = audit
        self._bus = bus
        self._tagged = tagged

    def of(self, operation: Operation) -> Work:
        """Its work."""
        plan = operation.plan
        if not Action(plan.action).is_on_letters:
            return JobWork(self._transport, self._database, self._operations, plan, tagged=self._tagged)
        origin = Origin(actor=plan.by["name"], place=f"{PLACE}, operation {plan.id}")
        wanted = bounded(OperationFilter.model_validate(plan.filter).of_letters(), plan.bound_ms)
        return LetterWork(self._letters_for(origin), self._operations, plan, wanted)

    async def count(
        self, action: Action, wanted: OperationFilter, read: Reach, act: Reach
    ) -> tuple[Counted, int]:
        """What is meant, and when all of it was there, ms.

        Args:
            read: What may be seen, and `act`: to what it may be done.

        Raises:
            InvalidRequest: The filter cannot be used for this action, or means too much.
        """
        if not action.is_on_letters:
            search = wanted.of_jobs()
            counted = await count_jobs(self._transport, search, action, read, act, tagged=self._tagged)
            return counted, await self._operations.now_ms()
        letters = self._letters_for(NOBODY)
        bound = await letters.dead_now(wanted.of_letters())
        assert bound.until is not None
        bound_ms = as_ms(bound.until)
        await self._let_pass(bound_ms)
        if wanted.ids is None:
            return await count_letters(letters, bound, read, act), bound_ms
        ids = list(dict.fromkeys(wanted.ids))
        return await count_named_letters(letters, ids, bound, read, act), bound_ms

    async def _let_pass(self, bound_ms: int) -> None:
        """Wait until nothing more can come before the bound."""
        for _ in range(_LOOKS):
            if await self._operations.now_ms() >= bound_ms:
                return
            await asyncio.sleep(_A_MS)

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
