"""`Producer`: enqueue jobs from async code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from monarq.jobs.errors import Conflict, JobRejected, StoreUnavailable
from monarq.jobs.handler import Call, Handler
from monarq.jobs.priority import Priority
from monarq.jobs.settings import Settings, load_settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import JOB, QUEUES, QueueKeys, queue_keys
from monarq.jobs.store.verbs import Accepted, Request, enqueue

from .handle import JobHandle
from .order import Order, Prepared, grouped, prepare
from .retrying import waits_between_tries
from .waits import Waits

R = TypeVar("R")
T = TypeVar("T")

#: Jobs per script call of an enqueue: some two milliseconds of the server's time.
CHUNK = 200
#: Script calls of one `enqueue_many` that are under way at once.
_CHUNKS_UNDER_WAY = 4


class Producer:
    """Enqueues jobs and asks about them.  One per process will do: it is safe to share between asyncio tasks.

        async with Producer.connect() as producer:
            handle = await producer.enqueue(resize.of("a.png", width=200))
            print(await handle.result(timeout=30))

    Nothing is sent before the first call, and a connection that breaks is opened anew.
    """

    def __init__(self, settings: Settings, *, transport: Transport | None = None) -> None:
        self._settings = settings
        self._address = from_url(settings.redis_url.get_secret_value())
        self._link: Transport = transport or Link(self._address)
        self._waits: Waits | None = None
        self._known_queues: set[QueueKeys] = set()
        #: What `enqueue` was asked for in this tick of the loop, by queue.
        self._gathered: dict[QueueKeys, list[tuple[Prepared[Any], asyncio.Future[Accepted]]]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    @classmethod
    def connect(cls, url: str | None = None, *, settings: Settings | None = None) -> Self:
        """A producer for the Redis at `url`; by default the one of the settings (`MONARQ_REDIS_URL`).

        Raises:
            ConfigError: The settings cannot be read.
        """
        if settings is not None and url is not None:
            raise TypeError("give either url or settings")
        return cls(settings or load_settings(redis_url=url))

    async def enqueue(
        self,
        call: Call[R],
        *,
        delay: timedelta | float | None = None,
        at: datetime | None = None,
        priority: Priority | str | None = None,
        queue: str | None = None,
        job_id: str | None = None,
        expires_in: timedelta | float | None = None,
    ) -> JobHandle[R]:
        """Write one job and return a handle to it.

        Redis has the job when this returns; whether it survives a crash of Redis is up to `appendfsync`.  It runs at
        least once, so its handler must be idempotent.  Calls made in one tick of the event loop travel together.

        Args:
            call: What to run: `resize.of("a.png", width=200)`.
            delay: Time before it may start (timedelta or seconds), by the server's clock.
            at: An aware point in time at which it may start, instead of `delay`.
            priority: critical, high, normal or low; the handler's by default.
            queue: Where it waits; the handler's by default.
            job_id: The app's own id.  The same id and content again is the same job: `handle.created` is False.
            expires_in: The job is not worth starting later than this; it then ends as `expired`.

        Raises:
            InvalidArguments: An option is unusable.  Nothing was written.
            PayloadTooLarge: The encoded job is over the limit.  Nothing was written.
            Conflict: The id belongs to a job with another kind or other arguments.  Nothing was written.
            StoreFull: Redis has no room.  Nothing was written.
            StoreUnavailable: Redis did not answer, after some seconds of retries.  The job may exist: enqueue it
                again under the same `job_id`.
        """
        order = Order(call, delay, at, priority, queue, job_id, expires_in)
        prepared = self._prepare(order)
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        gathered = self._gathered.get(prepared.queue)
        if gathered is None:
            gathered = self._gathered[prepared.queue] = []
            asyncio.get_running_loop().call_soon(self._flush, prepared.queue)
        gathered.append((prepared, future))
        return self._handle(prepared, await future)

    async def enqueue_many(
        self, calls: Iterable[Call[Any] | Order[Any]]
    ) -> list[JobHandle[Any] | JobRejected]:
        """Write many jobs in few round trips; each call or `Order` stands for itself.

        Returns:
            Per call, in order: a handle, or why it was refused.

        Raises:
            StoreUnavailable: Redis did not answer.  Some of the jobs may exist, each with an id of its own.
            StoreFull: Redis has no room.  Some of the jobs may exist.
        """
        outcomes: list[JobHandle[Any] | JobRejected | None] = []
        places: dict[int, int] = {}
        prepared: list[Prepared[Any]] = []
        for place, call in enumerate(calls):
            outcomes.append(None)
            try:
                one = self._prepare(call if isinstance(call, Order) else Order(call))
            except JobRejected as rejected:
                outcomes[place] = rejected
            else:
                places[id(one)] = place
                prepared.append(one)
        for chunk, codes in await self._write_all(prepared):
            for one, code in zip(chunk, codes, strict=True):
                try:
                    outcomes[places[id(one)]] = self._handle(one, code)
                except JobRejected as rejected:
                    outcomes[places[id(one)]] = rejected
        return cast(list[JobHandle[Any] | JobRejected], outcomes)

    def job(
        self, job_id: str, *, of: Handler[..., R] | None = None, queue: str | None = None
    ) -> JobHandle[R]:
        """A handle on a job by its id; asks nothing of Redis.

        Args:
            job_id: As `handle.job_id` gave it.
            of: The handler, for the type of the result; without it the result is plain JSON data.
            queue: Where it was enqueued; the handler's by default.
        """
        name = queue or (of.policy.queue if of is not None else "default")
        return JobHandle(self, queue_keys(name, tagged=self._settings.hash_tags), job_id, of, created=False)

    async def close(self) -> None:
        """Send what is gathered, and close the connections."""
        if self._sending:
            await asyncio.gather(*self._sending)
        if self._waits is not None:
            self._waits.close()
        if isinstance(self._link, Link):
            await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- for the handles

    @property
    def waits(self) -> Waits:
        """Who tells of jobs that end."""
        if self._waits is None:
            self._waits = Waits(self._address)
        return self._waits

    async def ask(self, request: Request[T]) -> T:
        """Send a request that may be repeated; retries for some seconds while Redis does not answer."""
        for wait in waits_between_tries():
            try:
                return await execute(self._link, request)
            except StoreUnavailable:
                if wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def read_envelope(self, job_id: str) -> bytes | None:
        """The job's envelope, if it has not ended."""
        return cast("bytes | None", await self._link.call("GET", JOB + job_id))

    # ---

    def _prepare(self, order: Order[R]) -> Prepared[R]:
        return prepare(
            order, tagged=self._settings.hash_tags, max_payload_bytes=self._settings.max_payload_bytes
        )

    def _handle(self, prepared: Prepared[R], code: Accepted) -> JobHandle[R]:
        entry, order = prepared.entry, prepared.order
        if code is Accepted.CONFLICT:
            raise Conflict(entry.job_id)
        # an id of our own that exists already is one whose first reply was lost
        created = code is Accepted.CREATED or order.job_id is None
        return JobHandle(self, prepared.queue, entry.job_id, order.call.handler, created)

    def _flush(self, queue: QueueKeys) -> None:
        gathered = self._gathered.pop(queue)
        for at in range(0, len(gathered), CHUNK):
            sending = asyncio.create_task(self._send(queue, gathered[at : at + CHUNK]))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send(
        self, queue: QueueKeys, gathered: Sequence[tuple[Prepared[Any], asyncio.Future[Accepted]]]
    ) -> None:
        try:
            codes = await self._write(queue, [prepared for prepared, _ in gathered])
        except Exception as error:
            for _, future in gathered:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), code in zip(gathered, codes, strict=True):
            if not future.done():
                future.set_result(code)

    async def _write_all(
        self, prepared: list[Prepared[Any]]
    ) -> list[tuple[list[Prepared[Any]], list[Accepted]]]:
        room = asyncio.Semaphore(_CHUNKS_UNDER_WAY)

        async def write(
            queue: QueueKeys, chunk: list[Prepared[Any]]
        ) -> tuple[list[Prepared[Any]], list[Accepted]]:
            async with room:
                return chunk, await self._write(queue, chunk)

        chunks = [
            write(queue, group[at : at + CHUNK])
            for queue, group in grouped(prepared).items()
            for at in range(0, len(group), CHUNK)
        ]
        return await asyncio.gather(*chunks)

    async def _write(self, queue: QueueKeys, prepared: Sequence[Prepared[Any]]) -> list[Accepted]:
        if queue not in self._known_queues:
            await self._link.call("SADD", QUEUES, queue.name)
            self._known_queues.add(queue)
        return await self.ask(enqueue(queue, [one.entry for one in prepared]))
