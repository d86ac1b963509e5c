"""`Producer`: enqueue jobs from async code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from monarq.jobs.errors import JobRejected, StoreRefused, StoreUnavailable
from monarq.jobs.handler import Call, Handler
from monarq.jobs.priority import Priority
from monarq.jobs.settings import Settings, load_settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import JOB, QUEUES, QueueKeys, queue_keys
from monarq.jobs.store.pauses import Pauses
from monarq.jobs.store.verbs import Request, enqueue
from monarq.jobs.store.why import Explanation, explain
from monarq.jobs.tracing import tracing_in_use
from monarq.jobs.unique import Unique

from .counting import EnqueueCounts
from .handle import JobHandle
from .order import CHUNK, Chunks, Order, Prepared, prepare, unanswered
from .outbox import OutboxRow, OutboxWriter, outbox_row
from .retrying import patiently
from .sending import sending, sending_many, sent, sent_many
from .waits import Waits

R = TypeVar("R")
T = TypeVar("T")

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
        self._is_traced = settings.tracing != "off"
        self._address = from_url(settings.redis_url.get_secret_value())
        self._link: Transport = transport or Link(self._address)
        self._waits: Waits | None = None
        self._known_queues: set[QueueKeys] = set()
        #: What it has enqueued, for `metrics.py`; None while nobody wants to know.
        self.counts: EnqueueCounts | None = None
        #: Who joined the first `enqueue` of this tick of the loop, by queue.
        self._gathered: dict[QueueKeys, list[tuple[Prepared[Any], asyncio.Future[None]]]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._outbox = OutboxWriter(settings)

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
        unique: Unique | None = None,
        durable: bool | None = None,
        connection: Any | None = None,
        tags: Iterable[str] | None = None,
    ) -> JobHandle[R]:
        """Write one job and return a handle to it.

        Redis has the job when this returns; whether it survives a crash of Redis is up to `appendfsync`.  It
        runs at least once, so its handler must be idempotent.  Calls made in one tick of the event loop
        travel together.

        With a `connection` the job is a row in your own transaction instead: it is enqueued when you commit,
        and never if you roll back.  A durable job takes the same way, in a transaction of its own if you give
        none.

        Args:
            call: What to run: `resize.of("a.png", width=200)`.
            delay: Time before it may start (timedelta or seconds), by the server's clock.
            at: An aware point in time at which it may start, instead of `delay`.
            priority: critical, high, normal or low; the handler's by default.
            queue: Where it waits; the handler's by default.
            job_id: The app's own id.  The same id and content is the same job: `handle.created` is False.
            expires_in: It is worth nothing later than this; it then ends as `expired`, also while it runs.
            unique: At most one job per key; the handler's rule by default.  If another job holds the key, the
                handle is on that one, and `handle.created` is False.
            durable: PostgreSQL keeps the job until it has ended; the handler's choice by default.
            connection: Of asyncpg, or an async session of SQLAlchemy, to the database of the relays.
            tags: Words by which it is found in the history, beside those of its kind.

        Raises:
            InvalidArguments: An option is unusable.  Nothing was written.
            PayloadTooLarge: The encoded job is over the limit.  Nothing was written.
            Conflict: The id belongs to a job with another kind or other arguments.  Nothing was written.
            NotUnique: Another job holds the unique key, and the rule rejects this one.  Nothing was written.
            StoreFull: Redis has no room.  Nothing was written.
            StoreUnavailable: Redis did not answer, after some seconds of retries.  The job may exist:
                enqueue it again under the same `job_id`.
            NoDatabase: The job is durable, and the settings name no PostgreSQL.
        """
        order = Order(call, delay, at, priority, queue, job_id, expires_in, unique, durable, tags)
        if self._is_traced and (tracing := tracing_in_use()) is not None:
            with sending(tracing, order) as span:
                handle = await self._enqueue(order, connection, span.carried)
                sent(span, handle.job_id)
                return handle
        return await self._enqueue(order, connection)

    async def enqueue_many(
        self, calls: Iterable[Call[Any] | Order[Any]], *, connection: Any | None = None
    ) -> list[JobHandle[Any] | JobRejected]:
        """Write many jobs in few round trips; each call or `Order` stands for itself.

        Args:
            calls: What to run.
            connection: As of `enqueue`: all of them become rows in your own transaction.

        Returns:
            Per call, in order: a handle, or why it was refused.

        Raises:
            StoreUnavailable: Redis did not answer.  Some of the jobs may exist, each with an id of its own.
            StoreFull: Redis has no room.  Some of the jobs may exist.
        """
        if self._is_traced and (tracing := tracing_in_use()) is not None:
            with sending_many(tracing) as span:
                told = await self._enqueue_many(calls, connection, span.carried)
                sent_many(span, (one.queue for one in told if isinstance(one, JobHandle)))
                return told
        return await self._enqueue_many(calls, connection)

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

    def outbox_row(self, call: Call[Any] | Order[Any]) -> OutboxRow:
        """A job as a row of the outbox, for a driver of your own; asks nothing of anybody.

        Raises:
            InvalidArguments: An option is unusable.
            PayloadTooLarge: The encoded job is over the limit.
        """
        return outbox_row(call if isinstance(call, Order) else Order(call), self._settings)

    async def close(self) -> None:
        """Send what is gathered, and close the connections."""
        if self._sending:
            await asyncio.gather(*self._sending)
        if self._waits is not None:
            self._waits.close()
        if isinstance(self._link, Link):
            await self._link.close()
        await self._outbox.close()

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

    @property
    def pauses(self) -> Pauses:
        """What is paused; to pause queues and kinds, and to resume them."""
        return Pauses(self._link, tagged=self._settings.hash_tags)

    async def why(self, job_id: str, *, queue: str | None = None) -> Explanation:
        """Why a job is where it is, in one sentence, and the facts behind it.

        PostgreSQL is asked, too, if the settings name one.

        Args:
            job_id: As `handle.job_id` gave it.
            queue: Where to look; by default, everywhere.

        Raises:
            StoreUnavailable: A store did not answer.
        """
        tagged, database = self._settings.hash_tags, self._outbox.database
        look = partial(explain, self._link, job_id, queue=queue, tagged=tagged, database=database)
        return await patiently(look)

    async def ask(self, request: Request[T]) -> T:
        """Send a request that may be repeated; retries for some seconds while Redis does not answer."""
        return await patiently(lambda: execute(self._link, request))

    async def is_held(self, job_id: str) -> bool:
        """Whether the job is committed, and no relay has brought it to Redis yet.

        Raises:
            StoreUnavailable: PostgreSQL did not answer.
        """
        if (database := self._outbox.database) is None:
            return False
        from monarq.jobs.store.postgres.held import find_held

        return await patiently(lambda: find_held(database, job_id)) is not None

    async def read_envelope(self, job_id: str) -> bytes | None:
        """The job's envelope, if it has not ended and can be read."""
        try:
            return await patiently(lambda: self._link.call("GET", JOB + job_id))
        except StoreRefused:  # a key of another type
            return None

    # ---

    async def _enqueue(
        self, order: Order[R], connection: Any | None, trace: str | None = None
    ) -> JobHandle[R]:
        prepared = self._prepare(order, connection, trace)
        try:
            if prepared.by_outbox:
                await self._outbox.write(connection, [prepared])
            else:
                await self._gather(prepared)
        except StoreUnavailable as error:
            raise unanswered(error, prepared) from error
        return self._handle(prepared)

    async def _enqueue_many(
        self, calls: Iterable[Call[Any] | Order[Any]], connection: Any | None, trace: str | None = None
    ) -> list[JobHandle[Any] | JobRejected]:
        outcomes: list[Prepared[Any] | JobRejected] = []
        chunks = Chunks()
        rows: list[Prepared[Any]] = []
        writing: list[asyncio.Task[None]] = []
        room = asyncio.Semaphore(_CHUNKS_UNDER_WAY)
        for call in calls:
            try:
                one = self._prepare(call if isinstance(call, Order) else Order(call), connection, trace)
            except JobRejected as rejected:
                outcomes.append(rejected)
                continue
            outcomes.append(one)
            if one.by_outbox:
                rows.append(one)
            elif chunk := chunks.add(one):
                writing.append(asyncio.create_task(self._write_within(room, chunk)))
                await asyncio.sleep(0)  # the server works on this chunk while we encode the next
        writing += [asyncio.create_task(self._write_within(room, chunk)) for chunk in chunks.rest()]
        if rows:
            writing.append(asyncio.create_task(self._outbox.write(connection, rows)))
        for written in await asyncio.gather(*writing, return_exceptions=True):
            if isinstance(written, StoreUnavailable):
                raise unanswered(
                    written, *(one for one in outcomes if isinstance(one, Prepared))
                ) from written
            if written is not None:
                raise written
        return [one if isinstance(one, JobRejected) else self._outcome(one) for one in outcomes]

    def _prepare(self, order: Order[R], connection: Any | None, trace: str | None) -> Prepared[R]:
        return prepare(
            order,
            tagged=self._settings.hash_tags,
            max_payload_bytes=self._settings.max_payload_bytes,
            by_outbox=connection is not None,
            trace=trace,
        )

    def _handle(self, prepared: Prepared[R]) -> JobHandle[R]:
        handler = prepared.order.call.handler
        created, on_its_way = prepared.created, prepared.by_outbox
        return JobHandle(self, prepared.queue, prepared.job_id, handler, created, on_its_way)

    def _outcome(self, prepared: Prepared[R]) -> JobHandle[R] | JobRejected:
        try:
            return self._handle(prepared)
        except JobRejected as rejected:
            return rejected

    async def _gather(self, prepared: Prepared[Any]) -> None:
        """Write one job together with all that are asked for in this tick of the loop."""
        followers = self._gathered.get(prepared.queue)
        if followers is not None and len(followers) < CHUNK - 1:
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            followers.append((prepared, written))
            await written
            return
        # the first of the tick leads: it lets the others join, and then sends for all
        followers = self._gathered[prepared.queue] = []
        try:
            await asyncio.sleep(0)
            self._close_group(prepared.queue, followers)
            await self._send(prepared, followers)
        except asyncio.CancelledError:
            # who leads was cancelled, the others were not: send again; what was written is left alone
            self._close_group(prepared.queue, followers)
            again = asyncio.create_task(self._send(prepared, followers))
            self._sending.add(again)
            again.add_done_callback(self._sending.discard)
            raise

    def _close_group(
        self, queue: QueueKeys, followers: list[tuple[Prepared[Any], asyncio.Future[None]]]
    ) -> None:
        if self._gathered.get(queue) is followers:
            del self._gathered[queue]

    async def _send(
        self, leader: Prepared[Any], followers: Sequence[tuple[Prepared[Any], asyncio.Future[None]]]
    ) -> None:
        try:
            await self._write([leader, *(prepared for prepared, _ in followers)])
        except Exception as error:
            for _, written in followers:
                if not written.done():
                    written.set_exception(error)
            raise
        for _, written in followers:
            if not written.done():
                written.set_result(None)

    async def _write_within(self, room: asyncio.Semaphore, chunk: Sequence[Prepared[Any]]) -> None:
        async with room:
            await self._write(chunk)

    async def _write(self, chunk: Sequence[Prepared[Any]]) -> None:
        queue = chunk[0].queue
        if queue not in self._known_queues:
            await patiently(lambda: self._link.call("SADD", QUEUES, queue.name))
            self._known_queues.add(queue)
        codes = await self.ask(enqueue(queue, [one.entry for one in chunk]))
        for one, code in zip(chunk, codes, strict=True):
            one.accepted = code
        if self.counts is not None:
            self.counts.add(one.sort for one in chunk if one.is_new)
