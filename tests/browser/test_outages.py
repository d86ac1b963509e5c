"""Redis or PostgreSQL is away: each page answers soon, says what it can know, and what it cannot."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.postgres import PostgresServer, postgres_server

from .conftest import OpenPage
from .every_page import EveryPage, every_page
from .stack import Stack, apart
from .town import Town
from .watch import Watch

PAGES = [one for one in every_page() if not one.is_public]
#: What is known of queues and workers is in Redis; a moment ago it was seen.
LIVE = frozenset({"/", "/queues", "/workers"})
#: Seconds that an answer may take, and how often it may be asked for: a busy machine is not judged.
LATEST, TRIALS = 6.0, 3


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """One of our own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Stack]:
    """One of our own, whose servers are killed."""
    timeouts = {"MONARQ_DATABASE_CONNECT_TIMEOUT": "1", "MONARQ_DATABASE_ACQUIRE_TIMEOUT": "1"}
    with Stack(tmp_path_factory.mktemp("stack"), apart(postgres.new_database), **timeouts) as started:
        yield started


def answers(stack: Stack, secret: str, found: dict[str, str]) -> dict[EveryPage, httpx.Response]:
    """What each page answers to who was there before."""
    told = {}
    with httpx.Client(base_url=stack.url, cookies={"monarq_session": secret}, timeout=30) as client:
        for one in PAGES:
            for _ in range(TRIALS):
                began = time.monotonic()
                told[one] = client.get(one.address(found))
                if time.monotonic() - began < LATEST:
                    break
            else:
                pytest.fail(f"{one} takes too long")
    return told


def odd_ones(told: dict[EveryPage, httpx.Response]) -> list[str]:
    """Answers that neither show something nor say what is away; nobody changes anything meanwhile."""
    return [
        f"{one}: {answer.status_code}"
        for one, answer in told.items()
        if answer.status_code
        not in (200, 503, 403 if one.permission and one.permission.changes_something else 200)
    ]


def test_while_postgresql_is_away_what_lives_is_shown(
    stack: Stack, postgres: PostgresServer, open_page: OpenPage, watch: Watch
) -> None:
    town = Town(stack).build(jobs=1)
    secret = stack.login({"role": "admin"})
    answers(stack, secret, town.found)
    apart(postgres.kill)
    told = answers(stack, secret, town.found)
    wrong = odd_ones(told)
    wrong += [
        f"{one}: {told[one].status_code}"
        for one in PAGES
        if one.path in LIVE and told[one].status_code != 200
    ]
    assert wrong == []
    for answer in told.values():
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.status_code == 200 or str(postgres.port) not in answer.text
    [queues] = [answer for one, answer in told.items() if one.path == "/queues"]
    assert "payments" in queues.text


def test_while_redis_is_away_what_was_seen_is_shown_with_its_age(stack: Stack) -> None:
    town = Town(stack).build(jobs=1)
    secret = stack.login({"role": "admin"})
    answers(stack, secret, town.found)
    stack.valkey.kill()
    # what was seen within the last second needs no newer look, and is not stale
    stack.wait(lambda: not any(_is_fresh(stack, secret, path) for path in LIVE))
    told = answers(stack, secret, town.found)
    wrong = odd_ones(told)
    assert wrong == []
    for one, answer in told.items():
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.status_code == 200 or str(stack.valkey.port) not in answer.text
        if one.path in LIVE:
            assert answer.status_code == 200, one
            assert "stale" in answer.text, one
    stack.valkey.start()
    stack.wait(lambda: all(_is_fresh(stack, secret, path) for path in LIVE))


def _is_fresh(stack: Stack, secret: str, path: str) -> bool:
    answer = httpx.get(stack.url + path, cookies={"monarq_session": secret}, timeout=30)
    return answer.status_code == 200 and "stale" not in answer.text
