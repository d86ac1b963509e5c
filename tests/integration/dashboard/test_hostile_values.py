"""Values that mean something to SQL, Lua, Redis, globs, templates or patterns, in every place that there is.

Each is text and nothing more: the answer is one of the API's own, comes soon, and both stores hold what they
held before.
"""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from monarq.dashboard.settings import DashboardSettings

from .house import House
from .operations import Operation, operations, strings_in

#: The longest that the quickest of three answers may take, in seconds: less than what would sleep here.
LATEST = 2.5
OPERATIONS = [
    one for one in operations() if str(one) not in {"POST /v1/sessions", "DELETE /v1/sessions/current"}
]
_JSON = {"content-type": "application/json"}
#: What a template would make of `{{7*'7'}}`.
RENDERED = "7777777"
INJECTED = [
    "' OR '1'='1",
    "'; DROP TABLE monarq.users; --",
    "x'||pg_sleep(3)||'",
    "$1",
    "%s%n",
    "{0.__class__}",
    "{{7*'7'}}${7*'7'}<%= 7*'7' %>",
    "redis.call('FLUSHALL')",
    "\r\nFLUSHALL\r\n",
    "a\r\nSet-Cookie: x=y",
    "monarq:*",
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "id;select",
    "-id",
    "\u202egnp.exe",
    "\x00",
    "\ud800",
    "é" * 40,
]
#: What a careless parser, pattern or number takes for ever with.
SLOW = [
    "a" * 5_000 + "!",
    "*" * 500,
    "*a" * 200 + "b",
    "%_" * 500,
    "(" * 2_000,
    "[[[[" * 500,
    "\\" * 2_001,
    "a." * 2_000,
    '"' * 2_001,
    "9" * 5_000,
    "1e999999999",
    "-" * 3_000,
    "2026-01-01T00:00:00" + "0" * 3_000 + "Z",
    " " * 5_000 + "x",
]


@pytest.fixture
async def house(open_house: Callable[..., Any]) -> House:
    """It counts no requests."""
    limits = dict.fromkeys(
        ("reads_per_minute", "writes_per_minute", "enqueues_per_minute", "logins_per_minute"), 10**9
    )
    assert limits.keys() <= DashboardSettings.model_fields.keys()
    return await open_house(**limits)  # type: ignore[no-any-return]


async def held(house: House) -> tuple[Any, ...]:
    """What must stay as it is: users, tokens, queues."""
    assert house.services.database is not None
    async with house.services.database.connection() as connection:
        people = await connection.fetch("SELECT id, name, grants::text FROM monarq.users ORDER BY id")
        tokens = await connection.fetch("SELECT id, revoked_at FROM monarq.api_tokens ORDER BY id")
    queues = await house.services.link.call("KEYS", "monarq:q*")
    return [tuple(row) for row in people], [tuple(row) for row in tokens], sorted(queues)


async def faults_of(client: httpx.AsyncClient, method: str, url: str, **sent: Any) -> list[str]:
    """What is wrong with the answer to this."""
    for _ in range(3):
        began = time.perf_counter()
        answer = await client.request(method, url, **sent)
        if (taken := time.perf_counter() - began) <= LATEST:
            break
    name = f"{method} {url[:150]} {str(sent)[:150]}"
    found = []
    if answer.status_code >= 500:
        found.append(f"{name}: {answer.status_code} {answer.text[:200]}")
    if taken > LATEST:
        found.append(f"{name}: {taken:.2f} s")
    if RENDERED in answer.text or "set-cookie" in answer.headers:
        found.append(f"{name}: it was rendered: {answer.text[:200]}")
    return found


def values_for(operation: Operation, number: int) -> list[str]:
    """All for what searches; for the others a part, another one for each place."""
    searches = not operation.changes_something and not operation.places("path")
    return INJECTED + SLOW if searches else (INJECTED + SLOW)[number + len(operation.path) % 4 :: 4]


def quoted(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


async def test_no_value_in_a_path_or_a_query_is_more_than_text(house: House) -> None:
    program = await house.program({"role": "admin"})
    before, wrong = await held(house), []
    for operation in OPERATIONS:
        plain = dict.fromkeys(operation.places("path"), "mail")
        places = [*plain, *operation.places("query")]
        for number, name in enumerate(places):
            for value in map(quoted, values_for(operation, number)):
                url = operation.filled({**plain, name: value} if name in plain else plain)
                url += "" if name in plain else f"?{name}={value}"
                wrong += await faults_of(program, operation.method, url, json=operation.sample())
    assert wrong == []
    assert await held(house) == before


async def test_no_value_in_a_body_is_more_than_text(house: House) -> None:
    program = await house.program({"role": "admin"})
    wrong = []
    for operation in OPERATIONS:
        url = operation.filled(dict.fromkeys(operation.places("path"), "mail"))
        for member in strings_in(operation.body or {}):
            if "password" in member:  # to hash one takes its time, by design
                continue
            for value in INJECTED + SLOW:
                text = json.dumps({**operation.sample(), member: value})
                wrong += await faults_of(program, operation.method, url, content=text, headers=_JSON)
    assert wrong == []
    _, _, queues = await held(house)
    assert queues != []


@pytest.mark.parametrize("name", ["limit", "cursor"])
async def test_a_parameter_that_is_none_is_refused(house: House, name: str) -> None:
    program = await house.program({"role": "admin"})
    paged = [one for one in OPERATIONS if name in one.places("query") and not one.places("path")]
    assert paged
    values = {
        "limit": ["-1", "0", "1e3", "0x10", "999999999999", "NaN", "\u0661"],
        "cursor": ["\x00", "x", "é"],
    }
    for operation in paged:
        for value in values[name]:
            answer = await program.get(operation.path, params={name: value})
            assert answer.status_code in (400, 422), f"{operation} {name}={value}: {answer.text}"
