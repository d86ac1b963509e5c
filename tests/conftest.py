"""What every test may ask for: a real Valkey, empty."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import HealthCheck, settings

from tests.postgres import SERVERS, PostgresServer, postgres_server
from tests.servers import ValkeyServer

if TYPE_CHECKING:
    from tests.tracing import Spans

# A gate says the same twice of the same code, and judges no code by how busy the machine is.
# `PROPERTY_EXAMPLES=5000` looks at that many new examples instead.
_ON_A_BUSY_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", derandomize=True, **_ON_A_BUSY_MACHINE)
if wanted := os.environ.get("PROPERTY_EXAMPLES"):
    settings.register_profile("search", max_examples=int(wanted), **_ON_A_BUSY_MACHINE)
settings.load_profile("search" if wanted else "gate")


# The workers of many tests run at once, and would want the same port.
os.environ.setdefault("MONARQ_METRICS_PORT", "0")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of the Valkey that all tests of this run share; nothing is promised about what it holds."""
    with ValkeyServer() as server:
        yield server.url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The address of the shared Valkey, with no keys and fresh `INFO` statistics."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        client.config_resetstat()
    return valkey_url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on every PostgreSQL that there is."""
    marked = metafunc.definition.get_closest_marker("every_postgres") is not None
    if marked and "postgres" in metafunc.fixturenames and len(SERVERS) > 1:
        metafunc.parametrize("postgres", SERVERS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The PostgreSQL that all tests of this run share."""
    with postgres_server(name=getattr(request, "param", "embedded")) as server:
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database of the test's own, with our tables and nothing in them."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator["Spans"]:
    """An app that has set up OpenTelemetry; called, it tells the spans that have ended."""
    from tests.tracing import recorded  # it imports what must not be there for nothing

    with recorded(monkeypatch) as spans:
        yield spans


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder outside of pytest's, for a PostgreSQL that root starts: it runs as another user.

    Every pytest that starts closes the folder of all of them to other users, also to such a server.
    """
    folder = Path(tempfile.mkdtemp(prefix="monarq-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
