"""What the tests of the command line share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link

from .burial import bury
from .stage import Stage

Bury = Callable[..., None]


@pytest.fixture
def stage(tmp_path: Path, redis_url: str) -> Iterator[Stage]:
    """An app's folder, at an empty Valkey."""
    stage = Stage(tmp_path, redis_url)
    yield stage
    stage.clear()


@pytest.fixture
def bare_stage(own_folder: Path) -> Iterator[Stage]:
    """An app's folder, with no Redis."""
    stage = Stage(own_folder, None)
    yield stage
    stage.clear()


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    link = Link(from_url(redis_url))
    yield link
    await link.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """A plain client, to look at keys."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


@pytest.fixture
def buried(redis_url: str) -> Bury:
    """Makes dead letters: `buried("a", "b", queue="mail")`."""

    def make(*job_ids: str, **options: Any) -> None:
        async def work() -> None:
            link = Link(from_url(redis_url))
            await bury(link, *job_ids, **options)
            await link.close()

        asyncio.run(work())

    return make
