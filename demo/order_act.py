"""The last act: a relay is killed and Redis forgets everything, while the order service takes orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.queues import count
from monarq.producer import Producer

from .order_books import OrderBooks
from .order_service import ORDERS, OrderService
from .plan import QUEUES
from .relay_process import RelayProcess
from .stack import Stack

#: Jobs that the outbox is to hold before the relay may come back, and when it counts as empty again.
_BACKLOG, _CAUGHT_UP = 60, 10
_LOOK_EVERY = 0.1
_TELL_EVERY = 1.0
#: From the first order until all is done; fifteen seconds are usual.
_TIME_LIMIT = 90.0

_STANDING = """
SELECT
    (SELECT count(*) FROM monarq.outbox) AS outbox,
    (SELECT count(*) FROM monarq.durable_jobs WHERE ended_at IS NULL) AS open,
    (SELECT count(*) FROM shop.charges) AS charges,
    (SELECT count(*) FROM shop.parcels) AS parcels
"""
_CHARGES = "SELECT number, count(*) FROM shop.charges GROUP BY number"
_PARCELS = "SELECT number, count(*) FROM shop.parcels GROUP BY number"

Say = Callable[[str], None]


@dataclass
class OrderAct:
    """One run of it."""

    service: OrderService
    relay: RelayProcess
    pool: asyncpg.Pool
    link: Link
    say: Say
    _backlog: int = 0
    _forgotten: int = 0
    _flushed_at: float = field(default_factory=time.monotonic)

    async def run(self) -> OrderBooks:
        """Take all orders, let things go wrong meanwhile, and wait until everything is done."""
        await self.service.open()
        running = [
            asyncio.create_task(part)
            for part in (self.service.take_orders(), self._let_things_go_wrong(), self._tell())
        ]
        try:
            async with asyncio.timeout(_TIME_LIMIT):
                await asyncio.gather(*running[:2])
                await self._until(lambda standing: not standing["open"] and not standing["outbox"])
        except TimeoutError:
            self.say(f"the time for the orders is up: {_TIME_LIMIT:g} s")
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return await self._books(time.monotonic())

    # --- what goes wrong

    async def _let_things_go_wrong(self) -> None:
        await self._until(lambda _: self.service.seen >= ORDERS // 4)
        await self.relay.kill()
        self.say("kill -9: the relay dies; orders are taken all the same, their jobs wait in PostgreSQL")
        await self._until(lambda standing: standing["outbox"] >= _BACKLOG)
        await self.relay.start()
        await self._until(self._has_caught_up)
        self.say(f"the relay is back: {self._backlog} jobs that had waited are in Redis now")
        await self._until_letters_have_moved()
        # however slow all of this was, there are orders under way when Redis forgets them
        self.service.goes_on.set()
        await self._until(lambda _: self.service.seen > ORDERS * 3 // 4)
        await self._forget_everything()

    async def _forget_everything(self) -> None:
        while not self._forgotten:
            counts = await count(self.link, queue_keys("orders"))
            self._forgotten = counts.waiting + counts.ready + counts.running
        await self.link.call("FLUSHALL")
        self._flushed_at = time.monotonic()
        self.say(f"FLUSHALL: Redis forgets everything, {self._forgotten} jobs of orders among it")

    async def _until_letters_have_moved(self) -> None:
        for queue in QUEUES.values():
            while True:
                counts = await count(self.link, queue_keys(queue))
                if not counts.dead:  # workers move them to PostgreSQL, within seconds
                    break
                await asyncio.sleep(_LOOK_EVERY)

    def _has_caught_up(self, standing: asyncpg.Record) -> bool:
        self._backlog = max(self._backlog, standing["outbox"])
        return bool(standing["outbox"] <= _CAUGHT_UP)

    # --- the looks

    async def _until(self, holds: Callable[[asyncpg.Record], bool]) -> None:
        while True:
            if holds(await self._standing()):
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            standing = await self._standing()
            self.say(
                f"{len(self.service.committed)} orders committed, {len(self.service.rolled_back)} rolled back"
                f"  outbox {standing['outbox']}  charges {standing['charges']}  parcels {standing['parcels']}"
            )

    async def _standing(self) -> asyncpg.Record:
        return await self.pool.fetchrow(_STANDING)

    async def _books(self, ended_at: float) -> OrderBooks:
        standing = await self._standing()
        counts = await count(self.link, queue_keys("orders"))
        return OrderBooks(
            committed=self.service.committed,
            rolled_back=self.service.rolled_back,
            charges=dict(await self.pool.fetch(_CHARGES)),
            parcels=dict(await self.pool.fetch(_PARCELS)),
            open_jobs=standing["open"],
            in_outbox=standing["outbox"],
            backlog=self._backlog,
            forgotten=self._forgotten,
            recovery_seconds=ended_at - self._flushed_at,
            restored=counts.counters.get("restored", 0),
        )


@asynccontextmanager
async def order_act(
    stack: Stack, link: Link, producer: Producer, folder: Path, say: Say
) -> AsyncIterator[OrderAct]:
    """The act on a stack; its relay and its connections go when the block is left."""
    environ = {"MONARQ_REDIS_URL": stack.url, "MONARQ_DATABASE_URL": stack.database_url}
    async with (
        RelayProcess(environ, folder / "relay.log") as relay,
        asyncpg.create_pool(stack.database_url, min_size=1, max_size=4) as pool,
    ):
        yield OrderAct(OrderService(pool, producer), relay, pool, link, say)
