"""What went wrong with PostgreSQL, in our words: who asks for something need not know asyncpg's errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from ...errors import DatabaseRefused, DatabaseUnavailable, NotMigrated

#: No answer, or one that says "not now": what was asked may have happened.
_AWAY = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a backend that is ended while a statement is on its way to it
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
#: The whole transaction may simply be done again.
CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


@contextmanager
def told_in_our_words() -> Iterator[None]:
    """Turn asyncpg's errors into `StoreError`s; those of `CONFLICTS` pass, for who repeats the unit.

    Raises:
        DatabaseUnavailable: No answer.
        NotMigrated: Our tables are not there, or of an older release.
        DatabaseRefused: Any other error that the server told.
    """
    try:
        yield
    except CONFLICTS:
        raise
    except _AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL: {_told(error)}") from error
    except (
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
        asyncpg.InvalidSchemaNameError,
    ) as error:
        raise NotMigrated(
            f"PostgreSQL: {_told(error)}; bring its tables up to date: monarq migrate"
        ) from error
    except asyncpg.PostgresError as error:
        raise DatabaseRefused(f"PostgreSQL: {_told(error)}") from error


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
