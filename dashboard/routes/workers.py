"""`/v1/workers`: who works, on what, and how they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, status
from pydantic import BaseModel, Field

from monarq.jobs.store.workers import CronReport, HistoryReport, RunningJob

from ..access.permissions import Permission
from ..services.workers import WorkerState, WorkerView
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["workers"])

WorkerId = Annotated[str, Path(max_length=200)]


class RunningDocument(BaseModel):
    """A job that a worker runs."""

    job_id: str
    queue: str
    kind: str | None
    attempt: int
    age_seconds: float = Field(description="for how long it had run when the worker reported")


class CronDocument(BaseModel):
    """A cron job of a worker."""

    queue: str
    name: str
    kind: str
    times: str = Field(description="in words")
    timezone: str
    next_due_at: datetime | None
    last_due_at: datetime | None


class HistoryDocument(BaseModel):
    """How far a worker is with the history of the jobs that it has ended."""

    pending: int
    lag_seconds: float
    written: int
    dropped: int


class WorkerDocument(BaseModel):
    """A worker, as it last reported; without queues, kinds and jobs that the caller may not see."""

    worker: str
    state: WorkerState
    host: str
    pid: int
    version: str
    python: str
    is_skewed: bool = Field(description="live workers run several versions")
    queues: dict[str, int] = Field(description="with their weights; 0: in strict order")
    kinds: list[str]
    slots: int
    busy: int
    complete: int = Field(description="jobs that it has ended, since it began")
    failed: int
    up_seconds: float
    rss_bytes: int
    loop_lag_seconds: float = Field(description="the longest that its event loop was held up, lately")
    loop_blocks: int = Field(description="times that it was held up for more than a second")
    has_database: bool
    report_age_seconds: float
    history: HistoryDocument | None
    jobs: list[RunningDocument] = Field(description="the longest first; of very many not all")
    cron: list[CronDocument]
    taken_at: datetime
    is_stale: bool = Field(description="Redis did not answer since")


class WorkerList(BaseModel):
    """Workers that the caller may see, by name."""

    items: list[WorkerDocument]
    next: str | None


class DrainOrderBody(Body):
    """Why it is to drain."""

    why: str = Field(min_length=1, max_length=500, description="for those who wonder; the worker logs it")


class DrainDocument(BaseModel):
    """What was told to a worker."""

    worker: str
    told: bool


@router.get("/v1/workers", openapi_extra=needs(Permission.WORKERS_READ))
async def list_workers(wanted: ThePage, caller: TheCaller, services: TheServices) -> WorkerList:
    """List the workers that have reported within the last minute."""
    page, following = wanted.cut_whole(await services.workers.list(caller))
    return WorkerList(items=[worker_document(view) for view in page], next=following)


@router.get("/v1/workers/{worker}", openapi_extra=needs(Permission.WORKERS_READ))
async def get_worker(worker: WorkerId, caller: TheCaller, services: TheServices) -> WorkerDocument:
    """One worker."""
    return worker_document(await services.workers.get(caller, worker))


@router.post(
    "/v1/workers/{worker}/drain",
    status_code=status.HTTP_202_ACCEPTED,
    openapi_extra=needs(Permission.WORKERS_DRAIN),
)
async def drain_worker(
    worker: WorkerId, order: DrainOrderBody, caller: TheCaller, services: TheServices
) -> DrainDocument:
    """Tell a worker to claim no more, to finish what runs, and to end.

    It obeys within seconds, as it would a SIGTERM: whoever started it may start another.
    """
    await services.workers.drain(caller, worker, why=order.why)
    return DrainDocument(worker=worker, told=True)


def worker_document(view: WorkerView) -> WorkerDocument:
    """A worker as the API tells it."""
    worker = view.worker
    return WorkerDocument(
        worker=worker.worker,
        state=view.state,
        host=worker.host,
        pid=worker.pid,
        version=worker.version,
        python=worker.python,
        is_skewed=view.is_skewed,
        queues=worker.queues,
        kinds=worker.kinds,
        slots=worker.slots,
        busy=worker.busy,
        complete=worker.complete,
        failed=worker.failed,
        up_seconds=worker.up_ms / 1000,
        rss_bytes=worker.rss_bytes,
        loop_lag_seconds=worker.loop_lag_ms / 1000,
        loop_blocks=worker.loop_blocks,
        has_database=worker.has_database,
        report_age_seconds=view.report_age_seconds,
        history=_history(worker.history),
        jobs=[_running(run) for run in worker.runs],
        cron=[cron_document(cron) for cron in worker.cron],
        taken_at=view.freshness.taken_at,
        is_stale=view.freshness.is_stale,
    )


def cron_document(cron: CronReport) -> CronDocument:
    """A cron job as the API tells it."""
    return CronDocument.model_validate(cron, from_attributes=True)


def _running(run: RunningJob) -> RunningDocument:
    return RunningDocument(
        job_id=run.job_id,
        queue=run.queue,
        kind=run.kind,
        attempt=run.attempt,
        age_seconds=run.age_ms / 1000,
    )


def _history(report: HistoryReport | None) -> HistoryDocument | None:
    if report is None:
        return None
    return HistoryDocument(
        pending=report.pending,
        lag_seconds=report.lag_ms / 1000,
        written=report.written,
        dropped=report.dropped,
    )
