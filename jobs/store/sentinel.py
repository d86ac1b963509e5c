"""Which Redis is the master now?

Who has no Sentinels does not import the client that asks them: it takes longer than all of ours.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import StoreUnavailable
from .address import Address


def resolve_sync(address: Address) -> Address:
    """The same for a client without an event loop.

    Raises:
        StoreUnavailable: No Sentinel knows a master.
    """
    if not address.sentinels:
        return address
    from redis.sentinel import MasterNotFoundError
    from redis.sentinel import Sentinel as BlockingSentinel

    nodes, timeout = list(address.sentinels), address.connect_timeout
    sentinel = BlockingSentinel(nodes, socket_timeout=timeout)  # type: ignore[no-untyped-call]
    try:
        host, port = sentinel.discover_master(address.sentinel_master)  # type: ignore[no-untyped-call]
    except MasterNotFoundError as error:
        raise _no_master(address, error) from None
    finally:
        for client in sentinel.sentinels:
            client.close()
    return replace(address, host=host, port=port, sentinels=())


async def resolve(address: Address) -> Address:
    """The address to connect to: itself, or the master that its Sentinels name.

    Raises:
        StoreUnavailable: No Sentinel knows a master.
    """
    if not address.sentinels:
        return address
    from redis.asyncio.sentinel import MasterNotFoundError, Sentinel

    sentinels = list(address.sentinels)
    sentinel = Sentinel(sentinels, socket_timeout=address.connect_timeout)  # type: ignore[no-untyped-call]
    try:
        host, port = await sentinel.discover_master(address.sentinel_master)
    except MasterNotFoundError as error:
        raise _no_master(address, error) from None
    finally:
        for client in sentinel.sentinels:
            await client.aclose()
    return replace(address, host=host, port=port, sentinels=())


def _no_master(address: Address, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"no Sentinel knows the master {address.sentinel_master!r}: {error}")
