"""Who changed what by hand, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from ....failure import clean
from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


#: Characters of one text.
_LONGEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str
    place: str
    action: str
    subject: str
    detail: dict[str, Any]

    def as_document(self) -> dict[str, Any]:
        """The act as plain data, for `--json` and the API."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "place": self.place,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
        }


class AuditRepository:
    """What people did.  Rows are added, and never changed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self, *, actor: str, place: str, action: str, subject: str, detail: Mapping[str, Any]
    ) -> None:
        """Write an act down.  `detail` is plain data; what is empty in it is left out."""
        told = {name: _storable(value) for name, value in detail.items() if value not in (None, "")}
        await self._connection.execute(
            statement("add_audit"),
            _storable(actor),
            place,
            action,
            _storable(subject),
            to_json(told, fallback=str).decode(),
        )

    async def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Act]:
        """The newest first.

        Args:
            actor, action, subject: Only those of this actor, action, subject.
            before: Only those before the act of this id: that of the last one turns the page.
            limit: So many at most.
        """
        rows = await self._connection.fetch(statement("list_audit"), actor, action, subject, before, limit)
        return [Act(**{**row, "detail": from_json(row["detail"])}) for row in rows]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, _LONGEST)
    if isinstance(value, dict):
        return {name: _storable(one) for name, one in value.items()}
    return value
