"""The HTTP app: routes and pages, and around them what holds for every request.

    Front       makes a visit of the request, adds headers to every answer, tells what nobody has caught
      checks    host, origin, media type                                       csrf.py, media.py, visit.py
        FastAPI routes, each closed unless it says for whom it is open         routes/, pages/

It can be mounted below any path of another ASGI app:

    services = open_services(load_settings(), load_dashboard_settings())
    app.mount("/monarq", create_app(services))

A new resource is a service (`services/`), a router of `Guarded` routes (`routes/`) and its line in `ROUTERS`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, status
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monarq.jobs.errors import MonarqError

from .addresses import check_address
from .csrf import check_origin
from .headers import add_headers
from .media import check_media, path_of
from .mounting import Place
from .openapi import told_as_it_is
from .pages import audit as audit_page
from .pages import chosen_jobs, failures, files, job, job_search, job_views, login, overview, settings, theme
from .pages import dead_letters as dead_letters_page
from .pages import insights as insights_page
from .pages import kinds as kind_pages
from .pages import operations as operations_page
from .pages import queues as queue_pages
from .pages import workers as worker_pages
from .pages.telling import tell, tell_all_errors
from .problems import ProblemDocument, problem_of
from .request_id import current_request_id
from .routes import (
    audit,
    completions,
    dead_letters,
    documentation,
    enqueuing,
    events,
    fleet,
    insights,
    job_exports,
    job_lists,
    jobs,
    kinds,
    letter_groups,
    metrics,
    operations,
    probes,
    queues,
    sessions,
    tokens,
    users,
    workers,
)
from .services.services import Services
from .visit import Door, Visit, route_of, visit_of

log = structlog.get_logger("monarq.dashboard")

ROUTERS: tuple[APIRouter, ...] = (
    job_search.router,
    chosen_jobs.router,
    job_views.router,
    queues.router,
    letter_groups.router,  # before the letters, one of which could be called so
    dead_letters.router,
    operations.router,
    workers.router,
    fleet.router,
    job_lists.router,
    job_exports.router,
    completions.router,
    enqueuing.router,
    jobs.router,
    kinds.router,
    insights.router,
    tokens.router,
    users.router,
    sessions.router,
    documentation.router,
    events.router,
    audit.router,
    probes.router,
    metrics.router,
    overview.router,
    queue_pages.router,
    worker_pages.router,
    files.router,
    login.router,
    theme.router,
    audit_page.router,
    kind_pages.router,
    job.router,
    insights_page.router,
    failures.router,
    dead_letters_page.router,
    operations_page.router,
    *settings.routers,
)
#: Asked by machines next door, under whatever name they have for us.
_PROBES = ("/livez", "/readyz", "/startupz")
#: How a server lets a WebSocket be refused with a response of its own.
_DENIAL = "websocket.http.response"
_STARTS = ("http.response.start", f"{_DENIAL}.start")
_EVENT_STREAM = "text/event-stream"
_BODIES = ("http.response.body", f"{_DENIAL}.body")


def create_app(services: Services, *, closes_services: bool = False) -> Front:
    """The app over these services.

    Args:
        closes_services: Close them when the server stops; an app that is mounted is told of no stop.
    """
    return Front(create_routes(services, closes_services=closes_services), services)


def create_routes(services: Services, *, closes_services: bool = False) -> FastAPI:
    """The routes alone, without what stands around them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services.ground.runner.wake()
        yield
        if closes_services:
            await services.close()

    app = _Api(lifespan=lifespan, max_body_size=services.settings.max_body_bytes)
    app.state.services = services
    return app


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document: the same for every dashboard."""
    return _Api().openapi()


class _Api(FastAPI):
    """All routes, and how errors are told.  What FastAPI would open by itself stays closed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            title="Monarq",
            version="1",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            responses={"default": {"model": ProblemDocument, "description": "A problem (RFC 9457)."}},
            generate_unique_id_function=lambda route: route.name,
            **options,
        )
        for router in ROUTERS:
            self.include_router(router)
        tell_all_errors(self)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = told_as_it_is(super().openapi())
        return self.openapi_schema


class Front:
    """What every request passes first, and every answer last."""

    def __init__(self, routes: ASGIApp, services: Services) -> None:
        self.routes = routes
        self._largest_bytes = services.settings.max_body_bytes
        self._place = Place(services.settings.url)
        self._door = Door(services.settings.url, services.settings.proxies)
        self._meters = services.ground.meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.routes(scope, receive, send)
            return
        method, scope = scope.get("method", ""), _as_get(self._place.find(scope))
        visit = self._door.enter(scope)
        current_request_id.set(visit.request_id)
        outgoing, began = _Outgoing(scope, send, visit), time.perf_counter()
        try:
            await self._answer(scope, receive, outgoing)
        finally:
            if scope["type"] == "http":
                seconds = None if outgoing.is_stream else time.perf_counter() - began
                self._meters.answered(route_of(scope), method, outgoing.status, seconds)

    async def _answer(self, scope: Scope, receive: Receive, outgoing: _Outgoing) -> None:
        visit = visit_of(scope)
        try:
            self._check(scope, visit)
            await self._routes_for(scope)(scope, receive, outgoing)
        except MonarqError as error:
            self._meters.refuse(error, route_of(scope))
            await outgoing.tell(error, receive)
        except Exception as error:
            log.exception("dashboard.failed", request_id=visit.request_id, path=scope["path"])
            if outgoing.is_cut_off:  # the server must not take the half that was sent for all of it
                raise
            await outgoing.tell(error, receive)

    def _routes_for(self, scope: Scope) -> ASGIApp:
        if path_of(scope):
            return self.routes
        # the prefix alone, without its slash
        return RedirectResponse(scope["path"] + "/", status.HTTP_308_PERMANENT_REDIRECT)

    def _check(self, scope: Scope, visit: Visit) -> None:
        if path_of(scope) in _PROBES:
            return
        self._door.check_host(visit)
        check_address(scope)
        check_origin(scope, visit)
        check_media(scope, largest_bytes=self._largest_bytes)


def _as_get(scope: Scope) -> Scope:
    """HEAD is GET without its body (RFC 9110, 9.3.2), which the server leaves out."""
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope


class _Outgoing:
    """Sends the answer, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, visit: Visit) -> None:
        self._scope = scope
        self._send = send
        self._visit = visit
        self._has_begun = self._has_ended = False
        #: None until it is told.
        self.status: int | None = None
        #: It is open for as long as somebody listens.
        self.is_stream = False

    @property
    def is_cut_off(self) -> bool:
        """Whether a part of the answer was sent, but not all."""
        return self._has_begun and not self._has_ended

    async def __call__(self, message: Message) -> None:
        self._has_begun = True
        if message["type"] in _STARTS:
            headers = MutableHeaders(scope=message)
            add_headers(headers, self._visit, self._scope["state"])
            self.status = message["status"]
            self.is_stream = headers.get("content-type", "").startswith(_EVENT_STREAM)
        if message["type"] in _BODIES:
            self._has_ended = not message.get("more_body", False)
        await self._send(message)

    async def tell(self, error: Exception, receive: Receive) -> None:
        """Tell the problem, if nothing was told yet."""
        if self._has_begun:
            return
        if self._scope["type"] == "websocket" and _DENIAL not in self._scope.get("extensions", {}):
            await self({"type": "websocket.close", "code": 1008})
            return
        await tell(problem_of(error), self._scope)(self._scope, receive, self)
