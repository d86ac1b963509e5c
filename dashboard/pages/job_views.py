"""`/job-views`: keep a search under a name, and forget it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import Response

from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from ..services.views import LONGEST_NAME, LONGEST_QUERY
from .rendering import go_on
from .route import Page

router = APIRouter(route_class=Page)

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class ViewForm(Body):
    """A search, as the address of the list has it, and its name."""

    name: Name
    query: str = Field("", max_length=LONGEST_QUERY)


class NameForm(Body):
    """Which one."""

    name: Name


# one's own affairs, as the theme is: they need no permission but that to see jobs, which the service demands
@router.post("/job-views", openapi_extra=needs(None))
async def keep_view(
    form: Annotated[ViewForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Keep a search."""
    await services.views.keep(caller, form.name.strip(), form.query)
    return go_on(request, "/jobs", told=f"{form.name.strip()} is kept.", **parse_qs(form.query))


@router.post("/job-views/forget", openapi_extra=needs(None))
async def forget_view(
    form: Annotated[NameForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Forget one."""
    await services.views.forget(caller, form.name)
    return go_on(request, "/jobs", told=f"{form.name} is forgotten.")
