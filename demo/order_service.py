"""The order service: takes orders, each in one transaction with its jobs, and knows what it has committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from monarq.jobs.errors import JobRejected
from monarq.producer import Order, Producer

from .shop import TABLES, charge, ship

ORDERS = 240
#: Every so manieth customer is gone before the transaction is committed.
_GIVES_UP = 12
_PAUSE = 0.02
#: A parcel is packed that much after its order: at any time some of these jobs wait in Redis.
_PACKING = timedelta(seconds=2)


class CustomerGone(Exception):
    """Rolls the transaction of an order back."""


class OrderService:
    """An app with a database of its own, the one that Monarq has its tables in."""

    def __init__(self, pool: asyncpg.Pool, producer: Producer) -> None:
        self._pool = pool
        self._producer = producer
        self.committed: set[int] = set()
        self.rolled_back: set[int] = set()
        #: The last quarter of the customers comes when this is set.
        self.goes_on = asyncio.Event()

    @property
    def seen(self) -> int:
        """Customers so far."""
        return len(self.committed) + len(self.rolled_back)

    async def open(self) -> None:
        """Make the tables."""
        await self._pool.execute(TABLES)

    async def take_orders(self) -> None:
        """Serve all customers, one after the other."""
        for number in range(1, ORDERS + 1):
            if number > ORDERS * 3 // 4:
                await self.goes_on.wait()
            try:
                await self._take(number)
                self.committed.add(number)
            except CustomerGone:
                self.rolled_back.add(number)
            await asyncio.sleep(_PAUSE)

    async def _take(self, number: int) -> None:
        """An order and its jobs, in one transaction: all of them, or nothing."""
        cents = 500 + number
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO shop.orders VALUES ($1, $2)", number, cents)
            jobs = [Order(charge.of(number, cents)), Order(ship.of(number), delay=_PACKING)]
            for outcome in await self._producer.enqueue_many(jobs, connection=connection):
                if isinstance(outcome, JobRejected):
                    raise outcome
            if number % _GIVES_UP == 0:
                raise CustomerGone
