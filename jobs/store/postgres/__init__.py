"""PostgreSQL: what must outlive Redis.  Optional: nothing of it is imported before a database is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import ConfigError, NoDatabase
from ...settings import Settings

if TYPE_CHECKING:
    from .database import Database


@contextmanager
def packages_wanted() -> Iterator[None]:
    """Import what needs the packages for PostgreSQL, which need not be installed.

    Raises:
        ConfigError: They are not; it says what to install.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            [f"PostgreSQL needs some packages ({error}): pip install 'monarq[postgres]'"]
        ) from None


def open_database(settings: Settings) -> Database:
    """The database of the settings; it is reached when it is first needed.

    Raises:
        NoDatabase: They name none.
        ConfigError: The packages for it are not installed.
    """
    if settings.database_url is None:
        raise NoDatabase
    with packages_wanted():
        from .database import Database
    return Database(settings)


def open_database_if_named(settings: Settings) -> Database | None:
    """The same, or None if the settings name none."""
    return None if settings.database_url is None else open_database(settings)
