"""`monarq top`: the live fleet in a terminal, on a pipe and as JSON."""

import asyncio
import json
import os
import pty
import signal
import subprocess

import pytest

from monarq.jobs.cli.app import run
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from tests.integration.dashboard.crowd import fill, report

from .stage import MONARQ, Stage

#: How a terminal is told to show another screen, and to come back.
OTHER_SCREEN, OWN_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def fleet(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue with jobs that nobody serves, and a worker of another one; looked at in this process."""

    async def people() -> None:
        link = Link(from_url(redis_url))
        await fill(link, "mail", ready=142)
        await report(link, "web-1", queues={"default": 0}, busy=4)
        await link.close()

    asyncio.run(people())
    monkeypatch.setenv("MONARQ_REDIS_URL", redis_url)
    monkeypatch.setattr("monarq.jobs.log.configure", lambda **_: None)
    monkeypatch.setattr("monarq.dashboard.cli.top.FRESH", 0.0)  # no pace is looked for


def test_json_tells_what_the_overview_shows(fleet: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    queues = {queue["queue"]: queue for queue in told["queues"]}
    assert (queues["mail"]["ready"], queues["mail"]["state"], queues["mail"]["workers"]) == (
        142,
        "unserved",
        0,
    )
    assert [(one["worker"], one["state"], one["busy"]) for one in told["workers"]] == [("web-1", "live", 4)]
    [verdict] = told["verdicts"]
    assert (verdict["alert"], verdict["level"]) == ("QueueNoWorkers", "page")
    assert (told["redis"], told["postgres"], told["outbox"]) == ("ok", None, None)
    assert told["memory"]["used_bytes"] > 0


def test_a_pipe_gets_it_once(fleet: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "142 ready" in lines[0]
    assert lines[1] == "page: 142 ready, no worker listens on mail: monarq worker --queues mail"
    assert any(line.startswith("mail\tunserved\t142\t") for line in lines)
    assert any(line.startswith("web-1\tlive\tdefault\t4\t") for line in lines)


def test_without_redis_it_ends_with_69(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONARQ_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr("monarq.jobs.log.configure", lambda **_: None)
    assert run(["top", "--once"]) == 69
    assert "cannot connect to Redis" in capsys.readouterr().err


def test_a_terminal_shows_it_until_it_is_told_to_stop(stage: Stage) -> None:
    leader, follower = pty.openpty()
    environ = stage.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [MONARQ, "top"], cwd=stage.folder, env=environ, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    try:
        seen = _read_until(leader, b"healthy")
        assert OTHER_SCREEN in seen
        process.send_signal(signal.SIGTERM)  # by default it would leave the terminal as it is
        assert OWN_SCREEN in _read_until(leader, OWN_SCREEN)
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(leader)


def _read_until(leader: int, wanted: bytes) -> bytes:
    """What the terminal was sent until then; the end of the program ends it, too."""
    seen = b""
    while wanted not in seen:
        try:
            seen += os.read(leader, 65_536)
        except OSError:  # nobody writes any more
            break
    assert wanted in seen, seen
    return seen
