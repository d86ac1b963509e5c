"""Every command that stands in a sentence of the pages for incidents can be given so."""

import re
import shlex
from importlib.metadata import entry_points
from typing import Any

import pytest

from monarq.jobs.cli.app import ENTRY_POINTS, Commands

from .pages import ROOT

PAGES = ("docs/runbooks.md", "docs/guides/incidents.md", "docs/guides/alerts.md")
_COMMAND = re.compile(r"`monarq ([a-z][^`]*)`")
GIVEN = sorted(
    {
        " ".join(found.split())
        for page in PAGES
        for found in _COMMAND.findall((ROOT / page).read_text("utf-8"))
    }
)


def test_the_pages_name_commands() -> None:
    assert len(GIVEN) > 20


@pytest.mark.parametrize("given", GIVEN)
def test_a_command_of_the_pages_is_understood(given: str) -> None:
    name, *words = shlex.split(given)
    command: Any = Commands([*entry_points(group=ENTRY_POINTS)])[name]
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    if not hasattr(command, "commands"):  # a group alone shows what there is
        command.make_context(name, words)
