"""Brings the tables of a database up to the release that runs: Alembic's steps, each a script of SQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema
from sqlalchemy.util import await_only

from ...errors import DatabaseRefused
from ...settings import Settings
from .faults import told_in_our_words

T = TypeVar("T")

SCHEMA = "monarq"
#: Of an advisory lock: two that migrate at once take turns.
_LOCK = 0x6D6F6E617271
_FOLDER = files(__package__) / "migrations"


async def migrate(settings: Settings) -> list[str]:
    """Do all steps that are missing, in one transaction; their names, oldest first.

    Raises:
        DatabaseUnavailable: PostgreSQL did not answer.
        DatabaseRefused: A step failed, and all of them are undone.
    """
    return await _on_connection(settings, _upgrade)


async def missing_steps(settings: Settings) -> list[str]:
    """The steps that `migrate` would do, oldest first."""
    return await _on_connection(settings, _missing)


def steps_after(revision: str | None) -> list[str]:
    """The steps of this release that follow one of them, oldest first; all of them for None.

    Raises:
        DatabaseRefused: This release does not know it.
    """
    with as_file(_FOLDER) as folder:
        try:
            steps = ScriptDirectory.from_config(_config(folder)).iterate_revisions("head", revision or "base")
            return [step.revision for step in steps][::-1]
        except RevisionError as error:
            told = f"PostgreSQL: its tables are of a later release than this one (step {revision})"
            raise DatabaseRefused(f"{told}; upgrade Monarq here") from error


def run_script(revision: str) -> None:
    """Run the SQL of a step, many statements at once."""
    script = (_FOLDER / "versions" / f"{revision}.sql").read_text()
    connection = op.get_bind().connection.driver_connection
    # not through SQLAlchemy: it prepares what it sends, and only one statement can be prepared
    await_only(connection.execute(script))  # type: ignore[union-attr]


async def _on_connection(settings: Settings, work: Callable[[Connection], T]) -> T:
    url = settings.database_direct_url or settings.database_url
    assert url is not None
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(_connect, url.get_secret_value()), poolclass=NullPool
    )
    with told_in_our_words():
        async with engine.begin() as connection:
            return await connection.run_sync(work)


async def _connect(url: str, *_: object, **__: object) -> asyncpg.Connection:
    return await asyncpg.connect(url)


def _upgrade(connection: Connection) -> list[str]:
    # the lock also begins the transaction that the scripts run in
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    missing = _missing(connection)
    with as_file(_FOLDER) as folder:
        config = _config(folder)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return missing


def _missing(connection: Connection) -> list[str]:
    options = {"version_table": "migrations", "version_table_schema": SCHEMA}
    return steps_after(MigrationContext.configure(connection, opts=options).get_current_revision())


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config
