"""JWTs: our own, and those of outside issuers.

By RFC 8725 and 9068: the key is chosen by us from keys that we know, and is used with its own algorithm
only; what
a JWT says of keys and addresses (`jku`, `x5u`, `jwk`) is never looked at; `typ`, `iss`, `aud`, `exp`, `iat`
and `sub` must be there and right.  Whatever is wrong, the answer is the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from monarq.jobs.identity import new_job_id

from ..access.permissions import Permission
from .jwks import RemoteKeys
from .signing import SigningKeys

ACCESS_TOKEN = "at+jwt"
#: Larger than any real one, and small enough to be parsed without care.
_LARGEST = 8 * 1024
_LEEWAY_SECONDS = 10
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a JWT says that holds."""

    issuer: str
    subject: str
    expires_at: float
    #: All of it.
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """An outside issuer, and where its keys are."""

    audience: str
    algorithms: Sequence[str]
    types: Sequence[str]
    keys: RemoteKeys


class JwtVerifier:
    """Says whether a JWT holds.

    Args:
        issuer: Our own `iss`.
        audience: Our own `aud`.
        keys: Our own.
        trusted: Outside issuers by their `iss`.
    """

    def __init__(self, issuer: str, audience: str, keys: SigningKeys, trusted: Mapping[str, Trusted]) -> None:
        self._issuer, self._audience = issuer, audience
        self._keys = keys
        self._trusted = trusted

    def is_ours(self, claims: Claims) -> bool:
        """Whether we have issued it."""
        return claims.issuer == self._issuer

    async def claims(self, token: str) -> Claims | None:
        """What it says, if it holds."""
        if len(token) > _LARGEST:
            return None
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
            issuer = unverified.get("iss")
            if issuer == self._issuer:
                return self._ours(token, header)
            if not isinstance(issuer, str) or (trusted := self._trusted.get(issuer)) is None:
                return None
            return await self._theirs(token, header, issuer, trusted)
        except (PyJWTError, ValueError, TypeError, RecursionError):
            return None

    def _ours(self, token: str, header: Mapping[str, Any]) -> Claims | None:
        key = self._keys.get(header.get("kid"))
        if key is None or header.get("alg") != key.algorithm or not _is_of_type(header, (ACCESS_TOKEN,)):
            return None
        return _verified(token, key.verifies, key.algorithm, self._issuer, self._audience)

    async def _theirs(
        self, token: str, header: Mapping[str, Any], issuer: str, trusted: Trusted
    ) -> Claims | None:
        algorithm = header.get("alg")
        if (
            not isinstance(algorithm, str)
            or algorithm not in trusted.algorithms
            or not _is_of_type(header, trusted.types)
        ):
            return None
        key = await trusted.keys.key(header.get("kid"), algorithm)
        return None if key is None else _verified(token, key, algorithm, issuer, trusted.audience)


class JwtIssuer:
    """Issues our own JWTs, which live for minutes: what their holder may do is looked up at each request."""

    def __init__(self, issuer: str, audience: str, keys: SigningKeys, lifetime: timedelta) -> None:
        self._issuer, self._audience = issuer, audience
        self._keys = keys
        self.lifetime = lifetime

    @property
    def can_sign(self) -> bool:
        """Whether there is a key."""
        return self._keys.newest is not None

    def issue(self, subject: str, *, permissions: frozenset[Permission] | None = None) -> str:
        """A JWT for this subject, for all that they may do or for less."""
        key = self._keys.newest
        assert key is not None
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "iat": now,
            "exp": now + int(self.lifetime.total_seconds()),
            "jti": new_job_id(),
        }
        if permissions is not None:
            claims["scope"] = " ".join(sorted(permissions))
        headers = {"kid": key.id, "typ": ACCESS_TOKEN}
        return jwt.encode(claims, key.signs, algorithm=key.algorithm, headers=headers)


def _is_of_type(header: Mapping[str, Any], types: Sequence[str]) -> bool:
    told = header.get("typ")
    return isinstance(told, str) and told.lower().removeprefix("application/") in map(str.lower, types)


def _verified(token: str, key: Any, algorithm: str, issuer: str, audience: str) -> Claims | None:
    document = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=issuer,
        audience=audience,
        leeway=_LEEWAY_SECONDS,
        options={"require": [*_REQUIRED], "enforce_minimum_key_length": True},
    )
    subject = document["sub"]
    if document["iss"] != issuer or not isinstance(subject, str) or not subject:
        return None
    return Claims(issuer=issuer, subject=subject, expires_at=float(document["exp"]), document=document)
