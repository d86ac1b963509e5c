"""The services of a worker that need PostgreSQL, in one place: made only if the settings name a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.archive import Archive
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.loss_watch import LossWatch
from monarq.jobs.store.postgres.reconciling import Reconciler
from monarq.jobs.store.postgres.rolling import Roller
from monarq.jobs.store.verbs import Settlement
from monarq.producer.relay import Relay

from .completer import Batch, Settled
from .durable_completer import DurableCompleter
from .history import History
from .ledger import Ledger
from .maintenance.archiver import Archiver
from .maintenance.cron import Cron
from .maintenance.duties import Duty
from .maintenance.epochs import Epochs
from .maintenance.forgetting import Forgetting
from .maintenance.history_days import HistoryDays
from .maintenance.kept_ends import KeptEnds
from .maintenance.rollups import Rollups
from .maintenance.schedules import Schedules
from .maintenance.unstarted import Unstarted
from .once import Effects


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
        archive = Archive(link, database, keep=settings.dead_keep, tagged=settings.hash_tags)
        self._worker_id = worker_id
        self.ledger = Ledger(database, worker_id=worker_id)
        self.effects = Effects(open_database(settings), settings.once_idle_timeout)
        reconciler = Reconciler(link, database, lease=settings.lease, tagged=settings.hash_tags)
        self.epochs = Epochs(LossWatch(link, database), reconciler, self.ledger.is_behind)
        #: None if the settings want none.
        self.history: History | None = None
        #: What is done now and then, beside the worker's other duties.
        self.duties: tuple[Duty, ...] = (
            self.epochs,
            Archiver(archive, queues, keep=settings.dead_keep),
            KeptEnds(link, database, queues, self.ledger),
            Forgetting(
                database,
                keep=settings.durable_keep,
                dead_keep=settings.dead_keep,
                audit_keep=settings.audit_keep,
            ),
        )
        if settings.history:
            self.history = History(database, worker_id=worker_id, limit=settings.history_buffer)
            days = HistoryDays(database, keep=settings.history_keep)
            rollups = Rollups(Roller(database, keep=settings.insights_keep))
            self.duties += (self.history, days, Unstarted(link, queues, database), rollups)
        #: None if the settings want none here.
        self.relay: Relay | None = None
        if settings.relay:
            self.relay = Relay(database, link, settings)
            self.duties += (self.relay,)

    def schedules(self, cron: Cron) -> Schedules:
        """What writes down when this worker's cron jobs are due."""
        return Schedules(self.database, cron, worker_id=self._worker_id)

    def completer(self, link: Transport, on_settled: Settled) -> DurableCompleter:
        """What records outcomes, those of durable jobs here first."""
        return DurableCompleter(
            link,
            on_settled,
            self.ledger,
            worker_id=self._worker_id,
            tells_past=self.history is not None,
        )

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """Note how attempts ended, once Redis has it."""
        if self.history is not None:
            for (run, end), settlement in zip(batch, settlements, strict=True):
                self.history.add(run, end, settlement)

    def report(self) -> dict[str, object]:
        """What the worker says of these services; read from another thread."""
        history = {} if self.history is None else {"history": self.history.report()}
        return {"has_database": True, **history}

    async def close(self) -> None:
        """Write the rest of the history, then close the connections to PostgreSQL."""
        if self.history is not None:
            await self.history.close()
        await self.effects.close()
        await self.database.close()
