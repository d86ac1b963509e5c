"""What a grant does not cover is not there, on any path: asked by its very id, in lists, counts and bodies.

The routes are those of the OpenAPI document, so that a new one is asked without being named here; a new sort
of id must be told by `tenants.py`.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monarq.dashboard.access.roles import BUILT_IN
from tests.integration.worker.deadlines import eventually

from .house import House
from .operations import Operation, operations, strings_in
from .tenants import MARK, OWN, OWN_QUEUE, QUEUE, Tenant, two_tenants

OPERATIONS = list(operations())
#: Answers that never end are asked elsewhere; these concern the asker's own login.
LEFT_OUT = {"DELETE /v1/sessions/current", "POST /v1/sessions", "PUT /v1/me/password"}
ASKED = [one for one in OPERATIONS if str(one) not in LEFT_OUT]
WITH_AN_ID = [one for one in ASKED if one.places("path")]
#: For ids that are not there, of the shape that the real ones have.
MISSING = {"queue": "acme.none", "kind": "acme.none", "fingerprint": "0" * 16}
_BY_WORKERS = (b"monarq:worker:", b"monarq:ended:", b"monarq:series:")
NOWHERE = "0" * 32


@pytest.fixture
async def tenant(house: House) -> AsyncIterator[Tenant]:
    async with two_tenants(house) as made:
        yield made


def names_of(operation: Operation, tenant: Tenant) -> list[dict[str, str]]:
    """Every way to fill its path with what is hidden."""
    found: list[dict[str, str]] = [{}]
    for name in operation.places("path"):
        found = [{**one, name: value} for one in found for value in tenant.ids[name]]
    return found


async def ask(client: httpx.AsyncClient, operation: Operation, values: dict[str, str]) -> httpx.Response:
    return await client.request(operation.method, operation.filled(values), json=operation.sample())


def told(answer: httpx.Response) -> dict[str, Any]:
    """A problem without what names the request."""
    return {**answer.json(), "instance": "", "request_id": ""}


async def everything(house: House, tenant: Tenant) -> dict[bytes, Any]:
    """All that Redis keeps of the hidden tenant's jobs, save what their worker renews."""
    call = house.services.link.call
    words = [MARK, *tenant.ids["job_id"]]
    found = {key for word in words for key in await call("KEYS", f"*{word}*")}
    # what workers write by themselves: reports, samples, ends on their way into the history
    keys = {key for key in found if not key.startswith(_BY_WORKERS)}
    held = {}
    for key in sorted(keys):
        if await call("TYPE", key) == b"zset":
            found = await call("ZRANGE", key, 0, -1, "WITHSCORES")
            scores = dict(zip(found[::2], found[1::2], strict=True))
            held[key] = {member: at for member, at in scores.items() if member.decode() != tenant.running}
        else:
            held[key] = await call("DUMP", key)
    return held


async def test_what_is_hidden_is_answered_like_what_is_not_there(house: House, tenant: Tenant) -> None:
    program = await house.program({"role": "admin", **OWN})
    before = await everything(house, tenant)
    wrong = []
    for operation in WITH_AN_ID:
        nowhere = {name: MISSING.get(name, NOWHERE) for name in operation.places("path")}
        missing = await ask(program, operation, nowhere)
        for values in names_of(operation, tenant):
            answer = await ask(program, operation, values)
            if answer.status_code not in (403, 404) or told(answer) != told(missing):
                wrong.append(f"{operation} {values}: {answer.status_code} {answer.text}, not {missing.text}")
    assert wrong == []
    assert await everything(house, tenant) == before


@pytest.mark.parametrize("grant", [{"role": "admin", **OWN}, {"role": "viewer", **OWN, "kinds": ["acme.*"]}])
async def test_no_answer_tells_of_another_tenant(house: House, tenant: Tenant, grant: dict[str, Any]) -> None:
    program = await house.program(grant)
    wrong, seen = [], 0
    for operation in ASKED:
        if operation.changes_something or operation.places("path"):
            continue
        answer = await program.get(operation.path)
        seen += answer.status_code == 200
        if MARK in answer.text or any(job_id in answer.text for job_id in tenant.ids["job_id"]):
            wrong.append(f"{operation}: {answer.text}")
    assert wrong == []
    assert seen > 3
    assert (await program.get(f"/v1/queues/{OWN_QUEUE}")).status_code == (404 if "kinds" in grant else 200)


async def test_no_parameter_finds_what_is_hidden(house: House, tenant: Tenant) -> None:
    program = await house.program({"role": "admin", **OWN})
    hidden = [value for values in tenant.ids.values() for value in values[:2]] + [MARK, f"{MARK}-tag"]
    wrong = []
    for operation in ASKED:
        if operation.changes_something or operation.places("path"):
            continue
        for name in operation.places("query"):
            for value in hidden:
                answer = await program.get(operation.path, params={name: value})
                rest = answer.text.replace(value, "")
                if MARK in rest or any(job_id in rest for job_id in tenant.ids["job_id"]):
                    wrong.append(f"{operation} {name}={value}: {answer.text}")
    assert wrong == []


async def test_no_body_reaches_what_is_hidden(house: House, tenant: Tenant) -> None:
    program = await house.program({"role": "admin", **OWN})
    before, wrong = await everything(house, tenant), []
    for operation in ASKED:
        if operation.body is None or operation.places("path"):
            continue
        for name in strings_in(operation.body):
            for value in [QUEUE, *tenant.ids["kind"], *tenant.ids["job_id"]]:
                sent = {**operation.sample(), name: value}
                answer = await program.request(operation.method, operation.path, json=sent)
                if MARK in answer.text.replace(value, ""):
                    wrong.append(f"{operation} {sent}: {answer.text}")
    assert wrong == []
    assert await everything(house, tenant) == before


@pytest.mark.parametrize("role", BUILT_IN)
async def test_a_role_for_some_queues_is_no_role_for_others(house: House, tenant: Tenant, role: str) -> None:
    program = await house.program({"role": role, **OWN})
    held = BUILT_IN[role].anywhere | BUILT_IN[role].own
    before = await everything(house, tenant)
    wrong = []
    for operation in WITH_AN_ID:
        for values in names_of(operation, tenant):
            answer = await ask(program, operation, values)
            may_ask = operation.permission in held or operation.permission == "authenticated"
            if answer.status_code not in ((403, 404) if may_ask else (403,)):
                wrong.append(f"{role} {operation} {values}: {answer.status_code} {answer.text}")
    assert wrong == []
    assert await everything(house, tenant) == before


async def test_the_hidden_tenant_itself_sees_all_of_it(house: House, tenant: Tenant) -> None:
    """Else the rules above would hold for an empty house."""
    program = await house.program({"role": "admin", "queues": [f"{MARK}.*"]})
    [worker] = tenant.ids["worker"]

    async def tells_of_its_worker() -> bool:  # a look of the second before may not know it yet
        return (await program.get(f"/v1/workers/{worker}")).status_code == 200

    await eventually(tells_of_its_worker)
    missing = []
    for operation in WITH_AN_ID:
        if operation.changes_something or operation.places("path")[0] in (
            "user_id",
            "token_id",
            "session_id",
        ):
            continue
        answers = [await ask(program, operation, values) for values in names_of(operation, tenant)]
        if all(answer.status_code == 404 for answer in answers):
            missing.append(f"{operation}: {answers[0].text}")
    assert missing == []


def test_every_operation_can_be_asked() -> None:
    assert {str(one) for one in OPERATIONS} >= LEFT_OUT
    assert len(WITH_AN_ID) > 5
