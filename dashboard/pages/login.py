"""`/login` and `/logout`: by name and password, or by a link that works once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import Field, SecretStr
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER, HTTP_401_UNAUTHORIZED

from ..auth.passwords import LONGEST
from ..cookies import drop_session, read_session, set_session
from ..errors import LoginFailed
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, TheVisit, for_anybody, needs
from ..visit import route_of
from .addresses import safe_next
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

Secret = Annotated[str, Path(max_length=100)]
Next = Annotated[str, Query(max_length=2_000, alias="next")]
_TITLE = "Log in"


class LoginForm(Body):
    """Who wants to log in, and where to go on."""

    name: str = Field(min_length=1, max_length=100)
    password: SecretStr = Field(max_length=LONGEST)
    next: str = Field("/", max_length=2_000)


@router.get("/login", openapi_extra=for_anybody())
async def show_login(request: Request, following: Next = "/") -> Response:
    """Ask for name and password."""
    return await page(request, "login.html", title=_TITLE, following=safe_next(following), name="", fault="")


@router.post("/login", openapi_extra=for_anybody())
async def log_in(
    form: Annotated[LoginForm, Form()], request: Request, services: TheServices, visit: TheVisit
) -> Response:
    """Log in, and go on to where somebody wanted to go."""
    following = safe_next(form.next)
    try:
        secret, _ = await services.logins.by_password(
            form.name,
            form.password.get_secret_value(),
            visit.address,
            agent=request.headers.get("user-agent", ""),
            old=read_session(request.cookies, visit),
        )
    except LoginFailed as failed:
        services.ground.meters.refuse(failed, route_of(request.scope))
        return await page(
            request,
            "login.html",
            title=_TITLE,
            status=HTTP_401_UNAUTHORIZED,
            following=following,
            name=form.name,
            fault="Name and password do not fit, or the account is disabled.",
        )
    response = RedirectResponse(request.scope.get("root_path", "") + following, HTTP_303_SEE_OTHER)
    set_session(response, visit, secret)
    return response


@router.get("/login/{secret}", openapi_extra=for_anybody())
async def show_login_once(secret: Secret, request: Request) -> Response:
    """Ask for a click: what looks at links by itself, a chat say, must not use the login up."""
    return await page(request, "login_once.html", title=_TITLE, secret=secret)


@router.post("/login/{secret}", openapi_extra=for_anybody())
async def log_in_once(secret: Secret, request: Request, services: TheServices, visit: TheVisit) -> Response:
    """Log in whom the link is for, once."""
    shown, _ = await services.logins.by_link(
        secret,
        visit.address,
        agent=request.headers.get("user-agent", ""),
        old=read_session(request.cookies, visit),
    )
    response = go_on(request, "/")
    set_session(response, visit, shown)
    return response


@router.post("/logout", openapi_extra=needs(None))
async def log_out(caller: TheCaller, request: Request, services: TheServices, visit: TheVisit) -> Response:
    """End this login."""
    await services.logins.log_out(caller)
    response = go_on(request, "/login")
    drop_session(response, visit)
    return response
