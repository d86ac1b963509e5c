"""The port beside the work: it answers whatever happens, and waits for nobody to begin."""

import socket
from typing import NoReturn

import httpx
import pytest
from structlog.testing import capture_logs

from monarq.jobs.side_port import SidePort

Page = tuple[int, bytes, str]


def page(_accept: str) -> Page:
    return 200, b"here", "text/plain"


def broken(_accept: str) -> Page:
    raise ZeroDivisionError


def has_ipv6() -> bool:
    """A container may have none."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = {"127.0.0.1": "127.0.0.1"} | ({"::1": "[::1]", "::": "[::1]"} if has_ipv6() else {})


@pytest.mark.parametrize(("host", "asked"), HOSTS.items())
def test_it_listens_at_addresses_of_either_family(host: str, asked: str) -> None:
    port = SidePort(host, 0, {"/page": page})
    port.start()
    try:
        assert httpx.get(f"http://{asked}:{port.port}/page").text == "here"
    finally:
        port.stop()


def test_it_begins_without_asking_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS may take seconds, and who starts waits."""

    def ask(_host: str = "") -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(socket, "getfqdn", ask)
    port = SidePort("127.0.0.1", 0, {})
    port.start()
    port.stop()


def test_a_page_that_fails_says_so_and_the_log_says_why() -> None:
    port = SidePort("127.0.0.1", 0, {"/broken": broken})
    port.start()
    try:
        with capture_logs() as lines:
            assert httpx.get(f"http://127.0.0.1:{port.port}/broken").status_code == 500
    finally:
        port.stop()
    [line] = lines
    assert (line["event"], line["path"], line["log_level"]) == ("metrics.page_failed", "/broken", "error")
