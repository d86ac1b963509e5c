"""How the command line is put together."""

from importlib.metadata import EntryPoint

import pytest
import typer

import monarq
from monarq.jobs.cli import app as command_line
from monarq.jobs.cli.app import Commands


class Registered(EntryPoint):
    """An entry point that notes that it was loaded."""

    loaded: list[str] = []

    def load(self) -> typer.Typer:
        self.loaded.append(self.name)
        made = typer.Typer(add_completion=False)
        made.command()(lambda: None)
        return made


def test_only_the_command_that_is_called_is_loaded() -> None:
    Registered.loaded.clear()
    commands = Commands([Registered(name, "nowhere:app", "group") for name in ("b", "a")])
    assert list(commands) == ["a", "b"]
    assert "b" in commands
    assert commands.get("b").name == "b"
    assert Registered.loaded == ["b"]


def test_a_command_nobody_registered_is_none() -> None:
    assert Commands([]).get("a") is None


@pytest.mark.parametrize("name", ["dead", "dev", "doctor", "enqueue", "health", "queues", "top", "worker"])
def test_every_command_is_registered_and_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run([name, "--help"]) == 0
    assert f"monarq {name}" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(["--version"]) == 0
    assert capsys.readouterr().out == f"monarq {monarq.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["doctor", "--nonsense"], ["dead", "show"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert command_line.run(arguments) == 2


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(["docter"]) == 2
    assert "'doctor'" in capsys.readouterr().err
