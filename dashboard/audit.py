"""Who changed what by hand: a row each where there is a PostgreSQL, and a line of the log everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from monarq.jobs.errors import StoreError

from .access.caller import Caller

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database
    from monarq.jobs.store.postgres.unit_of_work import UnitOfWork

log = structlog.get_logger("monarq.audit")

_PLACE = "the HTTP API"


class Audit:
    """Records changes.

    Args:
        database: None if there is none: then the log is all.
    """

    def __init__(self, database: Database | None) -> None:
        self._database = database

    async def record(self, caller: Caller, action: str, subject: str, **detail: Any) -> None:
        """Somebody has done something to something: `queue.pause` to `mail`.

        It is done: a database that does not take the row is told in the log, and fails nothing.
        """
        known = {
            "subject_of_actor": caller.subject,
            "means": str(caller.means),
            "address": str(caller.address),
            **detail,
        }
        log.info("dashboard.changed", actor=caller.name, action=action, subject=subject, **known)
        if self._database is None:
            return

        async def write(unit: UnitOfWork) -> None:
            await unit.audit.add(
                actor=caller.name, place=_PLACE, action=action, subject=subject, detail=known
            )

        try:
            await self._database.transact(write)
        except StoreError as error:
            log.error("dashboard.audit_row_lost", actor=caller.name, action=action, error=str(error))
