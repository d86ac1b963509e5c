"""Being told when jobs end: one subscription per producer, however many jobs it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.address import Address
from monarq.jobs.store.connection import Connection, connect


class Waits:
    """Wakes those who wait for a job's end; all of them after a broken connection, to look for themselves."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel = f"monarq:done:{token_hex(8)}"
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._connection: Connection | None = None
        self._subscribing = asyncio.Lock()

    @contextmanager
    def expect(self, job_id: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done when the job has ended, or when nobody can tell any more."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        try:
            yield future
        finally:
            waiting = self._waiting[job_id]
            waiting.discard(future)
            if not waiting:
                del self._waiting[job_id]
            future.cancel()

    async def channel(self) -> str:
        """The channel that is listened to, subscribed by now.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        async with self._subscribing:
            if self._connection is None or not self._connection.is_open:
                self._connection = await self._subscribe()
        return self._channel

    def close(self) -> None:
        """Close the subscription; who still waits is woken."""
        if self._connection is not None:
            self._connection.close()

    async def _subscribe(self) -> Connection:
        connection = await connect(self._address)
        subscribed = asyncio.get_running_loop().create_future()

        def told(message: list[Any]) -> None:
            if message[0] == b"message":
                self._wake(message[2].decode())
            elif not subscribed.done():
                subscribed.set_result(None)

        connection.subscribe(self._channel, told)
        either = (subscribed, connection.closed)
        try:
            timeout = self._address.connect_timeout
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also if who asked has no more time
            if not subscribed.done():
                connection.close()
        if not subscribed.done():
            raise StoreUnavailable(f"Redis at {self._address} does not answer a subscription")
        connection.closed.add_done_callback(self._wake_all)
        return connection

    def _wake(self, job_id: str) -> None:
        for future in self._waiting.get(job_id, ()):
            if not future.done():
                future.set_result(None)

    def _wake_all(self, _: object) -> None:
        for job_id in list(self._waiting):
            self._wake(job_id)
