"""`/chosen-jobs`: do something to the jobs of a list that were ticked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import Response

from monarq.jobs.errors import MonarqError, StoreError

from ..access.permissions import Permission
from ..errors import NotPermitted, NotThere, StateConflict
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from .addresses import safe_next
from .rendering import go_on
from .route import Page
from .words import plural

router = APIRouter(route_class=Page)

#: What is not done to a job, and why: told once for all of them.
_PASSED_OVER: tuple[tuple[type[MonarqError], str], ...] = (
    (StateConflict, "not in a state for it"),
    (NotThere, "gone"),
    (NotPermitted, "not permitted"),
)


class ChosenForm(Body):
    """The jobs, and where to go on."""

    ids: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=200)] = []
    back: str = "/jobs"


@router.post("/chosen-jobs/retry", openapi_extra=needs(Permission.JOBS_RETRY))
async def retry_chosen(
    form: Annotated[ChosenForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Retry them: the dead ones, and those that wait out a backoff."""
    return await _each(request, form, lambda job_id: services.jobs.retry(caller, job_id), "tried again")


@router.post("/chosen-jobs/cancel", openapi_extra=needs(Permission.JOBS_CANCEL))
async def cancel_chosen(
    form: Annotated[ChosenForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Cancel them: those that have not ended."""
    done = "cancelled, or told to end"
    return await _each(request, form, lambda job_id: services.jobs.cancel(caller, job_id, reason=""), done)


async def _each(
    request: Request, form: ChosenForm, act: Callable[[str], Awaitable[object]], done: str
) -> Response:
    counts, chosen = Counter[str](), list(dict.fromkeys(form.ids))
    for job_id in chosen:
        try:
            await act(job_id)
        except (StateConflict, NotThere, NotPermitted) as error:
            counts[next(words for kind, words in _PASSED_OVER if isinstance(error, kind))] += 1
        except StoreError:  # nor would it for the others: each of them would wait for it
            counts["not done: the store does not answer"] = len(chosen) - counts.total()
            break
        else:
            counts[done] += 1
    told = "; ".join(f"{plural(number, 'job')} {outcome}" for outcome, number in counts.items())
    return go_on(request, safe_next(form.back), told=f"{told or 'No job was chosen'}.")
