"""`/v1/stats/series` and `/v1/stats/kinds`: right numbers, of what the caller may see, at a bounded cost."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any

import asyncpg
import httpx
import pytest

from monarq.jobs.histogram import BOUNDS_MS
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres.history_writing import record
from monarq.jobs.store.postgres.repositories.jobs import EndedJob, JobRow
from monarq.jobs.store.postgres.rolling import Roller
from monarq.jobs.store.series import MINUTE_MS

from .house import House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
VIEWER = {"role": "viewer"}
Past = Callable[..., Awaitable[None]]


def ended(at: datetime, number: int, **facts: Any) -> EndedJob:
    empty: dict[str, Any] = dict.fromkeys(JobRow._fields)
    told = {"state": "succeeded", "queue": "mail", "kind": "mail.send", "priority": "normal", "tags": ()}
    counts = {"attempts": 1, "starts": 1, "job_id": f"{number}", "ended_at": at, "run_ms": 60, "wait_ms": 3}
    return EndedJob(JobRow(**empty | told | counts | facts))


async def tell(house: House, *jobs: EndedJob) -> None:
    """These jobs have ended, and somebody has rolled them up."""
    assert house.services.database is not None
    assert await record(house.services.database, jobs) == []
    roller = Roller(house.services.database, keep=timedelta(0))
    while (turn := await roller.step()) is None or not turn.is_done:
        pass


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(f"/v1/stats/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refusal(client: httpx.AsyncClient, path: str, **parameters: Any) -> tuple[int, str]:
    answer = await client.get(f"/v1/stats/{path}", params=parameters)
    return answer.status_code, answer.json()["code"]


def whole(told: Any) -> int:
    """How many jobs a series of throughput counts, in its steps that are over."""
    minutes = told["step"] / 60
    return round(sum(value * minutes for values in told["values"].values() for value in values[:-1] if value))


def now() -> datetime:
    return datetime.now(UTC)


async def test_throughput_counts_each_end_once_in_its_step(house: House) -> None:
    jobs = [
        ended(now() - 2 * DAY - n * HOUR, n, state="dead" if n % 3 == 0 else "succeeded") for n in range(30)
    ]
    await tell(house, *jobs)
    told = await get(await house.program(VIEWER), "series", metric="throughput", range="7d")
    assert (told["step"], told["unit"], told["source"]) == (3600, "jobs per minute", "history")
    assert (len(told["at"]), len(told["values"]["dead"])) == (169, 169)
    by_start = dict(zip(told["at"], told["values"]["dead"], strict=True))
    first = (jobs[0].job.ended_at).replace(minute=0, second=0, microsecond=0)
    assert by_start[first.isoformat().replace("+00:00", "Z")] == pytest.approx(1 / 60)
    assert whole(told) == 30


async def test_every_range_counts_the_same_jobs(house: House) -> None:
    await tell(house, *(ended(now() - (n + 1) * 2 * MINUTE - 5 * MINUTE, n) for n in range(20)))
    program = await house.program(VIEWER)
    for range_ in ("24h", "7d", "30d"):
        told = await get(program, "series", metric="throughput", range=range_)
        steps = [value for value in told["values"]["succeeded"] if value]
        assert steps, range_
    fine = await get(
        program, "series", metric="throughput", **{"from": (now() - 2 * HOUR).isoformat(), "step": 300}
    )
    assert whole(fine) == 20


async def test_percentiles_lie_in_the_bucket_of_the_exact_ones(house: House) -> None:
    times = [n * n % 9_000 for n in range(1, 400)]
    at = now() - 2 * HOUR
    await tell(house, *(ended(at, n, run_ms=time, wait_ms=time // 10) for n, time in enumerate(times)))
    told = await get(await house.program(VIEWER), "series", metric="run", range="7d")
    [p95] = [value for value in told["values"]["p95"] if value is not None]
    exact = quantiles(times, n=100)[94]
    upper = next(bound for bound in BOUNDS_MS if bound >= exact)
    lower = max(bound for bound in BOUNDS_MS if bound < exact)
    assert lower <= p95 * 1000 <= upper
    assert told["unit"] == "seconds"


async def test_a_failure_rate_is_of_those_that_had_their_say(house: House) -> None:
    at = now() - 2 * HOUR
    states = ["succeeded"] * 6 + ["dead"] * 2 + ["cancelled"] * 5 + ["expired"]
    await tell(house, *(ended(at, n, state=state) for n, state in enumerate(states)))
    told = await get(await house.program(VIEWER), "series", metric="failure_rate", range="24h")
    assert [value for value in told["values"]["failure_rate"] if value is not None] == [0.25]


async def test_a_step_in_which_nothing_ended_is_zero_and_one_to_come_is_not_known(house: House) -> None:
    await tell(house, ended(now() - DAY + HOUR, 1))
    told = await get(await house.program(VIEWER), "series", metric="throughput", range="24h")
    assert told["values"]["dead"][5] == 0
    assert told["known_until"] is not None
    waits = await get(await house.program(VIEWER), "series", metric="wait", range="24h")
    assert waits["values"]["p50"].count(None) == len(waits["at"]) - 1


async def test_before_anything_was_rolled_up_nothing_is_known(house: House) -> None:
    told = await get(await house.program(VIEWER), "series", metric="throughput", range="7d")
    assert set(told["values"]["succeeded"]) == {None}
    assert told["known_until"] is None


async def test_a_series_can_be_of_one_queue_and_of_one_kind(house: House) -> None:
    at = now() - 2 * HOUR
    await tell(
        house,
        ended(at, 1),
        ended(at, 2, kind="mail.sort"),
        ended(at, 3, queue="default", kind="mail.send"),
    )
    program = await house.program(VIEWER)
    for wanted, count in (
        ({}, 3),
        ({"queue": "mail"}, 2),
        ({"kind": "mail.send"}, 2),
        ({"queue": "mail", "kind": "mail.send"}, 1),
        ({"queue": "mail.bulk"}, 0),
    ):
        assert whole(await get(program, "series", metric="throughput", range="7d", **wanted)) == count


async def test_numbers_hold_what_the_grants_name_and_nothing_else(house: House) -> None:
    at = now() - 2 * HOUR
    await tell(
        house,
        ended(at, 1),
        ended(at, 2, kind="report.daily"),
        ended(at, 3, queue="default", kind="mail.send"),
        ended(at, 4, queue="secret", kind="secret.keep"),
    )
    for grant, count, kinds in (
        ({"queues": ["mail*"]}, 2, {"mail.send", "report.daily"}),
        ({"kinds": ["mail.*"]}, 2, {"mail.send"}),
        ({"queues": ["mail"], "kinds": ["report.*"]}, 1, {"report.daily"}),
        ({"queues": ["nowhere"]}, 0, set()),
    ):
        program = await house.program(VIEWER | grant)
        assert whole(await get(program, "series", metric="throughput", range="7d")) == count, grant
        assert {one["kind"] for one in (await get(program, "kinds", range="7d"))["items"]} == kinds


async def test_a_hidden_queue_or_kind_is_told_like_one_that_is_not_there(house: House) -> None:
    at = now() - 2 * HOUR
    await tell(house, ended(at, 1), ended(at, 2, queue="secret", kind="secret.keep"))
    program = await house.program(VIEWER | {"queues": ["mail"], "kinds": ["mail.*"]})
    for wanted in (
        {"queue": "secret"},
        {"queue": "nowhere"},
        {"kind": "secret.keep"},
        {"kind": "no.such"},
        {"queue": "secret", "kind": "mail.send"},
    ):
        asked = {"metric": "throughput", "range": "7d", **wanted}
        assert await refusal(program, "series", **asked) == (404, "not_found"), wanted
    assert await refusal(program, "kinds", queue="secret") == (404, "not_found")
    assert await refusal(program, "series", metric="oldest_age", queue="secret") == (404, "not_found")


async def test_kinds_are_ranked_by_what_is_asked_for(house: House) -> None:
    at = now() - 2 * HOUR
    facts = (
        [("slow", {"run_ms": 40_000})] * 3
        + [("flaky", {"attempts": 3})] * 20
        + [("flaky", {})] * 20
        + [("once", {"attempts": 2})]
        + [("failing", {"state": "dead"})] * 10
        + [("failing", {})] * 10
        + [("busy", {})] * 60
    )
    await tell(house, *(ended(at, n, kind=kind, **more) for n, (kind, more) in enumerate(facts)))
    program = await house.program(VIEWER)
    for sort, first in (
        ("slowest", "slow"),
        ("flakiest", "flaky"),
        ("failing", "failing"),
        ("busiest", "busy"),
    ):
        items = (await get(program, "kinds", range="24h", sort=sort))["items"]
        assert items[0]["kind"] == first, sort
    [flaky] = [one for one in items if one["kind"] == "flaky"]
    assert (flaky["ended"], flaky["recovery_rate"], flaky["failure_rate"]) == (40, 0.5, 0)
    [failing] = [one for one in items if one["kind"] == "failing"]
    assert (failing["failure_rate"], failing["dead"]) == (0.5, 10)
    assert len((await get(program, "kinds", limit=2))["items"]) == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"range": "1y"},
        {"range": "24h", "from": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00"},
        {"to": "1767225600"},
        {"to": "-0.5"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"range": "30d", "step": 60},
        {"step": 61},
        {"step": 0},
        {"unknown": 1},
        {"metric": "money"},
    ],
)
async def test_what_cannot_be_told_is_refused(house: House, parameters: dict[str, Any]) -> None:
    program = await house.program(VIEWER)
    answer = await program.get("/v1/stats/series", params={"metric": "throughput"} | parameters)
    assert answer.status_code in (400, 422), answer.text


async def test_finer_steps_than_are_kept_are_refused_and_others_are_chosen(house: House) -> None:
    program = await house.program(VIEWER)
    past = {"from": (now() - 10 * DAY).isoformat(), "to": (now() - 10 * DAY + HOUR).isoformat()}
    assert (await get(program, "series", metric="run", **past))["step"] == 3600
    assert (await refusal(program, "series", metric="run", step=300, **past))[0] in (400, 422)


# --- samples


async def sampled(house: House, queue: str = "mail", **fields: list[int]) -> None:
    """Samples of the last minutes, one a minute."""
    length = len(next(iter(fields.values())))
    first = int(now().timestamp() * 1000) // MINUTE_MS * MINUTE_MS - (length - 1) * MINUTE_MS
    for at in range(length):
        words = [word for name, values in fields.items() for word in (name, values[at])]
        await house.services.link.call(
            "XADD", queue_keys(queue).series, f"{first + at * MINUTE_MS}-0", *words
        )


async def test_the_last_hour_of_whole_queues_is_told_by_the_minute(house: House) -> None:
    await sampled(house, succeeded=[0, 3, 8, 8], oldest_ms=[0, 4_000, 9_000, 0])
    program = await house.program(VIEWER)
    told = await get(program, "series", metric="throughput", range="1h", queue="mail")
    assert (told["source"], told["step"]) == ("samples", 60)
    assert [value for value in told["values"]["succeeded"] if value is not None] == [3, 5, 0]
    oldest = await get(program, "series", metric="oldest_age", range="1h")
    assert [value for value in oldest["values"]["oldest"] if value is not None] == [0, 4, 9, 0]


async def test_samples_are_for_those_who_may_see_whole_queues(house: House) -> None:
    await sampled(house, succeeded=[0, 3])
    await sampled(house, "default", succeeded=[0, 100])
    mail_only = await house.program(VIEWER | {"queues": ["mail*"]})
    told = await get(mail_only, "series", metric="throughput", range="1h")
    assert (told["source"], sum(filter(None, told["values"]["succeeded"]))) == ("samples", 3)
    some_kinds = await house.program(VIEWER | {"kinds": ["mail.*"]})
    assert (await get(some_kinds, "series", metric="throughput", range="1h"))["source"] == "history"
    oldest = await get(some_kinds, "series", metric="oldest_age")
    assert set(oldest["values"]["oldest"]) == {None}
    assert await refusal(some_kinds, "series", metric="oldest_age", queue="mail") == (404, "not_found")


async def test_without_postgresql_a_day_is_told_and_no_more(open_house: Callable[..., Any]) -> None:
    house, secret = await with_settings_token(open_house)
    await sampled(house, succeeded=[0, 3, 8, 8], dead=[0, 1, 1, 1])
    program = house.client(authorization=f"Bearer {secret}")
    for range_ in ("1h", "24h"):
        told = await get(program, "series", metric="throughput", range=range_)
        assert told["source"] == "samples"
        assert sum(filter(None, told["values"]["succeeded"])) > 0
    rate = await get(program, "series", metric="failure_rate", range="24h")
    assert [value for value in rate["values"]["failure_rate"] if value is not None] == [pytest.approx(1 / 9)]
    for asked in (
        {"metric": "run"},
        {"metric": "throughput", "range": "7d"},
        {"metric": "wait", "kind": "k"},
    ):
        assert await refusal(program, "series", **asked) == (501, "not_set_up"), asked
    assert await refusal(program, "kinds") == (501, "not_set_up")


async def with_settings_token(open_house: Callable[..., Any]) -> tuple[House, str]:
    from monarq.dashboard.auth.secrets import new_token

    secret, digest, _ = new_token()
    token = {"sha256": digest.hex(), "grants": [VIEWER], "expires_at": "2100-01-01T00:00:00Z"}
    return await open_house(with_database=False, tokens={"t": token}), secret


async def test_the_oldest_age_is_known_of_a_day(house: House) -> None:
    program = await house.program(VIEWER)
    assert (await refusal(program, "series", metric="oldest_age", range="7d"))[0] in (400, 422)
    assert (await refusal(program, "series", metric="oldest_age", kind="mail.send"))[0] in (400, 422)


async def test_sparklines_are_of_the_queues_that_may_be_seen(house: House) -> None:
    await sampled(house, succeeded=[0, 3, 8, 8])
    await sampled(house, "default", succeeded=[0, 1, 1, 1])
    user = await house.user(VIEWER | {"queues": ["mail*"]})
    caller = _caller(user)
    lines = await house.services.insights.sparklines(caller)
    assert set(lines) == {"mail", "mail.bulk"}
    assert max(filter(None, lines["mail"])) > 0
    assert set(lines["mail.bulk"]) == {None}


def _caller(user: Any) -> Any:
    from monarq.dashboard.access.caller import Caller, Means

    return Caller(subject=f"user:{user.id}", name=user.name, grants=user.grants, means=Means.SESSION)


# --- cost


async def test_who_asks_the_same_at_once_costs_one_question(house: House) -> None:
    """One for the numbers, whatever the metric; one for how far they reach."""
    await tell(house, ended(now() - 2 * HOUR, 1))
    program = await house.program(VIEWER)
    assert house.services.database is not None
    for cache in vars(house.services.insights._history).values():
        if hasattr(cache, "_ttl"):
            cache._ttl = 600.0  # at once, however long it takes here
    asked: list[str] = []
    read = house.services.database.read

    async def counting(work: Any) -> Any:
        asked.append(repr(work))
        return await read(work)

    object.__setattr__(house.services.database, "read", counting)
    for _ in range(3):
        for metric in ("throughput", "failure_rate", "run", "wait"):
            await get(program, "series", metric=metric, range="7d")
    assert len(asked) == 2


@pytest.fixture
async def sql(house: House) -> Any:
    url = house.settings.database_url
    assert url is not None
    connection = await asyncpg.connect(url.get_secret_value())
    yield connection
    await connection.close()


async def test_a_question_that_takes_too_long_is_given_up(house: House, sql: asyncpg.Connection) -> None:
    await tell(house, ended(now() - 2 * HOUR, 1))
    program = await house.program(VIEWER)
    async with sql.transaction():
        await sql.execute("LOCK TABLE monarq.rollups IN ACCESS EXCLUSIVE MODE")
        assert (await refusal(program, "series", metric="run", range="7d"))[0] == 503
    assert (await get(program, "series", metric="run", range="7d"))["source"] == "history"
