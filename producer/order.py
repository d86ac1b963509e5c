"""What is to be enqueued, and its form in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from reprlib import repr as short_repr
from typing import Any, Generic, TypeVar

from monarq.jobs.envelope import BY_OUTBOX, DURABLE, content_digest, encode_head
from monarq.jobs.errors import (
    Conflict,
    DefinitionError,
    InvalidArguments,
    NotUnique,
    PayloadTooLarge,
    StoreUnavailable,
)
from monarq.jobs.handler import Call
from monarq.jobs.identity import is_job_id, new_job_id
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store.keys import QueueKeys, queue_keys
from monarq.jobs.store.verbs import Accepted, Entry, Held, unique_rule
from monarq.jobs.tags import check_tags
from monarq.jobs.unique import Unique

from .counting import Sort

R = TypeVar("R")

#: Jobs per script call of an enqueue: some two milliseconds of the server's time.
CHUNK = 200
#: Bytes after which a chunk is sent, however few its jobs.
CHUNK_BYTES = 1_000_000

_NOW = timedelta(0)
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)  # not frozen: that would triple the cost of making one
class Order(Generic[R]):
    """A call, and what is special about this job of it.  What is None comes from the handler's `@job(…)`."""

    call: Call[R]
    #: Time before it may start, by the server's clock (timedelta or seconds).
    delay: timedelta | float | None = None
    #: An aware point in time at which it may start, instead of `delay`.
    at: datetime | None = None
    priority: Priority | str | None = None
    queue: str | None = None
    #: The app's own id: the same id again is the same job.
    job_id: str | None = None
    #: The job is worth nothing later than this after now (timedelta or seconds).
    expires_in: timedelta | float | None = None
    #: At most one job per key.
    unique: Unique | None = None
    #: PostgreSQL keeps it until it has ended.
    durable: bool | None = None
    #: By which the job is found in the history, beside those of its kind.
    tags: Iterable[str] | None = None


@dataclass(slots=True)
class Prepared(Generic[R]):
    """An order that has passed all checks, and later what became of it."""

    order: Order[R]
    queue: QueueKeys
    entry: Entry
    #: PostgreSQL keeps it until it has ended.
    durable: bool = False
    #: A relay is to bring it to Redis.
    by_outbox: bool = False
    accepted: Accepted | Held | None = None

    @property
    def job_id(self) -> str:
        """The job's id, or that of the job that holds its unique key."""
        return self.accepted.by if isinstance(self.accepted, Held) else self.entry.job_id

    @property
    def sort(self) -> Sort:
        """Under what it is counted."""
        return self.queue.name, self.order.call.handler.kind, self.entry.priority

    @property
    def is_new(self) -> bool:
        """Whether it was written by this order, as far as can be known: `created` without its errors."""
        is_ours = self.accepted is Accepted.EXISTS and self.order.job_id is None
        return self.accepted is Accepted.CREATED or is_ours

    @property
    def created(self) -> bool:
        """Whether the job is new.

        Raises:
            Conflict: Its id belongs to another job.
            NotUnique: Its unique key does, and its rule wants to know.
        """
        if self.accepted is Accepted.CREATED:
            return True
        if isinstance(self.accepted, Held):
            handler = self.order.call.handler
            rule = self.order.unique or handler.policy.unique
            if rule is not None and rule.on_conflict == "reject":
                raise NotUnique(handler.kind, self.accepted.by)
            return False
        if self.accepted is Accepted.CONFLICT:
            raise Conflict(self.entry.job_id)
        # an id of our own that exists already is one whose first reply was lost
        return self.order.job_id is None


def prepare(
    order: Order[R],
    *,
    tagged: bool,
    max_payload_bytes: int,
    by_outbox: bool = False,
    trace: str | None = None,
) -> Prepared[R]:
    """Check an order and encode it.

    `by_outbox` says that it will be written to the outbox; durable jobs always are.  `trace` is the context
    of the trace that it is enqueued in.

    Raises:
        InvalidArguments: An option is unusable; the error names it.
        PayloadTooLarge: The encoded job is over the limit.
        TypeError: What is to be enqueued is no call.
    """
    if not isinstance(order.call, Call):
        raise TypeError(f"{order.call!r} cannot be enqueued; make a call of it: handler.of(…)")
    handler = order.call.handler
    queue = queue_keys(handler.policy.queue, tagged=tagged) if order.queue is None else _queue(order, tagged)
    priority = handler.policy.priority if order.priority is None else _priority(order)
    if order.job_id is None:
        job_id, digest = queue.id_prefix + new_job_id(), None
    else:  # an id of the app's stands for this content
        job_id, digest = _job_id(order, queue), content_digest(handler.kind, order.call.arguments)
    rule = handler.policy.unique if order.unique is None else order.unique
    mark, asked = (None, "") if rule is None else _unique(order, rule)
    durable = handler.policy.durable if order.durable is None else _flag(order)
    head = encode_head(
        handler.kind,
        order.call.arguments,
        queue=queue.name,
        priority=priority,
        expires_in=None if order.expires_in is None else _span(order, "expires_in", order.expires_in),
        digest=digest,
        unique=mark,
        marks=DURABLE if durable else BY_OUTBOX if by_outbox else "",
        tags=handler.policy.tags if order.tags is None else _tags(order),
        trace=trace,
    )
    if len(head) > max_payload_bytes:
        raise PayloadTooLarge(handler.kind, len(head), max_payload_bytes)
    entry = Entry(job_id, priority, _due(order, rule), head, digest or "", asked)
    if durable or by_outbox:
        _check_for_relay(order, entry, rule)
    return Prepared(order, queue, entry, durable, durable or by_outbox)


def _check_for_relay(order: Order[Any], entry: Entry, rule: Unique | None) -> None:
    """See that what was asked can be done later, by a relay."""
    if rule is not None and rule.on_conflict == "reject":
        raise _fault(
            order, "unique", 'on_conflict="reject": a relay finds out later, and has nobody to tell it to'
        )
    if isinstance(entry.due, timedelta) and entry.due > _LATEST - datetime.now(UTC):
        raise _fault(order, "delay", f"{entry.due} is over only after the year 9999")


def unanswered(error: StoreUnavailable, *prepared: Prepared[Any]) -> StoreUnavailable:
    """The error for one who asked for these jobs, and cannot know whether they were written."""
    job_ids = [one.entry.job_id for one in prepared]
    what = f"job {job_ids[0]} may" if len(job_ids) == 1 else f"some of the {len(job_ids)} jobs may"
    return StoreUnavailable(f"{error}; {what} exist all the same: enqueue again under the same job_id")


class Chunks:
    """Gathers prepared jobs into chunks of one queue each: what one script call takes."""

    def __init__(self) -> None:
        self._open: dict[QueueKeys, list[Prepared[Any]]] = {}
        self._bytes = 0

    def add(self, one: Prepared[Any]) -> list[Prepared[Any]] | None:
        """Put one in; the chunk that is full with it, if any."""
        chunk = self._open.setdefault(one.queue, [])
        chunk.append(one)
        self._bytes += len(one.entry.head)
        if len(chunk) < CHUNK and self._bytes < CHUNK_BYTES:
            return None
        self._bytes = 0
        return self._open.pop(one.queue)

    def rest(self) -> list[list[Prepared[Any]]]:
        """The chunks that are not full."""
        return list(self._open.values())


def _queue(order: Order[R], tagged: bool) -> QueueKeys:
    try:
        return queue_keys(order.queue or "", tagged=tagged)
    except (DefinitionError, TypeError) as error:
        raise _fault(order, "queue", str(error).removeprefix("queue: ")) from None


def _unique(order: Order[R], rule: Unique) -> tuple[str, str]:
    """A rule as the envelope has it, and as the enqueue script does."""
    if not isinstance(rule, Unique):
        raise _fault(order, "unique", f"{short_repr(rule)} is no rule; write unique=Unique(by=[…])")
    call = order.call
    digest = rule.digest(call.handler.kind, call.handler.arguments, call.arguments)
    return f"{rule.held_until}:{digest}", unique_rule(rule, digest)


def _tags(order: Order[R]) -> tuple[str, ...]:
    try:
        return check_tags([*order.call.handler.policy.tags, *check_tags(order.tags)])
    except DefinitionError as error:
        raise _fault(order, "tags", str(error).removeprefix("tags: ")) from None


def _due(order: Order[R], rule: Unique | None) -> timedelta | datetime:
    if rule is not None and rule.delay is not None:
        for option in ("delay", "at"):
            if getattr(order, option) is not None:
                raise _fault(
                    order, option, f"the unique rule says when it starts ({rule.delay}); leave it out"
                )
        return _span(order, "delay", rule.delay)
    if order.at is not None:
        if order.delay is not None:
            raise _fault(order, "delay", "give either delay or at")
        if not isinstance(order.at, datetime):
            raise _fault(order, "at", f"{order.at!r} is no datetime")
        if order.at.tzinfo is None:
            raise _fault(
                order, "at", f"{order.at!r} has no time zone; use datetime.now(timezone.utc) and the like"
            )
        return order.at
    return _NOW if order.delay is None else _span(order, "delay", order.delay)


def _span(order: Order[R], option: str, value: timedelta | float) -> timedelta:
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (TypeError, ValueError, OverflowError):
        raise _fault(
            order, option, f"{short_repr(value)} is neither a timedelta nor a number of seconds"
        ) from None
    if span < _NOW:
        raise _fault(order, option, f"{span} is negative")
    return span


def _flag(order: Order[R]) -> bool:
    if not isinstance(order.durable, bool):
        raise _fault(order, "durable", f"{short_repr(order.durable)} is neither True nor False")
    return order.durable


def _priority(order: Order[R]) -> Priority:
    if order.priority not in PRIORITIES:
        raise _fault(order, "priority", f"{short_repr(order.priority)} is not one of {', '.join(PRIORITIES)}")
    return Priority(order.priority)


def _job_id(order: Order[R], queue: QueueKeys) -> str:
    if not is_job_id(order.job_id):
        raise _fault(
            order,
            "job_id",
            f"{short_repr(order.job_id)} is no id; use 1 to 200 of A-Z a-z 0-9 _ . : @ / + - =",
        )
    # an id that a handle gave has the prefix already
    return queue.id_prefix + order.job_id.removeprefix(queue.id_prefix)


def _fault(order: Order[R], option: str, fault: str) -> InvalidArguments:
    return InvalidArguments(order.call.handler.kind, {option: fault})
