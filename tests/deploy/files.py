"""The files of `deploy/`, and what they may say of us."""

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml

from monarq.dashboard.settings import load_dashboard_settings
from monarq.jobs.cli.app import ENTRY_POINTS, Commands, app
from monarq.jobs.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def documents(path: Path) -> list[Any]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def parse(command: list[str]) -> Mapping[str, Any]:
    """The options of one of our own command lines, or a usage error."""
    group = cast(typer.core.TyperGroup, typer.main.get_command(app))
    group.commands = Commands([*entry_points(group=ENTRY_POINTS)])
    name, *arguments = command
    context = group.commands[name].make_context(name, arguments)
    return cast(Mapping[str, Any], context.params)


def start(monkeypatch: pytest.MonkeyPatch, command: list[str], environ: Mapping[str, str]) -> None:
    """Read what a process would read at its start, or fail as it would."""
    for name in [name for name in os.environ if name.startswith("MONARQ_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert parse(command) is not None
    load_settings()
    if command[0] == "dashboard":
        load_dashboard_settings().as_served()


def pods(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    """Name and template of all pods."""
    for document in documents:
        if "template" in document.get("spec", {}):
            yield document["metadata"]["name"], document["spec"]["template"]
