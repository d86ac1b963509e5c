"""From what a request shows to who sent it.

What a caller may do is looked up at every request, so that a revoked token, a disabled user or a lost role
counts at once.  While a store is away, who was known lately stays known for some minutes, for looking only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import ENDED_JWT

from ..access.caller import Caller, Means
from ..access.grants import Grants
from ..access.permissions import Permission
from ..access.scope import Address
from ..directory.directory import Directory, Token, User
from ..errors import NotAuthenticated
from ..settings import Issuer
from .jwts import Claims, JwtVerifier
from .secrets import TOKEN_PREFIX, digest_of, name_of
from .sessions import Sessions

#: Seconds: how long a caller stays known while a store is away, and how long that store is not asked again.
_REMEMBERED = 300.0
_REST = 2.0
_MOST_REMEMBERED = 1_000
_LONGEST = 10_000

USER, TOKEN = "user:", "token:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a request shows of who sent it.  Beside a bearer token no cookie is looked at."""

    bearer: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)
    address: Address | None = None


class Authenticator:
    """Says who sent a request.

    Args:
        issuers: Outside issuers by their `iss`: which of their groups may do what.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        verifier: JwtVerifier,
        transport: Transport,
        issuers: Mapping[str, Issuer],
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._verifier = verifier
        self._call = transport.call
        self._issuers = issuers
        self._remembered: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._rests_until = 0.0

    async def caller(self, shown: Shown, *, counts_as_use: bool = True) -> Caller:
        """Who it is.

        Args:
            counts_as_use: Somebody does something now: a session that is in use goes on.

        Raises:
            NotAuthenticated: Nothing is shown, or nothing that holds; which of them is not told.
            StoreUnavailable: It cannot be known now.
        """
        secret = shown.session if shown.bearer is None else shown.bearer
        if not secret or len(secret) > _LONGEST:
            raise NotAuthenticated
        place = digest_of(f"{shown.bearer is None} {secret}")
        if time.monotonic() < self._rests_until and (known := self._recall(place)) is not None:
            return replace(known, address=shown.address)
        try:
            caller = await self._look_up(shown, counts_as_use)
        except StoreUnavailable:
            self._rests_until = time.monotonic() + _REST
            if (known := self._recall(place)) is None:
                raise
            return replace(known, address=shown.address)
        if caller is None:
            self._remembered.pop(place, None)
            raise NotAuthenticated
        self._remember(place, caller)
        return replace(caller, address=shown.address)

    async def end_jwt(self, caller: Caller) -> bool:
        """Let the JWT that the caller shows hold no more; whether it has an id by which that can be done."""
        if caller.means is not Means.JWT or not caller.credential or caller.ends_at is None:
            return False
        left = max(1.0, caller.ends_at - time.time()) + 60
        await self._call("SET", ENDED_JWT + name_of(caller.credential), "1", "PX", round(left * 1000))
        return True

    async def _look_up(self, shown: Shown, counts_as_use: bool) -> Caller | None:
        if shown.bearer is None:
            return await self._by_session(shown.session or "", counts_as_use)
        if shown.bearer.startswith(TOKEN_PREFIX):
            token = await self._directory.token_of(digest_of(shown.bearer))
            return None if token is None else _token_caller(token)
        return await self._by_jwt(shown.bearer)

    async def _by_session(self, secret: str, counts_as_use: bool) -> Caller | None:
        session = await self._sessions.of(secret, counts_as_use=counts_as_use)
        user = None if session is None else await self._directory.user(session.user_id)
        if session is None or user is None or not user.is_active:
            return None
        caller = _user_caller(user, Means.SESSION)
        return replace(caller, credential=session.id, ends_at=session.ends_ms / 1000)

    async def _by_jwt(self, token: str) -> Caller | None:
        claims = await self._verifier.claims(token)
        if claims is None:
            return None
        jti = claims.document.get("jti")
        credential = f"{claims.issuer} {jti}" if isinstance(jti, str) and jti else ""
        if credential and await self._call("EXISTS", ENDED_JWT + name_of(credential)):
            return None
        found = await self._ours(claims) if self._verifier.is_ours(claims) else self._theirs(claims)
        return None if found is None else replace(found, credential=credential, ends_at=claims.expires_at)

    async def _ours(self, claims: Claims) -> Caller | None:
        caller = None
        if claims.subject.startswith(USER):
            user = await self._directory.user(claims.subject.removeprefix(USER))
            caller = _user_caller(user, Means.JWT) if user is not None and user.is_active else None
        elif claims.subject.startswith(TOKEN):
            token = await self._directory.live_token(claims.subject.removeprefix(TOKEN))
            caller = None if token is None else replace(_token_caller(token), means=Means.JWT)
        if caller is None or "scope" not in claims.document:
            return caller
        words = str(claims.document["scope"]).split()
        return replace(caller, narrowed_to=frozenset(one for one in Permission if one in words))

    def _theirs(self, claims: Claims) -> Caller | None:
        issuer = self._issuers[claims.issuer]
        told, groups = claims.document.get(issuer.name_claim), claims.document.get(issuer.groups_claim)
        grants: Grants = ()
        for group in groups if isinstance(groups, list) else ():
            grants += issuer.groups.get(group, ()) if isinstance(group, str) else ()
        name = told if isinstance(told, str) and told else claims.subject
        return Caller(subject=f"{claims.issuer}#{claims.subject}", name=name, grants=grants, means=Means.JWT)

    def _remember(self, place: bytes, caller: Caller) -> None:
        self._remembered[place] = (time.monotonic(), caller)
        self._remembered.move_to_end(place)
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    def _recall(self, place: bytes) -> Caller | None:
        since, caller = self._remembered.get(place, (0.0, None))
        if caller is None or time.monotonic() - since > _REMEMBERED:
            return None
        if caller.ends_at is not None and caller.ends_at <= time.time():
            return None
        return replace(caller, looks_only=True)


def _user_caller(user: User, means: Means) -> Caller:
    return Caller(subject=USER + user.id, name=user.name, grants=user.grants, means=means)


def _token_caller(token: Token) -> Caller:
    return Caller(
        subject=TOKEN + token.id,
        name=f"token {token.name}",
        grants=token.grants,
        means=Means.TOKEN,
        bounds=None if token.owner_id is None else token.owner_grants or (),
    )
