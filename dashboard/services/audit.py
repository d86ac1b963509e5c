"""Who changed what by hand: for those who may know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monarq.jobs.errors import NoDatabase
from monarq.jobs.store.audit_filter import AuditFilter, AuditPart

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import WHOLE, Scope
from ..errors import NotPermitted

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database
    from monarq.jobs.store.postgres.repositories.audit import Act
    from monarq.jobs.store.postgres.unit_of_work import Connection

#: Of one job, on its page.
_MOST_OF_ONE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ActPage:
    """Some acts, the newest first, and the ids from where its neighbours go on, if there are any."""

    acts: Sequence[Act]
    next_before: int | None
    prev_after: int | None


class AuditService:
    """The acts of all people, as far as the caller may see what they concern."""

    def __init__(self, database: Database | None, guard: Guard) -> None:
        self._database = database
        self._guard = guard

    async def list(
        self,
        caller: Caller,
        wanted: AuditFilter,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> ActPage:
        """Acts that fit, the newest first: those before an act, or those next behind one.

        Raises:
            NotPermitted: The caller may see none.
            NoDatabase: Nobody keeps them.
        """
        scope = await self._guard.scope(caller, Permission.AUDIT_READ)
        seen = replace(wanted, within=_parts(scope))
        acts = list(await self._read(seen, before=before, after=after, limit=limit + 1))
        has_more = len(acts) > limit
        if after is not None:
            acts = acts[-limit:]
            has_next, has_prev = bool(acts), has_more
        else:
            acts = acts[:limit]
            has_next, has_prev = has_more, before is not None and bool(acts)
        return ActPage(
            acts=acts,
            next_before=acts[-1].id if has_next else None,
            prev_after=acts[0].id if has_prev else None,
        )

    async def about(self, caller: Caller, subject: str) -> Sequence[Act]:
        """What was done to one thing, a job by its id, say; nothing where the caller may not know.

        Raises:
            StoreError: It cannot be known now.
        """
        try:
            scope = await self._guard.scope(caller, Permission.AUDIT_READ)
        except NotPermitted:
            return []
        if self._database is None:
            return []
        return await self._read(AuditFilter(subject=subject, within=_parts(scope)), limit=_MOST_OF_ONE)

    async def _read(
        self, wanted: AuditFilter, *, before: int | None = None, after: int | None = None, limit: int
    ) -> Sequence[Act]:
        if self._database is None:
            raise NoDatabase
        # here, where the packages for PostgreSQL are installed for certain
        from monarq.jobs.store.postgres.repositories.audit import AuditRepository

        async def read(connection: Connection) -> Sequence[Act]:
            return await AuditRepository(connection).list(wanted, before=before, after=after, limit=limit)

        return await self._database.read(read)


def _parts(scope: Scope) -> tuple[AuditPart, ...] | None:
    if scope.covers(WHOLE):
        return None
    return tuple(AuditPart(queues=area.queues, kinds=area.kinds, actor_id=area.owner) for area in scope.areas)
