"""What every answer has in common: problems, headers, ids; and where the app can be mounted."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from structlog.testing import capture_logs

from monarq.dashboard.app import ROUTERS, openapi_document
from monarq.dashboard.services.queues import QueueService

from .house import ORIGIN, House

PROBLEM = {"type", "title", "status", "detail", "instance", "code", "request_id"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("PUT", "/v1/queues", 405, "method_not_allowed"),
        ("GET", "/v1/queues", 401, "not_authenticated"),
        ("GET", "/.well-known/openapi.json", 404, "not_found"),
        ("GET", "/v1/docs", 404, "not_found"),
    ],
)
async def test_every_error_is_a_problem(house: House, method: str, path: str, status: int, code: str) -> None:
    answer = await house.client().request(method, path)
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(told) == PROBLEM
    assert (answer.status_code, told["status"], told["code"], told["instance"]) == (
        status,
        status,
        code,
        path,
    )
    assert told["type"] == f"urn:monarq:problem:{code}"
    assert told["request_id"] == answer.headers["x-request-id"]


async def test_a_fault_of_ours_is_told_without_its_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(QueueService, "list", fail)
    program = await house.program({"role": "viewer"})
    with capture_logs() as lines:
        answer = await program.get("/v1/queues")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert "content-security-policy" in answer.headers
    assert [line["request_id"] for line in lines] == [answer.json()["request_id"]]


@pytest.mark.parametrize("path", ["/v1/queues", "/livez", "/nowhere", "/login/x", "/.well-known/jwks.json"])
async def test_every_answer_has_the_headers(house: House, path: str) -> None:
    headers = (await house.client().get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "Sec-Fetch-Site" in headers["vary"]
    assert "server" not in headers
    assert "strict-transport-security" not in headers
    assert headers["cache-control"] == ("public, max-age=300" if "jwks" in path else "no-store")


async def test_with_tls_browsers_are_told_to_keep_to_it(house: House) -> None:
    answer = await house.client(base="https://ops.example.com").get("/livez")
    assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [("abc-123", True), ("x" * 129, False), ("a b", False), ("a\tb", False), ("", False)],
)
async def test_the_id_of_a_request_is_taken_if_it_is_one(house: House, sent: str, is_taken: bool) -> None:
    told = (await house.client(x_request_id=sent).get("/livez")).headers["x-request-id"]
    assert (told == sent) is is_taken
    assert told


async def test_a_parameter_that_nobody_knows_is_refused(house: House) -> None:
    program = await house.program({"role": "admin"})
    for path in ("/v1/queues?limt=3", "/v1/users?limt=3", "/v1/me?role=admin"):
        answer = await program.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
    for value in ("0", "201", "x", "1e9", ""):
        answer = await program.get("/v1/users", params={"limit": value})
        assert answer.status_code == 400
        assert [fault["parameter"] for fault in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("prefix", ["/monarq", "/a/b"])
async def test_it_can_be_mounted_below_any_path(open_house: Callable[..., Any], prefix: str) -> None:
    house = await open_house()
    user = await house.user({"role": "operator"})
    transport = httpx.ASGITransport(Starlette(routes=[Mount(prefix, house.app)]))
    async with httpx.AsyncClient(
        transport=transport, base_url=ORIGIN, headers={"sec-fetch-site": "same-origin"}
    ) as browser:
        secret = await house.services.logins._sessions.offer_login(user.id)
        page = await browser.get(f"{prefix}/login/{secret}")
        assert f'action="{prefix}/login/{secret}"' in page.text
        assert (await browser.post(f"{prefix}/login/{secret}")).headers["location"] == f"{prefix}/"
        paused = await browser.post(f"{prefix}/v1/queues/mail/pause", json={"why": "x"})
        assert paused.status_code == 200, paused.text
        form = {"content-type": "text/plain"}
        assert (
            await browser.post(f"{prefix}/v1/queues/mail/pause", content="{}", headers=form)
        ).status_code == 415
        assert (await browser.get(f"{prefix}/livez")).status_code == 200
        made = await browser.post(f"{prefix}/v1/sessions", json={"name": "x", "password": "y"})
        assert made.json()["instance"] == f"{prefix}/v1/sessions"


async def test_the_document_names_every_route_and_what_it_needs(house: House) -> None:
    document = openapi_document()
    assert document["openapi"].startswith("3.1")
    assert (await (await house.program()).get("/v1/openapi.json")).json() == document
    operations = {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    shown = [
        route for router in ROUTERS for route in router.routes if getattr(route, "include_in_schema", False)
    ]
    assert len(operations) == len(shown)
    assert all("x-permission" in operation for operation in operations.values())
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(ids) == len(set(ids))


async def test_probes_tell_whether_the_stores_are_there_and_no_more(house: House) -> None:
    client = house.client()
    assert (await client.get("/livez")).json() == {"alive": True}
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "checks": {"redis": "ok", "postgres": "ok"}},
    )
