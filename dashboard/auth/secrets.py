"""Random secrets, and what is kept of them: a digest, so that who reads the store cannot use it.

They are random and long, so that a plain SHA-256 is as good as a slow hash, and a look-up by the digest tells
nothing by the time that it takes.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

#: So that scanners of leaked secrets recognise ours.
TOKEN_PREFIX = "monarq_"
_BYTES = 32
_HINT_CHARS = 6


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(_BYTES)


def new_token() -> tuple[str, bytes, str]:
    """A new API token, its digest and its hint."""
    token = TOKEN_PREFIX + new_secret()
    return token, digest_of(token), token[: len(TOKEN_PREFIX) + _HINT_CHARS]


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return sha256(secret.encode()).digest()


def name_of(secret: str) -> str:
    """The digest as a part of a key, which may be shown."""
    return digest_of(secret).hex()
