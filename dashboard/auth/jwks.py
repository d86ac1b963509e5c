"""An outside issuer's public keys: fetched when needed, kept, and fetched again for a key not yet seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpx
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from pydantic_core import from_json

log = structlog.get_logger("monarq.dashboard")

#: Seconds: how long a set is fresh, how soon a failed or fruitless fetch may be repeated, how long it may
#: take.
_FRESH = 300.0
_REST = 60.0
_RETRY = 5.0
_TIMEOUT = 5.0
_LARGEST_BYTES = 256 * 1024
_MOST_KEYS = 100


class RemoteKeys:
    """The keys of one issuer.

    One fetch at a time serves all who wait; when it fails, what was known goes on to hold.

    Args:
        client: Sends the requests; it follows no redirect.
    """

    def __init__(self, url: str, algorithms: Iterable[str], client: httpx.AsyncClient) -> None:
        self._url = url
        self._algorithms = frozenset(algorithms)
        self._client = client
        self._known: dict[str, dict[str, Any]] = {}
        self._fetching = asyncio.Lock()
        self._fresh_until = 0.0
        self._rests_until = 0.0

    async def key(self, key_id: object, algorithm: object) -> Any | None:
        """The public key of this id for this algorithm; None if the issuer has none that fits both."""
        if not isinstance(key_id, str) or not isinstance(algorithm, str) or algorithm not in self._algorithms:
            return None
        now = time.monotonic()
        if now >= self._fresh_until or (key_id not in self._known and now >= self._rests_until):
            await self._refresh()
        document = self._known.get(key_id)
        return None if document is None else _loaded(document, algorithm)

    async def _refresh(self) -> None:
        asked_at = time.monotonic()
        async with self._fetching:
            # somebody else has fetched while we waited, or has failed to
            if self._rests_until > asked_at:
                return
            try:
                self._known = _keys(await self._fetch())
                self._fresh_until = time.monotonic() + _FRESH
                self._rests_until = time.monotonic() + _REST
            except (httpx.HTTPError, ValueError) as error:
                self._fresh_until = self._rests_until = time.monotonic() + _RETRY
                log.warning(
                    "dashboard.jwks_unavailable", url=self._url, error=str(error) or type(error).__name__
                )

    async def _fetch(self) -> bytes:
        body = bytearray()
        async with asyncio.timeout(_TIMEOUT), self._client.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"it answered {response.status_code}")
            # raw: a small answer that unpacks to a large one is not unpacked
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST_BYTES:
                    raise ValueError("it answered with too much")
        return bytes(body)


def _keys(body: bytes) -> dict[str, dict[str, Any]]:
    document = from_json(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it answered with something else than a set of keys")
    return {
        key["kid"]: key
        for key in listed[:_MOST_KEYS]
        if isinstance(key, dict) and isinstance(key.get("kid"), str) and key.get("use", "sig") == "sig"
    }


def _loaded(document: dict[str, Any], algorithm: str) -> Any | None:
    if document.get("alg", algorithm) != algorithm:
        return None
    try:
        # refuses a key of a type that the algorithm is not for, a secret above all
        return PyJWK(document, algorithm=algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
