"""What a worker is told to do, by way of Redis: it looks with each of its reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from pydantic_core import from_json, to_json

from .execute import Transport
from .keys import ORDER
from .verbs import milliseconds

#: Longer than a worker may be cut off from Redis and still come back.
_KEPT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DrainOrder:
    """Claim no more, finish what runs, and end: what SIGTERM tells a worker."""

    by: str
    why: str


async def order_drain(transport: Transport, worker_id: str, order: DrainOrder) -> None:
    """Tell a worker to drain; it obeys within seconds.  To tell it twice is harmless.

    Raises:
        StoreUnavailable: Redis did not answer.  Repeat it.
    """
    await transport.call("SET", ORDER + worker_id, to_json(asdict(order)), "PX", milliseconds(_KEPT))


def read_order(record: bytes | None) -> DrainOrder | None:
    """What a worker finds; what cannot be read tells it nothing."""
    try:
        told = from_json(record or b"")
        return DrainOrder(by=str(told["by"]), why=str(told["why"]))
    except (ValueError, TypeError, KeyError):
        return None
