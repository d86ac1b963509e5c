"""The services of a worker that need PostgreSQL, in one place: made only if the settings name a database."""

from __future__ import annotations

from collections.abc import Mapping

from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.verbs import End, Settlement
from monarq.producer.relay import Relay

from .history import History
from .maintenance.duties import Duty
from .maintenance.history_days import HistoryDays
from .maintenance.unstarted import Unstarted
from .run import Run


class Persistence:
    """What a worker does with PostgreSQL.  Each service is a named field.

    Args:
        database: Closed by `close`.
        link: For duties; what is on a job's way has a connection of its own.
        queues: Those that the worker serves.
    """

    def __init__(
        self,
        database: Database,
        link: Transport,
        queues: Mapping[QueueKeys, int],
        settings: Settings,
        *,
        worker_id: str,
    ) -> None:
        self.database = database
        #: None if the settings want none.
        self.history: History | None = None
        #: What is done now and then, beside the worker's other duties.
        self.duties: tuple[Duty, ...] = ()
        if settings.history:
            self.history = History(database, worker_id=worker_id, limit=settings.history_buffer)
            days = HistoryDays(database, keep=settings.history_keep)
            self.duties += (self.history, days, Unstarted(link, queues, database))
        if settings.relay:
            self.duties += (Relay(database, link, settings),)

    def settled(self, run: Run, end: End, settlement: Settlement) -> None:
        """Note how an attempt ended, once Redis has it."""
        if self.history is not None:
            self.history.add(run, end, settlement)

    def report(self) -> dict[str, object]:
        """What the worker says of these services; read from another thread."""
        return {} if self.history is None else {"history": self.history.report()}

    async def close(self) -> None:
        """Write the rest, then close the connections to PostgreSQL."""
        if self.history is not None:
            await self.history.close()
        await self.database.close()
