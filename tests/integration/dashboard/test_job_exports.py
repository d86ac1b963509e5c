"""A search as a file: all of it, and safe to open."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from monarq.dashboard.routes.tables import cell

from .house import House
from .shelf import DAY, Shelf


@pytest.fixture
def shelf(house: House, database_url: str) -> Shelf:
    return Shelf(house.services.link, database_url)


async def test_a_table_holds_all_jobs_of_a_search(house: House, shelf: Shelf) -> None:
    await shelf.wait(*(f"a{n:04}" for n in range(1_200)))
    await shelf.end({"job_id": "e1", "tags": ["eu", "vip"], "state": "dead", "error_message": '=1+1,\n"x"'})
    admin = await house.program({"role": "admin"})
    answer = await admin.get("/v1/jobs.csv?fields=id,state,tags,error_message,run_ms,ended_at")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    head, *rows = list(csv.reader(io.StringIO(answer.text)))
    assert head == ["id", "state", "tags", "error_message", "run_ms", "ended_at"]
    assert [row[0] for row in rows] == [*(f"a{n:04}" for n in range(1_200)), "e1"]
    assert rows[-1] == ["e1", "dead", "eu vip", '\'=1+1,\n"x"', "1000", DAY.isoformat()]
    few = await admin.get("/v1/jobs.csv?limit=3&state=ready")
    assert len(few.text.splitlines()) == 4


async def test_lines_of_json_are_those_of_the_list(house: House, shelf: Shelf) -> None:
    await shelf.wait("a1", "a2")
    await shelf.end({"job_id": "e1"})
    admin = await house.program({"role": "admin"})
    lines = (await admin.get("/v1/jobs.ndjson?queue=mail")).text.splitlines()
    assert [from_json(line) for line in lines] == (await admin.get("/v1/jobs?queue=mail")).json()["items"]
    assert (await admin.get("/v1/jobs.ndjson?queue=nowhere")).text == ""


async def test_an_export_holds_what_its_caller_may_see(house: House, shelf: Shelf) -> None:
    await shelf.wait("a1")
    await shelf.wait("b1", queue="default")
    await shelf.end({"job_id": "e1", "error_message": "secret"}, {"job_id": "e2", "queue": "default"})
    narrow = await house.program({"role": "viewer", "queues": ["mail"]})
    text = (await narrow.get("/v1/jobs.csv")).text
    assert [line.split(",")[0] for line in text.splitlines()] == ["id", "a1", "e1"]
    assert "secret" not in text
    refused = await narrow.get("/v1/jobs.csv?error=secret")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert (await narrow.get("/v1/jobs.csv?limit=100001")).status_code == 400


@given(st.text())
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    shown = str(cell(text))
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert shown.removeprefix("'") == text.removeprefix("'") or shown == text


def test_numbers_times_and_lists_stay_readable() -> None:
    assert cell(5) == 5
    assert cell(None) is None
    assert cell(["a", "b"]) == "a b"
    assert cell(["=a"]) == "'=a"
    assert cell(datetime(2030, 1, 1, tzinfo=UTC)) == "2030-01-01T00:00:00+00:00"
