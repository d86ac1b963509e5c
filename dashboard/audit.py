"""Who changed what by hand: a row each where there is a PostgreSQL, and a line of the log everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.events import EventType

from .access.caller import Caller
from .access.ownership import owner_tag
from .bus import Bus
from .request_id import current_request_id

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database
    from monarq.jobs.store.postgres.unit_of_work import UnitOfWork

log = structlog.get_logger("monarq.audit")

_PLACE = "the HTTP API"
#: What `role` says of somebody who holds permissions by name.
_NO_ROLE = "permissions"


class Audit:
    """Records changes.

    Args:
        database: None if there is none: then the log is all.
        bus: Told of each.
    """

    def __init__(self, database: Database | None, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        #: How often each action was recorded.
        self.actions: Counter[str] = Counter()

    async def record(
        self,
        caller: Caller,
        action: str,
        subject: str,
        *,
        queue: str | None = None,
        kind: str | None = None,
        result: str = "done",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        **detail: Any,
    ) -> None:
        """Somebody has done something to something: `queue.pause` to `mail`.

        It is done: a database that does not take the row is told in the log, and fails nothing.

        Args:
            subject: A job's id, a queue, a user, …: by it the act is found again.
            queue, kind: What it concerns; without them only those see it who may see everything.
            result: `done`, or what became of it instead.
            before, after: What was changed, as it was and as it is.
            detail: What else there is to say; plain data, and no secrets.
        """
        act: dict[str, Any] = {
            "actor": caller.name,
            "actor_id": caller.subject,
            "role": role_of(caller),
            "means": str(caller.means),
            "address": None if caller.address is None else str(caller.address),
            "action": action,
            "subject": subject,
            "queue": queue,
            "kind": kind,
            "request_id": current_request_id.get(),
            "result": result,
            "before": before,
            "after": after,
        }
        # `result` would be taken for that of a job, and hidden
        told = {"outcome" if name == "result" else name: value for name, value in act.items()}
        log.info("dashboard.changed", **told, **{f"detail_{name}": value for name, value in detail.items()})
        self.actions[action] += 1
        await self._write(act, detail)
        owner = owner_tag(caller.subject)
        self._bus.tell(EventType.AUDIT_ADDED, queue=queue, kind=kind, owner=owner, by=caller.name)

    async def _write(self, act: dict[str, Any], detail: dict[str, Any]) -> None:
        if self._database is None:
            return

        async def write(unit: UnitOfWork) -> None:
            await unit.audit.add(place=_PLACE, detail=detail, **act)

        try:
            await self._database.transact(write)
        except StoreError as error:
            told = {"actor": act["actor"], "action": act["action"], "error": str(error)}
            log.error("dashboard.audit_row_lost", **told)


def role_of(caller: Caller) -> str:
    """In which roles somebody acts: `operator`, or `operator, permissions`."""
    return ", ".join(sorted({grant.role or _NO_ROLE for grant in caller.grants}))
