"""Who tells of the whole fleet: one of the processes that are scraped.

Each of them tries to take a lease when it is scraped, and its holder renews it so.  Nobody is elected, and
nothing is asked of Redis, while nobody scrapes.
"""

from __future__ import annotations

from .execute import Transport
from .keys import EXPORTER

#: How long the lease holds: some scrapes.  Who is scraped less often shares the duty with others.
LEASE_MS = 40_000


async def holds_lease(transport: Transport, process: str) -> bool:
    """Whether this process has the lease, from now on or still.

    No script, since a race does no harm: for one scrape two processes may tell the same, or the lease of
    one that was faster is renewed by another.

    Raises:
        StoreUnavailable: Redis did not answer.
        StoreFull: Nobody has it, and nobody can take it.
    """
    holder = await transport.call("GET", EXPORTER)
    if holder is None:
        return await transport.call("SET", EXPORTER, process, "NX", "PX", LEASE_MS) is not None
    if holder != process.encode():
        return False
    await transport.call("PEXPIRE", EXPORTER, LEASE_MS)
    return True


async def give_up_lease(transport: Transport, process: str) -> None:
    """Let another process have it at once, if this one has it.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    if await transport.call("GET", EXPORTER) == process.encode():
        await transport.call("DEL", EXPORTER)
