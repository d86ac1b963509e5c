"""What the tests of the shipped kinds share: contexts, settings and certificates."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monarq.jobs.catalog.settings import load_settings
from monarq.jobs.context import JobContext

TLS = Path(__file__).parent / "tls"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Sets a variable of the catalog; it is read anew."""

    def set_variable(name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        load_settings.cache_clear()

    load_settings.cache_clear()
    yield set_variable
    load_settings.cache_clear()


@pytest.fixture
def ctx() -> JobContext:
    context = JobContext()
    context.job_id, context.attempt = "{default}0192-ab", 1
    return context


@pytest.fixture(scope="session")
def server_tls() -> ssl.SSLContext:
    """The certificate of `receiver.test` and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "receiver.pem")
    return context


@pytest.fixture(scope="session")
def client_tls() -> ssl.SSLContext:
    """Trusts the authority of the tests, and no other."""
    return ssl.create_default_context(cafile=TLS / "authority.pem")
