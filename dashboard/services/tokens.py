"""API tokens: make them, see them, end them.  None may do more than its owner, or than it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from monarq.jobs.identity import new_job_id

from ..access.caller import Caller
from ..access.grants import Grants
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import WHOLE, Resource, Scope
from ..audit import Audit
from ..auth.authenticator import TOKEN, USER
from ..auth.secrets import new_token
from ..directory.directory import Directory, NewToken, Token
from ..errors import InvalidRequest, NotPermitted, NotThere, WrongMeans

LONGEST_LIFE = timedelta(days=366)
_WHAT = "token"


class TokenService:
    """API tokens.  `tokens:read:own` and `tokens:write:own` are enough for one's own."""

    def __init__(self, directory: Directory, guard: Guard, audit: Audit) -> None:
        self._directory = directory
        self._guard = guard
        self._audit = audit

    async def list(self, caller: Caller, *, after: str, limit: int) -> Sequence[Token]:
        """Tokens by id, those after `after`: all, or the caller's own."""
        scope = await self._guard.scope(caller, Permission.TOKENS_READ)
        owner_id = None if scope.covers(WHOLE) else caller.user_id
        if owner_id is None and not scope.covers(WHOLE):
            return []
        return await self._directory.tokens(after=after, limit=limit, owner_id=owner_id)

    async def get(self, caller: Caller, token_id: str) -> Token:
        """One of them."""
        return await self._seen(await self._guard.scope(caller, Permission.TOKENS_READ), token_id)

    async def create(
        self, caller: Caller, *, name: str, grants: Grants, life: timedelta
    ) -> tuple[Token, str]:
        """A new one of the caller's own, and what its holder is to show, which is seen this once.

        Raises:
            NotPermitted: It would permit more than the caller may do.
            WrongMeans: No user asks, but a token.
            InvalidRequest: A role or the life time cannot be used.
        """
        scope = await self._guard.scope(caller, Permission.TOKENS_WRITE)
        if caller.user_id is None:
            # a token that made tokens could not be ended by revoking it
            raise WrongMeans("only a user of this dashboard makes tokens, not another token")
        if not scope.covers(Resource(owner=caller.subject)):
            raise NotPermitted(Permission.TOKENS_WRITE)
        if (role := self._guard.unknown_role(grants)) is not None:
            raise InvalidRequest({"#/grants": f"there is no role {role}"})
        if not timedelta(0) < life <= LONGEST_LIFE:
            raise InvalidRequest({"#/expires_in_days": f"from 1 to {LONGEST_LIFE.days}"})
        token_id = new_job_id()
        await self._guard.require_to_give(caller, grants, TOKEN + token_id)
        secret, digest, hint = new_token()
        kept = await self._directory.add_token(
            NewToken(
                id=token_id,
                name=name,
                digest=digest,
                hint=hint,
                grants=grants,
                expires_at=datetime.now(UTC) + life,
                owner_id=caller.user_id,
                created_by=caller.name,
            )
        )
        await self._audit.record(caller, "token.create", name, id=kept.id, expires_at=str(kept.expires_at))
        return kept, secret

    async def revoke(self, caller: Caller, token_id: str) -> None:
        """End one, at once."""
        token = await self._seen(await self._guard.scope(caller, Permission.TOKENS_WRITE), token_id)
        await self._directory.revoke_token(token.id)
        await self._audit.record(caller, "token.revoke", token.name, id=token.id)

    async def _seen(self, scope: Scope, token_id: str) -> Token:
        token = await self._directory.token(token_id)
        if token is None or not scope.covers(Resource(owner=_owner(token))):
            raise NotThere(_WHAT)
        return token


def _owner(token: Token) -> str | None:
    return None if token.owner_id is None else USER + token.owner_id
