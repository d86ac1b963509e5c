"""Every static statement is a file of `sql/`: its name is the statement's."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_FOLDER = files(__package__) / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`.

    Raises:
        FileNotFoundError: There is no such statement.
    """
    return (_FOLDER / f"{name}.sql").read_text()
