"""`monarq health --live`, `--ready` and `--started`: one process of this machine is asked."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monarq.jobs.cli.app import run
from monarq.jobs.side_port import Page, SidePort, json_page
from tests.servers import free_port

FLAGS = {"live": "/livez", "ready": "/readyz", "started": "/startupz"}
WORDS = {"live": "alive", "ready": "ready", "started": "started"}

Serve = Callable[..., int]
Told = dict[str, tuple[bool, dict[str, Any]]]


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[SidePort, Told]]:
    """A process of ours, and what it tells at which path."""
    told: Told = {}

    def page(path: str) -> Page:
        missing = (404, b"not found", "text/plain")
        return lambda accept: json_page(lambda: told[path])(accept) if path in told else missing

    port = SidePort("127.0.0.1", 0, {path: page(path) for path in FLAGS.values()})
    port.start()
    yield port, told
    port.stop()


@pytest.fixture
def serve(process: tuple[SidePort, Told]) -> Serve:
    """Lets the process answer one probe so; its port."""
    port, told = process
    told.clear()

    def make(path: str, is_well: bool, **facts: Any) -> int:
        told[path] = (is_well, facts)
        assert port.port is not None
        return port.port

    return make


def health(*arguments: str, port: int | None = None) -> int:
    return run(["health", *arguments, *(["--port", str(port)] if port else [])])


@pytest.mark.parametrize("flag", FLAGS)
def test_yes_is_a_word_and_0(flag: str, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve(FLAGS[flag], True, checks={"redis": "ok"})
    assert health(f"--{flag}", port=port) == 0
    assert capsys.readouterr() == (f"{WORDS[flag]}\n", "")


@pytest.mark.parametrize("flag", FLAGS)
def test_no_is_1_and_says_why(flag: str, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve(FLAGS[flag], False, checks={"redis": "store_unavailable", "postgres": "ok"})
    assert health(f"--{flag}", port=port) == 1
    assert capsys.readouterr() == ("", f"monarq: not {WORDS[flag]}: redis: store_unavailable\n")


def test_json_is_what_the_process_has_told(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve("/livez", False, alive=False, loop_silent_seconds=40.5)
    assert health("--live", "--json", port=port) == 1
    assert json.loads(capsys.readouterr().out) == {"alive": False, "loop_silent_seconds": 40.5}


def test_who_does_not_answer_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    """1, and not the code for a Redis that is away: Docker knows no other."""
    port = free_port()
    assert health("--live", port=port) == 1
    assert f"not alive: no answer at 127.0.0.1:{port}" in capsys.readouterr().err


def test_somebody_else_at_the_port_is_not_well(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve("/elsewhere", True)
    assert health("--ready", "--json", port=port) == 1
    assert json.loads(capsys.readouterr().out)["ready"] is False


def test_the_port_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """Who listens on all addresses is asked on this machine."""
    monkeypatch.setenv("MONARQ_METRICS_PORT", str(serve("/livez", True)))
    monkeypatch.setenv("MONARQ_METRICS_HOST", "0.0.0.0")
    assert health("--live") == 0


def test_without_a_port_nothing_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONARQ_METRICS_PORT", "0")
    assert health("--live") == 78
    assert "MONARQ_METRICS_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--live", "--ready"], ["--live", "-q", "mail"], ["--port", "1"]])
def test_one_thing_is_asked_at_a_time(arguments: list[str]) -> None:
    assert health(*arguments) == 2


def test_a_probe_loads_no_client_of_a_store() -> None:
    """It is asked every few seconds, by a process of its own."""
    code = """if True:
        import sys
        from monarq.jobs.cli.app import run

        assert run(["health", "--live", "--port", "9"]) == 1
        print({"redis", "arq", "httpx", "asyncpg", "sqlalchemy", "PIL"} & set(sys.modules))
        """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
