"""Which Redis is the master now?"""

from __future__ import annotations

from dataclasses import replace

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel

from ..errors import StoreUnavailable
from .address import Address


async def resolve(address: Address) -> Address:
    """The address to connect to: itself, or the master that its Sentinels name.

    Raises:
        StoreUnavailable: No Sentinel knows a master.
    """
    if not address.sentinels:
        return address
    sentinels = list(address.sentinels)
    sentinel = Sentinel(sentinels, socket_timeout=address.connect_timeout)  # type: ignore[no-untyped-call]
    try:
        host, port = await sentinel.discover_master(address.sentinel_master)
    except MasterNotFoundError as error:
        raise StoreUnavailable(f"no Sentinel knows the master {address.sentinel_master!r}: {error}") from None
    finally:
        for client in sentinel.sentinels:
            await client.aclose()
    return replace(address, host=host, port=port, sentinels=())
