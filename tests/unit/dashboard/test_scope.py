"""What grants come to."""

from ipaddress import ip_address
from typing import Any

import pytest
from pydantic import ValidationError

from monarq.dashboard.access.authorizer import GrantAuthorizer
from monarq.dashboard.access.caller import Caller, Means
from monarq.dashboard.access.grants import GRANTS, Grant
from monarq.dashboard.access.permissions import Permission as P
from monarq.dashboard.access.roles import BUILT_IN, Role
from monarq.dashboard.access.scope import WHOLE, Area, Resource, Scope

AUTHORIZER = GrantAuthorizer(BUILT_IN)
HERE = ip_address("10.1.2.3")


def caller(*grants: dict[str, Any], **options: Any) -> Caller:
    given = {"subject": "user:1", "name": "ann", "means": Means.SESSION, "address": HERE} | options
    return Caller(grants=GRANTS.validate_python(grants), **given)


async def may(who: Caller, permission: P, **resource: str) -> bool:
    return (await AUTHORIZER.scope_of(who, permission)).covers(Resource(**resource))


async def test_who_has_no_grant_may_do_nothing() -> None:
    assert [permission for permission in P if await AUTHORIZER.scope_of(caller(), permission)] == []


async def test_an_admin_may_do_all_everywhere() -> None:
    admin = caller({"role": "admin"})
    assert all([(await AUTHORIZER.scope_of(admin, one)).covers(WHOLE) for one in P])


async def test_a_viewer_changes_nothing_and_sees_no_payload() -> None:
    viewer = caller({"role": "viewer"})
    held = {permission for permission in P if await AUTHORIZER.scope_of(viewer, permission)}
    assert held == {P.JOBS_READ, P.QUEUES_READ, P.WORKERS_READ, P.METRICS_READ}


async def test_a_limit_by_queue_and_by_kind_holds_together() -> None:
    who = caller({"role": "viewer", "queues": ["mail*"], "kinds": ["email.*"]})
    assert await may(who, P.JOBS_READ, queue="mail.eu", kind="email.send")
    assert not await may(who, P.JOBS_READ, queue="default", kind="email.send")
    assert not await may(who, P.JOBS_READ, queue="mail", kind="webhook.deliver")
    assert not await may(who, P.JOBS_READ, queue="mail")
    assert not await may(who, P.JOBS_READ)


async def test_two_grants_do_not_lend_each_other_their_limits() -> None:
    who = caller(
        {"role": "viewer", "queues": ["a"], "kinds": ["x"]},
        {"role": "viewer", "queues": ["b"], "kinds": ["y"]},
    )
    assert await may(who, P.JOBS_READ, queue="a", kind="x")
    assert not await may(who, P.JOBS_READ, queue="a", kind="y")


async def test_a_producer_sees_only_what_it_has_made() -> None:
    who = caller({"role": "producer"})
    assert await may(who, P.JOBS_READ, queue="a", kind="x", owner="user:1")
    assert not await may(who, P.JOBS_READ, queue="a", kind="x", owner="user:2")
    assert not await may(who, P.JOBS_READ, queue="a", kind="x")
    assert await may(who, P.JOBS_ENQUEUE, queue="a", kind="x")


@pytest.mark.parametrize(("address", "expected"), [("10.9.9.9", True), ("192.168.0.1", False), (None, False)])
async def test_a_grant_for_a_network_holds_for_requests_from_it(address: str | None, expected: bool) -> None:
    who = caller(
        {"role": "viewer", "networks": ["10.0.0.0/8"]}, address=ip_address(address) if address else None
    )
    assert await may(who, P.JOBS_READ) is expected


async def test_a_token_may_do_no_more_than_its_owner() -> None:
    bounds = GRANTS.validate_python([{"role": "viewer", "queues": ["mail"]}])
    token = caller({"role": "admin"}, bounds=bounds)
    assert await may(token, P.QUEUES_READ, queue="mail")
    assert not await may(token, P.QUEUES_READ, queue="default")
    assert not await may(token, P.QUEUES_PAUSE, queue="mail")
    assert not await may(caller({"role": "admin"}, bounds=()), P.QUEUES_READ, queue="mail")


async def test_a_narrowed_credential_may_do_no_more_than_it_was_made_for() -> None:
    who = caller({"role": "admin"}, narrowed_to=frozenset({P.JOBS_READ}))
    assert [one for one in P if await AUTHORIZER.scope_of(who, one)] == [P.JOBS_READ]


async def test_who_is_only_remembered_may_only_look() -> None:
    who = caller({"role": "admin"}, looks_only=True)
    held = {one for one in P if await AUTHORIZER.scope_of(who, one)}
    assert held == {one for one in P if not one.changes_something}


async def test_a_role_that_is_gone_grants_nothing() -> None:
    assert not await may(caller({"role": "on-call"}), P.JOBS_READ)


@pytest.mark.parametrize(
    ("wide", "narrow", "includes"),
    [
        ({}, {}, True),
        ({}, {"queues": ["mail"]}, True),
        ({"queues": ["mail"]}, {}, False),
        ({"queues": ["mail*"]}, {"queues": ["mail.a*", "mail"]}, True),
        ({"queues": ["mail*"]}, {"queues": ["mail", "m*"]}, False),
        ({"kinds": ["a"]}, {"queues": ["mail"]}, False),
        ({"networks": ["10.0.0.0/8"]}, {}, False),
        ({"networks": ["10.0.0.0/8"]}, {"networks": ["10.2.0.0/16"]}, True),
        ({"networks": ["10.0.0.0/8"]}, {"networks": ["::/0"]}, False),
    ],
)
def test_what_a_scope_includes(wide: dict[str, Any], narrow: dict[str, Any], includes: bool) -> None:
    mine, theirs = (
        AUTHORIZER.widest([Grant.model_validate({"role": "viewer"} | limits)], P.JOBS_READ, "user:1")
        for limits in (wide, narrow)
    )
    assert mine.includes(theirs) is includes


def test_what_one_owns_is_not_all() -> None:
    own, all_of_it = Scope((Area(owner="user:1"),)), Scope((Area(),))
    assert all_of_it.includes(own)
    assert not own.includes(all_of_it)
    assert not (own & Scope((Area(owner="user:2"),)))


@pytest.mark.parametrize(
    "grant",
    [
        {},
        {"role": "viewer", "permissions": ["jobs:read"]},
        {"permissions": ["jobs:everything"]},
        {"role": "viewer", "queues": []},
        {"role": "viewer", "queues": ["a b"]},
        {"role": "viewer", "queues": ["[a-z]"]},
        {"role": "viewer", "networks": ["10.0.0.0/40"]},
        {"role": "viewer", "tenant": "x"},
    ],
)
def test_a_grant_that_is_unclear_is_refused(grant: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Grant.model_validate(grant)


def test_roles_are_read_from_words() -> None:
    assert Role.read(["jobs:read", "jobs:cancel:own"]) == Role(
        frozenset({P.JOBS_READ}), own=frozenset({P.JOBS_CANCEL})
    )
    with pytest.raises(ValueError, match="no permission"):
        Role.read(["jobs:own"])


def test_what_permits_to_look_is_told_from_what_changes() -> None:
    looks = {one for one in P if not one.changes_something}
    assert looks == {one for one in P if one.endswith(":read")} | {P.JOBS_PAYLOAD}
