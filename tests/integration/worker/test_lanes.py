"""A worker divides its slots into more claims where Redis is far away."""

from typing import Any

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.worker.lanes import FAR_OFF, NEAR, count_lanes
from tests.proxy import Proxy


class Neighbour:
    """Answers at once."""

    async def call(self, *command: Any, timeout: float | None = None) -> bytes:
        return b"PONG"


class Gone:
    """Does not answer."""

    async def call(self, *command: Any, timeout: float | None = None) -> bytes:
        raise StoreUnavailable("gone")


async def test_a_long_way_takes_more_claims(redis_url: str) -> None:
    async with Proxy(redis_url) as proxy:
        proxy.delay_replies(lambda: 0.02)
        link = Link(from_url(proxy.url))
        assert await count_lanes(link) == FAR_OFF
        await link.close()


async def test_a_short_way_takes_few() -> None:
    assert await count_lanes(Neighbour()) == NEAR


async def test_a_worker_begins_though_redis_is_away() -> None:
    assert await count_lanes(Gone()) == NEAR
