"""`POST /theme`: light, dark, or as the system has it.  A cookie remembers it; no script is needed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from ..routes.documents import Body
from ..routes.guarded import for_anybody
from ..visit import visit_of
from .addresses import safe_next
from .route import Page

router = APIRouter(route_class=Page)

_COOKIE = "monarq_theme"
_YEAR_SECONDS = 31_536_000


class Theme(StrEnum):
    """How a page looks."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class ThemeForm(Body):
    """A choice."""

    theme: Theme
    next: str = Field("/", max_length=2_000)


@router.post("/theme", openapi_extra=for_anybody())
async def choose_theme(form: Annotated[ThemeForm, Form()], request: Request) -> Response:
    """Remember the choice, and show the same page in it."""
    address = request.scope.get("root_path", "") + safe_next(form.next)
    response = RedirectResponse(address, HTTP_303_SEE_OTHER)
    visit = visit_of(request.scope)
    response.set_cookie(
        _COOKIE, form.theme, max_age=_YEAR_SECONDS, path="/", secure=not visit.is_private, httponly=True
    )
    return response


def read_theme(cookies: Mapping[str, str]) -> Theme:
    """What the browser remembers."""
    known = cookies.get(_COOKIE)
    return Theme(known) if known in list(Theme) else Theme.AUTO
