"""The books of the order service: what was committed, what came of it, and whether each came once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

#: Orders that one fault names.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBooks:
    """All that is known of the orders at the end, by their numbers."""

    committed: Set[int]
    #: Their transactions were rolled back.
    rolled_back: Set[int]
    #: How many each order has.
    charges: Mapping[int, int]
    parcels: Mapping[int, int]
    #: Jobs of the service that have not ended, and those that no relay has brought to Redis.
    open_jobs: int = 0
    in_outbox: int = 0
    #: Jobs that waited for the relay when it came back.
    backlog: int = 0
    #: Jobs that Redis held when it was told to forget everything.
    forgotten: int = 0
    #: From then until the last job of an order had ended.
    recovery_seconds: float = 0.0
    #: Jobs that were put back into Redis from PostgreSQL.
    restored: int = 0


def order_faults(books: OrderBooks) -> Iterator[str]:
    """What is not as it should be, in words."""
    yield from _faults(books, "charge", books.charges)
    yield from _faults(books, "parcel", books.parcels)
    if books.open_jobs or books.in_outbox:
        yield f"orders: {books.open_jobs} jobs have not ended, {books.in_outbox} are still in the outbox"


def _faults(books: OrderBooks, what: str, found: Mapping[int, int]) -> Iterator[str]:
    if without := books.committed - set(found):
        yield f"orders: {len(without)} were committed and have no {what}: {_some(without)}"
    if ghosts := set(found) - books.committed:
        yield f"orders: {len(ghosts)} have a {what}, but were never committed: {_some(ghosts)}"
    if repeated := {number for number, times in Counter(found).items() if times > 1}:
        yield f"orders: {len(repeated)} have more than one {what}: {_some(repeated)}"


def _some(numbers: Set[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:_NAMED]))
    return shown + (", …" if len(numbers) > _NAMED else "")
