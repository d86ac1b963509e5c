"""Users and tokens in PostgreSQL.  Asked of the primary: a replica may not know yet what was revoked."""

from __future__ import annotations

from collections.abc import Sequence

from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.repositories.tokens import TokenRepository, TokenRow
from monarq.jobs.store.postgres.repositories.users import UserRepository, UserRow

from ..access.grants import Grants
from .directory import NewToken, Token, User, grants_as_json, grants_of


class PostgresDirectory:
    """Keeps users and tokens in the tables of migration 0006."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, user_id: str) -> User | None:
        async with self._database.connection() as connection:
            return _user(await UserRepository(connection).by_id(user_id))

    async def user_named(self, name: str) -> User | None:
        async with self._database.connection() as connection:
            return _user(await UserRepository(connection).by_name(name))

    async def users(self, *, after: str, limit: int) -> Sequence[User]:
        async with self._database.connection() as connection:
            rows = await UserRepository(connection).page(after=after, limit=limit)
        return [user for row in rows if (user := _user(row)) is not None]

    async def add_user(self, user: User) -> User | None:
        async with self._database.connection() as connection:
            row = await UserRepository(connection).create(
                user_id=user.id,
                name=user.name,
                password_hash=user.password_hash,
                grants=grants_as_json(user.grants),
                created_by=user.created_by,
            )
        return _user(row)

    async def change_user(
        self,
        user_id: str,
        *,
        grants: Grants | None = None,
        password_hash: str | None = None,
        is_active: bool | None = None,
    ) -> User | None:
        async with self._database.connection() as connection:
            row = await UserRepository(connection).change(
                user_id,
                password_hash=password_hash,
                grants=None if grants is None else grants_as_json(grants),
                is_active=is_active,
            )
        return _user(row)

    async def delete_user(self, user_id: str) -> bool:
        async with self._database.connection() as connection:
            return await UserRepository(connection).delete(user_id)

    async def token_of(self, digest: bytes) -> Token | None:
        async with self._database.connection() as connection:
            return _token(await TokenRepository(connection).use(digest))

    async def live_token(self, token_id: str) -> Token | None:
        async with self._database.connection() as connection:
            return _token(await TokenRepository(connection).live(token_id))

    async def token(self, token_id: str) -> Token | None:
        async with self._database.connection() as connection:
            return _token(await TokenRepository(connection).by_id(token_id))

    async def tokens(self, *, after: str, limit: int, owner_id: str | None = None) -> Sequence[Token]:
        async with self._database.connection() as connection:
            rows = await TokenRepository(connection).page(after=after, limit=limit, owner_id=owner_id)
        return [token for row in rows if (token := _token(row)) is not None]

    async def add_token(self, token: NewToken) -> Token:
        async with self._database.connection() as connection:
            row = await TokenRepository(connection).create(
                token_id=token.id,
                name=token.name,
                digest=token.digest,
                hint=token.hint,
                owner_id=token.owner_id,
                grants=grants_as_json(token.grants),
                created_by=token.created_by,
                expires_at=token.expires_at,
            )
        kept = _token(row)
        assert kept is not None
        return kept

    async def revoke_token(self, token_id: str) -> bool:
        async with self._database.connection() as connection:
            return await TokenRepository(connection).revoke(token_id)


def _user(row: UserRow | None) -> User | None:
    if row is None:
        return None
    return User(
        id=row.id,
        name=row.name,
        grants=grants_of(row.grants),
        password_hash=row.password_hash,
        is_active=row.is_active,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _token(row: TokenRow | None) -> Token | None:
    if row is None:
        return None
    return Token(
        id=row.id,
        name=row.name,
        grants=grants_of(row.grants),
        expires_at=row.expires_at,
        hint=row.hint,
        owner_id=row.owner_id,
        owner_grants=None if row.owner_grants is None else grants_of(row.owner_grants),
        created_at=row.created_at,
        created_by=row.created_by,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
