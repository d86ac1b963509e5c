"""Pages over many jobs: they come soon, and read no more than they show.

`make bench-dashboard` asks of a million finished jobs and judges the slowest answers (p95).  The gate asks of
fewer, until one answer has come in time: it judges no code by how busy the machine is.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.postgres import PostgresServer

from .crowd import bury, fill_queues, write_history
from .every_page import EveryPage, every_page
from .stack import Stack, apart

#: Finished jobs; ready ones; dead letters.
ROWS = int(os.environ.get("DASHBOARD_ROWS", "100000"))
READY = int(os.environ.get("DASHBOARD_READY", "100000"))
LETTERS = 10_000
IS_BENCH = "DASHBOARD_ROWS" in os.environ
#: How often a page is asked for; in the gate, at most.
ROUNDS = 60
#: Milliseconds.
OVERVIEW, OTHERS = 100, 300
PAGES = [one for one in every_page() if not one.is_public]

pytestmark = pytest.mark.timeout(1800 if IS_BENCH else 300)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Stack]:
    """A stack that is full; it serves everything to an admin."""
    database_url = apart(postgres.new_database)
    with Stack(tmp_path_factory.mktemp("stack"), database_url) as started:
        apart(asyncio.run, write_history(database_url, ROWS))
        apart(asyncio.run, fill_queues(started.valkey.url, READY))
        apart(asyncio.run, bury(started.valkey.url, LETTERS))
        yield started
    apart(postgres.drop_database, database_url)


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Iterator[httpx.Client]:
    cookies = {"monarq_session": stack.login({"role": "admin"})}
    with httpx.Client(base_url=stack.url, cookies=cookies, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def found(stack: Stack) -> dict[str, str]:
    """What fills the parameters of paths."""
    [(finished,)] = stack.sql("SELECT job_id FROM monarq.jobs ORDER BY ended_at DESC LIMIT 1")
    with stack.api() as api:
        [group, *_] = api.get("/v1/dead-letters/groups").json()["items"]
    return {"job_id": finished, "fingerprint": group["fingerprint"]}


def milliseconds_of(client: httpx.Client, address: str) -> float:
    """For one answer."""
    began = time.perf_counter()
    answer = client.get(address)
    assert answer.status_code in (200, 404), answer.text
    return (time.perf_counter() - began) * 1000


@pytest.mark.parametrize("one", PAGES, ids=str)
def test_a_page_comes_in_time(admin: httpx.Client, found: dict[str, str], one: EveryPage) -> None:
    address, latest = one.address(found), OVERVIEW if one.path == "/" else OTHERS
    milliseconds_of(admin, address)  # what the first one makes serves all
    if not IS_BENCH:
        assert any(milliseconds_of(admin, address) < latest for _ in range(ROUNDS))
        return
    taken = sorted(milliseconds_of(admin, address) for _ in range(ROUNDS))
    p95 = taken[round(len(taken) * 0.95)]
    told = zip(("quickest", "median", "p95"), (taken[0], statistics.median(taken), p95), strict=True)
    print(f"\n{one.path:<28}", *(f"{name} {value:6.1f} ms " for name, value in told), end="")
    assert p95 < latest


def test_no_page_reads_the_history_from_end_to_end(
    stack: Stack, admin: httpx.Client, found: dict[str, str]
) -> None:
    """Not even one of its days: a day of a million rows is read in full only by who asks for a whole day."""

    before = rows_read(stack)
    stack.wait(lambda: admin.get("/jobs").status_code == 200)  # by new connections
    for one in PAGES:
        assert admin.get(one.address(found)).status_code in (200, 404), one
    assert rows_read(stack) - before < ROWS / 20


def rows_read(stack: Stack) -> int:
    """From end to end, of the history.  PostgreSQL may count them as late as at the end of a connection."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    others += " AND backend_type = 'client backend'"
    stack.sql(f"SELECT pg_terminate_backend(pid) {others}")
    stack.wait(lambda: not stack.sql(f"SELECT 1 {others}"))
    [(rows,)] = stack.sql(
        "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname ~ '^jobs_2'"
    )
    return int(rows)
