"""The limit: the least that one Python process can do and still be at-least-once over Redis.

Batches of up to 100 ids move from a sorted set to an in-flight one (score: end of the lease) and come back
with their bodies; each job runs a coroutine as a task of its own; everything that ended in one tick of the
loop is acknowledged by one call that writes the results.  One bare RESP connection, no retries, no timeouts,
no fences, no priorities, no validation.  Expired leases return to the queue once a second.

Run as an adapter (see measured/driver.py), by the harness's own interpreter.
"""

import argparse
import asyncio
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha1
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import hiredis
import orjson

sys.path.insert(0, str(Path(__file__).parent / "measured"))
import driver
from marks import Marks

QUEUE, IN_FLIGHT, BODY, RESULT = "limit:queue", "limit:in-flight", "limit:job:", "limit:result:"
BATCH = 100
LEASE_MS = 30_000
RESULT_MS = 3_600_000
EMPTY_WAIT_SECONDS = 0.001
SWEEP_SECONDS = 1.0

ENQUEUE = f"""
local now = redis.call('TIME')
local due = now[1] * 1000 + math.floor(now[2] / 1000)
local scored = {{}}
for i = 1, #ARGV, 2 do
  redis.call('SET', '{BODY}' .. ARGV[i], ARGV[i + 1])
  scored[i] = due
  scored[i + 1] = ARGV[i]
end
return redis.call('ZADD', '{QUEUE}', unpack(scored))
"""

CLAIM = f"""
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', '{QUEUE}', '-inf', now, 'LIMIT', 0, ARGV[1])
if #ids == 0 then return {{ids, ids}} end
local leases, bodies = {{}}, {{}}
for i, id in ipairs(ids) do
  leases[2 * i - 1] = now + {LEASE_MS}
  leases[2 * i] = id
  bodies[i] = '{BODY}' .. id
end
redis.call('ZADD', '{IN_FLIGHT}', unpack(leases))
redis.call('ZREM', '{QUEUE}', unpack(ids))
return {{ids, redis.call('MGET', unpack(bodies))}}
"""

ACKNOWLEDGE = f"""
local ids, bodies = {{}}, {{}}
for i = 1, #ARGV, 2 do
  redis.call('SET', '{RESULT}' .. ARGV[i], ARGV[i + 1], 'PX', {RESULT_MS})
  ids[#ids + 1] = ARGV[i]
  bodies[#bodies + 1] = '{BODY}' .. ARGV[i]
end
redis.call('DEL', unpack(bodies))
return redis.call('ZREM', '{IN_FLIGHT}', unpack(ids))
"""

SWEEP = f"""
local now = redis.call('TIME')[1] * 1000
local ids = redis.call('ZRANGEBYSCORE', '{IN_FLIGHT}', '-inf', now, 'LIMIT', 0, 100)
for _, id in ipairs(ids) do
  redis.call('ZADD', '{QUEUE}', now, id)
  redis.call('ZREM', '{IN_FLIGHT}', id)
end
return #ids
"""

marks: Marks


async def noop(data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


async def nap(data: str) -> int:
    marks.start()
    await asyncio.sleep(0.05)
    marks.end()
    return len(data)


HANDLERS: dict[str, Callable[..., Awaitable[int]]] = {"noop": noop, "nap": nap}


class Connection(asyncio.Protocol):
    """One pipelined RESP connection."""

    def __init__(self) -> None:
        self._replies = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport

    @classmethod
    async def to(cls, url: str) -> "Connection":
        """Connect and load the scripts."""
        address = urlsplit(url)
        _, connection = await asyncio.get_running_loop().create_connection(
            cls, str(address.hostname), int(address.port or 6379)
        )
        for script in (ENQUEUE, CLAIM, ACKNOWLEDGE, SWEEP):
            await connection.call("SCRIPT", "LOAD", script)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        while (reply := self._replies.gets()) is not False:
            future = self._waiting.popleft()
            if isinstance(reply, hiredis.ReplyError):
                future.set_exception(reply)
            elif not future.cancelled():
                future.set_result(reply)

    def call(self, *command: Any) -> asyncio.Future[Any]:
        """Send one command; the future holds its reply."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(hiredis.pack_command(command))
        return future

    def run(self, script: str, *argv: Any) -> asyncio.Future[Any]:
        return self.call("EVALSHA", sha(script), 0, *argv)

    def close(self) -> None:
        self._transport.close()


def sha(script: str, known: dict[str, str] = {}) -> str:  # noqa: B006 - the cache is meant to be shared
    if script not in known:
        known[script] = sha1(script.encode()).hexdigest()
    return known[script]


class Loop:
    """Claim, run, acknowledge.  The next batch is claimed while the present one runs."""

    def __init__(self, connection: Connection, concurrency: int) -> None:
        self._connection = connection
        self._concurrency = concurrency
        self._running = 0
        self._ended: list[Any] = []
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        claim = partial(self._connection.run, CLAIM, min(BATCH, self._concurrency))
        claimed = claim()
        while True:
            ids, bodies = await claimed
            if not ids:
                await asyncio.sleep(EMPTY_WAIT_SECONDS)
            claimed = claim()
            for job_id, body in zip(ids, bodies, strict=True):
                while self._running >= self._concurrency:
                    self._freed.clear()
                    await self._freed.wait()
                self._running += 1
                task = asyncio.ensure_future(self._run(job_id, body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, job_id: bytes, body: bytes) -> None:
        envelope = orjson.loads(body)
        result = await HANDLERS[envelope["f"]](*envelope["a"], **envelope["k"])
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._ended += (job_id, orjson.dumps({"s": True, "r": result, "ft": int(time() * 1000)}))
        self._running -= 1
        self._freed.set()

    def _acknowledge(self) -> None:
        ended, self._ended = self._ended, []
        for at in range(0, len(ended), 2 * BATCH):
            self._connection.run(ACKNOWLEDGE, *ended[at : at + 2 * BATCH])

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._connection.run(SWEEP)


class Limit:
    """The raw producer: concurrent calls of one tick of the loop travel as one."""

    connection: Connection

    async def open(self, url: str) -> None:
        self.connection = await Connection.to(url)
        self._pending: list[Any] = []
        self._written: asyncio.Future[Any] | None = None

    async def enqueue(self, job: str, data: str) -> None:
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(self._write, self._written)
        self._pending += self._encoded(job, data)
        await self._written

    def _encoded(self, job: str, data: str) -> tuple[str, bytes]:
        return uuid4().hex, orjson.dumps(
            {"t": 1, "f": job, "a": [], "k": {"data": data}, "et": int(time() * 1000)}
        )

    def _write(self, written: asyncio.Future[Any]) -> None:
        reply = self.connection.run(ENQUEUE, *self._pending)
        reply.add_done_callback(lambda done: written.set_result(done.result()))
        self._pending, self._written = [], None

    async def bulk(self, job: str, batch: list[str]) -> None:
        encoded = [part for data in batch for part in self._encoded(job, data)]
        step = 2 * BATCH
        await asyncio.gather(
            *[self.connection.run(ENQUEUE, *encoded[at : at + step]) for at in range(0, len(encoded), step)]
        )

    async def close(self) -> None:
        self.connection.close()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        driver.uvloop_or_asyncio()(self.serve(url, options.concurrency))

    async def serve(self, url: str, concurrency: int) -> None:
        connection = await Connection.to(url)
        marks.ready()
        loop = Loop(connection, concurrency)
        duties = asyncio.gather(loop.work(), loop.sweep())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, duties.cancel)
        try:
            await duties
        except asyncio.CancelledError:
            connection.close()


if __name__ == "__main__":
    driver.main(Limit())
