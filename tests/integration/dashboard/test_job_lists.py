"""`GET /v1/jobs`: jobs that have ended and jobs that have not, as one list."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from .house import House
from .shelf import DAY, Shelf

SECOND = timedelta(seconds=1)


@pytest.fixture
def shelf(house: House, database_url: str) -> Shelf:
    return Shelf(house.services.link, database_url)


async def listed(client: httpx.AsyncClient, query: str = "", limit: int = 50) -> list[str]:
    """All pages, forwards; and backwards they are the same."""
    url = f"/v1/jobs?limit={limit}&{query}"
    cursor, pages, last = None, [], {}
    while True:
        answer = await client.get(url + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.text
        last = answer.json()
        assert len(last["items"]) <= limit
        pages.append([job["id"] for job in last["items"]])
        if (cursor := last["next"]) is None:
            break
    for page in reversed(pages[:-1]):
        if (cursor := last["prev"]) is None:
            break
        last = (await client.get(f"{url}&cursor={cursor}")).json()
        assert [job["id"] for job in last["items"]] == page
    return [job_id for page in pages for job_id in page]


async def fill(shelf: Shelf) -> None:
    await shelf.run("r1", worker="w-7")
    await shelf.retry("t1", message="connection reset by peer")
    await shelf.wait("a2", "a1", customer={"country": "de", "id": 17})
    await shelf.wait("c1", due=timedelta(days=1), tags=("eu", "vip"))
    await shelf.wait("d1", queue="default", kind="order.ship", lines=[{"sku": "x"}])
    await shelf.end(
        {"job_id": "e1"},
        {"job_id": "e2", "ended_at": DAY + SECOND, "run_ms": 5, "payload": '{"customer": {"id": 17}}'},
        {"job_id": "e3", "state": "dead", "error_type": "ValueError", "error_message": "boom", "tags": ["eu"],
         "queue": "default"},
    )  # fmt: skip


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_a_list_is_of_those_that_run_then_wait_then_have_ended(
    house: House, shelf: Shelf, limit: int
) -> None:
    await fill(shelf)
    admin = await house.program({"role": "admin"})
    assert await listed(admin, limit=limit) == ["r1", "a1", "a2", "d1", "t1", "c1", "e2", "e3", "e1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=running", "r1"),
        ("state=ready", "a1 a2 d1"),
        ("state=scheduled", "c1"),
        ("state=retrying", "t1"),
        ("state=waiting", "a1 a2 d1 t1 c1"),
        ("state=failed", "t1 e3"),
        ("state=dead,succeeded", "e2 e3 e1"),
        ("state=dead&state=ready", "a1 a2 d1 e3"),
        ("queue=default", "d1 e3"),
        ("queue=default,nowhere&kind=order.ship", "d1"),
        ("id=a1&id=e1&id=nobody", "a1 e1"),
        ("id=r1", "r1"),
        ("tag=eu", "c1 e3"),
        ("tag=eu&tag=vip", "c1"),
        ("worker=w-7", "r1"),
        ("error=BOOM", "e3"),
        ("error=reset%20conn*", "t1"),
        ("args=customer.id%3D17", "a1 a2 e2"),
        ("args=customer.country%3Dde&state=ready", "a1 a2"),
        ("args=lines[].sku%3Dx", "d1"),
        ("q=state:failed%20queue:mail", "t1"),
        ("q=args.customer.id:17&state=ready", "a1 a2"),
        ("after=%2B2h", "c1"),
        ("before=2026-03-31T13:00Z&state=finished", "e2 e3 e1"),
        ("sort=ended_at", "e1 e3 e2"),
        ("sort=run_ms", "e2 e1 e3"),
        ("sort=-run_ms", "e3 e1 e2"),
        ("sort=due_at&kind=mail.send", "a1 a2 t1 c1"),
        ("sort=-due_at&kind=mail.send", "c1 t1 a2 a1"),
        ("priority=high", ""),
    ],
)
async def test_a_filter_is_the_same_for_both_stores(
    house: House, shelf: Shelf, query: str, found: str
) -> None:
    await fill(shelf)
    admin = await house.program({"role": "admin"})
    for limit in (1, 50):
        assert await listed(admin, query, limit) == found.split()
    counted = (await admin.get(f"/v1/jobs?count=capped&limit=1&{query}")).json()["count"]
    if "sort" not in query:
        assert counted == {"number": len(found.split()), "is_capped": False}


async def test_a_job_is_told_with_what_is_known_of_it(house: House, shelf: Shelf) -> None:
    await fill(shelf)
    admin = await house.program({"role": "admin"})
    jobs = {job["id"]: job for job in (await admin.get("/v1/jobs")).json()["items"]}
    assert (jobs["r1"]["state"], jobs["r1"]["worker"], jobs["r1"]["due_at"]) == ("running", "w-7", None)
    assert (jobs["t1"]["attempts"], jobs["t1"]["error_message"]) == (1, "connection reset by peer")
    assert (jobs["c1"]["state"], jobs["c1"]["tags"]) == ("scheduled", ["eu", "vip"])
    assert jobs["a1"]["enqueued_at"] is not None
    assert (jobs["e3"]["state"], jobs["e3"]["error_type"], jobs["e3"]["run_ms"]) == (
        "dead",
        "ValueError",
        1000,
    )
    only = (await admin.get("/v1/jobs?fields=id,state&limit=1")).json()["items"]
    assert only == [{"id": "r1", "state": "running"}]


@pytest.mark.parametrize(
    ("query", "parameter", "span"),
    [
        ("q=queue:mail%20stat:x", "q", [11, 15]),
        ("q=queue:mail&queue=mail", "queue", None),
        ("state=faild", "state", None),
        ("args=x", "args", None),
        ("fields=id,secret", "fields", None),
        ("after=1h&before=2h", "after", None),
        ("cursor=abc", "cursor", None),
        ("sort=payload", "sort", None),
        ("limit=201", "limit", None),
        ("fingerprint=x", "fingerprint", None),
    ],
)
async def test_what_cannot_be_used_is_named(
    house: House, query: str, parameter: str, span: list[int] | None
) -> None:
    admin = await house.program({"role": "admin"})
    answer = await admin.get(f"/v1/jobs?{query}")
    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert (fault["parameter"], fault.get("span")) == (parameter, span)


async def test_a_cursor_is_good_for_its_own_search_and_caller_only(house: House, shelf: Shelf) -> None:
    await shelf.wait(*map(str, range(9)))
    admin = await house.program({"role": "admin"})
    first = await admin.get("/v1/jobs?limit=2")
    cursor = first.json()["next"]
    assert f"cursor={cursor}" in first.headers["link"]
    assert (await admin.get(f"/v1/jobs?limit=5&cursor={cursor}")).status_code == 200
    narrow = await house.program({"role": "viewer", "queues": ["mail"]})
    for client, query in ((admin, "queue=mail"), (admin, "sort=due_at"), (narrow, "x")):
        url = f"/v1/jobs?cursor={cursor}" + ("" if query == "x" else f"&{query}")
        assert (await client.get(url)).status_code == 400
    for at in (0, len(cursor) // 2):
        torn = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert (await admin.get(f"/v1/jobs?cursor={torn}")).status_code == 400


async def test_a_page_that_has_not_changed_is_not_sent_again(house: House, shelf: Shelf) -> None:
    await shelf.wait(*map(str, range(5)))
    admin = await house.program({"role": "admin"})
    tag = (await admin.get("/v1/jobs?limit=2&count=capped")).headers["etag"]
    again = await admin.get("/v1/jobs?limit=2&count=capped", headers={"if-none-match": tag})
    assert again.status_code == 304
    await shelf.wait("0000")
    again = await admin.get("/v1/jobs?limit=2&count=capped", headers={"if-none-match": tag})
    assert again.status_code == 200


async def test_without_postgres_what_lives_is_listed_and_the_rest_said_to_be_missing(
    open_house: Callable[..., Any], database_url: str
) -> None:
    token = "monarq_x"
    grants = [{"role": "admin"}]
    known = {
        "t": {
            "sha256": sha256(token.encode()).hexdigest(),
            "grants": grants,
            "expires_at": "2100-01-01T00:00:00Z",
        }
    }
    house = await open_house(with_database=False, tokens=known)
    shelf = Shelf(house.services.link, database_url)
    await shelf.wait("a1")
    client = house.client(authorization=f"Bearer {token}")
    answer = (await client.get("/v1/jobs")).json()
    assert [job["id"] for job in answer["items"]] == ["a1"]
    assert [note["code"] for note in answer["notes"]] == ["no_history"]
    assert (await client.get("/v1/jobs?state=ready")).json()["notes"] == []


async def test_what_is_rare_among_many_is_looked_for_in_steps(
    house: House, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.dashboard.services.search.LOOKED_AT", 100)
    await shelf.wait(*(f"{n:04}" for n in range(450)))
    await shelf.wait("zz", tags=("rare",))
    await shelf.end({"job_id": "e1", "tags": ["rare"]})
    admin = await house.program({"role": "admin"})
    first = (await admin.get("/v1/jobs?tag=rare&state=waiting")).json()
    assert (first["items"], first["next"] is None) == ([], False)
    assert await listed(admin, "tag=rare&state=waiting") == ["zz"]
    # with those that have ended behind them, not all that wait are looked at, and that is said
    mixed = (await admin.get("/v1/jobs?tag=rare&count=capped")).json()
    assert [job["id"] for job in mixed["items"]] == ["e1"]
    assert [note["code"] for note in mixed["notes"]] == ["searched_in_part"]


async def test_ten_thousand_jobs_of_one_millisecond_are_listed_once_each_while_others_come(
    house: House, shelf: Shelf
) -> None:
    """Also when those at which pages end are claimed meanwhile."""
    ids = [f"job-{number:05}" for number in range(10_000)]
    store = shelf.store("mail")
    for at in range(0, len(ids), 500):
        await shelf.wait(*ids[at : at + 500])
    at_once = 1_700_000_000_000
    for at in range(0, len(ids), 500):
        pairs = [part for job_id in ids[at : at + 500] for part in (at_once, job_id)]
        await store.call("ZADD", store.queue.ranks[2], *pairs)
    assert await store.call("ZCOUNT", store.queue.ranks[2], at_once, at_once) == 10_000
    admin = await house.program({"role": "admin"})

    async def insert(number: int) -> None:
        await shelf.wait(f"new-{number}")
        await shelf.end({"job_id": f"ended-{number}", "ended_at": DAY + timedelta(seconds=number)})

    found: list[str] = []
    gone: set[str] = set()
    cursor, number = None, 0
    while True:
        page = (
            await admin.get("/v1/jobs?limit=200&fields=id" + (f"&cursor={cursor}" if cursor else ""))
        ).json()
        found += [job["id"] for job in page["items"]]
        await insert(number)
        if number < 5:  # the one at which the page has ended is gone
            gone.add(found[-1])
            await store.call("ZREM", store.queue.ranks[2], found[-1])
        number += 1
        if (cursor := page["next"]) is None:
            break
    assert [job_id for job_id in found if job_id.startswith("job-")] == ids
    assert len(found) == len(set(found))


async def test_ten_thousand_ends_of_one_millisecond_are_listed_once_each_while_others_come(
    house: House, shelf: Shelf
) -> None:
    ids = [f"job-{number:05}" for number in range(10_000)]
    await shelf.end(*({"job_id": job_id} for job_id in ids))
    admin = await house.program({"role": "admin"})
    for query, expected in (("", ids[::-1]), ("sort=ended_at&", ids)):
        found: list[str] = []
        cursor, number = None, 0
        while True:
            page = (
                await admin.get(
                    f"/v1/jobs?{query}limit=200&fields=id" + (f"&cursor={cursor}" if cursor else "")
                )
            ).json()
            found += [job["id"] for job in page["items"]]
            number += 1
            moment = DAY + timedelta(seconds=number)
            await shelf.end({"job_id": f"new-{query[:4]}-{number}", "ended_at": moment})
            if (cursor := page["next"]) is None:
                break
        assert [job_id for job_id in found if job_id.startswith("job-")] == expected
        assert len(found) == len(set(found))


async def test_pages_are_turned_back_to_the_first(house: House, shelf: Shelf) -> None:
    await shelf.wait(*(f"{n:02}" for n in range(10)))
    admin = await house.program({"role": "admin"})
    first = (await admin.get("/v1/jobs?limit=4")).json()
    second = (await admin.get(f"/v1/jobs?limit=4&cursor={first['next']}")).json()
    store = shelf.store("mail")
    await asyncio.gather(*(store.call("ZREM", store.queue.ranks[2], f"{n:02}") for n in range(2)))
    back = (await admin.get(f"/v1/jobs?limit=4&cursor={second['prev']}")).json()
    # two of them are gone: it is filled up as it is for who begins there
    assert [job["id"] for job in back["items"]] == ["02", "03", "04", "05"]
    assert back["prev"] is None
