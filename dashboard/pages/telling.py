"""How a problem is told: to people a page, to programs a document.  People have pages, programs `/v1`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER, HTTP_401_UNAUTHORIZED
from starlette.types import Scope

from monarq.jobs.errors import MonarqError

from ..cookies import read_session
from ..errors import NotAuthenticated, NotPermitted
from ..media import path_of
from ..problems import Problem, problem_of, respond
from ..routes.guarded import admit, shown_by, the_services
from ..visit import route_of, visit_of
from . import addresses
from .rendering import View, bare_view, render, view_of
from .route import pack

_FOR_PROGRAMS = ("/v1/", "/.well-known/", "/static/")
_NO_PAGES = frozenset({"/livez", "/readyz", "/startupz", "/metrics", "/events"})


def is_for_people(scope: Scope) -> bool:
    """Whether who asks for this address reads HTML."""
    path = path_of(scope)
    return not path.startswith(_FOR_PROGRAMS) and path not in _NO_PAGES


def tell(problem: Problem, scope: Scope) -> Response:
    """The problem as whoever asked reads it; nothing is known of them."""
    return _page(problem, scope, bare_view(scope)) if is_for_people(scope) else respond(problem, scope)


def tell_all_errors(app: FastAPI) -> None:
    """Let the app tell every error by this module."""

    async def told(request: Request, error: Exception) -> Response:
        shown = shown_by(request)
        shows_something = shown.bearer is not None or shown.session is not None
        meters, route = the_services(request).ground.meters, route_of(request.scope)
        meters.refuse(error, route, shows_something=shows_something)
        problem = problem_of(error, only_looks=request.scope.get("method") == "GET")
        if not is_for_people(request.scope):
            return respond(problem, request.scope)
        if isinstance(error, NotAuthenticated):
            return _to_login(request)
        view = await _view(request)
        home = _home(view) if isinstance(error, NotPermitted) else None
        return home or pack(request, _page(problem, request.scope, view))

    for kind in (HTTPException, RequestValidationError, MonarqError, Exception):
        app.add_exception_handler(kind, told)


def _home(view: View) -> Response | None:
    """For who logs in but may not see the overview: the first page that they may."""
    if view.path != "/":
        return None
    address = addresses.build(view.root, view.navigation()[0][0].path)
    return RedirectResponse(address, HTTP_303_SEE_OTHER)


async def _view(request: Request) -> View:
    has_login = read_session(request.cookies, visit_of(request.scope)) is not None
    try:
        if has_login and not hasattr(request.state, "caller"):  # an address that there is not
            await admit(request, None)
        return await view_of(request)
    except MonarqError:  # who asks, or what they may see, cannot be known
        return bare_view(request.scope)


def _page(problem: Problem, scope: Scope, view: View) -> Response:
    html = render(
        view,
        "problem.html",
        title=problem.code.replace("_", " ").capitalize(),
        problem=problem,
        request_id=visit_of(scope).request_id,
    )
    return HTMLResponse(html, problem.status, dict(problem.headers))


def _to_login(request: Request) -> Response:
    scope = request.scope
    root = scope.get("root_path", "")
    seen = addresses.here_of(scope) if request.method == "GET" else None
    login = addresses.build(root, "/login", next=None if seen in (None, "/") else seen)
    if "hx-request" in request.headers:
        # a part of a page was asked for: the whole of it must go there
        return Response(status_code=HTTP_401_UNAUTHORIZED, headers={"hx-redirect": login})
    return RedirectResponse(login, HTTP_303_SEE_OTHER)
