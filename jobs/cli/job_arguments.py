"""A job's arguments as they are written on the command line."""

from __future__ import annotations

import sys
from typing import Any

import typer
from pydantic_core import from_json

from ..handler import Call, Handler


def read_arguments(text: str) -> list[Any] | dict[str, Any]:
    """An object of arguments by name or a list of them, as JSON; `-` reads it from stdin."""
    text = sys.stdin.read() if text == "-" else text
    try:
        arguments = from_json(text)
    except ValueError as error:
        raise typer.BadParameter(f"this is not JSON: {error}") from None
    if not isinstance(arguments, (list, dict)):
        raise typer.BadParameter(
            'this is neither an object of arguments by name, {"width": 200}, nor a list of them'
        )
    return arguments


def call_of(handler: Handler[..., Any], arguments: list[Any] | dict[str, Any]) -> Call[Any]:
    """The call with these arguments, checked by the handler's types.

    Raises:
        InvalidArguments: They do not fit.
    """
    args, kwargs = (arguments, {}) if isinstance(arguments, list) else ([], arguments)
    # through JSON first: bytes, for one, are written in another way there than in Python
    return handler.of(**handler.arguments.decode(args, kwargs))
