"""Users and tokens from the settings, for installations without PostgreSQL.  They cannot be changed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ..access.grants import Grants
from ..errors import ReadOnly
from ..settings import DashboardSettings, SettingsToken
from .directory import NewToken, Token, User

_ORIGIN = "settings"


class SettingsDirectory:
    """Knows those that the settings name; their ids are their names."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._users = {
            name: User(
                id=name,
                name=name,
                grants=user.grants,
                password_hash=user.password.get_secret_value(),
                created_by=_ORIGIN,
            )
            for name, user in sorted(settings.users.items())
        }
        self._tokens = {name: _token(name, token) for name, token in sorted(settings.tokens.items())}
        self._by_digest = {bytes.fromhex(token.sha256): name for name, token in settings.tokens.items()}

    async def user(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    async def user_named(self, name: str) -> User | None:
        return next((user for user in self._users.values() if user.name.lower() == name.lower()), None)

    async def users(self, *, after: str, limit: int) -> Sequence[User]:
        return [user for user in self._users.values() if user.id > after][:limit]

    async def add_user(self, user: User) -> User | None:
        raise _cannot_be_changed()

    async def change_user(
        self,
        user_id: str,
        *,
        grants: Grants | None = None,
        password_hash: str | None = None,
        is_active: bool | None = None,
    ) -> User | None:
        raise _cannot_be_changed()

    async def delete_user(self, user_id: str) -> bool:
        raise _cannot_be_changed()

    async def token_of(self, digest: bytes) -> Token | None:
        name = self._by_digest.get(digest)
        return None if name is None else await self.live_token(name)

    async def live_token(self, token_id: str) -> Token | None:
        token = self._tokens.get(token_id)
        return token if token is not None and token.expires_at > datetime.now(UTC) else None

    async def token(self, token_id: str) -> Token | None:
        return self._tokens.get(token_id)

    async def tokens(self, *, after: str, limit: int, owner_id: str | None = None) -> Sequence[Token]:
        if owner_id is not None:  # nobody owns those of the settings
            return []
        return [token for token in self._tokens.values() if token.id > after][:limit]

    async def add_token(self, token: NewToken) -> Token:
        raise _cannot_be_changed()

    async def revoke_token(self, token_id: str) -> bool:
        raise _cannot_be_changed()


def _token(name: str, token: SettingsToken) -> Token:
    return Token(id=name, name=name, grants=token.grants, expires_at=token.expires_at, created_by=_ORIGIN)


def _cannot_be_changed() -> ReadOnly:
    return ReadOnly(
        "users and tokens come from the settings here, and are changed there; to keep them in PostgreSQL, "
        "set MONARQ_DATABASE_URL and run `monarq migrate`"
    )
