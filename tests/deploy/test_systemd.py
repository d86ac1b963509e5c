"""`deploy/systemd`: units that systemd understands, and that fit how our processes end."""

import shutil
import subprocess
from pathlib import Path

import pytest

from monarq.dashboard.cli.dashboard import _DRAIN
from monarq.jobs.cli.exit_codes import ExitCode

from .files import DEPLOY, start

FOLDER = DEPLOY / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
CLEANING_UP = 10

Unit = dict[str, list[str]]


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def read(path: Path) -> Unit:
    """What a unit says, by `Section.Name`."""
    unit: Unit = {}
    section = ""
    for line in _lines(path.read_text(encoding="utf-8")):
        if line.startswith("["):
            section = line.strip("[]")
            continue
        name, is_set, value = line.partition("=")
        assert is_set, f"{path.name}: {line}"
        unit.setdefault(f"{section}.{name}", []).append(value)
    return unit


def environment(unit: Unit) -> dict[str, str]:
    """What a process gets, as the instance 9464."""
    shared = dict(line.split("=", 1) for line in _lines((FOLDER / "monarq.env").read_text(encoding="utf-8")))
    words = " ".join(unit.get("Service.Environment", ())).replace("%i", "9464").split()
    own = dict(word.split("=", 1) for word in words)
    assert not own.keys() & shared.keys(), "the file would win"
    return shared | own


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_process_starts_with_what_its_unit_gives_it(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    unit = read(path)
    [command] = unit["Service.ExecStart"]
    program, *arguments = command.split()
    assert program == "/opt/monarq/bin/monarq"
    start(monkeypatch, arguments, environment(unit))


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_again_what_ends_but_not_what_has_bad_settings(path: Path) -> None:
    unit = read(path)
    assert unit["Service.Restart"] == ["always"], "a worker that is drained is to be replaced"
    assert unit["Service.RestartPreventExitStatus"] == [f"{ExitCode.USAGE:d} {ExitCode.CONFIG:d}"]
    assert unit["Unit.StartLimitIntervalSec"] == ["0"], "Redis may be away for long"


def test_a_worker_may_take_its_drain_time_and_ten_seconds_more() -> None:
    unit = read(FOLDER / "monarq-worker@.service")
    drain = int(environment(unit)["MONARQ_DRAIN_TIMEOUT"])
    assert unit["Service.TimeoutStopSec"] == [str(drain + CLEANING_UP)]
    assert unit["Service.SuccessExitStatus"] == [f"{ExitCode.DRAIN_TIMED_OUT:d}"]
    assert unit["Service.KillMode"] == ["mixed"], "its children are its own affair"


def test_a_dashboard_may_take_its_drain_time_and_ten_seconds_more() -> None:
    unit = read(FOLDER / "monarq-dashboard.service")
    assert unit["Service.TimeoutStopSec"] == [str(_DRAIN + CLEANING_UP)]


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    """Where there is no systemd, the tests above are all that looks at them."""
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    for path in UNITS:
        # the program is not installed here
        text = path.read_text(encoding="utf-8").replace("/opt/monarq/bin/monarq", "/bin/true")
        (tmp_path / path.name).write_text(text)
    told = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in told.stderr.splitlines() if "monarq" in line]
    assert (told.returncode, ours) == (0, [])
