"""What the dashboard asks of whoever keeps its users and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from ..access.grants import GRANTS, Grant, Grants


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may use the dashboard."""

    id: str
    name: str
    grants: Grants
    password_hash: str | None = field(default=None, repr=False)
    is_active: bool = True
    created_at: datetime | None = None
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program shows.  The token itself is known to its holder only."""

    id: str
    name: str
    grants: Grants
    expires_at: datetime
    #: Its first characters.
    hint: str = ""
    #: It may never do more than this user.  None: it belongs to the installation.
    owner_id: str | None = None
    owner_grants: Grants | None = None
    created_at: datetime | None = None
    created_by: str = ""
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that is to be kept, by its digest."""

    id: str
    name: str
    digest: bytes
    hint: str
    grants: Grants
    expires_at: datetime
    owner_id: str | None
    created_by: str


class Directory(Protocol):
    """Keeps users and tokens.  May raise `ReadOnly` for a change, `StoreUnavailable` for no answer."""

    async def user(self, user_id: str) -> User | None:
        """The user of this id, active or not."""
        ...  # pragma: no cover

    async def user_named(self, name: str) -> User | None:
        """The user of this name, active or not, whatever the name's case."""
        ...  # pragma: no cover

    async def users(self, *, after: str, limit: int) -> Sequence[User]:
        """Users by id, those after `after`."""
        ...  # pragma: no cover

    async def add_user(self, user: User) -> User | None:
        """Keep a new one; None if the name is taken."""
        ...  # pragma: no cover

    async def change_user(
        self,
        user_id: str,
        *,
        grants: Grants | None = None,
        password_hash: str | None = None,
        is_active: bool | None = None,
    ) -> User | None:
        """Change what is given; None if there is no such user."""
        ...  # pragma: no cover

    async def delete_user(self, user_id: str) -> bool:
        """Forget one, and the tokens that they own."""
        ...  # pragma: no cover

    async def token_of(self, digest: bytes) -> Token | None:
        """The token with this digest, if it holds now; this counts as a use of it."""
        ...  # pragma: no cover

    async def live_token(self, token_id: str) -> Token | None:
        """The token of this id, if it holds now."""
        ...  # pragma: no cover

    async def token(self, token_id: str) -> Token | None:
        """The token of this id, whether it holds or not."""
        ...  # pragma: no cover

    async def tokens(self, *, after: str, limit: int, owner_id: str | None = None) -> Sequence[Token]:
        """Tokens by id, those after `after`; of one owner, or of all."""
        ...  # pragma: no cover

    async def add_token(self, token: NewToken) -> Token:
        """Keep a new one."""
        ...  # pragma: no cover

    async def revoke_token(self, token_id: str) -> bool:
        """End one; whether there is one."""
        ...  # pragma: no cover


def grants_of(documents: Iterable[Any]) -> Grants:
    """Grants from plain data.  One that cannot be read grants nothing; the others hold."""
    return tuple(grant for document in documents if (grant := _grant(document)) is not None)


def grants_as_json(grants: Grants) -> str:
    """Grants as they are kept."""
    return GRANTS.dump_json(grants, exclude_defaults=True).decode()


def _grant(document: Any) -> Grant | None:
    try:
        return Grant.model_validate(document)
    except ValidationError:
        return None
