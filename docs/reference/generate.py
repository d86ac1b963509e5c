"""Writes the generated parts of the pages beside it, from the code: python docs/reference/generate.py

`tests/meta/test_reference.py` fails when a page is not what this would write.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import monarq
from monarq.dashboard import settings as dashboard_module
from monarq.dashboard.app import openapi_document
from monarq.jobs import settings as settings_module
from monarq.jobs.catalog import settings as catalog_module
from monarq.jobs.cli import exit_codes
from monarq.jobs.cli.app import ENTRY_POINTS
from monarq.jobs.errors import MonarqError

FOLDER = Path(__file__).resolve().parent
_PLACEHOLDERS = {str: "TEXT", int: "NUMBER", float: "NUMBER", datetime: "TIME", Path: "FOLDER"}
_BEGIN, _END = "<!-- generated: begin {name} -->", "<!-- generated: end -->"


def renewed(page: Path) -> str:
    """The page with all its generated parts as they should be."""
    text = page.read_text(encoding="utf-8")
    for name, build in PARTS[page.name].items():
        begin = _BEGIN.format(name=name)
        before, found, rest = text.partition(begin)
        assert found, f"{page.name} has no {begin}"
        text = f"{before}{begin}\n\n{build()}\n\n{_END}{rest.partition(_END)[2]}"
    return text


# --- settings


def settings_table() -> str:
    """What every process reads."""
    return _settings(settings_module, settings_module.Settings)


def catalog_table() -> str:
    """What the shipped kinds read."""
    return _settings(catalog_module, catalog_module.CatalogSettings)


def dashboard_table() -> str:
    """What the dashboard reads."""
    return _settings(dashboard_module, dashboard_module.DashboardSettings, "MONARQ_DASHBOARD_")


def _settings(module: ModuleType, settings: type[BaseModel], prefix: str = "MONARQ_") -> str:
    told = _field_comments(module, settings.__name__)
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        about = " ".join(filter(None, (told[name], _bounds(field))))
        lines.append(f"| `{prefix}{name.upper()}` | {_shown_default(field)} | {about} |")
    return "\n".join(lines)


def _field_comments(module: ModuleType, class_name: str) -> dict[str, str]:
    """The `#:` comment above each field; a field without one has the comment of the field before it."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    body = next(
        n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == class_name
    ).body
    return {
        node.target.id: _comment_above(lines, node.lineno)
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _comment_above(lines: list[str], line_number: int) -> str:
    collected: list[str] = []
    for line in reversed(lines[: line_number - 1]):
        if not line.strip().startswith("#:"):
            break
        collected.insert(0, line.strip().removeprefix("#:").strip())
    return " ".join(collected).replace("|", "\\|")


def _shown_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default == () or default == {}:
        return "not set"
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    if hasattr(default, "total_seconds"):
        default = f"{default.total_seconds():.15g}"
    if isinstance(default, dict):
        default = ",".join(default)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _bounds(field: FieldInfo) -> str:
    literals = getattr(field.annotation, "__args__", ())
    if literals and all(isinstance(choice, str) for choice in literals):
        return f"One of {', '.join(f'`{choice}`' for choice in literals)}."
    limits = {type(bound).__name__: bound for bound in field.metadata}
    words = {"Ge": "at least {.ge}", "Gt": "above {.gt}", "Le": "at most {.le}"}
    told = [word.format(limits[name]) for name, word in words.items() if name in limits]
    return f"({', '.join(_plain_span(word) for word in told)})" if told else ""


def _plain_span(text: str) -> str:
    return re.sub(r"\b0:(\d\d):(\d\d)\b", lambda span: str(int(span[1]) * 60 + int(span[2])), text)


# --- errors


def error_table() -> str:
    """Every class below `MonarqError`, parents first."""
    _import_all()
    lines = ["| error | below | `code` | raised when |", "|---|---|---|---|"]
    for error, below in _tree(MonarqError, ""):
        about = " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split())
        lines.append(f"| `{error.__name__}` | {below} | `{error.code}` | {about} |")
    return "\n".join(lines)


def exit_code_table() -> str:
    """What the commands end with."""
    source = inspect.getsource(exit_codes.ExitCode)
    told = dict(re.findall(r"^    (\w+) = \d+(?:  #: (.+))?$", source, flags=re.MULTILINE))
    lines = ["| code | name | means |", "|---|---|---|"]
    lines += [f"| {code.value} | `{code.name}` | {told[code.name]} |" for code in exit_codes.ExitCode]
    return "\n".join(lines)


def _tree(error: type[MonarqError], below: str) -> Iterator[tuple[type[MonarqError], str]]:
    yield error, below
    for child in sorted(error.__subclasses__(), key=lambda one: one.__name__):
        if child.__module__.startswith("monarq.") and child.code != error.code:  # else it is ours alone
            yield from _tree(child, f"`{error.__name__}`")


def _import_all() -> None:
    for module in pkgutil.walk_packages(monarq.__path__, "monarq."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


# --- command line


def command_list() -> str:
    """Every command with its arguments and options."""
    sections = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        command = typer.main.get_command(point.load())
        sections += _command(f"monarq {point.name}", command)
    return "\n\n".join(sections)


def _command(path: str, command: Any) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if subcommands and not command.params:
        yield f"### `{path}`\n\n{_prose(command.help)}"
    else:
        yield _own_section(path, command)
    for name, subcommand in subcommands.items():
        yield from _command(f"{path} {name}", subcommand)


def _own_section(path: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([path, "[OPTIONS]", *(_placeholder(one, brackets=True) for one in arguments)])
    rows = [_parameter(one) for one in command.params if not getattr(one, "hidden", False)]
    table = "\n".join(["| argument, option | what it does |", "|---|---|", *rows])
    parts = [f"### `{path}`", f"```text\n{usage}\n```", _prose(command.help), table]
    return "\n\n".join(parts)


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{_placeholder(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {_placeholder(parameter)}"
        shown = ", ".join(f"`{flag}{value}`" for flag in parameter.opts)
    about = " ".join((parameter.help or "").split()).replace("|", "\\|")
    return f"| {shown} | {about}{_parameter_default(parameter)} |"


def _placeholder(parameter: Any, *, brackets: bool = False) -> str:
    """What stands for the value: `ID...`."""
    if parameter.metavar:
        name = parameter.metavar
    elif parameter.param_type_name == "argument":
        name = parameter.name.upper()
    else:
        name = _PLACEHOLDERS.get(parameter.type_descriptor.annotation, "TEXT")
    if parameter.nargs == -1 and not name.endswith("..."):
        name += "..."
    return f"[{name}]" if brackets and not parameter.required else str(name)


def _parameter_default(parameter: Any) -> str:
    default = parameter.default
    return "" if default is None or default is False or default == [] else f" Default: `{default}`."


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "")


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "settings.md": {"settings": settings_table, "catalog": catalog_table, "dashboard": dashboard_table},
    "errors.md": {"errors": error_table, "exit codes": exit_code_table},
    "cli.md": {"commands": command_list},
}


def openapi_text() -> str:
    """The OpenAPI document of the HTTP API, as `openapi.json` holds it."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (FOLDER / "openapi.json").write_text(openapi_text(), encoding="utf-8")
    for page_name in PARTS:
        page = FOLDER / page_name
        page.write_text(renewed(page), encoding="utf-8")
