"""Enqueues by way of PostgreSQL: a row in the outbox, for a relay to bring to Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from monarq.jobs import semconv
from monarq.jobs.priority import RANKS
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database, packages_wanted
from monarq.jobs.store.postgres.outbox_rows import NewRow, as_named, as_pyformat, parameters_of
from monarq.jobs.store.verbs import Accepted
from monarq.jobs.tracing import tracing_in_use

from .order import Order, Prepared, prepare
from .retrying import patiently
from .sending import sending, sent

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database

_STATEMENT = "outbox_add"
#: Rows of one statement.
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A job as a row, for a driver of your own: execute its statement in your transaction.

        row = producer.outbox_row(confirm.of(7))
        cursor.execute(row.pyformat, row.parameters)               # psycopg 3, with an event loop or without
        session.execute(text(row.named), row.parameters)           # SQLAlchemy

    The statement returns the job's id, or no row if a job with this id is there already.
    """

    job_id: str
    #: What stands for the placeholders.
    parameters: dict[str, list[Any]] = field(repr=False)  # the arguments may be private

    @property
    def pyformat(self) -> str:
        """The statement with placeholders like `%(name)s`."""
        return as_pyformat(_STATEMENT, NewRow._fields)

    @property
    def named(self) -> str:
        """The statement with placeholders like `:name`."""
        return as_named(_STATEMENT, NewRow._fields)


def outbox_row(order: Order[Any], settings: Settings) -> OutboxRow:
    """The row of one job.

    Raises:
        InvalidArguments: An option is unusable.
        PayloadTooLarge: The encoded job is over the limit.
    """
    if settings.tracing != "off" and (tracing := tracing_in_use()) is not None:
        with sending(tracing, order, semconv.CREATE) as span:
            row = _outbox_row(order, settings, span.carried)
            sent(span, row.job_id)
            return row
    return _outbox_row(order, settings, None)


def _outbox_row(order: Order[Any], settings: Settings, trace: str | None) -> OutboxRow:
    prepared = prepare(
        order,
        tagged=settings.hash_tags,
        max_payload_bytes=settings.max_payload_bytes,
        by_outbox=True,
        trace=trace,
    )
    return OutboxRow(prepared.entry.job_id, parameters_of([_row(prepared)]))


class OutboxWriter:
    """Writes prepared jobs, on a connection of the app's, or in a transaction of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None

    async def write(self, connection: Any | None, prepared: Sequence[Prepared[Any]]) -> None:
        """Write jobs, and note in each what became of it.

        Args:
            connection: The app's, and nothing is committed; None for one of the settings' database.

        Raises:
            NoDatabase: The settings name none.
            ConfigError: The packages for PostgreSQL are not installed.
            TypeError: The connection is none that can be used.
            StoreError: PostgreSQL did not answer, or refused.
        """
        if connection is None:
            self._open()  # first of all, to say that there is none
        with packages_wanted():
            from monarq.jobs.store.postgres.outbox_writing import write
        for at in range(0, len(prepared), _CHUNK):
            chunk = prepared[at : at + _CHUNK]
            rows = [_row(one) for one in chunk]
            if connection is not None:
                accepted = await write(connection, rows)
            else:
                accepted = await self._write_own(partial(write, rows=rows))
            for one, became in zip(chunk, accepted, strict=True):
                one.accepted = became

    async def _write_own(self, write: Callable[[Any], Awaitable[list[Accepted]]]) -> list[Accepted]:
        database = self._open()
        # no id comes twice, so that a commit whose reply was lost can be repeated
        return await patiently(lambda: database.transact(lambda unit: write(unit.connection)))

    @property
    def database(self) -> Database | None:
        """That of the settings; None if they name none."""
        return None if self._settings.database_url is None else self._open()

    def _open(self) -> Database:
        if self._database is None:
            self._database = open_database(self._settings)
        return self._database

    async def close(self) -> None:
        """Close the connections of its own."""
        if self._database is not None:
            await self._database.close()


def _row(prepared: Prepared[Any]) -> NewRow:
    job_id, priority, due, head, digest, unique = prepared.entry
    return NewRow(
        job_id,
        prepared.queue.name,
        prepared.order.call.handler.kind,
        RANKS[priority],
        due if isinstance(due, datetime) else None,
        due.total_seconds() if isinstance(due, timedelta) and due else None,
        head,
        digest,
        unique,
        prepared.durable,
    )
