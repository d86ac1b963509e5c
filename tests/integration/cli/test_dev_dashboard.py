"""The dashboard of `monarq dev`: an address that logs in once is printed at each start."""

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.servers import free_port

from .stage import Running, Stage, eventually
from .test_dashboard import wait_for

FROM_OUR_PAGES = {"sec-fetch-site": "same-origin"}


def _address(dev: Running) -> str:
    """The last address that was printed."""
    dev.says("/login/")
    found: list[str] = eventually(lambda: re.findall(r"http://127\.0\.0\.1:\d+/login/[\w-]{43}", dev.output))
    return found[-1]


def _is_logged_in(address: str) -> str:
    """Who is logged in by the address."""
    with httpx.Client(base_url=address.partition("/login/")[0], headers=FROM_OUR_PAGES) as browser:
        wait_for(browser)
        if browser.post(address).status_code != 303:
            return ""
        me = browser.get("/v1/me").json()
        assert "queues:purge" in me["permissions"]
        return str(me["name"])


@pytest.mark.parametrize("kept", ["--postgres", "--no-postgres"])
def test_the_printed_address_logs_the_developer_in_once(bare_stage: Stage, kept: str) -> None:
    dev = bare_stage.start("dev", "--workers", "0", kept, "--dashboard-port", str(free_port()))
    address = _address(dev)
    written = Path(bare_stage.folder / ".monarq" / "dashboard")
    assert written.read_text() == address
    assert written.stat().st_mode & 0o077 == 0
    assert _is_logged_in(address) == "dev"
    assert _is_logged_in(address) == ""
    assert dev.send(signal.SIGTERM).ends() == 0
    again = bare_stage.start("dev", "--workers", "0", kept, "--dashboard-port", str(free_port()))
    assert _is_logged_in(_address(again)) == "dev"
    assert _address(again) != address


def test_a_taken_port_is_an_error_if_it_was_asked_for(bare_stage: Stage) -> None:
    address = _address(bare_stage.start("dev", "--workers", "0", "--no-postgres"))
    with httpx.Client(base_url=address.partition("/login/")[0]) as client:
        wait_for(client)
    port = address.rpartition(":")[2].partition("/")[0]
    ended = bare_stage.monarq("dev", "--no-postgres", "--dir", "other", "--dashboard-port", port)
    assert ended.returncode == 78
    assert f"port {port} is taken" in ended.stderr


def test_without_a_port_a_free_one_is_taken(bare_stage: Stage) -> None:
    ports = []
    for folder in ("a", "b"):
        address = _address(bare_stage.start("dev", "--workers", "0", "--no-postgres", "--dir", folder))
        with httpx.Client(base_url=address.partition("/login/")[0]) as client:
            wait_for(client)
        ports.append(address.rpartition(":")[2])
    assert len({port.partition("/")[0] for port in ports}) == 2


def test_users_of_the_settings_log_in_by_themselves(bare_stage: Stage) -> None:
    dev = bare_stage.start(
        "dev",
        "--workers",
        "0",
        "--no-postgres",
        MONARQ_DASHBOARD_USERS='{"ann": {"password": "", "grants": []}}',
    )
    dev.says("monarq dashboard: http://127.0.0.1")
    assert "/login/" not in dev.output


def test_there_is_none_if_none_is_wanted(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--workers", "0", "--no-postgres", "--no-dashboard").says("Ctrl-C")
    assert "Dashboard" not in dev.output
    assert len(dev.children()) == 1
