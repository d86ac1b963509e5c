"""What the end-to-end tests share: a stage of one Redis, workers in processes of their own, and a ledger."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from monarq.producer import Producer
from tests.servers import ValkeyServer

from .ledger import Ledger
from .processes import Process


class Stage:
    """Starts workers; all that were started are stopped at the end."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self.url = url
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self._stack = stack

    def worker(
        self, *, module: str = "monarq.jobs.cli", settings_class: str = "", **settings: object
    ) -> Process:
        """`monarq worker`, by settings: `lease=2, concurrency=4`."""
        named = {f"MONARQ_{name.upper()}": str(value) for name, value in settings.items()}
        if not settings_class:
            named["MONARQ_JOBS"] = "tests.e2e.handlers"
        return self.process(["-m", module, "worker", *filter(None, [settings_class])], **named)

    def process(self, arguments: list[str], **environment: str) -> Process:
        """Any other process at the same Redis."""
        environment = {"MONARQ_REDIS_URL": self.url, "MONARQ_LOG_FORMAT": "json", **environment}
        return self._stack.enter_context(Process(arguments, self.folder, **environment))

    async def ready(self, *workers: Process) -> None:
        """Wait until these workers take jobs."""
        for worker in workers:
            await worker.says("worker.started")

    def gate(self, name: str = "gate") -> Path:
        """A file that is not there yet, for `hold`."""
        return self.folder / name


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    """At the shared Valkey."""
    with ExitStack() as stack:
        yield Stage(redis_url, tmp_path, stack)


@pytest.fixture
def durable_server() -> Iterator[ValkeyServer]:
    """A Valkey of the test's own that may be killed: what it has acknowledged, it has on its disk."""
    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def durable_stage(durable_server: ValkeyServer, tmp_path: Path) -> Iterator[Stage]:
    """At a Valkey that may be killed."""
    with ExitStack() as stack:
        yield Stage(durable_server.url, tmp_path, stack)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
async def producer(redis_url: str) -> AsyncIterator[Producer]:
    async with Producer.connect(redis_url) as connected:
        yield connected
