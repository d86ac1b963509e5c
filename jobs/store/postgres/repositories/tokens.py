"""What programs show to the HTTP API.  Of a token only its digest is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token as a row.  What the grants mean is the dashboard's business; here they are plain data."""

    id: str
    name: str
    hint: str
    owner_id: str | None
    grants: list[dict[str, Any]]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    #: Of its owner, where it was asked for to be used.
    owner_grants: list[dict[str, Any]] | None


class TokenRepository:
    """API tokens as rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self,
        *,
        token_id: str,
        name: str,
        digest: bytes,
        hint: str,
        owner_id: str | None,
        grants: str,
        created_by: str,
        expires_at: datetime,
    ) -> TokenRow:
        """Add one.  `grants` is JSON."""
        values = (token_id, name, digest, hint, owner_id, grants, created_by, expires_at)
        row = await self._connection.fetchrow(statement("create_token"), *values)
        return _token(row)

    async def use(self, digest: bytes) -> TokenRow | None:
        """The token of this digest, if it holds and its owner is active; notes that it was used."""
        return await self._row("use_token", digest)

    async def live(self, token_id: str) -> TokenRow | None:
        """The token of this id, if it holds and its owner is active."""
        return await self._row("live_token", token_id)

    async def by_id(self, token_id: str) -> TokenRow | None:
        """The token of this id, whether it holds or not."""
        return await self._row("token_by_id", token_id)

    async def page(self, *, after: str, limit: int, owner_id: str | None = None) -> list[TokenRow]:
        """Tokens by id, those after `after`; of one owner, or of all."""
        rows = await self._connection.fetch(statement("list_tokens"), after, limit, owner_id)
        return [_token(row) for row in rows]

    async def revoke(self, token_id: str) -> bool:
        """End one; whether there is one."""
        return await self._connection.fetchval(statement("revoke_token"), token_id) is not None

    async def _row(self, name: str, *values: Any) -> TokenRow | None:
        row = await self._connection.fetchrow(statement(name), *values)
        return None if row is None else _token(row)


def _token(row: Any) -> TokenRow:
    owner_grants = row["owner_grants"]
    read = {
        "grants": from_json(row["grants"]),
        "owner_grants": None if owner_grants is None else from_json(owner_grants),
    }
    return TokenRow(**(dict(row) | read))
