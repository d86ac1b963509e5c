"""Whatever somebody may see: lists, counts and cursors tell of that, and of nothing else."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monarq.dashboard.access.caller import Caller, Means
from monarq.dashboard.access.grants import GRANTS
from monarq.dashboard.access.ownership import owner_tag
from monarq.dashboard.access.permissions import Permission
from monarq.dashboard.access.scope import Resource
from monarq.dashboard.services.job_sections import Order
from monarq.jobs.store.job_filter import JobFilter
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.queues import announce

from .house import House
from .shelf import Shelf

QUEUES = ["mail", "mail.bulk", "default", "ma_l"]
KINDS = ["mail.send", "mail.drop", "order.ship", "m%il"]
OWNERS = ["user:1", "user:2", None]
#: Every one of them twice: waiting, and ended.
JOBS = [(queue, kind, owner) for queue in QUEUES for kind in KINDS[:3] for owner in OWNERS]
PATTERNS = ["*", "mail", "mail*", "*.send", "ma_l", "m*l", "order.ship", "default", "x*"]

grants = st.lists(
    st.fixed_dictionaries(
        {
            "permissions": st.lists(
                st.sampled_from(["jobs:read", "jobs:read:own", "jobs:payload", "jobs:payload:own"]),
                min_size=1,
                max_size=2,
            )
        },
        optional={
            "queues": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
            "kinds": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        },
    ),
    min_size=1,
    max_size=3,
)


def job_id(place: str, number: int) -> str:
    return f"{place}-{number:03}"


@pytest.fixture
async def shelved(house: House, database_url: str) -> AsyncIterator[House]:
    shelf = Shelf(house.services.link, database_url)
    await announce(house.services.link, [queue_keys(name) for name in QUEUES])
    ends: list[dict[str, Any]] = []
    for number, (queue, kind, owner) in enumerate(JOBS):
        tags = ("eu",) if owner is None else ("eu", owner_tag(owner))
        await shelf.wait(job_id("waits", number), queue=queue, kind=kind, tags=tags, n=number)
        ends.append(
            {
                "job_id": job_id("ended", number),
                "queue": queue,
                "kind": kind,
                "tags": list(tags),
                "state": "dead",
                "error_type": "E",
                "error_message": f"secret{number}",
            }
        )
    await shelf.end(*ends)
    return house


def a_caller(given_grants: list[dict[str, Any]], bounds: list[dict[str, Any]] | None) -> Caller:
    return Caller(
        subject="user:1",
        name="ann",
        grants=GRANTS.validate_python(given_grants),
        means=Means.SESSION,
        bounds=None if bounds is None else GRANTS.validate_python(bounds),
    )


async def seen(house: House, caller: Caller, search: JobSearch, order: Order, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await house.services.search.page(caller, search, order=order, cursor=cursor, limit=limit)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


async def check(house: House, caller: Caller, limit: int, order: Order) -> None:
    guard = house.services.guard
    reads = await guard._authorizer.scope_of(caller, Permission.JOBS_READ)
    words = await guard._authorizer.scope_of(caller, Permission.JOBS_PAYLOAD)
    if not reads:
        return
    expected, readable = set(), set()
    for number, (queue, kind, owner) in enumerate(JOBS):
        resource = Resource(queue=queue, kind=kind, owner=owner)
        if reads.covers(resource):
            expected.add(number)
            if words.covers(resource):
                readable.add(number)
    found = await seen(house, caller, JobSearch(), order, limit)
    places = ("waits", "ended") if order is Order.STATE else ("ended",)
    assert sorted(row.id for row in found) == sorted(job_id(place, n) for place in places for n in expected)
    for row in found:
        if row.id.startswith("ended"):
            may_read = int(row.id[-3:]) in readable
            assert row.error_message == (f"secret{int(row.id[-3:])}" if may_read else None)
        assert row.tags == ["eu"]
    counted = await house.services.search.count(caller, JobSearch())
    assert (counted.number, counted.is_capped) == (2 * len(expected), False)
    if words:
        # nobody finds by words what they must not read
        wanted = JobSearch(filter=JobFilter(text="secret*"))
        by_words = await seen(house, caller, wanted, Order.STATE, limit)
        assert sorted(row.id for row in by_words) == sorted(job_id("ended", n) for n in readable)
    for queue in QUEUES:
        in_queue = await house.services.search.count(caller, JobSearch(filter=JobFilter(queue=queue)))
        assert in_queue.number == 2 * sum(JOBS[n][0] == queue for n in expected)


async def test_a_list_holds_what_its_caller_may_see_and_nothing_else(shelved: House) -> None:
    calls: list[tuple[Any, ...]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(grants, st.none() | grants, st.integers(1, 30), st.sampled_from([Order.STATE, Order.ENDED]))
    def draw(given_grants: Any, bounds: Any, limit: int, order: Order) -> None:
        calls.append((given_grants, bounds, limit, order))

    draw()
    for given_grants, bounds, limit, order in calls:
        try:
            await check(shelved, a_caller(given_grants, bounds), limit, order)
        except AssertionError as error:
            raise AssertionError(f"for {given_grants}, {bounds}, {limit}, {order}: {error}") from error


async def test_who_must_not_see_what_jobs_hold_cannot_look_for_it(shelved: House) -> None:
    viewer = await shelved.program({"role": "viewer"})
    for query in ("error=secret1", "args=n%3D1", "q=error:secret1", "q=args.n:1"):
        answer = await viewer.get(f"/v1/jobs?{query}")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert "secret" not in (await viewer.get("/v1/jobs?limit=200")).text


async def test_a_cursor_does_not_show_where_it_stands(shelved: House) -> None:
    """It may stand at a job that its holder must not see."""
    admin = await shelved.program({"role": "admin"})
    cursor = (await admin.get("/v1/jobs?limit=1")).json()["next"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b"waits" not in raw
    assert b"waits" not in cursor.encode()
