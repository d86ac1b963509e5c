"""Logging in, and what comes of it: sessions of browsers, and JWTs of minutes."""

from __future__ import annotations

from collections.abc import Sequence

from ..access.caller import Caller, Means
from ..access.permissions import Permission
from ..access.scope import Address
from ..audit import Audit
from ..auth.authenticator import USER, Authenticator
from ..auth.jwts import JwtIssuer
from ..auth.passwords import Passwords, fault_of
from ..auth.sessions import Session, Sessions
from ..directory.directory import Directory, User
from ..errors import InvalidRequest, LoginFailed, NotSetUp, NotThere, WrongMeans
from ..limits import Budget, Limiter, network_of


class LoginService:
    """Logins and logouts.  Everybody sees and ends their own sessions, and nobody else's."""

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        passwords: Passwords,
        limiter: Limiter,
        issuer: JwtIssuer,
        authenticator: Authenticator,
        audit: Audit,
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._passwords = passwords
        self._limiter = limiter
        self._issuer = issuer
        self._authenticator = authenticator
        self._audit = audit

    async def by_password(
        self, name: str, password: str, address: Address | None, *, agent: str, old: str | None
    ) -> tuple[str, Session]:
        """Log a user in; what the browser is to show, and the session.

        Args:
            old: What the browser shows already: that session ends.

        Raises:
            LoginFailed: No such user, another password, or the user is disabled: which of them is not told.
            TooManyRequests: It was tried too often, for this account or from this address.
        """
        # both are counted before anything is looked up, whoever exists
        await self._limiter.take(Budget.ADDRESS, network_of(address))
        await self._limiter.take(Budget.ACCOUNT, name.lower())
        user = await self._directory.user_named(name)
        password_hash = user.password_hash if user is not None and user.is_active else None
        if not await self._passwords.is_right(password_hash, password) or user is None:
            raise LoginFailed
        return await self._begin(user, address, agent=agent, old=old, how="password")

    async def by_link(
        self, secret: str, address: Address | None, *, agent: str, old: str | None
    ) -> tuple[str, Session]:
        """Log in whom a one-time login is for.

        Raises:
            LoginFailed: It was used, is too old, or never was one.
        """
        await self._limiter.take(Budget.ADDRESS, network_of(address))
        user_id = await self._sessions.take_login(secret)
        user = None if user_id is None else await self._directory.user(user_id)
        if user is None or not user.is_active:
            raise LoginFailed
        return await self._begin(user, address, agent=agent, old=old, how="one-time login")

    async def sessions(self, caller: Caller) -> Sequence[Session]:
        """The caller's own, the newest first."""
        return [] if caller.user_id is None else await self._sessions.of_user(caller.user_id)

    async def has_password(self, caller: Caller) -> bool:
        """Whether the caller could log in by one."""
        user = None if caller.user_id is None else await self._directory.user(caller.user_id)
        return user is not None and bool(user.password_hash)

    async def change_password(self, caller: Caller, old: str, new: str) -> None:
        """Give the caller another password, and end all their other logins.

        Who has none yet, since a one-time login let them in, chooses their first one: `old` does not count.

        Raises:
            WrongMeans: No user asks from a browser.
            LoginFailed: The old password is not right.
            InvalidRequest: The new one cannot be one.
            TooManyRequests: The old one was tried too often.
        """
        if caller.user_id is None or caller.means is not Means.SESSION:
            raise WrongMeans("only a user who is logged in changes their own password")
        if (fault := fault_of(new)) is not None:
            raise InvalidRequest({"#/new_password": fault})
        # who has found an open browser must not guess here what they may not guess at the login
        await self._limiter.take(Budget.ACCOUNT, caller.name.lower())
        user = await self._directory.user(caller.user_id)
        if user is None or not (
            user.password_hash is None or await self._passwords.is_right(user.password_hash, old)
        ):
            raise LoginFailed
        await self._directory.change_user(caller.user_id, password_hash=await self._passwords.hashed(new))
        await self._sessions.end_all(caller.user_id, but=caller.credential)
        await self._audit.record(caller, "user.password", caller.name)

    async def log_out(self, caller: Caller) -> None:
        """End what the caller shows: this session, or this JWT.

        Raises:
            NotThere: It is none of these; an API token is revoked instead.
        """
        if caller.means is Means.SESSION and caller.user_id is not None:
            await self._sessions.end(caller.user_id, caller.credential)
        elif not await self._authenticator.end_jwt(caller):
            raise NotThere("session")
        await self._audit.record(caller, "logout", caller.subject)

    async def end_session(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's own.

        Raises:
            NotThere: The caller has none of this id.
        """
        if caller.user_id is None or not await self._sessions.end(caller.user_id, session_id):
            raise NotThere("session")
        await self._audit.record(caller, "session.end", caller.subject, id=session_id)

    async def end_other_sessions(self, caller: Caller) -> int:
        """End all of the caller's own but the one that asks; how many."""
        if caller.user_id is None:
            return 0
        ended = await self._sessions.end_all(caller.user_id, but=caller.credential)
        await self._audit.record(caller, "session.end", caller.subject, ended=ended)
        return ended

    def issue_jwt(self, caller: Caller, permissions: frozenset[Permission] | None) -> str:
        """A JWT for the caller, for all that they may do or for less.

        Raises:
            NotSetUp: This dashboard has no key to sign with.
            WrongMeans: The caller shows a JWT, which would renew itself for ever.
        """
        if not self._issuer.can_sign:
            raise NotSetUp("MONARQ_DASHBOARD_SIGNING_KEYS")
        if caller.means is Means.JWT:
            raise WrongMeans("a JWT is made with a login or an API token, not with another JWT")
        return self._issuer.issue(caller.subject, permissions=permissions)

    async def _begin(
        self, user: User, address: Address | None, *, agent: str, old: str | None, how: str
    ) -> tuple[str, Session]:
        if old and (session := await self._sessions.of(old)) is not None:
            await self._sessions.end(session.user_id, session.id)
        begun = await self._sessions.begin(user.id, address=str(address), agent=agent)
        caller = Caller(
            subject=USER + user.id,
            name=user.name,
            grants=user.grants,
            means=Means.SESSION,
            address=address,
        )
        await self._audit.record(caller, "login", caller.subject, how=how)
        return begun
