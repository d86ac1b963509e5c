"""People who may use the dashboard."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """One user as a row.  What the grants mean is the dashboard's business; here they are plain data."""

    id: str
    name: str
    password_hash: str | None = field(repr=False)
    grants: list[dict[str, Any]]
    is_active: bool
    created_at: datetime
    created_by: str
    changed_at: datetime


class UserRepository:
    """Users as rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self, *, user_id: str, name: str, password_hash: str | None, grants: str, created_by: str
    ) -> UserRow | None:
        """Add one; None if another has the name.  `grants` is JSON."""
        return await self._row("create_user", user_id, name, password_hash, grants, created_by)

    async def by_id(self, user_id: str) -> UserRow | None:
        """The user of this id."""
        return await self._row("user_by_id", user_id)

    async def by_name(self, name: str) -> UserRow | None:
        """The user of this name, whatever its case."""
        return await self._row("user_by_name", name)

    async def page(self, *, after: str, limit: int) -> list[UserRow]:
        """Users by id, those after `after`."""
        rows = await self._connection.fetch(statement("list_users"), after, limit)
        return [_user(row) for row in rows]

    async def change(
        self,
        user_id: str,
        *,
        password_hash: str | None = None,
        grants: str | None = None,
        is_active: bool | None = None,
    ) -> UserRow | None:
        """Change what is given; None if there is no such user."""
        return await self._row("change_user", user_id, password_hash, grants, is_active)

    async def delete(self, user_id: str) -> bool:
        """Remove one, with the tokens that they own; whether there was one."""
        return await self._connection.fetchval(statement("delete_user"), user_id) is not None

    async def _row(self, name: str, *values: Any) -> UserRow | None:
        row = await self._connection.fetchrow(statement(name), *values)
        return None if row is None else _user(row)


def _user(row: Any) -> UserRow:
    return UserRow(**(dict(row) | {"grants": from_json(row["grants"])}))
