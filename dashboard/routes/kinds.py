"""`/v1/kinds`: which kinds of jobs there are, and what their arguments must be."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from monarq.jobs.handler import Policy
from monarq.jobs.priority import Priority

from ..access.permissions import Permission
from ..services.kinds import KindView
from .guarded import Guarded, TheCaller, TheServices, needs

router = APIRouter(route_class=Guarded, tags=["kinds"])

KindName = Annotated[str, Path(min_length=1, max_length=128, description="May hold `/`.")]


class DefaultsDocument(BaseModel):
    """How jobs of a kind are run, unless an enqueue says otherwise."""

    queue: str
    priority: Priority
    max_attempts: int
    timeout_seconds: float | None
    keep_result_seconds: float | None = Field(description="null: for ever")
    run_in: str | None = Field(description="loop, thread or process; null: as its function wants it")
    durable: bool
    unique: bool = Field(description="it has a rule of at most one job per key")
    tags: list[str]


class KindDocument(BaseModel):
    """A kind of jobs."""

    kind: str
    description: str
    defaults: DefaultsDocument | None = Field(description="null: only workers know it")
    args_schema: dict[str, Any] | None = Field(description="JSON Schema of `args`")
    workers: int = Field(description="live ones that know it")
    queues: list[str] = Field(description="that these serve")
    can_enqueue: bool = Field(description="whether the caller may, here")


class KindList(BaseModel):
    """All kinds that the caller may see, by name."""

    items: list[KindDocument]


@router.get("/v1/kinds", openapi_extra=needs(Permission.JOBS_READ))
async def list_kinds(caller: TheCaller, services: TheServices) -> KindList:
    """List the kinds."""
    return KindList(items=[_kind(view) for view in await services.kinds.list(caller)])


@router.get("/v1/kinds/{kind:path}", openapi_extra=needs(Permission.JOBS_READ))
async def get_kind(kind: KindName, caller: TheCaller, services: TheServices) -> KindDocument:
    """One kind."""
    return _kind(await services.kinds.get(caller, kind))


def _kind(view: KindView) -> KindDocument:
    return KindDocument(
        kind=view.kind,
        description=view.description,
        defaults=None if view.policy is None else _defaults(view.policy),
        args_schema=view.schema,
        workers=len(view.workers),
        queues=list(view.queues),
        can_enqueue=view.can_enqueue,
    )


def _defaults(policy: Policy) -> DefaultsDocument:
    return DefaultsDocument(
        queue=policy.queue,
        priority=policy.priority,
        max_attempts=policy.max_attempts,
        timeout_seconds=None if policy.timeout is None else policy.timeout.total_seconds(),
        keep_result_seconds=None if policy.keep_result is None else policy.keep_result.total_seconds(),
        run_in=policy.run_in,
        durable=policy.durable,
        unique=policy.unique is not None,
        tags=list(policy.tags),
    )
