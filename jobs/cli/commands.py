"""The `typer.Typer` that a room registers: alike in all of them."""

from __future__ import annotations

from typing import Any

import typer


def new_commands(**options: Any) -> typer.Typer:
    """An app for one command, or for a group of them; `options` are typer's."""
    # markdown: a docstring's line breaks are not those of the terminal
    return typer.Typer(
        add_completion=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )
