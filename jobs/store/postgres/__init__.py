"""PostgreSQL: what must outlive Redis.  Optional: nothing of it is imported before a database is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConfigError, NoDatabase
from ...settings import Settings

if TYPE_CHECKING:
    from .database import Database


def open_database(settings: Settings) -> Database:
    """The database of the settings; it is reached when it is first needed.

    Raises:
        NoDatabase: They name none.
        ConfigError: The packages for it are not installed.
    """
    if settings.database_url is None:
        raise NoDatabase
    try:
        from .database import Database
    except ImportError as error:
        raise ConfigError(
            [f"PostgreSQL needs some packages ({error}): pip install 'monarq[postgres]'"]
        ) from None
    return Database(settings)


def open_database_if_named(settings: Settings) -> Database | None:
    """The same, or None if the settings name none."""
    return None if settings.database_url is None else open_database(settings)
