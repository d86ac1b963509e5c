"""An app of the dashboard over a real Valkey and a real PostgreSQL, and clients that ask it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from monarq.dashboard.app import create_app
from monarq.dashboard.services.services import open_services
from monarq.dashboard.settings import DashboardSettings
from monarq.jobs.settings import Settings
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.queues import announce
from tests.postgres import PostgresServer, postgres_server
from tests.servers import ValkeyServer

from .house import House
from .kinds import KINDS


@pytest.fixture
async def open_house(redis_url: str, database_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Opens dashboards with settings of one's own: `await open_house(read_only=True)`."""
    opened: list[House] = []

    async def make(
        *, with_database: bool = True, objectives: dict[str, Any] | None = None, **options: Any
    ) -> House:
        settings = Settings(
            redis_url=redis_url,
            database_url=database_url if with_database else None,
            objectives=objectives or {},
        )
        services = open_services(settings, DashboardSettings(**options), kinds=KINDS)
        house = House(create_app(services), services, settings)
        opened.append(house)
        await announce(services.link, [queue_keys(name) for name in ("mail", "mail.bulk", "default")])
        return house

    yield make
    for house in opened:
        await house.close()


@pytest.fixture
async def house(open_house: Callable[..., Any]) -> House:
    """A dashboard with nothing but defaults."""
    return await open_house()  # type: ignore[no-any-return]


@pytest.fixture
async def stage() -> AsyncIterator[tuple[House, ValkeyServer, PostgresServer]]:
    """A dashboard over servers of its own."""
    valkey = ValkeyServer(appendonly=True).start()
    with postgres_server() as postgres:
        url = await asyncio.to_thread(postgres.new_database)
        settings = Settings(
            redis_url=valkey.url, database_url=url, database_connect_timeout=5, database_acquire_timeout=5
        )
        services = open_services(settings, DashboardSettings())
        await announce(services.link, [queue_keys("mail")])
        house = House(create_app(services), services, settings)
        yield house, valkey, postgres
        await house.close()
    valkey.stop()
