"""How often somebody may ask, and how large what they send may be."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from .house import House


async def test_every_answer_says_what_is_left(open_house: Callable[..., Any]) -> None:
    house = await open_house(reads_per_minute=3)
    program = await house.program({"role": "viewer"})
    answers = [await program.get("/v1/queues") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-policy"] for answer in answers[:3]] == ['"read";q=3;w=60'] * 3
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers[:3]] == [
        '"read";r=2',
        '"read";r=1',
        '"read";r=0',
    ]
    assert answers[3].json()["code"] == "quota_exceeded"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


async def test_looking_and_changing_are_counted_apart(open_house: Callable[..., Any]) -> None:
    house = await open_house(reads_per_minute=1, writes_per_minute=1)
    program = await house.program({"role": "operator"})
    assert (await program.get("/v1/queues")).status_code == 200
    assert (await program.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 200
    assert (await program.get("/v1/queues")).status_code == 429
    assert (await program.post("/v1/queues/mail/resume", json={})).status_code == 429


async def test_enqueuing_is_counted_apart_from_steering(open_house: Callable[..., Any]) -> None:
    house = await open_house(writes_per_minute=1, enqueues_per_minute=2)
    program = await house.program({"role": "admin"})
    job = {"kind": "mail.send", "args": {"user_id": 1}}
    answers = [(await program.post("/v1/jobs", json=job)).status_code for _ in range(3)]
    assert answers == [201, 201, 429]
    assert (await program.post("/v1/queues/mail/resume", json={})).status_code == 200


async def test_what_is_asked_at_once_is_counted_all(open_house: Callable[..., Any]) -> None:
    house = await open_house(reads_per_minute=5)
    program = await house.program({"role": "viewer"})
    answers = await asyncio.gather(*(program.get("/v1/queues") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 15


async def test_no_header_and_no_other_path_gives_a_caller_more(open_house: Callable[..., Any]) -> None:
    house = await open_house(reads_per_minute=2)
    secret, _ = await house.token({"role": "viewer"})
    codes = []
    for number, path in enumerate(("/v1/queues", "/v1/queues/mail", "/v1/me", "/v1/sessions")):
        client = house.client(
            address=f"192.0.2.{number}", authorization=f"Bearer {secret}", x_forwarded_for=f"1.1.1.{number}"
        )
        codes.append((await client.get(path)).status_code)
    assert codes == [200, 200, 429, 429]


async def test_one_caller_does_not_use_up_what_another_may_ask(open_house: Callable[..., Any]) -> None:
    house = await open_house(reads_per_minute=1)
    first, second = await house.program({"role": "viewer"}), await house.program({"role": "viewer"})
    assert (await first.get("/v1/queues")).status_code == 200
    assert (await first.get("/v1/queues")).status_code == 429
    assert (await second.get("/v1/queues")).status_code == 200


async def test_guessing_tokens_is_refused_after_some(house: House) -> None:
    codes = [
        (await house.client(authorization=f"Bearer monarq_{number}").get("/v1/me")).status_code
        for number in range(125)
    ]
    assert codes == [401] * 120 + [429] * 5


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(open_house: Callable[..., Any], is_chunked: bool) -> None:
    house = await open_house(max_body_bytes=1024)
    program = await house.program({"role": "operator"})
    sent = 0

    async def chunks() -> Any:
        nonlocal sent
        yield b'{"why": "'
        for _ in range(100):
            sent += 1
            yield b"x" * 100
        yield b'"}'

    content = chunks() if is_chunked else b'{"why": "' + b"x" * 2_000 + b'"}'
    headers = {"content-type": "application/json"}
    answer = await program.post("/v1/queues/mail/pause", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_deep_body_is_refused_and_not_followed(house: House) -> None:
    program = await house.program({"role": "operator"})
    headers = {"content-type": "application/json"}
    for body in (b"[" * 100_000, b'{"why":' * 50_000, b'{"why": "\xff"}', b'{"why": NaN}', b"\x00"):
        answer = await program.post("/v1/queues/mail/pause", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text


async def test_counts_end_by_themselves_and_name_nobody(house: House) -> None:
    user = await house.user({"role": "viewer"})
    await house.browser(user=user)
    keys = await house.services.link.call("KEYS", "*limit*")
    assert keys
    assert all(b"monarq:limit" in key for key in keys)
    assert not [key for key in keys if user.name.encode() in key or b"127.0.0.1" in key]
    assert all([await house.services.link.call("PTTL", key) > 0 for key in keys])
