"""`SyncProducer`: the same for code without an event loop (Django, Flask, scripts)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from monarq.jobs.errors import InvalidArguments, JobRejected, StoreRefused, StoreUnavailable
from monarq.jobs.handler import Call, Handler
from monarq.jobs.priority import Priority
from monarq.jobs.settings import Settings, load_settings
from monarq.jobs.state import State
from monarq.jobs.store.address import from_url
from monarq.jobs.store.execute import execute_sync
from monarq.jobs.store.keys import JOB, QUEUES, QueueKeys, queue_keys
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import Cancellation, Request, Standing, enqueue, inspect
from monarq.jobs.tracing import tracing_in_use
from monarq.jobs.unique import Unique

from .cancelling import cancel_request, winner
from .counting import EnqueueCounts
from .ending import has_ended, result_of, state_of
from .order import Chunks, Order, Prepared, prepare, unanswered
from .outbox import OutboxRow, outbox_row
from .retrying import patiently_sync
from .sending import sending, sending_many, sent, sent_many
from .sync_waits import SyncWait

R = TypeVar("R")
T = TypeVar("T")


class SyncProducer:
    """Enqueues jobs and asks about them, without an event loop.  Safe to share between threads.

        with SyncProducer.connect() as producer:
            handle = producer.enqueue(resize.of("a.png", width=200))
            print(handle.result(timeout=30))

    Nothing is sent before the first call, and a connection that breaks is opened anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_traced = settings.tracing != "off"
        self._address = from_url(settings.redis_url.get_secret_value())
        self._link = SyncLink(self._address)
        self._lock = threading.Lock()
        self._known_queues: set[QueueKeys] = set()
        #: What it has enqueued, for `metrics.py`; None while nobody wants to know.
        self.counts: EnqueueCounts | None = None

    @classmethod
    def connect(cls, url: str | None = None, *, settings: Settings | None = None) -> Self:
        """A producer for the Redis at `url`; by default the one of the settings (`MONARQ_REDIS_URL`)."""
        if settings is not None and url is not None:
            raise TypeError("give either url or settings")
        return cls(settings or load_settings(redis_url=url))

    def enqueue(
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
        tags: Iterable[str] | None = None,
    ) -> SyncJobHandle[R]:
        """Write one job; arguments, promises and errors are those of `Producer.enqueue`.

        A durable job goes by PostgreSQL, and so by your own driver: see `outbox_row`.
        """
        order = Order(call, delay, at, priority, queue, job_id, expires_in, unique, tags=tags)
        if self._is_traced and (tracing := tracing_in_use()) is not None:
            with sending(tracing, order) as span:
                handle = self._enqueue(order, span.carried)
                sent(span, handle.job_id)
                return handle
        return self._enqueue(order)

    def enqueue_many(self, calls: Iterable[Call[Any] | Order[Any]]) -> list[SyncJobHandle[Any] | JobRejected]:
        """Write many jobs in few round trips; see `Producer.enqueue_many`."""
        if self._is_traced and (tracing := tracing_in_use()) is not None:
            with sending_many(tracing) as span:
                told = self._enqueue_many(calls, span.carried)
                sent_many(span, (one.queue for one in told if isinstance(one, SyncJobHandle)))
                return told
        return self._enqueue_many(calls)

    def job(
        self, job_id: str, *, of: Handler[..., R] | None = None, queue: str | None = None
    ) -> SyncJobHandle[R]:
        """A handle on a job by its id; see `Producer.job`."""
        name = queue or (of.policy.queue if of is not None else "default")
        return SyncJobHandle(
            self, queue_keys(name, tagged=self._settings.hash_tags), job_id, of, created=False
        )

    def outbox_row(self, call: Call[Any] | Order[Any]) -> OutboxRow:
        """A job as a row of the outbox, for a driver of your own; see `Producer.outbox_row`."""
        return outbox_row(call if isinstance(call, Order) else Order(call), self._settings)

    def close(self) -> None:
        """Close the connection.  A later call opens it anew."""
        with self._lock:
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- for the handles

    def ask(self, request: Request[T]) -> T:
        """Send a request that may be repeated; retries for some seconds while Redis does not answer."""
        return patiently_sync(lambda: execute_sync(self._call, request))

    def read_envelope(self, job_id: str) -> bytes | None:
        """The job's envelope, if it has not ended and can be read."""
        try:
            return cast("bytes | None", patiently_sync(lambda: self._call("GET", JOB + job_id)))
        except StoreRefused:  # a key of another type
            return None

    def wait_for_end(self) -> SyncWait:
        """A subscription of its own, for one who waits."""
        return SyncWait(self._address)

    # ---

    def _call(self, *command: Any) -> Any:
        with self._lock:
            return self._link.call(*command)

    def _enqueue(self, order: Order[R], trace: str | None = None) -> SyncJobHandle[R]:
        prepared = self._prepare(order, trace)
        try:
            self._write([prepared])
        except StoreUnavailable as error:
            raise unanswered(error, prepared) from error
        return self._handle(prepared)

    def _enqueue_many(
        self, calls: Iterable[Call[Any] | Order[Any]], trace: str | None = None
    ) -> list[SyncJobHandle[Any] | JobRejected]:
        outcomes: list[Prepared[Any] | JobRejected] = []
        chunks = Chunks()
        try:
            for call in calls:
                try:
                    one = self._prepare(call if isinstance(call, Order) else Order(call), trace)
                except JobRejected as rejected:
                    outcomes.append(rejected)
                    continue
                outcomes.append(one)
                if chunk := chunks.add(one):
                    self._write(chunk)
            for chunk in chunks.rest():
                self._write(chunk)
        except StoreUnavailable as error:
            raise unanswered(error, *(one for one in outcomes if isinstance(one, Prepared))) from error
        return [one if isinstance(one, JobRejected) else self._outcome(one) for one in outcomes]

    def _prepare(self, order: Order[R], trace: str | None) -> Prepared[R]:
        prepared = prepare(
            order,
            tagged=self._settings.hash_tags,
            max_payload_bytes=self._settings.max_payload_bytes,
            trace=trace,
        )
        if prepared.durable:
            mend = "a durable job goes by PostgreSQL: execute producer.outbox_row(…) with your own driver"
            raise InvalidArguments(order.call.handler.kind, {"durable": mend})
        return prepared

    def _handle(self, prepared: Prepared[R]) -> SyncJobHandle[R]:
        handler = prepared.order.call.handler
        return SyncJobHandle(self, prepared.queue, prepared.job_id, handler, prepared.created)

    def _outcome(self, prepared: Prepared[R]) -> SyncJobHandle[R] | JobRejected:
        try:
            return self._handle(prepared)
        except JobRejected as rejected:
            return rejected

    def _write(self, chunk: list[Prepared[Any]]) -> None:
        queue = chunk[0].queue
        if queue not in self._known_queues:
            patiently_sync(lambda: self._call("SADD", QUEUES, queue.name))
            self._known_queues.add(queue)
        codes = self.ask(enqueue(queue, [one.entry for one in chunk]))
        for one, code in zip(chunk, codes, strict=True):
            one.accepted = code
        if self.counts is not None:
            self.counts.add(one.sort for one in chunk if one.is_new)


class SyncJobHandle(Generic[R]):
    """Asks about one job; see `JobHandle`."""

    __slots__ = ("_handler", "_producer", "_queue", "created", "job_id")

    def __init__(
        self,
        producer: SyncProducer,
        queue: QueueKeys,
        job_id: str,
        handler: Handler[..., R] | None,
        created: bool,
    ) -> None:
        self._producer = producer
        self._queue = queue
        self._handler = handler
        self.job_id = job_id
        #: False if the job was there already, under the same id or the same unique key.
        self.created = created

    @property
    def queue(self) -> str:
        """The name of the queue in which it was enqueued."""
        return self._queue.name

    def status(self) -> State:
        """The job's state now; see `JobHandle.status`."""
        return state_of(self.job_id, self._producer.ask(inspect(self._queue, self.job_id)))

    def result(self, timeout: float | None = None) -> R:
        """What the handler returned; waits for it, woken by the worker.  See `JobHandle.result`."""
        return cast(R, result_of(self.job_id, self._end(timeout), self._handler))

    def cancel(self, reason: str = "", *, by: str | None = None, wait: float | None = None) -> Cancellation:
        """Cancel the job; see `JobHandle.cancel`."""
        body = self._producer.read_envelope(self.job_id)
        policy = None if self._handler is None else self._handler.policy
        became = self._producer.ask(cancel_request(self._queue, self.job_id, body, policy, by, reason))
        if wait is None or became is not Cancellation.REQUESTED:
            return became
        return winner(self.job_id, self._end(wait))

    def _end(self, timeout: float | None) -> Standing:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._producer.wait_for_end() as wait:
            while True:
                standing = self._producer.ask(inspect(self._queue, self.job_id, patiently_sync(wait.channel)))
                if has_ended(standing):
                    return standing
                wait.for_message(deadline)

    def __repr__(self) -> str:
        return f"<SyncJobHandle {self.job_id}>"
