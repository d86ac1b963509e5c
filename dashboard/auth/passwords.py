"""Passwords: argon2id, in a thread, a few at a time; a login takes as long whether its user exists or not."""

from __future__ import annotations

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
#: A longer one is no password, but an attempt to keep us busy.
LONGEST = 512
#: Each takes 64 MiB and a core for some 50 ms.
_AT_ONCE = 2


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(hash_password, password)

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password.  Without a hash the same work is done, and the answer is no."""
        async with self._turns:
            return await asyncio.to_thread(_verify, password_hash, password)


def hash_password(password: str) -> str:
    """The same, blocking: for the command line."""
    return _hasher().hash(password)


def fault_of(password: str) -> str | None:
    """Why this cannot be a password; None if it can.  Only length counts: rules of letters make weak ones."""
    if len(password) < SHORTEST:
        return f"a password has at least {SHORTEST} characters"
    return f"a password has at most {LONGEST} characters" if len(password) > LONGEST else None


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe())


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        _hasher().verify(password_hash or _nobodys_hash(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    # an empty one, as of who has no password in the settings, fits none
    return bool(password_hash) and len(password) <= LONGEST
