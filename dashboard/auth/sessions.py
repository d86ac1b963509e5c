"""The logins of browsers, in Redis: what the browser shows is random, and only its digest is kept.

The only clock is the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from monarq.jobs.store.clock import moment_of, server_ms
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import LOGIN, SESSION, SESSIONS

from .secrets import name_of, new_secret

#: How long a one-time login can be used.
LOGIN_HOLDS = timedelta(minutes=5)
#: A session that is in use is written again after so long.
_TOUCH_MS = 30_000
_MAX_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login of a browser."""

    #: The digest of what the browser shows: may be shown, cannot be used.
    id: str
    user_id: str
    #: From where it was begun, and by what.
    address: str
    agent: str
    began_ms: int
    seen_ms: int
    #: The latest possible end.
    ends_ms: int

    @property
    def began_at(self) -> datetime:
        return moment_of(self.began_ms)

    @property
    def seen_at(self) -> datetime:
        return moment_of(self.seen_ms)

    @property
    def ends_at(self) -> datetime:
        return moment_of(self.ends_ms)


class Sessions:
    """The logins of all browsers.

    Args:
        idle: One ends after so long without a request,
        lifetime: and after so long in any case.
    """

    def __init__(self, transport: Transport, *, idle: timedelta, lifetime: timedelta) -> None:
        self._call = transport.call
        self._transport = transport
        self._idle_ms = round(idle.total_seconds() * 1000)
        self._lifetime_ms = round(lifetime.total_seconds() * 1000)

    async def begin(self, user_id: str, *, address: str, agent: str) -> tuple[str, Session]:
        """A new login of a user: what the browser is to show, and the session.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        secret, now = new_secret(), await server_ms(self._transport)
        session = Session(
            id=name_of(secret),
            user_id=user_id,
            address=address,
            agent=agent[:_MAX_AGENT],
            began_ms=now,
            seen_ms=now,
            ends_ms=now + self._lifetime_ms,
        )
        index = SESSIONS + user_id
        # into the list first: a login that nobody could end must not be
        await self._call("ZADD", index, session.ends_ms, session.id)
        await asyncio.gather(
            self._call("ZREMRANGEBYSCORE", index, "-inf", now),
            self._call("PEXPIRE", index, self._lifetime_ms),
            self._call("SET", SESSION + session.id, _packed(session), "PX", self._left(session, now)),
        )
        return secret, session

    async def of(self, secret: str, *, counts_as_use: bool = True) -> Session | None:
        """The session whose secret this is, if it goes on; it counts as used, unless nobody did anything.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        name = name_of(secret)
        record, now = await asyncio.gather(self._call("GET", SESSION + name), server_ms(self._transport))
        session = _read(name, record)
        if session is None or session.ends_ms <= now:
            return None
        if counts_as_use and now - session.seen_ms >= min(_TOUCH_MS, self._idle_ms // 4):
            session = Session(**(asdict(session) | {"seen_ms": now}))
            # XX: one that was ended meanwhile stays ended
            await self._call("SET", SESSION + name, _packed(session), "XX", "PX", self._left(session, now))
        return session

    async def of_user(self, user_id: str) -> Sequence[Session]:
        """All sessions of a user that go on, the newest first."""
        names = [name.decode() for name in await self._call("ZRANGE", SESSIONS + user_id, 0, -1, "REV")]
        if not names:
            return []
        records = await asyncio.gather(*(self._call("GET", SESSION + name) for name in names))
        found = (_read(name, record) for name, record in zip(names, records, strict=True))
        return [session for session in found if session is not None]

    async def end(self, user_id: str, session_id: str) -> bool:
        """End one of a user's; whether there was one."""
        index = SESSIONS + user_id
        if await self._call("ZSCORE", index, session_id) is None:
            return False
        ended = await self._call("DEL", SESSION + session_id)
        await self._call("ZREM", index, session_id)
        return bool(ended)

    async def end_all(self, user_id: str, *, but: str | None = None) -> int:
        """End all of a user's, save one; how many."""
        sessions = [session for session in await self.of_user(user_id) if session.id != but]
        return sum([await self.end(user_id, session.id) for session in sessions])

    async def offer_login(self, user_id: str, holds: timedelta = LOGIN_HOLDS) -> str:
        """A secret that logs this user in, once and soon."""
        secret = new_secret()
        milliseconds = round(holds.total_seconds() * 1000)
        await self._call("SET", LOGIN + name_of(secret), user_id, "PX", milliseconds)
        return secret

    async def take_login(self, secret: str) -> str | None:
        """Whom this secret logs in; nobody a second time."""
        user_id = await self._call("GETDEL", LOGIN + name_of(secret))
        return None if user_id is None else str(user_id.decode())

    def _left(self, session: Session, now: int) -> int:
        return max(1, min(self._idle_ms, session.ends_ms - now))


def _packed(session: Session) -> bytes:
    return to_json({name: value for name, value in asdict(session).items() if name != "id"})


def _read(name: str, record: Any) -> Session | None:
    if record is None:
        return None
    try:
        return Session(id=name, **from_json(record))
    except (ValueError, TypeError):  # not of ours, so it logs nobody in
        return None
