"""The database goes away under an archiver, and comes back."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from monarq.jobs.store.keys import queue_keys
from monarq.worker.maintenance.archiver import Archiver
from tests.integration.worker.deadlines import eventually
from tests.postgres import PostgresServer, postgres_server

from .graveyard import AT_ONCE, DatabaseGraveyard, open_graveyard

QUEUE = queue_keys("default")
NAMES = [f"a{number:03}" for number in range(300)]


@pytest.fixture
def mortal_server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def mortal_url(mortal_server: PostgresServer) -> str:
    return mortal_server.new_database()


async def test_letters_wait_in_redis_while_the_database_is_away_and_move_when_it_is_back(
    redis_url: str, mortal_server: PostgresServer, mortal_url: str
) -> None:
    async with open_graveyard(redis_url, mortal_url) as yard:
        assert isinstance(yard, DatabaseGraveyard)
        archiver = Archiver(yard.archive, [QUEUE], keep=timedelta(days=1), grace=AT_ONCE)
        await yard.bury(*NAMES[:150])
        assert await archiver.move() == 150
        await asyncio.to_thread(mortal_server.kill)
        await yard.bury(*NAMES[150:])
        with capture_logs() as logs:
            duty = asyncio.create_task(archiver.run())
            await eventually(lambda: _is_told(logs, "worker.store_unavailable"))
            assert await yard.link.call("ZCARD", QUEUE.dead) == 150
            await asyncio.to_thread(mortal_server.restart)
            await eventually(lambda: _is_told(logs, "worker.store_is_back"))
        duty.cancel()
        with suppress(asyncio.CancelledError):
            await duty
        assert await yard.link.call("ZCARD", QUEUE.dead) == 0
        assert sorted(await yard.ids()) == NAMES


async def _is_told(logs: Sequence[Mapping[str, Any]], event: str) -> bool:
    return any(line["event"] == event for line in logs)
