"""Every filter and every order of a search is served by an index: what PostgreSQL says that it would do."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from benchmarks.made_up_history import (
    COMMON_FINGERPRINT,
    NOW,
    OLD_KIND,
    RARE_FINGERPRINT,
    RARE_KIND,
    MadeUpHistory,
    write,
)
from monarq.jobs.store.job_filter import JobFilter, Part, PayloadField, Sort
from monarq.jobs.store.postgres.cursor import Position
from monarq.jobs.store.postgres.query import Query
from monarq.jobs.store.postgres.search import count_query, looks_inside, nearby_query, page_query
from monarq.jobs.store.postgres.statements import statement
from tests.postgres import PostgresServer

#: Of each filter, values that are common, rare, gone or not there, and the column by which they are found.
FILTERS: dict[str, tuple[str, list[Any]]] = {
    "state": ("state", ["succeeded", "dead", "expired"]),
    "queue": ("queue", ["default", "archive", "nowhere"]),
    "kind": ("kind", ["mail.send", RARE_KIND, OLD_KIND, "nothing"]),
    "priority": ("priority", ["normal", "critical"]),
    "tag": ("tags", ["eu", "customer:7", "nobody"]),
    "job_id": ("job_id", ["x", ("x", "y"), f"{7:032x}"]),
    "worker": ("worker", ["worker-0331-1", "worker-0328-1", "nobody"]),
    "fingerprint": ("fingerprint", [COMMON_FINGERPRINT, RARE_FINGERPRINT]),
    "since": ("ended_at", [NOW - timedelta(hours=1), NOW - timedelta(days=2)]),
    "until": ("ended_at", [NOW - timedelta(hours=1), NOW - timedelta(days=2)]),
    "text": ("error_words", ["timeout", "zeb*", "no peer", "zebra"]),
    "payload": (
        "payload",
        [
            (PayloadField("customer.country", "de"),),
            (PayloadField("order", 7),),
            (PayloadField("customer.id", 7, "7"),),
            (PayloadField("no.such", "field"),),
        ],
    ),
    "within": (
        "tags",
        [
            (Part(queues=(("mail*", "archive"),)), Part(tag="customer:7")),
            (Part(queues=(("def*",),), kinds=(("*.send", "image*"),)),),
            (Part(tag="customer:7", kinds=(("mail*",),)), Part(tag="customer:8")),
        ],
    ),
}
#: Several values at once, and filters that are often put together.
TOGETHER = [
    JobFilter(state=("dead", "cancelled", "expired")),
    JobFilter(state=("succeeded", "dead"), kind=(RARE_KIND, "mail.send"), tag="eu"),
    JobFilter(queue=("archive", "mail"), text="timeout", within=(Part(kinds=(("mail*",),)),)),
    JobFilter(tag=("eu", "customer:7")),
    JobFilter(state="succeeded", within=(Part(queues=(("arch*",),)),)),
]
CASES = [JobFilter()] + [JobFilter(**{name: one}) for name, (_, values) in FILTERS.items() for one in values]
CASES += TOGETHER
#: Which are there before anything has ended in them.
DAYS_TO_COME = ("20260401", "20260402")

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def filled_url(postgres: PostgresServer) -> str:
    url = postgres.new_database()

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        await write(connection, MadeUpHistory(40_000, 4))
        await connection.execute("SELECT monarq.make_history_days($1, 2)", NOW.date() + timedelta(days=1))
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    asyncio.run(fill())
    return url


@pytest.fixture
async def connection(filled_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(filled_url)
    yield opened
    await opened.close()


async def plan_of(connection: asyncpg.Connection, query: Query) -> Plan:
    async with connection.transaction():
        await connection.execute(statement("plan_each_search"))
        told = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *query.parameters)
    plan: Plan = json.loads(told)[0]["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def scans(plan: Plan) -> list[Plan]:
    """Where rows come from: index scans, and those of bitmaps.  What reads an empty day costs nothing."""
    found = [node for node in nodes(plan) if "Index Name" in node]
    return [node for node in found if not any(day in node["Index Name"] for day in DAYS_TO_COME)]


def assert_served_by_indexes(plan: Plan) -> None:
    found = list(nodes(plan))
    assert [node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"] == []
    for node in found:
        if node["Node Type"] == "Sort":
            # what is sorted is what an index has found, and not everything
            assert all("Index Cond" in scan for scan in scans(node)), node


def test_every_filter_that_is_offered_is_looked_at() -> None:
    assert set(FILTERS) == {one.name for one in fields(JobFilter)}


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("wanted", CASES, ids=str)
async def test_a_page_is_found_by_indexes(
    connection: asyncpg.Connection, wanted: JobFilter, sort: Sort
) -> None:
    position = Position(None if sort.is_by_time else 100, NOW - timedelta(days=1), "0")
    for after in (None, position):
        assert_served_by_indexes(await plan_of(connection, page_query(wanted, sort, after, 51)))
        assert_served_by_indexes(await plan_of(connection, nearby_query(wanted, sort, after, 51)))


@pytest.mark.parametrize("wanted", CASES[1:], ids=str)
async def test_a_count_is_made_by_indexes(connection: asyncpg.Connection, wanted: JobFilter) -> None:
    assert_served_by_indexes(await plan_of(connection, count_query(wanted, 1_001)))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST])
async def test_the_last_value_of_each_filter_is_found_by_an_index_of_its_own(
    connection: asyncpg.Connection, name: str, sort: Sort
) -> None:
    column, values = FILTERS[name]
    found = scans(await plan_of(connection, page_query(JobFilter(**{name: values[-1]}), sort, None, 51)))
    assert found
    assert all(column in scan["Index Cond"] for scan in found), found


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize(
    "wanted",
    [
        JobFilter(),
        JobFilter(kind="mail.send"),
        JobFilter(state="succeeded"),
        JobFilter(queue="default"),
        JobFilter(priority="normal"),
        JobFilter(tag="eu"),
        JobFilter(payload=(PayloadField("customer.country", "de"),)),
    ],
    ids=str,
)
async def test_what_is_common_is_read_in_its_order_and_no_further_than_the_page(
    connection: asyncpg.Connection, wanted: JobFilter, sort: Sort
) -> None:
    ask = nearby_query if looks_inside(wanted) else page_query
    plan = await plan_of(connection, ask(wanted, sort, None, 51))
    assert "Sort" not in {node["Node Type"] for node in nodes(plan)}, plan


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("kind", ["mail.send", OLD_KIND])
async def test_jobs_of_a_kind_are_never_looked_for_among_all_jobs(
    connection: asyncpg.Connection, kind: str, sort: Sort
) -> None:
    found = scans(await plan_of(connection, page_query(JobFilter(kind=kind), sort, None, 51)))
    assert all("kind" in scan["Index Cond"] for scan in found), found


@pytest.mark.parametrize(
    ("wanted", "sort", "after", "days"),
    [
        (JobFilter(since=NOW - timedelta(hours=1)), Sort.SLOWEST, None, {"20260331"}),
        (JobFilter(until=NOW - timedelta(days=3)), Sort.NEWEST, None, {"20260328"}),
        (JobFilter(), Sort.OLDEST, Position(None, NOW, "0"), {"20260331"}),
        (JobFilter(), Sort.NEWEST, Position(None, NOW - timedelta(days=2), "0"), {"20260328", "20260329"}),
    ],
)
async def test_days_that_cannot_hold_anything_are_left_out(
    connection: asyncpg.Connection, wanted: JobFilter, sort: Sort, after: Position | None, days: set[str]
) -> None:
    plan = await plan_of(connection, page_query(wanted, sort, after, 51))
    assert {scan["Index Name"].split("_")[1] for scan in scans(plan)} == days
