"""What a search of the history finds, page by page, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from operator import itemgetter
from typing import Any

import asyncpg
import pytest
from pydantic_core import from_json

from benchmarks.made_up_history import (
    COLUMNS,
    COMMON_FINGERPRINT,
    NOW,
    OLD_KIND,
    RARE_FINGERPRINT,
    MadeUpHistory,
    copy,
    write,
)
from monarq.jobs.settings import Settings
from monarq.jobs.store.job_filter import JobFilter, Part, PayloadField, Sort
from monarq.jobs.store.postgres import open_database, search
from monarq.jobs.store.postgres.history_reader import HistoryReader
from tests.postgres import PostgresServer

pytestmark = pytest.mark.every_postgres

HISTORY = MadeUpHistory(4_000, 3)
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in HISTORY.rows()]

Fits = Callable[[dict[str, Any]], bool]

SEARCHES: list[tuple[JobFilter, Fits]] = [
    (JobFilter(), lambda row: True),
    (JobFilter(state="dead"), lambda row: row["state"] == "dead"),
    (JobFilter(queue="mail"), lambda row: row["queue"] == "mail"),
    (JobFilter(kind=OLD_KIND), lambda row: row["kind"] == OLD_KIND),
    (JobFilter(priority="critical"), lambda row: row["priority"] == "critical"),
    (JobFilter(tag="eu"), lambda row: "eu" in row["tags"]),
    (JobFilter(tag="none"), lambda row: False),
    (JobFilter(worker="worker-0330-3"), lambda row: row["worker"] == "worker-0330-3"),
    (JobFilter(fingerprint=COMMON_FINGERPRINT), lambda row: row["fingerprint"] == COMMON_FINGERPRINT),
    (JobFilter(fingerprint=RARE_FINGERPRINT), lambda row: row["fingerprint"] == RARE_FINGERPRINT),
    (
        JobFilter(since=NOW - timedelta(hours=30), until=NOW - timedelta(hours=2)),
        lambda row: NOW - timedelta(hours=30) <= row["ended_at"] < NOW - timedelta(hours=2),
    ),
    (JobFilter(text="TIMEOUT answer"), lambda row: row["error_type"] == "httpx.ReadTimeout"),
    (JobFilter(text="httpx.ReadTime*"), lambda row: row["error_type"] == "httpx.ReadTimeout"),
    (JobFilter(text="invoice_number"), lambda row: row["error_type"] == "KeyError"),
    (JobFilter(text="time"), lambda row: False),
    (
        JobFilter(payload=(PayloadField("customer.country", "fr"),)),
        lambda row: from_json(row["payload"])["customer"]["country"] == "fr",
    ),
    (
        JobFilter(payload=(PayloadField("order", 1234),)),
        lambda row: from_json(row["payload"])["order"] == 1234,
    ),
    (JobFilter(payload=(PayloadField("order", "1234"),)), lambda row: False),
    (
        JobFilter(payload=(PayloadField("lines[].sku", "sku-7"),)),
        lambda row: {"sku": "sku-7"} in from_json(row["payload"])["lines"],
    ),
    (
        JobFilter(state=("dead", "cancelled"), queue=("mail", "archive", "nowhere")),
        lambda row: row["state"] in ("dead", "cancelled") and row["queue"] in ("mail", "archive"),
    ),
    (
        JobFilter(kind=("image.resize", "mail.send"), tag="eu", state=("succeeded", "dead")),
        lambda row: (
            row["kind"] in ("image.resize", "mail.send")
            and "eu" in row["tags"]
            and row["state"] in ("succeeded", "dead")
        ),
    ),
    (JobFilter(job_id=(f"{7:032x}", f"{9:032x}", "x")), lambda row: int(row["job_id"], 16) in (7, 9)),
    (
        JobFilter(tag=("eu", "customer:3")),
        lambda row: {"eu", "customer:3"} <= set(row["tags"]),
    ),
    (
        JobFilter(payload=(PayloadField("order", 1234, "1234"),)),
        lambda row: from_json(row["payload"])["order"] == 1234,
    ),
    (
        JobFilter(
            within=(Part(queues=(("ma*", "x"),), kinds=(("*.s*d",), ("m*",))), Part(tag="customer:3")),
        ),
        lambda row: (row["queue"] == "mail" and row["kind"] == "mail.send") or "customer:3" in row["tags"],
    ),
    (JobFilter(within=()), lambda row: False),
    (JobFilter(within=(Part(queues=(("m_il", "%"),)),)), lambda row: False),
    (
        JobFilter(state="dead", kind="mail.send", since=NOW - timedelta(days=2), text="peer"),
        lambda row: (
            row["state"] == "dead"
            and row["kind"] == "mail.send"
            and row["ended_at"] >= NOW - timedelta(days=2)
            and row["error_type"] == "ConnectionError"
        ),
    ),
]
ORDERS: dict[Sort, tuple[Any, bool]] = {
    Sort.NEWEST: (itemgetter("ended_at", "job_id"), True),
    Sort.OLDEST: (itemgetter("ended_at", "job_id"), False),
    Sort.SLOWEST: (itemgetter("run_ms", "ended_at", "job_id"), True),
    Sort.FASTEST: (itemgetter("run_ms", "ended_at", "job_id"), False),
}


@pytest.fixture(scope="module")
def filled_url(postgres: PostgresServer) -> str:
    url = postgres.new_database()

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        await write(connection, HISTORY)
        await connection.close()

    asyncio.run(fill())
    return url


@pytest.fixture
async def history(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HistoryReader]:
    monkeypatch.setattr(search, "_NEARBY", 1_000)  # less than all
    database = open_database(Settings(database_url=filled_url))
    yield HistoryReader(database)
    await database.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    await opened.execute("SELECT monarq.make_history_days($1, 2)", NOW.date() - timedelta(days=1))
    yield opened
    await opened.close()


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[HistoryReader]:
    database = open_database(Settings(database_url=database_url))
    yield HistoryReader(database)
    await database.close()


async def all_pages(history: HistoryReader, wanted: JobFilter, sort: Sort, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await history.page(wanted, sort, after=cursor, limit=limit)
        assert len(page.jobs) <= limit
        found += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.jobs) == limit


def row_of(number: int, **changes: Any) -> tuple[Any, ...]:
    row = dict(zip(COLUMNS, next(MadeUpHistory(100, 1).rows()), strict=True))
    row |= {"job_id": f"job-{number:03}", "ended_at": NOW - timedelta(hours=1), "run_ms": 5}
    return tuple((row | changes).values())


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize(("wanted", "fits"), SEARCHES, ids=[str(wanted) for wanted, _ in SEARCHES])
async def test_pages_hold_what_fits_once_and_in_order(
    history: HistoryReader, wanted: JobFilter, fits: Fits, sort: Sort
) -> None:
    key, descending = ORDERS[sort]
    expected = [row["job_id"] for row in sorted(filter(fits, ROWS), key=key, reverse=descending)]
    assert await all_pages(history, wanted, sort, 333) == expected
    counted = await history.count(wanted)
    assert (counted.number, counted.is_capped) == (len(expected), False)


@pytest.mark.parametrize("sort", Sort)
async def test_jobs_of_one_moment_are_shown_once_each(
    connection: asyncpg.Connection, empty: HistoryReader, sort: Sort
) -> None:
    await copy(connection, [row_of(number) for number in range(25)])
    found = await all_pages(empty, JobFilter(), sort, 4)
    assert sorted(found) == sorted(set(found)) == [f"job-{number:03}" for number in range(25)]


async def test_what_ends_meanwhile_moves_nothing_to_another_page(
    connection: asyncpg.Connection, empty: HistoryReader
) -> None:
    minutes = [row_of(number, ended_at=NOW - timedelta(minutes=number)) for number in range(10)]
    await copy(connection, minutes)
    first = await empty.page(JobFilter(), limit=5)
    await copy(connection, [row_of(100, ended_at=NOW + timedelta(seconds=1))])
    second = await empty.page(JobFilter(), after=first.next_cursor, limit=5)
    assert [job.job_id for job in first.jobs + second.jobs] == [row[0] for row in minutes]
    assert second.next_cursor is None


async def test_by_run_time_those_that_never_ran_are_left_out(
    connection: asyncpg.Connection, empty: HistoryReader
) -> None:
    never_ran = row_of(2, run_ms=None, started_at=None, worker=None, state="cancelled")
    await copy(connection, [row_of(1), never_ran])
    for sort in (Sort.SLOWEST, Sort.FASTEST):
        assert [job.job_id for job in (await empty.page(JobFilter(), sort)).jobs] == ["job-001"]
    assert len((await empty.page(JobFilter())).jobs) == 2


async def test_counting_ends_at_the_cap(history: HistoryReader) -> None:
    counted = await history.count(JobFilter(), at_most=100)
    assert (counted.number, counted.is_capped, str(counted)) == (100, True, "100+")
    assert not (await history.count(JobFilter(), at_most=len(ROWS))).is_capped


async def test_a_job_is_read_with_everything(connection: asyncpg.Connection, empty: HistoryReader) -> None:
    first, second = NOW - timedelta(hours=2), NOW
    await copy(
        connection,
        [
            row_of(1, ended_at=first, state="dead"),
            row_of(1, ended_at=second, state="succeeded", result='{"rows": 3}', payload='{"a": [1, null]}'),
            row_of(2),
        ],
    )
    for ended_at, number in ((first, 1), (first, 2), (second, 3)):
        await connection.execute(
            "INSERT INTO monarq.attempts (job_id, ended_at, number, cause, message, traceback) "
            "VALUES ('job-001', $1, $2, 'error', 'no', 'Traceback …')",
            ended_at,
            number,
        )
    newest, oldest = await empty.stories("job-001")
    assert (newest.job.state, newest.result, newest.payload) == ("succeeded", {"rows": 3}, {"a": [1, None]})
    assert [attempt.number for attempt in newest.attempts] == [3]
    assert (oldest.job.state, oldest.result) == ("dead", None)
    assert [attempt.number for attempt in oldest.attempts] == [1, 2]
    assert newest.as_document()["past_attempts"][0]["traceback"] == "Traceback …"
    assert await empty.stories("nobody") == []


async def test_days_are_made_once_and_dropped_with_all_that_is_in_them(
    connection: asyncpg.Connection, empty: HistoryReader
) -> None:
    today = NOW.date()
    make, drop = "SELECT monarq.make_history_days($1, $2)", "SELECT monarq.drop_history_before($1)"
    assert await connection.fetchval(make, today - timedelta(days=1), 4) == 2
    assert await connection.fetchval(make, today - timedelta(days=1), 4) == 0
    await copy(connection, [row_of(1), row_of(2, ended_at=NOW - timedelta(days=1))])
    assert await connection.fetchval(drop, today) == 1
    assert [job.job_id for job in (await empty.page(JobFilter())).jobs] == ["job-001"]
    assert await connection.fetchval(drop, today) == 0


async def test_days_may_be_made_by_several_at_once(database_url: str) -> None:
    async def make() -> int:
        connection = await asyncpg.connect(database_url)
        made = await connection.fetchval("SELECT monarq.make_history_days($1, 5)", NOW.date())
        await connection.close()
        return int(made)

    assert sorted(await asyncio.gather(*(make() for _ in range(4)))) == [0, 0, 0, 5]


async def test_making_days_waits_for_no_reader_and_dropping_gives_up(
    connection: asyncpg.Connection, database_url: str
) -> None:
    await copy(connection, [row_of(1)])
    reader = await asyncpg.connect(database_url)
    async with reader.transaction():
        assert await reader.fetchval("SELECT count(*) FROM monarq.jobs") == 1
        made = connection.fetchval("SELECT monarq.make_history_days($1, 5)", NOW.date(), timeout=5)
        assert await made == 4
        assert await connection.fetchval("SELECT monarq.drop_history_before($1)", NOW.date()) == 0
    await reader.close()
    assert await connection.fetchval("SELECT monarq.drop_history_before($1)", NOW.date()) == 1
