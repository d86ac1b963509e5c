"""Is this PostgreSQL fit for what must outlive Redis?  What `monarq doctor` looks at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from math import isfinite
from typing import Any, TypeAlias

import asyncpg
from pydantic import SecretStr

from ...errors import DatabaseRefused, StoreError
from ...settings import Settings
from ..posture import CLOCK_TOLERANCE_SECONDS, Finding, Level
from .database import LARGEST_LAG_SECONDS
from .faults import told_in_our_words
from .migrating import steps_after
from .statements import statement
from .unit_of_work import Connection

Facts: TypeAlias = Mapping[str, Any]

#: Its end of support is the one that ours follows.
OLDEST_VERSION = 14
#: While it lasts, no row that went since can be cleared away.
_LONG_TRANSACTION_SECONDS = 3600.0


async def examine_database(settings: Settings, *, redis_ahead: float) -> list[Finding]:
    """All findings about the PostgreSQL of the settings, its replica and the ways to them.

    Args:
        settings: They name one.
        redis_ahead: Seconds that the clock of Redis is ahead of ours.

    Raises:
        DatabaseUnavailable: It does not answer.
        DatabaseRefused: It does not let us in.
    """
    assert settings.database_url is not None
    # behind a pooler, what must be asked of one server is asked in one transaction
    async with _connection(settings.database_url, settings) as connection, connection.transaction():
        facts = await connection.fetchrow(statement("server_facts"))
        ahead = facts["clock"] - time.time()
        tables = await _tables(connection, facts["has_tables"])
        is_pooled = connection.get_server_pid() != facts["pid"]
    return [
        *_server(facts),
        *_promises(facts),
        _room(facts, settings),
        _way(facts),
        _clock(ahead - redis_ahead),
        *tables,
        *(_pooler(settings) if is_pooled else ()),
        *await _direct_way(settings),
        *await _replica(settings),
    ]


@asynccontextmanager
async def _connection(url: SecretStr, settings: Settings) -> AsyncIterator[Connection]:
    with told_in_our_words():
        # with nothing that a pooler might refuse
        connection = await asyncpg.connect(
            url.get_secret_value(),
            timeout=settings.database_connect_timeout.total_seconds(),
            command_timeout=settings.database_statement_timeout.total_seconds(),
            statement_cache_size=0,
        )
        try:
            yield connection
        finally:
            await connection.close()


def _server(facts: Facts) -> Iterator[Finding]:
    name = f"PostgreSQL {facts['version_name']}"
    if facts["version"] < OLDEST_VERSION * 10_000:
        yield _refused("version", name, f"use PostgreSQL {OLDEST_VERSION} or later")
    else:
        yield _ok("version", name)
    if facts["is_read_only"]:
        yield _refused("role", "read-only, a replica perhaps", "point MONARQ_DATABASE_URL at the primary")
    else:
        yield _ok("role", "primary")
    if facts["encoding"] != "UTF8":
        yield _refused("encoding", facts["encoding"], "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")


def _promises(facts: Facts) -> Iterator[Finding]:
    if not facts["survives_crashes"]:
        yield _warning(
            "durability",
            "fsync or full_page_writes is off: a power cut destroys the database",
            "turn both on in postgresql.conf",
        )
    elif not facts["waits_for_disk"]:
        yield _warning(
            "durability",
            "synchronous_commit is off: a crash loses what was committed last, jobs among it",
            "ALTER DATABASE … SET synchronous_commit = on",
        )
    else:
        yield _ok("durability", "a commit is on disk")
    if facts["oldest_transaction"] > _LONG_TRANSACTION_SECONDS:
        yield _warning(
            "transactions",
            f"one has been open for {facts['oldest_transaction'] / 3600:.1f} h: tables grow meanwhile",
            "find it in pg_stat_activity and end it; set idle_in_transaction_session_timeout",
        )


def _room(facts: Facts, settings: Settings) -> Finding:
    free = facts["room"] - facts["connections"]
    wanted = settings.database_pool_size
    found = f"{facts['connections']} of {facts['room']} in use; a process opens up to {wanted}"
    if free < wanted:
        mend = "raise max_connections, lower MONARQ_DATABASE_POOL_SIZE, or put PgBouncer before it"
        return _warning("connections", found, mend)
    return _ok("connections", found)


def _way(facts: Facts) -> Finding:
    if facts["is_private"]:
        return _ok("encryption", "nobody can listen in")
    mend = "append ?sslmode=verify-full&sslrootcert=… to the address"
    return _warning("encryption", "jobs travel in the clear", mend)


def _clock(ahead: float) -> Finding:
    if abs(ahead) <= CLOCK_TOLERANCE_SECONDS:
        return _ok("clock", "in step with Redis")
    mend = "run NTP on both; a delay that is given with `connection=` is off by as much"
    return _warning("clock", f"{ahead:+.0f} s from the clock of Redis", mend)


async def _tables(connection: Connection, are_there: bool) -> list[Finding]:
    revision = await connection.fetchval(statement("current_revision")) if are_there else None
    try:
        missing = steps_after(revision)
    except DatabaseRefused as error:
        return [_warning("tables", str(error).removeprefix("PostgreSQL: "), "")]
    if missing:
        return [_refused("tables", f"missing: {', '.join(missing)}", "monarq migrate")]
    closed = [row[0] for row in await connection.fetch(statement("missing_rights"))]
    if closed:
        found = f"this user may not read and write {', '.join(closed)}"
        return [
            _warning("tables", found, "GRANT a worker's user the rights, or let it own the schema monarq")
        ]
    return [_ok("tables", f"up to date ({revision})")]


def _pooler(settings: Settings) -> Iterator[Finding]:
    mends = []
    if settings.database_direct_url is None:
        mends.append("MONARQ_DATABASE_DIRECT_URL past it, or relays look for jobs instead of being told")
    if settings.database_prepared_statements:
        mends.append("if it pools transactions, MONARQ_DATABASE_PREPARED_STATEMENTS=false")
    if mends:
        yield _warning("pooler", "something like PgBouncer is in between", "; ".join(mends))
    else:
        yield _ok("pooler", "something like PgBouncer is in between, and known to be")


async def _direct_way(settings: Settings) -> list[Finding]:
    if settings.database_direct_url is None:
        return []
    try:
        async with _connection(settings.database_direct_url, settings):
            return [_ok("direct way", "it answers")]
    except StoreError as error:
        return [_warning("direct way", str(error), "see to MONARQ_DATABASE_DIRECT_URL")]


async def _replica(settings: Settings) -> list[Finding]:
    if settings.database_replica_url is None:
        return []
    try:
        async with _connection(settings.database_replica_url, settings) as connection:
            lag = await connection.fetchval(statement("replica_lag"))
    except StoreError as error:
        return [_warning("replica", str(error), "until then the primary is asked")]
    behind = f"{lag:.0f} s behind" if isfinite(lag) else "it has replayed nothing yet"
    if lag > LARGEST_LAG_SECONDS:
        return [_warning("replica", behind, "until it has caught up, the primary is asked")]
    return [_ok("replica", behind)]


def _ok(check: str, found: str) -> Finding:
    return Finding(f"database {check}", Level.OK, found)


def _warning(check: str, found: str, mend: str) -> Finding:
    return Finding(f"database {check}", Level.WARNING, found, mend)


def _refused(check: str, found: str, mend: str) -> Finding:
    return Finding(f"database {check}", Level.REFUSED, found, mend)
