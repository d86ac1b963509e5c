"""Each way to fail has its exit code, and one line that says what to do."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest
import typer

from monarq.jobs.cli import app as command_line
from monarq.jobs.cli.exit_codes import ExitCode, exit_code_of
from monarq.jobs.errors import (
    ConfigError,
    Conflict,
    DuplicateKind,
    InvalidArguments,
    MonarqError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    UnknownKind,
)

RunCommand = Callable[[Exception], int]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["x"]), 78),
        (UnknownKind("a", ()), 78),
        (DuplicateKind("a", "b", "c"), 78),
        (StoreUnavailable("x"), 69),
        (InvalidArguments("a", {"n": "no"}), 2),
        (Conflict("a"), 1),
        (StoreRefused("x"), 1),
        (StoreFull("x"), 1),
        (MonarqError("x"), 1),
    ],
)
def test_each_error_has_its_exit_code(error: MonarqError, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.fixture
def run_failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunCommand]:
    """Runs a command that raises the given error."""
    failing = typer.Typer(add_completion=False)
    raised: list[Exception] = []

    @failing.command()
    def fail() -> None:
        raise raised[0]

    class Registered(EntryPoint):
        def load(self) -> typer.Typer:
            return failing

    points = [Registered("fail", "nowhere:app", command_line.ENTRY_POINTS)]
    monkeypatch.setattr(command_line, "entry_points", lambda group: points)

    def run(error: Exception) -> int:
        raised.append(error)
        return command_line.run(["fail"])

    return run


def test_an_error_of_ours_is_one_line_without_a_traceback(
    run_failing: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing(Conflict("a")) == ExitCode.FAILURE
    assert capsys.readouterr().err == (
        "monarq: job 'a' exists with another kind or other arguments; choose another job_id\n"
    )


def test_at_log_level_debug_the_traceback_comes_first(
    run_failing: RunCommand, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONARQ_LOG_LEVEL", "debug")
    assert run_failing(Conflict("a")) == ExitCode.FAILURE
    assert capsys.readouterr().err.startswith("Traceback (most recent call last)")


def test_all_faults_of_the_settings_are_listed(
    run_failing: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing(ConfigError(["one", "two"])) == ExitCode.CONFIG
    assert "  - one\n  - two\n" in capsys.readouterr().err


def test_an_unreachable_redis_comes_with_what_to_do(
    run_failing: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing(StoreUnavailable("gone")) == ExitCode.UNAVAILABLE
    assert "MONARQ_REDIS_URL" in capsys.readouterr().err


def test_a_fault_of_ours_shows_where_it_is(
    run_failing: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing(RuntimeError("oops")) == ExitCode.INTERNAL
    assert "RuntimeError: oops" in capsys.readouterr().err
