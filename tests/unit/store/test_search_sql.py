"""Searches as SQL: every value is a parameter, and whoever turns pages gets on."""

import re
from datetime import UTC, datetime

import pytest

from monarq.jobs.errors import DefinitionError
from monarq.jobs.store.job_filter import JobFilter, Part, PayloadField, Sort
from monarq.jobs.store.postgres.cursor import Position, decode, encode
from monarq.jobs.store.postgres.search import count_query, nearby_query, page_query

DAY = datetime(2030, 1, 1, 1, 2, 3, 456789, tzinfo=UTC)
EVERYTHING = JobFilter(
    state="dead",
    queue="mail",
    kind="mail.send",
    priority="high",
    tag="eu",
    worker="worker-1",
    fingerprint="0" * 16,
    since=DAY,
    until=DAY.replace(year=2031),
    text="some words",
    payload=(PayloadField("a.b", 1), PayloadField("c", "d")),
)


def test_every_value_is_a_parameter_in_its_place() -> None:
    query = page_query(EVERYTHING, Sort.NEWEST, None, 51)
    assert re.findall(r"\$(\d+)", query.sql) == [str(n + 1) for n in range(len(query.parameters))]
    assert query.parameters == [
        *(["eu"], '{"a":{"b":1}}', '{"c":"d"}', "some words"),
        *("dead", "mail", "mail.send", "high", "worker-1", "0" * 16, DAY, DAY.replace(year=2031), 51),
    ]
    assert "'" not in query.sql


def test_every_one_of_several_values_is_a_parameter_in_its_place() -> None:
    several = JobFilter(
        state=("dead", "expired"),
        kind=("a", "b"),
        tag=("eu", "vip"),
        payload=(PayloadField("a", 1, "1"),),
        within=(Part(queues=(("ma_l*", "x"),), kinds=(("50%*",),)), Part(tag="owner:1")),
    )
    for query in (
        page_query(several, Sort.NEWEST, Position(None, DAY, "x"), 51),
        nearby_query(several, Sort.FASTEST, Position(5, DAY, "x"), 51),
        count_query(several, 51),
    ):
        numbers = set(map(int, re.findall(r"\$(\d+)", query.sql)))
        assert numbers == set(range(1, len(query.parameters) + 1))
        given = repr(query.parameters)
        for value in ("ma\\_l%", "x", "50\\%%", "dead", "expired", "a", "b", "eu", "vip", "owner:1"):
            assert repr(value) in given


def test_of_no_part_at_all_nothing_is_found() -> None:
    assert "false" in page_query(JobFilter(within=()), Sort.NEWEST, None, 51).sql


@pytest.mark.parametrize(
    ("sort", "value", "order"),
    [
        (Sort.NEWEST, None, "ended_at DESC, monarq.jobs.job_id DESC"),
        (Sort.OLDEST, None, "ended_at, monarq.jobs.job_id"),
        (Sort.SLOWEST, 5, "run_ms DESC, monarq.jobs.ended_at DESC, monarq.jobs.job_id DESC"),
        (Sort.FASTEST, 5, "run_ms, monarq.jobs.ended_at, monarq.jobs.job_id"),
    ],
)
def test_no_two_rows_share_a_place_in_any_order(sort: Sort, value: int | None, order: str) -> None:
    query = page_query(JobFilter(), sort, Position(value, DAY, "some-job"), 51)
    assert f"ORDER BY monarq.jobs.{order}" in query.sql.replace("\n", " ")
    assert query.parameters[-3:] == [DAY, "some-job", 51]


def test_a_count_ends_at_its_cap() -> None:
    query = count_query(JobFilter(queue="mail"), 10_001)
    assert query.parameters == ["mail", 10_001]
    assert query.sql.count("LIMIT") == 1


@pytest.mark.parametrize("sort", Sort)
def test_a_cursor_is_read_as_it_was_written(sort: Sort) -> None:
    position = Position(None if sort.is_by_time else 2**40, DAY, "order-7")
    cursor = encode(position, EVERYTHING, sort)
    assert re.fullmatch("[A-Za-z0-9_-]+", cursor)
    assert decode(cursor, EVERYTHING, sort) == position


def test_a_cursor_is_good_for_its_own_search_only() -> None:
    cursor = encode(Position(None, DAY, "order-7"), JobFilter(queue="mail"), Sort.NEWEST)
    for wanted, sort in (
        (JobFilter(), Sort.NEWEST),
        (JobFilter(kind="mail"), Sort.NEWEST),
        (JobFilter(queue="mail"), Sort.OLDEST),
    ):
        with pytest.raises(DefinitionError, match="another search"):
            decode(cursor, wanted, sort)


def test_a_cursor_outlives_a_time_that_moves_on() -> None:
    position = Position(None, DAY, "order-7")
    cursor = encode(position, JobFilter(queue="mail", since=DAY), Sort.NEWEST)
    assert decode(cursor, JobFilter(queue="mail", since=DAY.replace(hour=2)), Sort.NEWEST) == position


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA", "W10", "WzEsMiwzLDRd", "====", "\ud800", "e30"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(DefinitionError, match=r"^cursor: "):
        decode(cursor, JobFilter(), Sort.NEWEST)


@pytest.mark.parametrize(
    "position",
    [
        Position(5, DAY, "a"),  # of another order
        Position(None, DAY, "a\0"),
        Position(None, DAY, 7),  # type: ignore[arg-type]
    ],
)
def test_a_forged_position_is_refused(position: Position) -> None:
    with pytest.raises(DefinitionError, match=r"^cursor: "):
        decode(encode(position, JobFilter(), Sort.NEWEST), JobFilter(), Sort.NEWEST)
