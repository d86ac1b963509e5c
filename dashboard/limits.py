"""How often somebody may ask: sliding windows in Redis, counted for a caller, an account or an address.

While Redis is away, callers are let through, for they have shown who they are; logins are not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_network
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.keys import LIMIT

from .access.scope import Address
from .auth.secrets import name_of
from .errors import TooManyRequests
from .settings import DashboardSettings

#: Where the quota of a request lies in the ASGI scope's `state`.
QUOTA = "monarq_quota"
_WINDOW_SECONDS = 60
#: A Redis that is away is not asked again for so long.
_REST_SECONDS = 2.0
#: Requests from one address that show no identity that holds, per minute.
_FAILURES = 120


class Budget(StrEnum):
    """What is counted separately."""

    READ = "read"
    WRITE = "write"
    ENQUEUE = "enqueue"
    FAILURE = "failure"  #: requests without an identity that holds, by address
    ACCOUNT = "login"  #: logins that are tried, by account
    ADDRESS = "login-address"  #: the same by address


_CLOSED = frozenset({Budget.ACCOUNT, Budget.ADDRESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of a budget."""

    name: str
    amount: int
    remaining: int
    #: Seconds until there is more.
    resets_in: int
    window_seconds: int = _WINDOW_SECONDS


class Limiter:
    """Counts requests.

    Args:
        redis_url: It keeps the counts, over connections of its own.
        amounts: Per minute, for each budget.
    """

    def __init__(self, redis_url: str, amounts: Mapping[Budget, int]) -> None:
        scheme, _, rest = redis_url.partition("://")
        address = f"async+redis+unix://{rest}" if scheme == "unix" else f"async+{redis_url}"
        storage = RedisStorage(
            address,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=LIMIT,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
        )
        self._client: Any = storage.bridge.get_connection()  # type: ignore[attr-defined]
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._items = {
            budget: RateLimitItemPerMinute(amount, namespace=budget) for budget, amount in amounts.items()
        }
        self._rests_until = 0.0

    async def take(self, budget: Budget, who: str) -> Quota | None:
        """Count one request of somebody; what is left, or None while nobody counts.

        Raises:
            TooManyRequests: Nothing is left.
            StoreUnavailable: Redis is away, and it is a login.
        """
        if time.monotonic() < self._rests_until and budget not in _CLOSED:
            return None
        item, place = self._items[budget], name_of(who)  # what people are called is nobody's to read in Redis
        try:
            taken = await self._limiter.hit(item, place)
            stats = await self._limiter.get_window_stats(item, place)
        except StorageError as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            if budget in _CLOSED:
                raise StoreUnavailable("Redis does not answer, so that logins cannot be counted") from error
            return None
        resets_in = max(1, math.ceil(stats.reset_time - time.time()))
        if not taken:
            raise TooManyRequests(resets_in)
        return Quota(name=budget, amount=item.amount, remaining=max(0, stats.remaining), resets_in=resets_in)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def network_of(address: Address | None) -> str:
    """Where somebody is, for counting: one IPv6 network has more addresses than can be counted."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def amounts_of(settings: DashboardSettings) -> dict[Budget, int]:
    """How much the settings allow."""
    return {
        Budget.READ: settings.reads_per_minute,
        Budget.WRITE: settings.writes_per_minute,
        Budget.ENQUEUE: settings.enqueues_per_minute,
        Budget.FAILURE: _FAILURES,
        Budget.ACCOUNT: settings.logins_per_minute,
        Budget.ADDRESS: settings.logins_per_minute * 3,
    }
