"""`POST /v1/jobs`, one or many: enqueue in any language."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Request, Response, status
from pydantic import AwareDatetime, BaseModel, Field

from monarq.jobs.errors import Conflict, DefinitionError, NotUnique, PayloadTooLarge
from monarq.jobs.priority import Priority
from monarq.jobs.tags import MOST_TAGS
from monarq.jobs.tracing import asked_by
from monarq.jobs.unique import Unique

from ..access.permissions import Permission
from ..errors import InvalidRequest, NotPermitted
from ..idempotency import KeyedRequest
from ..problems import Fault
from ..services.enqueuing import Enqueued, JobOrder, Refused
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .jobs import LONGEST_DELAY_SECONDS

router = APIRouter(route_class=Guarded, tags=["jobs"])

_MOST_ITEMS = 1_000
#: Of items that were refused, as a single job would be told; all others are 422.
_STATUS = {NotPermitted.code: 403, Conflict.code: 409, NotUnique.code: 409, PayloadTooLarge.code: 413}
Seconds = Annotated[float, Field(ge=0, le=LONGEST_DELAY_SECONDS)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


async def _keyed(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="Of your own: the same request under the same key is carried out once in 24 hours, "
            "and answered again as it was.",
        ),
    ] = None,
) -> KeyedRequest | None:
    if idempotency_key is None:
        return None
    return KeyedRequest.of(idempotency_key, request.method, request.url.path, await request.body())


Keyed = Annotated[KeyedRequest | None, Depends(_keyed)]


class UniqueOrder(Body):
    """At most one job per key."""

    by: list[Name] | None = Field(
        None, max_length=50, description="arguments that make the key; null: all of them"
    )
    until: Literal["start", "success", "end"] | Annotated[float, Field(gt=0, le=LONGEST_DELAY_SECONDS)] = (
        Field("end", description="an event of the job, or seconds from now")
    )
    on_conflict: Literal["return", "reject", "replace", "reschedule"] = "return"
    delay: Seconds | None = Field(None, description="before it may start, from its last enqueue")


class NewJob(Body):
    """A job that is to be.  What is not given comes from its kind."""

    kind: Name
    args: dict[str, Any] = Field(default_factory=dict, description="by name, as the kind's schema has them")
    queue: Name | None = None
    priority: Priority | None = None
    delay: Seconds | None = Field(None, description="seconds before it may start")
    at: AwareDatetime | None = Field(None, description="when it may start, instead of delay")
    job_id: str | None = Field(
        None, min_length=1, max_length=200, description="of your own: the same id again is the same job"
    )
    expires_in: Seconds | None = Field(None, description="seconds after which it is worth nothing")
    unique: UniqueOrder | None = None
    durable: bool | None = Field(None, description="PostgreSQL keeps it until it has ended")
    tags: list[Name] | None = Field(None, max_length=MOST_TAGS - 1)


class NewJobs(Body):
    """Jobs that are to be."""

    items: Annotated[list[NewJob], Field(min_length=1, max_length=_MOST_ITEMS)]


class EnqueuedDocument(BaseModel):
    """A job that is there now."""

    id: str
    created: bool = Field(description="false: it was there, under the same id or the same unique key")
    kind: str
    queue: str


class ItemDocument(BaseModel):
    """What became of one item: `job`, or `problem`."""

    status: int = Field(description="201 created, 200 it was there, 4xx refused")
    job: EnqueuedDocument | None = None
    problem: ItemProblem | None = None


class ItemProblem(BaseModel):
    """Why an item was refused."""

    code: str
    detail: str
    errors: list[Fault] = []


class ItemList(BaseModel):
    """What became of each, in order."""

    items: list[ItemDocument]


@router.post(
    "/v1/jobs",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": EnqueuedDocument, "description": "It was there already."}},
    openapi_extra=needs(Permission.JOBS_ENQUEUE),
)
async def enqueue_job(
    job: NewJob, request: Request, response: Response, keyed: Keyed, caller: TheCaller, services: TheServices
) -> EnqueuedDocument:
    """Enqueue a job, its arguments checked by its kind.  200: it was there already."""
    with asked_by(request.headers):
        made = await services.enqueuing.enqueue(caller, _order(job, "#"), keyed=keyed)
    response.headers["location"] = f"{request.url.path}/{quote(made.job_id, safe='')}"
    if not made.created:
        response.status_code = status.HTTP_200_OK
    return _enqueued(made)


@router.post("/v1/jobs/bulk", openapi_extra=needs(Permission.JOBS_ENQUEUE))
async def enqueue_jobs(
    jobs: NewJobs, request: Request, keyed: Keyed, caller: TheCaller, services: TheServices
) -> ItemList:
    """Enqueue up to 1,000 jobs; each stands for itself.

    A body that does not have the shape is refused as a whole, before anything is written; what a kind says of
    the arguments is told per item.
    """
    orders = [_order(job, f"#/items/{at}") for at, job in enumerate(jobs.items)]
    with asked_by(request.headers):
        outcomes = await services.enqueuing.enqueue_many(caller, orders, keyed=keyed)
    return ItemList(items=[_item(at, one) for at, one in enumerate(outcomes)])


def _order(job: NewJob, root: str) -> JobOrder:
    fields = {name: getattr(job, name) for name in NewJob.model_fields if name != "unique"}
    return JobOrder(**fields, unique=None if job.unique is None else _rule(job.unique, root))


def _rule(wanted: UniqueOrder, root: str) -> Unique:
    try:
        return Unique(by=wanted.by, until=wanted.until, on_conflict=wanted.on_conflict, delay=wanted.delay)
    except DefinitionError as error:
        raise InvalidRequest({f"{root}/unique": str(error)}) from None


def _enqueued(made: Enqueued) -> EnqueuedDocument:
    return EnqueuedDocument(id=made.job_id, created=made.created, kind=made.kind, queue=made.queue)


def _item(at: int, one: Enqueued | Refused) -> ItemDocument:
    if isinstance(one, Enqueued):
        return ItemDocument(status=201 if one.created else 200, job=_enqueued(one))
    faults = [
        Fault(pointer=f"#/items/{at}{pointer[1:]}", detail=fault) for pointer, fault in one.faults.items()
    ]
    problem = ItemProblem(code=one.refused, detail=one.detail, errors=faults)
    return ItemDocument(status=_STATUS.get(one.refused, 422), problem=problem)
