"""Every filter of dead letters walks an index: PostgreSQL says so itself."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from monarq.jobs.store.audit_filter import AuditFilter
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.postgres import letter_search as search
from monarq.jobs.store.postgres.audit_search import acts_query
from monarq.jobs.store.postgres.query import Query
from monarq.jobs.store.postgres.statements import statement
from tests.postgres import PostgresServer, run_sql

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FINGERPRINT = f"{7:016x}"
LETTERS = 40_000
A_FEW = LETTERS / 50
_FILL = """
INSERT INTO monarq.dead_letters (
    job_id, died_at, queue, queue_entry, kind, rank, fingerprint, starts, body, attempts, searchable, moved_at
)
SELECT
    'job' || n, $1::timestamptz + n * interval '1 second', 'queue' || n % 4, 'queue' || n % 4,
    'kind' || n % 100, 2, lpad(to_hex(n % 50), 16, '0'), 1, '{}', ARRAY['{}'::bytea],
    'job' || n || repeat(' some traceback', 20), now()
FROM generate_series(1, $2) AS n
"""
FILTERS = {
    "all": LetterFilter(),
    "kind": LetterFilter(kind="kind5"),
    "fingerprint": LetterFilter(fingerprint=FINGERPRINT),
    "since": LetterFilter(since=BEGAN + timedelta(seconds=39_900)),
    "until": LetterFilter(until=BEGAN + timedelta(seconds=100)),
    "text": LetterFilter(text="job39999"),
    "kind and text": LetterFilter(kind="kind5", text="traceback"),
    "kind and since": LetterFilter(kind="kind5", since=BEGAN + timedelta(seconds=39_000)),
}


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> str:
    url = postgres.new_database()
    run_sql(url, _FILL, BEGAN, LETTERS)
    run_sql(url, "VACUUM ANALYZE monarq.dead_letters")
    return url


@pytest.fixture
async def connection(filled: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(filled)
    yield connection
    await connection.close()


async def plan_of(connection: asyncpg.Connection, query: Query) -> list[dict[str, Any]]:
    """The nodes of the plan, from the root down."""
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *query.parameters)
    return list(_nodes(json.loads(found)[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def assert_by_index(nodes: list[dict[str, Any]]) -> None:
    """No walk over all letters.  A few that a filter has found may be sorted, never all of them."""
    assert [node["Node Type"] for node in nodes if "Seq Scan" in node["Node Type"]] == []
    assert [node for node in nodes if node["Node Type"] == "Sort" and node["Plan Rows"] > A_FEW] == []


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("after", [None, ("job20001", 1_767_245_601_000)], ids=["first", "next"])
@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS)
async def test_a_page_is_read_from_an_index_in_its_order(
    connection: asyncpg.Connection, wanted: LetterFilter, after: Any, newest_first: bool
) -> None:
    query = search.page(wanted, "queue1", after, newest_first=newest_first, size=50)
    assert_by_index(await plan_of(connection, query))


@pytest.mark.parametrize("name", ["kind", "fingerprint", "since", "until", "kind and since"])
async def test_groups_of_some_letters_are_counted_by_an_index(
    connection: asyncpg.Connection, name: str
) -> None:
    query = search.groups(FILTERS[name], [f"queue{n}" for n in range(4)], [])
    assert_by_index(await plan_of(connection, query))


async def test_groups_of_all_letters_are_counted_without_reading_one(connection: asyncpg.Connection) -> None:
    for hours_since in (None, BEGAN + timedelta(hours=2)):
        query = search.groups(LetterFilter(), [f"queue{n}" for n in range(4)], [], hours_since)
        nodes = await plan_of(connection, query)
        assert [node["Index Name"] for node in nodes if "Scan" in node["Node Type"]] == [
            "dead_letters_fingerprint"
        ]


@pytest.mark.parametrize("wanted", [LetterFilter(text="nowhere"), LetterFilter(error="KeyError")])
async def test_a_page_of_what_no_index_finds_reads_a_window_of_one(
    connection: asyncpg.Connection, wanted: LetterFilter
) -> None:
    way = {"newest_first": True, "window": 500}
    nodes = await plan_of(connection, search.page(wanted, "queue1", None, size=50, **way))
    assert_by_index(nodes)
    assert max(node["Plan Rows"] for node in nodes if node["Node Type"] == "Limit") <= 500
    assert_by_index(await plan_of(connection, search.end_of_window(wanted, "queue1", None, **way)))


async def test_the_samples_of_groups_are_found_by_an_index(connection: asyncpg.Connection) -> None:
    places = [("queue3", FINGERPRINT, "kind7", BEGAN + timedelta(seconds=7)) for _ in range(200)]
    nodes = await plan_of(connection, search.samples(FILTERS["kind and text"], places))
    assert_by_index(nodes)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("find_dead_letters", (["job7"],)),
        ("lock_dead_letters", (["job7"], [BEGAN])),
        ("delete_dead_letters", (["job7"], [BEGAN])),
        ("prune_dead_letters", ("queue1", BEGAN + timedelta(seconds=9), 100)),
        ("pending_dead_letters", (100,)),
        ("dead_letter_queues", ()),
        ("count_dead_letters", (None,)),
    ],
)
async def test_the_other_statements_walk_an_index(
    connection: asyncpg.Connection, name: str, values: tuple[Any, ...]
) -> None:
    assert_by_index(await plan_of(connection, Query(statement(name), [*values])))


@pytest.mark.parametrize("given", [{}, {"actor": "a"}, {"action": "a"}, {"subject": "a"}], ids=str)
async def test_a_page_of_the_audit_is_read_from_an_index_in_its_order(
    connection: asyncpg.Connection, given: dict[str, str]
) -> None:
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO monarq.audit (actor, action, subject) "
            "SELECT 'a' || n % 50, 'a' || n % 50, 's' || n FROM generate_series(1, 5000) AS n"
        )
        await connection.execute("ANALYZE monarq.audit")
        assert_by_index(
            await plan_of(connection, acts_query(AuditFilter(**given), before=900, after=None, limit=20))
        )
