"""arq's own client, opened so that what goes wrong is an error of ours."""

from __future__ import annotations

from typing import Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import AuthenticationError, RedisError

from ..errors import StoreRefused, StoreUnavailable
from .address import from_arq


async def open_pool(settings: RedisSettings | None, **options: Any) -> ArqRedis:
    """arq's `create_pool`, with its retries.

    Raises:
        StoreUnavailable: Nobody answers there.
        StoreRefused: The credentials are refused.
    """
    settings = settings or RedisSettings()
    try:
        return await create_pool(settings, **options)
    except AuthenticationError as error:
        raise StoreRefused(f"Redis at {from_arq(settings)} refused the credentials: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"cannot connect to Redis at {from_arq(settings)}: {error}") from error
