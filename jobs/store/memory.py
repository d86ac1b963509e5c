"""How full Redis is, and what it does when it is full."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import StoreRefused
from .execute import Transport
from .posture import read_info


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The memory of the server."""

    used_bytes: int
    #: 0: as much as the machine has.
    most_bytes: int
    #: It throws keys away when it is full: jobs among them.
    evicts: bool

    @property
    def share(self) -> float | None:
        """The part that is used; None if there is no limit."""
        return self.used_bytes / self.most_bytes if self.most_bytes else None


async def read_memory(transport: Transport) -> Memory | None:
    """Ask the server; None if it does not tell us.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    try:
        told = read_info(await transport.call("INFO", "memory"))
    except StoreRefused:  # a hosted one may forbid it
        return None
    policy = told.get("maxmemory_policy", "noeviction")
    return Memory(
        used_bytes=int(told.get("used_memory", 0)),
        most_bytes=int(told.get("maxmemory", 0)),
        evicts=policy != "noeviction",
    )
