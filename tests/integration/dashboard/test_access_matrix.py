"""Every route with every role: what the table says is allowed is allowed, and nothing else is.

The routes are those of the app, so that a new one is in the matrix without being named here; its need is
said with
it.  What is sent is wrong on purpose (no body, ids that are not there): who may ask is judged before that.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from monarq.dashboard.access.permissions import Permission
from monarq.dashboard.access.roles import BUILT_IN
from monarq.dashboard.app import ROUTERS
from monarq.dashboard.routes.events import SOCKET
from monarq.dashboard.routes.guarded import Guarded, needs
from monarq.jobs.errors import DefinitionError

from .house import ORIGIN, House

ROUTES = sorted(
    (method, route.path, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, Guarded)
    for method in route.methods
)
IDS = [f"{method} {path}" for method, path, _ in ROUTES]
#: What is open to anybody, and to every caller.  A route that joins these lists is a decision.
PUBLIC = {
    "GET /livez",
    "GET /readyz",
    "GET /startupz",
    "GET /.well-known/jwks.json",
    "POST /v1/sessions",
    "GET /login/{secret}",
    "POST /login/{secret}",
    "GET /login",
    "POST /login",
    "POST /theme",
    "GET /static/{name:path}",
}
OWN_AFFAIRS = {
    "POST /job-views",  # searches that somebody keeps for themselves
    "POST /job-views/forget",
    "GET /events",  # which of a page's topics have changed: of each, only what the caller may see
    "GET /v1/me",
    "PUT /v1/me/password",
    "GET /v1/openapi.json",
    "GET /v1/sessions",
    "DELETE /v1/sessions/current",
    "DELETE /v1/sessions/{session_id}",
    "POST /v1/access-tokens",
    "GET /settings",
    "POST /logout",
    "GET /settings/api",
    "POST /settings/password",
    "POST /settings/sessions/others/end",
    "POST /settings/sessions/{session_id}/end",
}


def concrete(path: str) -> str:
    return path.replace("{queue:path}", "mail").replace(":path", "").replace("{", "").replace("}", "")


async def ask(client: Any, method: str, path: str) -> Any:
    if method not in ("POST", "PATCH", "PUT"):
        return await client.request(method, concrete(path))
    if path.startswith("/v1/"):
        return await client.request(method, concrete(path), json={})
    form = {"content-type": "application/x-www-form-urlencoded"}
    return await client.request(method, concrete(path), content="", headers=form)


def code_of(answer: Any) -> str:
    """What went wrong, as programs are told and as a page tells it; a page that asks for a login says so."""
    if answer.headers.get("location", "").startswith("/login"):
        return "not_authenticated"
    if answer.headers.get("content-type", "").startswith("text/html"):
        told = re.search(r"\d{3} ([a-z_]+) · request", answer.text)
        return told[1] if told else ""
    return str(answer.json()["code"])


def is_refused(path: str, answer: Any) -> bool:
    """Whether the permission lacks; who may not see the overview is led to the first page that they may."""
    if path == "/" and answer.status_code == 303:
        return True
    return bool(answer.status_code == 403 and code_of(answer) == "not_permitted")


def test_every_route_says_what_it_needs() -> None:
    assert len(ROUTES) > 15
    public = {name for name, (_, _, route) in zip(IDS, ROUTES, strict=True) if route.is_public}
    own = {
        name
        for name, (_, _, route) in zip(IDS, ROUTES, strict=True)
        if route.permission is None and not route.is_public
    }
    assert public == PUBLIC
    assert own == OWN_AFFAIRS
    # the WebSocket has its own tests: test_events.py
    others = [route for router in ROUTERS for route in router.routes if not isinstance(route, Guarded)]
    assert others == [SOCKET]


def test_what_changes_something_needs_a_permission_to_change() -> None:
    looks = {
        name
        for name, (method, _, route) in zip(IDS, ROUTES, strict=True)
        if method != "GET" and route.permission is not None and not route.permission.changes_something
    }
    assert looks == set()


def test_a_route_that_says_nothing_cannot_be_made() -> None:
    router = APIRouter(route_class=Guarded)
    with pytest.raises(DefinitionError, match="say what it needs"):
        router.get("/v1/secrets")(lambda: None)
    router.get("/v1/secrets", openapi_extra=needs(Permission.AUDIT_READ))(lambda: None)
    assert isinstance(router.routes[0], APIRoute)


async def test_who_shows_no_identity_gets_nothing(house: House) -> None:
    nobody = house.client()
    for method, path, route in ROUTES:
        answer = await ask(nobody, method, path)
        is_refused = answer.status_code in (401, 303) and code_of(answer) == "not_authenticated"
        assert is_refused != route.is_public, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize("role", [*BUILT_IN, None])
async def test_a_role_opens_the_routes_that_it_names_and_no_others(house: House, role: str | None) -> None:
    secret, _ = await house.token(*([{"role": role}] if role else []))
    wrong = []
    for method, path, route in ROUTES:
        if route.is_public:
            continue
        answer = await ask(house.client(authorization=f"Bearer {secret}"), method, path)
        held = BUILT_IN[role].anywhere | BUILT_IN[role].own if role else frozenset()
        allowed = route.permission is None or route.permission in held
        # a token is the wrong means for some routes, whatever it may do
        refused = is_refused(path, answer)
        if refused == allowed or (answer.status_code >= 500 and code_of(answer) != "not_set_up"):
            wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
    assert wrong == []


async def test_a_single_permission_opens_its_own_routes_only(house: House) -> None:
    wrong = []
    for permission in {route.permission for _, _, route in ROUTES if route.permission}:
        program = await house.program({"permissions": [permission]})
        for method, path, route in ROUTES:
            if route.permission is None:
                continue
            answer = await ask(program, method, path)
            if route.permission is not permission and not is_refused(path, answer):
                wrong.append(f"{permission} {method} {path}: {answer.status_code}")
    assert wrong == []


async def test_a_read_only_dashboard_refuses_every_change_to_an_admin(open_house: Callable[..., Any]) -> None:
    house = await open_house(read_only=True)
    program = await house.program({"role": "admin"})
    for method, path, route in ROUTES:
        if route.permission is not None:
            answer = await ask(program, method, path)
            is_refused = answer.status_code == 403 and code_of(answer) == "read_only"
            assert is_refused == route.permission.changes_something, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize(
    "path",
    ["//v1/queues", "/v1//queues", "/V1/queues", "/v1/queues/", "/v1/queues%2f", "/v1/./users", "/v1/users/"],
)
async def test_a_path_that_looks_like_another_opens_nothing(house: House, path: str) -> None:
    viewer = await house.program({"role": "viewer"})
    # whole, or the first part of `//v1/queues` would be taken for a host
    assert (await viewer.get(ORIGIN + path)).status_code in (403, 404)
    assert (await house.client().get(ORIGIN + path)).status_code in (401, 404)
