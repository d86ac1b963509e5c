"""The route that all others are: who asks is known, and may ask, before anything of the request is read.

    router = APIRouter(route_class=Guarded)

    @router.get("/v1/queues", openapi_extra=needs(Permission.QUEUES_READ))
    async def list_queues(caller: TheCaller, services: TheServices) -> QueueList: ...

What a route needs is written once, with the route, and shows in the OpenAPI document as `x-permission`.  A
route that says nothing cannot be made.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from monarq.jobs.errors import DefinitionError

from ..access.caller import Caller
from ..access.permissions import Permission
from ..auth.authenticator import Shown
from ..conditional import conditional
from ..cookies import read_session
from ..errors import NotAuthenticated, UnknownParameter
from ..limits import QUOTA, Budget, network_of
from ..services.services import Services
from ..visit import Visit, visit_of
from .segments import ends_with

_NEED = "x-permission"
#: Instead of a permission: anybody whose identity is shown; and anybody at all.
_IDENTITY, _NOTHING = "authenticated", "public"

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def needs(permission: Permission | None) -> dict[str, Any]:
    """`openapi_extra` of a route for callers who hold this permission somewhere; None: for every caller."""
    return {_NEED: permission or _IDENTITY, "security": [{"bearer": []}, {"session": []}]}


def for_anybody() -> dict[str, Any]:
    """`openapi_extra` of a route that asks for no identity."""
    return {_NEED: _NOTHING}


class Guarded(APIRoute):
    """A route that is closed unless it says for whom it is open."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        need = str((self.openapi_extra or {}).get(_NEED))
        if need not in (_IDENTITY, _NOTHING, *Permission):
            raise DefinitionError(f"{path}: say what it needs: openapi_extra=needs(Permission.…)")
        self.need = need

    @property
    def is_public(self) -> bool:
        """Whether it asks for no identity."""
        return self.need == _NOTHING

    @property
    def permission(self) -> Permission | None:
        """What it needs, if that is a permission."""
        return None if self.need in (_NOTHING, _IDENTITY) else Permission(self.need)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the request is for it; what a name holds as `%2F` is no end of the path."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE or ends_with(scope, self.path):
            return match, child_scope
        return Match.NONE, {}

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known = sorted(_query_names(self.dependant))

        async def guarded(request: Request) -> Response:
            if not self.is_public:
                await admit(request, self.permission)
            if not request.query_params.keys() <= set(known):
                raise UnknownParameter(known)
            return conditional(request, await handle(request))

        return guarded


async def admit(request: HTTPConnection, permission: Permission | None) -> Caller:
    """Who asks, if they may, and not too often; the request knows it from then on.

    Raises:
        NotAuthenticated: Nobody knows who asks.
        NotPermitted: They hold the permission nowhere.
        TooManyRequests: They ask too often.
    """
    services, visit = the_services(request), the_visit(request)
    try:
        caller = await services.authenticator.caller(shown_by(request))
    except NotAuthenticated:
        await services.limiter.take(Budget.FAILURE, network_of(visit.address))
        raise
    request.state.caller = caller  # known also to the page that says what they may not
    budget = _budget(request.scope.get("method", "GET"), permission)
    setattr(request.state, QUOTA, await services.limiter.take(budget, caller.subject))
    if permission is not None:
        await services.guard.scope(caller, permission)
    return caller


def _budget(method: str, permission: Permission | None) -> Budget:
    if method == "GET":
        return Budget.READ
    return Budget.ENQUEUE if permission is Permission.JOBS_ENQUEUE else Budget.WRITE


def the_services(request: HTTPConnection) -> Services:
    """What the app stands on."""
    services: Services = request.app.state.services
    return services


def the_visit(request: HTTPConnection) -> Visit:
    """How the request came in."""
    return visit_of(request.scope)


# What routes depend on is `async` throughout: FastAPI sends all else to a thread, which takes longer than it.


async def _services(request: HTTPConnection) -> Services:
    return the_services(request)


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _visit(request: HTTPConnection) -> Visit:
    return the_visit(request)


TheServices = Annotated[Services, Depends(_services)]
TheCaller = Annotated[Caller, Depends(_caller)]
TheVisit = Annotated[Visit, Depends(_visit)]


def _query_names(dependant: Dependant) -> set[str]:
    """Of the parameters that a route takes, and of those that what it depends on takes."""
    own = {param.alias for param in dependant.query_params}
    return own.union(*map(_query_names, dependant.dependencies))


def shown_by(request: HTTPConnection) -> Shown:
    """What the request shows of who sent it."""
    visit = the_visit(request)
    lines = request.headers.getlist("authorization")
    if not lines:
        return Shown(session=read_session(request.cookies, visit), address=visit.address)
    scheme, _, bearer = lines[0].partition(" ")
    is_bearer = len(lines) == 1 and scheme.lower() == "bearer"
    return Shown(bearer=bearer.strip() if is_bearer else "", address=visit.address)
