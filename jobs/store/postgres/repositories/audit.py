"""Who changed what by hand, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from ....failure import clean
from ...audit_filter import AuditFilter
from ..audit_search import acts_query
from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


#: Characters of one text.
_LONGEST = 1_000
_DOCUMENTS = ("before", "after", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str
    #: Where the dashboard knows it: what no other has, by what that was shown, in which roles, from where.
    actor_id: str | None
    means: str | None
    role: str | None
    address: str | None
    place: str
    action: str
    subject: str
    #: What it concerns.
    queue: str | None
    kind: str | None
    result: str
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    detail: dict[str, Any]

    def as_document(self) -> dict[str, Any]:
        """The act as plain data, for `--json` and the API."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return told | {"at": self.at.isoformat()}


class AuditRepository:
    """What people did.  Rows are added, and never changed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self,
        *,
        actor: str,
        place: str,
        action: str,
        subject: str,
        detail: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        result: str = "done",
        **known: str | None,
    ) -> None:
        """Write an act down.

        Args:
            before, after, detail: Plain data; what is empty in `detail` is left out.
            known: Of `actor_id`, `means`, `role`, `address`, `queue`, `kind` and `request_id` what is known.
        """
        told = {name: value for name, value in detail.items() if value not in (None, "")}
        names = ("actor_id", "means", "role", "address")
        more = ("queue", "kind")
        await self._connection.execute(
            statement("add_audit"),
            _storable(actor),
            *(_storable(known.get(name)) for name in names),
            place,
            action,
            _storable(subject),
            *(_storable(known.get(name)) for name in more),
            result,
            _storable(known.get("request_id") or None),
            *(_json(one) for one in (before, after, told)),
        )

    async def list(
        self,
        wanted: AuditFilter | None = None,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
        **fields: Any,
    ) -> Sequence[Act]:
        """The newest first.

        Args:
            wanted: Only those that fit.
            fields: Of a filter, instead of one.
            before: Only those before the act of this id: that of the last one turns the page.
            after: Those next behind the act of this id: that of the first one turns it back.
            limit: So many at most.
        """
        query = acts_query(wanted or AuditFilter(**fields), before=before, after=after, limit=limit)
        rows = await self._connection.fetch(query.sql, *query.parameters)
        acts = [_act(row) for row in rows]
        return acts if after is None else acts[::-1]

    async def forget(self, keep: timedelta, limit: int) -> int:
        """Delete what is older than `keep`, of the oldest `limit`; how many."""
        status = await self._connection.execute(statement("forget_audit"), keep, limit)
        return int(status.rpartition(" ")[2])


def _act(row: Any) -> Act:
    documents = {name: None if row[name] is None else from_json(row[name]) for name in _DOCUMENTS}
    return Act(**(dict(row) | documents))


def _json(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else to_json(_storable(dict(document)), fallback=str).decode()


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, _LONGEST)
    if isinstance(value, dict):
        return {name: _storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    return value
