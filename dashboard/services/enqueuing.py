"""Enqueuing by the HTTP API: what the kind says of the arguments is checked before anything is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from monarq.jobs.errors import InvalidArguments, JobRejected, MonarqError
from monarq.jobs.events import EventType
from monarq.jobs.handler import Call, Handler
from monarq.jobs.registry import Registry
from monarq.jobs.unique import Unique
from monarq.producer.handle import JobHandle
from monarq.producer.order import Order
from monarq.producer.producer import Producer

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.ownership import OWNER_TAG, owner_tag
from ..access.permissions import Permission
from ..access.scope import Resource
from ..audit import Audit
from ..bus import Bus
from ..errors import InvalidRequest, NotPermitted, RequestRefused
from ..idempotency import IdempotencyKeys, KeyedRequest
from ..pointers import pointer_to

_NO_SUCH_KIND = "there is no such kind here, or you may not enqueue it in this queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job that a caller asks for; what is None comes from its kind."""

    kind: str
    args: dict[str, Any]
    queue: str | None = None
    priority: str | None = None
    delay: float | None = None
    at: datetime | None = None
    job_id: str | None = None
    expires_in: float | None = None
    unique: Unique | None = None
    durable: bool | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """A job that is there now."""

    job_id: str
    #: False if it was there already, under the same id or the same unique key.
    created: bool
    kind: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A job that was not written, and why."""

    refused: str
    detail: str
    #: By JSON pointer: members of its order that cannot be used.
    faults: Mapping[str, str]


class EnqueueService:
    """Enqueues jobs, each owned by who has asked for it."""

    def __init__(
        self,
        guard: Guard,
        audit: Audit,
        bus: Bus,
        producer: Producer,
        kinds: Registry,
        keys: IdempotencyKeys,
    ) -> None:
        self._guard = guard
        self._audit = audit
        self._bus = bus
        self._producer = producer
        self._kinds = kinds
        self._keys = keys

    async def enqueue(
        self, caller: Caller, wanted: JobOrder, *, keyed: KeyedRequest | None = None, **told: Any
    ) -> Enqueued:
        """Write one job.

        Args:
            keyed: Carry this request out once, however often it comes.
            told: For the audit.

        Raises:
            InvalidArguments: The arguments do not fit the kind.
            InvalidRequest: The kind is not known, or an option cannot be used.
            NotPermitted: The caller may see such jobs, but not enqueue them.
            JobRejected: It is too large, or its id or its unique key is taken.
        """
        order = await self._order(caller, wanted)

        async def write(seed: str | None) -> dict[str, Any]:
            [outcome] = await self._write([order], [seed])
            if isinstance(outcome, MonarqError):
                raise outcome
            self._tell(caller, [outcome])
            await self._audit.record(
                caller,
                "job.enqueue",
                outcome.job_id,
                queue=outcome.queue,
                kind=outcome.kind,
                created=outcome.created,
                **told,
            )
            return asdict(outcome)

        return Enqueued(**await self._once(caller, keyed, write))

    async def enqueue_many(
        self, caller: Caller, wanted: Sequence[JobOrder], *, keyed: KeyedRequest | None = None
    ) -> Sequence[Enqueued | Refused]:
        """Write many; per job what became of it, in order."""
        await self._guard.scope(caller, Permission.JOBS_ENQUEUE)
        orders = [await self._order_or_fault(caller, one) for one in wanted]

        async def write(seed: str | None) -> list[dict[str, Any]]:
            good = [one for one in orders if isinstance(one, Order)]
            seeds = [None if seed is None else _following(seed, number) for number in range(len(good))]
            written = iter(await self._write(good, seeds))
            outcomes = [next(written) if isinstance(one, Order) else one for one in orders]
            await self._note_many(caller, outcomes)
            return [asdict(_refused(one) if isinstance(one, MonarqError) else one) for one in outcomes]

        kept = await self._once(caller, keyed, write)
        return [Refused(**one) if "refused" in one else Enqueued(**one) for one in kept]

    # ---

    async def _once(
        self, caller: Caller, keyed: KeyedRequest | None, write: Callable[[str | None], Awaitable[Any]]
    ) -> Any:
        return await (write(None) if keyed is None else self._keys.once(caller.subject, keyed, write))

    async def _order(self, caller: Caller, wanted: JobOrder) -> Order[Any]:
        handler = await self._handler(caller, wanted)
        for tag in wanted.tags or ():
            if tag.startswith(OWNER_TAG):
                raise InvalidRequest({"#/tags": f"none of one's own begins with {OWNER_TAG}"})
        return Order(
            _call(handler, wanted.args),
            delay=wanted.delay,
            at=wanted.at,
            priority=wanted.priority,
            queue=wanted.queue,
            job_id=wanted.job_id,
            expires_in=wanted.expires_in,
            unique=wanted.unique,
            durable=wanted.durable,
            tags=[*(wanted.tags or ()), owner_tag(caller.subject)],
        )

    async def _order_or_fault(self, caller: Caller, wanted: JobOrder) -> Order[Any] | MonarqError:
        try:
            return await self._order(caller, wanted)
        except (JobRejected, RequestRefused) as fault:
            return fault

    async def _handler(self, caller: Caller, wanted: JobOrder) -> Handler[..., Any]:
        """The kind's, if the caller may enqueue it; what they may not see is told like what is not there."""
        scope = await self._guard.scope(caller, Permission.JOBS_ENQUEUE)
        handler = self._kinds.get(wanted.kind)
        if handler is not None:
            queue = wanted.queue or handler.policy.queue
            resource = Resource(queue=queue, kind=wanted.kind, owner=caller.subject)
            if scope.covers(resource):
                return handler
            if await self._guard.holds(caller, Permission.JOBS_READ, resource):
                raise NotPermitted(Permission.JOBS_ENQUEUE)
        raise InvalidRequest({"#/kind": _NO_SUCH_KIND})

    async def _write(
        self, orders: Sequence[Order[Any]], seeds: Sequence[str | None]
    ) -> list[Enqueued | MonarqError]:
        """Under ids made of the seeds, where the caller has chosen none."""
        asked = [_seeded(order, seed) for order, seed in zip(orders, seeds, strict=True)]
        written = await self._producer.enqueue_many(asked) if asked else []
        return [_outcome(order, one) for order, one in zip(orders, written, strict=True)]

    async def _note_many(self, caller: Caller, outcomes: Sequence[Enqueued | MonarqError]) -> None:
        made = [one for one in outcomes if isinstance(one, Enqueued) and one.created]
        self._tell(caller, made)
        kinds = sorted({one.kind for one in made})
        queues = {one.queue for one in made}
        await self._audit.record(
            caller,
            "job.enqueue_many",
            ", ".join(kinds),
            queue=queues.pop() if len(queues) == 1 else None,
            kind=kinds[0] if len(kinds) == 1 else None,
            first=made[0].job_id if made else None,
            created=len(made),
            refused=sum(isinstance(one, MonarqError) for one in outcomes),
        )

    def _tell(self, caller: Caller, made: Sequence[Enqueued]) -> None:
        owner = owner_tag(caller.subject)
        for one in made:
            if one.created:
                self._bus.tell(
                    EventType.JOB_ENQUEUED, queue=one.queue, kind=one.kind, job_id=one.job_id, owner=owner
                )


def _call(handler: Handler[..., Any], args: dict[str, Any]) -> Call[Any]:
    try:
        # through JSON first: bytes, for one, are written in another way there than in Python
        return handler.of(**handler.arguments.decode([], args))
    except (ValueError, RecursionError):
        raise InvalidRequest({"#/args": "it holds what JSON cannot carry, or lies too deep"}) from None


def _seeded(order: Order[Any], seed: str | None) -> Order[Any]:
    return order if order.job_id is not None or seed is None else replace(order, job_id=seed)


def _following(seed: str, number: int) -> str:
    """The id so many after this one: of the same moment, in order."""
    return f"{int(seed, 16) + number:032x}"


def _outcome(order: Order[Any], written: JobHandle[Any] | JobRejected) -> Enqueued | MonarqError:
    if isinstance(written, InvalidArguments):  # an option: the arguments have passed
        return InvalidRequest({f"#/{name}": fault for name, fault in written.faults.items()})
    if isinstance(written, JobRejected):
        return written
    # under an id of ours nothing can have been there but what a cut-off try has written
    created = written.created or (order.job_id is None and not _is_unique(order))
    return Enqueued(job_id=written.job_id, created=created, kind=order.call.handler.kind, queue=written.queue)


def _is_unique(order: Order[Any]) -> bool:
    return (order.unique or order.call.handler.policy.unique) is not None


def _refused(error: MonarqError) -> Refused:
    faults: Mapping[str, str] = {}
    if isinstance(error, InvalidRequest):
        faults = error.faults
    elif isinstance(error, InvalidArguments):
        faults = {pointer_to(place): fault for place, fault in error.faults.items()}
    return Refused(refused=error.code, detail=str(error), faults=faults)
